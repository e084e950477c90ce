/* file.c: the file helpers of file.h. POSIX; a write is durable when the function returns OK.
 */
#include "file.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

auxo_status auxo__file_read(const char *path, char **data, size_t *size_bytes, auxo_error *error)
{
    *data = NULL;
    *size_bytes = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, errno == ENOENT ? AUXO_NOT_FOUND : AUXO_IO, "cannot open '%s': %s", path,
                              strerror(errno));
    char *content = NULL;
    size_t used = 0;
    size_t capacity = 0;
    for (;;) {
        if (used + 1 >= capacity) {
            capacity = capacity ? 2 * capacity : 16384;
            char *grown = realloc(content, capacity);
            if (!grown) {
                free(content);
                fclose(file);
                return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading '%s'", path);
            }
            content = grown;
        }
        size_t got = fread(content + used, 1, capacity - used - 1, file);
        used += got;
        if (got == 0)
            break;
    }
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed) {
        free(content);
        return auxo_error_set(error, AUXO_IO, "cannot read '%s': %s", path, strerror(failed));
    }
    content[used] = '\0';
    *data = content;
    *size_bytes = used;
    return AUXO_OK;
}

/* Writes all bytes and syncs; returns errno. */
static int write_all(int descriptor, const char *data, size_t size_bytes)
{
    while (size_bytes > 0) {
        ssize_t written = write(descriptor, data, size_bytes);
        if (written < 0) {
            if (errno == EINTR)
                continue;
            return errno;
        }
        data += written;
        size_bytes -= (size_t)written;
    }
    return fsync(descriptor) == 0 ? 0 : errno;
}

/* Makes the rename itself durable; a file system that cannot sync folders is no failure. */
static void sync_folder_of(const char *path)
{
    char *folder = auxo__text_duplicate(path);
    if (!folder)
        return;
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0) {
        (void)fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

auxo_status auxo__file_write_atomic(const char *path, const void *data, size_t size_bytes, auxo_error *error)
{
    size_t capacity = strlen(path) + 64;
    char *temporary = malloc(capacity);
    if (!temporary)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing '%s'", path);
    /* Process and stack address tell all writers that live at the same time apart. */
    snprintf(temporary, capacity, "%s.%ld.%p", path, (long)getpid(), (void *)&capacity);
    int descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    int failed = descriptor < 0 ? errno : write_all(descriptor, data, size_bytes);
    if (descriptor >= 0) {
        if (close(descriptor) != 0 && !failed)
            failed = errno;
        if (!failed && rename(temporary, path) != 0)
            failed = errno;
        if (failed)
            unlink(temporary);
    }
    free(temporary);
    if (failed)
        return auxo_error_set(error, AUXO_IO, "cannot write '%s': %s", path, strerror(failed));
    sync_folder_of(path);
    return AUXO_OK;
}

auxo_status auxo__make_folder(const char *path, auxo_error *error)
{
    char *copy = auxo__text_duplicate(path);
    if (!copy)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory naming the folder '%s'", path);
    int failed = 0;
    for (char *end = copy + 1; *copy && !failed; end++) {
        if (*end != '/' && *end != '\0')
            continue;
        char kept = *end;
        *end = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            failed = errno;
        *end = kept;
        if (kept == '\0')
            break;
    }
    struct stat found;
    if (!failed && stat(copy, &found) == 0 && !S_ISDIR(found.st_mode))
        failed = ENOTDIR;
    free(copy);
    if (failed)
        return auxo_error_set(error, AUXO_IO, "cannot create the folder '%s': %s", path, strerror(failed));
    return AUXO_OK;
}
