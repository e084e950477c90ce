/* file.c: the file helpers of file.h. POSIX; a write is durable when the function returns OK.
 */
#include "file.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

auxo_status auxo__file_status(int reason)
{
    return reason == ENOENT || reason == ENOTDIR ? AUXO_NOT_FOUND : reason == ENOMEM ? AUXO_OUT_OF_MEMORY : AUXO_IO;
}

auxo_status auxo__file_read(const char *path, char **data, size_t *size_bytes, auxo_error *error)
{
    *data = NULL;
    *size_bytes = 0;
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, auxo__file_status(errno), "cannot open '%s': %s", path, strerror(errno));
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

static auxo_status fail(const char *path, const char *verb, int reason, auxo_error *error)
{
    if (reason == ENOMEM)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory: cannot %s '%s'", verb, path);
    return auxo_error_set(error, AUXO_IO, "cannot %s '%s': %s", verb, path, strerror(reason));
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

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

/* What `path` means: through symbolic links; a link to nothing yet is followed by hand. NULL with errno on failure. */
static char *resolve(const char *path)
{
    char *resolved = realpath(path, NULL);
    if (resolved || errno != ENOENT)
        return resolved;
    char link[4096];
    ssize_t length = readlink(path, link, sizeof link - 1);
    if (length < 0)
        return auxo__text_duplicate(path);
    link[length] = '\0';
    const char *slash = link[0] == '/' ? NULL : strrchr(path, '/');
    size_t folder = slash ? (size_t)(slash - path) + 1 : 0;
    char *joined = malloc(folder + (size_t)length + 1);
    if (joined) {
        memcpy(joined, path, folder);
        memcpy(joined + folder, link, (size_t)length + 1);
    }
    return joined;
}

/* Opens the temporary file under a lock of its own: two writers of one file must not mix their bytes. */
static FILE *open_temporary(const char *path)
{
    int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return NULL;
    FILE *stream =
        flock(descriptor, LOCK_EX | LOCK_NB) == 0 && ftruncate(descriptor, 0) == 0 ? fdopen(descriptor, "wb") : NULL;
    if (!stream) {
        int reason = errno;
        if (reason != EWOULDBLOCK) /* else it is another writer's */
            unlink(path);
        close(descriptor);
        errno = reason;
    }
    return stream;
}

auxo_status auxo__file_writer_open(auxo__file_writer *writer, const char *path, auxo_error *error)
{
    struct stat found;
    *writer = (auxo__file_writer){.target = resolve(path)};
    if (!writer->target)
        return fail(path, "write", errno, error);
    if (stat(writer->target, &found) == 0 && !S_ISREG(found.st_mode)) {
        writer->stream = fopen(writer->target, "wb");
    } else {
        size_t capacity = strlen(writer->target) + sizeof ".next";
        writer->temporary = malloc(capacity);
        errno = ENOMEM;
        if (writer->temporary) {
            snprintf(writer->temporary, capacity, "%s.next", writer->target);
            writer->stream = open_temporary(writer->temporary);
        }
    }
    if (writer->stream)
        return AUXO_OK;
    int reason = errno;
    free(writer->target);
    free(writer->temporary);
    *writer = (auxo__file_writer){0};
    if (reason == EWOULDBLOCK)
        return auxo_error_set(error, AUXO_IO, "cannot write '%s': another process is writing it", path);
    return fail(path, "write", reason, error);
}

static void end_writer(auxo__file_writer *writer)
{
    free(writer->target);
    free(writer->temporary);
    *writer = (auxo__file_writer){0};
}

auxo_status auxo__file_writer_write(auxo__file_writer *writer, const void *data, size_t size_bytes, auxo_error *error)
{
    errno = EIO;
    if (size_bytes == 0 || fwrite(data, 1, size_bytes, writer->stream) == size_bytes)
        return AUXO_OK;
    return fail(writer->target, "write", errno, error);
}

auxo_status auxo__file_writer_commit(auxo__file_writer *writer, auxo_error *error)
{
    int reason = fflush(writer->stream) == 0 ? 0 : errno;
    if (!reason && writer->temporary && fsync(fileno(writer->stream)) != 0)
        reason = errno;
    /* Renamed while open, and so while locked: no other writer can have taken the temporary file. */
    if (!reason && writer->temporary && rename(writer->temporary, writer->target) != 0)
        reason = errno;
    if (reason && writer->temporary)
        unlink(writer->temporary);
    if (fclose(writer->stream) != 0 && !reason)
        reason = errno;
    if (!reason && writer->temporary)
        sync_folder_of(writer->target);
    auxo_status status = reason ? fail(writer->target, "write", reason, error) : AUXO_OK;
    end_writer(writer);
    return status;
}

void auxo__file_writer_abort(auxo__file_writer *writer)
{
    if (!writer->stream)
        return;
    if (writer->temporary)
        unlink(writer->temporary);
    fclose(writer->stream);
    end_writer(writer);
}

auxo_status auxo__file_write_atomic(const char *path, const void *data, size_t size_bytes, auxo_error *error)
{
    auxo__file_writer writer;
    auxo_status status = auxo__file_writer_open(&writer, path, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__file_writer_write(&writer, data, size_bytes, error);
    if (status == AUXO_OK)
        return auxo__file_writer_commit(&writer, error);
    auxo__file_writer_abort(&writer);
    return status;
}

bool auxo__is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

bool auxo__is_regular_file(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode);
}

auxo_status auxo__file_check_writable(const char *what, const char *path, auxo_error *error)
{
    struct stat info;
    if (!path)
        return AUXO_OK;
    if (auxo__is_folder(path))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: %s is a folder; a file is needed", what, path);
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return AUXO_OK;
    char *folder = auxo__text_duplicate(path);
    if (!folder)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", what);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder ? 1 : 0] = '\0';
    const char *name = slash ? folder : ".";
    auxo_status status = AUXO_OK;
    bool good = stat(name, &info) == 0;
    if (good && !S_ISDIR(info.st_mode)) {
        good = false;
        errno = ENOTDIR;
    }
    if (!good || access(name, W_OK) != 0)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s: cannot write to folder %s: %s", what, name,
                                strerror(errno));
    free(folder);
    return status;
}

