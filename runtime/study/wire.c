/* wire.c: see wire.h.
 */
#include "wire.h"

#include <stdlib.h>
#include <string.h>

void auxo__wire_put(auxo__wire *wire, const void *data, size_t size_bytes)
{
    if (wire->failed)
        return;
    if (wire->capacity - wire->size < size_bytes) {
        const size_t capacity = 2 * wire->capacity + size_bytes + 64;
        char *grown = realloc(wire->data, capacity);
        wire->failed = !grown;
        if (!grown)
            return;
        wire->data = grown;
        wire->capacity = capacity;
    }
    if (size_bytes > 0)
        memcpy(wire->data + wire->size, data, size_bytes);
    wire->size += size_bytes;
}

void auxo__wire_put_integer(auxo__wire *wire, int64_t value)
{
    auxo__wire_put(wire, &value, sizeof value);
}

void auxo__wire_put_real(auxo__wire *wire, double value)
{
    auxo__wire_put(wire, &value, sizeof value);
}

/* Its length with the 0 at its end; 0 for NULL. */
void auxo__wire_put_text(auxo__wire *wire, const char *text)
{
    const size_t size = text ? strlen(text) + 1 : 0;
    auxo__wire_put_integer(wire, (int64_t)size);
    auxo__wire_put(wire, text, size);
}

const void *auxo__wire_bytes(auxo__wire *wire, size_t size_bytes)
{
    if (wire->failed || wire->size - wire->at < size_bytes) {
        wire->failed = true;
        return NULL;
    }
    const char *data = wire->data + wire->at;
    wire->at += size_bytes;
    return data;
}

/* Leaves `value` as it is where the message has ended. */
static void take(auxo__wire *wire, void *value, size_t size_bytes)
{
    const void *data = auxo__wire_bytes(wire, size_bytes);
    if (data)
        memcpy(value, data, size_bytes);
}

int64_t auxo__wire_integer(auxo__wire *wire)
{
    int64_t value = 0;
    take(wire, &value, sizeof value);
    return value;
}

double auxo__wire_real(auxo__wire *wire)
{
    double value = 0;
    take(wire, &value, sizeof value);
    return value;
}

const char *auxo__wire_text(auxo__wire *wire)
{
    const int64_t size = auxo__wire_integer(wire);
    const char *text = size > 0 ? auxo__wire_bytes(wire, (size_t)size) : NULL;
    if (text && text[size - 1] != '\0')
        wire->failed = true;
    return wire->failed ? NULL : text;
}
