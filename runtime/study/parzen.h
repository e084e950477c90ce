/* parzen.h: the density of good (or bad) values of some parameters, from the trials that had them.
 *
 * A mixture of one kernel per observation and a prior over the whole range (Bergstra et al., "Algorithms for
 * Hyper-Parameter Optimization", NIPS 2011, section 4). Numbers: normal kernels truncated to the range, in the
 * logarithm where the parameter is; those with a step: the kernel's mass over the step. Choices: the choice observed,
 * and a share of all.
 */
#ifndef AUXO_STUDY_PARZEN_H
#define AUXO_STUDY_PARZEN_H

#include "random.h"

#include "auxo/study.h"

typedef struct auxo__parzen {
    const auxo_space *space;
    const size_t *members; /* the parameters, by their place in the space */
    size_t member_count;
    size_t count;       /* kernels: one per observation, in their order, and the prior last */
    double *weights;    /* (count), their sum is 1 */
    double *mu, *sigma; /* (member_count, count); of choices mu is the choice */
} auxo__parzen;

/* values: (count, space->count) of the observations, oldest first; every member has one in each. A kernel is as wide
 * as the larger gap to its neighbours in that parameter; of several members it is the product over them. Ownership:
 * deinit. Errors: OUT_OF_MEMORY. */
auxo_status auxo__parzen_init(auxo__parzen *parzen, const auxo_space *space, const size_t *members, size_t member_count,
                              const double *const *values, size_t count, auxo_error *error);
void auxo__parzen_deinit(auxo__parzen *parzen);
/* Draws the members' values into `values` (space->count). */
void auxo__parzen_draw(const auxo__parzen *parzen, auxo__random *random, double *values);
double auxo__parzen_log_density(const auxo__parzen *parzen, const double *values);

#endif
