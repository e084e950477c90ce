/* cifar.c: CIFAR-10 and CIFAR-100 in their binary version (Krizhevsky 2009), plain, .gz or .xz.
 *
 * A record is one label byte (CIFAR-100: coarse, then fine; the fine one is used) and 3072 pixel bytes, red, green and
 * blue planes in turn. Every batch file stands alone; a training batch that is missing is an error unless
 * options->allow_missing_files, and then the note says which.
 */
#include "cifar.h"

#include "bytes.h"
#include "dataset.h"
#include "loaders.h"
#include "source.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FILES = 5, HELPER_THREADS = 2 };

/* What a named CIFAR set consists of. */
typedef struct cifar_layout {
    const char *name;
    size_t label_bytes;
    uint32_t class_count;
    size_t train_file_count;
    const char *train_files[MAX_FILES];
    size_t train_records_per_file;
    const char *test_file;
    size_t test_records;
} cifar_layout;

auxo_status auxo__cifar_check(const char *path, const uint8_t *bytes, size_t size, size_t label_bytes,
                              uint32_t class_count, size_t *record_count, auxo_error *error)
{
    size_t record_bytes = label_bytes + AUXO__CIFAR_PIXEL_BYTES;
    if (size == 0 || size % record_bytes != 0)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: %zu bytes are not a whole number of %zu-byte records (%zu and %zu bytes more)", path,
                              size, record_bytes, size / record_bytes, size % record_bytes);
    for (size_t i = 0; i < size / record_bytes; i++) {
        uint8_t label = bytes[i * record_bytes + label_bytes - 1];
        if (label >= class_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: label of record %zu is %u, out of range 0 to %u", path, i,
                                  label, class_count - 1);
    }
    *record_count = size / record_bytes;
    return AUXO_OK;
}

