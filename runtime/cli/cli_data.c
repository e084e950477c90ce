/* runtime/cli/cli_data.c: data sets by the shared options. */
#include "cli_data.h"

#include "cli_output.h"

auxo_status cli_data_load(const cli_context *context, const auxo_data_request *request, auxo_dataset **train,
                          auxo_dataset **test, auxo_error *error)
{
    auxo_status status =
        auxo_settings_load_data(cli_arguments_settings(context->arguments), request, train, test, error);
    if (status == AUXO_OK && (*train)->note[0])
        cli_note(context->output, "%s", (*train)->note);
    return status;
}
