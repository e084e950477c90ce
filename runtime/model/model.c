/* model.c: models: creation from a description and a seed, their buffers, and host copies of the weights.
 *
 * Plans over a model are built in forward.c and backward.c; resize.c and restructure.c change its structure.
 */
#include "model_internal.h"
#include "precision.h"
#include "text.h"

#include <stdlib.h>
#include <string.h>

static auxo_status create_buffers(auxo_model *model, auxo_error *error)
{
    const auxo__layout *layout = &model->layout;
    auxo_status status = auxo_queue_create(model->device, &model->queue, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(model->device, layout->weight_count * sizeof(float), &model->weights, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(model->device, layout->weight_count * sizeof(float), &model->gradients, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(model->device, layout->statistic_count * sizeof(float), &model->statistics, error);
    if (status == AUXO_OK && layout->weight_count > 0)
        status = auxo_buffer_zero(model->queue, model->gradients, 0, layout->weight_count * sizeof(float), error);
    return status;
}

static auxo_status write_initial_weights(auxo_model *model, uint64_t seed, auxo_error *error)
{
    const auxo__layout *layout = &model->layout;
    float *weights = malloc((layout->weight_count + layout->statistic_count + 1) * sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for %llu initial weights",
                              (unsigned long long)layout->weight_count);
    float *statistics = weights + layout->weight_count;
    for (size_t i = 0; i < layout->param_count; i++) {
        const auxo_param *param = &layout->params[i];
        auxo__initialize_param(&model->desc, param, 1.0f, seed,
                               (param->trainable ? weights : statistics) + param->offset);
    }
    auxo_status status = auxo_model_write_weights(model, weights, statistics, error);
    free(weights);
    return status;
}

auxo_status auxo_model_create(auxo_device *device, const auxo_model_desc *desc, uint64_t seed, auxo_model **model,
                              auxo_error *error)
{
    *model = NULL;
    auxo_model *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating model \"%s\"", desc->name);
    created->device = device;
    created->precision = auxo_device_precision(device);
    auxo_status status = auxo_model_desc_copy(desc, &created->desc, error);
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(&created->desc, error);
    if (status == AUXO_OK)
        status = auxo__layout_build(&created->desc, &created->layout, error);
    if (status == AUXO_OK)
        status = create_buffers(created, error);
    if (status == AUXO_OK)
        status = write_initial_weights(created, seed, error);
    if (status == AUXO_OK)
        *model = created;
    else
        auxo_model_destroy(created);
    return status;
}

static void free_preprocessing(auxo_preprocessing *preprocessing)
{
    free(preprocessing->means);
    free(preprocessing->inverse_stds);
    free(preprocessing->target_means);
    free(preprocessing->target_inverse_stds);
    memset(preprocessing, 0, sizeof *preprocessing);
}

/* Both models have queues of their own: the source must be through before the copy starts. */
static auxo_status copy_parameters(auxo_model *source, auxo_model *copy, auxo_error *error)
{
    const uint64_t weight_bytes = auxo_model_weight_count(source) * sizeof(float);
    const uint64_t statistic_bytes = auxo_model_statistic_count(source) * sizeof(float);
    auxo_status status = auxo_queue_wait(source->queue, error);
    if (status == AUXO_OK)
        status = auxo_buffer_copy(copy->queue, source->weights, 0, copy->weights, 0, weight_bytes, error);
    if (status == AUXO_OK && statistic_bytes > 0)
        status = auxo_buffer_copy(copy->queue, source->statistics, 0, copy->statistics, 0, statistic_bytes, error);
    return status == AUXO_OK ? auxo_queue_wait(copy->queue, error) : status;
}

auxo_status auxo_model_clone(auxo_model *source, auxo_model **copy, auxo_error *error)
{
    auxo_model *created = NULL;
    auxo_status status = auxo_model_create(source->device, &source->desc, 0, &created, error);
    if (status == AUXO_OK) {
        created->precision = source->precision;
        status = copy_parameters(source, created, error);
    }
    if (status == AUXO_OK)
        status = auxo_model_set_preprocessing(created, &source->preprocessing, error);
    if (status == AUXO_OK)
        status = auxo__model_set_data_text(created, source->data_text, error);
    if (status == AUXO_OK)
        *copy = created;
    else
        auxo_model_destroy(created);
    return status;
}

void auxo_model_destroy(auxo_model *model)
{
    if (!model)
        return;
    auxo_queue_destroy(model->queue); /* waits for work that uses the buffers */
    auxo_buffer_destroy(model->weights);
    auxo_buffer_destroy(model->gradients);
    auxo_buffer_destroy(model->statistics);
    auxo_buffer_destroy(model->narrow_weights);
    auxo__layout_free(&model->layout);
    auxo_model_desc_deinit(&model->desc);
    free_preprocessing(&model->preprocessing);
    free(model->data_text);
    free(model);
}

const auxo_model_desc *auxo_model_get_desc(const auxo_model *model)
{
    return &model->desc;
}

auxo_device *auxo_model_device(const auxo_model *model)
{
    return model->device;
}

auxo_queue *auxo_model_queue(const auxo_model *model)
{
    return model->queue;
}

size_t auxo_model_param_count(const auxo_model *model)
{
    return model->layout.param_count;
}

const auxo_param *auxo_model_params(const auxo_model *model)
{
    return model->layout.params;
}

uint64_t auxo_model_weight_count(const auxo_model *model)
{
    return model->layout.weight_count;
}

uint64_t auxo_model_statistic_count(const auxo_model *model)
{
    return model->layout.statistic_count;
}

auxo_buffer *auxo_model_weights(const auxo_model *model)
{
    return model->weights;
}

auxo_buffer *auxo_model_gradients(const auxo_model *model)
{
    return model->gradients;
}

auxo_buffer *auxo_model_statistics(const auxo_model *model)
{
    return model->statistics;
}

auxo_tensor auxo_model_param_tensor(const auxo_model *model, const auxo_param *param)
{
    return auxo_tensor_make(param->trainable ? model->weights : model->statistics, param->offset * sizeof(float),
                            AUXO_DTYPE_F32, param->rank, param->dims);
}

auxo_tensor auxo_model_gradient_tensor(const auxo_model *model, const auxo_param *param)
{
    if (!param->trainable)
        return auxo_tensor_none();
    return auxo_tensor_make(model->gradients, param->offset * sizeof(float), AUXO_DTYPE_F32, param->rank, param->dims);
}

const auxo_param *auxo_model_find_param(const auxo_model *model, const char *name)
{
    for (size_t i = 0; i < model->layout.param_count; i++)
        if (strcmp(model->layout.params[i].name, name) == 0)
            return &model->layout.params[i];
    return NULL;
}

void auxo_model_layer_range(const auxo_model *model, uint32_t layer, uint64_t *offset, uint64_t *count)
{
    *offset = *count = 0;
    for (size_t i = 0; i < model->layout.param_count; i++) {
        const auxo_param *param = &model->layout.params[i];
        if (param->layer != layer || !param->trainable)
            continue;
        if (*count == 0)
            *offset = param->offset;
        *count += auxo__param_element_count(param);
    }
}

uint64_t auxo_model_structure_version(const auxo_model *model)
{
    return model->structure_version;
}

const char *auxo__model_data_text(const auxo_model *model)
{
    return model->data_text;
}

auxo_status auxo__model_set_data_text(auxo_model *model, const char *text, auxo_error *error)
{
    char *copy = text ? auxo__text_duplicate(text) : NULL;
    if (text && !copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for what a model knows of its data");
    free(model->data_text);
    model->data_text = copy;
    return AUXO_OK;
}

const auxo_preprocessing *auxo_model_preprocessing(const auxo_model *model)
{
    return &model->preprocessing;
}

static bool copy_floats(const float *source, uint32_t count, float **target)
{
    *target = NULL;
    if (!source || count == 0)
        return true;
    *target = malloc(count * sizeof **target);
    if (*target)
        memcpy(*target, source, count * sizeof **target);
    return *target != NULL;
}

auxo_status auxo_model_set_preprocessing(auxo_model *model, const auxo_preprocessing *preprocessing, auxo_error *error)
{
    auxo_preprocessing copy = {0};
    if (preprocessing) {
        copy.channel_count = preprocessing->channel_count;
        copy.target_count = preprocessing->target_count;
        bool copied = copy_floats(preprocessing->means, copy.channel_count, &copy.means);
        copied = copy_floats(preprocessing->inverse_stds, copy.channel_count, &copy.inverse_stds) && copied;
        copied = copy_floats(preprocessing->target_means, copy.target_count, &copy.target_means) && copied;
        copied =
            copy_floats(preprocessing->target_inverse_stds, copy.target_count, &copy.target_inverse_stds) && copied;
        if (!copied) {
            free_preprocessing(&copy);
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the preprocessing of a model");
        }
    }
    free_preprocessing(&model->preprocessing);
    model->preprocessing = copy;
    return AUXO_OK;
}

auxo_status auxo_model_read_weights(auxo_model *model, float *weights, float *statistics, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (weights && model->layout.weight_count > 0)
        status = auxo_buffer_read(model->queue, model->weights, 0, weights, model->layout.weight_count * sizeof(float),
                                  error);
    if (status == AUXO_OK && statistics && model->layout.statistic_count > 0)
        status = auxo_buffer_read(model->queue, model->statistics, 0, statistics,
                                  model->layout.statistic_count * sizeof(float), error);
    return status;
}

auxo_status auxo_model_write_weights(auxo_model *model, const float *weights, const float *statistics,
                                     auxo_error *error)
{
    auxo_status status = AUXO_OK;
    if (weights && model->layout.weight_count > 0)
        status = auxo_buffer_write(model->queue, model->weights, 0, weights, model->layout.weight_count * sizeof(float),
                                   error);
    if (status == AUXO_OK && statistics && model->layout.statistic_count > 0)
        status = auxo_buffer_write(model->queue, model->statistics, 0, statistics,
                                   model->layout.statistic_count * sizeof(float), error);
    return status;
}

auxo_status auxo_model_set_precision(auxo_model *model, auxo_precision precision, auxo_error *error)
{
    auxo_dtype format = AUXO_DTYPE_F32;
    const auxo_status status = auxo__precision_resolve(model->device, precision, &format, error);
    if (status == AUXO_OK)
        model->precision = format;
    return status;
}

auxo_dtype auxo_model_precision(const auxo_model *model)
{
    return model->precision;
}
