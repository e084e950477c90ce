/* runtime/ops/known_answer.h: the entry of the conformance suite for the layers above. */
#ifndef AUXO_KNOWN_ANSWER_H
#define AUXO_KNOWN_ANSWER_H

#include "auxo/backend.h"
#include "auxo/verify.h"

/* Proves one kernel of `kind` on the few quick cases of its suite (where it takes none of them, on the others), with
 * tunable values `parameters` (NULL: initial ones); `half` F16 or BF16: and on those in that format.
 * Errors: WRONG_RESULT says which case and value; UNSUPPORTED if no case fits; NOT_FOUND without a reference backend.
 */
auxo_status auxo__known_answer(auxo_device *device, auxo_op_kind kind, auxo_dtype half, const auxo_kernel *kernel,
                               const int32_t *parameters, auxo_error *error);

#endif
