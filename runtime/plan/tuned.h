/* tuned.h: tuning data applied: the kernel and parameters that it names for an op on a device. */
#ifndef AUXO_PLAN_TUNED_H
#define AUXO_PLAN_TUNED_H

#include "device_internal.h"

typedef struct auxo__tuned {
    const auxo_kernel *kernel;
    const char *why; /* "tuned for this device", "tuned for this vendor", "tuned default"; static text */
    int32_t parameters[AUXO_TUNABLES_MAX];
} auxo__tuned;

/* The closest that is said about this op on this device; with `able`, of what names a kernel that can do it. False if
 * there is nothing. */
bool auxo__tuned_find(auxo_device *device, const auxo_op *op, bool able, auxo__tuned *found);

#endif
