/* prefix.c: the output of the last frozen layer for all training rows, computed once for as long as it stays frozen.
 *
 * A step then begins there: its rows are gathered from what is kept. Frozen batch norms use their running statistics in
 * a step, too, so that the numbers are the same. Not where a step changes its inputs (augmentation), nor past a
 * dropout. Invariant: `filled` ends with whatever changes those layers, or may have.
 */
#include "model_internal.h"
#include "team.h"

/* The layer whose output is kept; 0: none. */
static uint32_t find_layer(const auxo_trainer *trainer)
{
    const auxo_model_desc *desc = auxo_model_get_desc(trainer->model);
    const uint64_t rows = (uint64_t)trainer->data.rows;
    uint32_t below = auxo__trainer_lowest(trainer);
    if (trainer->prefix.limit_bytes == 0 || below == desc->layer_count || trainer->team || trainer->data.stream ||
        trainer->options.augmentation.enabled || rows == 0)
        return 0;
    for (uint32_t l = 1; l < below; l++)
        if (desc->layers[l].kind == AUXO_LAYER_DROPOUT)
            below = l;
    const uint32_t cut = auxo__model_desc_cut(desc, below, trainer->prefix.limit_bytes / rows);
    for (uint32_t l = 1; l <= cut; l++)
        if (desc->layers[l].kind != AUXO_LAYER_FLATTEN)
            return cut;
    return 0; /* there is nothing to compute */
}

static auxo_tensor all_rows(const auxo_trainer *trainer)
{
    const int64_t *out = auxo_model_get_desc(trainer->model)->layers[trainer->prefix.layer].output_dims;
    return auxo_tensor_make(trainer->prefix.rows, 0, AUXO_DTYPE_F32, 3,
                            (int64_t[]){trainer->data.rows, out[0], out[1] * out[2]});
}

auxo_status auxo__prefix_choose(auxo_trainer *trainer, auxo_error *error)
{
    auxo__prefix *prefix = &trainer->prefix;
    const uint32_t layer = find_layer(trainer);
    const uint64_t version = auxo_model_structure_version(trainer->model);
    if (layer == prefix->layer && (layer == 0 || version == prefix->structure_version))
        return AUXO_OK;
    auxo__prefix_deinit(prefix);
    if (layer == 0)
        return AUXO_OK;
    const uint64_t values = (uint64_t)auxo__layer_size(&auxo_model_get_desc(trainer->model)->layers[layer]);
    const auxo_status status = auxo_buffer_create(
        auxo_model_device(trainer->model), values * (uint64_t)trainer->data.rows * sizeof(float), &prefix->rows, error);
    if (status == AUXO_OK) {
        prefix->layer = layer;
        prefix->structure_version = version;
    }
    return status;
}

/* As many rows as a step has, so that the same kernels run: from `first` on, in their order, the counter's batch by
 * batch. *output: what is kept, once the plan is compiled. */
static auxo_status build_fill(auxo_trainer *trainer, int64_t first, int64_t size, auxo_plan **plan, auxo_tensor *output,
                              auxo_error *error)
{
    const auxo_plan_options options = {.allow_host_fallback = trainer->options.allow_host_fallback};
    const auxo_tensor counter = auxo_tensor_1d(trainer->counter, 0, AUXO_DTYPE_U32, 4);
    const auxo__batch batch = {.data = &trainer->data,
                               .preprocessing = &trainer->preprocessing,
                               .size = size,
                               .first_row = first,
                               .row_count = trainer->data.rows - first,
                               .counter = counter,
                               .precision = auxo_model_precision(trainer->model)};
    auxo_forward forward = {.end_layer = trainer->prefix.layer};
    auxo_op advance = {.kind = AUXO_OP_COUNTER_ADD, .params.counter_add = {.increments = {0, 1, 0, 0}}};
    advance.tensors[AUXO_COUNTER_ADD_COUNTER] = counter;
    auxo_status status = auxo_plan_create(auxo_model_device(trainer->model), plan, error);
    if (status != AUXO_OK)
        return status;
    auxo__batch_add_input(&batch, *plan, &forward.input);
    auxo_activations *activations = auxo_model_add_forward(trainer->model, *plan, &forward);
    *output = auxo_activations_output(activations, trainer->prefix.layer);
    auxo_activations_destroy(activations);
    auxo_plan_add(*plan, &advance, "counters");
    if (activations && auxo_plan_status(*plan, NULL) == AUXO_OK)
        status = auxo_plan_keep(*plan, output, error);
    return status == AUXO_OK ? auxo_plan_compile(*plan, &options, error) : status;
}

