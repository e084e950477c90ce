/* results_file.c: results as JSON and CSV files, written whole or not at all, and JSON files read back. */
#include "bench_internal.h"
#include "file.h"
#include "json.h"
#include "json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

static const char format_name[] = "auxo-bench";
enum { HASH_BYTES = 17 };

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static void add_field(void *object, const char *name, const char *text, double number)
{
    if (text)
        auxo__tree_text(object, name, text);
    else
        auxo__tree_number(object, name, number);
}

static cJSON *append_object(cJSON *array)
{
    return auxo__tree_add(array, NULL, cJSON_CreateObject());
}

/* The day, in UTC: nothing else of who measured, or where. */
static void add_date(cJSON *root)
{
    const time_t now = time(NULL);
    struct tm day;
    char text[16];
    if (gmtime_r(&now, &day) && strftime(text, sizeof text, "%Y-%m-%d", &day) > 0)
        auxo__tree_text(root, "date", text);
}

/* Of everything else in the file, by values and not by how they are laid out. Errors: OUT_OF_MEMORY. */
static auxo_status hash_of(cJSON *root, char hash[HASH_BYTES], auxo_error *error)
{
    cJSON *own = cJSON_DetachItemFromObject(root, "hash");
    cJSON_Delete(own);
    char *text = auxo__tree_print_text(root, false);
    if (!text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the results");
    snprintf(hash, HASH_BYTES, "%016llx", (unsigned long long)XXH3_64bits(text, strlen(text)));
    free(text);
    return AUXO_OK;
}

static cJSON *to_json(const auxo_bench_results *results)
{
    cJSON *root = cJSON_CreateObject();
    auxo__tree_text(root, "format", format_name);
    auxo__tree_number(root, "version", AUXO_BENCH_FORMAT_VERSION);
    auxo__tree_text(root, "program", "auxo " AUXO_VERSION);
    add_date(root);
    cJSON *devices = auxo__tree_add(root, "devices", cJSON_CreateArray());
    for (size_t i = 0; i < results->device_count; i++) {
        const auxo_bench_device *device = &results->devices[i];
        cJSON *object = append_object(devices);
        auxo__tree_text(object, "device", device->info.selector);
        auxo__tree_text(object, "backend", device->info.backend);
        auxo__tree_text(object, "name", device->info.name);
        auxo__tree_text(object, "vendor", device->info.vendor);
        auxo__tree_text(object, "driver", device->info.driver);
        auxo__tree_number(object, "compute_units", device->info.compute_units);
        if (device->info.clock_mhz > 0)
            auxo__tree_number(object, "clock_mhz", device->info.clock_mhz);
        auxo__tree_number(object, "peak_gflops", 1e-9 * device->peak_flops);
        auxo__tree_number(object, "peak_gbytes", 1e-9 * device->peak_bytes);
    }
    cJSON *items = auxo__tree_add(root, "results", cJSON_CreateArray());
    for (size_t i = 0; i < results->count; i++)
        auxo_bench_result_fields(results, i, add_field, append_object(items));
    cJSON *skips = auxo__tree_add(root, "skipped", cJSON_CreateArray());
    for (size_t i = 0; i < results->skip_count; i++)
        auxo_bench_skip_fields(results, i, add_field, append_object(skips));
    cJSON *shares = auxo__tree_add(root, "op_shares", cJSON_CreateArray());
    for (size_t i = 0; i < results->share_count; i++)
        auxo_bench_share_fields(results, i, add_field, append_object(shares));
    return root;
}

auxo_status auxo_bench_results_save(const auxo_bench_results *results, const char *path, auxo_error *error)
{
    char *text = NULL, hash[HASH_BYTES];
    cJSON *root = to_json(results);
    auxo_status status = hash_of(root, hash, error);
    if (status == AUXO_OK)
        auxo__tree_text(root, "hash", hash);
    if (status == AUXO_OK)
        status = auxo__tree_print(root, true, &text, error);
    else
        cJSON_Delete(root);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, text, strlen(text), error);
    free(text);
    return status;
}

