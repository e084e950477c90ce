/* source.c: the search path for data files.
 *
 * Implements source.h. Looks for folders and files only; reading is bytes.c.
 */
#include "source.h"

#include "bytes.h"
#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_set(const char *text)
{
    return text && text[0] != '\0';
}

/* The roots to search, in order; returns how many. `cache` is storage for the last. */
static size_t search_roots(const auxo_data_options *options, const char *roots[2], char *cache, size_t cache_size)
{
    size_t count = 0;
    if (options && is_set(options->data_dir)) {
        roots[count++] = options->data_dir;
        return count;
    }
    const char *from_environment = getenv("AUXO_DATA_DIR");
    if (is_set(from_environment))
        roots[count++] = from_environment;
    const char *home = getenv("HOME");
    if (is_set(home)) {
        int length = snprintf(cache, cache_size, "%s/.cache/auxo", home);
        if (length > 0 && (size_t)length < cache_size)
            roots[count++] = cache;
    }
    return count;
}

auxo_status auxo__source_folder(const auxo_data_options *options, const char *folder, char *path, size_t path_size,
                                auxo_error *error)
{
    char cache[AUXO__PATH_SIZE], searched[320] = "";
    const char *roots[2];
    size_t root_count = search_roots(options, roots, cache, sizeof cache);
    for (size_t i = 0; i < root_count; i++) {
        int length = snprintf(path, path_size, "%s/%s", roots[i], folder);
        if (length > 0 && (size_t)length < path_size && auxo__is_folder(path))
            return AUXO_OK;
        size_t used = strlen(searched);
        snprintf(searched + used, sizeof searched - used, "%s%s", used ? ", " : "", roots[i]);
    }
    return auxo_error_set(error, AUXO_NOT_FOUND,
                          "no folder '%s' in: %s; set --data-dir or AUXO_DATA_DIR, or get it with datasets/fetch.sh",
                          folder, root_count ? searched : "(neither AUXO_DATA_DIR nor HOME is set)");
}

auxo_status auxo__source_file(const char *folder_path, const char *name, char *path, size_t path_size,
                              auxo_error *error)
{
    static const char *const suffixes[] = {"", ".gz", ".xz"};
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        int length = snprintf(path, path_size, "%s/%s%s", folder_path, name, suffixes[i]);
        if (length > 0 && (size_t)length < path_size && auxo__is_regular_file(path))
            return AUXO_OK;
    }
    return auxo_error_set(error, AUXO_NOT_FOUND, "%s: no file '%s' (nor .gz, .xz)", folder_path, name);
}

auxo_status auxo__source_read(const auxo_data_options *options, const char *folder, const char *name, char *path,
                              size_t path_size, size_t limit, uint8_t **bytes, size_t *size, auxo_error *error)
{
    char folder_path[AUXO__PATH_SIZE];
    auxo_status status = auxo__source_folder(options, folder, folder_path, sizeof folder_path, error);
    if (status == AUXO_OK)
        status = auxo__source_file(folder_path, name, path, path_size, error);
    if (status == AUXO_OK)
        status = auxo__bytes_read_limited(path, limit, bytes, size, error);
    return status;
}
