/* optimizer_step.cl: one step of an optimiser on all parameters in one launch (formulas in ops.h).
 *
 *     work-item i: parameters [ i VEC .. i VEC + VEC )
 * Parameters: VEC, KIND (auxo_optimizer_kind), EULER and EXPONENTIAL (port-Hamiltonian variants, 0 or 1).
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
static inline floatv step_elements(floatv w, floatv gradient, floatv *s0, floatv *s1, global const float *hyper, float step)
{
    floatv g = gradient + WEIGHT_DECAY * w;
#if KIND == OPTIMIZER_MOMENTUM
    *s0 = BETA1 * *s0 + g;
    return w - LR * *s0;
#elif KIND == OPTIMIZER_NESTEROV
    *s0 = BETA1 * *s0 + g;
    return w - LR * (g + BETA1 * *s0);
#elif KIND == OPTIMIZER_RMSPROP
    *s0 = BETA1 * *s0 + (1.0f - BETA1) * g * g;
    return w - LR * g / (sqrt(*s0) + EPSILON);
#elif KIND == OPTIMIZER_ADAGRAD
    *s0 += g * g;
    return w - LR * g / (sqrt(*s0) + EPSILON);
#elif KIND == OPTIMIZER_ADAM
    return step_adam(w, g, s0, s1, hyper, step);
#elif KIND == OPTIMIZER_ADAMW
    return step_adam(w - LR * WEIGHT_DECAY * w, gradient, s0, s1, hyper, step);
#elif KIND == OPTIMIZER_PHS
    floatv old = *s0;
    float rate = LR * FRICTION / MASS;
    *s0 = (EXPONENTIAL ? old * exp(-rate) : old - rate * old) - LR * g;
    return w + LR * (EULER ? old : *s0) / MASS;
#else
    return w - LR * g;
#endif
}

kernel void optimizer_step(global float *params, ulong params_offset, global const float *grads, ulong grads_offset,
                           global float *state0, ulong state0_offset, global float *state1, ulong state1_offset,
                           global const float *hyper, ulong hyper_offset, global const uint *counter,
                           ulong counter_offset, ulong count)
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
        storev(step_elements(loadv(params), loadv(grads), &s0, &s1, hyper, step), params);
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
    storev_part(step_elements(loadv_part(params, left), loadv_part(grads, left), &s0, &s1, hyper, step), params, left);
    if (state0)
        storev_part(s0, state0, left);
    if (state1)
        storev_part(s1, state1, left);
}
