/* tuning.h: which variant and parameters tuning data names for an op on a device.
 */
#ifndef AUXO_DEVICE_TUNING_H
#define AUXO_DEVICE_TUNING_H

#include "device_internal.h"

typedef struct auxo__tuned {
    const auxo_kernel *kernel;
    const char *why; /* "tuned for this device", "tuned for this vendor", "tuned default"; static text */
    int32_t parameters[AUXO_TUNABLES_MAX];
} auxo__tuned;

/* Looks up device -> vendor -> default; false if nothing is said about this op. */
bool auxo__tuning_find(auxo_device *device, const auxo_op *op, auxo__tuned *found);

#endif
