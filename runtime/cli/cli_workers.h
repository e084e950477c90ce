/* runtime/cli/cli_workers.h: several processes of this program at work on one study.
 */
#ifndef CLI_WORKERS_H
#define CLI_WORKERS_H

#include "cli_session.h"

/* workers, devices: of commands that have a study. */
extern const cli_option cli_worker_options[];

/* Whether the options ask for worker processes. */
bool cli_workers_wanted(const cli_context *context);
/* Reads the two options; "device" of the settings becomes the first of "devices". Errors: INVALID_ARGUMENT. */
auxo_status cli_workers_check(const cli_context *context, auxo_settings *settings, auxo_error *error);
/* Starts the workers, shows what they do until all have ended, and stops them where this process is asked to stop.
 * *stopped: it was. Errors: the first worker's, where none has worked to its end. */
auxo_status cli_workers_run(const cli_context *context, const auxo_settings *settings, bool *stopped,
                            auxo_error *error);

#endif
