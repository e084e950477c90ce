/* runtime/cli/bench/bench_result.h: results of benchmarks in memory, as JSON files, and as CSV.
 *
 * A result file is {"format":"auxo-bench","version":1,"program":..,"devices":[..],"results":[..],"skipped":[..],
 *  "op_shares":[..]};
 * a result is found again by device name, backend and case.
 */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "bench_measure.h"

#include <cjson/cJSON.h>

enum { BENCH_FORMAT_VERSION = 1 };

typedef struct bench_device {
    auxo_device_info info;
    double peak_flops, peak_bytes; /* per second, measured; 0: not measured */
} bench_device;

typedef struct bench_result {
    size_t device; /* index in the devices */
    char group[16], name[96], op[32], variant[48], reason[128], tuning[96];
    bench_time time;
    double work;   /* how much `unit` is done in one execution */
    char unit[16]; /* "flop", "byte", "image", "launch" */
    double flops, bytes;
    bool f16;               /* may run on units of its own, so it neither sets the peak nor is set against it */
    double percent_of_peak; /* of what the measured peaks allow for its flops and bytes; 0: not known */
    uint64_t fallbacks;
} bench_result;

typedef struct bench_skip {
    char device[64], name[96], reason[256];
} bench_skip;

/* How long the ops of one kind take within a training step. */
typedef struct bench_share {
    size_t device;
    char name[96]; /* of the case */
    char op[32];
    double seconds, fraction; /* of one step; of all its ops */
} bench_share;

typedef struct bench_results {
    bench_device *devices;
    size_t device_count;
    bench_result *items;
    size_t count;
    bench_skip *skips;
    size_t skip_count;
    bench_share *shares; /* of one case together, the largest first */
    size_t share_count;
} bench_results;

void bench_results_deinit(bench_results *results);
auxo_status bench_results_add_device(bench_results *results, const auxo_device_info *info, auxo_error *error);
auxo_status bench_results_add(bench_results *results, const bench_result *result, auxo_error *error);
auxo_status bench_results_skip(bench_results *results, const char *device, const char *name, const char *reason,
                               auxo_error *error);

auxo_status bench_results_share(bench_results *results, const bench_share *share, auxo_error *error);

/* The fields of one result, skip or share, as in files and events, added to `object` (NULL is allowed). */
void bench_result_describe(const bench_results *results, const bench_result *result, cJSON *object);
void bench_skip_describe(const bench_skip *skip, cJSON *object);
void bench_share_describe(const bench_results *results, const bench_share *share, cJSON *object);

/* Errors: IO names the path. */
auxo_status bench_results_save(const bench_results *results, const char *path, auxo_error *error);
auxo_status bench_results_save_csv(const bench_results *results, const char *path, auxo_error *error);

/* Reads and checks a result file. Errors: IO; FORMAT names the file and what it has instead of what is read here.
 * Ownership: cJSON_Delete(*root). */
auxo_status bench_file_load(const char *path, cJSON **root, auxo_error *error);

#endif
