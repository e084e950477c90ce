/* loader.c: finds backends: those linked in, then plugins; says of every other why it is missing.
 *
 * A backend built for another SPI (struct size, version) or without a required slot is refused here, by name, so that
 * nothing above ever tests for one. The only code that knows that backends may be files. AUXO_KNOWN_BACKENDS are the
 * names of this project's plugins, so that one that was not built or installed is missed too.
 */
#include "device_internal.h"
#include "library.h"
#include "text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BACKENDS_MAX = 32 };

struct auxo_backends {
    const auxo_backend *list[BACKENDS_MAX];
    size_t count;
    auxo_missing_backend missing[BACKENDS_MAX];
    size_t missing_count;
};

/* ---- what is a backend ------------------------------------------------------------------------------------------- */

/* The first required slot that is missing, or a group of optional slots that is only partly there; NULL if none. */
static const char *missing_slot(const auxo_backend *backend)
{
    const struct {
        const char *name;
        bool present;
    } required[] = {
        {"enumerate", backend->enumerate != NULL},
        {"open", backend->open != NULL},
        {"close", backend->close != NULL},
        {"buffer_create", backend->buffer_create != NULL},
        {"buffer_destroy", backend->buffer_destroy != NULL},
        {"queue_create", backend->queue_create != NULL},
        {"queue_destroy", backend->queue_destroy != NULL},
        {"queue_wait", backend->queue_wait != NULL},
        {"buffer_write", backend->buffer_write != NULL},
        {"buffer_read", backend->buffer_read != NULL},
        {"kernels", backend->kernels != NULL},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        if (!required[i].present)
            return required[i].name;
    }
    int events = !!backend->event_create + !!backend->event_destroy + !!backend->event_record + !!backend->event_wait;
    if (events != 0 && events != 4)
        return "event_* (all four or none)";
    int records =
        !!backend->record_begin + !!backend->record_end + !!backend->record_replay + !!backend->record_destroy;
    if (records != 0 && records != 4)
        return "record_* (all four or none)";
    return NULL;
}

auxo_status auxo__backend_check(const auxo_backend *backend, size_t index, auxo_error *error)
{
    if (!backend || !backend->name || !backend->name[0])
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "backend %zu of the list is NULL or has no name", index);
    if (backend->struct_size != sizeof(auxo_backend) || backend->abi_version != AUXO_BACKEND_ABI_VERSION)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "backend '%s' was built for another version of auxo/backend.h "
                              "(version %u, %zu bytes; this library has version %d, %zu bytes): rebuild it",
                              backend->name, backend->abi_version, backend->struct_size, AUXO_BACKEND_ABI_VERSION,
                              sizeof(auxo_backend));
    const char *missing = missing_slot(backend);
    if (missing)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "backend '%s' lacks the required slot %s", backend->name,
                              missing);
    return AUXO_OK;
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static bool is_listed(const auxo_backends *backends, const char *name)
{
    for (size_t i = 0; i < backends->count; i++)
        if (strcmp(backends->list[i]->name, name) == 0)
            return true;
    return false;
}

/* Notes the first reason; a backend found later is no longer missing. */
static void note_missing(auxo_backends *backends, const char *name, const char *reason)
{
    for (size_t i = 0; i < backends->missing_count; i++)
        if (strcmp(backends->missing[i].name, name) == 0)
            return;
    if (is_listed(backends, name) || backends->missing_count == BACKENDS_MAX)
        return;
    auxo_missing_backend *missing = &backends->missing[backends->missing_count++];
    auxo__field_copy(missing->name, sizeof missing->name, name);
    auxo__field_copy(missing->reason, sizeof missing->reason, reason);
}

static void forget_missing(auxo_backends *backends, const char *name)
{
    for (size_t i = 0; i < backends->missing_count; i++)
        if (strcmp(backends->missing[i].name, name) == 0)
            backends->missing[i--] = backends->missing[--backends->missing_count];
}

static void add_backend(auxo_backends *backends, const auxo_backend *backend)
{
    if (backends->count < BACKENDS_MAX && !is_listed(backends, backend->name))
        backends->list[backends->count++] = backend;
}

