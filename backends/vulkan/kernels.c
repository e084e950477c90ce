/* kernels.c: the table of every op's variants, the preferred first.
 *
 * Ops marked "any" handle tensors beyond one binding range by windows; the others say no to them in `supports`.
 */
#include "vk_ops.h"

#define KERNEL(name, limit, prepare_name)                                                                              \
    {                                                                                                                  \
        .variant = name, .supports = limit, .prepare = vk_prepare_##prepare_name, .release = vk_program_release,       \
        .enqueue = vk_program_enqueue                                                                                  \
    }
#define ONE(name, limit, prepare_name)                                                                                 \
    {                                                                                                                  \
        .variants = (const auxo_kernel[]){KERNEL(name, limit, prepare_name)}, .count = 1                               \
    }

const auxo_kernel_list vk_kernels[AUXO_OP_COUNT] = {
    [AUXO_OP_FILL] = ONE("words", NULL, fill),
    [AUXO_OP_COPY] = ONE("strided", NULL, copy),
    [AUXO_OP_ADD] = ONE("flat", NULL, add),
    [AUXO_OP_ACTIVATION_FORWARD] = ONE("flat", NULL, activation_forward),
    [AUXO_OP_ACTIVATION_BACKWARD] = ONE("flat", NULL, activation_backward),
    [AUXO_OP_BIAS_ADD] = ONE("flat", NULL, bias_add),
    [AUXO_OP_SCALE] = ONE("flat", NULL, scale),
};
