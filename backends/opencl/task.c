/* backends/opencl/task.c: the builder of tasks, and their submission.
 *
 * Invariants of a task: every launch has all its arguments bound; work sizes are multiples of their groups; scratch
 * memory belongs to the task. Submitting binds nothing and allocates nothing.
 */
#include "task.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ocl_launch {
    cl_kernel kernel;
    cl_uint dims;
    size_t global[3], local[3];
} ocl_launch;

struct ocl_task {
    ocl_launch *launches;
    size_t launch_count;
    cl_mem *scratch;
    size_t scratch_count;
};

static void builder_fail(ocl_builder *builder, cl_int code, const char *what)
{
    if (builder->status == AUXO_OK)
        builder->status = ocl_fail(code, what, builder->error);
}

void ocl_build_fail(ocl_builder *builder, auxo_status status, const char *what)
{
    if (builder->status == AUXO_OK)
        builder->status = auxo_error_set(builder->error, status, "OpenCL: %s on %s", what, builder->device->info.name);
}

/* The array `items` with room for one more entry, or NULL (and the builder failed). */
static void *grow(ocl_builder *builder, void *items, size_t count, size_t item_size)
{
    void *grown = realloc(items, (count + 1) * item_size);
    if (!grown)
        builder_fail(builder, CL_OUT_OF_HOST_MEMORY, "growing a task");
    return grown;
}

ocl_builder ocl_build_begin(void *device, size_t group_size, auxo_error *error)
{
    ocl_builder builder = {.device = device, .group_size = group_size, .error = error, .status = AUXO_OK};
    builder.task = calloc(1, sizeof *builder.task);
    if (!builder.task)
        builder_fail(&builder, CL_OUT_OF_HOST_MEMORY, "creating a task");
    return builder;
}

auxo_status ocl_build_end(ocl_builder *builder, void **state)
{
    if (builder->kernel) {
        clReleaseKernel(builder->kernel);
        builder->kernel = NULL;
    }
    if (builder->status == AUXO_OK) {
        *state = builder->task;
        return AUXO_OK;
    }
    ocl_task_release(builder->device, builder->task);
    return builder->status;
}

void ocl_build_kernel(ocl_builder *builder, const char *noun, const char *kernel, const char *options, ...)
{
    char text[OCL_OPTIONS_MAX];
    cl_program program = NULL;
    cl_int code = CL_SUCCESS;
    va_list arguments;
    if (builder->status != AUXO_OK)
        return;
    va_start(arguments, options);
    const int length = vsnprintf(text, sizeof text, options, arguments);
    va_end(arguments);
    if (length < 0 || (size_t)length >= sizeof text) {
        ocl_build_fail(builder, AUXO_INTERNAL, "the options of a program are longer than OCL_OPTIONS_MAX");
        return;
    }
    builder->next_arg = 0;
    builder->status = ocl_program_get(builder->device, noun, text, &program, builder->error);
    if (builder->status != AUXO_OK)
        return;
    builder->kernel = clCreateKernel(program, kernel, &code);
    if (code != CL_SUCCESS) {
        builder->kernel = NULL;
        builder_fail(builder, code, kernel);
    }
}

cl_mem ocl_build_scratch(ocl_builder *builder, uint64_t size_bytes)
{
    void *memory = NULL;
    if (builder->status != AUXO_OK || size_bytes == 0)
        return NULL;
    cl_mem *grown = grow(builder, builder->task->scratch, builder->task->scratch_count, sizeof *grown);
    if (!grown)
        return NULL;
    builder->task->scratch = grown;
    builder->status = ocl_buffer_create(builder->device, size_bytes, &memory, builder->error);
    if (builder->status == AUXO_OK)
        grown[builder->task->scratch_count++] = memory;
    return memory;
}

cl_mem ocl_build_table(ocl_builder *builder, const void *data, uint64_t size_bytes)
{
    cl_int code = CL_SUCCESS;
    if (builder->status != AUXO_OK || size_bytes == 0)
        return NULL;
    cl_mem *grown = grow(builder, builder->task->scratch, builder->task->scratch_count, sizeof *grown);
    if (!grown)
        return NULL;
    builder->task->scratch = grown;
    cl_mem memory = clCreateBuffer(builder->device->context, CL_MEM_READ_ONLY | CL_MEM_COPY_HOST_PTR,
                                   (size_t)size_bytes, (void *)(uintptr_t)data, &code);
    if (code != CL_SUCCESS) {
        builder_fail(builder, code, "clCreateBuffer");
        return NULL;
    }
    grown[builder->task->scratch_count++] = memory;
    return memory;
}

static void bind(ocl_builder *builder, size_t size, const void *value)
{
    if (builder->status != AUXO_OK)
        return;
    cl_int code = clSetKernelArg(builder->kernel, builder->next_arg, size, value);
    if (code != CL_SUCCESS) {
        char what[160] = "";
        clGetKernelInfo(builder->kernel, CL_KERNEL_FUNCTION_NAME, sizeof what - 40, what, NULL);
        size_t used = strlen(what);
        snprintf(what + used, sizeof what - used, ": clSetKernelArg %u", (unsigned)builder->next_arg);
        builder_fail(builder, code, what);
    }
    ++builder->next_arg;
}

void ocl_arg_memory(ocl_builder *builder, cl_mem memory)
{
    bind(builder, sizeof memory, &memory);
}

void ocl_arg_tensor(ocl_builder *builder, const auxo_tensor *tensor)
{
    cl_ulong offset = 0;
    cl_mem memory = NULL;
    if (tensor->rank > 0) {
        memory = auxo_tensor_handle(tensor);
        offset = tensor->offset_bytes / auxo_dtype_size_bytes(tensor->dtype);
    }
    ocl_arg_memory(builder, memory);
    bind(builder, sizeof offset, &offset);
}

