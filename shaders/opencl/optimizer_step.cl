/* optimizer_step.cl: one step of an optimiser on all parameters in one launch (formulas in ops.h).
 *
 *     work-item i: VECTORS times VEC parameters, from i VECTORS VEC on
 * The kind is an argument, so that one program serves all optimisers. Parameters: VEC; DATA, of `copy`; VECTORS, several where a work-item
 * is a loop anyway and what depends on the step alone is worth computing once.
 */
#include "datum.clh"
#include "lanes.clh"

#define OPTIMIZER_PHS_EXPONENTIAL OPTIMIZER_COUNT /* phs with exponential friction: a number of this file only */

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

static inline floatv step_adam(floatv w, floatv g, floatv *m, floatv *v, global const float *hyper, float2 corrections)
{
    *m = BETA1 * *m + (1.0f - BETA1) * g;
    *v = BETA2 * *v + (1.0f - BETA2) * g * g;
    floatv m_hat = *m / corrections.x;
    floatv v_hat = *v / corrections.y;
    return w - LR * m_hat / (sqrt(v_hat) + EPSILON);
}

/* The new w; s0 and s1 are the states of these elements. */
static inline floatv step_elements(int kind, int euler, floatv w, floatv gradient, floatv *s0, floatv *s1,
                                   global const float *hyper, float2 corrections)
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
        return step_adam(w, g, s0, s1, hyper, corrections);
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
                           ulong counter_offset, global const float *skip, ulong skip_offset, global datum *copy,
                           ulong copy_offset, ulong count, int kind, int euler)
{
    ulong i = get_global_id(0) * VECTORS * VEC;
    if (i >= count || (skip && skip[skip_offset] != 0.0f))
        return;
    float step = counter ? (float)counter[counter_offset] : 1.0f;
    hyper += hyper_offset;
    params += params_offset;
    grads += grads_offset;
    copy = copy ? copy + copy_offset : copy;
    state0 = state0 ? state0 + state0_offset : state0;
    state1 = state1 ? state1 + state1_offset : state1;
    float2 corrections = (float2)(1.0f, 1.0f);
    if (kind == OPTIMIZER_ADAM || kind == OPTIMIZER_ADAMW)
        corrections = (float2)(bias_correction(BETA1, step), bias_correction(BETA2, step));
    for (uint vector = 0; vector < VECTORS && i < count; ++vector, i += VEC) {
        floatv s0 = (floatv)(0.0f);
        floatv s1 = (floatv)(0.0f);
        if (state0)
            s0 = load_chunk(state0, i, count);
        if (state1)
            s1 = load_chunk(state1, i, count);
        floatv w = step_elements(kind, euler, load_chunk(params, i, count), load_chunk(grads, i, count), &s0, &s1, hyper,
                                 corrections);
        store_chunk(w, params, i, count);
        if (copy)
            put_chunk(w, copy, i, count);
        if (state0)
            store_chunk(s0, state0, i, count);
        if (state1)
            store_chunk(s1, state1, i, count);
    }
}