/* The oracle comes last: in lists, and in what `auto` looks at. */
static void add_builtin(auxo_backends *backends, bool oracles)
{
    size_t count = 0;
    const auxo_backend *const *builtin = auxo_builtin_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (((builtin[i]->flags & AUXO_BACKEND_ORACLE) != 0) == oracles)
            add_backend(backends, builtin[i]);
}

/* ---- plugins ----------------------------------------------------------------------------------------------------- */

#ifdef AUXO_KNOWN_BACKENDS

static const char prefix[] = "libauxo_backend_", suffix[] = ".so";

/* "opencl" of "libauxo_backend_opencl.so"; false for other files. */
static bool name_of(const char *file, char *name, size_t size)
{
    const size_t length = strlen(file), around = sizeof prefix - 1 + sizeof suffix - 1;
    if (length <= around || length - around >= size || strncmp(file, prefix, sizeof prefix - 1) != 0 ||
        strcmp(file + length - (sizeof suffix - 1), suffix) != 0)
        return false;
    auxo__field_copy(name, size, file + sizeof prefix - 1);
    name[length - around] = '\0';
    return true;
}

static int is_plugin(const struct dirent *entry)
{
    char name[sizeof((auxo_missing_backend *)0)->name];
    return name_of(entry->d_name, name, sizeof name);
}

/* Loads one file; false with `reason`. */
static bool load_plugin(const char *path, const auxo_backend **backend, char *reason, size_t size)
{
    auxo_error error = {0};
    const auxo_backend *(*entry)(void) = NULL;
    void *symbol = auxo__plugin_symbol(path, "auxo_backend_entry", reason, size);
    memcpy(&entry, &symbol, sizeof entry); /* C knows no cast from an object to a function */
    if (!entry)
        return false;
    *backend = entry();
    if (!*backend)
        snprintf(reason, size, "%.150s has no backend", path);
    else if (auxo__backend_check(*backend, 0, &error) != AUXO_OK)
        snprintf(reason, size, "%.150s: %.100s", path, error.message);
    else
        return true;
    return false;
}

static void add_folder(auxo_backends *backends, const char *folder)
{
    struct dirent **files = NULL;
    const int count = scandir(folder, &files, is_plugin, alphasort);
    for (int i = 0; i < count; i++) {
        char path[AUXO__PATH_BYTES], name[sizeof backends->missing[0].name], reason[sizeof backends->missing[0].reason];
        const auxo_backend *backend = NULL;
        if (name_of(files[i]->d_name, name, sizeof name) && !is_listed(backends, name) &&
            snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name) < (int)sizeof path) {
            if (load_plugin(path, &backend, reason, sizeof reason)) {
                add_backend(backends, backend);
                forget_missing(backends, name);
            } else {
                note_missing(backends, name, reason);
            }
        }
        free(files[i]);
    }
    free(files);
}

static void add_plugins(auxo_backends *backends)
{
    char folder[AUXO__PATH_BYTES], known[] = AUXO_KNOWN_BACKENDS;
    for (size_t i = 0; auxo__plugin_folder(i, folder, sizeof folder); i++)
        add_folder(backends, folder);
    for (char *rest = known, *name; (name = strtok_r(rest, " ", &rest)) != NULL;) {
        char reason[sizeof backends->missing[0].reason];
        snprintf(reason, sizeof reason, "%s%s%s is neither beside the library nor in a folder of AUXO_BACKEND_PATH",
                 prefix, name, suffix);
        note_missing(backends, name, reason);
    }
}

#else

static void add_plugins(auxo_backends *backends)
{
    (void)backends; /* a static library has all its backends linked in */
}

#endif

auxo_status auxo_backends_load(auxo_backends **backends, auxo_error *error)
{
    *backends = calloc(1, sizeof **backends);
    if (!*backends)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory looking for backends");
    add_builtin(*backends, false);
    add_plugins(*backends);
    add_builtin(*backends, true);
    return AUXO_OK;
}

void auxo_backends_unload(auxo_backends *backends)
{
    free(backends);
}

const struct auxo_backend *const *auxo_backends_list(const auxo_backends *backends, size_t *count)
{
    *count = backends->count;
    return backends->list;
}

const auxo_missing_backend *auxo_backends_missing(const auxo_backends *backends, size_t *count)
{
    *count = backends->missing_count;
    return backends->missing;
}
