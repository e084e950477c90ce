/* ref_random.c: dropout, random fill and augmentation from Philox4x32-10 (Salmon et al. 2011), by Random123. */
#include "ref.h"

#include <Random123/philox.h>
#include <math.h>

void ref_philox(uint64_t seed, uint32_t stream, uint32_t step, uint64_t quad, uint32_t words[4])
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)quad, (uint32_t)(quad >> 32), stream, step}};
    philox4x32_ctr_t result = philox4x32(counter, key);
    for (size_t i = 0; i < 4; ++i)
        words[i] = result.v[i];
}

static float uniform(uint32_t word)
{
    return (float)(word >> 8) * 0x1p-24f;
}

auxo_status ref_dropout(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_dropout_params *params = &op->params.dropout;
    const float *x = cpu_f32(op, AUXO_DROPOUT_X);
    float *y = cpu_f32(op, AUXO_DROPOUT_Y);
    uint32_t step = ref_counter(op, AUXO_DROPOUT_COUNTER, 0);
    uint32_t words[4];
    for (int64_t e = 0; e < cpu_count(op, AUXO_DROPOUT_Y); ++e) {
        ref_philox(params->seed, params->stream, step, (uint64_t)e / 4, words);
        y[e] = uniform(words[e % 4]) < params->rate ? 0 : (float)((double)x[e] / (1 - (double)params->rate));
    }
    return AUXO_OK;
}

/* Box-Muller: element 2k takes the cosine, 2k + 1 the sine of the same pair of words. */
static double normal(const uint32_t words[4], int64_t e)
{
    const uint32_t *pair = words + (e % 4 < 2 ? 0 : 2);
    const double two_pi = 6.283185307179586477;
    float u1 = (float)(((double)pair[0] + 1) * 0x1p-32);
    double radius = sqrt(-2 * log((double)u1));
    double angle = two_pi * (double)uniform(pair[1]);
    return radius * (e % 2 ? sin(angle) : cos(angle));
}

auxo_status ref_random_fill(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_random_fill_params *params = &op->params.random_fill;
    float *y = cpu_f32(op, AUXO_RANDOM_FILL_Y);
    uint32_t step = ref_counter(op, AUXO_RANDOM_FILL_COUNTER, 0);
    double a = (double)params->a;
    double b = (double)params->b;
    uint32_t words[4];
    for (int64_t e = 0; e < cpu_count(op, AUXO_RANDOM_FILL_Y); ++e) {
        ref_philox(params->seed, params->stream, step, (uint64_t)e / 4, words);
        float u = uniform(words[e % 4]);
        if (params->kind == AUXO_RANDOM_BITS)
            cpu_u32(op, AUXO_RANDOM_FILL_Y)[e] = words[e % 4];
        else if (params->kind == AUXO_RANDOM_NORMAL)
            y[e] = (float)(a + b * normal(words, e));
        else if (params->kind == AUXO_RANDOM_BERNOULLI)
            y[e] = u < params->a ? 1 : 0;
        else
            y[e] = (float)(a + (b - a) * (double)u);
    }
    return AUXO_OK;
}

static int64_t shift_of(uint32_t word, int32_t max_shift)
{
    return (int64_t)((uint64_t)word * (2 * (uint64_t)max_shift + 1) >> 32) - max_shift;
}

auxo_status ref_augment(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_augment_params *params = &op->params.augment;
    const int64_t *dims = op->tensors[AUXO_AUGMENT_X].dims;
    const float *x = cpu_f32(op, AUXO_AUGMENT_X);
    float *y = cpu_f32(op, AUXO_AUGMENT_Y);
    uint32_t step = ref_counter(op, AUXO_AUGMENT_COUNTER, 0);
    int64_t h = dims[2];
    int64_t w = dims[3];
    for (int64_t n = 0; n < dims[0]; ++n) {
        uint32_t words[4];
        ref_philox(params->seed, params->stream, step, (uint64_t)n, words);
        int64_t dy = shift_of(words[0], params->max_shift_h);
        int64_t dx = shift_of(words[1], params->max_shift_w);
        bool flip = params->flip && words[2] >> 31;
        for (int64_t plane = n * dims[1]; plane < (n + 1) * dims[1]; ++plane)
            for (int64_t row = 0; row < h; ++row)
                for (int64_t column = 0; column < w; ++column) {
                    int64_t from_row = row - dy;
                    int64_t from_column = (flip ? w - 1 - column : column) - dx;
                    bool inside = from_row >= 0 && from_row < h && from_column >= 0 && from_column < w;
                    y[(plane * h + row) * w + column] = inside ? x[(plane * h + from_row) * w + from_column] : 0;
                }
    }
    return AUXO_OK;
}
