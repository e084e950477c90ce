/* runtime/cli/cmd_import.c: auxo import FILE.onnx --save OUT: a network of other programs as a saved model. */
#include "auxo/onnx.h"
#include "auxo/train.h"
#include "cli_session.h"

static const cli_option import_options[] = {
    {.name = "save",
     .type = CLI_TEXT,
     .argument = "FILE.safetensors",
     .help = "Write the model here; auxo train --weights, --model, eval and predict read it"},
    CLI_OPTIONS_END,
};

static const cli_option *const options[] = {import_options, cli_device_options, cli_common_options, NULL};

static auxo_status run(const cli_context *context, auxo_error *error)
{
    const char *from = cli_operand(context->arguments, 0), *to = cli_text(context->arguments, "save");
    if (!to)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "import needs --save FILE.safetensors, where to write");
    cli_session session = {0};
    auxo_model *model = NULL;
    auxo_status status = cli_check_writable("save", to, error);
    if (status == AUXO_OK)
        status = cli_session_open(context, &session, error);
    if (status == AUXO_OK)
        status = auxo_onnx_import(session.device, from, &model, error);
    if (status == AUXO_OK)
        status = auxo_model_save(model, to, error);
    if (status == AUXO_OK) {
        const auxo_model_desc *desc = auxo_model_get_desc(model);
        const unsigned long long weights = (unsigned long long)auxo_model_weight_count(model);
        cli_print(context->output, "%s: %u layers, %llu weights\n", to, (unsigned)desc->layer_count, weights);
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "save", to);
        auxo__tree_number(result, "layers", desc->layer_count);
        auxo__tree_number(result, "weights", (double)weights);
        cli_emit(context->output, result);
    }
    auxo_model_destroy(model);
    cli_session_close(&session);
    return status;
}

const cli_command cli_command_import = {
    .name = "import",
    .operands = "FILE.onnx",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "read a network of other programs (ONNX)",
    .description =
        "Read an ONNX file of one input and one output into a saved model, for the operators that layers here are made "
        "of: Conv, Gemm, MatMul, BatchNormalization, MaxPool, AveragePool, GlobalAveragePool, ReduceMean over height "
        "and width, Relu, LeakyRelu, Elu, "
        "Selu, Sigmoid, Tanh, Add, Concat, Flatten, Reshape to rows, Dropout, Identity, constants that are subtracted "
        "from or multiplied with the input, and a last Softmax. Any other operator is refused by name. A file that "
        "auxo export wrote comes back as the model it was.",
    .events = "{\"event\":\"result\",\"save\":..,\"layers\":..,\"weights\":..}",
    .examples = "auxo import resnet18.onnx --save resnet18.safetensors",
    .options = options,
    .run = run,
};
