/* mlp_theta.c: the theta_eval op: the loss of a narrow network under each of P scalings of its units.
 *
 * Each block of samples goes once through the unperturbed network; each mask starts from the values of the first layer
 * that it perturbs. Losses are summed in double per block and mask, and the blocks are added in order.
 */
#include "mlp_block.h"

/* Where things are kept. Sizes in bytes. */
typedef struct theta_layout {
    int64_t masks, blocks;
    size_t net_bytes, sums_bytes, value_bytes, work_bytes, thread_bytes;
} theta_layout;

static theta_layout layout_of(const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    theta_layout layout = {.masks = op->tensors[AUXO_THETA_EVAL_THETA].dims[0],
                           .blocks = cpu_ceil_div(op->tensors[AUXO_THETA_EVAL_X].dims[0], MLP_SAMPLES),
                           .net_bytes = mlp_net_bytes(&params->mlp)};
    int64_t values = 0;
    for (uint32_t l = params->begin_layer; l <= params->mlp.layer_count; ++l)
        values += (int64_t)params->mlp.widths[l] * MLP_SAMPLES;
    layout.sums_bytes = cpu_align(sizeof(double) * (size_t)(layout.masks * layout.blocks));
    layout.value_bytes = cpu_align(sizeof(float) * (size_t)values);
    layout.work_bytes = sizeof(float) * AUXO_MLP_WIDTH_MAX * MLP_SAMPLES;
    layout.thread_bytes = layout.value_bytes + 3 * layout.work_bytes;
    return layout;
}

static size_t scratch_bytes_theta_eval(int thread_count, const auxo_op *op)
{
    theta_layout layout = layout_of(op);
    return layout.net_bytes + layout.sums_bytes + (size_t)thread_count * layout.thread_bytes;
}

typedef struct theta_task {
    const mlp_net *net;
    const auxo_op *op;
    uint32_t begin_layer;
    bool on_outputs;
    float *values;  /* a_begin .. a_L of the unperturbed network */
    float *target;  /* (outputs, .) */
    float *work[2]; /* one layer each */
} theta_task;

/* Multiplies the rows of values (width, .) by their factors. */
static void multiply_factors(const float *factors, int64_t width, float *values)
{
    for (int64_t i = 0; i < width; ++i, values += MLP_SAMPLES)
        for (int64_t s = 0; s < MLP_SAMPLES; s += VEC_LANES)
            vf_store(values + s, vf_load(values + s) * factors[i]);
}

/* factors (width) of a layer's units; whether any is not 1. */
static bool find_factors(const float *theta, const uint32_t *groups, int64_t width, float *factors)
{
    bool perturbed = false;
    for (int64_t i = 0; i < width; ++i) {
        factors[i] = theta[groups[i]];
        perturbed = perturbed || factors[i] != 1;
    }
    return perturbed;
}

/* From in = a_l to out = a_{l+1} under the factors. */
static void run_layer(const theta_task *task, uint32_t l, const float *theta, const uint32_t *groups, const float *in,
                      float *out)
{
    float factors[AUXO_MLP_WIDTH_MAX];
    const int64_t width = task->net->mlp->widths[l + 1];
    const bool perturbed = find_factors(theta, groups, width, factors);
    if (perturbed && !task->on_outputs) {
        mlp_layer_scaled(task->net, l, factors, in, out);
        return;
    }
    mlp_layer(task->net, l, in, out);
    if (perturbed)
        multiply_factors(factors, width, out);
}

/* a_L under one mask. */
static const float *run_mask(const theta_task *task, int64_t mask)
{
    const auxo_mlp *mlp = task->net->mlp;
    const auxo_tensor *thetas = &task->op->tensors[AUXO_THETA_EVAL_THETA];
    const float *theta = cpu_f32(task->op, AUXO_THETA_EVAL_THETA) + mask * thetas->dims[1];
    const uint32_t *groups = cpu_u32(task->op, AUXO_THETA_EVAL_UNIT_GROUP);
    int64_t first = cpu_u32(task->op, AUXO_THETA_EVAL_FIRST_LAYER)[mask];
    first = cpu_min(cpu_max(first, task->begin_layer), mlp->layer_count);
    for (int64_t l = 0; l < first; ++l)
        groups += mlp->widths[l + 1];
    const float *in = task->values + task->net->value_offsets[first];
    for (uint32_t l = (uint32_t)first; l < mlp->layer_count; ++l) {
        float *out = task->work[l % 2];
        run_layer(task, l, theta, groups, in, out);
        groups += mlp->widths[l + 1];
        in = out;
    }
    return in;
}

