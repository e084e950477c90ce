/* runtime/cli/cmd_export.c: auxo export FILE --onnx OUT: a saved model as a file that other programs run. */
#include "auxo/onnx.h"
#include "auxo/train.h"
#include "cli_session.h"

static const cli_option export_options[] = {
    {.name = "onnx", .type = CLI_TEXT, .argument = "FILE.onnx", .help = "Write the model here, as ONNX"},
    CLI_OPTIONS_END,
};

static const cli_option *const options[] = {export_options, cli_device_options, cli_common_options, NULL};

/* Of survival models with their hazard. */
static auxo_status export_file(auxo_device *device, const char *from, const char *to, auxo_error *error)
{
    auxo_data_schema *schema = NULL;
    auxo_survival_model survival = {0};
    auxo_model *model = NULL;
    auxo_status status = auxo_model_file_schema(from, &schema, error);
    const bool is_survival = schema && schema->target_type == AUXO_TARGET_SURVIVAL;
    auxo_data_schema_destroy(schema);
    if (status != AUXO_OK)
        return status;
    status = is_survival ? auxo_survival_model_load(device, from, &survival, error)
                         : auxo_model_load(device, from, &model, error);
    if (status == AUXO_OK)
        status =
            auxo_onnx_export(is_survival ? survival.network : model, is_survival ? &survival.hazard : NULL, to, error);
    if (is_survival)
        auxo_survival_model_deinit(&survival);
    auxo_model_destroy(model);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    const char *from = cli_operand(context->arguments, 0), *to = cli_text(context->arguments, "onnx");
    if (!to)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "export needs --onnx FILE.onnx, where to write");
    auxo_status status = cli_check_writable("onnx", to, error);
    cli_session session = {0};
    if (status == AUXO_OK)
        status = cli_session_open(context, &session, error);
    if (status == AUXO_OK)
        status = export_file(session.device, from, to, error);
    cli_session_close(&session);
    if (status != AUXO_OK)
        return status;
    cli_print(context->output, "%s written\n", to);
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "onnx", to);
    cli_emit(context->output, result);
    return AUXO_OK;
}

const cli_command cli_command_export = {
    .name = "export",
    .operands = "FILE.safetensors",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "write a saved model for other programs (ONNX)",
    .description =
        "Write a saved model as ONNX (operator set 17, any number of rows at a time), with what it does to its data: "
        "pictures come in as 0 to 255, tables by column names as numbers and text, and go through the model's own "
        "standardisation.\n\n"
        "Classes come out as logits, probabilities and label (their names), numbers in the targets' own units, "
        "survival "
        "as risk and the curve at the times that the output times lists.",
    .events = "{\"event\":\"result\",\"onnx\":..}",
    .examples = "auxo train --data fashion-mnist --save net.safetensors\n"
                "auxo export net.safetensors --onnx net.onnx",
    .options = options,
    .run = run,
};
