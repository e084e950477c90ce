/* ref_optimizer.c: one step of every optimiser on all parameters; formulas in auxo/ops.h.
 *
 * Adam: Kingma and Ba 2015. AdamW: Loshchilov and Hutter 2019. Port-Hamiltonian steps: momentum first or explicit
 * Euler, with linear or exponential friction.
 */
#include "ref.h"

#include <math.h>

typedef struct hyper {
    double lr, beta1, beta2, epsilon, weight_decay, mass, friction, step;
} hyper;

static hyper read_hyper(const auxo_op *op)
{
    const float *values = cpu_f32(op, AUXO_OPTIMIZER_HYPER);
    const uint32_t *counter = cpu_u32(op, AUXO_OPTIMIZER_COUNTER);
    return (hyper){.lr = (double)values[AUXO_HYPER_LR],
                   .beta1 = (double)values[AUXO_HYPER_BETA1],
                   .beta2 = (double)values[AUXO_HYPER_BETA2],
                   .epsilon = (double)values[AUXO_HYPER_EPSILON],
                   .weight_decay = (double)values[AUXO_HYPER_WEIGHT_DECAY],
                   .mass = (double)values[AUXO_HYPER_MASS],
                   .friction = (double)values[AUXO_HYPER_FRICTION],
                   .step = counter ? (double)counter[0] : 1};
}

/* Adam's update of w from gradient g; returns the new w. */
static double adam(const hyper *h, double w, double g, double *m, double *v)
{
    *m = h->beta1 * *m + (1 - h->beta1) * g;
    *v = h->beta2 * *v + (1 - h->beta2) * g * g;
    double m_hat = *m / (1 - pow(h->beta1, h->step));
    double v_hat = *v / (1 - pow(h->beta2, h->step));
    return w - h->lr * m_hat / (sqrt(v_hat) + h->epsilon);
}

static double port_hamiltonian(const auxo_optimizer_step_params *params, const hyper *h, double w, double g, double *p)
{
    double old = *p;
    double rate = h->lr * h->friction / h->mass;
    *p = (params->exponential_friction ? old * exp(-rate) : old - rate * old) - h->lr * g;
    return w + h->lr * (params->explicit_euler ? old : *p) / h->mass;
}

/* The new w; s0 and s1 are the element's states. */
static double step_element(const auxo_optimizer_step_params *params, const hyper *h, double w, double gradient,
                           double *s0, double *s1)
{
    double g = gradient + h->weight_decay * w;
    switch (params->kind) {
    case AUXO_OPTIMIZER_MOMENTUM:
        *s0 = h->beta1 * *s0 + g;
        return w - h->lr * *s0;
    case AUXO_OPTIMIZER_NESTEROV:
        *s0 = h->beta1 * *s0 + g;
        return w - h->lr * (g + h->beta1 * *s0);
    case AUXO_OPTIMIZER_RMSPROP:
        *s0 = h->beta1 * *s0 + (1 - h->beta1) * g * g;
        return w - h->lr * g / (sqrt(*s0) + h->epsilon);
    case AUXO_OPTIMIZER_ADAGRAD:
        *s0 += g * g;
        return w - h->lr * g / (sqrt(*s0) + h->epsilon);
    case AUXO_OPTIMIZER_ADAM:
        return adam(h, w, g, s0, s1);
    case AUXO_OPTIMIZER_ADAMW:
        return adam(h, w - h->lr * h->weight_decay * w, gradient, s0, s1);
    case AUXO_OPTIMIZER_PHS:
        return port_hamiltonian(params, h, w, g, s0);
    case AUXO_OPTIMIZER_SGD:
    case AUXO_OPTIMIZER_KIND_COUNT:
        break;
    }
    return w - h->lr * g;
}

auxo_status ref_optimizer_step(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const float *skip = cpu_f32(op, AUXO_OPTIMIZER_SKIP);
    hyper h = read_hyper(op);
    if (skip && skip[0] != 0)
        return AUXO_OK;
    float *w = cpu_f32(op, AUXO_OPTIMIZER_PARAMS);
    const float *g = cpu_f32(op, AUXO_OPTIMIZER_GRADS);
    float *state0 = cpu_f32(op, AUXO_OPTIMIZER_STATE0);
    float *state1 = cpu_f32(op, AUXO_OPTIMIZER_STATE1);
    float *copy = cpu_f32(op, AUXO_OPTIMIZER_COPY);
    for (int64_t i = 0; i < cpu_count(op, AUXO_OPTIMIZER_PARAMS); ++i) {
        double s0 = state0 ? (double)state0[i] : 0;
        double s1 = state1 ? (double)state1[i] : 0;
        w[i] = (float)step_element(&op->params.optimizer_step, &h, (double)w[i], (double)g[i], &s0, &s1);
        if (state0)
            state0[i] = (float)s0;
        if (state1)
            state1[i] = (float)s1;
        if (copy)
            copy[i] = w[i];
    }
    return AUXO_OK;
}

auxo_status ref_loss_scale(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_loss_scale_params *params = &op->params.loss_scale;
    const float *largest = cpu_f32(op, AUXO_LOSS_SCALE_LARGEST_SLOT);
    const uint32_t *counter = cpu_u32(op, AUXO_LOSS_SCALE_COUNTER_SLOT);
    float *state = cpu_f32(op, AUXO_LOSS_SCALE_STATE_SLOT);
    bool finite = true;
    for (int64_t i = 0; i < cpu_count(op, AUXO_LOSS_SCALE_LARGEST_SLOT); ++i)
        finite &= isfinite(largest[i]) != 0;
    const float factor = state[AUXO_LOSS_SCALE_FACTOR];
    state[AUXO_LOSS_SCALE_INVERSE] = 1 / factor;
    state[AUXO_LOSS_SCALE_SKIP] = finite ? 0 : 1;
    if (finite) {
        state[AUXO_LOSS_SCALE_GOOD] += 1;
        if (state[AUXO_LOSS_SCALE_GOOD] >= (float)params->interval) {
            state[AUXO_LOSS_SCALE_GOOD] = 0;
            if (2 * factor <= params->most)
                state[AUXO_LOSS_SCALE_FACTOR] = 2 * factor;
        }
        return AUXO_OK;
    }
    state[AUXO_LOSS_SCALE_SKIPPED] += 1;
    state[AUXO_LOSS_SCALE_GOOD] = 0;
    state[AUXO_LOSS_SCALE_FACTOR] = factor / 2 < params->least ? params->least : factor / 2;
    if (factor / 2 < params->least && state[AUXO_LOSS_SCALE_EXHAUSTED] == 0)
        state[AUXO_LOSS_SCALE_EXHAUSTED] = counter ? (float)counter[0] : 1;
    return AUXO_OK;
}
