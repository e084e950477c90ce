/* runtime/cli/cli_data.h: data sets by the shared options (auxo_data_settings), notes of readers told.
 */
#ifndef CLI_DATA_H
#define CLI_DATA_H

#include "auxo/data.h"
#include "commands.h"

#define cli_data_options auxo_data_settings

/* Loads the data of the options in the form that request says; tells the reader's note. Ownership: the caller's. */
auxo_status cli_data_load(const cli_context *context, const auxo_data_request *request, auxo_dataset **train,
                          auxo_dataset **test, auxo_error *error);

#endif
