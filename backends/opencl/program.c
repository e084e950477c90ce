/* backends/opencl/program.c: programs from memory, from disk, or compiled from the embedded sources.
 *
 * Programs are small and compiled when the first op needs them. On GPUs a binary is saved right after compiling. CPU
 * drivers such as PoCL compile a kernel per work-group size when it is first launched, and asking them for a binary
 * compiles everything once more: there binaries are saved when the device closes, with all that was compiled by then,
 * as many as a short time allows, and only what took long to build: a driver with a cache of its own builds in
 * milliseconds from the second run on, faster than it hands out binaries.
 */
#include "cache_file.h"
#include "ocl.h"
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char common_options[] = "-cl-std=CL1.2";

static const ocl_source *find_source(const char *noun)
{
    for (size_t i = 0; i < ocl_source_count; ++i)
        if (strcmp(ocl_sources[i].noun, noun) == 0)
            return &ocl_sources[i];
    return NULL;
}

static void save(const ocl_device *device, ocl_program *program)
{
    size_t size = 0;
    program->on_disk = true; /* tried once, whatever comes of it */
    if (!device->host.cache_dir ||
        clGetProgramInfo(program->handle, CL_PROGRAM_BINARY_SIZES, sizeof size, &size, NULL) != CL_SUCCESS || size == 0)
        return;
    unsigned char *binary = malloc(size);
    if (!binary)
        return;
    if (clGetProgramInfo(program->handle, CL_PROGRAM_BINARIES, sizeof binary, &binary, NULL) == CL_SUCCESS)
        ocl_cache_write(device, program->disk_hash, program->key, binary, size);
    free(binary);
}

static double now_s(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

void ocl_programs_close(ocl_device *device)
{
    const double budget_s = 0.25;
    const double long_build_s = 0.03;
    const double start_s = now_s(CLOCK_MONOTONIC);
    while (device->programs) {
        ocl_program *program = device->programs;
        device->programs = program->next;
        if (!program->on_disk && program->build_s > long_build_s && now_s(CLOCK_MONOTONIC) - start_s < budget_s)
            save(device, program);
        clReleaseProgram(program->handle);
        free(program);
    }
}

static cl_program load(ocl_device *device, const ocl_program *program, const char *options)
{
    unsigned char *binary = NULL;
    size_t size = 0;
    cl_int code = CL_SUCCESS;
    cl_int binary_status = CL_SUCCESS;
    if (!ocl_cache_read(device, program->disk_hash, program->key, &binary, &size))
        return NULL;
    const unsigned char *data = binary;
    cl_program handle = clCreateProgramWithBinary(device->context, 1, &device->id, &size, &data, &binary_status, &code);
    free(binary);
    if (code == CL_SUCCESS && binary_status == CL_SUCCESS)
        code = clBuildProgram(handle, 1, &device->id, options, NULL, NULL);
    if (code == CL_SUCCESS && binary_status == CL_SUCCESS)
        return handle;
    if (handle)
        clReleaseProgram(handle);
    ocl_cache_discard(device, program->disk_hash);
    return NULL;
}

static auxo_status fail_build(ocl_device *device, const ocl_program *program, cl_int code, auxo_error *error)
{
    char log[1536] = "";
    size_t size = 0;
    if (clGetProgramBuildInfo(program->handle, device->id, CL_PROGRAM_BUILD_LOG, 0, NULL, &size) == CL_SUCCESS) {
        char *full = malloc(size + 1);
        if (full &&
            clGetProgramBuildInfo(program->handle, device->id, CL_PROGRAM_BUILD_LOG, size, full, NULL) == CL_SUCCESS) {
            full[size] = 0;
            snprintf(log, sizeof log, "%s", full);
        }
        free(full);
    }
    ocl_log(&device->host, AUXO_LOG_ERROR, "OpenCL: build log of %s: %s", program->key, log);
    log[strcspn(log, "\n")] = 0;
    return auxo_error_set(error, AUXO_DRIVER, "OpenCL: clBuildProgram of %s on %s: %s: %.200s", program->key,
                          device->info.name, ocl_error_name(code), log);
}

static auxo_status compile(ocl_device *device, ocl_program *program, const ocl_source *source, const char *options,
                           auxo_error *error)
{
    cl_int code = CL_SUCCESS;
    program->handle = clCreateProgramWithSource(device->context, 1, (const char **)&source->text, &source->size, &code);
    if (code != CL_SUCCESS)
        return ocl_fail(code, "clCreateProgramWithSource", error);
    /* of this thread's processor time: on a busy machine a build from the driver's cache takes long too */
    const double start_s = now_s(CLOCK_THREAD_CPUTIME_ID);
    code = clBuildProgram(program->handle, 1, &device->id, options, NULL, NULL);
    program->build_s = now_s(CLOCK_THREAD_CPUTIME_ID) - start_s;
    if (code == CL_SUCCESS)
        return AUXO_OK;
    auxo_status status = fail_build(device, program, code, error);
    clReleaseProgram(program->handle);
    return status;
}

auxo_status ocl_program_get(ocl_device *device, const char *noun, const char *options, cl_program *program,
                            auxo_error *error)
{
    char key[sizeof((ocl_program *)0)->key];
    char all_options[OCL_OPTIONS_MAX + 64];
    if (snprintf(key, sizeof key, "%s %s", noun, options) >= (int)sizeof key ||
        snprintf(all_options, sizeof all_options, "%s %s", common_options, options) >= (int)sizeof all_options)
        return auxo_error_set(error, AUXO_INTERNAL, "OpenCL: options of %s are too long", noun);
    for (ocl_program *known = device->programs; known; known = known->next)
        if (strcmp(known->key, key) == 0) {
            *program = known->handle;
            return AUXO_OK;
        }
    const ocl_source *source = find_source(noun);
    if (!source)
        return auxo_error_set(error, AUXO_INTERNAL, "OpenCL: no kernel source named %s", noun);
    ocl_program *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "OpenCL: program %s", noun);
    memcpy(made->key, key, sizeof key);
    made->disk_hash =
        common_hash(common_hash(common_hash(0, device->identity, strlen(device->identity)), key, strlen(key)),
                    source->text, source->size);
    made->handle = load(device, made, all_options);
    made->on_disk = made->handle != NULL;
    if (!made->handle) {
        auxo_status status = compile(device, made, source, all_options, error);
        if (status != AUXO_OK) {
            free(made);
            return status;
        }
        if (device->info.type != AUXO_DEVICE_CPU)
            save(device, made);
    }
    made->next = device->programs;
    device->programs = made;
    *program = made->handle;
    return AUXO_OK;
}
