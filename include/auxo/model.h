/* auxo/model.h: networks: their description, parameters, and the plans that run them.
 *
 * A model is a list of layers, each reading earlier layers. Its parameters live in one flat device buffer, with
 * gradients and optimiser state in buffers of the same layout, so that one launch updates all of them and a layer is a
 * contiguous range. Layout: layers in order; within a layer weight, then bias (batch norm: gamma, then beta); running
 * statistics of batch norm live in a second flat buffer. `resize` is the one mechanism that all sizing policies use.
 */
#ifndef AUXO_MODEL_H
#define AUXO_MODEL_H

#include "auxo/plan.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(KIND, noun) */
#define AUXO_LAYER_TABLE(X)                                                                                            \
    X(INPUT, input)                                                                                                    \
    X(DENSE, dense)                                                                                                    \
    X(CONV2D, conv2d)                                                                                                  \
    X(POOL2D, pool2d)                                                                                                  \
    X(GLOBAL_AVERAGE_POOL, global_average_pool)                                                                        \
    X(BATCH_NORM, batch_norm)                                                                                          \
    X(ACTIVATION, activation)                                                                                          \
    X(DROPOUT, dropout)                                                                                                \
    X(FLATTEN, flatten)                                                                                                \
    X(ADD, add)                                                                                                        \
    X(CONCAT, concat)

typedef enum auxo_layer_kind {
#define AUXO_LAYER_ENUM(kind, noun) AUXO_LAYER_##kind,
    AUXO_LAYER_TABLE(AUXO_LAYER_ENUM)
#undef AUXO_LAYER_ENUM
        AUXO_LAYER_COUNT
} auxo_layer_kind;

/* X(NAME, noun): bias starts at 0. Bounds: Glorot sqrt(6/(in+out)), He sqrt(6/in), LeCun sqrt(3/in) for uniform;
 * sqrt(2/(in+out)), sqrt(2/in), sqrt(1/in) as standard deviations for normal. */
#define AUXO_INITIALIZER_TABLE(X)                                                                                      \
    X(GLOROT_UNIFORM, glorot_uniform)                                                                                  \
    X(GLOROT_NORMAL, glorot_normal)                                                                                    \
    X(HE_UNIFORM, he_uniform)                                                                                          \
    X(HE_NORMAL, he_normal)                                                                                            \
    X(LECUN_UNIFORM, lecun_uniform)                                                                                    \
    X(LECUN_NORMAL, lecun_normal)

typedef enum auxo_initializer {
#define AUXO_INITIALIZER_ENUM(name, noun) AUXO_INITIALIZER_##name,
    AUXO_INITIALIZER_TABLE(AUXO_INITIALIZER_ENUM)
#undef AUXO_INITIALIZER_ENUM
        AUXO_INITIALIZER_COUNT
} auxo_initializer;

enum { AUXO_LAYER_INPUTS_MAX = 4, AUXO_LAYER_NAME_BYTES = 48 };

/* One layer as described; plain data. */
typedef struct auxo_layer {
    char name[AUXO_LAYER_NAME_BYTES]; /* unique; [A-Za-z0-9_.] */
    auxo_layer_kind kind;
    uint32_t input_count;
    uint32_t inputs[AUXO_LAYER_INPUTS_MAX]; /* indices of earlier layers */
    uint32_t units;                         /* dense outputs, conv2d filters */
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w, groups; /* conv2d, pool2d */
    auxo_pool_kind pool;
    bool bias;      /* dense, conv2d */
    bool depthwise; /* conv2d: each filter reads its own channel, and stays so at every width, one channel included; set
                       by finish where groups, input channels and filters are one number above 1 */
    auxo_activation activation; /* activation; also fused into dense, conv2d, batch_norm */
    float slope;
    float rate;              /* dropout */
    float epsilon, momentum; /* batch_norm; 1e-5, 0.1 */
    auxo_initializer initializer;
    int64_t output_dims[3]; /* per sample (C, H, W), or (features, 1, 1); given for the input, else
                               filled in by finish */
} auxo_layer;

AUXO_API const char *auxo_layer_noun(auxo_layer_kind kind);
AUXO_API const char *auxo_initializer_noun(auxo_initializer initializer);
/* Finds by noun. Errors: NOT_FOUND with the nearest noun. */
AUXO_API auxo_status auxo_layer_kind_find(const char *noun, auxo_layer_kind *kind, auxo_error *error);
AUXO_API auxo_status auxo_initializer_find(const char *noun, auxo_initializer *initializer, auxo_error *error);

