/* json.h: JSON written piece by piece into one growing text, without a tree.
 *
 * Running out of memory is remembered and told once, by finish: nothing is ever left out of a text. Numbers have the
 * form that reads back to the same double, whatever the locale; what is not finite becomes null. Reading is cJSON's.
 */
#ifndef AUXO_BASE_JSON_H
#define AUXO_BASE_JSON_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>

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

#endif
