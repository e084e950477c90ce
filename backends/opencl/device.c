/* backends/opencl/device.c: finding, describing and opening devices.
 *
 * Every device of every platform with OpenCL 1.2 or later gets an index in the loader's order. What a vendor tells
 * only through an extension (PCI address, subgroup width) is asked for by the extension's query and left out where the
 * query fails; no vendor is named.
 */
#include "ocl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PLATFORMS_MAX = 16, DEVICES_MAX = 32 };

/* Queries of extensions that the headers of OpenCL 1.2 may lack. */
enum {
    QUERY_PCI_BUS_INFO_KHR = 0x410F,      /* cl_khr_pci_bus_info: 4 x u32 */
    QUERY_PCI_BUS_ID_NV = 0x4008,         /* cl_nv_device_attribute_query: u32 */
    QUERY_PCI_SLOT_ID_NV = 0x4009,        /* u32 */
    QUERY_PCI_DOMAIN_ID_NV = 0x400A,      /* u32 */
    QUERY_TOPOLOGY_AMD = 0x4037,          /* cl_amd_device_attribute_query: u32 type, then bus, device, function */
    QUERY_WARP_SIZE_NV = 0x4003,          /* u32 */
    QUERY_WAVEFRONT_WIDTH_AMD = 0x4043,   /* u32 */
    QUERY_SUB_GROUP_SIZES_INTEL = 0x4108, /* size_t[] */
    QUERY_UUID_KHR = 0x106A               /* cl_khr_device_uuid: 16 bytes */
};

static void query_text(cl_device_id id, cl_device_info what, char *text, size_t size)
{
    char full[1024] = "";
    if (clGetDeviceInfo(id, what, sizeof full, full, NULL) != CL_SUCCESS)
        full[0] = 0;
    const char *start = full + strspn(full, " ");
    snprintf(text, size, "%s", start);
}

static uint64_t query_number(cl_device_id id, cl_device_info what)
{
    uint64_t value = 0; /* little-endian hosts: a 32-bit answer fills the low half */
    return clGetDeviceInfo(id, what, sizeof value, &value, NULL) == CL_SUCCESS ? value : 0;
}

static bool has_extension(const char *extensions, const char *name)
{
    const size_t length = strlen(name);
    for (const char *found = strstr(extensions, name); found; found = strstr(found + length, name))
        if ((found == extensions || found[-1] == ' ') && (found[length] == ' ' || found[length] == 0))
            return true;
    return false;
}

static void describe_hardware_id(cl_device_id id, const char *extensions, auxo_device_info *info)
{
    cl_uint pci[4] = {0};
    unsigned char amd[24] = {0};
    unsigned char uuid[16] = {0};
    if (has_extension(extensions, "cl_khr_pci_bus_info") &&
        clGetDeviceInfo(id, QUERY_PCI_BUS_INFO_KHR, sizeof pci, pci, NULL) == CL_SUCCESS) {
        snprintf(info->hardware_id, sizeof info->hardware_id, "%04x:%02x:%02x.%x", pci[0], pci[1], pci[2], pci[3]);
    } else if (has_extension(extensions, "cl_nv_device_attribute_query")) {
        snprintf(info->hardware_id, sizeof info->hardware_id, "%04x:%02x:%02x.0",
                 (unsigned)query_number(id, QUERY_PCI_DOMAIN_ID_NV), (unsigned)query_number(id, QUERY_PCI_BUS_ID_NV),
                 (unsigned)query_number(id, QUERY_PCI_SLOT_ID_NV));
    } else if (has_extension(extensions, "cl_amd_device_attribute_query") &&
               clGetDeviceInfo(id, QUERY_TOPOLOGY_AMD, sizeof amd, amd, NULL) == CL_SUCCESS) {
        snprintf(info->hardware_id, sizeof info->hardware_id, "0000:%02x:%02x.%x", amd[21], amd[22], amd[23]);
    } else if (has_extension(extensions, "cl_khr_device_uuid") &&
               clGetDeviceInfo(id, QUERY_UUID_KHR, sizeof uuid, uuid, NULL) == CL_SUCCESS) {
        for (size_t i = 0; i < sizeof uuid; ++i)
            snprintf(info->hardware_id + 2 * i, sizeof info->hardware_id - 2 * i, "%02x", uuid[i]);
    }
}

static uint32_t query_subgroup_size(cl_device_id id, const char *extensions)
{
    size_t sizes[16] = {0};
    uint64_t size = 0;
    if (has_extension(extensions, "cl_nv_device_attribute_query"))
        size = query_number(id, QUERY_WARP_SIZE_NV);
    else if (has_extension(extensions, "cl_amd_device_attribute_query"))
        size = query_number(id, QUERY_WAVEFRONT_WIDTH_AMD);
    else if (has_extension(extensions, "cl_intel_required_subgroup_size") &&
             clGetDeviceInfo(id, QUERY_SUB_GROUP_SIZES_INTEL, sizeof sizes, sizes, NULL) == CL_SUCCESS)
        size = sizes[0];
    return size > 0 ? (uint32_t)size : 1;
}

