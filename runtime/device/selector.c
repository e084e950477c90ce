/* selector.c: from a selector string to one device.
 *
 *   auto             the first discrete GPU in the order of the backend list, else the first integrated GPU, else the
 *                    host backend; never a CPU-type driver, never the oracle
 *   BACKEND          its only device
 *   BACKEND:INDEX    the device of that number
 *   BACKEND:PART     the one device with PART in its name or vendor, ignoring case
 *
 * Only the backend that is named is asked for its devices, so that opening one driver never loads another.
 */
#include "device_internal.h"
#include "text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { REASON_BYTES = 256 };

/* Appends "selector (name), " for each device, as far as it fits. */
static void append_devices(char *text, size_t capacity, const auxo_device_info *infos, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *separator = text[0] ? ", " : "";
        if (!auxo__text_append(text, capacity - 8, "%s%s (%s)", separator, infos[i].selector, infos[i].name)) {
            auxo__text_append(text, capacity, ", ...");
            return;
        }
    }
}

/* "; available: cpu (...), opencl:0 (...)" over all backends. */
static void append_all_devices(const auxo_runtime *runtime, char *text, size_t capacity)
{
    for (size_t i = 0; i < runtime->backend_count; i++) {
        auxo_device_info *infos = NULL;
        size_t count = 0;
        if (auxo__backend_devices(runtime, runtime->backends[i], &infos, &count, NULL) == AUXO_OK)
            append_devices(text, capacity, infos, count);
        free(infos);
    }
    if (!text[0])
        auxo__text_append(text, capacity, "none");
}

static auxo_status no_such_backend(const auxo_runtime *runtime, const char *selector, const char *name,
                                   auxo_error *error)
{
    for (size_t i = 0; i < runtime->missing_count; i++) {
        if (strcasecmp(runtime->missing[i].name, name) == 0)
            return auxo_error_set(error, AUXO_NOT_FOUND, "device '%s': backend '%s' is not available: %s", selector,
                                  runtime->missing[i].name, runtime->missing[i].reason);
    }
    const char *names[32] = {"auto"};
    size_t count = 1;
    for (size_t i = 0; i < runtime->backend_count && count < 32; i++)
        names[count++] = runtime->backends[i]->name;
    char devices[384] = "";
    append_all_devices(runtime, devices, sizeof devices);
    const char *nearest = auxo__text_nearest(name, names, count);
    if (nearest)
        return auxo_error_set(error, AUXO_NOT_FOUND, "no backend '%s' in device '%s'; did you mean '%s'? available: %s",
                              name, selector, nearest, devices);
    return auxo_error_set(error, AUXO_NOT_FOUND, "no backend '%s' in device '%s'; available: %s", name, selector,
                          devices);
}

static const auxo_backend *find_backend(const auxo_runtime *runtime, const char *name)
{
    for (size_t i = 0; i < runtime->backend_count; i++) {
        if (strcasecmp(runtime->backends[i]->name, name) == 0)
            return runtime->backends[i];
    }
    return NULL;
}

/* How much `auto` wants a device; 0 is never. */
static int auto_rank(const auxo_backend *backend, const auxo_device_info *info)
{
    if (backend->flags & AUXO_BACKEND_ORACLE)
        return 0;
    switch (info->type) {
    case AUXO_DEVICE_DISCRETE_GPU:
        return 3;
    case AUXO_DEVICE_INTEGRATED_GPU:
        return 2;
    case AUXO_DEVICE_CPU:
        return backend->flags & AUXO_BACKEND_HOST ? 1 : 0;
    case AUXO_DEVICE_ACCELERATOR:
        break;
    }
    return 0;
}

static auxo_status resolve_auto(const auxo_runtime *runtime, const auxo_backend **backend, auxo_device_info *info,
                                auxo_error *error)
{
    int best = 0;
    for (size_t i = 0; i < runtime->backend_count; i++) {
        auxo_device_info *infos = NULL;
        size_t count = 0;
        auxo_error reason = {0};
        if (auxo__backend_devices(runtime, runtime->backends[i], &infos, &count, &reason))
            auxo__log(runtime, AUXO_LOG_WARNING, "%s", reason.message);
        for (size_t j = 0; j < count; j++) {
            int rank = auto_rank(runtime->backends[i], &infos[j]);
            if (rank > best) {
                best = rank;
                *backend = runtime->backends[i];
                *info = infos[j];
            }
        }
        free(infos);
    }
    if (best > 0)
        return AUXO_OK;
    char devices[384] = "";
    append_all_devices(runtime, devices, sizeof devices);
    return auxo_error_set(error, AUXO_NOT_FOUND, "device 'auto' found no GPU and no host backend; available: %s",
                          devices);
}

