/* ref_select.c: sorting, selecting kept groups, selecting by index, and gathering a batch. */
#include "ref.h"

#include <math.h>
#include <stdlib.h>

/* A key and where it stood. rank is the key made ascending, with NaN last. */
typedef struct sort_entry {
    double rank;
    uint32_t index;
} sort_entry;

static int compare_entries(const void *left, const void *right)
{
    const sort_entry *a = left;
    const sort_entry *b = right;
    if (isnan(a->rank) != isnan(b->rank))
        return isnan(a->rank) ? 1 : -1;
    if (a->rank != b->rank && !isnan(a->rank))
        return a->rank < b->rank ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* Allocates the entries of n keys, sorted; free with free. */
static auxo_status sort_keys(const float *keys, int64_t n, bool descending, sort_entry **entries, auxo_error *error)
{
    *entries = malloc(sizeof **entries * (size_t)(n + 1));
    if (!*entries)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sorting: no host memory for %lld keys", (long long)n);
    for (int64_t i = 0; i < n; ++i)
        (*entries)[i] = (sort_entry){descending ? -(double)keys[i] : (double)keys[i], (uint32_t)i};
    qsort(*entries, (size_t)n, sizeof **entries, compare_entries);
    return AUXO_OK;
}

auxo_status ref_argsort(const auxo_op *op, auxo_error *error)
{
    int64_t n = cpu_count(op, AUXO_ARGSORT_KEYS);
    uint32_t *order = cpu_u32(op, AUXO_ARGSORT_ORDER);
    sort_entry *entries;
    auxo_status status = sort_keys(cpu_f32(op, AUXO_ARGSORT_KEYS), n, op->params.argsort.descending, &entries, error);
    if (status != AUXO_OK)
        return status;
    for (int64_t i = 0; i < n; ++i)
        order[i] = entries[i].index;
    free(entries);
    return AUXO_OK;
}

/* Marks in keep[] the min_keep largest norms. */
static auxo_status keep_largest(const float *norm, int64_t n, int64_t min_keep, bool *keep, auxo_error *error)
{
    sort_entry *entries;
    auxo_status status = sort_keys(norm, n, true, &entries, error);
    if (status != AUXO_OK)
        return status;
    for (int64_t i = 0; i < n; ++i)
        keep[entries[i].index] = i < min_keep;
    free(entries);
    return AUXO_OK;
}

auxo_status ref_kept_scan(const auxo_op *op, auxo_error *error)
{
    const auxo_kept_scan_params *params = &op->params.kept_scan;
    int64_t n = cpu_count(op, AUXO_KEPT_SCAN_NORM);
    const float *norm = cpu_f32(op, AUXO_KEPT_SCAN_NORM);
    uint32_t *kept = cpu_u32(op, AUXO_KEPT_SCAN_KEPT);
    bool *keep = malloc(sizeof *keep * (size_t)(n + 1));
    if (!keep)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "kept_scan: no host memory for %lld groups", (long long)n);
    int64_t pass_count = 0;
    for (int64_t g = 0; g < n; ++g) {
        keep[g] = norm[g] >= params->threshold;
        pass_count += keep[g];
    }
    auxo_status status = AUXO_OK;
    if (pass_count < (int64_t)params->min_keep)
        status = keep_largest(norm, n, params->min_keep, keep, error);
    uint32_t count = 0;
    for (int64_t g = 0; g < n && status == AUXO_OK; ++g)
        if (keep[g])
            kept[count++] = (uint32_t)g;
    for (int64_t i = count; i < n && status == AUXO_OK; ++i)
        kept[i] = UINT32_MAX;
    if (status == AUXO_OK)
        *cpu_u32(op, AUXO_KEPT_SCAN_COUNT) = count;
    free(keep);
    return status;
}

auxo_status ref_index_select(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const int64_t *xd = op->tensors[AUXO_INDEX_SELECT_X].dims;
    const int64_t *yd = op->tensors[AUXO_INDEX_SELECT_Y].dims;
    const uint32_t *index = cpu_u32(op, AUXO_INDEX_SELECT_INDEX);
    bool is_float = op->tensors[AUXO_INDEX_SELECT_Y].dtype == AUXO_DTYPE_F32;
    float fill = op->params.index_select.fill;
    for (int64_t o = 0; o < yd[0]; ++o)
        for (int64_t j = 0; j < yd[1]; ++j)
            for (int64_t i = 0; i < yd[2]; ++i) {
                bool inside = index[j] < xd[1];
                int64_t from = inside ? (o * xd[1] + index[j]) * xd[2] + i : 0;
                int64_t to = (o * yd[1] + j) * yd[2] + i;
                if (is_float)
                    cpu_f32(op, AUXO_INDEX_SELECT_Y)[to] = inside ? cpu_f32(op, AUXO_INDEX_SELECT_X)[from] : fill;
                else
                    cpu_u32(op, AUXO_INDEX_SELECT_Y)[to] =
                        inside ? cpu_u32(op, AUXO_INDEX_SELECT_X)[from] : (uint32_t)fill;
            }
    return AUXO_OK;
}

static double load(const auxo_tensor *tensor, int64_t index)
{
    const void *data = cpu_data(tensor);
    if (tensor->dtype == AUXO_DTYPE_U8)
        return ((const uint8_t *)data)[index];
    if (tensor->dtype == AUXO_DTYPE_U32)
        return ((const uint32_t *)data)[index];
    return (double)((const float *)data)[index];
}

auxo_status ref_gather_batch(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_tensor *data = &op->tensors[AUXO_GATHER_BATCH_DATA];
    const auxo_tensor *y = &op->tensors[AUXO_GATHER_BATCH_Y];
    const uint32_t *order = cpu_u32(op, AUXO_GATHER_BATCH_ORDER);
    const float *mean = cpu_f32(op, AUXO_GATHER_BATCH_MEAN);
    const float *invstd = cpu_f32(op, AUXO_GATHER_BATCH_INVSTD);
    uint64_t batch = ref_counter(op, AUXO_GATHER_BATCH_COUNTER, 1);
    uint64_t n = (uint64_t)(order ? cpu_count(op, AUXO_GATHER_BATCH_ORDER) : data->dims[0]);
    int64_t row_size = y->dims[1] * y->dims[2];
    for (int64_t b = 0; b < y->dims[0] && n > 0; ++b) {
        uint64_t position = (batch * (uint64_t)y->dims[0] + (uint64_t)b) % n;
        int64_t row = order ? (int64_t)order[position] : (int64_t)position;
        for (int64_t e = 0; e < row_size; ++e) {
            double value = load(data, row * row_size + e);
            if (y->dtype == AUXO_DTYPE_U32) {
                ((uint32_t *)cpu_data(y))[b * row_size + e] = (uint32_t)value;
                continue;
            }
            int64_t channel = e / y->dims[2];
            value = (double)op->params.gather_batch.scale * value - (mean ? (double)mean[channel] : 0);
            ((float *)cpu_data(y))[b * row_size + e] = (float)(value * (invstd ? (double)invstd[channel] : 1));
        }
    }
    return AUXO_OK;
}
