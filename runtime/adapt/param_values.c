/* param_values.c: the values of one parameter, between the host and the device.
 */
#include "adapt_internal.h"

#include <stdlib.h>

auxo_status auxo__param_read(auxo_model *model, const auxo_param *param, float **values, size_t *count,
                             auxo_error *error)
{
    const auxo_tensor tensor = auxo_model_param_tensor(model, param);
    *count = (size_t)auxo_tensor_element_count(&tensor);
    *values = malloc((*count + 1) * sizeof **values);
    if (!*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", param->name);
    return auxo_buffer_read(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, *values,
                            *count * sizeof **values, error);
}

auxo_status auxo__param_write(auxo_model *model, const auxo_param *param, const float *values, auxo_error *error)
{
    const auxo_tensor tensor = auxo_model_param_tensor(model, param);
    return auxo_buffer_write(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, values,
                             (uint64_t)auxo_tensor_element_count(&tensor) * sizeof *values, error);
}
