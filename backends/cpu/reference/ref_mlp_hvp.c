/* ref_mlp_hvp.c: exact products of the Hessian of the mean squared error with directions.
 *
 * Forward over reverse (Pearlmutter 1994): R{.} is the derivative along direction V.
 *   R{z} = V a + W R{a} + v_b, R{a} = f'(z) R{z}; with g the gradient by a and d = f' g the gradient by z:
 *   R{d} = f'' R{z} g + f' R{g}, below: R{g} = V^T d + W^T R{d}; H v: R{d} a^T + d R{a}^T, bias R{d}.
 * Layers before begin_layer have no gradient: their part of HV is 0.
 */
#include "ref_mlp.h"

#include <stdlib.h>
#include <string.h>

/* What one sample keeps of one layer's output. */
typedef struct layer_values {
    double a[AUXO_MLP_WIDTH_MAX];  /* a_l */
    double ra[AUXO_MLP_WIDTH_MAX]; /* R{a_l} */
    double rz[AUXO_MLP_WIDTH_MAX]; /* R{z} of the layer that made a_l */
} layer_values;

typedef struct hvp_task {
    const auxo_mlp *mlp;
    uint32_t begin_layer;
    const float *params;    /* W, b */
    const float *direction; /* V, v_b, same layout */
    double *product;        /* accumulates H v */
} hvp_task;

static void forward(const hvp_task *task, const float *x, layer_values *layers)
{
    const auxo_mlp *mlp = task->mlp;
    layer_values *first = &layers[task->begin_layer];
    memset(first, 0, sizeof *first);
    for (uint32_t i = 0; i < mlp->widths[task->begin_layer]; ++i)
        first->a[i] = (double)x[i];
    for (uint32_t l = task->begin_layer; l < mlp->layer_count; ++l) {
        const float *w = task->params + ref_mlp_offset(mlp, l);
        uint32_t width = mlp->widths[l];
        for (uint32_t i = 0; i < mlp->widths[l + 1]; ++i) {
            double z = ref_mlp_unit(mlp, task->params, l, i, layers[l].a);
            double rz = ref_mlp_unit(mlp, task->direction, l, i, layers[l].a);
            for (uint32_t j = 0; j < width; ++j)
                rz += (double)w[(size_t)i * width + j] * layers[l].ra[j];
            double y = ref_activate(mlp->activations[l], (double)mlp->slope, z);
            layers[l + 1].a[i] = y;
            layers[l + 1].rz[i] = rz;
            layers[l + 1].ra[i] = rz * ref_activate_slope(mlp->activations[l], (double)mlp->slope, y);
        }
    }
}

/* g and rg: the gradient by a_L and its derivative; both are consumed. */
static void backward(const hvp_task *task, const layer_values *layers, double *g, double *rg)
{
    const auxo_mlp *mlp = task->mlp;
    for (uint32_t l = mlp->layer_count; l-- > task->begin_layer;) {
        uint32_t width = mlp->widths[l];
        uint32_t out_width = mlp->widths[l + 1];
        size_t offset = ref_mlp_offset(mlp, l);
        double below[AUXO_MLP_WIDTH_MAX] = {0};
        double rbelow[AUXO_MLP_WIDTH_MAX] = {0};
        for (uint32_t i = 0; i < out_width; ++i) {
            double y = layers[l + 1].a[i];
            double slope = ref_activate_slope(mlp->activations[l], (double)mlp->slope, y);
            double curvature = ref_activate_curvature(mlp->activations[l], (double)mlp->slope, y);
            double d = slope * g[i];
            double rd = curvature * layers[l + 1].rz[i] * g[i] + slope * rg[i];
            for (uint32_t j = 0; j < width; ++j) {
                size_t index = offset + (size_t)i * width + j;
                below[j] += d * (double)task->params[index];
                rbelow[j] += d * (double)task->direction[index] + rd * (double)task->params[index];
                task->product[index] += rd * layers[l].a[j] + d * layers[l].ra[j];
            }
            if (mlp->has_bias)
                task->product[offset + (size_t)out_width * width + i] += rd;
        }
        memcpy(g, below, sizeof below);
        memcpy(rg, rbelow, sizeof rbelow);
    }
}

/* H v of one direction over all rows, in task->product. */
static void product_of(const hvp_task *task, const auxo_op *op, layer_values *layers)
{
    const auxo_tensor *x = &op->tensors[AUXO_MLP_HVP_X];
    uint32_t outputs = task->mlp->widths[task->mlp->layer_count];
    double count = (double)x->dims[0] * outputs;
    for (int64_t row = 0; row < x->dims[0]; ++row) {
        const float *target = cpu_f32(op, AUXO_MLP_HVP_TARGET) + row * outputs;
        forward(task, cpu_f32(op, AUXO_MLP_HVP_X) + row * x->dims[1], layers);
        const layer_values *last = &layers[task->mlp->layer_count];
        double g[AUXO_MLP_WIDTH_MAX];
        double rg[AUXO_MLP_WIDTH_MAX];
        for (uint32_t i = 0; i < outputs; ++i) {
            g[i] = 2 * (last->a[i] - (double)target[i]) / count;
            rg[i] = 2 * last->ra[i] / count;
        }
        backward(task, layers, g, rg);
    }
}

auxo_status ref_mlp_hvp(const auxo_op *op, auxo_error *error)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    size_t param_count = ref_mlp_offset(mlp, mlp->layer_count);
    layer_values *layers = malloc(sizeof *layers * (mlp->layer_count + 1));
    double *product = malloc(sizeof *product * (param_count + 1));
    if (!layers || !product) {
        free(layers);
        free(product);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "mlp_hvp: no host memory for %zu parameters", param_count);
    }
    int64_t directions = op->tensors[AUXO_MLP_HVP_V].dims[0];
    for (int64_t v = 0; v < directions; ++v) {
        hvp_task task = {.mlp = mlp,
                         .begin_layer = op->params.mlp.begin_layer,
                         .params = cpu_f32(op, AUXO_MLP_HVP_PARAMS),
                         .direction = cpu_f32(op, AUXO_MLP_HVP_V) + (size_t)v * param_count,
                         .product = product};
        memset(product, 0, sizeof *product * param_count);
        product_of(&task, op, layers);
        for (size_t i = 0; i < param_count; ++i)
            cpu_f32(op, AUXO_MLP_HVP_HV)[(size_t)v * param_count + i] = (float)product[i];
    }
    free(layers);
    free(product);
    return AUXO_OK;
}
