/* tuned.c: tuning data applied to a device: which entries count, in which order, and what they name.
 *
 * At the first lookup on a device all sources are read, entries that apply to it are checked against its kernels, and
 * those that name something unknown are logged once and dropped. The rest stay with the device as a list; the best
 * match is the lowest (scope, source, shape class), the last of equals.
 */
#include "tuned.h"
#include "text.h"
#include "tuning.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Sources in order of precedence; a tuner's candidate is before all, in whatever section. */
enum { SOURCE_TRIAL = -100, SOURCE_USER = 0, SOURCE_FOLDER, SOURCE_BUILTIN };

typedef struct bound_entry {
    auxo_op_kind kind;
    const auxo_kernel *kernel;
    int32_t parameters[AUXO_TUNABLES_MAX];
    int32_t source;
    auxo_tuning_entry entry;
} bound_entry;

/* What stays with a device. */
typedef struct bound_list {
    bound_entry *entries;
    size_t count, capacity;
} bound_list;

static void destroy_list(void *data)
{
    bound_list *list = data;
    free(list->entries);
    free(list);
}

static bool applies(const auxo_device_info *info, const auxo_tuning_entry *entry)
{
    if (entry->backend[0] && strcasecmp(entry->backend, info->backend) != 0)
        return false;
    switch (entry->scope) {
    case AUXO_TUNING_DEVICE:
        return auxo__tuning_name_matches(entry->name, info->name);
    case AUXO_TUNING_VENDOR:
        return auxo__tuning_name_matches(entry->name, info->vendor);
    case AUXO_TUNING_DEFAULT:
        break;
    }
    return true;
}

/* One parameter of an entry into its place; false with `trouble` if the kernel has no such tunable or value. */
static bool bind_parameter(const auxo_kernel *kernel, const auxo_tuning_parameter *parameter, int32_t *parameters,
                           char *trouble, size_t capacity)
{
    for (size_t i = 0; i < kernel->tunable_count; i++) {
        const auxo_tunable *tunable = &kernel->tunables[i];
        if (strcmp(tunable->name, parameter->name) != 0)
            continue;
        for (int32_t v = 0; v < tunable->value_count; v++) {
            if (tunable->values[v] == parameter->value) {
                parameters[i] = parameter->value;
                return true;
            }
        }
        snprintf(trouble, capacity, "%s=%d is not one of the values of variant '%s'", parameter->name,
                 (int)parameter->value, kernel->variant);
        return false;
    }
    snprintf(trouble, capacity, "variant '%s' has no parameter '%s'", kernel->variant, parameter->name);
    return false;
}

/* Finds what an entry names; false with `trouble` if the device has no such thing. */
static bool bind(const auxo_device *device, const auxo_tuning_entry *entry, bound_entry *bound, char *trouble,
                 size_t capacity)
{
    auxo_error reason = {0};
    if (auxo_op_find(entry->op, &bound->kind, &reason)) {
        auxo__field_copy(trouble, capacity, reason.message);
        return false;
    }
    auxo_kernel_list kernels = auxo__device_kernels(device, bound->kind);
    for (size_t i = 0; i < kernels.count && !bound->kernel; i++) {
        if (strcmp(kernels.variants[i].variant, entry->variant) == 0)
            bound->kernel = &kernels.variants[i];
    }
    if (!bound->kernel) {
        snprintf(trouble, capacity, "%s has no variant '%s' on backend %s", entry->op, entry->variant,
                 device->info.backend);
        return false;
    }
    for (size_t i = 0; i < bound->kernel->tunable_count && i < AUXO_TUNABLES_MAX; i++)
        bound->parameters[i] = bound->kernel->tunables[i].initial;
    for (size_t i = 0; i < entry->parameter_count; i++) {
        if (!bind_parameter(bound->kernel, &entry->parameters[i], bound->parameters, trouble, capacity))
            return false;
    }
    bound->entry = *entry;
    return true;
}

static bool append(bound_list *list, const bound_entry *bound)
{
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64;
        bound_entry *grown = realloc(list->entries, capacity * sizeof *grown);
        if (!grown)
            return false;
        list->entries = grown;
        list->capacity = capacity;
    }
    list->entries[list->count++] = *bound;
    return true;
}

