/* runtime/cli/cli_model.h: models by name or file. */
#ifndef CLI_MODEL_H
#define CLI_MODEL_H

#include "auxo/train.h"
#include "cli_session.h"

extern const cli_option cli_model_options[]; /* --model */

/* Opens `name` on a device: a built-in network or a JSON description with fresh weights from `seed`, shaped for
 * `dataset`; or a .safetensors file with its weights, which must fit the data set. Ownership: the caller's. */
auxo_status cli_model_open(auxo_device *device, const char *name, const auxo_dataset *dataset, uint64_t seed,
                           auxo_model **model, auxo_error *error);
/* What "auto" stands for with this data; any other name is itself. */
const char *cli_model_resolve(const char *name, const auxo_dataset *dataset);
/* --input "1x28x28": channels, height, width. */
auxo_status cli_model_parse_input(const char *text, int64_t dims[3], auxo_error *error);
/* Whether `name` is a file of weights. */
bool cli_model_is_file(const char *name);
/* Fails (INVALID_ARGUMENT, with both shapes) unless the model reads rows of this data set and has its outputs. */
auxo_status cli_model_check_data(const auxo_model *model, const auxo_dataset *dataset, auxo_error *error);

#endif
