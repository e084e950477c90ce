/* runtime/multiscale/engine_layers.h: the layer engine's state, shared by engine_layers.c (running),
 * engine_layers_theta.c and engine_layers_outputs.c (derivatives with respect to theta). Nobody else includes it.
 */
#ifndef AUXO_ENGINE_LAYERS_H
#define AUXO_ENGINE_LAYERS_H

#include "multiscale_internal.h"

typedef struct sample_set {
    int64_t row_count;
    auxo_buffer *features; /* (rows, C, H, W) f32 */
    auxo_buffer *targets;  /* (rows, outputs) f32, or labels u32 (rows) */
} sample_set;

typedef struct engine_layers engine_layers;
struct engine_layers {
    multiscale_engine base;
    auxo_model *model;
    const auxo_tree *tree;
    auxo_device *device;
    auxo_queue *queue;
    uint32_t *weight_layers;
    bool classes;
    uint32_t output_count;
    uint64_t weight_count;
    sample_set train, test;
    auxo_buffer *prefix;  /* output of the last frozen layer for all training rows */
    auxo_buffer *total;   /* sum of batch gradients (weight_count) */
    auxo_buffer *saved;   /* unperturbed weights (weight_count) */
    auxo_buffer *results; /* f32[3]: loss hi, lo, gradient max */
    auxo_plan *gradient_plan, *train_loss_plan, *test_loss_plan;
    auxo_plan **loss_plans_after; /* by layer whose output they start from; NULL until theta is evaluated */
    range_trainer *trainer;
    float *weights, *scratch; /* host (weight_count) */
    /* theta on outputs; NULL until it is asked for. In `outputs`, model is owned, the data are the first engine's, and
     * weight_layers are the layers of thetas. */
    engine_layers *outputs;
    uint32_t *copies; /* of the first model's layers in the second */
    bool borrows_data;
};

auxo_status auxo__engine_layers_full_gradient(multiscale_engine *base, double *loss, double *gradient_max,
                                              auxo_error *error);
/* Mean loss of the model as it is on the training set. */
auxo_status auxo__engine_layers_train_loss(engine_layers *engine, double *loss, auxo_error *error);

/* The layer whose output is all that weight layer `weight_layer` and those after it read of what comes before and that
 * may be kept for all training rows; 0: only the features may. */
uint32_t auxo__engine_layers_cut(const engine_layers *engine, uint32_t weight_layer);
/* Keeps the output of that layer with the present weights; and the mean training loss from there on. */
auxo_status auxo__engine_layers_keep_prefix(engine_layers *engine, uint32_t cut, auxo_error *error);
auxo_status auxo__engine_layers_loss_after(engine_layers *engine, uint32_t cut, double *loss, auxo_error *error);

auxo_status auxo__engine_layers_unit_sensitivities(multiscale_engine *base, auxo_theta_placement theta_on,
                                                   double *values, auxo_error *error);
auxo_status auxo__engine_layers_theta_losses(multiscale_engine *base, auxo_theta_placement theta_on,
                                             const theta_mask *masks, uint32_t mask_count, double *losses,
                                             auxo_error *error);
auxo_status auxo__engine_layers_second_derivatives(multiscale_engine *base, auxo_theta_placement theta_on,
                                                   const auxo_tree_node *const *nodes, uint32_t count, double *matrix,
                                                   auxo_error *error);

/* The same with theta on outputs (engine_layers_outputs.c). */
auxo_status auxo__engine_layers_output_sensitivities(engine_layers *engine, double *values, auxo_error *error);
auxo_status auxo__engine_layers_output_losses(engine_layers *engine, const theta_mask *masks, uint32_t mask_count,
                                              double *losses, auxo_error *error);
/* Central differences, by `step`, of exact first derivatives. */
auxo_status auxo__engine_layers_output_second(engine_layers *engine, const auxo_tree_node *const *nodes, uint32_t count,
                                              double step, double *matrix, auxo_error *error);

#endif