static void add_source(const auxo_device *device, bound_list *list, int32_t source, const char *file,
                       const auxo_tuning *tuning)
{
    for (size_t i = 0; i < auxo_tuning_count(tuning); i++) {
        const auxo_tuning_entry *entry = auxo_tuning_at(tuning, i);
        bound_entry bound = {.source = source};
        char trouble[256] = "";
        if (!applies(&device->info, entry))
            continue;
        if (!bind(device, entry, &bound, trouble, sizeof trouble))
            auxo__log(device->runtime, AUXO_LOG_WARNING, "%s:%u: %s; the line is ignored", file, (unsigned)entry->line,
                      trouble);
        else if (!append(list, &bound))
            return;
    }
}

static void add_file(const auxo_device *device, bound_list *list, int32_t source, const char *path)
{
    auxo_tuning *tuning = NULL;
    auxo_error reason = {0};
    const auxo_backend_host *host = &device->runtime->host;
    if (auxo_tuning_load(path, host->log, host->log_user, &tuning, &reason)) {
        auxo__log(device->runtime, AUXO_LOG_WARNING, "%s", reason.message);
        return;
    }
    add_source(device, list, source, path, tuning);
    auxo_tuning_destroy(tuning);
}

static int is_tuning_file(const struct dirent *entry)
{
    size_t length = strlen(entry->d_name);
    return length > 5 && strcmp(entry->d_name + length - 5, ".tune") == 0;
}

static void add_folder(const auxo_device *device, bound_list *list, const char *folder)
{
    struct dirent **names = NULL;
    int count = scandir(folder, &names, is_tuning_file, alphasort);
    if (count < 0)
        auxo__log(device->runtime, AUXO_LOG_WARNING, "cannot read the tuning folder '%s'", folder);
    for (int i = 0; i < count; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name) < (int)sizeof path)
            add_file(device, list, SOURCE_FOLDER, path);
        free(names[i]);
    }
    free(names);
}

static void add_builtin(const auxo_device *device, bound_list *list)
{
    for (const auxo__tuning_text *builtin = auxo__tuning_builtin; builtin->name; builtin++) {
        auxo_tuning *tuning = NULL;
        const auxo_backend_host *host = &device->runtime->host;
        if (auxo_tuning_create(&tuning, NULL))
            return;
        if (auxo__tuning_parse(builtin->name, (const char *)builtin->text, host->log, host->log_user, tuning, NULL) ==
            AUXO_OK)
            add_source(device, list, SOURCE_BUILTIN, builtin->name, tuning);
        auxo_tuning_destroy(tuning);
    }
}

/* The device's list, read at first use. NULL when out of memory: then there is no tuning. */
static const bound_list *list_of(auxo_device *device)
{
    if (device->tuning.data)
        return device->tuning.data;
    bound_list *list = calloc(1, sizeof *list);
    if (!list)
        return NULL;
    char path[4096];
    if (auxo_tuning_user_path(device->runtime, path, sizeof path, NULL) == AUXO_OK)
        add_file(device, list, SOURCE_USER, path);
    if (device->runtime->tuning_dir)
        add_folder(device, list, device->runtime->tuning_dir);
    add_builtin(device, list);
    device->tuning.data = list;
    device->tuning.destroy = destroy_list;
    return list;
}

/* The words for an op's shape class, the closest first; the last two may be the same. */
enum { CLASS_EXACT, CLASS_ROUNDED, CLASS_ANY_OF_FORMAT, CLASS_ANY, CLASS_COUNT };
typedef struct shape_words {
    char words[CLASS_COUNT][96];
} shape_words;

static shape_words words_of(const auxo_op *op)
{
    shape_words shape;
    const auxo_dtype half = auxo__op_half_format(op);
    auxo_tuning_shape_class(op, true, shape.words[CLASS_EXACT], sizeof shape.words[CLASS_EXACT]);
    auxo_tuning_shape_class(op, false, shape.words[CLASS_ROUNDED], sizeof shape.words[CLASS_ROUNDED]);
    snprintf(shape.words[CLASS_ANY], sizeof shape.words[CLASS_ANY], "any");
    snprintf(shape.words[CLASS_ANY_OF_FORMAT], sizeof shape.words[CLASS_ANY_OF_FORMAT], "any%s%s",
             auxo_dtype_is_half(half) ? ":" : "", auxo_dtype_is_half(half) ? auxo_dtype_text(half) : "");
    return shape;
}

