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
    if (object)
        auxo__tree_add(object, key, cJSON_CreateString(text));
}

void auxo__tree_number(cJSON *object, const char *key, double value)
{
    if (object)
        auxo__tree_add(object, key, cJSON_CreateNumber(value));
}

void auxo__tree_texts(cJSON *object, const char *key, char *const *texts, size_t count)
{
    if (texts)
        auxo__tree_add(object, key, cJSON_CreateStringArray((const char *const *)texts, (int)count));
}

void auxo__tree_bool(cJSON *object, const char *key, bool value)
{
    if (object)
        auxo__tree_add(object, key, cJSON_CreateBool(value));
}

void auxo__tree_null(cJSON *object, const char *key)
{
    if (object)
        auxo__tree_add(object, key, cJSON_CreateNull());
}

bool auxo__tree_is_complete(const cJSON *tree)
{
    const cJSON *item;
    bool complete = tree && !(tree->type & INCOMPLETE);
    cJSON_ArrayForEach(item, tree) complete = complete && auxo__tree_is_complete(item);
    return complete;
}

void auxo__json_digits(double value, char digits[AUXO__JSON_DIGITS_BYTES])
{
    if (value == floor(value) && fabs(value) < 2147483648.0) {
        snprintf(digits, AUXO__JSON_DIGITS_BYTES, "%d", (int)value);
        return;
    }
    snprintf(digits, AUXO__JSON_DIGITS_BYTES, "%1.15g", value);
    if (strtod(digits, NULL) != value)
        snprintf(digits, AUXO__JSON_DIGITS_BYTES, "%1.17g", value);
    for (char *at = digits; *at; at++) /* a locale's decimal sign */
        if (!strchr("0123456789+-e", *at))
            *at = '.';
}

/* cJSON writes 15 digits where they are within an epsilon of the number, and so another number than it was given.
 * Numbers become raw text while the tree is printed. */
static bool make_exact(cJSON *tree)
{
    if (cJSON_IsNumber(tree) && isfinite(tree->valuedouble)) {
        tree->valuestring = cJSON_malloc(AUXO__JSON_DIGITS_BYTES);
        if (!tree->valuestring)
            return false;
        auxo__json_digits(tree->valuedouble, tree->valuestring);
        tree->type = (tree->type & ~0xff) | cJSON_Raw;
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
    *text = auxo__tree_is_complete(root) ? auxo__tree_print_text(root, indented) : NULL;
    cJSON_Delete(root);
    return *text ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing JSON");
}
