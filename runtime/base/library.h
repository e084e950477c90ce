/* library.h: where libraries lie that are opened at run time.
 */
#ifndef AUXO_BASE_LIBRARY_H
#define AUXO_BASE_LIBRARY_H

#include <stdbool.h>
#include <stddef.h>

enum { AUXO__PATH_BYTES = 4096 };

/* Folder number `index` in which to look for plugins: those of AUXO_BACKEND_PATH, then the folder that this library
 * lies in and auxo/ in it. False beyond the last. */
bool auxo__plugin_folder(size_t index, char *folder, size_t size);
/* Loads a file and finds a symbol in it; NULL with the reason. The code is never unmapped. */
void *auxo__plugin_symbol(const char *path, const char *symbol, char *reason, size_t size);

#endif
