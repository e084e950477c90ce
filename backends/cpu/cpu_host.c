/* cpu_host.c: memory, queues and events in host memory, shared by the cpu and the reference backend.
 *
 * Every op has run when its enqueue returns, so a queue holds no work and an event holds only a time.
 */
#include "cpu_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ALIGNMENT_BYTES = 64 };

typedef struct host_event {
    uint64_t time_ns;
} host_event;

static uint64_t physical_memory_bytes(void)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);
    return pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes : 0;
}

/* "label : value" of /proc/cpuinfo, the first of them; false: there is none. */
static bool read_cpuinfo(const char *label, char *value, size_t capacity)
{
    bool found = false;
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");
    while (file && !found && fgets(line, sizeof line, file)) {
        const char *colon = strchr(line, ':');
        found = strncmp(line, label, strlen(label)) == 0 && colon && colon[1];
        line[strcspn(line, "\n")] = '\0';
        if (found)
            snprintf(value, capacity, "%s", colon + 2);
    }
    if (file)
        fclose(file);
    return found;
}

/* What the frequency driver calls the highest; where there is none, as in virtual machines, what it runs at. */
static uint32_t processor_clock_mhz(void)
{
    unsigned long khz = 0;
    char text[32];
    FILE *file = fopen("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq", "r");
    if (file && fscanf(file, "%lu", &khz) != 1)
        khz = 0;
    if (file)
        fclose(file);
    if (khz > 0)
        return (uint32_t)(khz / 1000);
    return read_cpuinfo("cpu MHz", text, sizeof text) ? (uint32_t)strtoul(text, NULL, 10) : 0;
}

void cpu_host_describe(auxo_device_info *info, const char *backend, const char *name, uint32_t thread_count)
{
    memset(info, 0, sizeof *info);
    snprintf(info->backend, sizeof info->backend, "%s", backend);
    snprintf(info->name, sizeof info->name, "%s", name);
    snprintf(info->vendor, sizeof info->vendor, "host");
    snprintf(info->driver, sizeof info->driver, "Auxo %s", AUXO_VERSION);
    info->type = AUXO_DEVICE_CPU;
    info->compute_units = thread_count;
    info->clock_mhz = processor_clock_mhz();
    info->subgroup_size = 1;
    info->max_workgroup_size = 1;
    info->memory_bytes = physical_memory_bytes();
    info->max_allocation_bytes = info->memory_bytes;
    info->max_binding_bytes = info->memory_bytes;
    info->features =
        AUXO_FEATURE_FP16_STORAGE | AUXO_FEATURE_FP64 | AUXO_FEATURE_UNIFIED_MEMORY | AUXO_FEATURE_TIMESTAMPS;
}

void cpu_host_processor_name(char *name, size_t capacity)
{
    if (!read_cpuinfo("model name", name, capacity))
        snprintf(name, capacity, "CPU");
}

auxo_status cpu_host_buffer_create(void *device, uint64_t size_bytes, void **buffer, auxo_error *error)
{
    (void)device;
    uint64_t rounded = (size_bytes + ALIGNMENT_BYTES - 1) / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
    *buffer = rounded < size_bytes || rounded > SIZE_MAX ? NULL : aligned_alloc(ALIGNMENT_BYTES, (size_t)rounded);
    if (!*buffer)
        return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY, "no host memory for a buffer of %llu bytes",
                              (unsigned long long)size_bytes);
    return AUXO_OK;
}

void cpu_host_buffer_destroy(void *device, void *buffer)
{
    (void)device;
    free(buffer);
}

auxo_status cpu_host_queue_create(void *device, void **queue, auxo_error *error)
{
    cpu_queue *created = malloc(sizeof *created);
    if (!created)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for a queue");
    created->device = device;
    *queue = created;
    return AUXO_OK;
}

void cpu_host_queue_destroy(void *queue)
{
    free(queue);
}

auxo_status cpu_host_queue_wait(void *queue, auxo_error *error)
{
    (void)queue;
    (void)error;
    return AUXO_OK;
}

auxo_status cpu_host_buffer_write(void *queue, void *buffer, uint64_t offset_bytes, const void *data,
                                  uint64_t size_bytes, auxo_error *error)
{
    (void)queue;
    (void)error;
    memcpy((char *)buffer + offset_bytes, data, (size_t)size_bytes);
    return AUXO_OK;
}

auxo_status cpu_host_buffer_read(void *queue, void *buffer, uint64_t offset_bytes, void *data, uint64_t size_bytes,
                                 auxo_error *error)
{
    (void)queue;
    (void)error;
    memcpy(data, (const char *)buffer + offset_bytes, (size_t)size_bytes);
    return AUXO_OK;
}

auxo_status cpu_host_buffer_copy(void *queue, void *source, uint64_t source_offset_bytes, void *target,
                                 uint64_t target_offset_bytes, uint64_t size_bytes, auxo_error *error)
{
    (void)queue;
    (void)error;
    memcpy((char *)target + target_offset_bytes, (const char *)source + source_offset_bytes, (size_t)size_bytes);
    return AUXO_OK;
}

auxo_status cpu_host_buffer_zero(void *queue, void *buffer, uint64_t offset_bytes, uint64_t size_bytes,
                                 auxo_error *error)
{
    (void)queue;
    (void)error;
    memset((char *)buffer + offset_bytes, 0, (size_t)size_bytes);
    return AUXO_OK;
}

auxo_status cpu_host_event_create(void *device, void **event, auxo_error *error)
{
    (void)device;
    *event = calloc(1, sizeof(host_event));
    return *event ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "no host memory for an event");
}

void cpu_host_event_destroy(void *event)
{
    free(event);
}

auxo_status cpu_host_event_record(void *queue, void *event, auxo_error *error)
{
    (void)queue;
    (void)error;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    ((host_event *)event)->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
    return AUXO_OK;
}

auxo_status cpu_host_event_wait(void *event, auxo_error *error)
{
    (void)event;
    (void)error;
    return AUXO_OK;
}

auxo_status cpu_host_event_elapsed_ns(void *start, void *stop, uint64_t *elapsed_ns, auxo_error *error)
{
    (void)error;
    *elapsed_ns = ((const host_event *)stop)->time_ns - ((const host_event *)start)->time_ns;
    return AUXO_OK;
}
