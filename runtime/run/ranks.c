/* ranks.c: see ranks.h.
 */
#include "ranks.h"

#include "cluster.h"
#include "task.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool auxo__run_leads(const auxo_run *run)
{
    return auxo_cluster_rank(run->options.cluster) == 0;
}

auxo_status auxo__run_check_ranks(const auxo_run *run, auxo_error *error)
{
    const uint32_t size = auxo_cluster_size(run->options.cluster);
    const bool offers_study = auxo_settings_find(run->settings, "study") != NULL;
    if (size == 1 || (offers_study && auxo_settings_text(run->settings, "study")) ||
        (run->method->divides_batches && run->method == run->inner))
        return AUXO_OK;
    if (offers_study)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "cluster: %u ranks share the trials of %s in a study; give study FILE.db", size,
                              run->inner->info.name);
    return auxo_error_set(error, AUXO_UNSUPPORTED,
                          "cluster: %s%s runs in one process, not in %u ranks; start it without a launcher, or give "
                          "cluster none",
                          run->inner->info.name, run->method == run->inner ? "" : " in folds", size);
}

auxo_status auxo__run_match_ranks(const auxo_run *run, auxo_error *error)
{
    auxo_cluster *cluster = run->options.cluster;
    uint64_t hash = run->data_hash;
    if (auxo_cluster_size(cluster) == 1 || run->study)
        return AUXO_OK;
    auxo_status status = auxo__cluster_broadcast(cluster, &hash, sizeof hash, error);
    if (status == AUXO_OK && hash != run->data_hash)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "data: the rows are not those of rank 0; give every machine the same data");
    return auxo_cluster_agree(cluster, status, error);
}

/* Number `index` of the devices of the same kind as `info`, wrapping around. */
static auxo_status choose_alike(const auxo_run *run, const auxo_device_info *info, size_t index, char *selector,
                                size_t size, auxo_error *error)
{
    auxo_device_info *infos = NULL;
    size_t count = 0, alike = 0;
    auxo_status status = auxo_device_list(run->options.runtime, &infos, &count, error);
    for (size_t i = 0; i < count; i++)
        if (strcmp(infos[i].backend, info->backend) == 0 && infos[i].type == info->type)
            infos[alike++] = infos[i];
    if (status == AUXO_OK && alike > 0)
        snprintf(selector, size, "%s", infos[index % alike].selector);
    auxo_device_list_free(infos);
    return status;
}

auxo_status auxo__run_choose_device(const auxo_run *run, char *selector, size_t size, auxo_error *error)
{
    char text[512], *items[AUXO__HELPERS_MAX + 2];
    const auxo_cluster *cluster = run->options.cluster;
    snprintf(text, sizeof text, "%s", auxo_settings_text(run->settings, "device"));
    const size_t count = auxo__split_list(text, items, AUXO__HELPERS_MAX + 2);
    const size_t place = auxo_cluster_size(cluster) > 1 ? auxo_cluster_local_rank(cluster) : 0;
    snprintf(selector, size, "%s", count ? items[place % count] : text);
    if (place == 0 || strcmp(selector, "auto") != 0)
        return AUXO_OK;
    auxo_device *device = NULL;
    auxo_status status = auxo_device_open(run->options.runtime, selector, &device, error);
    if (status == AUXO_OK && auxo_device_get_info(device)->type != AUXO_DEVICE_CPU)
        status = choose_alike(run, auxo_device_get_info(device), place, selector, size, error);
    auxo_device_close(device);
    return status;
}

auxo_status auxo__run_read_checkpoint(const auxo_run *run, const char *path, auxo__archive **archive, auxo_error *error)
{
    auxo_cluster *cluster = run->options.cluster;
    char *bytes = NULL;
    size_t size = 0;
    if (auxo_cluster_size(cluster) == 1)
        return auxo__archive_read(path, archive, error);
    auxo_status status = auxo__run_leads(run) ? auxo__file_read(path, &bytes, &size, error) : AUXO_OK;
    uint64_t shared[2] = {(uint64_t)status, size};
    auxo_error lost = {AUXO_OK, ""};
    const bool told = auxo__cluster_broadcast(cluster, shared, sizeof shared, &lost) == AUXO_OK;
    if (told && !auxo__run_leads(run)) {
        status = (auxo_status)shared[0];
        bytes = status == AUXO_OK ? malloc((size_t)shared[1] + 1) : NULL;
        if (status != AUXO_OK)
            auxo_error_set(error, status, "rank 0 cannot read %s", path);
        else if (!bytes)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", path);
    }
    if (told && status == AUXO_OK && auxo__cluster_broadcast(cluster, bytes, shared[1], &lost) != AUXO_OK)
        status = lost.status;
    if (!told)
        status = lost.status;
    if (lost.status != AUXO_OK && error)
        *error = lost;
    if (status == AUXO_OK)
        return auxo__archive_parse(path, bytes, (size_t)shared[1], archive, error);
    free(bytes);
    return status;
}
