/* wire.h: values one after the other in memory, as a message carries them; both ends run on machines of one kind.
 */
#ifndef AUXO_STUDY_WIRE_H
#define AUXO_STUDY_WIRE_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise; free(data). */
typedef struct auxo__wire {
    char *data;
    size_t size, capacity;
    size_t at;   /* of the next value that is taken */
    bool failed; /* out of memory while putting; too short while taking */
} auxo__wire;

void auxo__wire_put(auxo__wire *wire, const void *data, size_t size_bytes);
void auxo__wire_put_integer(auxo__wire *wire, int64_t value);
void auxo__wire_put_real(auxo__wire *wire, double value);
void auxo__wire_put_text(auxo__wire *wire, const char *text); /* NULL is allowed */
/* What cannot be taken is 0, NULL. Texts and bytes are borrowed. */
int64_t auxo__wire_integer(auxo__wire *wire);
double auxo__wire_real(auxo__wire *wire);
const char *auxo__wire_text(auxo__wire *wire);
const void *auxo__wire_bytes(auxo__wire *wire, size_t size_bytes);

#endif
