/* initialize.c: initial weights, drawn on the host so that they are the same bits whatever the device.
 *
 * Glorot (Glorot and Bengio 2010), He (He et al. 2015) and LeCun (LeCun et al. 1998), uniform or normal. Random numbers
 * as in auxo/ops.h: Philox4x32-10 through Random123, key = seed, counter = (element / 4, 0, stream, 0).
 */
#include "model_internal.h"

#include <Random123/philox.h>
#include <math.h>

static double variance(auxo_initializer initializer, int64_t fan_in, int64_t fan_out)
{
    switch (initializer) {
    case AUXO_INITIALIZER_GLOROT_UNIFORM:
    case AUXO_INITIALIZER_GLOROT_NORMAL:
        return 2.0 / (double)(fan_in + fan_out);
    case AUXO_INITIALIZER_HE_UNIFORM:
    case AUXO_INITIALIZER_HE_NORMAL:
        return 2.0 / (double)fan_in;
    default:
        return 1.0 / (double)fan_in;
    }
}

static philox4x32_ctr_t words_at(uint64_t block, uint64_t seed, uint32_t stream)
{
    philox4x32_ctr_t counter = {{(uint32_t)block, (uint32_t)(block >> 32), stream, 0}};
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    return philox4x32(counter, key);
}

/* Box-Muller on two words: element 0 takes the cosine, element 1 the sine. */
static void normal_pair(uint32_t word0, uint32_t word1, double normals[2])
{
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2.0 * log(((double)word0 + 1.0) * 0x1p-32));
    double angle = two_pi * ((double)(word1 >> 8) * 0x1p-24);
    normals[0] = radius * cos(angle);
    normals[1] = radius * sin(angle);
}

void auxo__initialize_weights(auxo_initializer initializer, int64_t fan_in, int64_t fan_out, float scale, uint64_t seed,
                              uint32_t stream, float *weights, uint64_t count)
{
    bool normal = initializer == AUXO_INITIALIZER_GLOROT_NORMAL || initializer == AUXO_INITIALIZER_HE_NORMAL ||
                  initializer == AUXO_INITIALIZER_LECUN_NORMAL;
    double deviation = sqrt(variance(initializer, fan_in > 0 ? fan_in : 1, fan_out));
    double bound = deviation * sqrt(3.0);
    for (uint64_t e = 0; e < count; e += 4) {
        philox4x32_ctr_t words = words_at(e / 4, seed, stream);
        double values[4];
        if (normal) {
            normal_pair(words.v[0], words.v[1], values);
            normal_pair(words.v[2], words.v[3], values + 2);
        }
        for (uint64_t i = 0; i < 4 && e + i < count; i++) {
            double value = normal ? deviation * values[i] : bound * (2.0 * ((double)(words.v[i] >> 8) * 0x1p-24) - 1.0);
            weights[e + i] = (float)(scale * value);
        }
    }
}

void auxo__layer_fans(const auxo_model_desc *desc, uint32_t layer, int64_t *fan_in, int64_t *fan_out)
{
    const auxo_layer *of = &desc->layers[layer];
    int64_t in_channels = desc->layers[of->inputs[0]].output_dims[0];
    int64_t window = of->kind == AUXO_LAYER_CONV2D ? (int64_t)of->kernel_h * of->kernel_w : 1;
    *fan_in = in_channels / of->groups * window;
    *fan_out = (int64_t)of->units / of->groups * window;
}

void auxo__initialize_param(const auxo_model_desc *desc, const auxo_param *param, float weight_scale, uint64_t seed,
                            float *values)
{
    uint64_t count = auxo__param_element_count(param);
    if (param->role == AUXO_PARAM_WEIGHT) {
        int64_t fan_in, fan_out;
        auxo__layer_fans(desc, param->layer, &fan_in, &fan_out);
        auxo__initialize_weights(desc->layers[param->layer].initializer, fan_in, fan_out, weight_scale, seed,
                                 AUXO__STREAM_INITIALIZE + param->layer, values, count);
        return;
    }
    float constant = param->role == AUXO_PARAM_GAMMA || param->role == AUXO_PARAM_RUNNING_VAR ? 1.0f : 0.0f;
    for (uint64_t i = 0; i < count; i++)
        values[i] = constant;
}
