/* runtime/plan/precision.c: which 16-bit formats a device can run networks in. */
#include "precision.h"

#include "plan_internal.h"
#include <string.h>

/* All that a network and its training step do to activations. */
static const auxo_op_kind needed[] = {AUXO_OP_GEMM,
                                      AUXO_OP_CONV2D_FORWARD,
                                      AUXO_OP_CONV2D_BACKWARD_DATA,
                                      AUXO_OP_CONV2D_BACKWARD_WEIGHTS,
                                      AUXO_OP_POOL2D_FORWARD,
                                      AUXO_OP_POOL2D_BACKWARD,
                                      AUXO_OP_ACTIVATION_FORWARD,
                                      AUXO_OP_ACTIVATION_BACKWARD,
                                      AUXO_OP_ADD,
                                      AUXO_OP_SCALE,
                                      AUXO_OP_REDUCE,
                                      AUXO_OP_BATCH_NORM_FORWARD,
                                      AUXO_OP_BATCH_NORM_BACKWARD,
                                      AUXO_OP_DROPOUT,
                                      AUXO_OP_GATHER_BATCH,
                                      AUXO_OP_AUGMENT,
                                      AUXO_OP_COPY,
                                      AUXO_OP_OPTIMIZER_STEP};

/* The first op that the device lacks in that format; AUXO_OP_COUNT: none. */
static auxo_op_kind first_missing(const auxo_device *device, auxo_dtype format)
{
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!auxo_op_takes_format(device, needed[i], format))
            return needed[i];
    return AUXO_OP_COUNT;
}

static bool runs_in(const auxo_device *device, auxo_dtype format)
{
    return first_missing(device, format) == AUXO_OP_COUNT;
}

/* bf16 first: it needs no scaling of the loss. */
static auxo_dtype choose(const auxo_device *device)
{
    if (device->info.features & AUXO_FEATURE_BF16_MATRIX && runs_in(device, AUXO_DTYPE_BF16))
        return AUXO_DTYPE_BF16;
    const bool has_units = device->info.features & AUXO_FEATURE_COOPERATIVE_MATRIX;
    return has_units && runs_in(device, AUXO_DTYPE_F16) ? AUXO_DTYPE_F16 : AUXO_DTYPE_F32;
}

auxo_status auxo_precision_parse(const char *text, auxo_precision *precision, auxo_error *error)
{
    static const char *const names[] = {[AUXO_PRECISION_F32] = "f32",
                                        [AUXO_PRECISION_BF16] = "bf16",
                                        [AUXO_PRECISION_F16] = "f16",
                                        [AUXO_PRECISION_AUTO] = "auto"};
    for (int i = AUXO_PRECISION_F32; i <= AUXO_PRECISION_AUTO; i++)
        if (strcmp(text, names[i]) == 0) {
            *precision = (auxo_precision)i;
            return AUXO_OK;
        }
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "precision: \"%.40s\" is not one of f32, bf16, f16, auto",
                          text);
}

auxo_status auxo__precision_resolve(const auxo_device *device, auxo_precision precision, auxo_dtype *format,
                                    auxo_error *error)
{
    static const auxo_dtype formats[] = {[AUXO_PRECISION_DEFAULT] = AUXO_DTYPE_F32,
                                         [AUXO_PRECISION_F32] = AUXO_DTYPE_F32,
                                         [AUXO_PRECISION_BF16] = AUXO_DTYPE_BF16,
                                         [AUXO_PRECISION_F16] = AUXO_DTYPE_F16,
                                         [AUXO_PRECISION_AUTO] = AUXO_DTYPE_F32};
    if ((unsigned)precision >= sizeof formats / sizeof *formats)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "there is no precision %d", (int)precision);
    *format = precision == AUXO_PRECISION_DEFAULT ? device->precision
              : precision == AUXO_PRECISION_AUTO  ? choose(device)
                                                  : formats[precision];
    const auxo_op_kind missing = *format == AUXO_DTYPE_F32 ? AUXO_OP_COUNT : first_missing(device, *format);
    if (missing == AUXO_OP_COUNT)
        return AUXO_OK;
    return auxo_error_set(
        error, AUXO_UNSUPPORTED, "precision %s: device %s (%s) has no kernel for %s in it; it runs networks in f32%s%s",
        auxo_dtype_text(*format), device->info.selector, device->info.name, auxo_op_noun(missing),
        runs_in(device, AUXO_DTYPE_BF16) ? " and bf16" : "", runs_in(device, AUXO_DTYPE_F16) ? " and f16" : "");
}

auxo_status auxo_device_set_precision(auxo_device *device, auxo_precision precision, auxo_error *error)
{
    auxo_dtype format = AUXO_DTYPE_F32;
    const auxo_status status = auxo__precision_resolve(
        device, precision == AUXO_PRECISION_DEFAULT ? AUXO_PRECISION_F32 : precision, &format, error);
    if (status == AUXO_OK)
        device->precision = format;
    return status;
}

auxo_dtype auxo_device_precision(const auxo_device *device)
{
    return device->precision;
}