bool auxo__file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* ---- locks ------------------------------------------------------------------------------------------------------- */

/* The process that wrote its number into the lock file; 0: unknown. */
static long lock_owner(int descriptor)
{
    char text[32];
    ssize_t length = pread(descriptor, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    return strtol(text, NULL, 10);
}

auxo_status auxo__file_lock_take(auxo__file_lock *lock, const char *path, bool wait, auxo_error *error)
{
    char number[32];
    size_t capacity = strlen(path) + sizeof ".lock";
    *lock = (auxo__file_lock)AUXO__FILE_UNLOCKED;
    lock->path = malloc(capacity);
    if (!lock->path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory locking '%s'", path);
    snprintf(lock->path, capacity, "%s.lock", path);
    lock->descriptor = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int reason = lock->descriptor < 0 ? errno : 0;
    while (!reason && flock(lock->descriptor, wait ? LOCK_EX : LOCK_EX | LOCK_NB) != 0)
        reason = errno == EINTR ? 0 : errno;
    if (!reason) {
        int length = snprintf(number, sizeof number, "%ld\n", (long)getpid());
        /* For the message to a second process only: the lock holds without it. */
        bool named =
            ftruncate(lock->descriptor, 0) == 0 && pwrite(lock->descriptor, number, (size_t)length, 0) == length;
        (void)named;
        return AUXO_OK;
    }
    auxo_status status = AUXO_IO;
    if (reason == EWOULDBLOCK)
        auxo_error_set(error, AUXO_IO, "'%s' is in use by process %ld; wait for it, or take another file", path,
                       lock_owner(lock->descriptor));
    else
        status = fail(lock->path, "lock", reason, error);
    auxo__file_lock_release(lock);
    return status;
}

void auxo__file_lock_release(auxo__file_lock *lock)
{
    /* The file stays: removing it would let two processes hold locks on two files of one name. */
    if (lock->descriptor >= 0)
        close(lock->descriptor);
    free(lock->path);
    *lock = (auxo__file_lock)AUXO__FILE_UNLOCKED;
}

/* ---- folders ----------------------------------------------------------------------------------------------------- */

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
