/* runtime/cli/cli_json.c: see cli_json.h.
 */
#include "cli_json.h"

/* A bit of cJSON.type that cJSON does not use: something is missing in this object or array. */
enum { INCOMPLETE = 1 << 16 };

cJSON *cli_json_add(cJSON *parent, const char *key, cJSON *child)
{
    bool added =
        parent && child && (key ? cJSON_AddItemToObject(parent, key, child) : cJSON_AddItemToArray(parent, child));
    if (added)
        return child;
    if (parent)
        parent->type |= INCOMPLETE;
    cJSON_Delete(child);
    return NULL;
}

void cli_json_text(cJSON *object, const char *key, const char *text)
{
    if (object)
        cli_json_add(object, key, cJSON_CreateString(text));
}

void cli_json_number(cJSON *object, const char *key, double value)
{
    if (object)
        cli_json_add(object, key, cJSON_CreateNumber(value));
}

void cli_json_bool(cJSON *object, const char *key, bool value)
{
    if (object)
        cli_json_add(object, key, cJSON_CreateBool(value));
}

void cli_json_null(cJSON *object, const char *key)
{
    if (object)
        cli_json_add(object, key, cJSON_CreateNull());
}

bool cli_json_is_complete(const cJSON *tree)
{
    const cJSON *item;
    bool complete = !(tree->type & INCOMPLETE);
    cJSON_ArrayForEach(item, tree) complete = complete && cli_json_is_complete(item);
    return complete;
}
