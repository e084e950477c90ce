/* mlp_forward.c: the mlp_forward op, block by block. */
#include "mlp_block.h"

/* Two layers of a block, in turn input and output. */
static size_t thread_bytes(void)
{
    return sizeof(float) * 2 * AUXO_MLP_WIDTH_MAX * MLP_SAMPLES;
}

static size_t scratch_bytes_mlp_forward(int thread_count, const auxo_op *op)
{
    return mlp_net_bytes(&op->params.mlp.mlp) + (size_t)thread_count * thread_bytes();
}

static void run_block(const mlp_net *net, const auxo_mlp_params *params, const float *x, float *y, int64_t count,
                      float *values)
{
    const auxo_mlp *mlp = net->mlp;
    float *in = values;
    float *out = values + AUXO_MLP_WIDTH_MAX * MLP_SAMPLES;
    mlp_load(x, mlp->widths[params->begin_layer], count, in);
    for (uint32_t l = params->begin_layer; l < params->end_layer; ++l) {
        mlp_product(mlp_weights(net, l), mlp_bias(net, l), mlp->widths[l + 1], mlp->widths[l], in, out, false);
        mlp_activate(mlp->activations[l], mlp->slope, mlp->widths[l + 1], out);
        float *swap = in;
        in = out;
        out = swap;
    }
    mlp_store(in, mlp->widths[params->end_layer], count, y);
}

static void run_mlp_forward(const cpu_work *work, const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const mlp_net net =
        mlp_net_make(&params->mlp, cpu_f32(op, AUXO_MLP_FORWARD_PARAMS), params->begin_layer, work->scratch);
    const int64_t rows = op->tensors[AUXO_MLP_FORWARD_X].dims[0];
    const int64_t in_width = params->mlp.widths[params->begin_layer];
    const int64_t out_width = params->mlp.widths[params->end_layer];
    const float *x = cpu_f32(op, AUXO_MLP_FORWARD_X);
    float *y = cpu_f32(op, AUXO_MLP_FORWARD_Y);
#pragma omp parallel for schedule(static) num_threads(work->thread_count) if (rows > 4 * MLP_SAMPLES)
    for (int64_t row = 0; row < rows; row += MLP_SAMPLES) {
        char *own = work->scratch + mlp_net_bytes(&params->mlp) + (size_t)cpu_thread_index() * thread_bytes();
        run_block(&net, params, x + row * in_width, y + row * out_width, cpu_min(MLP_SAMPLES, rows - row),
                  (float *)own);
    }
}

CPU_KERNEL(mlp_forward)
