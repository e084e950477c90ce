/* json.h: JSON written piece by piece into one growing text, without a tree, and read into one of cJSON's.
 *
 * Running out of memory is remembered and told once, by finish: nothing is ever left out of a text. Numbers have the
 * form that reads back to the same double, whatever the locale; what is not finite becomes null.
 */
#ifndef AUXO_BASE_JSON_H
#define AUXO_BASE_JSON_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Zero-initialise. */
typedef struct auxo__json {
    char *text; /* NULL or a string */
    size_t used, capacity;
    bool failed, needs_comma;
} auxo__json;

void auxo__json_open(auxo__json *json, char bracket);  /* '{' or '[' */
void auxo__json_close(auxo__json *json, char bracket); /* '}' or ']' */
void auxo__json_key(auxo__json *json, const char *key);
void auxo__json_text(auxo__json *json, const char *text); /* NULL: null */
void auxo__json_number(auxo__json *json, double value);
void auxo__json_bool(auxo__json *json, bool value);
void auxo__json_raw(auxo__json *json, const char *value); /* a JSON value as it is; NULL: null */
/* Bytes outside any syntax: line ends, or texts that are no JSON at all. */
void auxo__json_append(auxo__json *json, const char *bytes, size_t size);
/* Errors: OUT_OF_MEMORY, and the text is gone. Ownership: free(json->text). */
auxo_status auxo__json_finish(auxo__json *json, auxo_error *error);
void auxo__json_deinit(auxo__json *json);

/* Reads a text of `size_bytes` bytes. Errors: FORMAT with the line in which it is no JSON; OUT_OF_MEMORY, which cJSON
 * alone does not tell from that. Ownership: cJSON_Delete(*root); NULL on failure. */
struct cJSON;
auxo_status auxo__json_parse(const char *text, size_t size_bytes, struct cJSON **root, auxo_error *error);
/* Whether an item is a whole number from 0 to `most`, which must be below 2^53; *value then is it. */
bool auxo__json_count(const struct cJSON *item, uint64_t most, uint64_t *value);

#endif
