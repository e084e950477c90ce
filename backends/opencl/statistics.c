/* backends/opencl/statistics.c: what OpenCL tells about the kernels of compiled programs: memory and group sizes.
 *
 * OpenCL has no query for registers or spills; private memory is what a driver keeps outside registers.
 */
#include "ocl.h"

#include <stdio.h>
#include <string.h>

enum { KERNELS_MAX = 16 };

static void add(auxo_program_statistic *statistics, size_t *count, const char *name, double value)
{
    snprintf(statistics[*count].name, sizeof statistics[*count].name, "%s", name);
    statistics[(*count)++].value = value;
}

static size_t read_statistics(const ocl_device *device, cl_kernel kernel, auxo_program_statistic *statistics)
{
    size_t count = 0;
    cl_ulong bytes = 0;
    size_t group = 0;
    if (clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_PRIVATE_MEM_SIZE, sizeof bytes, &bytes, NULL) ==
        CL_SUCCESS)
        add(statistics, &count, "Private memory", (double)bytes);
    if (clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_LOCAL_MEM_SIZE, sizeof bytes, &bytes, NULL) ==
        CL_SUCCESS)
        add(statistics, &count, "Local memory", (double)bytes);
    if (clGetKernelWorkGroupInfo(kernel, device->id, CL_KERNEL_WORK_GROUP_SIZE, sizeof group, &group, NULL) ==
        CL_SUCCESS)
        add(statistics, &count, "Largest group", (double)group);
    return count;
}

static void visit_kernel(const ocl_device *device, const ocl_program *program, cl_kernel kernel,
                         auxo_program_function *visit, void *user)
{
    char function[96] = "";
    char name[160];
    auxo_program_statistic statistics[3];
    const char *options = strchr(program->key, ' ');
    const size_t length = options ? (size_t)(options - program->key) : strlen(program->key);
    if (clGetKernelInfo(kernel, CL_KERNEL_FUNCTION_NAME, sizeof function, function, NULL) != CL_SUCCESS)
        return;
    snprintf(name, sizeof name, "%.*s %s", (int)(length < 60 ? length : 60), program->key, function);
    const auxo_program_info info = {.name = name,
                                    .options = options ? options + 1 : "",
                                    .statistics = statistics,
                                    .statistic_count = read_statistics(device, kernel, statistics)};
    visit(user, &info);
}

auxo_status ocl_programs_visit(void *opaque, auxo_program_function *visit, void *user, auxo_error *error)
{
    const ocl_device *device = opaque;
    for (const ocl_program *program = device->programs; program; program = program->next) {
        cl_kernel kernels[KERNELS_MAX];
        cl_uint count = 0;
        const cl_int code = clCreateKernelsInProgram(program->handle, KERNELS_MAX, kernels, &count);
        if (code != CL_SUCCESS)
            return ocl_fail(code, "clCreateKernelsInProgram", error);
        for (cl_uint i = 0; i < count; ++i) {
            visit_kernel(device, program, kernels[i], visit, user);
            clReleaseKernel(kernels[i]);
        }
    }
    return AUXO_OK;
}
