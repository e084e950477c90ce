/* resize_internal.h: from unit edits to channel maps (resize_maps.c), and from maps to new buffers (resize.c).
 *
 * A channel map says, for every channel of a layer after the edits, which channel it was before, or that it is new and
 * by which edit. Maps follow the graph: through activations, pooling, batch norm and additions unchanged, through
 * flatten multiplied by the number of positions, through concat joined.
 */
#ifndef AUXO_MODEL_RESIZE_INTERNAL_H
#define AUXO_MODEL_RESIZE_INTERNAL_H

#include "model_internal.h"

#define AUXO__NEW_CHANNEL UINT32_MAX

typedef struct auxo__channel_source {
    uint32_t old;  /* index before the edits, or AUXO__NEW_CHANNEL */
    uint32_t edit; /* of a new channel: which edit added it */
} auxo__channel_source;

typedef struct auxo__channel_map {
    auxo__channel_source *sources; /* count entries */
    uint32_t count;
    bool changed; /* not the identity */
} auxo__channel_map;

/* One map per layer, for its output channels. Errors: INVALID_ARGUMENT or UNSUPPORTED naming the layers. */
auxo_status auxo__channel_maps_build(const auxo_model_desc *desc, const auxo_unit_edit *edits, size_t edit_count,
                                     auxo__channel_map **maps, auxo_error *error);
void auxo__channel_maps_free(auxo__channel_map *maps, uint32_t layer_count);
/* The description after the edits, finished. */
auxo_status auxo__channel_maps_apply(const auxo_model_desc *desc, const auxo__channel_map *maps,
                                     auxo_model_desc *resized, auxo_error *error);

/* ---- swap.c: the new flat buffers of a model and of the state carried with it, until they replace the old ---- */
typedef struct auxo__new_buffers {
    auxo_buffer *weights, *gradients, *statistics;
    auxo_buffer **states; /* state->count entries */
    size_t state_count;
} auxo__new_buffers;

auxo_status auxo__new_buffers_create(const auxo_model *model, const auxo__layout *layout,
                                     const auxo_carried_state *state, auxo__new_buffers *buffers, auxo_error *error);
void auxo__new_buffers_destroy(auxo__new_buffers *buffers);
/* Waits for earlier work, then puts description, layout and buffers in the place of the old ones. The new buffers and
 * *desc and *layout are taken over. */
auxo_status auxo__model_swap(auxo_model *model, auxo_model_desc *desc, auxo__layout *layout, auxo__new_buffers *buffers,
                             const auxo_carried_state *state, auxo_error *error);
/* Puts another structure in the place of the model's, with copies of flat buffers of its layout: those of an earlier
 * moment. states: as many as state->count. On failure the model is unchanged. */
auxo_status auxo__model_replace(auxo_model *model, const auxo_model_desc *desc, const auxo_buffer *weights,
                                const auxo_buffer *statistics, auxo_buffer *const *states,
                                const auxo_carried_state *state, auxo_error *error);

#endif
