/* runtime.c: the list of backends, the log, the cache folder, and the list of all devices.
 *
 * A runtime is immutable after creation, so several threads may use it. A backend built for another SPI (struct size,
 * version) or without a required slot is refused here, by name, so that nothing above ever tests for one.
 */
#include "device_internal.h"
#include "file.h"
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void auxo__log(const auxo_runtime *runtime, auxo_log_level level, const char *format, ...)
{
    if (!runtime->host.log)
        return;
    char message[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    runtime->host.log(runtime->host.log_user, level, message);
}

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

static auxo_status check_backend(const auxo_backend *backend, size_t index, auxo_error *error)
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

static auxo_status copy_options(auxo_runtime *runtime, const auxo_runtime_options *options, auxo_error *error)
{
    runtime->backends = calloc(options->backend_count ? options->backend_count : 1, sizeof *runtime->backends);
    if (!runtime->backends)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    for (size_t i = 0; i < options->backend_count; i++) {
        auxo_status status = check_backend(options->backends[i], i, error);
        if (status)
            return status;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(runtime->backends[j]->name, options->backends[i]->name) == 0)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "two backends are called '%s'",
                                      options->backends[i]->name);
        }
        runtime->backends[runtime->backend_count++] = options->backends[i];
    }
    runtime->host.log = options->log;
    runtime->host.log_user = options->log_user;
    runtime->host.thread_count = options->thread_count;
    runtime->host.keep_statistics = options->keep_statistics;
    if (options->cache_dir && options->cache_dir[0]) {
        auxo_error reason = {0};
        if (auxo__make_folder(options->cache_dir, &reason))
            auxo__log(runtime, AUXO_LOG_WARNING, "no disk cache: %s", reason.message);
        else if (!(runtime->cache_dir = auxo__text_duplicate(options->cache_dir)))
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    }
    runtime->host.cache_dir = runtime->cache_dir;
    if (options->tuning_dir && !(runtime->tuning_dir = auxo__text_duplicate(options->tuning_dir)))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    return AUXO_OK;
}

auxo_status auxo_runtime_create(const auxo_runtime_options *options, auxo_runtime **runtime, auxo_error *error)
{
    *runtime = NULL;
    if (!options || (options->backend_count > 0 && !options->backends))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "a runtime needs options with a list of backends");
    auxo_runtime *created = calloc(1, sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    auxo_status status = copy_options(created, options, error);
    if (status) {
        auxo_runtime_destroy(created);
        return status;
    }
    *runtime = created;
    return AUXO_OK;
}

void auxo_runtime_destroy(auxo_runtime *runtime)
{
    if (!runtime)
        return;
    free(runtime->backends);
    free(runtime->cache_dir);
    free(runtime->tuning_dir);
    free(runtime);
}

auxo_status auxo__backend_devices(const auxo_runtime *runtime, const auxo_backend *backend, auxo_device_info **infos,
                                  size_t *count, auxo_error *error)
{
    *infos = NULL;
    *count = 0;
    size_t capacity = 0;
    auxo_status status = backend->enumerate(&runtime->host, NULL, 0, &capacity, error);
    if (status)
        return auxo_error_wrap(error, status, "listing the devices of backend '%s'", backend->name);
    if (capacity == 0)
        return AUXO_OK;
    auxo_device_info *list = calloc(capacity, sizeof *list);
    if (!list)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory listing the devices of backend '%s'",
                              backend->name);
    size_t found = 0;
    status = backend->enumerate(&runtime->host, list, capacity, &found, error);
    if (status) {
        free(list);
        return auxo_error_wrap(error, status, "listing the devices of backend '%s'", backend->name);
    }
    if (found > capacity)
        found = capacity;
    for (size_t i = 0; i < found; i++) {
        list[i].index = (uint32_t)i;
        list[i].is_reference = (backend->flags & AUXO_BACKEND_ORACLE) != 0;
        auxo__field_copy(list[i].backend, sizeof list[i].backend, backend->name);
        if (found == 1 && (backend->flags & AUXO_BACKEND_HOST))
            auxo__field_copy(list[i].selector, sizeof list[i].selector, backend->name);
        else
            snprintf(list[i].selector, sizeof list[i].selector, "%s:%zu", list[i].backend, i);
    }
    *infos = list;
    *count = found;
    return AUXO_OK;
}

auxo_status auxo_device_list(auxo_runtime *runtime, auxo_device_info **infos, size_t *count, auxo_error *error)
{
    *infos = NULL;
    *count = 0;
    auxo_device_info *all = NULL;
    size_t total = 0;
    for (size_t i = 0; i < runtime->backend_count; i++) {
        auxo_device_info *some = NULL;
        size_t some_count = 0;
        auxo_error reason = {0};
        /* One broken driver must not hide the others' devices. */
        if (auxo__backend_devices(runtime, runtime->backends[i], &some, &some_count, &reason)) {
            auxo__log(runtime, AUXO_LOG_WARNING, "%s", reason.message);
            continue;
        }
        if (some_count > 0) {
            auxo_device_info *grown = realloc(all, (total + some_count) * sizeof *all);
            if (!grown) {
                free(some);
                free(all);
                return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory listing devices");
            }
            all = grown;
            memcpy(all + total, some, some_count * sizeof *all);
            total += some_count;
        }
        free(some);
    }
    *infos = all;
    *count = total;
    return AUXO_OK;
}

void auxo_device_list_free(auxo_device_info *infos)
{
    free(infos);
}