/* Whether `text` is a device number; *index is UINT64_MAX for one too large to be. */
static bool parse_index(const char *text, uint64_t *index)
{
    if (!text[0] || text[strspn(text, "0123456789")] != '\0')
        return false;
    *index = strlen(text) > 9 ? UINT64_MAX : strtoull(text, NULL, 10);
    return true;
}

/* Keeps of infos[count] those that `part` names (NULL: all); returns how many. */
static size_t filter(auxo_device_info *infos, size_t count, const char *part)
{
    uint64_t index = 0;
    bool by_index = part && parse_index(part, &index);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool match = !part || (by_index ? infos[i].index == index
                                        : auxo__text_contains(infos[i].name, part) ||
                                              auxo__text_contains(infos[i].vendor, part));
        if (match)
            infos[kept++] = infos[i];
    }
    return kept;
}

/* Keeps the last line that a backend logs. */
static void keep_line(void *user, auxo_log_level level, const char *message)
{
    (void)level;
    auxo__field_copy(user, REASON_BYTES, message);
}

/* Why a backend has no device, as it says when it is asked again. */
static void find_reason(const auxo_runtime *runtime, const auxo_backend *backend, char reason[REASON_BYTES])
{
    auxo_backend_host listening = runtime->host;
    size_t count = 0;
    listening.log = keep_line;
    listening.log_user = reason;
    if (backend->enumerate(&listening, NULL, 0, &count, NULL) != AUXO_OK || count > 0)
        reason[0] = '\0';
}

static auxo_status resolve_in_backend(const auxo_runtime *runtime, const char *selector, const auxo_backend *backend,
                                      const char *part, auxo_device_info *info, auxo_error *error)
{
    auxo_device_info *infos = NULL;
    size_t count = 0;
    auxo_status status = auxo__backend_devices(runtime, backend, &infos, &count, error);
    if (status)
        return status;
    char listed[384] = "";
    append_devices(listed, sizeof listed, infos, count);
    size_t kept = filter(infos, count, part);
    if (count == 0) {
        char reason[REASON_BYTES] = "";
        find_reason(runtime, backend, reason);
        append_all_devices(runtime, listed, sizeof listed);
        status =
            auxo_error_set(error, AUXO_NOT_FOUND, "device '%s': backend '%s' finds no device: %s; available: %.200s",
                           selector, backend->name, reason[0] ? reason : "is its driver installed?", listed);
    } else if (kept == 0) {
        status = auxo_error_set(error, AUXO_NOT_FOUND, "no device '%s'; backend '%s' has: %s", selector, backend->name,
                                listed);
    } else if (kept > 1) {
        listed[0] = '\0';
        append_devices(listed, sizeof listed, infos, kept);
        status = auxo_error_set(error, AUXO_AMBIGUOUS, "device '%s' matches several: %s; name one of them", selector,
                                listed);
    } else {
        *info = infos[0];
    }
    free(infos);
    return status;
}

auxo_status auxo__selector_resolve(const auxo_runtime *runtime, const char *selector, const auxo_backend **backend,
                                   auxo_device_info *info, auxo_error *error)
{
    if (!selector || !selector[0])
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the device selector is empty; 'auto' always works");
    if (strcasecmp(selector, "auto") == 0)
        return resolve_auto(runtime, backend, info, error);
    char name[64];
    auxo__field_copy(name, sizeof name, selector);
    name[strcspn(name, ":")] = '\0';
    const char *colon = strchr(selector, ':');
    if (colon && colon[1] == '\0')
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "device '%s' ends in ':'; write a number or part of a name after it", selector);
    *backend = find_backend(runtime, name);
    if (!*backend)
        return no_such_backend(runtime, selector, name, error);
    return resolve_in_backend(runtime, selector, *backend, colon ? colon + 1 : NULL, info, error);
}
