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
        mlp_layer(net, l, in, out);
        float *swap = in;
        in = out;
        out = swap;
    }
    mlp_store(in, mlp->widths[params->end_layer], count, y);
}

typedef struct forward_context {
    const auxo_op *op;
    mlp_net net;
    char *memory; /* of the threads */
} forward_context;

/* Items are blocks of MLP_SAMPLES rows. */
static void forward_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const unsigned before = vec_flush_subnormals();
    const forward_context *forward = context;
    const auxo_op *op = forward->op;
    const auxo_mlp_params *params = &op->params.mlp;
    const int64_t rows = op->tensors[AUXO_MLP_FORWARD_X].dims[0];
    float *values = (float *)(forward->memory + (size_t)thread * thread_bytes());
    for (int64_t block = begin; block < end; ++block) {
        int64_t row = block * MLP_SAMPLES;
        run_block(&forward->net, params,
                  cpu_f32(op, AUXO_MLP_FORWARD_X) + row * params->mlp.widths[params->begin_layer],
                  cpu_f32(op, AUXO_MLP_FORWARD_Y) + row * params->mlp.widths[params->end_layer],
                  cpu_min(MLP_SAMPLES, rows - row), values);
    }
    vec_restore_subnormals(before);
}

static void run_mlp_forward(const cpu_work *work, const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const forward_context context = {
        op, mlp_net_make(&params->mlp, cpu_f32(op, AUXO_MLP_FORWARD_PARAMS), params->begin_layer, work->scratch),
        work->scratch + mlp_net_bytes(&params->mlp)};
    cpu_pool_run(work->pool, cpu_ceil_div(op->tensors[AUXO_MLP_FORWARD_X].dims[0], MLP_SAMPLES), 2, forward_part,
                 &context);
}

CPU_KERNEL(mlp_forward)