/* A description: layer 0 is the input. Owns its array. */
typedef struct auxo_model_desc {
    char name[64];
    uint32_t layer_count, layer_capacity;
    auxo_layer *layers;
} auxo_model_desc;

AUXO_API void auxo_model_desc_init(auxo_model_desc *desc);
AUXO_API void auxo_model_desc_deinit(auxo_model_desc *desc);
AUXO_API auxo_status auxo_model_desc_copy(const auxo_model_desc *source, auxo_model_desc *target, auxo_error *error);
/* Appends a layer and returns its index in *index (NULL is allowed). What is zero takes its default: groups, stride and
 * dilation 1; batch norm epsilon 1e-5, momentum 0.1; slope 0.01 (leaky_relu) or 1 (elu); an empty name "<kind><index>".
 */
AUXO_API auxo_status auxo_model_desc_add(auxo_model_desc *desc, const auxo_layer *layer, uint32_t *index,
                                         auxo_error *error);
/* Infers and checks all shapes; every layer but the last must be read by a later one. Errors name the layer and the
 * shapes that do not fit. */
AUXO_API auxo_status auxo_model_desc_finish(auxo_model_desc *desc, auxo_error *error);
/* Index of the layer of that name, or UINT32_MAX. */
AUXO_API uint32_t auxo_model_desc_find(const auxo_model_desc *desc, const char *name);
/* Layers whose units must change together: group[l] (layer_count entries) is the lowest layer whose output channels are
 * the same as layer l's one for one (through activation, batch norm, pooling, dropout, residual add, depthwise).
 * resizable[l] (may be NULL): whether a unit edit of the group is possible; false for groups that hold the input, the
 * output, a concat, or a flatten of images. */
AUXO_API auxo_status auxo_model_desc_unit_groups(const auxo_model_desc *desc, uint32_t *group, bool *resizable,
                                                 auxo_error *error);
/* A built-in name for inputs (c,h,w) and `outputs` outputs, finished:
 *   "mlp:4-5-5-2[:option...]"  sizes agree with c*h*w and outputs, or are those of hidden layers only; tanh hidden
 * layers, linear output, Glorot uniform; options: an activation, an initialiser, or "nobias"; "lenet5[:activation]"
 * 44,426 weights on 28x28x1 and 10 classes (Burghoff et al. 2023, port-Hamiltonian optimiser);
 * "autosize-cnn[:100-100-100-100-100]", "autosize-mlp[:100-100-100-100-100]" (Cahlik 2022); "resnet18",
 * "resnet18-imagenet", "resnet34", "resnet34-imagenet" (the stem of CIFAR or of ImageNet), "vgg-small", "vgg16";
 * "conv:64[-64...][:kernel[:stages]]" convolutions with batch norm and relu, max pooling between them and after the
 * last up to `stages` image sizes, global pooling, dense (Burghoff et al. 2023, ResBuilder); or the path of a JSON
 * file, whose shapes must be those given, where c and outputs are not 0. Errors: NOT_FOUND with the nearest name;
 * INVALID_ARGUMENT names the sizes that disagree. */
AUXO_API auxo_status auxo_model_desc_load(const char *name, int64_t c, int64_t h, int64_t w, uint32_t outputs,
                                          auxo_model_desc *desc, auxo_error *error);
/* What a layer of a finished description costs; the sums are those of a model made of it. */
typedef struct auxo_layer_cost {
    uint64_t weights, statistics; /* scalars */
    uint64_t flops;               /* of one forward pass of one row */
} auxo_layer_cost;
AUXO_API void auxo_model_desc_layer_cost(const auxo_model_desc *desc, uint32_t layer, auxo_layer_cost *cost);
/* JSON both ways; *text is allocated with malloc. */
AUXO_API auxo_status auxo_model_desc_to_json(const auxo_model_desc *desc, char **text, auxo_error *error);
AUXO_API auxo_status auxo_model_desc_from_json(const char *text, auxo_model_desc *desc, auxo_error *error);

typedef struct auxo_model auxo_model;

