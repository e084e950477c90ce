/* resize_maps.c: checks unit edits and propagates them through the graph as channel maps (see resize_internal.h).
 */
#include "resize_internal.h"

#include <stdlib.h>
#include <string.h>

enum { NO_EDIT = -1 };

typedef struct map_builder {
    const auxo_model_desc *desc;
    const auxo_unit_edit *edits;
    size_t edit_count;
    uint32_t *group;     /* per layer, see auxo_model_desc_unit_groups */
    bool *resizable;     /* per layer */
    int64_t *group_edit; /* per root layer: its edit, or NO_EDIT */
    auxo__channel_map *maps;
} map_builder;

static auxo_status fail_memory(auxo_error *error)
{
    auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory resizing a model");
    return AUXO_OUT_OF_MEMORY;
}

/* ---- checking edits ---- */

static auxo_status check_kept(const auxo_layer *layer, const auxo_unit_edit *edit, auxo_error *error)
{
    bool *seen = calloc(layer->units, sizeof *seen);
    auxo_status status = seen ? AUXO_OK : fail_memory(error);
    for (uint32_t i = 0; status == AUXO_OK && i < edit->kept_count; i++) {
        uint32_t unit = edit->kept[i];
        if (unit >= layer->units)
            status =
                auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" has %u units, but unit %u is to be kept",
                               layer->name, layer->units, unit);
        else if (seen[unit])
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\": unit %u is to be kept twice",
                                    layer->name, unit);
        else
            seen[unit] = true;
    }
    free(seen);
    return status;
}

static auxo_status check_edit(const map_builder *b, const auxo_unit_edit *edit, auxo_error *error)
{
    if (edit->layer >= b->desc->layer_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer %u is to be resized, but the model has %u",
                              edit->layer, b->desc->layer_count);
    const auxo_layer *layer = &b->desc->layers[edit->layer];
    if (layer->kind != AUXO_LAYER_DENSE && layer->kind != AUXO_LAYER_CONV2D)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" (%s) has no units of its own to resize",
                              layer->name, auxo_layer_noun(layer->kind));
    if (!b->resizable[edit->layer])
        return auxo_error_set(
            error, AUXO_INVALID_ARGUMENT,
            "layer \"%s\" cannot be resized: it is the model's output, or tied by additions or groups "
            "to the input, the output or a concatenation",
            layer->name);
    if (edit->kept_count == 0 && edit->added_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" would have no unit left", layer->name);
    if (edit->kept_count > INT32_MAX || edit->added_count > (uint32_t)INT32_MAX - edit->kept_count)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "layer \"%s\" would have too many units", layer->name);
    return check_kept(layer, edit, error);
}

static bool same_edit(const auxo_unit_edit *a, const auxo_unit_edit *b)
{
    return a->kept_count == b->kept_count && a->added_count == b->added_count &&
           (a->kept_count == 0 || memcmp(a->kept, b->kept, a->kept_count * sizeof *a->kept) == 0);
}

static auxo_status collect_edits(map_builder *b, auxo_error *error)
{
    for (uint32_t l = 0; l < b->desc->layer_count; l++)
        b->group_edit[l] = NO_EDIT;
    for (size_t i = 0; i < b->edit_count; i++) {
        auxo_status status = check_edit(b, &b->edits[i], error);
        if (status != AUXO_OK)
            return status;
        int64_t *slot = &b->group_edit[b->group[b->edits[i].layer]];
        if (*slot == NO_EDIT)
            *slot = (int64_t)i;
        else if (!same_edit(&b->edits[*slot], &b->edits[i]))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "layers \"%s\" and \"%s\" are tied to each other, but their edits differ",
                                  b->desc->layers[b->edits[*slot].layer].name, b->desc->layers[b->edits[i].layer].name);
    }
    return AUXO_OK;
}

/* ---- building maps ---- */

static auxo_status allocate_map(auxo__channel_map *map, int64_t count, auxo_error *error)
{
    map->sources = malloc(((size_t)count + 1) * sizeof *map->sources);
    map->count = (uint32_t)count;
    map->changed = false;
    return map->sources ? AUXO_OK : fail_memory(error);
}