auxo_status auxo_bench_results_save_csv(const auxo_bench_results *results, const char *path, auxo_error *error)
{
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *stream = open_memstream(&text, &size_bytes);
    if (!stream)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory for the results", path);
    fprintf(stream, "device,device_name,driver,group,case,variant,seconds,low_seconds,high_seconds,gflops,gbytes,"
                    "percent_of_peak,rate,unit\n");
    for (size_t i = 0; i < results->count; i++) {
        const auxo_bench_result *item = &results->items[i];
        const auxo_device_info *info = &results->devices[item->device].info;
        double median = item->time.median > 0 ? item->time.median : 1;
        fprintf(stream, "%s,\"%s\",\"%s\",%s,\"%s\",%s,%.9g,%.9g,%.9g,%.6g,%.6g,%.4g,%.6g,%s\n", info->selector,
                info->name, info->driver, item->group, item->name, item->variant, item->time.median, item->time.low,
                item->time.high, 1e-9 * item->flops / median, 1e-9 * item->bytes / median, item->percent_of_peak,
                item->work / median, item->unit);
    }
    const bool failed = fclose(stream) != 0;
    auxo_status status = failed ? auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory for the results", path)
                                : auxo__file_write_atomic(path, text, size_bytes, error);
    free(text);
    return status;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static void take_text(const cJSON *object, const char *field, char *text, size_t size)
{
    const char *found = cJSON_GetStringValue(cJSON_GetObjectItem(object, field));
    snprintf(text, size, "%s", found ? found : "");
}

static double number_of(const cJSON *object, const char *field)
{
    const cJSON *item = cJSON_GetObjectItem(object, field);
    return cJSON_IsNumber(item) ? item->valuedouble : 0;
}

/* A count, whatever the file says. */
static uint64_t count_of(const cJSON *object, const char *field, double most)
{
    return (uint64_t)fmax(0, fmin(most, number_of(object, field)));
}

static auxo_status load_devices(const cJSON *root, auxo_bench_results *results, auxo_error *error)
{
    const cJSON *item = NULL;
    cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, "devices"))
    {
        auxo_device_info info = {0};
        take_text(item, "device", info.selector, sizeof info.selector);
        take_text(item, "backend", info.backend, sizeof info.backend);
        take_text(item, "name", info.name, sizeof info.name);
        take_text(item, "vendor", info.vendor, sizeof info.vendor);
        take_text(item, "driver", info.driver, sizeof info.driver);
        info.clock_mhz = (uint32_t)count_of(item, "clock_mhz", 1e6);
        auxo_status status = auxo__bench_results_add_device(results, &info, error);
        if (status != AUXO_OK)
            return status;
        auxo_bench_device *added = &results->devices[results->device_count - 1];
        added->peak_flops = 1e9 * number_of(item, "peak_gflops");
        added->peak_bytes = 1e9 * number_of(item, "peak_gbytes");
    }
    return AUXO_OK;
}

/* The device that a result or share names; one that the list of devices lacks is added. */
static auxo_status find_device(const cJSON *item, auxo_bench_results *results, size_t *index, auxo_error *error)
{
    auxo_device_info info = {0};
    take_text(item, "device", info.selector, sizeof info.selector);
    take_text(item, "backend", info.backend, sizeof info.backend);
    take_text(item, "device_name", info.name, sizeof info.name);
    for (*index = 0; *index < results->device_count; ++*index) {
        const auxo_device_info *known = &results->devices[*index].info;
        if (strcmp(known->selector, info.selector) == 0 && strcmp(known->backend, info.backend) == 0 &&
            strcmp(known->name, info.name) == 0)
            return AUXO_OK;
    }
    return auxo__bench_results_add_device(results, &info, error);
}

static auxo_status load_item(const cJSON *item, auxo_bench_results *results, auxo_error *error)
{
    auxo_bench_result result = {0};
    auxo_status status = find_device(item, results, &result.device, error);
    if (status != AUXO_OK)
        return status;
    take_text(item, "group", result.group, sizeof result.group);
    take_text(item, "case", result.name, sizeof result.name);
    take_text(item, "op", result.op, sizeof result.op);
    take_text(item, "variant", result.variant, sizeof result.variant);
    take_text(item, "reason", result.reason, sizeof result.reason);
    take_text(item, "tuning", result.tuning, sizeof result.tuning);
    take_text(item, "unit", result.unit, sizeof result.unit);
    const double seconds = number_of(item, "seconds");
    result.time = (auxo_bench_time){.median = seconds,
                                    .low = number_of(item, "low_seconds"),
                                    .high = number_of(item, "high_seconds"),
                                    .best = number_of(item, "best_seconds"),
                                    .samples = (uint32_t)count_of(item, "samples", UINT32_MAX),
                                    .executions = count_of(item, "executions", 1e18)};
    result.work = number_of(item, "rate") * seconds;
    result.flops = 1e9 * number_of(item, "gflops") * seconds;
    result.bytes = 1e9 * number_of(item, "gbytes") * seconds;
    result.is_nominal = number_of(item, "nominal") != 0;
    result.setup_seconds = number_of(item, "setup_seconds");
    result.percent_of_peak = number_of(item, "percent_of_peak");
    result.fallbacks = count_of(item, "host_fallbacks", 1e18);
    return auxo__bench_results_add(results, &result, error);
}