static auxo_device_type device_type(cl_device_id id)
{
    const cl_device_type type = query_number(id, CL_DEVICE_TYPE);
    if (type & CL_DEVICE_TYPE_CPU)
        return AUXO_DEVICE_CPU;
    if (type & CL_DEVICE_TYPE_GPU)
        return query_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY) ? AUXO_DEVICE_INTEGRATED_GPU : AUXO_DEVICE_DISCRETE_GPU;
    return AUXO_DEVICE_ACCELERATOR;
}

static uint32_t device_features(cl_device_id id, const char *extensions)
{
    uint32_t features = AUXO_FEATURE_FP16_STORAGE | AUXO_FEATURE_TIMESTAMPS; /* vload_half and profiling are core */
    if (has_extension(extensions, "cl_khr_fp16"))
        features |= AUXO_FEATURE_FP16_ARITHMETIC;
    if (has_extension(extensions, "cl_khr_fp64"))
        features |= AUXO_FEATURE_FP64;
    if (has_extension(extensions, "cl_khr_subgroups") || has_extension(extensions, "cl_intel_subgroups"))
        features |= AUXO_FEATURE_SUBGROUPS;
    if (has_extension(extensions, "cl_intel_subgroup_matrix_multiply_accumulate"))
        features |= AUXO_FEATURE_BF16_MATRIX;
    if (query_number(id, CL_DEVICE_HOST_UNIFIED_MEMORY))
        features |= AUXO_FEATURE_UNIFIED_MEMORY;
    return features;
}

