/* random.c: Philox streams for generators, and the public auxo_shuffle.
 *
 * Implements random.h on Random123's philox4x32. Bounded integers by Lemire's multiplication with rejection
 * (ACM TOMACS 29, 2019), so that shuffles are unbiased.
 */
#include "random.h"

#include "auxo/data.h"

#include <Random123/philox.h>
#include <math.h>

void auxo__random_init(auxo__random *random, uint64_t seed, uint32_t stream, uint64_t item)
{
    random->key[0] = (uint32_t)seed;
    random->key[1] = (uint32_t)(seed >> 32);
    random->counter[0] = 0;
    random->counter[1] = stream;
    random->counter[2] = (uint32_t)item;
    random->counter[3] = (uint32_t)(item >> 32);
    random->used = 4;
}

uint32_t auxo__random_u32(auxo__random *random)
{
    if (random->used == 4) {
        philox4x32_ctr_t counter = {{random->counter[0], random->counter[1], random->counter[2], random->counter[3]}};
        philox4x32_key_t key = {{random->key[0], random->key[1]}};
        philox4x32_ctr_t block = philox4x32(counter, key);
        for (int i = 0; i < 4; i++)
            random->block[i] = block.v[i];
        random->counter[0]++;
        random->used = 0;
    }
    return random->block[random->used++];
}

uint32_t auxo__random_below(auxo__random *random, uint32_t bound)
{
    uint32_t threshold = (uint32_t)(0u - bound) % bound; /* 2^32 mod bound */
    for (;;) {
        uint64_t product = (uint64_t)auxo__random_u32(random) * bound;
        if ((uint32_t)product >= threshold)
            return (uint32_t)(product >> 32);
    }
}

double auxo__random_uniform(auxo__random *random, double low, double high)
{
    uint32_t high_bits = auxo__random_u32(random) >> 6; /* 26 bits */
    uint32_t low_bits = auxo__random_u32(random) >> 5;  /* 27 bits */
    double unit = (high_bits * 134217728.0 + low_bits) * 0x1p-53;
    return low + (high - low) * unit;
}

double auxo__random_normal(auxo__random *random)
{
    double radius = 1.0 - auxo__random_uniform(random, 0.0, 1.0); /* (0, 1]: the logarithm stays finite */
    double angle = auxo__random_uniform(random, 0.0, 1.0);
    return sqrt(-2.0 * log(radius)) * cos(6.283185307179586 * angle);
}

void auxo_shuffle(uint32_t *order, size_t count, uint64_t seed, uint32_t stream)
{
    auxo__random random;
    auxo__random_init(&random, seed, AUXO__STREAM_SHUFFLE, stream);
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count; i > 1; i--) {
        uint32_t other = auxo__random_below(&random, (uint32_t)i);
        uint32_t kept = order[i - 1];
        order[i - 1] = order[other];
        order[other] = kept;
    }
}
