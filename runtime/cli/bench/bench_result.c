/* runtime/cli/bench/bench_result.c: lists of results; JSON and CSV of them. */
#include "bench_result.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char format_name[] = "auxo-bench";

/* Makes room for one more item of a list that grows by doubling. */
static auxo_status grow(void **items, size_t count, size_t item_bytes, auxo_error *error)
{
    if (count & (count - 1))
        return AUXO_OK;
    void *grown = realloc(*items, (count ? 2 * count : 1) * item_bytes);
    if (!grown)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory for results");
    *items = grown;
    return AUXO_OK;
}

void bench_results_deinit(bench_results *results)
{
    free(results->devices);
    free(results->items);
    free(results->skips);
    free(results->shares);
    *results = (bench_results){0};
}

auxo_status bench_results_add_device(bench_results *results, const auxo_device_info *info, auxo_error *error)
{
    void *items = results->devices;
    auxo_status status = grow(&items, results->device_count, sizeof *results->devices, error);
    results->devices = items;
    if (status == AUXO_OK)
        results->devices[results->device_count++] = (bench_device){.info = *info};
    return status;
}

auxo_status bench_results_add(bench_results *results, const bench_result *result, auxo_error *error)
{
    void *items = results->items;
    auxo_status status = grow(&items, results->count, sizeof *results->items, error);
    results->items = items;
    if (status == AUXO_OK)
        results->items[results->count++] = *result;
    return status;
}

auxo_status bench_results_skip(bench_results *results, const char *device, const char *name, const char *reason,
                               auxo_error *error)
{
    void *items = results->skips;
    auxo_status status = grow(&items, results->skip_count, sizeof *results->skips, error);
    results->skips = items;
    if (status != AUXO_OK)
        return status;
    bench_skip *skip = &results->skips[results->skip_count++];
    snprintf(skip->device, sizeof skip->device, "%s", device);
    snprintf(skip->name, sizeof skip->name, "%s", name);
    snprintf(skip->reason, sizeof skip->reason, "%s", reason);
    return AUXO_OK;
}

auxo_status bench_results_share(bench_results *results, const bench_share *share, auxo_error *error)
{
    void *items = results->shares;
    auxo_status status = grow(&items, results->share_count, sizeof *results->shares, error);
    results->shares = items;
    if (status == AUXO_OK)
        results->shares[results->share_count++] = *share;
    return status;
}

void bench_result_describe(const bench_results *results, const bench_result *result, cJSON *object)
{
    const auxo_device_info *info = &results->devices[result->device].info;
    const bench_time *time = &result->time;
    cJSON_AddStringToObject(object, "device", info->selector);
    cJSON_AddStringToObject(object, "backend", info->backend);
    cJSON_AddStringToObject(object, "device_name", info->name);
    cJSON_AddStringToObject(object, "group", result->group);
    cJSON_AddStringToObject(object, "case", result->name);
    cJSON_AddStringToObject(object, "op", result->op);
    cJSON_AddStringToObject(object, "variant", result->variant);
    cJSON_AddStringToObject(object, "reason", result->reason);
    cJSON_AddStringToObject(object, "tuning", result->tuning);
    cJSON_AddNumberToObject(object, "seconds", time->median);
    cJSON_AddNumberToObject(object, "low_seconds", time->low);
    cJSON_AddNumberToObject(object, "high_seconds", time->high);
    cJSON_AddNumberToObject(object, "best_seconds", time->best);
    cJSON_AddNumberToObject(object, "samples", time->samples);
    cJSON_AddNumberToObject(object, "executions", (double)time->executions);
    cJSON_AddStringToObject(object, "unit", result->unit);
    cJSON_AddNumberToObject(object, "rate", time->median > 0 ? result->work / time->median : 0);
    cJSON_AddNumberToObject(object, "gflops", time->median > 0 ? 1e-9 * result->flops / time->median : 0);
    cJSON_AddNumberToObject(object, "gbytes", time->median > 0 ? 1e-9 * result->bytes / time->median : 0);
    cJSON_AddNumberToObject(object, "percent_of_peak", result->percent_of_peak);
    cJSON_AddNumberToObject(object, "host_fallbacks", (double)result->fallbacks);
}

void bench_skip_describe(const bench_skip *skip, cJSON *object)
{
    cJSON_AddStringToObject(object, "device", skip->device);
    cJSON_AddStringToObject(object, "case", skip->name);
    cJSON_AddStringToObject(object, "reason", skip->reason);
}

void bench_share_describe(const bench_results *results, const bench_share *share, cJSON *object)
{
    const auxo_device_info *info = &results->devices[share->device].info;
    cJSON_AddStringToObject(object, "device", info->selector);
    cJSON_AddStringToObject(object, "backend", info->backend);
    cJSON_AddStringToObject(object, "device_name", info->name);
    cJSON_AddStringToObject(object, "case", share->name);
    cJSON_AddStringToObject(object, "op", share->op);
    cJSON_AddNumberToObject(object, "seconds", share->seconds);
    cJSON_AddNumberToObject(object, "fraction", share->fraction);
}

static cJSON *append_object(cJSON *array)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddItemToArray(array, object);
    return object;
}

