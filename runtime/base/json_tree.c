/* json_tree.c: see json_tree.h.
 */
#include "json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* cJSON writes 15 digits where they are within an epsilon of the number, and so another number than it was given.
 * Numbers that need 17 become raw text while the tree is printed. */
static bool make_exact(cJSON *tree)
{
    char digits[32];
    if (cJSON_IsNumber(tree) && isfinite(tree->valuedouble)) {
        snprintf(digits, sizeof digits, "%1.15g", tree->valuedouble);
        if (strtod(digits, NULL) != tree->valuedouble) {
            snprintf(digits, sizeof digits, "%1.17g", tree->valuedouble);
            for (char *at = digits; *at; at++) /* a locale's decimal sign */
                if (!strchr("0123456789+-e", *at))
                    *at = '.';
            char *text = cJSON_malloc(strlen(digits) + 1);
            if (!text)
                return false;
            strcpy(text, digits);
            tree->valuestring = text;
            tree->type = (tree->type & ~0xff) | cJSON_Raw;
        }
    }
    cJSON *item;
    bool done = true;
    cJSON_ArrayForEach(item, tree) done = done && make_exact(item);
    return done;
}

/* No tree here has raw items of its own. */
static void make_numbers(cJSON *tree)
{
    if (cJSON_IsRaw(tree)) {
        cJSON_free(tree->valuestring);
        tree->valuestring = NULL;
        tree->type = (tree->type & ~0xff) | cJSON_Number;
    }
    cJSON *item;
    cJSON_ArrayForEach(item, tree) make_numbers(item);
}

char *auxo__tree_print_text(cJSON *tree, bool indented)
{
    if (!tree)
        return NULL;
    char *text = !make_exact(tree) ? NULL : indented ? cJSON_Print(tree) : cJSON_PrintUnformatted(tree);
    make_numbers(tree);
    return text;
}

auxo_status auxo__tree_print(cJSON *root, bool indented, char **text, auxo_error *error)
{
    *text = is_complete(root) ? auxo__tree_print_text(root, indented) : NULL;
    cJSON_Delete(root);
    return *text ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing JSON");
}
