/* json_tree.c: see json_tree.h.
 */
#include "json_tree.h"

/* A bit of cJSON.type that cJSON does not use: something is missing in this object or array. */
enum { INCOMPLETE = 1 << 16 };

cJSON *auxo__tree_add(cJSON *parent, const char *key, cJSON *child)
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

void auxo__tree_text(cJSON *object, const char *key, const char *text)
{
    auxo__tree_add(object, key, cJSON_CreateString(text));
}

void auxo__tree_number(cJSON *object, const char *key, double value)
{
    auxo__tree_add(object, key, cJSON_CreateNumber(value));
}

void auxo__tree_texts(cJSON *object, const char *key, char *const *texts, size_t count)
{
    if (texts)
        auxo__tree_add(object, key, cJSON_CreateStringArray((const char *const *)texts, (int)count));
}

void auxo__tree_bool(cJSON *object, const char *key, bool value)
{
    auxo__tree_add(object, key, cJSON_CreateBool(value));
}

static bool is_complete(const cJSON *tree)
{
    const cJSON *item;
    bool complete = tree && !(tree->type & INCOMPLETE);
    cJSON_ArrayForEach(item, tree) complete = complete && is_complete(item);
    return complete;
}

auxo_status auxo__tree_print(cJSON *root, bool indented, char **text, auxo_error *error)
{
    bool complete = is_complete(root);
    *text = !complete ? NULL : indented ? cJSON_Print(root) : cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return *text ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing JSON");
}
