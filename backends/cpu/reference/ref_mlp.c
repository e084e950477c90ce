/* ref_mlp.c: whole fully connected networks, one sample at a time: output and gradient of the mean squared error. */
#include "ref_mlp.h"

#include <stdlib.h>
#include <string.h>

size_t ref_mlp_offset(const auxo_mlp *mlp, uint32_t layer)
{
    size_t offset = 0;
    for (uint32_t l = 0; l < layer; ++l)
        offset += (size_t)mlp->widths[l + 1] * (mlp->widths[l] + (mlp->has_bias ? 1u : 0u));
    return offset;
}

double ref_mlp_unit(const auxo_mlp *mlp, const float *params, uint32_t layer, uint32_t unit, const double *a)
{
    uint32_t width = mlp->widths[layer];
    const float *w = params + ref_mlp_offset(mlp, layer);
    double sum = mlp->has_bias ? (double)w[(size_t)mlp->widths[layer + 1] * width + unit] : 0;
    for (uint32_t i = 0; i < width; ++i)
        sum += (double)w[(size_t)unit * width + i] * a[i];
    return sum;
}

double ref_mlp_row_error(const auxo_mlp *mlp, const double *a, const float *target)
{
    double sum = 0;
    for (uint32_t i = 0; i < mlp->widths[mlp->layer_count]; ++i) {
        double difference = a[i] - (double)target[i];
        sum += difference * difference;
    }
    return sum;
}

/* a[l] for l = begin..end of one sample; a has AUXO_MLP_WIDTH_MAX values per layer. */
static void forward(const auxo_mlp *mlp, const float *params, const float *x, uint32_t begin, uint32_t end,
                    double (*a)[AUXO_MLP_WIDTH_MAX])
{
    for (uint32_t i = 0; i < mlp->widths[begin]; ++i)
        a[begin][i] = (double)x[i];
    for (uint32_t l = begin; l < end; ++l)
        for (uint32_t i = 0; i < mlp->widths[l + 1]; ++i)
            a[l + 1][i] = ref_activate(mlp->activations[l], (double)mlp->slope, ref_mlp_unit(mlp, params, l, i, a[l]));
}

auxo_status ref_mlp_forward(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_mlp *mlp = &params->mlp;
    const auxo_tensor *x = &op->tensors[AUXO_MLP_FORWARD_X];
    double(*a)[AUXO_MLP_WIDTH_MAX] = malloc(sizeof *a * (mlp->layer_count + 1));
    if (!a)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "mlp_forward: no host memory for %u layers", mlp->layer_count);
    uint32_t width = mlp->widths[params->end_layer];
    for (int64_t row = 0; row < x->dims[0]; ++row) {
        forward(mlp, cpu_f32(op, AUXO_MLP_FORWARD_PARAMS), cpu_f32(op, AUXO_MLP_FORWARD_X) + row * x->dims[1],
                params->begin_layer, params->end_layer, a);
        for (uint32_t i = 0; i < width; ++i)
            cpu_f32(op, AUXO_MLP_FORWARD_Y)[row * width + i] = (float)a[params->end_layer][i];
    }
    free(a);
    return AUXO_OK;
}

/* Adds one sample's gradient of layers train_begin..train_end; on entry d is the gradient by a_L. */
static void backward(const auxo_mlp_params *range, const float *params, double (*a)[AUXO_MLP_WIDTH_MAX], double *d,
                     double *gradient)
{
    const auxo_mlp *mlp = &range->mlp;
    for (uint32_t l = mlp->layer_count; l-- > range->train_begin;) {
        uint32_t width = mlp->widths[l];
        uint32_t out_width = mlp->widths[l + 1];
        size_t offset = ref_mlp_offset(mlp, l);
        double below[AUXO_MLP_WIDTH_MAX] = {0};
        for (uint32_t i = 0; i < out_width; ++i) {
            double dz = d[i] * ref_activate_slope(mlp->activations[l], (double)mlp->slope, a[l + 1][i]);
            for (uint32_t j = 0; j < width; ++j) {
                below[j] += dz * (double)params[offset + (size_t)i * width + j];
                if (l < range->train_end)
                    gradient[offset + (size_t)i * width + j] += dz * a[l][j];
            }
            if (mlp->has_bias && l < range->train_end)
                gradient[offset + (size_t)out_width * width + i] += dz;
        }
        memcpy(d, below, sizeof below);
    }
}

auxo_status ref_mlp_gradient(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_mlp *mlp = &params->mlp;
    const auxo_tensor *x = &op->tensors[AUXO_MLP_GRADIENT_X];
    const float *weights = cpu_f32(op, AUXO_MLP_GRADIENT_PARAMS);
    uint32_t outputs = mlp->widths[mlp->layer_count];
    double count = (double)x->dims[0] * outputs;
    size_t param_count = ref_mlp_offset(mlp, mlp->layer_count);
    double(*a)[AUXO_MLP_WIDTH_MAX] = malloc(sizeof *a * (mlp->layer_count + 1));
    double *gradient = calloc(param_count + 1, sizeof *gradient);
    if (!a || !gradient) {
        free(a);
        free(gradient);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "mlp_gradient: no host memory for %zu parameters",
                              param_count);
    }
    double loss = 0;
    for (int64_t row = 0; row < x->dims[0]; ++row) {
        const float *target = cpu_f32(op, AUXO_MLP_GRADIENT_TARGET) + row * outputs;
        forward(mlp, weights, cpu_f32(op, AUXO_MLP_GRADIENT_X) + row * x->dims[1], params->begin_layer,
                mlp->layer_count, a);
        loss += ref_mlp_row_error(mlp, a[mlp->layer_count], target);
        double d[AUXO_MLP_WIDTH_MAX];
        for (uint32_t i = 0; i < outputs; ++i)
            d[i] = 2 * (a[mlp->layer_count][i] - (double)target[i]) / count;
        backward(params, weights, a, d, gradient);
    }
    float *grads = cpu_f32(op, AUXO_MLP_GRADIENT_GRADS);
    for (size_t i = ref_mlp_offset(mlp, params->train_begin); i < ref_mlp_offset(mlp, params->train_end); ++i)
        grads[i] = (float)gradient[i];
    free(a);
    free(gradient);
    ref_write_loss(op, AUXO_MLP_GRADIENT_LOSS, AUXO_MLP_GRADIENT_STATS, count > 0 ? loss / count : 0, x->dims[0], 0);
    return AUXO_OK;
}
