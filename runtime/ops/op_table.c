/* runtime/ops/op_table.c: the names of operations and activations, and the slots of every operation.
 *
 * Owns what ops.h says about each slot apart from its shape: name, access, whether it may be absent, whether it may be
 * strided. Shapes and dtypes are in op_shapes.c. A slot is READ_WRITE as soon as one use of the op reads it or leaves
 * a part of it untouched (gemm's C with beta, GRADS of layers that are not trained), so that a planner that looks at
 * access alone never drops a value that is still needed.
 */
#include "auxo/ops.h"
#include "op_internal.h"
#include "text.h"

#include <string.h>

/* (name, access, optional, strided) in the order of the slot enums. */
#define IN(name)                                                                                                       \
    {                                                                                                                  \
        name, AUXO_SLOT_READ, false, false                                                                             \
    }
#define IN_STRIDED(name)                                                                                               \
    {                                                                                                                  \
        name, AUXO_SLOT_READ, false, true                                                                              \
    }
#define IN_OPTIONAL(name)                                                                                              \
    {                                                                                                                  \
        name, AUXO_SLOT_READ, true, false                                                                              \
    }
#define OUT(name)                                                                                                      \
    {                                                                                                                  \
        name, AUXO_SLOT_WRITE, false, false                                                                            \
    }
#define OUT_OPTIONAL(name)                                                                                             \
    {                                                                                                                  \
        name, AUXO_SLOT_WRITE, true, false                                                                             \
    }
#define INOUT(name)                                                                                                    \
    {                                                                                                                  \
        name, AUXO_SLOT_READ_WRITE, false, false                                                                       \
    }
#define INOUT_STRIDED(name)                                                                                            \
    {                                                                                                                  \
        name, AUXO_SLOT_READ_WRITE, false, true                                                                        \
    }
#define INOUT_OPTIONAL(name)                                                                                           \
    {                                                                                                                  \
        name, AUXO_SLOT_READ_WRITE, true, false                                                                        \
    }
#define LOSS_OUTPUTS INOUT_OPTIONAL("STATS"), INOUT_OPTIONAL("HISTORY"), IN_OPTIONAL("COUNTER")

static const auxo_slot_info slots_gemm[] = {IN_STRIDED("A"), IN_STRIDED("B"), INOUT_STRIDED("C"), IN_OPTIONAL("BIAS")};
static const auxo_slot_info slots_conv2d_forward[] = {IN("X"), IN("W"), OUT("Y"), IN_OPTIONAL("BIAS")};
static const auxo_slot_info slots_conv2d_backward_data[] = {IN("DY"), IN("W"), OUT("DX")};
static const auxo_slot_info slots_conv2d_backward_weights[] = {IN("X"), IN("DY"), OUT("DW"), OUT_OPTIONAL("DBIAS")};
static const auxo_slot_info slots_pool2d_forward[] = {IN("X"), OUT("Y"), OUT_OPTIONAL("INDEX")};
static const auxo_slot_info slots_pool2d_backward[] = {IN("DY"), OUT("DX"), IN_OPTIONAL("INDEX")};
static const auxo_slot_info slots_activation_forward[] = {IN("X"), OUT("Y")};
static const auxo_slot_info slots_activation_backward[] = {IN("Y"), IN("DY"), OUT("DX")};
static const auxo_slot_info slots_add[] = {IN("A"), IN("B"), OUT("Y")};
static const auxo_slot_info slots_bias_add[] = {IN("X"), IN("BIAS"), OUT("Y")};
static const auxo_slot_info slots_scale[] = {IN("X"), IN("SCALE"), OUT("Y")};
static const auxo_slot_info slots_reduce[] = {IN("X"), OUT("Y")};
static const auxo_slot_info slots_batch_norm_forward[] = {IN("X"),
                                                          IN("GAMMA"),
                                                          IN("BETA"),
                                                          INOUT("RUNNING_MEAN"),
                                                          INOUT("RUNNING_VAR"),
                                                          OUT("Y"),
                                                          OUT_OPTIONAL("SAVED_MEAN"),
                                                          OUT_OPTIONAL("SAVED_INVSTD")};
