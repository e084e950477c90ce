/* mlp_hvp.c: the mlp_hvp op: exact Hessian-vector products of the mean squared error (Pearlmutter 1994).
 *
 * R{.} is the derivative along a direction (V, v_b). Per block of samples, once:
 *   a_l; d_l = f'(z) g_l, the gradient by z of layer l; c_l = f''(z) g_l.
 * Then per direction:
 *   R{z} = V a + v_b + W R{a}, R{a'} = f' R{z};  R{d} = c R{z} + f' R{g}, R{g below} = V^T d + W^T R{d};
 *   HV += R{d} a^T + d R{a}^T, bias R{d}.
 * Directions go in batches whose sums fit the cache. Tasks and their order do not depend on the number of threads.
 */
#include "mlp_block.h"
#include "vec_math.h"

enum { TASK_BLOCKS_MIN = 2, TASKS_MAX = 32, SUMS_BYTES_MAX = 2 << 20 };

/* Where things are kept. Sizes in bytes. */
typedef struct hvp_layout {
    int64_t tasks, directions, batch, param_count;
    size_t net_bytes, value_bytes, work_bytes, sums_bytes, thread_bytes;
    size_t partial_bytes; /* of one task: (batch, param_count) */
} hvp_layout;

static hvp_layout layout_of(const auxo_op *op)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    hvp_layout layout = {.directions = op->tensors[AUXO_MLP_HVP_V].dims[0], .net_bytes = mlp_net_bytes(mlp)};
    int64_t blocks = cpu_ceil_div(op->tensors[AUXO_MLP_HVP_X].dims[0], MLP_SAMPLES);
    layout.tasks = cpu_max(1, cpu_min(blocks / TASK_BLOCKS_MIN, TASKS_MAX));
    int64_t values = 0;
    for (uint32_t l = 0; l <= mlp->layer_count; ++l)
        values += (int64_t)mlp->widths[l] * MLP_SAMPLES;
    for (uint32_t l = 0; l < mlp->layer_count; ++l)
        layout.param_count += (int64_t)mlp->widths[l + 1] * ((int64_t)mlp->widths[l] + (mlp->has_bias ? 1 : 0));
    int64_t direction_bytes = layout.param_count * VEC_LANES * (int64_t)sizeof(float);
    layout.batch = cpu_max(1, cpu_min(layout.directions, SUMS_BYTES_MAX / cpu_max(direction_bytes, 1)));
    layout.value_bytes = cpu_align(sizeof(float) * (size_t)values);
    layout.work_bytes = sizeof(float) * AUXO_MLP_WIDTH_MAX * MLP_SAMPLES;
    layout.sums_bytes = cpu_align((size_t)(direction_bytes * layout.batch));
    layout.thread_bytes = 5 * layout.value_bytes + 2 * layout.work_bytes + layout.sums_bytes;
    layout.partial_bytes = cpu_align(sizeof(float) * (size_t)(layout.param_count * layout.batch));
    return layout;
}

static size_t scratch_bytes_mlp_hvp(int thread_count, const auxo_op *op)
{
    hvp_layout layout = layout_of(op);
    return layout.net_bytes + (size_t)layout.tasks * layout.partial_bytes + (size_t)thread_count * layout.thread_bytes;
}

/* Block values laid out like a_l: d, c and rz of layer l stand at the offset of a_{l+1}. */
typedef struct hvp_task {
    const mlp_net *net;
    const auxo_op *op;
    uint32_t begin_layer;
    float scale;      /* 2 / (rows outputs) */
    float *a, *d, *c; /* of the block */
    float *ra, *rz;   /* of the direction */
    float *work[2];   /* one layer each */
    float *sums;      /* (batch, param_count, VEC_LANES) */
} hvp_task;

static float *at(const hvp_task *task, float *values, uint32_t layer)
{
    return values + task->net->value_offsets[layer];
}

/* f''(.) from y = f(.). */
CPU_INLINE vf curvature(auxo_activation activation, float slope, vf y)
{
    switch (activation) {
    case AUXO_ACTIVATION_ELU:
        return vf_select(y > 0, vf_set1(0), y + slope);
    case AUXO_ACTIVATION_SELU:
        return vf_select(y > 0, vf_set1(0), y + 1.0507009873554805f * 1.6732632423543772f);
    case AUXO_ACTIVATION_SIGMOID:
        return y * (1.0f - y) * (1.0f - 2.0f * y);
    case AUXO_ACTIVATION_TANH:
        return -2.0f * y * (1.0f - y * y);
    default:
        return vf_set1(0);
    }
}

