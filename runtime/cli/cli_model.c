/* runtime/cli/cli_model.c: what options say of models. */
#include "cli_model.h"

#include <stdlib.h>
#include <string.h>

auxo_status cli_model_parse_input(const char *text, int64_t dims[3], auxo_error *error)
{
    const char *rest = text;
    for (int i = 0; i < 3; i++) {
        char *end = NULL;
        dims[i] = strtoll(rest, &end, 10);
        if (end == rest || dims[i] < 1 || *end != (i < 2 ? 'x' : '\0'))
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--input: \"%s\" is not CxHxW, for example 1x28x28",
                                  text);
        rest = end + 1;
    }
    return AUXO_OK;
}