static cJSON *to_json(const bench_results *results)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddStringToObject(root, "format", format_name);
    cJSON_AddNumberToObject(root, "version", BENCH_FORMAT_VERSION);
    cJSON_AddStringToObject(root, "program", "auxo " AUXO_VERSION);
    cJSON *devices = cJSON_AddArrayToObject(root, "devices");
    for (size_t i = 0; i < results->device_count; i++) {
        const bench_device *device = &results->devices[i];
        cJSON *object = append_object(devices);
        cJSON_AddStringToObject(object, "device", device->info.selector);
        cJSON_AddStringToObject(object, "backend", device->info.backend);
        cJSON_AddStringToObject(object, "name", device->info.name);
        cJSON_AddStringToObject(object, "vendor", device->info.vendor);
        cJSON_AddStringToObject(object, "driver", device->info.driver);
        cJSON_AddNumberToObject(object, "compute_units", device->info.compute_units);
        cJSON_AddNumberToObject(object, "peak_gflops", 1e-9 * device->peak_flops);
        cJSON_AddNumberToObject(object, "peak_gbytes", 1e-9 * device->peak_bytes);
    }
    cJSON *items = cJSON_AddArrayToObject(root, "results");
    for (size_t i = 0; i < results->count; i++)
        bench_result_describe(results, &results->items[i], append_object(items));
    cJSON *skips = cJSON_AddArrayToObject(root, "skipped");
    for (size_t i = 0; i < results->skip_count; i++)
        bench_skip_describe(&results->skips[i], append_object(skips));
    cJSON *shares = cJSON_AddArrayToObject(root, "op_shares");
    for (size_t i = 0; i < results->share_count; i++)
        bench_share_describe(results, &results->shares[i], append_object(shares));
    return root;
}

static auxo_status close_file(FILE *file, const char *path, auxo_error *error)
{
    bool failed = ferror(file) != 0;
    if (fclose(file) != 0 || failed)
        return auxo_error_set(error, AUXO_IO, "%s: cannot write: %s", path, strerror(errno));
    return AUXO_OK;
}

auxo_status bench_results_save(const bench_results *results, const char *path, auxo_error *error)
{
    cJSON *root = to_json(results);
    char *text = cJSON_Print(root);
    cJSON_Delete(root);
    FILE *file = text ? fopen(path, "w") : NULL;
    auxo_status status = AUXO_OK;
    if (!text)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory for the results", path);
    else if (!file)
        status = auxo_error_set(error, AUXO_IO, "%s: cannot create: %s", path, strerror(errno));
    if (file) {
        fprintf(file, "%s\n", text);
        status = close_file(file, path, error);
    }
    cJSON_free(text);
    return status;
}

auxo_status bench_results_save_csv(const bench_results *results, const char *path, auxo_error *error)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return auxo_error_set(error, AUXO_IO, "%s: cannot create: %s", path, strerror(errno));
    fprintf(file, "device,device_name,driver,group,case,variant,seconds,low_seconds,high_seconds,gflops,gbytes,"
                  "percent_of_peak,rate,unit\n");
    for (size_t i = 0; i < results->count; i++) {
        const bench_result *item = &results->items[i];
        const auxo_device_info *info = &results->devices[item->device].info;
        double median = item->time.median > 0 ? item->time.median : 1;
        fprintf(file, "%s,\"%s\",\"%s\",%s,\"%s\",%s,%.9g,%.9g,%.9g,%.6g,%.6g,%.4g,%.6g,%s\n", info->selector,
                info->name, info->driver, item->group, item->name, item->variant, item->time.median, item->time.low,
                item->time.high, 1e-9 * item->flops / median, 1e-9 * item->bytes / median, item->percent_of_peak,
                item->work / median, item->unit);
    }
    return close_file(file, path, error);
}

static auxo_status read_text(const char *path, char **text, auxo_error *error)
{
    FILE *file = fopen(path, "rb");
    long size = -1;
    *text = NULL;
    if (file && fseek(file, 0, SEEK_END) == 0)
        size = ftell(file);
    if (!file || size < 0) {
        auxo_error_set(error, AUXO_IO, "%s: cannot read: %s", path, strerror(errno));
        if (file)
            fclose(file);
        return AUXO_IO;
    }
    rewind(file);
    *text = calloc((size_t)size + 1, 1);
    size_t got = *text ? fread(*text, 1, (size_t)size, file) : 0;
    fclose(file);
    if (*text && got == (size_t)size)
        return AUXO_OK;
    free(*text);
    *text = NULL;
    return auxo_error_set(error, AUXO_IO, "%s: cannot read all of its %ld bytes", path, size);
}

auxo_status bench_file_load(const char *path, cJSON **root, auxo_error *error)
{
    char *text = NULL;
    *root = NULL;
    auxo_status status = read_text(path, &text, error);
    if (status != AUXO_OK)
        return status;
    cJSON *parsed = cJSON_Parse(text);
    free(text);
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItem(parsed, "format"));
    const cJSON *version = cJSON_GetObjectItem(parsed, "version");
    if (!format || strcmp(format, format_name) != 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: not a result file of \"auxo bench --save\"", path);
    else if (!cJSON_IsNumber(version) || version->valueint != BENCH_FORMAT_VERSION)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: result format version %d; this program reads version %d", path,
                                cJSON_IsNumber(version) ? version->valueint : 0, BENCH_FORMAT_VERSION);
    else if (!cJSON_IsArray(cJSON_GetObjectItem(parsed, "results")))
        status = auxo_error_set(error, AUXO_FORMAT, "%s: has no list \"results\"", path);
    if (status != AUXO_OK)
        cJSON_Delete(parsed);
    else
        *root = parsed;
    return status;
}
