/* runtime/cli/cli_cluster.c: see cli_cluster.h.
 */
#include "cli_cluster.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { CLUSTER_AUTO, CLUSTER_NONE };

const cli_option cli_cluster_options[] = {
    {.name = "cluster",
     .type = CLI_CHOICE,
     .argument = "auto|none|mpi",
     .initial = "auto",
     .help =
         "Work as one rank of a job of several processes, on one or many machines: auto joins the one that mpirun or "
         "srun started this process in; none works alone",
     .role = AUXO_SETTING_FREE},
    CLI_OPTIONS_END,
};

auxo_status cli_cluster_join(const cli_arguments *arguments, const volatile int *stop, auxo_cluster **cluster,
                             auxo_error *error)
{
    const size_t choice = cli_choice(arguments, "cluster");
    const char *launcher = auxo_cluster_launcher();
    *cluster = NULL;
    if (choice == CLUSTER_NONE || (choice == CLUSTER_AUTO && !launcher))
        return AUXO_OK;
    auxo_status status = auxo_cluster_open("mpi", cluster, error);
    if (status != AUXO_OK && choice == CLUSTER_AUTO) {
        char context[160];
        snprintf(context, sizeof context, "this process is one of several that %s started (cluster none: alone)",
                 launcher);
        return auxo_error_wrap(error, status, "%s", context);
    }
    if (status != AUXO_OK)
        return status;
    auxo_cluster_watch(*cluster, stop);
    if (auxo_cluster_rank(*cluster) == 0)
        return AUXO_OK;
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
        return auxo_error_set(error, AUXO_IO, "cluster: /dev/null cannot be written");
    return AUXO_OK;
}

auxo_status cli_cluster_leave(auxo_cluster *cluster, auxo_status status, auxo_error *error)
{
    if (!cluster)
        return status;
    const bool broken = status != AUXO_OK && status != AUXO_INTERRUPTED;
    auxo_error reason = {AUXO_OK, ""};
    if (broken && error)
        reason = *error;
    const auxo_status agreed = auxo_cluster_agree(cluster, broken ? status : AUXO_OK, &reason);
    auxo_cluster_close(cluster);
    if (agreed == AUXO_OK)
        return status;
    if (error)
        *error = reason;
    return agreed;
}

bool cli_cluster_tells(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *rank = getenv(names[i]);
        if (rank)
            return atol(rank) == 0;
    }
    return true;
}

uint32_t cli_cluster_threads(const auxo_cluster *cluster)
{
    const uint32_t ranks = auxo_cluster_local_size(cluster);
    const long processors = sysconf(_SC_NPROCESSORS_ONLN);
    if (ranks == 1 || getenv("AUXO_THREADS") || processors < 1)
        return 0;
    return (uint32_t)processors > ranks ? (uint32_t)processors / ranks : 1;
}

auxo_status cli_cluster_device(const auxo_cluster *cluster, auxo_settings *settings, auxo_error *error)
{
    auxo_list devices = {0};
    if (!cluster || !auxo_settings_find(settings, "devices"))
        return AUXO_OK;
    if (auxo_settings_given(settings, "workers"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "workers: each of the %u ranks is a worker; start more ranks instead",
                              auxo_cluster_size(cluster));
    auxo_status status = auxo_list_parse("devices", auxo_settings_text(settings, "devices"), &devices, error);
    if (status == AUXO_OK && devices.count > 0)
        status = auxo_settings_set(settings, "device", devices.items[auxo_cluster_local_rank(cluster) % devices.count],
                                   error);
    auxo_list_deinit(&devices);
    return status;
}
