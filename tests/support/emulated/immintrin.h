/* immintrin.h: the intrinsics of AVX-512, AVX512-BF16 and AMX that the cpu backend uses, as loops.
 *
 * So its kernels for these processors can be run, slowly, on an x86 that has none of them (AUXO_EMULATE_AVX512;
 * tests/emulated.sh). Found before the compiler's own header, which is read too: its types are used and its names are
 * replaced. Each does what Intel's description says of the same name without the prefix, but that flags of rounding are
 * taken to be "to nearest" and that bf16 products are added one after the other.
 */
#ifndef AUXO_TEST_EMULATED_IMMINTRIN_H
#define AUXO_TEST_EMULATED_IMMINTRIN_H

#include_next <immintrin.h>

#include <math.h>
#include <stdint.h>
#include <string.h>

#define __AVX512F__ 1
#define EMULATED static inline __attribute__((always_inline, unused))

/* What the lanes are, from the vector and back. */
#define EMULATED_LANES(name, element, vector, count)                                                                   \
    typedef struct emulated_##name {                                                                                   \
        element at[count];                                                                                             \
    } emulated_##name;                                                                                                 \
    EMULATED emulated_##name from_##name(vector v)                                                                     \
    {                                                                                                                  \
        emulated_##name lanes;                                                                                         \
        memcpy(&lanes, &v, sizeof lanes);                                                                              \
        return lanes;                                                                                                  \
    }                                                                                                                  \
    EMULATED vector to_##name(emulated_##name lanes)                                                                   \
    {                                                                                                                  \
        vector v;                                                                                                      \
        memcpy(&v, &lanes, sizeof v);                                                                                  \
        return v;                                                                                                      \
    }
EMULATED_LANES(floats, float, __m512, 16)
EMULATED_LANES(doubles, double, __m512d, 8)
EMULATED_LANES(words, uint32_t, __m512i, 16)
EMULATED_LANES(shorts, uint16_t, __m512i, 32)
EMULATED_LANES(half_floats, float, __m256, 8)
EMULATED_LANES(half_shorts, uint16_t, __m256i, 16)

/* ---- memory ------------------------------------------------------------------------------------------------------ */

EMULATED __m512i emulated_load(const void *p)
{
    __m512i v;
    memcpy(&v, p, sizeof v);
    return v;
}

EMULATED void emulated_store(void *p, __m512i v)
{
    memcpy(p, &v, sizeof v);
}

/* Lanes whose bit of the mask is set; the others are 0, and their memory is not touched. */
#define EMULATED_MASKED(kind, vector, count)                                                                           \
    EMULATED vector emulated_load_##kind(uint32_t mask, const void *p)                                                 \
    {                                                                                                                  \
        emulated_##kind lanes = {{0}};                                                                                 \
        for (int i = 0; i < (count); i++)                                                                              \
            if (mask >> i & 1)                                                                                         \
                memcpy(&lanes.at[i], (const char *)p + i * (int)sizeof lanes.at[i], sizeof lanes.at[i]);               \
        return to_##kind(lanes);                                                                                       \
    }                                                                                                                  \
    EMULATED void emulated_store_##kind(void *p, uint32_t mask, vector v)                                              \
    {                                                                                                                  \
        const emulated_##kind lanes = from_##kind(v);                                                                  \
        for (int i = 0; i < (count); i++)                                                                              \
            if (mask >> i & 1)                                                                                         \
                memcpy((char *)p + i * (int)sizeof lanes.at[i], &lanes.at[i], sizeof lanes.at[i]);                     \
    }
EMULATED_MASKED(words, __m512i, 16)
EMULATED_MASKED(shorts, __m512i, 32)
EMULATED_MASKED(half_shorts, __m256i, 16)

EMULATED __m512 emulated_gather(__m512i places, const void *p)
{
    const emulated_words at = from_words(places);
    emulated_floats lanes;
    for (int i = 0; i < 16; i++)
        memcpy(&lanes.at[i], (const char *)p + 4 * (int64_t)(int32_t)at.at[i], 4);
    return to_floats(lanes);
}

/* ---- lanes ------------------------------------------------------------------------------------------------------- */

