/* device_data.c: data sets and preprocessing in device memory. Uploaded once, gathered batch by batch (batch.c).
 */
#include "train_internal.h"

#include <stdlib.h>
#include <string.h>

static auxo_status upload(auxo_queue *queue, const void *values, uint64_t size_bytes, auxo_buffer **buffer,
                          auxo_error *error)
{
    /* Whole words, so that kernels may read u8 rows as words. */
    auxo_status status = auxo_buffer_create(auxo_queue_device(queue), (size_bytes + 3) / 4 * 4, buffer, error);
    if (status == AUXO_OK && size_bytes > 0)
        status = auxo_buffer_write(queue, *buffer, 0, values, size_bytes, error);
    return status;
}

typedef struct timed_row {
    double time;
    uint32_t row;
} timed_row;

static int compare_times(const void *left, const void *right)
{
    const double a = ((const timed_row *)left)->time, b = ((const timed_row *)right)->time;
    return a < b ? -1 : a > b;
}

/* The loss compares times and does nothing else with them: it gets their ranks among the rows. So times that differ
 * in double differ on the device, where f32 would make ties of them. */
static auxo_status upload_time_ranks(auxo_queue *queue, const auxo_dataset *dataset, auxo_buffer **buffer,
                                     auxo_error *error)
{
    size_t rows = dataset->row_count;
    timed_row *sorted = malloc((rows + 1) * sizeof *sorted);
    float *ranks = malloc((rows + 1) * sizeof *ranks);
    auxo_status status = AUXO_OK;
    if (!sorted || !ranks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory for the times of %zu rows", rows);
    for (size_t i = 0; status == AUXO_OK && i < rows; i++)
        sorted[i] = (timed_row){dataset->times[i], (uint32_t)i};
    if (status == AUXO_OK)
        qsort(sorted, rows, sizeof *sorted, compare_times);
    uint32_t rank = 0;
    for (size_t i = 0; status == AUXO_OK && i < rows; i++) {
        rank += i > 0 && sorted[i].time > sorted[i - 1].time;
        ranks[sorted[i].row] = (float)rank;
    }
    if (status == AUXO_OK)
        status = upload(queue, ranks, rows * sizeof *ranks, buffer, error);
    free(sorted);
    free(ranks);
    return status;
}

size_t auxo__device_row_bytes(const auxo_dataset *dataset)
{
    const size_t value = dataset->feature_type == AUXO_FEATURES_U8 ? 1 : sizeof(float);
    const size_t targets = dataset->target_type == AUXO_TARGET_REAL ? dataset->target_count : 1;
    return (size_t)(dataset->channels * dataset->height * dataset->width) * value + targets * sizeof(float);
}

bool auxo__device_data_streams(const auxo_device *device, const auxo_dataset *dataset, auxo_stream_mode mode,
                               uint64_t limit_bytes)
{
    static const uint64_t host_limit = (uint64_t)32 << 20;
    const auxo_device_info *info = auxo_device_get_info(device);
    if (mode != AUXO_STREAM_AUTO)
        return mode == AUXO_STREAM_ALWAYS;
    if (limit_bytes == 0)
        limit_bytes = info->type == AUXO_DEVICE_CPU && dataset->mapped ? host_limit : info->memory_bytes / 2;
    return dataset->row_count * auxo__device_row_bytes(dataset) > limit_bytes;
}

/* Rows of a file to the device, block by block. */
static auxo_status upload_mapped(auxo__device_data *data, auxo_queue *queue, auxo_error *error)
{
    const auxo_dataset *dataset = data->dataset;
    const bool classes = dataset->target_type == AUXO_TARGET_CLASS, reals = dataset->target_type == AUXO_TARGET_REAL;
    const size_t value = dataset->feature_type == AUXO_FEATURES_U8 ? 1 : sizeof(float);
    const size_t widths[2] = {(size_t)(dataset->channels * dataset->height * dataset->width) * value,
                              classes ? sizeof(uint32_t)
                              : reals ? dataset->target_count * sizeof(float)
                                      : 0};
    const size_t rows = ((size_t)1 << 20) / (widths[0] + widths[1]) + 1;
    uint8_t *features = malloc(rows * widths[0]), *targets = malloc(rows * widths[1] + 1);
    const auxo_row_block block = {.features = features,
                                  .labels = classes ? (uint32_t *)(void *)targets : NULL,
                                  .targets = reals ? (float *)(void *)targets : NULL};
    auxo_status status =
        features && targets ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no memory to upload rows");
    auxo_device *device = auxo_queue_device(queue);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, (dataset->row_count * widths[0] + 3) / 4 * 4, &data->features, error);
    if (status == AUXO_OK && widths[1])
        status = auxo_buffer_create(device, dataset->row_count * widths[1], &data->targets, error);
    for (size_t first = 0; first < dataset->row_count && status == AUXO_OK; first += rows) {
        const size_t count = dataset->row_count - first < rows ? dataset->row_count - first : rows;
        status = auxo_dataset_read(dataset, NULL, first, count, &block, error);
        if (status == AUXO_OK)
            status = auxo_buffer_write(queue, data->features, first * widths[0], features, count * widths[0], error);
        if (status == AUXO_OK && widths[1])
            status = auxo_buffer_write(queue, data->targets, first * widths[1], targets, count * widths[1], error);
    }
    free(features);
    free(targets);
    if (status == AUXO_OK)
        return status;
    auxo__device_data_deinit(data);
    return auxo_error_wrap(error, status, "uploading data set \"%s\"", dataset->name);
}

