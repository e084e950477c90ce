/* cache_folder.c: where a user's kernels, self-test results and tuning are kept. */
#include "auxo/device.h"

#include <stdio.h>
#include <stdlib.h>

bool auxo_cache_folder(char *path, size_t size)
{
    const char *own = getenv("AUXO_CACHE_DIR"), *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length = -1;
    if (own && *own)
        length = snprintf(path, size, "%s", own);
    else if (cache && *cache)
        length = snprintf(path, size, "%s/auxo/kernels", cache);
    else if (home && *home)
        length = snprintf(path, size, "%s/.cache/auxo/kernels", home);
    return length > 0 && (size_t)length < size;
}