void ocl_arg_int(ocl_builder *builder, int64_t value)
{
    cl_int narrow = (cl_int)value;
    if (narrow != value && builder->status == AUXO_OK)
        builder->status =
            auxo_error_set(builder->error, AUXO_UNSUPPORTED,
                           "OpenCL: an extent of %lld does not fit a kernel's 32-bit argument", (long long)value);
    bind(builder, sizeof narrow, &narrow);
}

void ocl_arg_uint(ocl_builder *builder, uint32_t value)
{
    bind(builder, sizeof value, &value);
}

void ocl_arg_long(ocl_builder *builder, int64_t value)
{
    bind(builder, sizeof value, &value);
}

void ocl_arg_float(ocl_builder *builder, float value)
{
    bind(builder, sizeof value, &value);
}

static void add_launch(ocl_builder *builder, cl_uint dims, const uint64_t *groups, const uint64_t *group_size)
{
    ocl_task *task = builder->task;
    if (builder->status != AUXO_OK)
        return;
    ocl_launch launch = {.kernel = builder->kernel, .dims = dims};
    bool empty = false;
    for (cl_uint i = 0; i < dims; ++i) {
        launch.global[i] = (size_t)(groups[i] * group_size[i]);
        launch.local[i] = (size_t)group_size[i];
        empty = empty || launch.global[i] == 0;
    }
    if (empty) { /* the builder still owns the kernel */
        clReleaseKernel(builder->kernel);
        builder->kernel = NULL;
        return;
    }
    ocl_launch *grown = grow(builder, task->launches, task->launch_count, sizeof *grown);
    if (!grown)
        return;
    task->launches = grown;
    grown[task->launch_count++] = launch;
    builder->kernel = NULL;
}

/* How many work-items the driver runs in one group of the current kernel. */
static size_t group_limit(ocl_builder *builder)
{
    size_t limit = 1;
    if (builder->status == AUXO_OK) {
        cl_int code = clGetKernelWorkGroupInfo(builder->kernel, builder->device->id, CL_KERNEL_WORK_GROUP_SIZE,
                                               sizeof limit, &limit, NULL);
        if (code != CL_SUCCESS)
            builder_fail(builder, code, "CL_KERNEL_WORK_GROUP_SIZE");
    }
    return limit;
}

void ocl_build_groups(ocl_builder *builder, cl_uint dims, const uint64_t *groups, const uint64_t *group_size)
{
    const ocl_device *device = builder->device;
    const size_t limit = group_limit(builder);
    uint64_t product = 1;
    for (cl_uint i = 0; i < dims; ++i)
        product *= group_size[i];
    if (builder->status == AUXO_OK && product > limit) {
        builder->status = auxo_error_set(builder->error, AUXO_UNSUPPORTED,
                                         "OpenCL: %s runs groups of %zu work-items for this kernel, not of %llu",
                                         device->info.name, limit, (unsigned long long)product);
        builder->group_limit = limit;
    }
    add_launch(builder, dims, groups, group_size);
}

void ocl_build_groups_1d(ocl_builder *builder, uint64_t groups, uint64_t group_size)
{
    ocl_build_groups(builder, 1, &groups, &group_size);
}

void ocl_build_items_in_groups(ocl_builder *builder, uint64_t count, uint64_t group_size)
{
    const size_t limit = group_limit(builder);
    while (group_size > limit && group_size > 1)
        group_size /= 2;
    uint64_t groups = ocl_divide_up(count, group_size);
    add_launch(builder, 1, &groups, &group_size);
}

void ocl_build_items(ocl_builder *builder, uint64_t count)
{
    enum { ITEMS_PER_GROUP = 256 };
    ocl_build_items_in_groups(builder, count, ITEMS_PER_GROUP);
}

auxo_status ocl_prepare(ocl_build_function *build, void *device, const auxo_op *op, const int32_t *parameters,
                        void **state, auxo_error *error)
{
    size_t group_size = ((const ocl_device *)device)->group_size;
    for (;;) {
        ocl_builder builder = ocl_build_begin(device, group_size, error);
        build(&builder, op, parameters);
        const size_t limit = builder.group_limit;
        const auxo_status status = ocl_build_end(&builder, state);
        if (status == AUXO_OK || limit == 0 || limit >= group_size || group_size == 1)
            return status;
        while (group_size > limit && group_size > 1)
            group_size /= 2;
    }
}

auxo_status ocl_task_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    const ocl_queue *self = queue;
    const ocl_task *task = state;
    (void)op;
    for (size_t i = 0; i < task->launch_count; ++i) {
        const ocl_launch *launch = &task->launches[i];
        cl_int code = clEnqueueNDRangeKernel(self->handle, launch->kernel, launch->dims, NULL, launch->global,
                                             launch->local, 0, NULL, NULL);
        if (code != CL_SUCCESS) {
            char what[160] = "";
            clGetKernelInfo(launch->kernel, CL_KERNEL_FUNCTION_NAME, sizeof what, what, NULL);
            return ocl_fail(code, what, error);
        }
    }
    return AUXO_OK;
}

void ocl_task_release(void *device, void *state)
{
    ocl_task *task = state;
    (void)device;
    if (!task)
        return;
    for (size_t i = 0; i < task->launch_count; ++i)
        clReleaseKernel(task->launches[i].kernel);
    for (size_t i = 0; i < task->scratch_count; ++i)
        clReleaseMemObject(task->scratch[i]);
    free(task->launches);
    free(task->scratch);
    free(task);
}
