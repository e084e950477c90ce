/* optimizer.c: one step of every optimiser over all parameters, in vectors; formulas in auxo/ops.h. */
#include "cpu_kernels.h"
#include "half.h"

#include <math.h>

/* What the step needs of HYPER and COUNTER, worked out once. */
typedef struct hyper {
    float lr, beta1, beta2, epsilon, weight_decay;
    float m_scale, v_scale; /* Adam: 1 / (1 - beta^t) */
    float keep, push;       /* port-Hamiltonian: p = keep p - lr g', w += push p */
} hyper;

static hyper read_hyper(const auxo_op *op)
{
    const auxo_optimizer_step_params *params = &op->params.optimizer_step;
    const float *values = cpu_f32(op, AUXO_OPTIMIZER_HYPER);
    const uint32_t *counter = cpu_u32(op, AUXO_OPTIMIZER_COUNTER);
    double step = counter ? (double)counter[0] : 1;
    double rate = (double)values[AUXO_HYPER_LR] * (double)values[AUXO_HYPER_FRICTION] / (double)values[AUXO_HYPER_MASS];
    return (hyper){.lr = values[AUXO_HYPER_LR],
                   .beta1 = values[AUXO_HYPER_BETA1],
                   .beta2 = values[AUXO_HYPER_BETA2],
                   .epsilon = values[AUXO_HYPER_EPSILON],
                   .weight_decay = values[AUXO_HYPER_WEIGHT_DECAY],
                   .m_scale = (float)(1 / (1 - pow((double)values[AUXO_HYPER_BETA1], step))),
                   .v_scale = (float)(1 / (1 - pow((double)values[AUXO_HYPER_BETA2], step))),
                   .keep = (float)(params->exponential_friction ? exp(-rate) : 1 - rate),
                   .push = (float)((double)values[AUXO_HYPER_LR] / (double)values[AUXO_HYPER_MASS])};
}

/* w, and the states that the kind has, in registers. */
typedef struct element {
    vf w, s0, s1;
} element;

CPU_INLINE void adam(const hyper *h, element *e, vf g)
{
    e->s0 = h->beta1 * e->s0 + (1 - h->beta1) * g;
    e->s1 = h->beta2 * e->s1 + (1 - h->beta2) * g * g;
    e->w -= h->lr * (e->s0 * h->m_scale) / (vf_sqrt(e->s1 * h->v_scale) + h->epsilon);
}

CPU_INLINE void step_element(const auxo_optimizer_kind kind, const bool explicit_euler, const hyper *h, element *e,
                             vf gradient)
{
    vf g = gradient + h->weight_decay * e->w;
    vf old = e->s0;
    switch (kind) {
    case AUXO_OPTIMIZER_MOMENTUM:
        e->s0 = h->beta1 * old + g;
        e->w -= h->lr * e->s0;
        break;
    case AUXO_OPTIMIZER_NESTEROV:
        e->s0 = h->beta1 * old + g;
        e->w -= h->lr * (g + h->beta1 * e->s0);
        break;
    case AUXO_OPTIMIZER_RMSPROP:
        e->s0 = h->beta1 * old + (1 - h->beta1) * g * g;
        e->w -= h->lr * g / (vf_sqrt(e->s0) + h->epsilon);
        break;
    case AUXO_OPTIMIZER_ADAGRAD:
        e->s0 = old + g * g;
        e->w -= h->lr * g / (vf_sqrt(e->s0) + h->epsilon);
        break;
    case AUXO_OPTIMIZER_ADAM:
        adam(h, e, g);
        break;
    case AUXO_OPTIMIZER_ADAMW:
        e->w -= h->lr * h->weight_decay * e->w;
        adam(h, e, gradient);
        break;
    case AUXO_OPTIMIZER_PHS:
        e->s0 = h->keep * old - h->lr * g;
        e->w += h->push * (explicit_euler ? old : e->s0);
        break;
    case AUXO_OPTIMIZER_SGD:
        e->w -= h->lr * g;
        break;
    case AUXO_OPTIMIZER_KIND_COUNT:
        break;
    }
}

typedef struct vectors {
    float *w, *s0, *s1; /* s0, s1: NULL where the kind has none */
    const float *g;
} vectors;

CPU_INLINE void step_range(const auxo_optimizer_kind kind, const bool explicit_euler, const hyper *h,
                           const vectors *data, cpu_range range)
{
    const bool has_s0 = auxo_optimizer_state_count(kind) >= 1, has_s1 = auxo_optimizer_state_count(kind) >= 2;
    for (int64_t i = range.begin; i < range.end; i += VEC_LANES) {
        int64_t count = cpu_min(VEC_LANES, range.end - i);
        element e = {.w = vf_load_partial(data->w + i, count)};
        if (has_s0)
            e.s0 = vf_load_partial(data->s0 + i, count);
        if (has_s1)
            e.s1 = vf_load_partial(data->s1 + i, count);
        step_element(kind, explicit_euler, h, &e, vf_load_partial(data->g + i, count));
        vf_store_partial(data->w + i, e.w, count);
        if (has_s0)
            vf_store_partial(data->s0 + i, e.s0, count);
        if (has_s1)
            vf_store_partial(data->s1 + i, e.s1, count);
    }
}

#define KIND_CASE(kind, noun, states, flops)                                                                           \
    case AUXO_OPTIMIZER_##kind:                                                                                        \
        step_range(AUXO_OPTIMIZER_##kind, explicit_euler, h, data, range);                                             \
        break;

static void step_any(auxo_optimizer_kind kind, bool explicit_euler, const hyper *h, const vectors *data,
                     cpu_range range)
{
    switch (kind) {
        AUXO_OPTIMIZER_TABLE(KIND_CASE)
    case AUXO_OPTIMIZER_KIND_COUNT:
        break;
    }
}

typedef struct step_context {
    const auxo_optimizer_step_params *params;
    hyper hyper;
    vectors data;
    half_view copy; /* data NULL: absent */
} step_context;

static void step_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const step_context *step = context;
    const int64_t block = step->copy.data ? HALF_BLOCK : cpu_max(end - begin, 1);
    for (int64_t first = begin; first < end; first += block) {
        const cpu_range range = {first, cpu_min(first + block, end)};
        const int64_t count = range.end - range.begin;
        step_any(step->params->kind, step->params->explicit_euler, &step->hyper, &step->data, range);
        if (!step->copy.data)
            continue;
        if (step->copy.dtype == AUXO_DTYPE_F32)
            memcpy((float *)step->copy.data + first, step->data.w + first, sizeof(float) * (size_t)count);
        else
            half_write(step->copy, first, count, step->data.w + first);
    }
}

static void run_optimizer_step(const cpu_work *work, const auxo_op *op)
{
    const float *skip = cpu_f32(op, AUXO_OPTIMIZER_SKIP);
    if (skip && skip[0] != 0)
        return;
    step_context step = {.params = &op->params.optimizer_step,
                         .hyper = read_hyper(op),
                         .data = {cpu_f32(op, AUXO_OPTIMIZER_PARAMS), cpu_f32(op, AUXO_OPTIMIZER_STATE0),
                                  cpu_f32(op, AUXO_OPTIMIZER_STATE1), cpu_f32(op, AUXO_OPTIMIZER_GRADS)},
                         .copy = half_view_of(op, AUXO_OPTIMIZER_COPY)};
    cpu_parallel(work, cpu_count(op, AUXO_OPTIMIZER_PARAMS), 2, step_part, &step);
}

#define scratch_bytes_optimizer_step cpu_no_scratch
CPU_KERNEL(optimizer_step)
