/* optimizer_step.cl: one step of an optimiser on all parameters in one launch (formulas in ops.h).
 *
 *     work-item i: parameters [ i VEC .. i VEC + VEC )
 * The kind is an argument, so that one program serves all optimisers. Parameters: VEC.
 */
#include "vector.clh"

#define OPTIMIZER_SGD 0
#define OPTIMIZER_MOMENTUM 1
#define OPTIMIZER_NESTEROV 2
#define OPTIMIZER_RMSPROP 3
#define OPTIMIZER_ADAGRAD 4
#define OPTIMIZER_ADAM 5
#define OPTIMIZER_ADAMW 6
#define OPTIMIZER_PHS 7
#define OPTIMIZER_PHS_EXPONENTIAL 8 /* phs with exponential friction: a number of this file only */

#define LR hyper[0]
#define BETA1 hyper[1]
#define BETA2 hyper[2]
#define EPSILON hyper[3]
#define WEIGHT_DECAY hyper[4]
#define MASS hyper[5]
#define FRICTION hyper[6]

/* 1 - beta^step without the cancellation of the plain formula. */
static inline float bias_correction(float beta, float step)
{
    return beta > 0.0f ? -expm1(step * log(beta)) : 1.0f;
}

static inline floatv step_adam(floatv w, floatv g, floatv *m, floatv *v, global const float *hyper, float step)
{
    *m = BETA1 * *m + (1.0f - BETA1) * g;
    *v = BETA2 * *v + (1.0f - BETA2) * g * g;
    floatv m_hat = *m / bias_correction(BETA1, step);
    floatv v_hat = *v / bias_correction(BETA2, step);
    return w - LR * m_hat / (sqrt(v_hat) + EPSILON);
}

/* The new w; s0 and s1 are the states of these elements. */
static inline floatv step_elements(int kind, int euler, floatv w, floatv gradient, floatv *s0, floatv *s1,
                                   global const float *hyper, float step)
{
    floatv g = gradient + WEIGHT_DECAY * w;
    floatv old = *s0;
    switch (kind) {
    case OPTIMIZER_MOMENTUM:
        *s0 = BETA1 * *s0 + g;
        return w - LR * *s0;
    case OPTIMIZER_NESTEROV:
        *s0 = BETA1 * *s0 + g;
        return w - LR * (g + BETA1 * *s0);
    case OPTIMIZER_RMSPROP:
        *s0 = BETA1 * *s0 + (1.0f - BETA1) * g * g;
        return w - LR * g / (sqrt(*s0) + EPSILON);
    case OPTIMIZER_ADAGRAD:
        *s0 += g * g;
        return w - LR * g / (sqrt(*s0) + EPSILON);
    case OPTIMIZER_ADAM:
    case OPTIMIZER_ADAMW:
        if (kind == OPTIMIZER_ADAMW) {
            w -= LR * WEIGHT_DECAY * w;
            g = gradient;
        }
        return step_adam(w, g, s0, s1, hyper, step);
    case OPTIMIZER_PHS:
    case OPTIMIZER_PHS_EXPONENTIAL: {
        float rate = LR * FRICTION / MASS;
        *s0 = (kind == OPTIMIZER_PHS_EXPONENTIAL ? old * exp(-rate) : old - rate * old) - LR * g;
        return w + LR * (euler ? old : *s0) / MASS;
    }
    default:
        return w - LR * g;
    }
}

kernel void optimizer_step(global float *params, ulong params_offset, global const float *grads, ulong grads_offset,
                           global float *state0, ulong state0_offset, global float *state1, ulong state1_offset,
                           global const float *hyper, ulong hyper_offset, global const uint *counter,
                           ulong counter_offset, ulong count, int kind, int euler)
{
    ulong i = get_global_id(0) * VEC;
    if (i >= count)
        return;
    ulong left = count - i;
    float step = counter ? (float)counter[counter_offset] : 1.0f;
    hyper += hyper_offset;
    params += params_offset + i;
    grads += grads_offset + i;
    state0 = state0 ? state0 + state0_offset + i : state0;
    state1 = state1 ? state1 + state1_offset + i : state1;
    floatv s0 = (floatv)(0.0f);
    floatv s1 = (floatv)(0.0f);
    if (left >= VEC) {
        if (state0)
            s0 = loadv(state0);
        if (state1)
            s1 = loadv(state1);
        storev(step_elements(kind, euler, loadv(params), loadv(grads), &s0, &s1, hyper, step), params);
        if (state0)
            storev(s0, state0);
        if (state1)
            storev(s1, state1);
        return;
    }
    if (state0)
        s0 = loadv_part(state0, left);
    if (state1)
        s1 = loadv_part(state1, left);
    storev_part(step_elements(kind, euler, loadv_part(params, left), loadv_part(grads, left), &s0, &s1, hyper, step), params,
                left);
    if (state0)
        storev_part(s0, state0, left);
    if (state1)
        storev_part(s1, state1, left);
}
