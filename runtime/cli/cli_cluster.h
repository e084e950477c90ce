/* runtime/cli/cli_cluster.h: this program as one rank of a job.
 */
#ifndef CLI_CLUSTER_H
#define CLI_CLUSTER_H

#include "commands.h"

#include "auxo/cluster.h"

extern const cli_option cli_cluster_options[]; /* --cluster */

/* Joins the job that --cluster or a launcher asks for. *cluster NULL: this process is alone. A rank other than 0 writes
 * nothing to standard output and error from here on. */
auxo_status cli_cluster_join(const cli_arguments *arguments, const volatile int *stop, auxo_cluster **cluster,
                             auxo_error *error);
/* Waits for the other ranks and leaves; what one of them failed with is every rank's failure. */
auxo_status cli_cluster_leave(auxo_cluster *cluster, auxo_status status, auxo_error *error);
/* Whether this process tells what goes wrong: of several that a launcher started, the first. */
bool cli_cluster_tells(void);
/* Threads of the cpu backend for this rank, where none were asked for: an even part of the machine's processors. 0: as
 * the library chooses. */
uint32_t cli_cluster_threads(const auxo_cluster *cluster);
/* The place of this rank among the devices of --devices becomes the setting "device". */
auxo_status cli_cluster_device(const auxo_cluster *cluster, auxo_settings *settings, auxo_error *error);

#endif