/* d = f' g and c = f'' g of one layer. */
static void split_gradient(const hvp_task *task, uint32_t l, const float *g)
{
    const auxo_mlp *mlp = task->net->mlp;
    const float *y = at(task, task->a, l + 1);
    float *d = at(task, task->d, l + 1);
    float *c = at(task, task->c, l + 1);
    auxo_activation activation = mlp->activations[l];
    for (int64_t i = 0; i < (int64_t)mlp->widths[l + 1] * MLP_SAMPLES; i += VEC_LANES) {
        vf value = vf_load(y + i);
        vf gradient = vf_load(g + i);
        vf_store(d + i, gradient * vf_activate_slope(activation, mlp->slope, value));
        vf_store(c + i, gradient * curvature(activation, mlp->slope, value));
    }
}

/* a, d and c of all layers of a block. */
static void run_plain_pass(const hvp_task *task, int64_t row, int64_t count)
{
    const mlp_net *net = task->net;
    const auxo_mlp *mlp = net->mlp;
    uint32_t begin = task->begin_layer;
    int64_t outputs = mlp->widths[mlp->layer_count];
    mlp_load(cpu_f32(task->op, AUXO_MLP_HVP_X) + row * mlp->widths[begin], mlp->widths[begin], count,
             at(task, task->a, begin));
    for (uint32_t l = begin; l < mlp->layer_count; ++l)
        mlp_layer(net, l, at(task, task->a, l), at(task, task->a, l + 1));
    float *g = task->work[0];
    mlp_load(cpu_f32(task->op, AUXO_MLP_HVP_TARGET) + row * outputs, outputs, count, task->work[1]);
    (void)mlp_error(at(task, task->a, mlp->layer_count), task->work[1], outputs, count, task->scale, g);
    for (uint32_t l = mlp->layer_count; l-- > begin;) {
        split_gradient(task, l, g);
        if (l > begin)
            mlp_product_turned(mlp_weights(net, l), mlp->widths[l], mlp->widths[l + 1], at(task, task->d, l + 1), g,
                               false);
    }
}

/* R{z} and R{a} of all layers along one direction. */
static void run_forward(const hvp_task *task, const mlp_net *direction)
{
    const auxo_mlp *mlp = task->net->mlp;
    for (uint32_t l = task->begin_layer; l < mlp->layer_count; ++l) {
        int64_t width = mlp->widths[l + 1];
        float *rz = at(task, task->rz, l + 1);
        float *ra = at(task, task->ra, l + 1);
        mlp_product(mlp_weights(direction, l), mlp_bias(direction, l), width, mlp->widths[l], at(task, task->a, l), rz,
                    false);
        if (l > task->begin_layer)
            mlp_product(mlp_weights(task->net, l), NULL, width, mlp->widths[l], at(task, task->ra, l), rz, true);
        memcpy(ra, rz, sizeof(float) * (size_t)(width * MLP_SAMPLES));
        mlp_multiply_slope(mlp->activations[l], mlp->slope, width, at(task, task->a, l + 1), ra, NULL);
    }
}

/* rd = c rz + f' rg, in place of rg. */
static void make_rd(const hvp_task *task, uint32_t l, float *rg)
{
    const auxo_mlp *mlp = task->net->mlp;
    const float *c = at(task, task->c, l + 1);
    const float *rz = at(task, task->rz, l + 1);
    int64_t width = mlp->widths[l + 1];
    mlp_multiply_slope(mlp->activations[l], mlp->slope, width, at(task, task->a, l + 1), rg, NULL);
    for (int64_t i = 0; i < width * MLP_SAMPLES; i += VEC_LANES)
        vf_store(rg + i, vf_load(rg + i) + vf_load(c + i) * vf_load(rz + i));
}

/* Adds the block's share of the product to sums (param_count, VEC_LANES). `count` samples of the block are real. */
static void run_backward(const hvp_task *task, const mlp_net *direction, int64_t count, float *sums)
{
    const mlp_net *net = task->net;
    const auxo_mlp *mlp = net->mlp;
    float *rg = task->work[0];
    float *below = task->work[1];
    const float *last = at(task, task->ra, mlp->layer_count);
    for (int64_t i = 0; i < mlp->widths[mlp->layer_count]; ++i)
        for (int64_t s = 0; s < MLP_SAMPLES; ++s)
            rg[i * MLP_SAMPLES + s] = s < count ? task->scale * last[i * MLP_SAMPLES + s] : 0;
    for (uint32_t l = mlp->layer_count; l-- > task->begin_layer;) {
        int64_t width = mlp->widths[l];
        int64_t out_width = mlp->widths[l + 1];
        const float *d = at(task, task->d, l + 1);
        float *layer_sums = sums + net->layer_offsets[l] * VEC_LANES;
        make_rd(task, l, rg);
        mlp_outer(rg, out_width, at(task, task->a, l), width, layer_sums);
        if (mlp->has_bias)
            mlp_add_rows(rg, out_width, layer_sums + out_width * width * VEC_LANES);
        if (l == task->begin_layer)
            break;
        mlp_outer(d, out_width, at(task, task->ra, l), width, layer_sums);
        mlp_product_turned(mlp_weights(direction, l), width, out_width, d, below, false);
        mlp_product_turned(mlp_weights(net, l), width, out_width, rg, below, true);
        float *swap = rg;
        rg = below;
        below = swap;
    }
}