static void note_changes(auxo__channel_map *map, int64_t old_count)
{
    map->changed = map->count != old_count;
    for (uint32_t i = 0; i < map->count && !map->changed; i++)
        map->changed = map->sources[i].old != i;
}

static auxo_status map_identity(const auxo_layer *layer, auxo__channel_map *map, auxo_error *error)
{
    auxo_status status = allocate_map(map, layer->output_dims[0], error);
    for (uint32_t i = 0; status == AUXO_OK && i < map->count; i++)
        map->sources[i] = (auxo__channel_source){i, 0};
    return status;
}

static auxo_status map_edit(const map_builder *b, uint32_t edit_index, auxo__channel_map *map, auxo_error *error)
{
    const auxo_unit_edit *edit = &b->edits[edit_index];
    auxo_status status = allocate_map(map, (int64_t)edit->kept_count + edit->added_count, error);
    for (uint32_t i = 0; status == AUXO_OK && i < map->count; i++)
        map->sources[i] = i < edit->kept_count ? (auxo__channel_source){edit->kept[i], 0}
                                               : (auxo__channel_source){AUXO__NEW_CHANNEL, edit_index};
    return status;
}

/* Channel c at position i becomes feature c positions + i, before and after. */
static auxo_status map_flatten(const auxo_layer *input, const auxo__channel_map *from, auxo__channel_map *map,
                               auxo_error *error)
{
    uint32_t positions = (uint32_t)(input->output_dims[1] * input->output_dims[2]);
    if ((int64_t)from->count * positions > INT32_MAX)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "\"%s\" would have too many features", input->name);
    auxo_status status = allocate_map(map, (int64_t)from->count * positions, error);
    for (uint32_t i = 0; status == AUXO_OK && i < map->count; i++) {
        auxo__channel_source source = from->sources[i / positions];
        if (source.old != AUXO__NEW_CHANNEL)
            source.old = source.old * positions + i % positions;
        map->sources[i] = source;
    }
    return status;
}

static auxo_status map_concat(const map_builder *b, const auxo_layer *layer, auxo__channel_map *map, auxo_error *error)
{
    int64_t count = 0;
    for (uint32_t i = 0; i < layer->input_count; i++)
        count += b->maps[layer->inputs[i]].count;
    auxo_status status = allocate_map(map, count, error);
    uint32_t at = 0, old_start = 0;
    for (uint32_t i = 0; status == AUXO_OK && i < layer->input_count; i++) {
        const auxo__channel_map *from = &b->maps[layer->inputs[i]];
        for (uint32_t c = 0; c < from->count; c++) {
            map->sources[at] = from->sources[c];
            if (from->sources[c].old != AUXO__NEW_CHANNEL)
                map->sources[at].old += old_start;
            at++;
        }
        old_start += (uint32_t)b->desc->layers[layer->inputs[i]].output_dims[0];
    }
    return status;
}

static bool same_map(const auxo__channel_map *a, const auxo__channel_map *b)
{
    bool same = a->count == b->count;
    for (uint32_t i = 0; same && i < a->count; i++)
        same = a->sources[i].old == b->sources[i].old;
    return same;
}

static auxo_status check_consumer(const map_builder *b, uint32_t index, auxo_error *error)
{
    const auxo_layer *layer = &b->desc->layers[index];
    if (layer->kind == AUXO_LAYER_ADD)
        for (uint32_t i = 1; i < layer->input_count; i++)
            if (!same_map(&b->maps[layer->inputs[0]], &b->maps[layer->inputs[i]]))
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                      "\"%s\" adds \"%s\" and \"%s\", whose channels would no longer correspond",
                                      layer->name, b->desc->layers[layer->inputs[0]].name,
                                      b->desc->layers[layer->inputs[i]].name);
    if (layer->kind == AUXO_LAYER_CONV2D && layer->groups > 1 && !auxo__layer_is_depthwise(b->desc, index) &&
        b->maps[layer->inputs[0]].changed)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "\"%s\" reads its input in %d groups; only depthwise or ungrouped readers can follow a "
                              "resize",
                              layer->name, layer->groups);
    return AUXO_OK;
}