#define EMULATED_EACH(name, kind, vector, count, result)                                                               \
    EMULATED vector name(vector a, vector b)                                                                           \
    {                                                                                                                  \
        const emulated_##kind x = from_##kind(a), y = from_##kind(b);                                                  \
        emulated_##kind r;                                                                                             \
        for (int i = 0; i < (count); i++)                                                                              \
            r.at[i] = (result);                                                                                        \
        return to_##kind(r);                                                                                           \
    }
EMULATED_EACH(emulated_min, floats, __m512, 16, x.at[i] < y.at[i] ? x.at[i] : y.at[i])
EMULATED_EACH(emulated_max, floats, __m512, 16, x.at[i] > y.at[i] ? x.at[i] : y.at[i])
EMULATED_EACH(emulated_and, words, __m512i, 16, x.at[i] & y.at[i])
EMULATED_EACH(emulated_or, words, __m512i, 16, x.at[i] | y.at[i])
EMULATED_EACH(emulated_multiply_shorts, shorts, __m512i, 32, (uint16_t)((uint32_t)x.at[i] * y.at[i]))

EMULATED __m512 emulated_sqrt(__m512 a)
{
    emulated_floats x = from_floats(a);
    for (int i = 0; i < 16; i++)
        x.at[i] = sqrtf(x.at[i]);
    return to_floats(x);
}

EMULATED __m512i emulated_shift_left(__m512i a, int count)
{
    emulated_words x = from_words(a);
    for (int i = 0; i < 16; i++)
        x.at[i] <<= count;
    return to_words(x);
}

EMULATED __m512i emulated_shift_shorts_right(__m512i a, int count)
{
    emulated_shorts x = from_shorts(a);
    for (int i = 0; i < 32; i++)
        x.at[i] = (uint16_t)(x.at[i] >> count);
    return to_shorts(x);
}

EMULATED __m512i emulated_set_words(int value)
{
    emulated_words x;
    for (int i = 0; i < 16; i++)
        x.at[i] = (uint32_t)value;
    return to_words(x);
}

EMULATED __m512i emulated_set_shorts(short value)
{
    emulated_shorts x;
    for (int i = 0; i < 32; i++)
        x.at[i] = (uint16_t)value;
    return to_shorts(x);
}

EMULATED uint16_t emulated_equal_words(__m512i a, __m512i b)
{
    const emulated_words x = from_words(a), y = from_words(b);
    unsigned mask = 0;
    for (int i = 0; i < 16; i++)
        mask |= (unsigned)(x.at[i] == y.at[i]) << i;
    return (uint16_t)mask;
}

EMULATED uint32_t emulated_equal_shorts(__m512i a, __m512i b)
{
    const emulated_shorts x = from_shorts(a), y = from_shorts(b);
    uint32_t mask = 0;
    for (int i = 0; i < 32; i++)
        mask |= (uint32_t)(x.at[i] == y.at[i]) << i;
    return mask;
}

EMULATED __m512 emulated_pick_of_two(__m512 a, __m512i places, __m512 b)
{
    const emulated_floats x = from_floats(a), y = from_floats(b);
    const emulated_words at = from_words(places);
    emulated_floats r;
    for (int i = 0; i < 16; i++)
        r.at[i] = at.at[i] & 16 ? y.at[at.at[i] & 15] : x.at[at.at[i] & 15];
    return to_floats(r);
}

EMULATED __m512 emulated_pick_some(__m512 rest, unsigned mask, __m512i places, __m512 a)
{
    const emulated_floats x = from_floats(a);
    const emulated_words at = from_words(places);
    emulated_floats r = from_floats(rest);
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1)
            r.at[i] = x.at[at.at[i] & 15];
    return to_floats(r);
}

EMULATED __m512i emulated_pick_some_shorts(__m512i rest, uint32_t mask, __m512i places, __m512i a)
{
    const emulated_shorts x = from_shorts(a), at = from_shorts(places);
    emulated_shorts r = from_shorts(rest);
    for (int i = 0; i < 32; i++)
        if (mask >> i & 1)
            r.at[i] = x.at[at.at[i] & 31];
    return to_shorts(r);
}

/* ---- halves and formats ------------------------------------------------------------------------------------------ */

