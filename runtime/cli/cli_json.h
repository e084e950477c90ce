/* runtime/cli/cli_json.h: filling the objects that cli_event makes.
 *
 * What there is no memory for marks the event, and cli_emit then prints none of it: no field is ever left out. All take
 * NULL (no --json) and then do nothing.
 */
#ifndef CLI_JSON_H
#define CLI_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>

/* Puts `child` under a key of an object (key NULL: at the end of an array) and returns it; the parent owns it. NULL,
 * and the child is gone, if any of them is NULL or memory is out. */
cJSON *cli_json_add(cJSON *parent, const char *key, cJSON *child);
void cli_json_text(cJSON *object, const char *key, const char *text);
void cli_json_number(cJSON *object, const char *key, double value); /* what is not finite becomes null */
void cli_json_bool(cJSON *object, const char *key, bool value);
void cli_json_null(cJSON *object, const char *key);
/* Whether nothing was left out of it. */
bool cli_json_is_complete(const cJSON *tree);

#endif
