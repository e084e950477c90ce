// optimizer_step.comp: one step of an optimiser on a run of parameters; formulas in auxo/ops.h.
#version 460
#extension GL_GOOGLE_include_directive : require
#include "interface.glsl"
#include "datum.glsl"
#include "math.glsl"

layout(constant_id = 1) const uint KIND = 0;
layout(constant_id = 2) const bool EXPLICIT_EULER = false;
layout(constant_id = 3) const bool EXPONENTIAL_FRICTION = false;
layout(constant_id = 4) const bool COPY = false;

BUFFER(0, , float, params);
BUFFER(1, readonly, float, grads);
BUFFER(2, , float, state0);
BUFFER(3, , float, state1);
BUFFER(4, readonly, float, hyper);
BUFFER(5, readonly, uint, counter);
BUFFER(6, readonly, float, skip);
BUFFER(7, writeonly, datum, copy);
layout(push_constant) uniform parameters
{
    uint at[8];
    OPTIMIZER_STEP_PUSH
} p;

float hyper_of(uint i)
{
    return hyper[p.at[4] + i];
}

// 1 - beta^t without cancellation: beta = 1 - d.
float bias_correction(float beta, float t)
{
    return beta == 0.0 ? 1.0 : -expm1_accurate(t * log_accurate(beta));
}

void main()
{
    if (p.has_skip != 0u && skip[p.at[6]] != 0.0)
        return;
    const float lr = hyper_of(HYPER_LR), beta1 = hyper_of(HYPER_BETA1), beta2 = hyper_of(HYPER_BETA2);
    const float epsilon = hyper_of(HYPER_EPSILON), decay = hyper_of(HYPER_WEIGHT_DECAY);
    float correction1 = 1.0, correction2 = 1.0;
    if (KIND == OPTIMIZER_ADAM || KIND == OPTIMIZER_ADAMW) {
        const float t = p.has_counter != 0u ? float(counter[p.at[5]]) : 1.0;
        correction1 = bias_correction(beta1, t);
        correction2 = bias_correction(beta2, t);
    }
    for (uint k = 0u; k < FLAT_ELEMENTS; k++) {
        const uint e = flat_element(k);
        if (e >= p.count)
            continue;
        float w = params[p.at[0] + e];
        float g = grads[p.at[1] + e];
        if (KIND == OPTIMIZER_ADAMW)
            w -= lr * decay * w;
        else
            g += decay * w;
        float s = KIND == OPTIMIZER_SGD ? 0.0 : state0[p.at[2] + e];
        if (KIND == OPTIMIZER_SGD) {
            w -= lr * g;
        } else if (KIND == OPTIMIZER_MOMENTUM) {
            s = beta1 * s + g;
            w -= lr * s;
        } else if (KIND == OPTIMIZER_NESTEROV) {
            s = beta1 * s + g;
            w -= lr * (g + beta1 * s);
        } else if (KIND == OPTIMIZER_RMSPROP) {
            s = beta1 * s + (1.0 - beta1) * g * g;
            w -= lr * g / (sqrt(s) + epsilon);
        } else if (KIND == OPTIMIZER_ADAGRAD) {
            s += g * g;
            w -= lr * g / (sqrt(s) + epsilon);
        } else if (KIND == OPTIMIZER_PHS) {
            const float rate = lr * hyper_of(HYPER_FRICTION) / hyper_of(HYPER_MASS);
            const float old = s;
            s = (EXPONENTIAL_FRICTION ? old * exp_accurate(-rate) : old - rate * old) - lr * g;
            w += lr * (EXPLICIT_EULER ? old : s) / hyper_of(HYPER_MASS);
        } else {
            float v = state1[p.at[3] + e];
            s = beta1 * s + (1.0 - beta1) * g;
            v = beta2 * v + (1.0 - beta2) * g * g;
            state1[p.at[3] + e] = v;
            w -= lr * (s / correction1) / (sqrt(v / correction2) + epsilon);
        }
        if (KIND != OPTIMIZER_SGD)
            state0[p.at[2] + e] = s;
        params[p.at[0] + e] = w;
        if (COPY)
            copy[p.at[7] + e] = put_datum(w);
    }
}
