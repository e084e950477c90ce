/* runtime/cli/cli_model.h: what options say of models. */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H

#include "auxo/train.h"
#include "cli_session.h"

/* --input "1x28x28": channels, height, width. */
auxo_status cli_model_parse_input(const char *text, int64_t dims[3], auxo_error *error);

#endif
