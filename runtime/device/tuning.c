/* tuning.c: tuning entries in memory, and writing them as text.
 *
 * Invariant: no two entries have the same backend, section, op and shape class; the later one replaces the earlier.
 * Reading is in tuning_parse.c.
 */
#include "tuning.h"
#include "device_internal.h"
#include "file.h"
#include "text.h"

#define XXH_INLINE_ALL
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>
#include <xxhash.h>

static const char WRITTEN[] =
    "# Tuning data, written by the tuner; the last line is a checksum. Format: see auxo/tune.h.\n";

struct auxo_tuning {
    auxo_tuning_entry *entries;
    size_t count, capacity;
};

auxo_status auxo_tuning_create(auxo_tuning **tuning, auxo_error *error)
{
    *tuning = calloc(1, sizeof **tuning);
    if (!*tuning)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating tuning data");
    return AUXO_OK;
}

void auxo_tuning_destroy(auxo_tuning *tuning)
{
    if (!tuning)
        return;
    free(tuning->entries);
    free(tuning);
}

/* The last line of a file that a program has written: of all bytes before it. Files written by hand have none. */
static const char CHECKSUM[] = "# checksum ";
enum { CHECKSUM_LINE_BYTES = sizeof CHECKSUM - 1 + 16 + 1 };

static void make_checksum(const char *text, size_t size_bytes, char line[CHECKSUM_LINE_BYTES + 1])
{
    snprintf(line, CHECKSUM_LINE_BYTES + 1, "%s%016" PRIx64 "\n", CHECKSUM, (uint64_t)XXH3_64bits(text, size_bytes));
}

/* Whether the text has a line of a checksum, wherever it is by now, and it is not that of what stands before it. */
static bool has_changed(const char *text, size_t size_bytes)
{
    char line[CHECKSUM_LINE_BYTES + 1];
    const char *found = strstr(text, CHECKSUM);
    if (!found)
        return strstr(text, WRITTEN) == text; /* a program's first line, and its last has gone */
    const size_t before = (size_t)(found - text);
    if (size_bytes != before + CHECKSUM_LINE_BYTES)
        return true;
    make_checksum(text, before, line);
    return memcmp(found, line, CHECKSUM_LINE_BYTES) != 0;
}

auxo_status auxo_tuning_load(const char *path, auxo_log_function *log, void *log_user, auxo_tuning **tuning,
                             auxo_error *error)
{
    auxo_status status = auxo_tuning_create(tuning, error);
    if (status)
        return status;
    char *text = NULL;
    size_t size_bytes = 0;
    auxo_error reason = {0};
    status = auxo__file_read(path, &text, &size_bytes, &reason);
    if (status == AUXO_NOT_FOUND)
        return AUXO_OK;
    if (status == AUXO_OK && has_changed(text, size_bytes)) {
        char message[512];
        snprintf(message, sizeof message,
                 "%.300s: it is not as it was written (checksum); none of its entries is used. Tune again, or take out "
                 "its first and last line if it was changed on purpose",
                 path);
        if (log)
            log(log_user, AUXO_LOG_WARNING, message);
        free(text);
        return AUXO_OK;
    }
    if (status == AUXO_OK)
        status = auxo__tuning_parse(path, text, log, log_user, *tuning, &reason);
    free(text);
    if (status) {
        auxo_tuning_destroy(*tuning);
        *tuning = NULL;
        return auxo_error_set(error, status, "tuning data: %s", reason.message);
    }
    return AUXO_OK;
}

size_t auxo_tuning_count(const auxo_tuning *tuning)
{
    return tuning->count;
}

const auxo_tuning_entry *auxo_tuning_at(const auxo_tuning *tuning, size_t index)
{
    return index < tuning->count ? &tuning->entries[index] : NULL;
}

/* A word of a line: not empty, no spaces, quotes, '#' or control characters. */
static bool is_word(const char *text)
{
    if (!text[0])
        return false;
    for (; *text; text++) {
        if ((unsigned char)*text <= ' ' || *text == '"' || *text == '#')
            return false;
    }
    return true;
}

