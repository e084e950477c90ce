/* json_tree.h: cJSON trees that remember when memory ran out while they were built; the program's events are such, too.
 *
 * cJSON leaves out what it has no memory for. Here the object or array then carries a mark, and printing the tree
 * fails: nothing is ever left out of a text.
 */
#ifndef AUXO_BASE_JSON_TREE_H
#define AUXO_BASE_JSON_TREE_H

#include "auxo/status.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

enum { AUXO__JSON_DIGITS_BYTES = 40 };
/* A finite number as JSON: as few digits as read back as it, at most 17, with a point under every locale. */
void auxo__json_digits(double value, char digits[AUXO__JSON_DIGITS_BYTES]);

/* Puts `child` under a key of an object (key NULL: at the end of an array) and returns it. The parent owns it. NULL,
 * and the child is gone, if any of them is NULL or memory is out. */
cJSON *auxo__tree_add(cJSON *parent, const char *key, cJSON *child);
/* These do nothing where `object` is NULL. */
void auxo__tree_text(cJSON *object, const char *key, const char *text);
void auxo__tree_number(cJSON *object, const char *key, double value); /* what is not finite becomes null */
void auxo__tree_texts(cJSON *object, const char *key, char *const *texts,
                      size_t count); /* NULL: nothing is put there */
void auxo__tree_bool(cJSON *object, const char *key, bool value);
void auxo__tree_null(cJSON *object, const char *key);
/* Whether nothing was left out of it. */
bool auxo__tree_is_complete(const cJSON *tree);
/* The tree as text that reads back as exactly its numbers; NULL: out of memory, or no tree. Ownership: free() the text.
 */
char *auxo__tree_print_text(cJSON *tree, bool indented);
/* Prints the tree and frees it. Errors: OUT_OF_MEMORY, also if it ran out while the tree was built. Ownership:
 * free(*text). */
auxo_status auxo__tree_print(cJSON *root, bool indented, char **text, auxo_error *error);

#endif
