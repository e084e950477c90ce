/* mlp_gradient.c: the mlp_gradient op: forward and backward of a whole narrow network, block by block.
 *
 * The blocks are cut into tasks whatever the number of threads. Each task sums its gradients lane by lane in f32 and
 * its loss in double; the tasks are added in order. The backward pass ends at the first layer that is trained.
 */
#include "mlp_block.h"
#include "ref.h"

/* A task ends by adding up the lanes of all its sums, which takes as long as a third of a block. */
enum { TASK_BLOCKS_MIN = 4, TASKS_MAX = 64, TASKS_SHARED = 16 };

/* Where a task keeps what. Sizes in bytes. */
typedef struct gradient_layout {
    int64_t tasks;
    int64_t trained_count; /* parameters of the trained layers */
    size_t net_bytes, value_bytes, d_bytes, sums_bytes, thread_bytes;
    size_t partial_bytes; /* of one task: a double, then trained_count floats */
} gradient_layout;

/* Where there are many, as many as 2, 4, 8 or 16 threads share evenly. */
static int64_t task_count(int64_t blocks)
{
    const int64_t tasks = cpu_max(1, cpu_min(blocks / TASK_BLOCKS_MIN, TASKS_MAX));
    return tasks > TASKS_SHARED ? tasks / TASKS_SHARED * TASKS_SHARED : tasks;
}

static gradient_layout layout_of(const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    const auxo_mlp *mlp = &params->mlp;
    gradient_layout layout = {.net_bytes = mlp_net_bytes(mlp)};
    layout.tasks = task_count(cpu_ceil_div(op->tensors[AUXO_MLP_GRADIENT_X].dims[0], MLP_SAMPLES));
    int64_t values = 0;
    for (uint32_t l = params->begin_layer; l <= mlp->layer_count; ++l)
        values += (int64_t)mlp->widths[l] * MLP_SAMPLES;
    for (uint32_t l = params->train_begin; l < params->train_end; ++l)
        layout.trained_count += (int64_t)mlp->widths[l + 1] * ((int64_t)mlp->widths[l] + (mlp->has_bias ? 1 : 0));
    layout.value_bytes = cpu_align(sizeof(float) * (size_t)values);
    layout.d_bytes = sizeof(float) * 2 * AUXO_MLP_WIDTH_MAX * MLP_SAMPLES;
    layout.sums_bytes = cpu_align(sizeof(float) * (size_t)layout.trained_count * VEC_LANES);
    layout.thread_bytes = layout.value_bytes + layout.d_bytes + layout.sums_bytes;
    layout.partial_bytes = cpu_align(sizeof(double) + sizeof(float) * (size_t)layout.trained_count);
    return layout;
}

static size_t scratch_bytes_mlp_gradient(int thread_count, const auxo_op *op)
{
    gradient_layout layout = layout_of(op);
    return layout.net_bytes + (size_t)layout.tasks * layout.partial_bytes + (size_t)thread_count * layout.thread_bytes;
}

typedef struct gradient_task {
    const mlp_net *net;
    const auxo_mlp_params *params;
    const float *x, *target;
    float scale;                 /* 2 / (rows outputs) */
    float *values, *d, *d_below; /* of the block at hand */
    float *sums;                 /* (trained_count, VEC_LANES) */
} gradient_task;

static void forward_block(const gradient_task *task, int64_t row, int64_t count)
{
    const mlp_net *net = task->net;
    const auxo_mlp *mlp = net->mlp;
    uint32_t begin = task->params->begin_layer;
    mlp_load(task->x + row * mlp->widths[begin], mlp->widths[begin], count, task->values);
    for (uint32_t l = begin; l < mlp->layer_count; ++l)
        mlp_layer(net, l, task->values + net->value_offsets[l], task->values + net->value_offsets[l + 1]);
}

/* On entry task->d is the gradient by a_L. */
static void backward_block(const gradient_task *task)
{
    const mlp_net *net = task->net;
    const auxo_mlp *mlp = net->mlp;
    float *d = task->d;
    float *below = task->d_below;
    int64_t first_param = net->layer_offsets[task->params->train_begin];
    for (uint32_t l = mlp->layer_count; l-- > task->params->train_begin;) {
        int64_t width = mlp->widths[l];
        int64_t out_width = mlp->widths[l + 1];
        const float *y = task->values + net->value_offsets[l + 1];
        if (l < task->params->train_end) {
            float *sums = task->sums + (net->layer_offsets[l] - first_param) * VEC_LANES;
            mlp_multiply_slope(mlp->activations[l], mlp->slope, out_width, y, d,
                               mlp->has_bias ? sums + out_width * width * VEC_LANES : NULL);
            mlp_outer(d, out_width, task->values + net->value_offsets[l], width, sums);
            if (l > task->params->train_begin)
                mlp_product_turned(mlp_weights(net, l), width, out_width, d, below, false);
        } else {
            mlp_back(net, l, y, d, below);
        }
        float *swap = d;
        d = below;
        below = swap;
    }
}