/* A quoted name: no quotes, no control characters. */
static bool is_name(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == '"')
            return false;
    }
    return true;
}

static bool is_writable(const auxo_tuning_entry *entry)
{
    if (entry->backend[0] && !is_word(entry->backend))
        return false;
    if (!is_name(entry->name) || (entry->scope != AUXO_TUNING_DEFAULT && !entry->name[0]))
        return false;
    if (!is_word(entry->op) || !is_word(entry->shape_class) || !is_word(entry->variant))
        return false;
    if (entry->parameter_count > AUXO_TUNING_PARAMETERS_MAX)
        return false;
    for (size_t i = 0; i < entry->parameter_count; i++) {
        if (!is_word(entry->parameters[i].name) || strchr(entry->parameters[i].name, '='))
            return false;
    }
    return true;
}

/* Order of the written file, and identity: 0 for entries that replace each other. */
static int compare_keys(const auxo_tuning_entry *a, const auxo_tuning_entry *b)
{
    int order = strcmp(a->backend, b->backend);
    if (order == 0)
        order = (int)a->scope - (int)b->scope;
    if (order == 0)
        order = strcmp(a->name, b->name);
    if (order == 0)
        order = strcmp(a->op, b->op);
    if (order == 0)
        order = strcmp(a->shape_class, b->shape_class);
    return order;
}

static int compare_for_sort(const void *a, const void *b)
{
    return compare_keys(a, b);
}

auxo_status auxo_tuning_set(auxo_tuning *tuning, const auxo_tuning_entry *entry, auxo_error *error)
{
    if (!is_writable(entry))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "tuning entry for op '%s', variant '%s': a word is empty or holds a space, quote or '#'",
                              entry->op, entry->variant);
    for (size_t i = 0; i < tuning->count; i++) {
        if (compare_keys(&tuning->entries[i], entry) == 0) {
            tuning->entries[i] = *entry;
            return AUXO_OK;
        }
    }
    if (tuning->count == tuning->capacity) {
        size_t capacity = tuning->capacity ? 2 * tuning->capacity : 64;
        auxo_tuning_entry *grown = realloc(tuning->entries, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory adding a tuning entry");
        tuning->entries = grown;
        tuning->capacity = capacity;
    }
    tuning->entries[tuning->count++] = *entry;
    return AUXO_OK;
}

static const char *scope_keyword(auxo_tuning_scope scope)
{
    static const char *const keywords[] = {
#define SCOPE_KEYWORD(name, keyword) #keyword,
        AUXO_TUNING_SCOPE_TABLE(SCOPE_KEYWORD)
#undef SCOPE_KEYWORD
    };
    return keywords[scope];
}

/* Writes the lines that open the section of `entry`, where it differs from the one before. */
static void write_section(FILE *stream, const auxo_tuning_entry *entry, const auxo_tuning_entry *previous)
{
    bool new_backend = !previous ? entry->backend[0] != '\0' : strcmp(previous->backend, entry->backend) != 0;
    if (new_backend)
        fprintf(stream, "\nbackend %s\n", entry->backend);
    if (!previous || new_backend || previous->scope != entry->scope || strcmp(previous->name, entry->name) != 0) {
        fprintf(stream, "\n%s", scope_keyword(entry->scope));
        if (entry->scope != AUXO_TUNING_DEFAULT)
            fprintf(stream, " \"%s\"", entry->name);
        fputc('\n', stream);
    }
}

static void write_entries(FILE *stream, const auxo_tuning_entry *entries, size_t count)
{
    fputs(WRITTEN, stream);
    for (size_t i = 0; i < count; i++) {
        const auxo_tuning_entry *entry = &entries[i];
        write_section(stream, entry, i > 0 ? &entries[i - 1] : NULL);
        fprintf(stream, "%s %s variant=%s", entry->op, entry->shape_class, entry->variant);
        for (size_t p = 0; p < entry->parameter_count; p++)
            fprintf(stream, " %s=%d", entry->parameters[p].name, (int)entry->parameters[p].value);
        fputc('\n', stream);
    }
}

