/* word.h: eight bytes of text at once. */
#ifndef AUXO_WORD_H
#define AUXO_WORD_H

#include <stdint.h>

/* In the lowest byte of `word` that is `c`, and in none below it, the highest bit is set; above it others may be. */
static inline uint64_t auxo__word_mark(uint64_t word, char c)
{
    static const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t apart = word ^ ones * (unsigned char)c;
    return (apart - ones) & ~apart & ones << 7;
}

#endif
