/* library.c: see library.h. Drivers leave threads and exit handlers in what was loaded: it stays.
 */
#include "library.h"
#include "text.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The folder that this library lies in. */
static bool own_folder(char *folder, size_t size)
{
    static const char here = 0;
    Dl_info info;
    if (!dladdr(&here, &info) || !info.dli_fname)
        return false;
    char *real = realpath(info.dli_fname, NULL);
    auxo__field_copy(folder, size, real ? real : info.dli_fname);
    free(real);
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

bool auxo__plugin_folder(size_t index, char *folder, size_t size)
{
    static const char inner[] = "/auxo";
    char paths[AUXO__PATH_BYTES];
    const char *asked = secure_getenv("AUXO_BACKEND_PATH");
    auxo__field_copy(paths, sizeof paths, asked ? asked : "");
    for (char *rest = paths, *one; (one = strtok_r(rest, ":", &rest)) != NULL; index--)
        if (index == 0) {
            auxo__field_copy(folder, size, one);
            return true;
        }
    if (index > 1 || size < sizeof inner || !own_folder(folder, size - sizeof inner))
        return false;
    if (index == 1)
        auxo__text_append(folder, size, "%s", inner);
    return true;
}

void *auxo__plugin_symbol(const char *path, const char *symbol, char *reason, size_t size)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!library) {
        const char *why = dlerror();
        snprintf(reason, size, "%s", why ? why : "cannot be loaded");
        return NULL;
    }
    void *found = dlsym(library, symbol);
    if (!found)
        snprintf(reason, size, "%.150s exports no %s", path, symbol);
    return found;
}