auxo_status auxo_tuning_save(const auxo_tuning *tuning, const char *path, auxo_error *error)
{
    auxo_tuning_entry *sorted = malloc((tuning->count + 1) * sizeof *sorted);
    char *text = NULL;
    size_t size_bytes = 0;
    FILE *stream = sorted ? open_memstream(&text, &size_bytes) : NULL;
    if (!stream) {
        free(sorted);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing '%s'", path);
    }
    if (tuning->count > 0)
        memcpy(sorted, tuning->entries, tuning->count * sizeof *sorted);
    qsort(sorted, tuning->count, sizeof *sorted, compare_for_sort);
    write_entries(stream, sorted, tuning->count);
    free(sorted);
    bool failed = fflush(stream) != 0;
    char line[CHECKSUM_LINE_BYTES + 1];
    if (!failed) {
        make_checksum(text, size_bytes, line);
        fputs(line, stream);
    }
    failed |= ferror(stream) != 0;
    failed |= fclose(stream) != 0;
    auxo_status status = failed ? auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing '%s'", path)
                                : auxo__file_write_atomic(path, text, size_bytes, error);
    free(text);
    return status;
}

/* Waits for the lock on `path`.lock; closing the descriptor gives it back. The file stays: a waiter may hold it open.
 */
static auxo_status lock_beside(const char *path, int *descriptor, auxo_error *error)
{
    char name[4096 + 8];
    if (snprintf(name, sizeof name, "%s.lock", path) >= (int)sizeof name)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the path of the tuning file '%.100s...' is too long",
                              path);
    *descriptor = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*descriptor < 0)
        return auxo_error_set(error, AUXO_IO, "cannot create '%s': %s", name, strerror(errno));
    int failed = 0;
    do
        failed = flock(*descriptor, LOCK_EX) == 0 ? 0 : errno;
    while (failed == EINTR);
    if (!failed)
        return AUXO_OK;
    close(*descriptor);
    return auxo_error_set(error, AUXO_IO, "cannot lock '%s': %s", name, strerror(failed));
}

auxo_status auxo_tuning_merge(const char *path, const auxo_tuning_entry *entries, size_t count, auxo_log_function *log,
                              void *log_user, auxo_error *error)
{
    int descriptor = -1;
    auxo_tuning *tuning = NULL;
    auxo_status status = lock_beside(path, &descriptor, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_tuning_load(path, log, log_user, &tuning, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_tuning_set(tuning, &entries[i], error);
    if (status == AUXO_OK)
        status = auxo_tuning_save(tuning, path, error);
    auxo_tuning_destroy(tuning);
    close(descriptor);
    return status;
}

auxo_status auxo_tuning_user_path(const auxo_runtime *runtime, char *path, size_t capacity, auxo_error *error)
{
    if (!runtime->cache_dir)
        return auxo_error_set(error, AUXO_NOT_FOUND, "there is no cache folder, so no tuning file of the user's own");
    int length = snprintf(path, capacity, "%s/user.tune", runtime->cache_dir);
    if (length < 0 || (size_t)length >= capacity)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the path of the cache folder '%s' is too long",
                              runtime->cache_dir);
    return AUXO_OK;
}

bool auxo__tuning_name_matches(const char *pattern, const char *name)
{
    size_t length = strlen(pattern);
    if (length > 0 && pattern[length - 1] == '*')
        return strncasecmp(pattern, name, length - 1) == 0;
    return strcasecmp(pattern, name) == 0;
}

void auxo_tuning_reload(auxo_device *device)
{
    if (device->tuning.data && device->tuning.destroy)
        device->tuning.destroy(device->tuning.data);
    device->tuning.data = NULL;
}
