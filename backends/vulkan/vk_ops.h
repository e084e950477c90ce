/* vk_ops.h: the prepare functions of every op, by the file that holds them. kernels.c lists them as variants. */
#ifndef VK_OPS_H
#define VK_OPS_H

#include "vk_program.h"

#define VK_PREPARE(name)                                                                                               \
    auxo_status vk_prepare_##name(void *device, const auxo_op *op, const int32_t *parameters, void **state,            \
                                  auxo_error *error)

/* op_elementwise.c */
VK_PREPARE(fill);
VK_PREPARE(copy);
VK_PREPARE(add);
VK_PREPARE(activation_forward);
VK_PREPARE(activation_backward);
VK_PREPARE(bias_add);
VK_PREPARE(scale);

#endif