/* Batches of `size` rows from `first` on. */
static auxo_status fill_rows(auxo_trainer *trainer, int64_t first, int64_t count, int64_t size, auxo_error *error)
{
    static const uint32_t start[4] = {1, 0, 0, 0};
    auxo_queue *queue = auxo_model_queue(trainer->model);
    auxo_plan *plan = NULL;
    auxo_tensor output = auxo_tensor_none();
    auxo_status status = build_fill(trainer, first, size, &plan, &output, error);
    const uint64_t batch_bytes = status == AUXO_OK ? (uint64_t)auxo_tensor_element_count(&output) * sizeof(float) : 0;
    const uint64_t row_bytes = batch_bytes / (uint64_t)size;
    const auxo_tensor result = status == AUXO_OK ? auxo_plan_resolve(plan, &output) : auxo_tensor_none();
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, trainer->counter, 0, start, sizeof start, error);
    for (int64_t row = first; row + size <= first + count && status == AUXO_OK; row += size) {
        status = auxo_plan_run(plan, queue, 1, error);
        if (status == AUXO_OK)
            status = auxo_buffer_copy(queue, result.buffer, result.offset_bytes, trainer->prefix.rows,
                                      (uint64_t)row * row_bytes, batch_bytes, error);
    }
    if (status == AUXO_OK)
        status = auxo_queue_wait(queue, error);
    auxo_plan_destroy(plan);
    return status;
}

auxo_status auxo__prefix_fill(auxo_trainer *trainer, auxo_error *error)
{
    const int64_t rows = trainer->data.rows, batch = trainer->options.batch, rest = rows % batch;
    if (trainer->prefix.layer == 0 || trainer->prefix.filled)
        return AUXO_OK;
    auxo_status status = fill_rows(trainer, 0, rows - rest, batch, error);
    if (status == AUXO_OK && rest > 0)
        status = fill_rows(trainer, rows - rest, rest, rest, error);
    trainer->prefix.filled = status == AUXO_OK;
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "frozen layers");
}

void auxo__prefix_add_input(const auxo_trainer *trainer, const auxo__batch *batch, auxo_plan *plan, auxo_tensor *input)
{
    const auxo_tensor rows = all_rows(trainer), none = auxo_tensor_none();
    auxo__batch_add_gather(batch, plan, &rows, batch->precision, &none, &none, "batch.prefix", input);
}

uint64_t auxo__prefix_bytes(const auxo_trainer *trainer)
{
    const auxo_tensor rows = trainer->prefix.layer > 0 ? all_rows(trainer) : auxo_tensor_none();
    return trainer->prefix.layer > 0 ? (uint64_t)auxo_tensor_element_count(&rows) * sizeof(float) : 0;
}

void auxo__prefix_deinit(auxo__prefix *prefix)
{
    auxo_buffer_destroy(prefix->rows);
    *prefix = (auxo__prefix){.limit_bytes = prefix->limit_bytes};
}

void auxo_trainer_keep_prefix(auxo_trainer *trainer, uint64_t limit_bytes)
{
    if (trainer->prefix.limit_bytes == limit_bytes)
        return;
    trainer->prefix.limit_bytes = limit_bytes;
    auxo__trainer_drop_plans(trainer);
}
