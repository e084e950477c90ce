/* runtime/plan/precision.h: the format that a precision stands for on a device. */
#ifndef AUXO_PLAN_PRECISION_H
#define AUXO_PLAN_PRECISION_H

#include "auxo/plan.h"

/* DEFAULT is the device's own. Errors: UNSUPPORTED, as auxo_device_set_precision. */
auxo_status auxo__precision_resolve(const auxo_device *device, auxo_precision precision, auxo_dtype *format,
                                    auxo_error *error);

#endif
