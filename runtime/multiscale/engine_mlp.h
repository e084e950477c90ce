/* runtime/multiscale/engine_mlp.h: the fused engine's state, shared by engine_mlp.c (running) and
 * engine_mlp_theta.c (derivatives with respect to theta). Nobody else includes it.
 */
#ifndef AUXO_ENGINE_MLP_H
#define AUXO_ENGINE_MLP_H

#include "multiscale_internal.h"

typedef struct regression_set {
    int64_t row_count;
    auxo_buffer *features, *targets; /* (rows, widths[0]), (rows, widths[L]) f32 */
} regression_set;

typedef struct engine_mlp {
    multiscale_engine base;
    auxo_model *model;
    const auxo_tree *tree;
    auxo_device *device;
    auxo_queue *queue;
    auxo_mlp mlp;
    uint32_t *widths;
    auxo_activation *activations;
    uint64_t weight_count;
    regression_set train, test; /* test.row_count 0: none */
    auxo_buffer *prefix;        /* (rows, widest): input of the first trained layer; NULL until needed */
    auxo_buffer *report;        /* f32: gradients, weights (weight_count each), loss hi, lo */
    auxo_buffer *layer_of_unit, *unit_of_unit, *first_layers, *theta, *losses; /* theta evaluation */
    uint64_t mask_capacity;
    auxo_plan *gradient_plan;
    range_trainer *trainer;
    float *gradients, *weights; /* the report of the last full_gradient on the host; weights points into it */
} engine_mlp;

auxo_tensor auxo__engine_mlp_rows(const auxo_buffer *buffer, int64_t rows, uint32_t width);

auxo_status auxo__engine_mlp_unit_sensitivities(multiscale_engine *base, auxo_theta_placement theta_on, double *values,
                                                auxo_error *error);
auxo_status auxo__engine_mlp_theta_losses(multiscale_engine *base, auxo_theta_placement theta_on,
                                          const theta_mask *masks, uint32_t mask_count, double *losses,
                                          auxo_error *error);
auxo_status auxo__engine_mlp_second_derivatives(multiscale_engine *base, auxo_theta_placement theta_on,
                                                const auxo_tree_node *const *nodes, uint32_t count, double *matrix,
                                                auxo_error *error);
/* Loss of the unperturbed network on a set. */
auxo_status auxo__engine_mlp_loss(engine_mlp *engine, const regression_set *set, double *loss, auxo_error *error);

#endif