EMULATED __m512 emulated_put_half(__m512 a, __m256 half, int which)
{
    emulated_floats x = from_floats(a);
    memcpy(x.at + 8 * which, &half, sizeof half);
    return to_floats(x);
}

EMULATED __m256 emulated_take_half(__m512 a, int which)
{
    const emulated_floats x = from_floats(a);
    __m256 half;
    memcpy(&half, x.at + 8 * which, sizeof half);
    return half;
}

EMULATED __m256 emulated_to_floats(__m512d a)
{
    const emulated_doubles x = from_doubles(a);
    emulated_half_floats r;
    for (int i = 0; i < 8; i++)
        r.at[i] = (float)x.at[i];
    return to_half_floats(r);
}

EMULATED __m512d emulated_to_doubles(__m256 a)
{
    const emulated_half_floats x = from_half_floats(a);
    emulated_doubles r;
    for (int i = 0; i < 8; i++)
        r.at[i] = (double)x.at[i];
    return to_doubles(r);
}

EMULATED __m512i emulated_widen_shorts(__m256i a)
{
    const emulated_half_shorts x = from_half_shorts(a);
    emulated_words r;
    for (int i = 0; i < 16; i++)
        r.at[i] = x.at[i];
    return to_words(r);
}

EMULATED __m512 emulated_from_half(__m256i a)
{
    __m128i parts[2];
    memcpy(parts, &a, sizeof parts);
    const __m256 low = _mm256_cvtph_ps(parts[0]), high = _mm256_cvtph_ps(parts[1]);
    return emulated_put_half(emulated_put_half((__m512)emulated_set_words(0), low, 0), high, 1);
}

EMULATED __m256i emulated_to_half(__m512 a)
{
    const __m128i parts[2] = {_mm256_cvtps_ph(emulated_take_half(a, 0), 0),
                              _mm256_cvtps_ph(emulated_take_half(a, 1), 0)};
    __m256i r;
    memcpy(&r, parts, sizeof r);
    return r;
}

/* Subnormal numbers are 0. */
EMULATED uint16_t emulated_bf16(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7f800000u) == 0)
        return (uint16_t)(bits >> 16 & 0x8000u);
    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

