/* study_run.h: a run whose work lies in a study: the settings for it, and whose study it is.
 */
#ifndef AUXO_RUN_STUDY_RUN_H
#define AUXO_RUN_STUDY_RUN_H

#include "method.h"

extern const auxo_setting auxo__study_settings[]; /* study, study-name, heartbeat */

/* Opens run->study if the setting asks for one; a checkpoint beside it is refused. */
auxo_status auxo__run_open_study(auxo_run *run, auxo_error *error);
/* Once the rows are known: the study remembers method, settings and rows of its first run; whoever comes later must
 * have the same. `free_names` (NULL-ended; may be NULL): settings that may differ from worker to worker. Errors:
 * INVALID_ARGUMENT. */
auxo_status auxo__run_match_study(auxo_run *run, const char *const *free_names, auxo_error *error);

#endif
