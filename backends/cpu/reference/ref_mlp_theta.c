/* ref_mlp_theta.c: the loss of a fully connected network under each of P scalings of its units.
 *
 * Every mask is evaluated from begin_layer on; the hint FIRST_LAYER is not needed here.
 */
#include "ref_mlp.h"

#include <string.h>

/* Loss of one sample: sum of squared differences. theta (G) and unit_group as in auxo/ops.h. */
static double sample_error(const auxo_mlp_params *params, const float *weights, const float *x, const float *target,
                           const float *theta, const uint32_t *unit_group)
{
    const auxo_mlp *mlp = &params->mlp;
    double a[AUXO_MLP_WIDTH_MAX];
    double next[AUXO_MLP_WIDTH_MAX];
    for (uint32_t i = 0; i < mlp->widths[params->begin_layer]; ++i)
        a[i] = (double)x[i];
    size_t first_unit = 0;
    for (uint32_t l = 0; l < mlp->layer_count; ++l) {
        uint32_t width = mlp->widths[l + 1];
        if (l >= params->begin_layer) {
            for (uint32_t i = 0; i < width; ++i) {
                double factor = (double)theta[unit_group[first_unit + i]];
                double z = ref_mlp_unit(mlp, weights, l, i, a);
                if (params->theta_on_outputs)
                    next[i] = factor * ref_activate(mlp->activations[l], (double)mlp->slope, z);
                else
                    next[i] = ref_activate(mlp->activations[l], (double)mlp->slope, factor * z);
            }
            memcpy(a, next, sizeof *a * width);
        }
        first_unit += width;
    }
    return ref_mlp_row_error(mlp, a, target);
}

auxo_status ref_theta_eval(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_tensor *x = &op->tensors[AUXO_THETA_EVAL_X];
    const auxo_tensor *theta = &op->tensors[AUXO_THETA_EVAL_THETA];
    uint32_t outputs = params->mlp.widths[params->mlp.layer_count];
    double count = (double)x->dims[0] * outputs;
    for (int64_t mask = 0; mask < theta->dims[0]; ++mask) {
        double sum = 0;
        for (int64_t row = 0; row < x->dims[0]; ++row)
            sum += sample_error(
                params, cpu_f32(op, AUXO_THETA_EVAL_PARAMS), cpu_f32(op, AUXO_THETA_EVAL_X) + row * x->dims[1],
                cpu_f32(op, AUXO_THETA_EVAL_TARGET) + row * outputs,
                cpu_f32(op, AUXO_THETA_EVAL_THETA) + mask * theta->dims[1], cpu_u32(op, AUXO_THETA_EVAL_UNIT_GROUP));
        double loss = count > 0 ? sum / count : 0;
        float *out = cpu_f32(op, AUXO_THETA_EVAL_LOSS) + mask * 2;
        out[0] = (float)loss;
        out[1] = (float)(loss - (double)out[0]);
    }
    return AUXO_OK;
}
