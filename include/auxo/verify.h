/* auxo/verify.h: does this device compute every operation right?
 *
 * Every kernel variant of every op runs on a table of cases (odd sizes, 0, 1, strided views, offsets, in place,
 * optional slots absent, special values) and is compared with the reference backend, within the bound of the op. The
 * memory around and between the outputs, and the inputs, must come back unchanged.
 */
#ifndef AUXO_VERIFY_H
#define AUXO_VERIFY_H

#include "auxo/ops.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum auxo_verify_outcome {
    AUXO_VERIFY_PASSED, /* with prepare_only: prepared */
    AUXO_VERIFY_FAILED,
    AUXO_VERIFY_UNSUPPORTED /* the variant does not take this case, or its driver declined it when it was prepared and
                             * another variant runs the case; or the op has no kernel on this device */
} auxo_verify_outcome;

/* One case on one variant. All strings are borrowed for the time of the callback. */
typedef struct auxo_verify_result {
    auxo_op_kind kind;
    const char *variant;   /* "" where the op has no kernel on this device */
    const char *case_text; /* "M=33 N=127 K=5 trans_a" */
    auxo_verify_outcome outcome;
    const char *message; /* of a failure: slot, element, value, expected value, bound; why a driver declined */
} auxo_verify_result;

typedef void auxo_verify_function(void *user, const auxo_verify_result *result);

typedef struct auxo_verify_options {
    const char *op;                 /* noun of the one op to verify; NULL: all */
    const char *variant;            /* the one variant to verify; NULL: all */
    uint64_t seed;                  /* of the input values */
    bool quick;                     /* only the few small cases that also serve as self-test */
    bool prepare_only;              /* prepare every case, run none: on drivers that compile for absent hardware */
    auxo_verify_function *callback; /* after every case; NULL: none */
    void *user;
} auxo_verify_options;

typedef struct auxo_verify_summary {
    uint64_t passed, failed, unsupported; /* cases, counted per variant */
    uint64_t ops_without_kernel;
} auxo_verify_summary;

/* Runs the suite. `options` may be NULL; `summary` may be NULL and is filled in failures too.
 * Errors: WRONG_RESULT with the first failure; NOT_FOUND for an unknown op or variant, or without a reference backend;
 * whatever the device reports. */
AUXO_API auxo_status auxo_verify(auxo_device *device, const auxo_verify_options *options, auxo_verify_summary *summary,
                                 auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
