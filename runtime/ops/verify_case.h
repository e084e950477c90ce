/* runtime/ops/verify_case.h: a conformance case: an op together with the host images of its tensors.
 *
 * A case owns, for each slot, an image of the memory around the tensor: guard bytes, the elements at their strides,
 * guard bytes. Outputs start poisoned. Building a case is separate from running it (verify_run.c), so that the same
 * case goes to the device under test and to the reference. The tables are in cases_<concept>.c, one auxo__suite per op.
 */
#ifndef AUXO_VERIFY_CASE_H
#define AUXO_VERIFY_CASE_H

#include "auxo/ops.h"

enum { AUXO__CASE_LAYERS_MAX = 256 };

/* Memory before the op runs. Several slots may share one image (in place). */
typedef struct auxo__image {
    uint8_t *bytes; /* NULL: the slot is absent or shares another slot's image */
    uint64_t size_bytes;
    uint32_t owner; /* the slot whose image this slot uses */
} auxo__image;

typedef struct auxo__case {
    auxo_op op; /* tensors without buffers; offset_bytes counts from the start of the image */
    auxo__image images[AUXO_OP_SLOTS_MAX];
    char text[128];                             /* what is special about it */
    bool one_buffer;                            /* all images in one buffer, as in a plan's arena */
    uint32_t widths[AUXO__CASE_LAYERS_MAX + 1]; /* of params.mlp */
    auxo_activation activations[AUXO__CASE_LAYERS_MAX];
    double scale; /* for the bound, where the suite needs one number for the whole case */
    uint64_t random_state;
    auxo_status status; /* OUT_OF_MEMORY once an image could not be allocated */
} auxo__case;

/* The largest error allowed for element `element` (row-major in the view) of a slot. expected: the reference's value;
 * magnitude: the reference's result on absolute values where the suite wants it, else the largest |expected| of the
 * slot. 0: must be equal. */
typedef double auxo__bound(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude);

/* All cases of one op. */
typedef struct auxo__suite {
    size_t case_count;
    size_t quick_count;                             /* the first quick_count cases are the self-test */
    void (*build)(auxo__case *built, size_t index); /* op, tensors, values, text */
    auxo__bound *bound;                             /* NULL: equal */
    bool wants_magnitude;                           /* linear ops: S of the bound comes from |inputs| */
    size_t half_count; /* the first half_count cases come again at the end, twice: in f16, then in bf16 */
} auxo__suite;

/* All cases of a suite: those of its table, then those in 16 bits. */
size_t auxo__suite_count(const auxo__suite *suite);
/* The number of table case `base`, which has a turn in 16 bits, in f16 or bf16. */
size_t auxo__suite_half_index(const auxo__suite *suite, size_t base, auxo_dtype dtype);

/* The suite of a kind; every kind has one. */
const auxo__suite *auxo__op_suite(auxo_op_kind kind);
#define AUXO__SUITE(kind, noun) extern const auxo__suite auxo__suite_##noun;
AUXO_OP_TABLE(AUXO__SUITE)
#undef AUXO__SUITE

/* Builds case `index` of a kind. Ownership: auxo__case_deinit, also after a failure. Errors: OUT_OF_MEMORY. */
auxo_status auxo__case_init(auxo__case *built, auxo_op_kind kind, size_t index, uint64_t seed, auxo_error *error);
void auxo__case_deinit(auxo__case *built);
/* Replaces inputs and factors by their absolute values and activations by the identity. */
void auxo__case_make_absolute(auxo__case *built);

/* ---- for builders: all are no-ops once status is not OK ---------------------------------------------------------- */

/* Gives a slot a contiguous tensor, poisoned (f32, f16: NaN; u32, u8: 0xcd bytes), at a changing offset. */
void auxo__case_tensor(auxo__case *built, uint32_t slot, auxo_dtype dtype, uint32_t rank, const int64_t *dims);
/* The same with strides in elements. */
void auxo__case_strided(auxo__case *built, uint32_t slot, auxo_dtype dtype, uint32_t rank, const int64_t *dims,
                        const int64_t *strides);
/* Makes a slot the same view as another one. */
void auxo__case_in_place(auxo__case *built, uint32_t slot, uint32_t of);
void auxo__case_uniform(auxo__case *built, uint32_t slot, double low, double high);
void auxo__case_integers(auxo__case *built, uint32_t slot, uint32_t bound); /* in [0, bound) */
void auxo__case_constant(auxo__case *built, uint32_t slot, double value);
/* Sets one element (row-major in the view), converted to the slot's dtype. */
void auxo__case_set(auxo__case *built, uint32_t slot, int64_t element, double value);
double auxo__case_get(const auxo__case *built, uint32_t slot, int64_t element);
/* Makes a slot's values unusual; says so in the text. */
typedef enum auxo__special {
    AUXO__NAN,      /* the first, the middle and the last element */
    AUXO__INFINITE, /* the same: +, -, + */
    AUXO__LARGE,    /* all times 2^60: squares near the end of the range that auxo/ops.h promises */
    AUXO__SMALL     /* all times 2^-50: the same at the other end */
} auxo__special;
void auxo__case_special(auxo__case *built, uint32_t slot, auxo__special special);
uint32_t auxo__case_random(auxo__case *built); /* the next 32 bits of the case's stream */
void auxo__case_text(auxo__case *built, const char *format, ...) AUXO_PRINTF(2, 3); /* appends */

/* A special case of a suite: row `base` of its table, with unusual values. */
typedef struct auxo__special_row {
    size_t base;
    auxo__special special;
} auxo__special_row;

#define AUXO__RANK(...) (sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
#define AUXO__F32(built, slot, ...)                                                                                    \
    auxo__case_tensor(built, slot, AUXO_DTYPE_F32, AUXO__RANK(__VA_ARGS__), (int64_t[]){__VA_ARGS__})
#define AUXO__U32(built, slot, ...)                                                                                    \
    auxo__case_tensor(built, slot, AUXO_DTYPE_U32, AUXO__RANK(__VA_ARGS__), (int64_t[]){__VA_ARGS__})

/* A contiguous f32 input of uniform values in [-1, 1). */
#define AUXO__INPUT(built, slot, ...)                                                                                  \
    do {                                                                                                               \
        AUXO__F32(built, slot, __VA_ARGS__);                                                                           \
        auxo__case_uniform(built, slot, -1, 1);                                                                        \
    } while (0)

/* COUNTER = {step, batch, epoch, 0}. */
void auxo__case_counter(auxo__case *built, uint32_t slot, uint32_t step, uint32_t batch, uint32_t epoch);

/* ---- shared with the runner -----------------------------------------------------------------------------------------
 */

/* Elements from the start of the view to element `element`, row-major. */
int64_t auxo__view_offset(const auxo_tensor *tensor, int64_t element);
/* One element of a view in memory that starts at `memory`. */
double auxo__element_load(const auxo_tensor *tensor, const uint8_t *memory, int64_t element);
void auxo__element_store(const auxo_tensor *tensor, uint8_t *memory, int64_t element, double value);

#define AUXO__UNIT_ROUNDOFF 0x1p-24

/* Rounds up log2(count); 0 for count <= 1. */
double auxo__log2_ceil(int64_t count);
/* Bound of y = f(z) when z is off by at most `error`. */
double auxo__activation_bound(auxo_activation activation, float slope, double expected, double error);

#endif