static const auxo_slot_info slots_batch_norm_backward[] = {IN("X"),  IN("GAMMA"), IN("SAVED_MEAN"), IN("SAVED_INVSTD"),
                                                           IN("DY"), OUT("DX"),   OUT("DGAMMA"),    OUT("DBETA")};
static const auxo_slot_info slots_dropout[] = {IN("X"), OUT("Y"), IN_OPTIONAL("COUNTER")};
static const auxo_slot_info slots_softmax[] = {IN("X"), OUT("Y")};
static const auxo_slot_info slots_softmax_cross_entropy[] = {IN("LOGITS"), IN("LABELS"), OUT("LOSS"),
                                                             OUT_OPTIONAL("DLOGITS"), LOSS_OUTPUTS};
static const auxo_slot_info slots_mse[] = {IN("PREDICTION"), IN("TARGET"), OUT("LOSS"), OUT_OPTIONAL("DPREDICTION"),
                                           LOSS_OUTPUTS};
static const auxo_slot_info slots_cox[] = {
    IN("RISK"), IN("TIME"), IN("EVENT"), IN("ORDER"), OUT("LOSS"), OUT_OPTIONAL("DRISK"), LOSS_OUTPUTS};
static const auxo_slot_info slots_argsort[] = {IN("KEYS"), OUT("ORDER")};
static const auxo_slot_info slots_group_norm[] = {IN("W"), IN_OPTIONAL("BIAS"), OUT("NORM")};
static const auxo_slot_info slots_penalty[] = {
    INOUT("W"),          INOUT_OPTIONAL("BIAS"), INOUT_OPTIONAL("DW"), INOUT_OPTIONAL("DBIAS"),
    IN_OPTIONAL("COEF"), IN_OPTIONAL("HYPER"),   OUT_OPTIONAL("VALUE")};
static const auxo_slot_info slots_kept_scan[] = {IN("NORM"), OUT("KEPT"), OUT("COUNT")};
static const auxo_slot_info slots_index_select[] = {IN("X"), IN("INDEX"), OUT("Y")};
static const auxo_slot_info slots_segment_reduce[] = {IN("A"), IN_OPTIONAL("B"), IN("OFFSETS"), OUT("Y")};
static const auxo_slot_info slots_gather_batch[] = {IN("DATA"),          IN_OPTIONAL("ORDER"),  IN_OPTIONAL("COUNTER"),
                                                    IN_OPTIONAL("MEAN"), IN_OPTIONAL("INVSTD"), OUT("Y")};
static const auxo_slot_info slots_augment[] = {IN("X"), OUT("Y"), IN_OPTIONAL("COUNTER")};
static const auxo_slot_info slots_random_fill[] = {OUT("Y"), IN_OPTIONAL("COUNTER")};
static const auxo_slot_info slots_fill[] = {OUT("Y")};
static const auxo_slot_info slots_copy[] = {IN_STRIDED("X"), INOUT_STRIDED("Y")};
static const auxo_slot_info slots_multiply_add[] = {IN("X"), OUT("Y")};
static const auxo_slot_info slots_counter_add[] = {INOUT("COUNTER")};
static const auxo_slot_info slots_optimizer_step[] = {
    INOUT("PARAMS"),        IN("GRADS"),         INOUT_OPTIONAL("STATE0"), INOUT_OPTIONAL("STATE1"), IN("HYPER"),
    IN_OPTIONAL("COUNTER"), IN_OPTIONAL("SKIP"), INOUT_OPTIONAL("COPY")};
static const auxo_slot_info slots_loss_scale[] = {IN("LARGEST"), INOUT("STATE"), IN_OPTIONAL("COUNTER")};
static const auxo_slot_info slots_mlp_forward[] = {IN("X"), IN("PARAMS"), OUT("Y")};
static const auxo_slot_info slots_mlp_gradient[] = {IN("X"),        IN("TARGET"), IN("PARAMS"),
                                                    INOUT("GRADS"), OUT("LOSS"),  LOSS_OUTPUTS};