/* What was done to the data a model was trained on; stored with the model, applied by evaluation and prediction. */
typedef struct auxo_preprocessing {
    uint32_t channel_count, target_count; /* 0: none */
    float *means, *inverse_stds;          /* inputs (after u8 / 255) */
    float *target_means, *target_inverse_stds;
} auxo_preprocessing;

/* One named parameter tensor. */
typedef struct auxo_param {
    char name[AUXO_LAYER_NAME_BYTES + 16]; /* "conv1.weight" */
    uint32_t layer;
    enum {
        AUXO_PARAM_WEIGHT,
        AUXO_PARAM_BIAS,
        AUXO_PARAM_GAMMA,
        AUXO_PARAM_BETA,
        AUXO_PARAM_RUNNING_MEAN,
        AUXO_PARAM_RUNNING_VAR
    } role;
    bool trainable;  /* in the flat parameter buffer; else in the statistics buffer */
    uint64_t offset; /* elements, in its flat buffer */
    uint32_t rank;
    int64_t dims[AUXO_RANK_MAX];
} auxo_param;

/* Creates a model on a device with initial weights drawn on the host from `seed` (bit-identical on all devices).
 * `desc` is copied. */
AUXO_API auxo_status auxo_model_create(auxo_device *device, const auxo_model_desc *desc, uint64_t seed,
                                       auxo_model **model, auxo_error *error);
/* A second model on the same device: structure, weights, statistics and preprocessing; waits until they are copied. */
AUXO_API auxo_status auxo_model_clone(auxo_model *source, auxo_model **copy, auxo_error *error);
AUXO_API void auxo_model_destroy(auxo_model *model);
AUXO_API const auxo_model_desc *auxo_model_get_desc(const auxo_model *model);
AUXO_API auxo_device *auxo_model_device(const auxo_model *model);
AUXO_API auxo_queue *auxo_model_queue(const auxo_model *model); /* the model's own queue; everything on it is ordered */
AUXO_API size_t auxo_model_param_count(const auxo_model *model); /* tensors */
AUXO_API const auxo_param *auxo_model_params(const auxo_model *model);
AUXO_API uint64_t auxo_model_weight_count(const auxo_model *model); /* trainable scalars */
AUXO_API uint64_t auxo_model_statistic_count(const auxo_model *model);
AUXO_API auxo_buffer *auxo_model_weights(const auxo_model *model);    /* flat f32 */
AUXO_API auxo_buffer *auxo_model_gradients(const auxo_model *model);  /* flat f32 */
AUXO_API auxo_buffer *auxo_model_statistics(const auxo_model *model); /* flat f32, may have size 0 */
/* View of one parameter, or of its gradient. */
AUXO_API auxo_tensor auxo_model_param_tensor(const auxo_model *model, const auxo_param *param);
AUXO_API auxo_tensor auxo_model_gradient_tensor(const auxo_model *model, const auxo_param *param);
/* Finds by name; NULL if absent. */
AUXO_API const auxo_param *auxo_model_find_param(const auxo_model *model, const char *name);
/* Range of the flat weights that belongs to a layer; count 0 if it has none. */
AUXO_API void auxo_model_layer_range(const auxo_model *model, uint32_t layer, uint64_t *offset, uint64_t *count);
/* FLOPs of one forward pass of one sample, from the plan. */
AUXO_API auxo_status auxo_model_forward_flops(const auxo_model *model, uint64_t *flops, auxo_error *error);
/* Counts increased by every resize: plans made before are stale. */
AUXO_API uint64_t auxo_model_structure_version(const auxo_model *model);
/* What the forward and backward pass compute in; at first that of its device. Plans made before keep theirs. Errors:
 * UNSUPPORTED, as auxo_device_set_precision. */
AUXO_API auxo_status auxo_model_set_precision(auxo_model *model, auxo_precision precision, auxo_error *error);
AUXO_API auxo_dtype auxo_model_precision(const auxo_model *model); /* F32, BF16 or F16 */
AUXO_API const auxo_preprocessing *auxo_model_preprocessing(const auxo_model *model);
/* Replaces it; the arrays are copied. NULL: none. */
AUXO_API auxo_status auxo_model_set_preprocessing(auxo_model *model, const auxo_preprocessing *preprocessing,
                                                  auxo_error *error);

