/* folds.h: cross-validation of any method that trains on one data set: the method runs once for each fold, which is
 * then its test split; results come with their mean and two standard deviations.
 */
#ifndef AUXO_RUN_FOLDS_H
#define AUXO_RUN_FOLDS_H

#include "method.h"

extern const auxo_setting auxo__fold_settings[]; /* folds, fold */
extern const auxo_method auxo__folds_method;     /* what auxo_run_open takes where "folds" is above 0 */

/* With the setting "fold", *train becomes the rows of the other folds and *test that fold; a test split that the data
 * had is left out. *test may be NULL before. */
auxo_status auxo__folds_apply(auxo_run *run, uint64_t seed, auxo_dataset **train, auxo_dataset **test,
                              auxo_error *error);

#endif