/* Blocks of one task under `batch` directions from `first` on; partial (batch, param_count). */
static void run_task(const hvp_task *task, cpu_range blocks, int64_t first, int64_t batch, int64_t param_count,
                     float *partial)
{
    const int64_t rows = task->op->tensors[AUXO_MLP_HVP_X].dims[0];
    memset(task->sums, 0, sizeof(float) * (size_t)(batch * param_count * VEC_LANES));
    for (int64_t block = blocks.begin; block < blocks.end; ++block) {
        int64_t row = block * MLP_SAMPLES;
        int64_t count = cpu_min(MLP_SAMPLES, rows - row);
        run_plain_pass(task, row, count);
        for (int64_t v = 0; v < batch; ++v) {
            mlp_net direction = *task->net;
            direction.params = cpu_f32(task->op, AUXO_MLP_HVP_V) + (first + v) * param_count;
            run_forward(task, &direction);
            run_backward(task, &direction, count, task->sums + v * param_count * VEC_LANES);
        }
    }
    mlp_sum_lanes(task->sums, batch * param_count, partial);
}

static hvp_task task_in(const auxo_op *op, const hvp_layout *layout, const mlp_net *net, char *memory)
{
    const double count =
        (double)op->tensors[AUXO_MLP_HVP_X].dims[0] * (double)op->params.mlp.mlp.widths[op->params.mlp.mlp.layer_count];
    hvp_task task = {
        .net = net, .op = op, .begin_layer = op->params.mlp.begin_layer, .scale = count > 0 ? (float)(2 / count) : 0};
    float **const values[] = {&task.a, &task.d, &task.c, &task.ra, &task.rz};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; ++i, memory += layout->value_bytes)
        *values[i] = (float *)memory;
    task.work[0] = (float *)memory;
    task.work[1] = (float *)(memory + layout->work_bytes);
    task.sums = (float *)(memory + 2 * layout->work_bytes);
    return task;
}

static void add_tasks(const hvp_layout *layout, const char *partials, int64_t count, float *product)
{
    for (int64_t i = 0; i < count; ++i) {
        double sum = 0;
        for (int64_t index = 0; index < layout->tasks; ++index)
            sum += (double)((const float *)(partials + (size_t)index * layout->partial_bytes))[i];
        product[i] = (float)sum;
    }
}

typedef struct hvp_context {
    const auxo_op *op;
    hvp_layout layout;
    mlp_net net;
    char *partials, *memory; /* of the tasks, of the threads */
    int64_t first, batch;    /* directions */
} hvp_context;

static void hvp_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const unsigned before = vec_flush_subnormals();
    const hvp_context *hvp = context;
    const hvp_layout *layout = &hvp->layout;
    const int64_t blocks = cpu_ceil_div(hvp->op->tensors[AUXO_MLP_HVP_X].dims[0], MLP_SAMPLES);
    const hvp_task task = task_in(hvp->op, layout, &hvp->net, hvp->memory + (size_t)thread * layout->thread_bytes);
    for (int64_t index = begin; index < end; ++index)
        run_task(&task, cpu_split(blocks, 1, index, layout->tasks), hvp->first, hvp->batch, layout->param_count,
                 (float *)(hvp->partials + (size_t)index * layout->partial_bytes));
    vec_restore_subnormals(before);
}

static void run_mlp_hvp(const cpu_work *work, const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    hvp_context context = {.op = op, .layout = layout_of(op)};
    const hvp_layout *layout = &context.layout;
    context.net = mlp_net_make(&params->mlp, cpu_f32(op, AUXO_MLP_HVP_PARAMS), params->begin_layer, work->scratch);
    context.partials = work->scratch + layout->net_bytes;
    context.memory = context.partials + (size_t)layout->tasks * layout->partial_bytes;
    for (int64_t first = 0; first < layout->directions; first += layout->batch) {
        context.first = first;
        context.batch = cpu_min(layout->batch, layout->directions - first);
        cpu_pool_run(work->pool, layout->tasks, 1, hvp_part, &context);
        add_tasks(layout, context.partials, context.batch * layout->param_count,
                  cpu_f32(op, AUXO_MLP_HVP_HV) + first * layout->param_count);
    }
}

CPU_KERNEL(mlp_hvp)