static void describe(cl_device_id id, uint32_t index, auxo_device_info *info)
{
    char extensions[8192] = "";
    char version[128];
    memset(info, 0, sizeof *info);
    if (clGetDeviceInfo(id, CL_DEVICE_EXTENSIONS, sizeof extensions, extensions, NULL) != CL_SUCCESS)
        extensions[0] = 0;
    snprintf(info->backend, sizeof info->backend, "opencl");
    info->index = index;
    query_text(id, CL_DEVICE_NAME, info->name, sizeof info->name);
    query_text(id, CL_DEVICE_VENDOR, info->vendor, sizeof info->vendor);
    query_text(id, CL_DEVICE_VERSION, version, sizeof version);
    query_text(id, CL_DRIVER_VERSION, info->driver, sizeof info->driver);
    size_t used = strlen(info->driver);
    snprintf(info->driver + used, sizeof info->driver - used, " (%s)", version);
    describe_hardware_id(id, extensions, info);
    info->type = device_type(id);
    info->compute_units = (uint32_t)query_number(id, CL_DEVICE_MAX_COMPUTE_UNITS);
    info->clock_mhz = (uint32_t)query_number(id, CL_DEVICE_MAX_CLOCK_FREQUENCY);
    info->subgroup_size = query_subgroup_size(id, extensions);
    info->max_workgroup_size = (uint32_t)query_number(id, CL_DEVICE_MAX_WORK_GROUP_SIZE);
    info->local_memory_bytes = query_number(id, CL_DEVICE_LOCAL_MEM_SIZE);
    info->memory_bytes = query_number(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    info->max_allocation_bytes = query_number(id, CL_DEVICE_MAX_MEM_ALLOC_SIZE);
    info->max_binding_bytes = info->max_allocation_bytes;
    info->features = device_features(id, extensions);
}

static bool has_floor_version(cl_device_id id)
{
    char version[128];
    int major = 0;
    int minor = 0;
    query_text(id, CL_DEVICE_VERSION, version, sizeof version);
    return sscanf(version, "OpenCL %d.%d", &major, &minor) == 2 && (major > 1 || minor >= 2) &&
           query_number(id, CL_DEVICE_COMPILER_AVAILABLE) != 0;
}

/* "CL_DEVICE_NOT_FOUND (-1) from Portable Computing Language": a platform that is there and lists nothing. */
static void note_failure(cl_platform_id platform, cl_int code, char *failure, size_t size)
{
    char name[128] = "";
    clGetPlatformInfo(platform, CL_PLATFORM_NAME, sizeof name, name, NULL);
    snprintf(failure, size, "%s (%d) from \"%s\"; can that driver open its device and write its cache folder?",
             ocl_error_name(code), (int)code, name);
}

/* All usable devices in the loader's order; says in the log why there are none. */
static size_t list_devices(const auxo_backend_host *host, cl_device_id ids[DEVICES_MAX])
{
    cl_platform_id platforms[PLATFORMS_MAX];
    cl_uint platform_count = 0;
    size_t count = 0;
    char failure[256] = "no platform has a usable one";
    cl_int code = clGetPlatformIDs(PLATFORMS_MAX, platforms, &platform_count);
    if (code != CL_SUCCESS)
        platform_count = 0;
    if (platform_count > PLATFORMS_MAX)
        platform_count = PLATFORMS_MAX;
    for (cl_uint p = 0; p < platform_count; ++p) {
        cl_device_id found[DEVICES_MAX];
        cl_uint found_count = 0;
        const cl_int listed = clGetDeviceIDs(platforms[p], CL_DEVICE_TYPE_ALL, DEVICES_MAX, found, &found_count);
        if (listed != CL_SUCCESS) {
            note_failure(platforms[p], listed, failure, sizeof failure);
            continue;
        }
        for (cl_uint d = 0; d < found_count && d < DEVICES_MAX && count < DEVICES_MAX; ++d) {
            char name[128];
            query_text(found[d], CL_DEVICE_NAME, name, sizeof name);
            if (has_floor_version(found[d]))
                ids[count++] = found[d];
            else
                ocl_log(host, AUXO_LOG_INFO, "OpenCL: left out %s: older than OpenCL 1.2 or without a compiler", name);
        }
    }
    if (count == 0)
        ocl_log(host, AUXO_LOG_INFO, "OpenCL: no device: %s (%u platforms)",
                code == CL_SUCCESS ? failure : ocl_error_name(code), (unsigned)platform_count);
    return count;
}

auxo_status ocl_enumerate(const auxo_backend_host *host, auxo_device_info *infos, size_t capacity, size_t *count,
                          auxo_error *error)
{
    cl_device_id ids[DEVICES_MAX];
    (void)error;
    *count = list_devices(host, ids);
    for (size_t i = 0; i < *count && i < capacity; ++i)
        describe(ids[i], (uint32_t)i, &infos[i]);
    return AUXO_OK;
}

/* How kernels are shaped for this device: explicit vectors on CPU drivers that prefer them, else one element per
 * work-item and groups of a few subgroups. */
static void choose_shape(ocl_device *self)
{
    const uint64_t native = query_number(self->id, CL_DEVICE_NATIVE_VECTOR_WIDTH_FLOAT);
    self->vector_cpu = self->info.type == AUXO_DEVICE_CPU && native >= 4;
    /* Mesa's llvmpipe, the CPU driver without vectors of its own, ends a work-item after 65,535 loop iterations. */
    self->loop_limit = self->info.type == AUXO_DEVICE_CPU && !self->vector_cpu ? 65535.0 : INFINITY;
    self->vector_width = !self->vector_cpu ? 1 : native >= 16 ? 16 : 8;
    self->group_size = self->vector_cpu ? 1 : 256;
    while (self->group_size > self->info.max_workgroup_size && self->group_size > 1)
        self->group_size /= 2;
}

/* Where the matrix units are: the extension is defined for subgroups of the device's narrowest width, 8 or 16. A build
 * for tests says how wide those are that it imitates. */
static void find_matrix_units(ocl_device *self)
{
#ifdef OCL_EMULATED_LANES
    self->matrix_lanes = OCL_EMULATED_LANES;
    self->matrix_emulated = true;
#else
    const uint32_t lanes = self->info.subgroup_size;
    self->matrix_lanes = self->info.features & AUXO_FEATURE_BF16_MATRIX && (lanes == 8 || lanes == 16) ? lanes : 0;
#endif
}

static void describe_identity(ocl_device *self)
{
    cl_platform_id platform = NULL;
    char platform_version[160] = "";
    if (clGetDeviceInfo(self->id, CL_DEVICE_PLATFORM, sizeof platform, &platform, NULL) == CL_SUCCESS)
        clGetPlatformInfo(platform, CL_PLATFORM_VERSION, sizeof platform_version, platform_version, NULL);
    snprintf(self->identity, sizeof self->identity, "%s|%s|%s|%s", self->info.name, self->info.vendor,
             self->info.driver, platform_version);
}

static void CL_CALLBACK context_notify(const char *text, const void *data, size_t size, void *user)
{
    const ocl_device *self = user;
    (void)data;
    (void)size;
    ocl_log(&self->host, AUXO_LOG_DEBUG, "OpenCL: driver: %s", text);
}

auxo_status ocl_open(const auxo_backend_host *host, uint32_t index, void **device, auxo_error *error)
{
    cl_device_id ids[DEVICES_MAX];
    cl_int code = CL_SUCCESS;
    size_t count = list_devices(host, ids);
    if (index >= count)
        return auxo_error_set(error, AUXO_NOT_FOUND, "OpenCL: device %u of %zu", (unsigned)index, count);
    ocl_device *self = calloc(1, sizeof *self);
    if (!self)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "OpenCL: device");
    self->host = *host;
    self->id = ids[index];
    describe(self->id, index, &self->info);
    describe_identity(self);
    choose_shape(self);
    find_matrix_units(self);
    self->context = clCreateContext(NULL, 1, &self->id, context_notify, self, &code);
    if (code != CL_SUCCESS) {
        free(self);
        return ocl_fail(code, "clCreateContext", error);
    }
    *device = self;
    return AUXO_OK;
}

void ocl_close(void *device)
{
    ocl_device *self = device;
    if (!self)
        return;
    ocl_programs_close(self);
    clReleaseContext(self->context);
    free(self);
}
