/* random.h: counter-based random numbers for generators, splits and shuffles (internal to this folder).
 *
 * Philox 4x32-10 from Random123 (Salmon et al., SC 2011): a stream is (seed, stream, item), so every generated sample
 * has its own stream and is the same whatever else is generated.
 */
#ifndef AUXO_DATASETS_RANDOM_H
#define AUXO_DATASETS_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* In place; no deinit. */
typedef struct auxo__random {
    uint32_t counter[4], key[2], block[4];
    unsigned used; /* words of block already given out; 4 = none left */
} auxo__random;

/* Streams used in this folder, so that no two uses of one seed share numbers. */
enum { AUXO__STREAM_TRAIN = 1, AUXO__STREAM_TEST = 2, AUXO__STREAM_SPLIT = 3, AUXO__STREAM_SHUFFLE = 4 };

void auxo__random_init(auxo__random *random, uint64_t seed, uint32_t stream, uint64_t item);
uint32_t auxo__random_u32(auxo__random *random);
/* Uniform in [0, bound), without bias; bound > 0. */
uint32_t auxo__random_below(auxo__random *random, uint32_t bound);
/* Uniform in [low, high). */
double auxo__random_uniform(auxo__random *random, double low, double high);
/* Standard normal (Box-Muller, one value per call). */
double auxo__random_normal(auxo__random *random);

#endif