EMULATED float emulated_of_bf16(uint32_t bits)
{
    float value;
    bits = (bits & 0x7f80u) == 0 ? (bits & 0x8000u) << 16 : bits << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

EMULATED __m256i emulated_to_bf16(__m512 a)
{
    const emulated_floats x = from_floats(a);
    emulated_half_shorts r;
    for (int i = 0; i < 16; i++)
        r.at[i] = emulated_bf16(x.at[i]);
    return to_half_shorts(r);
}

EMULATED float emulated_pair(float sum, uint32_t a, uint32_t b)
{
    sum += emulated_of_bf16(a >> 16) * emulated_of_bf16(b >> 16);
    return sum + emulated_of_bf16(a & 0xffffu) * emulated_of_bf16(b & 0xffffu);
}

EMULATED __m512 emulated_add_pairs(__m512 sums, __m512i a, __m512i b)
{
    const emulated_words x = from_words(a), y = from_words(b);
    emulated_floats r = from_floats(sums);
    for (int i = 0; i < 16; i++)
        r.at[i] = emulated_pair(r.at[i], x.at[i], y.at[i]);
    return to_floats(r);
}

/* ---- tiles of 16 rows of 64 bytes: no other shape is used ---------------------------------------------------------
 */

#if defined(AUXO_EMULATE_AMX)
#define __AMX_BF16__ 1
static __thread uint32_t emulated_tiles[8][16][16];

EMULATED void emulated_load_tile(int tile, const void *p, int64_t stride_bytes)
{
    for (int row = 0; row < 16; row++)
        memcpy(emulated_tiles[tile][row], (const char *)p + row * stride_bytes, 64);
}

EMULATED void emulated_store_tile(int tile, void *p, int64_t stride_bytes)
{
    for (int row = 0; row < 16; row++)
        memcpy((char *)p + row * stride_bytes, emulated_tiles[tile][row], 64);
}

static inline __attribute__((noinline, unused)) void emulated_multiply_tiles(int sums, int a, int b)
{
    for (int row = 0; row < 16; row++)
        for (int pair = 0; pair < 16; pair++)
            for (int column = 0; column < 16; column++) {
                float sum;
                memcpy(&sum, &emulated_tiles[sums][row][column], sizeof sum);
                sum = emulated_pair(sum, emulated_tiles[a][row][pair], emulated_tiles[b][pair][column]);
                memcpy(&emulated_tiles[sums][row][column], &sum, sizeof sum);
            }
}

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbf16ps
#define _tile_loadconfig(shape) ((void)(shape))
#define _tile_release() memset(emulated_tiles, 0xff, sizeof emulated_tiles)
#define _tile_zero(tile) memset(emulated_tiles[tile], 0, sizeof emulated_tiles[tile])
#define _tile_loadd emulated_load_tile
#define _tile_stored emulated_store_tile
#define _tile_dpbf16ps emulated_multiply_tiles
#endif

/* ---- names ------------------------------------------------------------------------------------------------------- */

#undef _mm512_cvtps_ph
#undef _mm512_insertf32x8
#undef _mm512_extractf32x8_ps
#undef _mm512_i32gather_ps
#undef _mm512_slli_epi32
#undef _mm512_srli_epi16
#define _mm512_loadu_si512 emulated_load
#define _mm512_storeu_si512 emulated_store
#define _mm512_loadu_ps(p) ((__m512)emulated_load(p))
#define _mm512_storeu_ps(p, v) emulated_store(p, (__m512i)(v))
#define _mm512_stream_ps(p, v) emulated_store(p, (__m512i)(v))
#define _mm512_maskz_loadu_ps(mask, p) ((__m512)emulated_load_words(mask, p))
#define _mm512_mask_storeu_ps(p, mask, v) emulated_store_words(p, mask, (__m512i)(v))
#define _mm512_mask_storeu_epi32 emulated_store_words
#define _mm512_maskz_loadu_epi16 emulated_load_shorts
#define _mm512_mask_storeu_epi16 emulated_store_shorts
#define _mm256_maskz_loadu_epi16 emulated_load_half_shorts
#define _mm256_mask_storeu_epi16 emulated_store_half_shorts
#define _mm512_i32gather_ps(places, p, scale) emulated_gather(places, p)
#define _mm512_min_ps emulated_min
#define _mm512_max_ps emulated_max
#define _mm512_and_si512 emulated_and
#define _mm512_or_si512 emulated_or
#define _mm512_mullo_epi16 emulated_multiply_shorts
#define _mm512_sqrt_ps emulated_sqrt
#define _mm512_slli_epi32 emulated_shift_left
#define _mm512_srli_epi16 emulated_shift_shorts_right
#define _mm512_set1_epi32 emulated_set_words
#define _mm512_set1_epi16 emulated_set_shorts
#define _mm512_setzero_si512() emulated_set_words(0)
#define _mm512_setzero_ps() ((__m512)emulated_set_words(0))
#define _mm512_cmpeq_epi32_mask emulated_equal_words
#define _mm512_cmpeq_epi16_mask emulated_equal_shorts
#define _mm512_permutex2var_ps emulated_pick_of_two
#define _mm512_permutexvar_ps(places, a) emulated_pick_some(a, 0xffff, places, a)
#define _mm512_mask_permutexvar_ps emulated_pick_some
#define _mm512_mask_permutexvar_epi16 emulated_pick_some_shorts
#define _mm512_castps256_ps512(half) emulated_put_half((__m512)emulated_set_words(0), half, 0)
#define _mm512_castps512_ps256(a) emulated_take_half(a, 0)
#define _mm512_insertf32x8 emulated_put_half
#define _mm512_extractf32x8_ps emulated_take_half
#define _mm512_cvtpd_ps emulated_to_floats
#define _mm512_cvtps_pd emulated_to_doubles
#define _mm512_cvtepu16_epi32 emulated_widen_shorts
#define _mm512_cvtph_ps emulated_from_half
#define _mm512_cvtps_ph(a, rounding) emulated_to_half(a)
#define _mm512_cvtneps_pbh emulated_to_bf16
#define _mm512_dpbf16_ps(sums, a, b) emulated_add_pairs(sums, (__m512i)(a), (__m512i)(b))

#endif
