/* tuning.h: the text of tuning files: parsing, and the data built into the library.
 *
 * What an entry means for an op on a device is decided in runtime/plan/tuned.c.
 */
#ifndef AUXO_DEVICE_TUNING_H
#define AUXO_DEVICE_TUNING_H

#include "auxo/tune.h"

/* One file embedded from shaders/tuning/. The array is generated at build time; it ends with a NULL name. */
typedef struct auxo__tuning_text {
    const char *name;
    const unsigned char *text; /* ends with 0 */
} auxo__tuning_text;
extern const auxo__tuning_text auxo__tuning_builtin[];

/* Parses tuning text; `file` names it in messages. Malformed lines are logged and left out.
 * Errors: OUT_OF_MEMORY. */
auxo_status auxo__tuning_parse(const char *file, const char *text, auxo_log_function *log, void *log_user,
                               auxo_tuning *tuning, auxo_error *error);

/* Whether a section's name matches a device's or vendor's, ignoring case; a trailing '*' matches any end. */
bool auxo__tuning_name_matches(const char *pattern, const char *name);

#endif
