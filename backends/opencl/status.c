/* backends/opencl/status.c: OpenCL error codes as auxo statuses with the code's name, and the log.
 *
 * Out of resources and a device that is gone both mean that the context cannot be used any further: DEVICE_LOST.
 */
#include "ocl.h"

#include <stdarg.h>
#include <stdio.h>

/* X(NAME): every code of OpenCL 1.2, and the loader's own. */
#define OCL_ERROR_TABLE(X)                                                                                             \
    X(CL_DEVICE_NOT_FOUND)                                                                                             \
    X(CL_DEVICE_NOT_AVAILABLE)                                                                                         \
    X(CL_COMPILER_NOT_AVAILABLE)                                                                                       \
    X(CL_MEM_OBJECT_ALLOCATION_FAILURE)                                                                                \
    X(CL_OUT_OF_RESOURCES)                                                                                             \
    X(CL_OUT_OF_HOST_MEMORY)                                                                                           \
    X(CL_PROFILING_INFO_NOT_AVAILABLE)                                                                                 \
    X(CL_MEM_COPY_OVERLAP)                                                                                             \
    X(CL_BUILD_PROGRAM_FAILURE)                                                                                        \
    X(CL_MISALIGNED_SUB_BUFFER_OFFSET)                                                                                 \
    X(CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST)                                                                    \
    X(CL_COMPILE_PROGRAM_FAILURE)                                                                                      \
    X(CL_LINKER_NOT_AVAILABLE)                                                                                         \
    X(CL_LINK_PROGRAM_FAILURE)                                                                                         \
    X(CL_KERNEL_ARG_INFO_NOT_AVAILABLE)                                                                                \
    X(CL_INVALID_VALUE)                                                                                                \
    X(CL_INVALID_DEVICE_TYPE)                                                                                          \
    X(CL_INVALID_PLATFORM)                                                                                             \
    X(CL_INVALID_DEVICE)                                                                                               \
    X(CL_INVALID_CONTEXT)                                                                                              \
    X(CL_INVALID_QUEUE_PROPERTIES)                                                                                     \
    X(CL_INVALID_COMMAND_QUEUE)                                                                                        \
    X(CL_INVALID_HOST_PTR)                                                                                             \
    X(CL_INVALID_MEM_OBJECT)                                                                                           \
    X(CL_INVALID_BINARY)                                                                                               \
    X(CL_INVALID_BUILD_OPTIONS)                                                                                        \
    X(CL_INVALID_PROGRAM)                                                                                              \
    X(CL_INVALID_PROGRAM_EXECUTABLE)                                                                                   \
    X(CL_INVALID_KERNEL_NAME)                                                                                          \
    X(CL_INVALID_KERNEL_DEFINITION)                                                                                    \
    X(CL_INVALID_KERNEL)                                                                                               \
    X(CL_INVALID_ARG_INDEX)                                                                                            \
    X(CL_INVALID_ARG_VALUE)                                                                                            \
    X(CL_INVALID_ARG_SIZE)                                                                                             \
    X(CL_INVALID_KERNEL_ARGS)                                                                                          \
    X(CL_INVALID_WORK_DIMENSION)                                                                                       \
    X(CL_INVALID_WORK_GROUP_SIZE)                                                                                      \
    X(CL_INVALID_WORK_ITEM_SIZE)                                                                                       \
    X(CL_INVALID_GLOBAL_OFFSET)                                                                                        \
    X(CL_INVALID_EVENT_WAIT_LIST)                                                                                      \
    X(CL_INVALID_EVENT)                                                                                                \
    X(CL_INVALID_OPERATION)                                                                                            \
    X(CL_INVALID_BUFFER_SIZE)                                                                                          \
    X(CL_INVALID_GLOBAL_WORK_SIZE)                                                                                     \
    X(CL_INVALID_PROPERTY)                                                                                             \
    X(CL_INVALID_COMPILER_OPTIONS)                                                                                     \
    X(CL_INVALID_LINKER_OPTIONS)

const char *ocl_error_name(cl_int code)
{
    switch (code) {
    case CL_SUCCESS:
        return "CL_SUCCESS";
#define OCL_ERROR_CASE(name)                                                                                           \
    case name:                                                                                                         \
        return #name;
        OCL_ERROR_TABLE(OCL_ERROR_CASE)
#undef OCL_ERROR_CASE
    case -1001: /* CL_PLATFORM_NOT_FOUND_KHR of cl_khr_icd */
        return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
        return "an OpenCL code without a name";
    }
}

static auxo_status status_of(cl_int code)
{
    switch (code) {
    case CL_SUCCESS:
        return AUXO_OK;
    case CL_OUT_OF_HOST_MEMORY:
        return AUXO_OUT_OF_MEMORY;
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
    case CL_INVALID_BUFFER_SIZE:
        return AUXO_OUT_OF_DEVICE_MEMORY;
    case CL_OUT_OF_RESOURCES:
    case CL_DEVICE_NOT_AVAILABLE:
        return AUXO_DEVICE_LOST;
    default:
        return AUXO_DRIVER;
    }
}

auxo_status ocl_fail(cl_int code, const char *what, auxo_error *error)
{
    auxo_status status = status_of(code);
    if (status == AUXO_OK)
        return AUXO_OK;
    if (error) {
        error->status = status;
        snprintf(error->message, sizeof error->message, "OpenCL: %s: %s (%d)", what, ocl_error_name(code), (int)code);
    }
    return status;
}

void ocl_log(const auxo_backend_host *host, auxo_log_level level, const char *format, ...)
{
    char message[2048];
    va_list arguments;
    if (!host->log)
        return;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    host->log(host->log_user, level, message);
}
