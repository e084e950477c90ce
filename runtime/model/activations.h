/* activations.h: what the forward pass leaves behind for the backward pass inside one plan, and the views both take.
 *
 * Every output is contiguous (batch, C, H, W); an entry of rank 0 is a layer that was not executed.
 */
#ifndef AUXO_MODEL_ACTIVATIONS_H
#define AUXO_MODEL_ACTIVATIONS_H

#include "model_internal.h"
#include "norm_sync.h"

typedef struct auxo__layer_record {
    auxo_tensor output;                   /* (batch, C, H, W) */
    auxo_tensor pool_index;               /* max pooling, when a backward pass is needed */
    auxo_tensor saved_mean, saved_invstd; /* (C), batch norm on batch statistics */
    auxo_tensor norm_block;               /* of a batch norm over several parts; else absent */
} auxo__layer_record;

struct auxo_activations {
    auxo_forward forward;
    auxo_dtype dtype;           /* of stored activations and of operands */
    auxo_tensor narrow_weights; /* flat, in dtype; absent where that is f32 */
    auxo_tensor model_output;   /* f32 */
    int64_t batch;
    uint64_t structure_version;
    uint32_t layer_count;
    auxo__layer_record records[];
};

/* (batch, C, H, W), (batch, C, H W) and (batch, C H W) views of a tensor with the shape of a layer's output. */
auxo_tensor auxo__view_image(auxo_tensor tensor, const auxo_layer *layer, int64_t batch);
auxo_tensor auxo__view_channels(auxo_tensor tensor, const auxo_layer *layer, int64_t batch);
auxo_tensor auxo__view_features(auxo_tensor tensor, const auxo_layer *layer, int64_t batch);
/* A temporary with the shape of a layer's output, in the dtype of activations. */
auxo_tensor auxo__output_temp(auxo_plan *plan, const auxo_activations *activations, const auxo_layer *layer);
/* The weights of a dense layer or a convolution, in the dtype of activations. */
auxo_tensor auxo__weight_operand(const auxo_model *model, const auxo_activations *activations, uint32_t layer);
/* A view of a layer's parameter of that role; absent if it has none. */
auxo_tensor auxo__role_tensor(const auxo_model *model, uint32_t layer, int role);

auxo_conv2d_params auxo__conv2d_params(const auxo_layer *layer);
/* Also for global average pooling of a layer that reads `input`. */
auxo_pool2d_params auxo__pool2d_params(const auxo_layer *layer, const auxo_layer *input);
auxo_dropout_params auxo__dropout_params(const auxo_layer *layer, uint32_t index, uint64_t seed);

/* Appends to = from, f32 to 16 bits or back; `scale` (f32[1], may be absent) multiplies. */
void auxo__add_conversion(auxo_plan *plan, auxo_tensor from, auxo_tensor to, const auxo_tensor *scale,
                          const char *label);

/* Appends `op` under the label "<layer>.<suffix>". */
void auxo__add_labelled(auxo_plan *plan, const auxo_op *op, const auxo_layer *layer, const char *suffix);

#endif