/* Blocks of one task; the loss goes to *loss, the gradients to partial (trained_count). */
static void run_task(const gradient_task *task, cpu_range blocks, int64_t rows, int64_t trained_count, double *loss,
                     float *partial)
{
    const auxo_mlp *mlp = task->net->mlp;
    int64_t outputs = mlp->widths[mlp->layer_count];
    memset(task->sums, 0, sizeof(float) * (size_t)(trained_count * VEC_LANES));
    double sum = 0;
    for (int64_t block = blocks.begin; block < blocks.end; ++block) {
        int64_t row = block * MLP_SAMPLES;
        int64_t count = cpu_min(MLP_SAMPLES, rows - row);
        forward_block(task, row, count);
        mlp_load(task->target + row * outputs, outputs, count, task->d_below);
        sum += mlp_error(task->values + task->net->value_offsets[mlp->layer_count], task->d_below, outputs, count,
                         task->scale, task->d);
        backward_block(task);
    }
    *loss = sum;
    mlp_sum_lanes(task->sums, trained_count, partial);
}

typedef struct gradient_context {
    const auxo_op *op;
    gradient_layout layout;
    mlp_net net;
    char *partials, *memory; /* of the tasks, of the threads */
} gradient_context;

static void gradient_part(const void *context, int64_t begin, int64_t end, int thread)
{
    const unsigned before = vec_flush_subnormals();
    const gradient_context *gradient = context;
    const auxo_op *op = gradient->op;
    const gradient_layout *layout = &gradient->layout;
    const auxo_mlp_params *params = &op->params.mlp;
    const int64_t rows = op->tensors[AUXO_MLP_GRADIENT_X].dims[0];
    const double count = (double)rows * (double)params->mlp.widths[params->mlp.layer_count];
    char *own = gradient->memory + (size_t)thread * layout->thread_bytes;
    const gradient_task task = {.net = &gradient->net,
                                .params = params,
                                .x = cpu_f32(op, AUXO_MLP_GRADIENT_X),
                                .target = cpu_f32(op, AUXO_MLP_GRADIENT_TARGET),
                                .scale = count > 0 ? (float)(2 / count) : 0,
                                .values = (float *)own,
                                .d = (float *)(own + layout->value_bytes),
                                .d_below = (float *)(own + layout->value_bytes + layout->d_bytes / 2),
                                .sums = (float *)(own + layout->value_bytes + layout->d_bytes)};
    for (int64_t index = begin; index < end; ++index) {
        char *partial = gradient->partials + (size_t)index * layout->partial_bytes;
        run_task(&task, cpu_split(cpu_ceil_div(rows, MLP_SAMPLES), 1, index, layout->tasks), rows,
                 layout->trained_count, (double *)partial, (float *)(partial + sizeof(double)));
    }
    vec_restore_subnormals(before);
}

/* Adds the tasks' losses and gradients in order. */
static double add_tasks(const gradient_layout *layout, const char *partials, float *grads)
{
    double loss = 0;
    for (int64_t index = 0; index < layout->tasks; ++index)
        loss += *(const double *)(partials + (size_t)index * layout->partial_bytes);
    for (int64_t i = 0; i < layout->trained_count; ++i) {
        double sum = 0;
        for (int64_t index = 0; index < layout->tasks; ++index)
            sum += (double)((const float *)(partials + (size_t)index * layout->partial_bytes + sizeof(double)))[i];
        grads[i] = (float)sum;
    }
    return loss;
}

static void run_mlp_gradient(const cpu_work *work, const auxo_op *op)
{
    const auxo_mlp_params *params = &op->params.mlp;
    gradient_context context = {.op = op, .layout = layout_of(op)};
    context.net = mlp_net_make(&params->mlp, cpu_f32(op, AUXO_MLP_GRADIENT_PARAMS), params->begin_layer, work->scratch);
    context.partials = work->scratch + context.layout.net_bytes;
    context.memory = context.partials + (size_t)context.layout.tasks * context.layout.partial_bytes;
    cpu_pool_run(work->pool, context.layout.tasks, 1, gradient_part, &context);
    const int64_t rows = op->tensors[AUXO_MLP_GRADIENT_X].dims[0];
    const double count = (double)rows * (double)params->mlp.widths[params->mlp.layer_count];
    double loss = add_tasks(&context.layout, context.partials,
                            cpu_f32(op, AUXO_MLP_GRADIENT_GRADS) + context.net.layer_offsets[params->train_begin]);
    ref_write_loss(op, AUXO_MLP_GRADIENT_LOSS, AUXO_MLP_GRADIENT_STATS, count > 0 ? loss / count : 0, rows, 0);
}

CPU_KERNEL(mlp_gradient)