static auxo_status load_skip(const cJSON *item, auxo_bench_results *results, auxo_error *error)
{
    auxo_bench_skip skip;
    take_text(item, "device", skip.device, sizeof skip.device);
    take_text(item, "case", skip.name, sizeof skip.name);
    take_text(item, "reason", skip.reason, sizeof skip.reason);
    return auxo_bench_results_skip(results, skip.device, skip.name, skip.reason, error);
}

static auxo_status load_share(const cJSON *item, auxo_bench_results *results, auxo_error *error)
{
    auxo_bench_share share = {.seconds = number_of(item, "seconds"), .fraction = number_of(item, "fraction")};
    auxo_status status = find_device(item, results, &share.device, error);
    take_text(item, "case", share.name, sizeof share.name);
    take_text(item, "op", share.op, sizeof share.op);
    return status == AUXO_OK ? auxo__bench_results_share(results, &share, error) : status;
}

static auxo_status load_lists(const cJSON *root, auxo_bench_results *results, auxo_error *error)
{
    static const struct {
        const char *name;
        auxo_status (*load)(const cJSON *item, auxo_bench_results *results, auxo_error *error);
    } lists[] = {{"results", load_item}, {"skipped", load_skip}, {"op_shares", load_share}};
    auxo_status status = load_devices(root, results, error);
    for (size_t i = 0; i < sizeof lists / sizeof lists[0] && status == AUXO_OK; i++) {
        const cJSON *item = NULL;
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(root, lists[i].name))
        {
            if (status == AUXO_OK)
                status = lists[i].load(item, results, error);
        }
    }
    return status;
}

static auxo_status check_format(const char *path, const cJSON *root, auxo_error *error)
{
    const char *format = cJSON_GetStringValue(cJSON_GetObjectItem(root, "format"));
    const cJSON *version = cJSON_GetObjectItem(root, "version");
    if (!format || strcmp(format, format_name) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s: not a result file of \"auxo bench --save\"", path);
    if (!cJSON_IsNumber(version) || version->valueint != AUXO_BENCH_FORMAT_VERSION)
        return auxo_error_set(error, AUXO_FORMAT, "%s: result format version %d; this program reads version %d", path,
                              cJSON_IsNumber(version) ? version->valueint : 0, AUXO_BENCH_FORMAT_VERSION);
    if (!cJSON_IsArray(cJSON_GetObjectItem(root, "results")))
        return auxo_error_set(error, AUXO_FORMAT, "%s: has no list \"results\"", path);
    return AUXO_OK;
}

/* Files of versions without a hash are taken as they are. */
static auxo_status check_hash(const char *path, cJSON *root, auxo_error *error)
{
    char written[HASH_BYTES], hash[HASH_BYTES];
    take_text(root, "hash", written, sizeof written);
    if (!written[0])
        return AUXO_OK;
    const auxo_status status = hash_of(root, hash, error);
    if (status == AUXO_OK && strcmp(written, hash) != 0)
        return auxo_error_set(error, AUXO_FORMAT, "%s has been changed since it was written: its hash is %s, not %s",
                              path, hash, written);
    return status;
}

auxo_status auxo_bench_results_load(const char *path, auxo_bench_results *results, auxo_error *error)
{
    char *text = NULL;
    size_t size_bytes = 0;
    auxo_status status = auxo__file_read(path, &text, &size_bytes, error);
    if (status != AUXO_OK)
        return status;
    cJSON *root = NULL;
    status = auxo__json_parse(text, size_bytes, &root, error);
    free(text);
    if (status == AUXO_OUT_OF_MEMORY)
        return status;
    status = check_format(path, root, error); /* names what a text that is no JSON is not */
    if (status == AUXO_OK)
        status = check_hash(path, root, error);
    if (status == AUXO_OK)
        status = load_lists(root, results, error);
    cJSON_Delete(root);
    if (status != AUXO_OK)
        auxo_bench_results_deinit(results);
    return status;
}
