/* vec_tanh.h: tanh by the addition theorem, for instruction sets that can look up 32 floats in registers.
 *
 * With c the nearest multiple of 1/2 and t = |x| - c: tanh |x| = (tanh c + tanh t) / (1 + tanh c tanh t), where tanh c
 * is looked up and tanh t = t (t^2 + a) / (b t^2 + a), a Pade quotient with a and b fitted for least relative error on
 * |t| <= 1/4. Both quotients share one division. Within 3.2 units in the last place, exactly 1 from 9.25 on. Lookups
 * and divisions take their time on the same units of the processor as multiplications do: few of each, and additions
 * for the rest.
 */
#ifndef AUXO_CPU_VEC_TANH_H
#define AUXO_CPU_VEC_TANH_H

#include "vec.h"

#ifdef VEC_HAS_PICK
/* tanh of the multiples of 1/2. */
static const float vec_tanh_table[32] __attribute__((aligned(64))) = {
    0,
    0.462117165f,
    0.761594176f,
    0.905148268f,
    0.964027584f,
    0.986614287f,
    0.995054781f,
    0.998177886f,
    0.999329329f,
    0.999753237f,
    0.999909222f,
    0.999966621f,
    0.999987721f,
    0.999995470f,
    0.999998331f,
    0.999999404f,
    0.999999762f,
    0.999999940f,
    0.999999940f,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
    1,
};

CPU_INLINE vf vf_tanh(vf x)
{
    const float magic = 6291456.0f; /* 1.5 * 2^22: adding it rounds to a multiple of 1/2, numbered by the low bits */
    const float a = 15.037233f;
    const float b = 6.0123954f;
    const vf clamped = vf_min(vf_set1(9.25f), vf_abs(x));
    const vf shifted = clamped + magic;
    const vf t = clamped - (shifted - magic);
    const vf y = vf_pick(vf_load(vec_tanh_table), vf_load(vec_tanh_table + 16), (vi)shifted); /* reads the low 5 bits */
    const vf square = t * t;
    const vf above = t * (square + a);
    const vf below = square * b + a;
    const vf quotient = (y * below + above) / (y * above + below);
    return (vf)((vi)quotient | ((vi)x & (int32_t)0x80000000));
}
#endif

#endif