/* The best entry for the op; with `able`, of those whose kernel can do it. */
static const bound_entry *best_match(auxo_device *device, const auxo_op *op, bool able)
{
    const bound_list *list = list_of(device);
    if (!list || list->count == 0)
        return NULL;
    const shape_words shape = words_of(op);
    const bound_entry *best = NULL;
    int best_rank = 0;
    for (size_t i = 0; i < list->count; i++) {
        const bound_entry *bound = &list->entries[i];
        int closeness = 0;
        while (closeness < CLASS_COUNT && strcmp(bound->entry.shape_class, shape.words[closeness]) != 0)
            closeness++;
        if (bound->kind != op->kind || closeness == CLASS_COUNT ||
            (able && !auxo__kernel_takes(device, bound->kernel, op)))
            continue;
        const int rank = (int)bound->entry.scope * 32 + bound->source * 8 + closeness;
        if (!best || rank <= best_rank) {
            best = bound;
            best_rank = rank;
        }
    }
    return best;
}

bool auxo__tuned_find(auxo_device *device, const auxo_op *op, bool able, auxo__tuned *found)
{
    static const char *const why[] = {"tuned for this device", "tuned for this vendor", "tuned default"};
    const bound_entry *bound = best_match(device, op, able);
    if (!bound)
        return false;
    found->kernel = bound->kernel;
    found->why = why[bound->entry.scope];
    memcpy(found->parameters, bound->parameters, sizeof found->parameters);
    return true;
}

auxo_status auxo_tuning_try(auxo_device *device, const auxo_tuning_entry *entry, auxo_error *error)
{
    char trouble[256] = "";
    bound_entry bound = {.source = SOURCE_TRIAL};
    if (!list_of(device))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for tuning data");
    bound_list *list = device->tuning.data;
    if (list->count && list->entries[list->count - 1].source == SOURCE_TRIAL)
        list->count--;
    if (!entry)
        return AUXO_OK;
    if (!bind(device, entry, &bound, trouble, sizeof trouble))
        return auxo_error_set(error, AUXO_NOT_FOUND, "tuning entry: %s", trouble);
    if (!append(list, &bound))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for tuning data");
    return AUXO_OK;
}

auxo_status auxo_tuning_lookup(auxo_device *device, const auxo_op *op, auxo_tuning_entry *entry, auxo_error *error)
{
    const bound_entry *bound = best_match(device, op, false);
    if (!bound)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s: no tuning data for device %s; the default is used",
                              auxo_op_noun(op->kind), device->info.selector);
    *entry = bound->entry;
    return AUXO_OK;
}

auxo_status auxo_tuning_entry_make(const auxo_device *device, const auxo_op *op, const char *variant,
                                   const int32_t *parameters, const char *shape_class, auxo_tuning_entry *entry,
                                   auxo_error *error)
{
    auxo_kernel_list kernels = auxo__device_kernels(device, op->kind);
    const auxo_kernel *kernel = NULL;
    for (size_t i = 0; i < kernels.count && !kernel; i++) {
        if (strcmp(kernels.variants[i].variant, variant) == 0)
            kernel = &kernels.variants[i];
    }
    if (!kernel)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s: device %s has no variant '%s'", auxo_op_noun(op->kind),
                              device->info.selector, variant);
    memset(entry, 0, sizeof *entry);
    entry->scope = AUXO_TUNING_DEVICE;
    auxo__field_copy(entry->backend, sizeof entry->backend, device->info.backend);
    auxo__field_copy(entry->name, sizeof entry->name, device->info.name);
    auxo__field_copy(entry->op, sizeof entry->op, auxo_op_noun(op->kind));
    auxo__field_copy(entry->variant, sizeof entry->variant, variant);
    if (shape_class)
        auxo__field_copy(entry->shape_class, sizeof entry->shape_class, shape_class);
    else
        auxo_tuning_shape_class(op, false, entry->shape_class, sizeof entry->shape_class);
    for (size_t i = 0; i < kernel->tunable_count && i < AUXO_TUNING_PARAMETERS_MAX; i++) {
        auxo_tuning_parameter *parameter = &entry->parameters[entry->parameter_count++];
        auxo__field_copy(parameter->name, sizeof parameter->name, kernel->tunables[i].name);
        parameter->value = parameters ? parameters[i] : kernel->tunables[i].initial;
    }
    return AUXO_OK;
}