auxo_status auxo__device_data_stream(auxo__device_data *data, auxo_queue *queue, const auxo_dataset *dataset,
                                     auxo__stream_options *options, auxo_error *error)
{
    memset(data, 0, sizeof *data);
    options->dataset = data->dataset = dataset;
    options->queue = queue;
    if (options->batch > (int64_t)dataset->row_count)
        options->batch = (int64_t)dataset->row_count;
    const auxo_status status = auxo__stream_create(options, &data->stream, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "streaming data set \"%s\"", dataset->name);
    const auxo__stream_ring ring = auxo__stream_get_ring(data->stream);
    data->features = ring.features;
    data->targets = ring.targets;
    data->rows = ring.rows;
    return AUXO_OK;
}

auxo_status auxo__device_data_init(auxo__device_data *data, auxo_queue *queue, const auxo_dataset *dataset,
                                   auxo_error *error)
{
    memset(data, 0, sizeof *data);
    data->dataset = dataset;
    data->rows = (int64_t)dataset->row_count;
    uint64_t rows = dataset->row_count;
    if (dataset->mapped)
        return upload_mapped(data, queue, error);
    uint64_t row_size = (uint64_t)(dataset->channels * dataset->height * dataset->width);
    uint64_t value_bytes = dataset->feature_type == AUXO_FEATURES_U8 ? 1 : sizeof(float);
    auxo_status status = upload(queue, dataset->features, rows * row_size * value_bytes, &data->features, error);
    if (status == AUXO_OK && dataset->target_type == AUXO_TARGET_CLASS)
        status = upload(queue, dataset->labels, rows * sizeof(uint32_t), &data->targets, error);
    if (status == AUXO_OK && dataset->target_type == AUXO_TARGET_REAL)
        status = upload(queue, dataset->targets, rows * dataset->target_count * sizeof(float), &data->targets, error);
    if (status == AUXO_OK && dataset->target_type == AUXO_TARGET_SURVIVAL) {
        status = upload_time_ranks(queue, dataset, &data->targets, error);
        if (status == AUXO_OK)
            status = upload(queue, dataset->events, rows * sizeof(uint32_t), &data->events, error);
    }
    if (status != AUXO_OK) {
        auxo__device_data_deinit(data);
        return auxo_error_wrap(error, status, "uploading data set \"%s\"", dataset->name);
    }
    return AUXO_OK;
}

void auxo__device_data_deinit(auxo__device_data *data)
{
    if (data->stream) {
        auxo__stream_destroy(data->stream);
    } else {
        auxo_buffer_destroy(data->features);
        auxo_buffer_destroy(data->targets);
    }
    auxo_buffer_destroy(data->events);
    memset(data, 0, sizeof *data);
}

auxo_status auxo__device_preprocessing_init(auxo__device_preprocessing *preprocessing, const auxo_model *model,
                                            auxo_error *error)
{
    memset(preprocessing, 0, sizeof *preprocessing);
    const auxo_preprocessing *host = auxo_model_preprocessing(model);
    uint64_t inputs = host->channel_count, targets = host->target_count;
    if (inputs + targets == 0)
        return AUXO_OK;
    auxo_queue *queue = auxo_model_queue(model);
    auxo_status status = auxo_buffer_create(auxo_model_device(model), 2 * (inputs + targets) * sizeof(float),
                                            &preprocessing->buffer, error);
    const float *arrays[4] = {host->means, host->inverse_stds, host->target_means, host->target_inverse_stds};
    auxo_tensor *tensors[4] = {&preprocessing->means, &preprocessing->inverse_stds, &preprocessing->target_means,
                               &preprocessing->target_inverse_stds};
    uint64_t offset_bytes = 0;
    for (int i = 0; status == AUXO_OK && i < 4; i++) {
        uint64_t count = i < 2 ? inputs : targets;
        if (count == 0)
            continue;
        status = auxo_buffer_write(queue, preprocessing->buffer, offset_bytes, arrays[i], count * sizeof(float), error);
        *tensors[i] = auxo_tensor_1d(preprocessing->buffer, offset_bytes, AUXO_DTYPE_F32, (int64_t)count);
        offset_bytes += count * sizeof(float);
    }
    if (status != AUXO_OK)
        auxo__device_preprocessing_deinit(preprocessing);
    return status;
}

void auxo__device_preprocessing_deinit(auxo__device_preprocessing *preprocessing)
{
    auxo_buffer_destroy(preprocessing->buffer);
    memset(preprocessing, 0, sizeof *preprocessing);
}
