/* runtime/ops/verify_run.h: running one conformance case on one kernel, and judging the result. */
#ifndef AUXO_VERIFY_RUN_H
#define AUXO_VERIFY_RUN_H

#include "auxo/backend.h"
#include "verify_case.h"

/* The memory of all slots after a run; images of slots that share memory are at their owner. */
typedef struct auxo__case_result {
    uint8_t *bytes[AUXO_OP_SLOTS_MAX];
} auxo__case_result;

void auxo__case_result_deinit(auxo__case_result *result);

/* Uploads the case, checks it, runs it on `kernel` with tunable values `parameters` (NULL: initial ones) and reads all
 * memory back. *supported is false, and nothing runs, where the kernel does not take the op. */
auxo_status auxo__case_run(const auxo__case *tested, auxo_queue *queue, const auxo_kernel *kernel,
                           const int32_t *parameters, bool *supported, auxo__case_result *result, auxo_error *error);

/* The same up to the kernel's prepare: compiles, runs nothing. */
auxo_status auxo__case_prepare(const auxo__case *tested, auxo_queue *queue, const auxo_kernel *kernel, bool *supported,
                               auxo_error *error);

/* What the reference device says about a case. */
typedef struct auxo__case_expectation {
    auxo__case_result values;
    auxo__case_result magnitudes; /* empty unless the suite wants them */
} auxo__case_expectation;

void auxo__case_expectation_deinit(auxo__case_expectation *expectation);
auxo_status auxo__case_expect(auxo_op_kind kind, size_t index, uint64_t seed, auxo_queue *reference_queue,
                              auxo__case_expectation *expectation, auxo_error *error);

/* Errors: WRONG_RESULT with slot, element, value, expected value and bound, or the byte that must not have changed. */
auxo_status auxo__case_compare(const auxo__case *tested, const auxo__case_result *result,
                               const auxo__case_expectation *expectation, auxo_error *error);

#endif
