/* model_internal.h: what the files of the model layer share: the model's struct, the parameter layout, random streams.
 *
 * Invariants of a model: `desc` is finished; `params` lists trainable tensors in layer order with consecutive offsets
 * in the weights buffer, and the running statistics of batch norm with consecutive offsets in the statistics buffer;
 * weights and gradients have weight_count elements, statistics statistic_count.
 */
#ifndef AUXO_MODEL_INTERNAL_H
#define AUXO_MODEL_INTERNAL_H

#include "auxo/model.h"

/* Stream numbers of the counter-based generator: one range per purpose, so that one seed serves all of them. */
enum { AUXO__STREAM_INITIALIZE = 0x01000000, AUXO__STREAM_DROPOUT = 0x02000000, AUXO__STREAM_RESIZE = 0x03000000 };

typedef struct auxo__layout {
    auxo_param *params;
    size_t param_count;
    uint64_t weight_count, statistic_count;
} auxo__layout;

struct auxo_model {
    auxo_device *device;
    auxo_queue *queue;
    auxo_model_desc desc;
    auxo__layout layout;
    auxo_buffer *weights, *gradients, *statistics;
    auxo_dtype precision;
    auxo_buffer *narrow_weights; /* the weights in 16 bits, rounded anew by every plan that does not keep them
                                  * (auxo_forward); NULL: not needed yet */
    uint64_t structure_version;
    auxo_preprocessing preprocessing;
    char *data_text; /* the JSON of its data schema; NULL: none */
};

/* ---- model.c ---- */
/* What the model knows of its data, as the text that is stored with it; the text is copied. NULL: nothing. */
const char *auxo__model_data_text(const auxo_model *model);
/* [offset, offset + count) of the 16-bit copies of the weights; absent where the model runs in f32, and before the
 * first forward pass. */
auxo_tensor auxo__model_narrow_weights(const auxo_model *model, uint64_t offset, uint64_t count);
/* Appends their rounding to a plan, of all of them. */
void auxo__model_add_narrow_weights(const auxo_model *model, auxo_plan *plan);
auxo_status auxo__model_set_data_text(auxo_model *model, const char *text, auxo_error *error);

/* ---- layout.c: where each parameter lies ---- */
auxo_status auxo__layout_build(const auxo_model_desc *desc, auxo__layout *layout, auxo_error *error);
void auxo__layout_free(auxo__layout *layout);
/* NULL if the layer has no parameter of that role. */
const auxo_param *auxo__layout_find(const auxo__layout *layout, uint32_t layer, int role);
uint64_t auxo__param_element_count(const auxo_param *param);

/* ---- initialize.c: weights from a seed, on the host ---- */
/* `count` draws of the initialiser for the fans, times scale, elements first.. of stream (seed, stream). */
void auxo__initialize_weights(auxo_initializer initializer, int64_t fan_in, int64_t fan_out, float scale, uint64_t seed,
                              uint32_t stream, float *weights, uint64_t count);
/* Fan-in and fan-out of a layer's weight (dense, conv2d). */
void auxo__layer_fans(const auxo_model_desc *desc, uint32_t layer, int64_t *fan_in, int64_t *fan_out);
/* Fresh values of one parameter tensor: its layer's initialiser, zeros, or ones, by role. */
void auxo__initialize_param(const auxo_model_desc *desc, const auxo_param *param, float weight_scale, uint64_t seed,
                            float *values);

/* ---- desc_cost.c ---- */
/* The sums over all layers of a finished description. */
auxo_layer_cost auxo__model_desc_cost(const auxo_model_desc *desc);

/* ---- groups.c: units that change together ---- */
/* groups == input channels == filters */
bool auxo__layer_is_depthwise(const auxo_model_desc *desc, uint32_t layer);
/* Dense, or a convolution over all input channels: an edit can give it any number of units. */
bool auxo__layer_makes_units(const auxo_model_desc *desc, uint32_t layer);

/* ---- desc helpers ---- */
/* auxo_model_desc_add of a complete layer: what is zero stays zero. */
auxo_status auxo__model_desc_append(auxo_model_desc *desc, const auxo_layer *layer, uint32_t *index, auxo_error *error);
/* *result: `desc` with `count` layers put in after `place`, finished; what read `place` reads the last of them. Their
 * inputs are indices of *result. Ownership: the caller's on success. */
auxo_status auxo__model_desc_splice(const auxo_model_desc *desc, uint32_t place, const auxo_layer *layers,
                                    uint32_t count, auxo_model_desc *result, auxo_error *error);
/* *result: `desc` without the layers that are gone[layer_count], finished; who read one of them reads `input`, a layer
 * before all of them. Ownership: the caller's on success. */
auxo_status auxo__model_desc_without(const auxo_model_desc *desc, const bool *gone, uint32_t input,
                                     auxo_model_desc *result, auxo_error *error);
/* The last layer before `layer` whose output is all that later layers read of what came before, and takes at most
 * row_bytes_max bytes a row in f32; 0: there is none but the input. */
uint32_t auxo__model_desc_cut(const auxo_model_desc *desc, uint32_t layer, uint64_t row_bytes_max);
/* How many times later layers read `layer`; *reader is the last of them. */
uint32_t auxo__model_desc_readers(const auxo_model_desc *desc, uint32_t layer, uint32_t *reader);
/* Channels times height times width of a layer's output. */
int64_t auxo__layer_size(const auxo_layer *layer);
/* Output dims of one layer from its inputs' (desc_shapes.c). */
auxo_status auxo__infer_layer(auxo_model_desc *desc, uint32_t index, auxo_error *error);

/* ---- built-in networks: append to an empty description, unfinished ---- */
typedef struct auxo__builtin_request {
    const char *options; /* what follows the first colon, or NULL */
    int64_t c, h, w;
    uint32_t outputs;
} auxo__builtin_request;
typedef auxo_status auxo__builtin(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error);
auxo__builtin auxo__builtin_mlp, auxo__builtin_linear, auxo__builtin_lenet5, auxo__builtin_autosize_cnn,
    auxo__builtin_autosize_mlp, auxo__builtin_vgg_small, auxo__builtin_conv, auxo__builtin_resnet18,
    auxo__builtin_resnet18_imagenet, auxo__builtin_resnet34, auxo__builtin_resnet34_imagenet, auxo__builtin_vgg16;
/* Appends the input layer for the request. */
auxo_status auxo__builtin_input(const auxo__builtin_request *request, auxo_model_desc *desc, auxo_error *error);
/* Appends `layer` reading the layer before it. */
auxo_status auxo__builtin_chain(auxo_model_desc *desc, const auxo_layer *layer, auxo_error *error);
/* "10-20-30" into sizes[capacity]; stops at the end or a colon, *rest points there. Errors name the text. */
auxo_status auxo__parse_sizes(const char *text, uint32_t *sizes, uint32_t capacity, uint32_t *count, const char **rest,
                              auxo_error *error);

#endif
