/* plain_run.h: runs of layers without a way round them that lead from a shape to the same shape: what may go from a
 * plain deep network.
 */
#ifndef AUXO_ADAPT_PLAIN_RUN_H
#define AUXO_ADAPT_PLAIN_RUN_H

#include "auxo/model.h"

/* Whether layers [begin, end) are such a run: each reads the one before it alone and is read by the next alone, the
 * last one puts out what the first one reads, and it is not the model's output. */
bool auxo__plain_run_is(const auxo_model_desc *desc, uint32_t begin, uint32_t end);
/* The description without it. Ownership: the caller's on success. */
auxo_status auxo__plain_run_remove(const auxo_model_desc *desc, uint32_t begin, uint32_t end, auxo_model_desc *result,
                                   auxo_error *error);

#endif