/* Reads one batch file and copies its first records to rows `first_row`.. of the data set, as far as there is room. */
static auxo_status read_batch(const cifar_layout *layout, const char *path, size_t expected_records,
                              auxo_dataset *dataset, size_t first_row, auxo_error *error)
{
    uint8_t *bytes = NULL;
    size_t size = 0, record_count = 0;
    auxo_status status = auxo__bytes_read_limited(path, (size_t)256 << 20, &bytes, &size, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__cifar_check(path, bytes, size, layout->label_bytes, layout->class_count, &record_count, error);
    if (status == AUXO_OK && record_count != expected_records)
        status =
            auxo_error_set(error, AUXO_FORMAT, "%s: %zu records, expected %zu", path, record_count, expected_records);
    size_t record_bytes = layout->label_bytes + AUXO__CIFAR_PIXEL_BYTES;
    size_t copied = status == AUXO_OK ? auxo__limited(record_count, dataset->row_count - first_row) : 0;
    for (size_t i = 0; i < copied; i++) {
        const uint8_t *record = bytes + i * record_bytes;
        dataset->labels[first_row + i] = record[layout->label_bytes - 1];
        memcpy((uint8_t *)dataset->features + (first_row + i) * AUXO__CIFAR_PIXEL_BYTES, record + layout->label_bytes,
               AUXO__CIFAR_PIXEL_BYTES);
    }
    free(bytes);
    return status;
}

/* The files of one split, read by a few threads: unpacking xz takes seconds a file. Invariant: files below `next` are
 * taken; every file has its own rows, status and error, so that only `next` is shared. */
typedef struct batch_queue {
    const cifar_layout *layout;
    char (*paths)[AUXO__PATH_SIZE];
    size_t path_count, records_per_file;
    auxo_dataset *dataset;
    atomic_size_t next;
    auxo_status statuses[MAX_FILES];
    auxo_error errors[MAX_FILES];
} batch_queue;

static void *read_batches(void *context)
{
    batch_queue *queue = context;
    for (;;) {
        size_t file = atomic_fetch_add(&queue->next, 1);
        size_t first_row = file * queue->records_per_file;
        if (file >= queue->path_count || first_row >= queue->dataset->row_count)
            return NULL;
        queue->statuses[file] = read_batch(queue->layout, queue->paths[file], queue->records_per_file, queue->dataset,
                                           first_row, &queue->errors[file]);
    }
}

static auxo_status load_files(const cifar_layout *layout, const auxo_data_options *options,
                              char paths[][AUXO__PATH_SIZE], size_t path_count, size_t records_per_file,
                              auxo_dataset **dataset, auxo_error *error)
{
    auxo__dataset_shape shape = {.row_count = auxo__limited(path_count * records_per_file, options->limit),
                                 .channels = 3,
                                 .height = 32,
                                 .width = 32,
                                 .feature_type = AUXO_FEATURES_U8,
                                 .target_type = AUXO_TARGET_CLASS,
                                 .target_count = layout->class_count};
    auxo_status status = auxo__dataset_create(layout->name, &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    batch_queue queue = {.layout = layout,
                         .paths = paths,
                         .path_count = path_count,
                         .records_per_file = records_per_file,
                         .dataset = *dataset};
    pthread_t helpers[HELPER_THREADS];
    size_t helper_count = 0; /* a thread that cannot start is no loss: this one reads whatever is left */
    while (helper_count < HELPER_THREADS && helper_count + 1 < path_count &&
           pthread_create(&helpers[helper_count], NULL, read_batches, &queue) == 0)
        helper_count++;
    read_batches(&queue);
    for (size_t i = 0; i < helper_count; i++)
        pthread_join(helpers[i], NULL);
    for (size_t i = 0; i < path_count; i++)
        if (queue.statuses[i] != AUXO_OK)
            return auxo_error_set(error, queue.statuses[i], "%s", queue.errors[i].message);
    return AUXO_OK;
}

/* Finds the training files; those missing are left out of `paths` and named in `missing`. */
static auxo_status find_train_files(const cifar_layout *layout, const auxo_data_options *options, const char *folder,
                                    char paths[][AUXO__PATH_SIZE], size_t *path_count, char *missing,
                                    size_t missing_size, auxo_error *error)
{
    *path_count = 0;
    missing[0] = '\0';
    for (size_t i = 0; i < layout->train_file_count; i++) {
        auxo_error not_found = {0};
        if (auxo__source_file(folder, layout->train_files[i], paths[*path_count], AUXO__PATH_SIZE, &not_found) ==
            AUXO_OK) {
            (*path_count)++;
            continue;
        }
        if (!options->allow_missing_files)
            return auxo_error_set(error, AUXO_NOT_FOUND,
                                  "%.400s; get it, or allow missing files (--allow-missing-files)", not_found.message);
        size_t used = strlen(missing);
        snprintf(missing + used, missing_size - used, "%s%s", used ? ", " : "", layout->train_files[i]);
    }
    if (*path_count == 0)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s: none of the training files is there", folder);
    return AUXO_OK;
}

static auxo_status load_cifar(const cifar_layout *layout, const auxo_data_options *options, auxo_dataset **train,
                              auxo_dataset **test, auxo_error *error)
{
    char folder[AUXO__PATH_SIZE], missing[160];
    auxo_status status = auxo__source_folder(options, layout->name, folder, sizeof folder, error);
    if (status != AUXO_OK)
        return status;
    char(*paths)[AUXO__PATH_SIZE] = calloc(MAX_FILES, sizeof *paths);
    if (!paths)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for file names", layout->name);
    size_t path_count = 0;
    status = find_train_files(layout, options, folder, paths, &path_count, missing, sizeof missing, error);
    if (status == AUXO_OK)
        status = load_files(layout, options, paths, path_count, layout->train_records_per_file, train, error);
    if (status == AUXO_OK && missing[0])
        snprintf((*train)->note, sizeof(*train)->note, "%s: %zu of %zu training files; missing: %s", layout->name,
                 path_count, layout->train_file_count, missing);
    if (status == AUXO_OK)
        status = auxo__source_file(folder, layout->test_file, paths[0], AUXO__PATH_SIZE, error);
    if (status == AUXO_OK)
        status = load_files(layout, options, paths, 1, layout->test_records, test, error);
    free(paths);
    return status;
}

auxo_status auxo__load_cifar_10(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                auxo_error *error)
{
    static const char *const classes[10] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                            "dog",      "frog",       "horse", "ship", "truck"};
    static const cifar_layout layout = {.name = "cifar-10",
                                        .label_bytes = 1,
                                        .class_count = 10,
                                        .train_file_count = 5,
                                        .train_files = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                                        "data_batch_4.bin", "data_batch_5.bin"},
                                        .train_records_per_file = 10000,
                                        .test_file = "test_batch.bin",
                                        .test_records = 10000};
    auxo_status status = load_cifar(&layout, options, train, test, error);
    if (status != AUXO_OK)
        return status;
    (*train)->target_names = auxo__names_copy(classes, 10);
    (*test)->target_names = auxo__names_copy(classes, 10);
    if (!(*train)->target_names || !(*test)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "cifar-10: no memory for class names");
    return AUXO_OK;
}

auxo_status auxo__load_cifar_100(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                 auxo_error *error)
{
    static const cifar_layout layout = {.name = "cifar-100",
                                        .label_bytes = 2,
                                        .class_count = 100,
                                        .train_file_count = 1,
                                        .train_files = {"train.bin"},
                                        .train_records_per_file = 50000,
                                        .test_file = "test.bin",
                                        .test_records = 10000};
    return load_cifar(&layout, options, train, test, error);
}
