/* runtime.c: the list of backends, the log, the cache folder, and the list of all devices.
 *
 * A runtime is immutable after creation, so several threads may use it.
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

static auxo_status copy_options(auxo_runtime *runtime, const auxo_runtime_options *options, auxo_error *error)
{
    runtime->backends = calloc(options->backend_count ? options->backend_count : 1, sizeof *runtime->backends);
    if (!runtime->backends)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    for (size_t i = 0; i < options->backend_count; i++) {
        auxo_status status = auxo__backend_check(options->backends[i], i, error);
        if (status)
            return status;
        for (size_t j = 0; j < i; j++) {
            if (strcmp(runtime->backends[j]->name, options->backends[i]->name) == 0)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "two backends are called '%s'",
                                      options->backends[i]->name);
        }
        runtime->backends[runtime->backend_count++] = options->backends[i];
    }
    runtime->missing = calloc(options->missing_count + 1, sizeof *runtime->missing);
    if (!runtime->missing)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory creating the runtime");
    for (; runtime->missing_count < options->missing_count; runtime->missing_count++)
        runtime->missing[runtime->missing_count] = options->missing[runtime->missing_count];
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
    free(runtime->missing);
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
