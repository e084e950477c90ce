/* resize.c: applies unit edits on the device: index_select gathers the surviving weights, statistics and optimiser
 * state into new buffers; only index lists and the initial values of new units travel from the host.
 *
 * Weights are seen as (units, inputs, window): rows follow the layer's own channel map, columns the map of the layer it
 * reads. New rows are drawn whole, scaled by incoming_scale; new columns of old rows are scaled by outgoing_scale.
 */
#include "resize_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct resizer {
    auxo_model *model;
    const auxo_unit_edit *edits;
    uint64_t seed;
    auxo__channel_map *maps;
    auxo_model_desc desc; /* after the edits */
    auxo__layout layout;  /* after the edits */
    auxo__new_buffers buffers;
    auxo_buffer *indices;    /* u32: one list per layer whose map changed */
    uint64_t *index_offsets; /* per layer, elements */
    float *fresh;            /* initial values of new weights, in the order of the copies that place them */
    uint64_t fresh_count, fresh_capacity;
    auxo_buffer *fresh_buffer; /* created before the copies are appended */
    auxo_plan *plan;
    bool counting;     /* first pass: fresh values are drawn, no op is appended */
    uint64_t fresh_at; /* second pass: the next value to place */
} resizer;

/* ---- index lists ---- */

static auxo_status upload_indices(resizer *r, auxo_error *error)
{
    uint32_t layer_count = r->model->desc.layer_count;
    uint64_t total = 0;
    r->index_offsets = calloc(layer_count, sizeof *r->index_offsets);
    for (uint32_t l = 0; l < layer_count; l++)
        total += r->maps[l].changed ? r->maps[l].count : 0;
    uint32_t *lists = malloc((total + 1) * sizeof *lists);
    if (!lists || !r->index_offsets) {
        free(lists);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory resizing a model");
    }
    auxo_status status = auxo_buffer_create(r->model->device, total * sizeof *lists, &r->indices, error);
    uint64_t at = 0;
    for (uint32_t l = 0; status == AUXO_OK && l < layer_count; l++) {
        r->index_offsets[l] = at;
        for (uint32_t i = 0; r->maps[l].changed && i < r->maps[l].count; i++)
            lists[at++] = r->maps[l].sources[i].old; /* a new channel's index is past any axis: it gets `fill` */
    }
    if (status == AUXO_OK && total > 0)
        status = auxo_buffer_write(r->model->queue, r->indices, 0, lists, total * sizeof *lists, error);
    free(lists);
    return status;
}

static auxo_tensor index_tensor(const resizer *r, uint32_t layer)
{
    return auxo_tensor_1d(r->indices, r->index_offsets[layer] * sizeof(uint32_t), AUXO_DTYPE_U32, r->maps[layer].count);
}

/* ---- moving what survives ---- */

static void add_select(resizer *r, const auxo_tensor *x, uint32_t map_layer, float fill, const auxo_tensor *y,
                       const char *label)
{
    auxo_op op = {.kind = AUXO_OP_INDEX_SELECT, .params.index_select = {.fill = fill}};
    op.tensors[AUXO_INDEX_SELECT_X] = *x;
    op.tensors[AUXO_INDEX_SELECT_INDEX] = index_tensor(r, map_layer);
    op.tensors[AUXO_INDEX_SELECT_Y] = *y;
    auxo_plan_add(r->plan, &op, label);
}

static auxo_tensor view(auxo_buffer *buffer, uint64_t offset, int64_t d0, int64_t d1, int64_t d2)
{
    const int64_t dims[3] = {d0, d1, d2};
    return auxo_tensor_make(buffer, offset * sizeof(float), AUXO_DTYPE_F32, 3, dims);
}

/* The layer whose channels are the columns of a weight, before any flatten; UINT32_MAX if columns do not follow one. */
static uint32_t column_layer(const resizer *r, const auxo_param *param)
{
    const auxo_layer *layers = r->model->desc.layers;
    if (param->role != AUXO_PARAM_WEIGHT || !auxo__layer_makes_units(&r->model->desc, param->layer))
        return UINT32_MAX;
    uint32_t layer = layers[param->layer].inputs[0];
    while (layers[layer].kind == AUXO_LAYER_FLATTEN)
        layer = layers[layer].inputs[0];
    return layer;
}

/* (rows, columns, values per column) of a parameter. A column is what one channel of the layer `columns` of `desc`
 * feeds: a window of a convolution, all positions after a flatten. */
static void matrix_dims(const auxo_model_desc *desc, const auxo_param *param, uint32_t columns, int64_t dims[3])
{
    dims[0] = param->dims[0];
    dims[1] = columns == UINT32_MAX ? 1 : desc->layers[columns].output_dims[0];
    dims[2] = (int64_t)auxo__param_element_count(param) / (dims[0] * dims[1]);
}