static auxo_status copy_map(const auxo__channel_map *from, auxo__channel_map *map, auxo_error *error)
{
    auxo_status status = allocate_map(map, from->count, error);
    for (uint32_t i = 0; status == AUXO_OK && i < from->count; i++)
        map->sources[i] = from->sources[i];
    return status;
}

static auxo_status build_map(map_builder *b, uint32_t index, auxo_error *error)
{
    const auxo_layer *layer = &b->desc->layers[index];
    auxo__channel_map *map = &b->maps[index];
    int64_t edit = b->group_edit[b->group[index]];
    auxo_status status;
    if (edit != NO_EDIT)
        status = map_edit(b, (uint32_t)edit, map, error);
    else if (layer->kind == AUXO_LAYER_FLATTEN)
        status = map_flatten(&b->desc->layers[layer->inputs[0]], &b->maps[layer->inputs[0]], map, error);
    else if (layer->kind == AUXO_LAYER_CONCAT)
        status = map_concat(b, layer, map, error);
    else if (layer->kind == AUXO_LAYER_INPUT || auxo__layer_makes_units(b->desc, index) ||
             (layer->kind == AUXO_LAYER_CONV2D && !auxo__layer_is_depthwise(b->desc, index)))
        status = map_identity(layer, map, error);
    else
        status = copy_map(&b->maps[layer->inputs[0]], map, error);
    if (status != AUXO_OK)
        return status;
    note_changes(map, layer->output_dims[0]);
    return check_consumer(b, index, error);
}

auxo_status auxo__channel_maps_build(const auxo_model_desc *desc, const auxo_unit_edit *edits, size_t edit_count,
                                     auxo__channel_map **maps, auxo_error *error)
{
    size_t count = desc->layer_count;
    map_builder builder = {.desc = desc, .edits = edits, .edit_count = edit_count};
    builder.group = malloc(count * sizeof *builder.group);
    builder.resizable = malloc(count * sizeof *builder.resizable);
    builder.group_edit = malloc(count * sizeof *builder.group_edit);
    *maps = builder.maps = calloc(count, sizeof **maps);
    auxo_status status = AUXO_OK;
    if (!builder.group || !builder.resizable || !builder.group_edit || !*maps)
        status = fail_memory(error);
    if (status == AUXO_OK)
        status = auxo_model_desc_unit_groups(desc, builder.group, builder.resizable, error);
    if (status == AUXO_OK)
        status = collect_edits(&builder, error);
    for (uint32_t l = 0; status == AUXO_OK && l < count; l++)
        status = build_map(&builder, l, error);
    free(builder.group);
    free(builder.resizable);
    free(builder.group_edit);
    if (status != AUXO_OK) {
        auxo__channel_maps_free(*maps, desc->layer_count);
        *maps = NULL;
    }
    return status;
}

void auxo__channel_maps_free(auxo__channel_map *maps, uint32_t layer_count)
{
    for (uint32_t l = 0; maps && l < layer_count; l++)
        free(maps[l].sources);
    free(maps);
}

auxo_status auxo__channel_maps_apply(const auxo_model_desc *desc, const auxo__channel_map *maps,
                                     auxo_model_desc *resized, auxo_error *error)
{
    auxo_status status = auxo_model_desc_copy(desc, resized, error);
    if (status != AUXO_OK)
        return status;
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        auxo_layer *layer = &resized->layers[l];
        if (layer->kind != AUXO_LAYER_DENSE && layer->kind != AUXO_LAYER_CONV2D)
            continue;
        layer->units = maps[l].count;
        if (auxo__layer_is_depthwise(desc, l))
            layer->groups = (int32_t)maps[l].count;
    }
    status = auxo_model_desc_finish(resized, error);
    if (status != AUXO_OK)
        auxo_model_desc_deinit(resized);
    return status;
}
