/* batch.c: one batch inside a plan: gathering features and targets of shuffled rows, and the loss over them.
 *
 * Also the checks that a model, a data set and a loss fit together.
 */
#include "train_internal.h"

#include <inttypes.h>

void auxo__batch_add_gather(const auxo__batch *batch, auxo_plan *plan, const auxo_tensor *rows, auxo_dtype dtype,
                            const auxo_tensor *means, const auxo_tensor *inverse_stds, const char *label,
                            auxo_tensor *gathered)
{
    const int64_t dims[3] = {batch->size, rows->dims[1], rows->dims[2]};
    auxo_tensor part = auxo_tensor_slice(*rows, 0, batch->first_row, batch->row_count);
    *gathered = auxo_plan_temp(plan, dtype, 3, dims);
    auxo_op op = {.kind = AUXO_OP_GATHER_BATCH,
                  .params.gather_batch = {.scale = rows->dtype == AUXO_DTYPE_U8 ? 1.0f / 255.0f : 1.0f}};
    op.tensors[AUXO_GATHER_BATCH_DATA] = part;
    op.tensors[AUXO_GATHER_BATCH_ORDER] = batch->order;
    op.tensors[AUXO_GATHER_BATCH_COUNTER] = batch->counter;
    op.tensors[AUXO_GATHER_BATCH_MEAN] = *means;
    op.tensors[AUXO_GATHER_BATCH_INVSTD] = *inverse_stds;
    op.tensors[AUXO_GATHER_BATCH_Y] = *gathered;
    auxo_plan_add(plan, &op, label);
}

void auxo__batch_add_input(const auxo__batch *batch, auxo_plan *plan, auxo_tensor *input)
{
    const auxo_dataset *dataset = batch->data->dataset;
    const int64_t dims[3] = {batch->data->rows, dataset->channels, dataset->height * dataset->width};
    auxo_tensor rows = auxo_tensor_make(
        batch->data->features, 0, dataset->feature_type == AUXO_FEATURES_U8 ? AUXO_DTYPE_U8 : AUXO_DTYPE_F32, 3, dims);
    auxo__batch_add_gather(batch, plan, &rows, batch->precision, &batch->preprocessing->means,
                           &batch->preprocessing->inverse_stds, "batch.features", input);
    const int64_t image_dims[4] = {batch->size, dataset->channels, dataset->height, dataset->width};
    *input = auxo_tensor_reshape(*input, 4, image_dims);
}

/* Gathers `columns` values per row of a target buffer as (size, columns). */
static void add_targets(const auxo__batch *batch, auxo_plan *plan, auxo_buffer *buffer, auxo_dtype dtype,
                        int64_t columns, bool standardized, const char *label, auxo_tensor *targets)
{
    const int64_t dims[3] = {batch->data->rows, columns, 1};
    auxo_tensor rows = auxo_tensor_make(buffer, 0, dtype, 3, dims), none = auxo_tensor_none();
    auxo__batch_add_gather(batch, plan, &rows, dtype, standardized ? &batch->preprocessing->target_means : &none,
                           standardized ? &batch->preprocessing->target_inverse_stds : &none, label, targets);
    const int64_t flat_dims[2] = {batch->size, columns};
    *targets = columns == 1 && !standardized ? auxo_tensor_reshape(*targets, 1, flat_dims)
                                             : auxo_tensor_reshape(*targets, 2, flat_dims);
}

static void add_cross_entropy(const auxo__batch *batch, auxo_plan *plan, auxo_op *op)
{
    op->kind = AUXO_OP_SOFTMAX_CROSS_ENTROPY;
    add_targets(batch, plan, batch->data->targets, AUXO_DTYPE_U32, 1, false, "batch.labels",
                &op->tensors[AUXO_XENT_LABELS]);
}

static void add_mse(const auxo__batch *batch, auxo_plan *plan, auxo_op *op)
{
    op->kind = AUXO_OP_MSE;
    add_targets(batch, plan, batch->data->targets, AUXO_DTYPE_F32, batch->data->dataset->target_count, true,
                "batch.targets", &op->tensors[AUXO_MSE_TARGET]);
}

static void add_cox(const auxo__batch *batch, const auxo_train_options *options, auxo_plan *plan, auxo_op *op)
{
    op->kind = AUXO_OP_COX;
    op->params.cox = options->cox;
    op->tensors[AUXO_COX_RISK] = auxo_tensor_reshape(op->tensors[AUXO_COX_RISK], 1, &batch->size);
    add_targets(batch, plan, batch->data->targets, AUXO_DTYPE_F32, 1, false, "batch.times",
                &op->tensors[AUXO_COX_TIME]);
    add_targets(batch, plan, batch->data->events, AUXO_DTYPE_U32, 1, false, "batch.events",
                &op->tensors[AUXO_COX_EVENT]);
    auxo_op sort = {.kind = AUXO_OP_ARGSORT};
    sort.tensors[AUXO_ARGSORT_KEYS] = op->tensors[AUXO_COX_TIME];
    sort.tensors[AUXO_ARGSORT_ORDER] = op->tensors[AUXO_COX_ORDER] =
        auxo_plan_temp(plan, AUXO_DTYPE_U32, 1, &batch->size);
    auxo_plan_add(plan, &sort, "batch.sort_times");
}