/* ---- building plans -------------------------------------------------------------------------------------------- */
typedef struct auxo_forward {
    bool training;        /* dropout and batch statistics (batch norm below backward_stop uses its running ones) */
    auxo_tensor input;    /* (batch, C, H, W) or (batch, features); any contiguous shape of that many elements; f32, or
                           * in the model's precision */
    auxo_tensor counter;  /* COUNTER for dropout; may be absent in inference */
    uint64_t seed;        /* dropout */
    uint32_t begin_layer; /* input holds the output of layer begin_layer; 0: the model's input */
    uint32_t end_layer;   /* the last layer to run, whose output then is the model's; 0: all; not with need_backward */
    bool need_backward;   /* keep what auxo_model_add_backward needs */
    uint32_t backward_stop; /* lowest layer whose parameters are trained */
    auxo_tensor loss_scale; /* f32[1] on the device: 16-bit gradients are multiplied by it, those of weights too; may be
                             * absent: by 1 */
    struct auxo__norm_sync *norm_sync; /* of a trainer whose batches lie in several parts; else NULL */
    bool keeps_narrow_weights; /* the weights' 16-bit copies are right whenever the plan runs: it does not make them */
} auxo_forward;
typedef struct auxo_activations auxo_activations; /* the layer outputs inside one plan */

/* Appends the forward pass. The result is to be destroyed after the plan is compiled or backward is added; NULL when
 * building the plan has failed (auxo_plan_status). */
AUXO_API auxo_activations *auxo_model_add_forward(auxo_model *model, auxo_plan *plan, const auxo_forward *forward);
/* Output of a layer (the last: the model's output): (batch, C, H, W), or (batch, features) when H = W = 1. The model's
 * output is f32, those of other layers are in the model's precision. Absent for layers before begin_layer, and of NULL.
 */
AUXO_API auxo_tensor auxo_activations_output(const auxo_activations *activations, uint32_t layer);
AUXO_API void auxo_activations_destroy(auxo_activations *activations);
/* Appends the backward pass from the gradient of the model's output (f32); writes the gradients of all parameters of
 * layers with train[layer] true (NULL: all), and nothing to the others; stops at the lowest such layer. */
AUXO_API void auxo_model_add_backward(auxo_model *model, auxo_plan *plan, const auxo_activations *activations,
                                      const auxo_tensor *output_gradient, const bool *train);

/* ---- host copies ------------------------------------------------------------------------------------------------ */
AUXO_API auxo_status auxo_model_read_weights(auxo_model *model, float *weights, float *statistics, auxo_error *error);
AUXO_API auxo_status auxo_model_write_weights(auxo_model *model, const float *weights, const float *statistics,
                                              auxo_error *error);

/* ---- resize ------------------------------------------------------------------------------------------------------
 * An edit says, for each layer with units (dense, conv2d), which old units stay and in which order, and how many new
 * ones follow. Everything that depends on it follows: bias, batch norm, consumers' inputs (through pooling, flatten,
 * concat), tied layers (residual add), depthwise groups. The output layer cannot change. */
typedef struct auxo_unit_edit {
    uint32_t layer;
    const uint32_t *kept; /* ascending or any order, each < old units, no repeats */
    uint32_t kept_count;
    uint32_t added_count;         /* appended after the kept ones */
    auxo_initializer initializer; /* of the added units' incoming weights */
    float incoming_scale;         /* multiplies the initial incoming weights of added units */
    float outgoing_scale;         /* the same for the weights by which others read them */
} auxo_unit_edit;

/* A flat state buffer of the parameters' layout that follows a resize (optimiser moments). Added units get 0. */
typedef struct auxo_carried_state {
    auxo_buffer **buffers; /* replaced in place; the old ones are destroyed */
    size_t count;
} auxo_carried_state;

/* Applies edits at once. On failure the model is unchanged. kept_count + added_count >= 1 for every edit. */
AUXO_API auxo_status auxo_model_resize(auxo_model *model, const auxo_unit_edit *edits, size_t edit_count, uint64_t seed,
                                       const auxo_carried_state *state, auxo_error *error);
/* Replaces the structure by `desc`, carrying parameters (and state) of layers with the same name and shape; others are
 * initialised from `seed`, weights scaled to the mean magnitude new_magnitude. Inserting and removing blocks is this.
 */
AUXO_API auxo_status auxo_model_restructure(auxo_model *model, const auxo_model_desc *desc, uint64_t seed,
                                            float new_magnitude, const auxo_carried_state *state, auxo_error *error);

#ifdef __cplusplus
}
#endif
#endif
