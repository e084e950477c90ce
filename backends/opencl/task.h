/* backends/opencl/task.h: building the launches of one op.
 *
 * Owns the builder's contract: calls after a failure do nothing, and ocl_build_end reports the first failure, so that
 * a prepare function reads as the straight list of its kernels and arguments.
 */
#ifndef OCL_TASK_H
#define OCL_TASK_H

#include "ocl.h"

typedef struct ocl_task ocl_task;

typedef struct ocl_builder {
    ocl_device *device;
    size_t group_size;  /* work-items that share one reduction in this task */
    size_t group_limit; /* 0, or why building failed: the driver runs a kernel in groups of so many at most */
    ocl_task *task;
    auxo_error *error;
    auxo_status status; /* of the first failure */
    cl_kernel kernel;   /* the one whose arguments are being bound */
    cl_uint next_arg;
} ocl_builder;

/* `group_size`: of reductions, usually the device's. */
ocl_builder ocl_build_begin(void *device, size_t group_size, auxo_error *error);
/* Ends the building: *state is the task on success. */
auxo_status ocl_build_end(ocl_builder *builder, void **state);

/* Makes the building fail, unless it already has. */
void ocl_build_fail(ocl_builder *builder, auxo_status status, const char *what);

/* Starts a launch of `kernel` of program `noun`, compiled with the formatted options. */
void ocl_build_kernel(ocl_builder *builder, const char *noun, const char *kernel, const char *options, ...)
    AUXO_PRINTF(4, 5);
/* Memory that lives as long as the task; size 0 gives NULL. */
cl_mem ocl_build_scratch(ocl_builder *builder, uint64_t size_bytes);
/* The same, filled from host memory. */
cl_mem ocl_build_table(ocl_builder *builder, const void *data, uint64_t size_bytes);

/* The next kernel argument(s). A tensor binds two: its buffer (NULL if absent) and its offset in elements (ulong). */
void ocl_arg_tensor(ocl_builder *builder, const auxo_tensor *tensor);
void ocl_arg_memory(ocl_builder *builder, cl_mem memory);
void ocl_arg_int(ocl_builder *builder, int64_t value); /* kernel type int; fails if it does not fit */
void ocl_arg_uint(ocl_builder *builder, uint32_t value);
void ocl_arg_long(ocl_builder *builder, int64_t value); /* kernel type long or ulong */
void ocl_arg_float(ocl_builder *builder, float value);

/* Ends a launch: at least `count` work-items in one dimension, in groups of the device's choice. The kernel checks its
 * index. count 0 drops the launch. */
void ocl_build_items(ocl_builder *builder, uint64_t count);
/* The same with at most `group_size` work-items per group. */
void ocl_build_items_in_groups(ocl_builder *builder, uint64_t count, uint64_t group_size);
/* Ends a launch of groups[] work-groups of exactly group_size[] work-items each. A zero drops the launch. */
void ocl_build_groups(ocl_builder *builder, cl_uint dims, const uint64_t *groups, const uint64_t *group_size);
/* One dimension of the former. */
void ocl_build_groups_1d(ocl_builder *builder, uint64_t groups, uint64_t group_size);

/* The SPI slots of every kernel that is a task. */
auxo_status ocl_task_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error);
void ocl_task_release(void *device, void *state);

/* Adds the launches of an op to a task that has begun. */
typedef void ocl_build_function(ocl_builder *b, const auxo_op *op, const int32_t *parameters);
/* The type of an SPI prepare slot. */
typedef auxo_status ocl_prepare_function(void *device, const auxo_op *op, const int32_t *parameters, void **state,
                                         auxo_error *error);

/* Begins a task, builds and ends it; again with smaller groups where the driver turns out to run a kernel in smaller
 * groups only. */
auxo_status ocl_prepare(ocl_build_function *build, void *device, const auxo_op *op, const int32_t *parameters,
                        void **state, auxo_error *error);
/* Defines the SPI slot `name` from a build function; ends with a declaration of it, so that a semicolon follows. */
#define OCL_PREPARE(name, build)                                                                                       \
    auxo_status name(void *device, const auxo_op *op, const int32_t *parameters, void **state, auxo_error *error)      \
    {                                                                                                                  \
        return ocl_prepare(build, device, op, parameters, state, error);                                               \
    }                                                                                                                  \
    ocl_prepare_function name

static inline uint64_t ocl_divide_up(uint64_t value, uint64_t divisor)
{
    return (value + divisor - 1) / divisor;
}

#endif
