/* runtime/cli/cmd_data_pack.c: auxo data pack FILE... --out X.auxo: rows of any data set as one file that is mapped
 * instead of read. */
#include "auxo/format.h"
#include "cli_model.h"

#include <stdlib.h>
#include <string.h>

static const cli_option pack_options[] = {
    {.name = "out", .type = CLI_TEXT, .argument = "FILE.auxo", .help = "The file to write"},
    {.name = "like",
     .type = CLI_TEXT,
     .argument = "MODEL.safetensors",
     .help = "Bring the rows into the form that this model knows: its columns, levels and classes"},
    CLI_OPTIONS_END,
};

/* What has been packed so far. */
typedef struct packing {
    auxo_packer *packer;
    auxo_data_schema *schema; /* of the first part, or of a model; NULL: none yet */
    size_t rows[2];           /* train, test */
    bool has_tests;
} packing;

static auxo_status load(const cli_context *context, const packing *made, size_t index, auxo_dataset *sets[2],
                        auxo_error *error)
{
    const auxo_data_request request = {.name = cli_operand(context->arguments, index),
                                       .seed = cli_integer(context->arguments, "seed"),
                                       .schema = made->schema};
    return cli_data_load(context, &request, &sets[0], &sets[1], error);
}

static auxo_status add(packing *made, const auxo_dataset *part, bool test, auxo_error *error)
{
    const auxo_status status = auxo_packer_add(made->packer, part, test, error);
    made->rows[test] += status == AUXO_OK ? part->row_count : 0;
    return status;
}

/* One operand: its training rows, or its test rows. */
static auxo_status add_operand(const cli_context *context, packing *made, size_t index, bool tests, auxo_error *error)
{
    auxo_dataset *sets[2] = {NULL, NULL};
    auxo_status status = load(context, made, index, sets, error);
    if (status == AUXO_OK && !made->schema)
        status = auxo_data_schema_copy(auxo_dataset_schema(sets[0]), &made->schema, error);
    if (status == AUXO_OK && !tests)
        status = add(made, sets[0], false, error);
    made->has_tests = made->has_tests || sets[1];
    if (status == AUXO_OK && tests && sets[1])
        status = add(made, sets[1], true, error);
    auxo_dataset_destroy(sets[0]);
    auxo_dataset_destroy(sets[1]);
    return status;
}

static auxo_status read_model_form(const char *path, packing *made, auxo_error *error)
{
    const auxo_status status = auxo_model_file_schema(path, &made->schema, error);
    if (status == AUXO_OK && !made->schema)
        return auxo_error_set(error, AUXO_FORMAT, "--like: %s says nothing of the data it was trained on", path);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    packing made = {0};
    const char *path = cli_text(context->arguments, "out"), *model = cli_text(context->arguments, "like");
    const size_t count = cli_operand_count(context->arguments);
    uint64_t size_bytes = 0;
    if (!path || strlen(path) < 6 || strcmp(path + strlen(path) - 5, ".auxo") != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "--out FILE.auxo names the file to write");
    auxo_status status = model ? read_model_form(model, &made, error) : AUXO_OK;
    if (status == AUXO_OK)
        status = auxo_packer_create(path, &made.packer, error);
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = add_operand(context, &made, i, false, error);
    for (size_t i = 0; i < count && status == AUXO_OK && made.has_tests; i++)
        status = add_operand(context, &made, i, true, error);
    auxo_data_schema_destroy(made.schema);
    if (status != AUXO_OK) {
        auxo_packer_destroy(made.packer);
        return status;
    }
    status = auxo_packer_finish(made.packer, &size_bytes, error);
    if (status != AUXO_OK)
        return status;
    char bytes[32];
    cli_print(context->output, "%s: %zu training rows, %zu test rows, %s\n", path, made.rows[0], made.rows[1],
              auxo_format_bytes(bytes, sizeof bytes, size_bytes));
    cJSON *result = cli_event(context->output, "result");
    auxo__tree_text(result, "file", path);
    auxo__tree_number(result, "train_rows", (double)made.rows[0]);
    auxo__tree_number(result, "test_rows", (double)made.rows[1]);
    auxo__tree_number(result, "bytes", (double)size_bytes);
    cli_emit(context->output, result);
    return AUXO_OK;
}

static const cli_option *const options[] = {pack_options, cli_data_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_data_pack = {
    .name = "data pack",
    .operands = "NAME|FILE|FOLDER...",
    .operand_min = 1,
    .operand_max = 4096,
    .summary = "write a data set to one file that is mapped instead of read",
    .description =
        "Read a data set and write its rows as they lie in memory, in shards with a hash each, together with all that "
        "is known of it: names, kinds, levels, classes, shape, what happens to missing values. The file starts "
        "training at once, and with train, eval and predict its rows stay in it, so that a set may be larger than "
        "memory. Several files of one form are packed one after the other, each read on its own.",
    .events = "{\"event\":\"result\",\"file\":..,\"train_rows\":..,\"test_rows\":..,\"bytes\":..}",
    .examples = "auxo data pack measurements.csv --targets temperature --out measurements.auxo\n"
                "auxo data pack january.csv february.csv --out winter.auxo\n"
                "auxo train --data measurements.auxo",
    .options = options,
    .run = run,
};