static void add_move(resizer *r, const auxo_param *from, const auxo_param *to, auxo_buffer *source, auxo_buffer *target,
                     float fill)
{
    int64_t old[3], now[3];
    uint32_t columns = column_layer(r, from);
    matrix_dims(&r->model->desc, from, columns, old);
    matrix_dims(&r->desc, to, columns, now);
    bool rows_change = r->maps[from->layer].changed;
    bool columns_change = columns != UINT32_MAX && r->maps[columns].changed;
    auxo_tensor y = view(target, to->offset, 1, now[0], now[1] * now[2]);
    if (!rows_change && !columns_change) {
        auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
        op.tensors[AUXO_COPY_X] = view(source, from->offset, 1, old[0], old[1] * old[2]);
        op.tensors[AUXO_COPY_Y] = y;
        auxo_plan_add(r->plan, &op, to->name);
        return;
    }
    auxo_tensor x = view(source, from->offset, 1, old[0], old[1] * old[2]);
    if (rows_change) {
        const int64_t dims[3] = {1, now[0], old[1] * old[2]};
        auxo_tensor selected = columns_change ? auxo_plan_temp(r->plan, AUXO_DTYPE_F32, 3, dims) : y;
        add_select(r, &x, from->layer, fill, &selected, to->name);
        x = selected;
    }
    if (columns_change) {
        const int64_t x_dims[3] = {now[0], old[1], old[2]}, y_dims[3] = {now[0], now[1], now[2]};
        x = auxo_tensor_reshape(x, 3, x_dims);
        y = auxo_tensor_reshape(y, 3, y_dims);
        add_select(r, &x, columns, fill, &y, to->name);
    }
}

/* ---- new weights ---- */

/* Draws `count` values on the first pass; on the second places them into `target`. */
static auxo_status add_fresh(resizer *r, uint32_t layer, uint32_t run, const auxo_unit_edit *edit, float scale,
                             const auxo_tensor *target, auxo_error *error)
{
    uint64_t count = (uint64_t)auxo_tensor_element_count(target);
    if (!r->counting) {
        auxo_op op = {.kind = AUXO_OP_COPY, .params.copy = {.scale = 1.0f}};
        op.tensors[AUXO_COPY_X] =
            auxo_tensor_make(r->fresh_buffer, r->fresh_at * sizeof(float), AUXO_DTYPE_F32, target->rank, target->dims);
        op.tensors[AUXO_COPY_Y] = *target;
        r->fresh_at += count;
        if (count > 0)
            auxo_plan_add(r->plan, &op, "new_units");
        return AUXO_OK;
    }
    if (r->fresh_count + count > r->fresh_capacity) {
        uint64_t capacity = 2 * (r->fresh_count + count);
        float *grown = realloc(r->fresh, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the weights of new units");
        r->fresh = grown;
        r->fresh_capacity = capacity;
    }
    int64_t fan_in, fan_out;
    auxo__layer_fans(&r->desc, layer, &fan_in, &fan_out);
    auxo__initialize_weights(edit->initializer, fan_in, fan_out, scale, r->seed,
                             AUXO__STREAM_RESIZE + (layer << 8 | (run < 255 ? run : 255)), r->fresh + r->fresh_count,
                             count);
    r->fresh_count += count;
    return AUXO_OK;
}

static uint32_t new_channel_count(const auxo__channel_map *map)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < map->count; i++)
        count += map->sources[i].old == AUXO__NEW_CHANNEL;
    return count;
}

/* The columns of old rows that read new channels, one run of neighbours with the same edit at a time. */
static auxo_status add_fresh_columns(resizer *r, const auxo_param *to, uint32_t columns, uint32_t old_rows,
                                     auxo_error *error)
{
    const auxo__channel_map *map = &r->maps[columns];
    int64_t dims[3];
    matrix_dims(&r->desc, to, columns, dims);
    auxo_tensor old_part =
        auxo_tensor_slice(view(r->buffers.weights, to->offset, dims[0], dims[1], dims[2]), 0, 0, old_rows);
    auxo_status status = AUXO_OK;
    uint32_t run = 0;
    for (uint32_t start = 0, end; status == AUXO_OK && start < map->count; start = end) {
        end = start + 1;
        if (map->sources[start].old != AUXO__NEW_CHANNEL)
            continue;
        const auxo_unit_edit *edit = &r->edits[map->sources[start].edit];
        while (end < map->count && map->sources[end].old == AUXO__NEW_CHANNEL &&
               map->sources[end].edit == map->sources[start].edit)
            end++;
        auxo_tensor target = auxo_tensor_slice(old_part, 1, start, end - start);
        status = add_fresh(r, to->layer, ++run, edit, edit->outgoing_scale, &target, error);
    }
    return status;
}