void auxo__batch_add_loss(const auxo__batch *batch, const auxo_train_options *options, auxo_plan *plan,
                          const auxo_tensor *output, const auxo__loss_outputs *outputs)
{
    /* The slots of the three losses differ by one position: cox has two inputs more. */
    const int64_t two = 2, shape[2] = {batch->size, output->dims[1]};
    bool cox = options->loss == AUXO_LOSS_COX;
    int loss_slot = cox ? AUXO_COX_LOSS : AUXO_MSE_LOSS;
    auxo_op op = {.kind = AUXO_OP_MSE};
    op.tensors[0] = auxo_tensor_reshape(*output, 2, shape);
    if (cox)
        add_cox(batch, options, plan, &op);
    else if (options->loss == AUXO_LOSS_MSE)
        add_mse(batch, plan, &op);
    else
        add_cross_entropy(batch, plan, &op);
    op.tensors[loss_slot] = auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, &two);
    if (outputs->gradient) {
        *outputs->gradient = auxo_plan_temp(plan, AUXO_DTYPE_F32, 2, shape);
        op.tensors[loss_slot + 1] = cox ? auxo_tensor_reshape(*outputs->gradient, 1, &batch->size) : *outputs->gradient;
    }
    op.tensors[loss_slot + 2] = outputs->stats;
    op.tensors[loss_slot + 3] = outputs->history;
    op.tensors[loss_slot + 4] = batch->counter;
    auxo_plan_add(plan, &op, "loss");
}

auxo_status auxo__check_features(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error)
{
    const int64_t *in = auxo_model_get_desc(model)->layers[0].output_dims;
    const auxo_preprocessing *preprocessing = auxo_model_preprocessing(model);
    if (dataset->row_count == 0 || dataset->row_count > INT32_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "data set \"%s\" has %zu rows", dataset->name,
                              dataset->row_count);
    if (in[0] != dataset->channels || in[1] != dataset->height || in[2] != dataset->width)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the model reads (%lld, %lld, %lld), but data set \"%s\" is (%lld, %lld, %lld)",
                              (long long)in[0], (long long)in[1], (long long)in[2], dataset->name,
                              (long long)dataset->channels, (long long)dataset->height, (long long)dataset->width);
    if (preprocessing->channel_count > 0 && preprocessing->channel_count != dataset->channels)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the model was standardised for %u channels, but data set \"%s\" has %lld",
                              preprocessing->channel_count, dataset->name, (long long)dataset->channels);
    return AUXO_OK;
}

auxo_status auxo__check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_loss_kind loss,
                             auxo_error *error)
{
    static const struct {
        const char *name;
        auxo_target_type type;
        const char *targets;
    } losses[] = {[AUXO_LOSS_CROSS_ENTROPY] = {"cross-entropy", AUXO_TARGET_CLASS, "class labels"},
                  [AUXO_LOSS_MSE] = {"mse", AUXO_TARGET_REAL, "real targets"},
                  [AUXO_LOSS_COX] = {"cox", AUXO_TARGET_SURVIVAL, "survival times and events"}};
    auxo_status status = auxo__check_features(model, dataset, error);
    if (status != AUXO_OK)
        return status;
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *out = desc->layers[desc->layer_count - 1].output_dims;
    if ((unsigned)loss >= sizeof losses / sizeof *losses || losses[loss].type != dataset->target_type)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the loss %s needs %s, which data set \"%s\" does not have",
                              (unsigned)loss < 3 ? losses[loss].name : "?",
                              (unsigned)loss < 3 ? losses[loss].targets : "?", dataset->name);
    int64_t wanted = loss == AUXO_LOSS_CROSS_ENTROPY ? dataset->class_count
                     : loss == AUXO_LOSS_MSE         ? dataset->target_count
                                                     : 1;
    if (out[0] != wanted || out[1] * out[2] != 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the model's output is (%lld, %lld, %lld), but data set \"%s\" needs %lld outputs",
                              (long long)out[0], (long long)out[1], (long long)out[2], dataset->name,
                              (long long)wanted);
    return AUXO_OK;
}

auxo_status auxo_model_check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error)
{
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    const int64_t *input = desc->layers[0].output_dims;
    const int64_t *output = desc->layers[desc->layer_count - 1].output_dims;
    int64_t needed_inputs = input[0] * input[1] * input[2];
    int64_t row_features = dataset->channels * dataset->height * dataset->width;
    if (needed_inputs != row_features)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "model %s reads %" PRId64 "x%" PRId64 "x%" PRId64 " inputs, but %s has %" PRId64
                              "x%" PRId64 "x%" PRId64,
                              desc->name, input[0], input[1], input[2], dataset->name, dataset->channels,
                              dataset->height, dataset->width);
    int64_t outputs = output[0] * output[1] * output[2];
    if (outputs != auxo_dataset_output_count(dataset))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "model %s has %" PRId64 " outputs, but %s needs %" PRIu32,
                              desc->name, outputs, dataset->name, auxo_dataset_output_count(dataset));
    return AUXO_OK;
}
