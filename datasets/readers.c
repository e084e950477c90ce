/* readers.c: implements readers.h: readers lie where plugins of the library do, unless they are linked in.
 */
#include "readers.h"

#include "library.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct format_names {
    const char *reader; /* libauxo_reader_<reader>.so */
    const char *files, *library, *package, *development;
} format_names;

static const format_names formats[AUXO__FORMAT_COUNT] = {
    [AUXO__FORMAT_PNG] = {"png", "PNG pictures", "libpng", "auxo-reader-images", "libpng-dev"},
    [AUXO__FORMAT_JPEG] = {"jpeg", "JPEG pictures", "libjpeg-turbo", "auxo-reader-images", "libturbojpeg0-dev"},
    [AUXO__FORMAT_WEBP] = {"webp", "WebP pictures", "libwebp", "auxo-reader-images", "libwebp-dev"},
    [AUXO__FORMAT_MATLAB] = {"matlab", "MATLAB files", "matio", "auxo-reader-matlab", "libmatio-dev"},
};

/* The first file of that name in a plugin folder that is one for this library; NULL with the reason of the first that
 * is not, or nothing in `reason` where there is none. */
static const auxo_reader *load(const char *name, char *reason, size_t size)
{
    char folder[AUXO__PATH_BYTES], path[AUXO__PATH_BYTES + 64];
    reason[0] = '\0';
    for (size_t i = 0; auxo__plugin_folder(i, folder, sizeof folder); i++) {
        char why[300] = "";
        const auxo_reader *(*entry)(void) = NULL;
        snprintf(path, sizeof path, "%s/libauxo_reader_%s.so", folder, name);
        if (access(path, F_OK) != 0)
            continue;
        void *symbol = auxo__plugin_symbol(path, "auxo_reader_entry", why, sizeof why);
        memcpy(&entry, &symbol, sizeof entry); /* C knows no cast from an object to a function */
        const auxo_reader *reader = entry ? entry() : NULL;
        if (reader && reader->struct_size == sizeof *reader && reader->version == AUXO_READER_VERSION)
            return reader;
        if (!reason[0])
            snprintf(reason, size, "%s", entry ? "it was built for another version of libauxo: rebuild it" : why);
    }
    return NULL;
}

static const auxo_reader *linked(const auxo_reader *const *list, const char *name)
{
    while (*list && strcmp((*list)->name, name) != 0)
        list++;
    return *list;
}

auxo_status auxo__reader_find(auxo__readers *readers, auxo__format format, const char *path, const auxo_reader **reader,
                              auxo_error *error)
{
    const format_names *names = &formats[format];
    const auxo_reader *const *list = auxo__linked_readers();
    char reason[300] = "";
    if (!readers->found[format])
        readers->found[format] = list ? linked(list, names->reader) : load(names->reader, reason, sizeof reason);
    *reader = readers->found[format];
    if (*reader)
        return AUXO_OK;
    if (list)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "%s: this build has no %s, which reads %s (Debian: %s)", path,
                              names->library, names->files, names->development);
    return auxo_error_set(
        error, AUXO_UNSUPPORTED, "%s: %s are read by libauxo_reader_%s.so, which %s%s (Debian: %s; to build it: %s)",
        path, names->files, names->reader,
        reason[0] ? "cannot be loaded: " : "is neither beside the library nor in a folder of AUXO_BACKEND_PATH", reason,
        names->package, names->development);
}