/* New units come last, so their rows are the tail of the weight. */
static auxo_status add_fresh_weights(resizer *r, const auxo_param *to, uint32_t columns, auxo_error *error)
{
    const auxo__channel_map *map = &r->maps[to->layer];
    uint32_t new_rows = map->changed ? new_channel_count(map) : 0, old_rows = map->count - new_rows;
    int64_t dims[3];
    matrix_dims(&r->desc, to, columns, dims);
    auxo_status status = AUXO_OK;
    if (new_rows > 0) {
        const auxo_unit_edit *edit = &r->edits[map->sources[old_rows].edit];
        auxo_tensor rows =
            auxo_tensor_slice(view(r->buffers.weights, to->offset, dims[0], dims[1], dims[2]), 0, old_rows, new_rows);
        status = add_fresh(r, to->layer, 0, edit, edit->incoming_scale, &rows, error);
    }
    if (status == AUXO_OK && columns != UINT32_MAX && r->maps[columns].changed)
        status = add_fresh_columns(r, to, columns, old_rows, error);
    return status;
}

static auxo_status visit_fresh_weights(resizer *r, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < r->layout.param_count; i++)
        if (r->layout.params[i].role == AUXO_PARAM_WEIGHT)
            status = add_fresh_weights(r, &r->layout.params[i], column_layer(r, &r->model->layout.params[i]), error);
    return status;
}

static auxo_status upload_fresh_weights(resizer *r, auxo_error *error)
{
    r->counting = true;
    auxo_status status = visit_fresh_weights(r, error);
    r->counting = false;
    uint64_t size_bytes = r->fresh_count * sizeof *r->fresh;
    if (status == AUXO_OK)
        status = auxo_buffer_create(r->model->device, size_bytes, &r->fresh_buffer, error);
    if (status == AUXO_OK && size_bytes > 0)
        status = auxo_buffer_write(r->model->queue, r->fresh_buffer, 0, r->fresh, size_bytes, error);
    return status;
}

/* ---- all together ---- */

/* Parameters keep their order, so the i-th before is the i-th after. */
static void add_moves(resizer *r, const auxo_carried_state *state)
{
    for (size_t i = 0; i < r->layout.param_count; i++) {
        const auxo_param *from = &r->model->layout.params[i], *to = &r->layout.params[i];
        float fill = to->role == AUXO_PARAM_GAMMA || to->role == AUXO_PARAM_RUNNING_VAR ? 1.0f : 0.0f;
        add_move(r, from, to, to->trainable ? r->model->weights : r->model->statistics,
                 to->trainable ? r->buffers.weights : r->buffers.statistics, fill);
        for (size_t s = 0; to->trainable && s < r->buffers.state_count; s++)
            add_move(r, from, to, state->buffers[s], r->buffers.states[s], 0.0f);
    }
}

static auxo_status run_moves(resizer *r, const auxo_carried_state *state, auxo_error *error)
{
    auxo_plan_options options = {0};
    auxo_status status = auxo__new_buffers_create(r->model, &r->layout, state, &r->buffers, error);
    if (status == AUXO_OK)
        status = upload_indices(r, error);
    if (status == AUXO_OK)
        status = upload_fresh_weights(r, error);
    if (status == AUXO_OK)
        status = auxo_plan_create(r->model->device, &r->plan, error);
    if (status == AUXO_OK)
        add_moves(r, state);
    if (status == AUXO_OK)
        status = visit_fresh_weights(r, error);
    if (status == AUXO_OK)
        status = auxo_plan_compile(r->plan, &options, error);
    if (status == AUXO_OK)
        status = auxo_plan_run(r->plan, r->model->queue, 1, error);
    return status;
}

static void release(resizer *r)
{
    auxo_plan_destroy(r->plan);
    auxo_buffer_destroy(r->indices);
    auxo_buffer_destroy(r->fresh_buffer);
    free(r->index_offsets);
    free(r->fresh);
    auxo__new_buffers_destroy(&r->buffers);
    auxo__layout_free(&r->layout);
    auxo_model_desc_deinit(&r->desc);
}

auxo_status auxo_model_resize(auxo_model *model, const auxo_unit_edit *edits, size_t edit_count, uint64_t seed,
                              const auxo_carried_state *state, auxo_error *error)
{
    resizer r = {.model = model, .edits = edits, .seed = seed};
    uint32_t layer_count = model->desc.layer_count;
    auxo_status status = auxo__channel_maps_build(&model->desc, edits, edit_count, &r.maps, error);
    if (status == AUXO_OK)
        status = auxo__channel_maps_apply(&model->desc, r.maps, &r.desc, error);
    if (status == AUXO_OK)
        status = auxo__layout_build(&r.desc, &r.layout, error);
    if (status == AUXO_OK)
        status = run_moves(&r, state, error);
    if (status == AUXO_OK)
        status = auxo__model_swap(model, &r.desc, &r.layout, &r.buffers, state, error);
    auxo_queue_wait(model->queue, NULL); /* after a failure, work on the buffers may still be under way */
    auxo__channel_maps_free(r.maps, layer_count);
    release(&r);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "resize");
}