/* One block under all masks; sums (masks). */
static void run_block(const theta_task *task, int64_t row, int64_t count, int64_t masks, double *sums)
{
    const mlp_net *net = task->net;
    const auxo_mlp *mlp = net->mlp;
    int64_t in_width = mlp->widths[task->begin_layer];
    int64_t outputs = mlp->widths[mlp->layer_count];
    mlp_load(cpu_f32(task->op, AUXO_THETA_EVAL_TARGET) + row * outputs, outputs, count, task->target);
    mlp_load(cpu_f32(task->op, AUXO_THETA_EVAL_X) + row * in_width, in_width, count, task->values);
    for (uint32_t l = task->begin_layer; l < mlp->layer_count; ++l)
        mlp_layer(net, l, task->values + net->value_offsets[l], task->values + net->value_offsets[l + 1]);
    for (int64_t mask = 0; mask < masks; ++mask)
        sums[mask] = mlp_error(run_mask(task, mask), task->target, outputs, count, 0, NULL);
}

typedef struct theta_context {
    const auxo_op *op;
    theta_layout layout;
    mlp_net net;
    double *sums; /* (blocks, masks) */
    char *memory; /* of the threads */
} theta_context;

static void theta_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const unsigned before = vec_flush_subnormals();
    const theta_context *theta = context;
    const theta_layout *layout = &theta->layout;
    const auxo_mlp_params *params = &theta->op->params.mlp;
    const int64_t rows = theta->op->tensors[AUXO_THETA_EVAL_X].dims[0];
    char *own = theta->memory + (size_t)thread * layout->thread_bytes;
    const theta_task task = {
        .net = &theta->net,
        .op = theta->op,
        .begin_layer = params->begin_layer,
        .on_outputs = params->theta_on_outputs,
        .values = (float *)own,
        .target = (float *)(own + layout->value_bytes + 2 * layout->work_bytes),
        .work = {(float *)(own + layout->value_bytes), (float *)(own + layout->value_bytes + layout->work_bytes)}};
    for (int64_t block = begin; block < end; ++block)
        run_block(&task, block * MLP_SAMPLES, cpu_min(MLP_SAMPLES, rows - block * MLP_SAMPLES), layout->masks,
                  theta->sums + block * layout->masks);
    vec_restore_subnormals(before);
}

static void run_theta_eval(const cpu_work *work, const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    theta_context context = {.op = op, .layout = layout_of(op)};
    context.net = mlp_net_make(&params->mlp, cpu_f32(op, AUXO_THETA_EVAL_PARAMS), params->begin_layer, work->scratch);
    context.sums = (double *)(work->scratch + context.layout.net_bytes);
    context.memory = work->scratch + context.layout.net_bytes + context.layout.sums_bytes;
    cpu_pool_run(work->pool, context.layout.blocks, context.layout.masks > 2 ? 1 : 2, theta_part, &context);
    const double count =
        (double)op->tensors[AUXO_THETA_EVAL_X].dims[0] * (double)params->mlp.widths[params->mlp.layer_count];
    float *loss = cpu_f32(op, AUXO_THETA_EVAL_LOSS);
    for (int64_t mask = 0; mask < context.layout.masks; ++mask) {
        double sum = 0;
        for (int64_t block = 0; block < context.layout.blocks; ++block)
            sum += context.sums[block * context.layout.masks + mask];
        sum = count > 0 ? sum / count : 0;
        loss[2 * mask] = (float)sum;
        loss[2 * mask + 1] = (float)(sum - (double)loss[2 * mask]);
    }
}

CPU_KERNEL(theta_eval)