static const auxo_slot_info slots_mlp_hvp[] = {IN("X"), IN("TARGET"), IN("PARAMS"), IN("V"), OUT("HV")};
static const auxo_slot_info slots_theta_eval[] = {IN("X"),          IN("TARGET"),      IN("PARAMS"), IN("THETA"),
                                                  IN("UNIT_GROUP"), IN("FIRST_LAYER"), OUT("LOSS")};

typedef struct op_entry {
    const char *noun;
    const auxo_slot_info *slots;
    size_t slot_count;
} op_entry;

static const op_entry op_entries[AUXO_OP_COUNT] = {
#define OP_ENTRY(kind, noun) [AUXO_OP_##kind] = {#noun, slots_##noun, sizeof slots_##noun / sizeof slots_##noun[0]},
    AUXO_OP_TABLE(OP_ENTRY)
#undef OP_ENTRY
};

static const char *const activation_nouns[AUXO_ACTIVATION_COUNT] = {
#define ACTIVATION_NOUN(name, noun) [AUXO_ACTIVATION_##name] = #noun,
    AUXO_ACTIVATION_TABLE(ACTIVATION_NOUN)
#undef ACTIVATION_NOUN
};

const char *auxo_op_noun(auxo_op_kind kind)
{
    return (unsigned)kind < AUXO_OP_COUNT ? op_entries[kind].noun : "unknown op";
}

const char *auxo_activation_noun(auxo_activation activation)
{
    return (unsigned)activation < AUXO_ACTIVATION_COUNT ? activation_nouns[activation] : "unknown activation";
}

const auxo_slot_info *auxo_op_slots(auxo_op_kind kind, size_t *count)
{
    if ((unsigned)kind >= AUXO_OP_COUNT) {
        *count = 0;
        return NULL;
    }
    *count = op_entries[kind].slot_count;
    return op_entries[kind].slots;
}

enum { NOUN_LENGTH_MAX = 64 };

/* Finds `noun` among nouns[0..count), which are `stride` bytes apart. Errors: NOT_FOUND with the nearest one. */
static auxo_status find_noun(const char *what, const char *noun, const char *const *nouns, size_t stride, size_t count,
                             size_t *found, auxo_error *error)
{
    if (!noun || strlen(noun) > NOUN_LENGTH_MAX)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s name is missing or longer than %d characters", what,
                              NOUN_LENGTH_MAX);
    const char *nearest = "";
    size_t nearest_distance = SIZE_MAX;
    for (size_t i = 0; i < count; i++) {
        const char *candidate = *(const char *const *)((const char *)nouns + i * stride);
        if (strcmp(noun, candidate) == 0) {
            *found = i;
            return AUXO_OK;
        }
        const size_t distance = auxo__text_distance(noun, candidate, nearest_distance - 1);
        if (distance < nearest_distance) {
            nearest_distance = distance;
            nearest = candidate;
        }
    }
    return auxo_error_set(error, AUXO_NOT_FOUND, "there is no %s \"%s\"; the nearest is \"%s\"", what, noun, nearest);
}

auxo_status auxo_op_find(const char *noun, auxo_op_kind *kind, auxo_error *error)
{
    size_t found = 0;
    auxo_status status = find_noun("op", noun, &op_entries[0].noun, sizeof op_entries[0], AUXO_OP_COUNT, &found, error);
    if (status == AUXO_OK)
        *kind = (auxo_op_kind)found;
    return status;
}

auxo_status auxo_activation_find(const char *noun, auxo_activation *activation, auxo_error *error)
{
    size_t found = 0;
    auxo_status status = find_noun("activation", noun, activation_nouns, sizeof activation_nouns[0],
                                   AUXO_ACTIVATION_COUNT, &found, error);
    if (status == AUXO_OK)
        *activation = (auxo_activation)found;
    return status;
}
