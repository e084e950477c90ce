/* runtime/cli/cmd_data_make.c: auxo data make NAME --out DIR: writes a data set, usually a generated one, to files that
 * other programs read: IDX for pictures with classes, CSV for the rest. Existing files are never overwritten. */
#include "cli_session.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const cli_option make_options[] = {
    {.name = "out",
     .type = CLI_TEXT,
     .argument = "DIR",
     .help = "Folder to write to, created if it is missing (default: the name of the data set)"},
    CLI_OPTIONS_END,
};

static void write_u32(FILE *stream, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(value >> shift & 0xff), stream);
}

/* IDX (LeCun): magic 0x0800 + rank, the dims big-endian, then the bytes. */
static void write_images(FILE *stream, const auxo_dataset *dataset)
{
    bool grey = dataset->channels == 1;
    size_t row_bytes = (size_t)(dataset->channels * dataset->height * dataset->width);
    write_u32(stream, grey ? 0x0803 : 0x0804);
    write_u32(stream, (uint32_t)dataset->row_count);
    if (!grey)
        write_u32(stream, (uint32_t)dataset->channels);
    write_u32(stream, (uint32_t)dataset->height);
    write_u32(stream, (uint32_t)dataset->width);
    fwrite(dataset->features, row_bytes, dataset->row_count, stream);
}

static void write_labels(FILE *stream, const auxo_dataset *dataset)
{
    write_u32(stream, 0x0801);
    write_u32(stream, (uint32_t)dataset->row_count);
    for (size_t i = 0; i < dataset->row_count; i++)
        fputc((int)dataset->labels[i], stream);
}

static void write_names(FILE *stream, char *const *names, size_t count, const char *fallback)
{
    for (size_t i = 0; i < count; i++) {
        if (names && names[i])
            fprintf(stream, "%s,", names[i]);
        else
            fprintf(stream, "%s%zu,", fallback, i + 1);
    }
}

static double feature(const auxo_dataset *dataset, size_t index)
{
    return dataset->feature_type == AUXO_FEATURES_U8 ? (double)((const uint8_t *)dataset->features)[index]
                                                     : (double)((const float *)dataset->features)[index];
}

static void write_csv(FILE *stream, const auxo_dataset *dataset)
{
    size_t columns = (size_t)(dataset->channels * dataset->height * dataset->width);
    bool real = dataset->target_type == AUXO_TARGET_REAL;
    write_names(stream, columns == (size_t)dataset->channels ? dataset->feature_names : NULL, columns, "x");
    if (real)
        write_names(stream, dataset->target_names, dataset->target_count - 1, "y");
    if (real)
        fprintf(stream, "%s\n", dataset->target_names ? dataset->target_names[dataset->target_count - 1] : "y");
    else
        fputs(dataset->target_type == AUXO_TARGET_CLASS ? "class\n" : "time,event\n", stream);
    for (size_t row = 0; row < dataset->row_count; row++) {
        for (size_t i = 0; i < columns; i++)
            fprintf(stream, "%.9g,", feature(dataset, row * columns + i));
        for (size_t i = 0; real && i < dataset->target_count; i++)
            fprintf(stream, i + 1 < dataset->target_count ? "%.9g," : "%.9g\n",
                    (double)dataset->targets[row * dataset->target_count + i]);
        if (dataset->target_type == AUXO_TARGET_CLASS)
            fprintf(stream, "%u\n", dataset->labels[row]);
        else if (!real)
            fprintf(stream, "%.9g,%u\n", (double)dataset->times[row], dataset->events[row]);
    }
}

typedef void writer(FILE *stream, const auxo_dataset *dataset);

static auxo_status write_file(cli_output *output, const char *folder, const char *name, writer *write,
                              const auxo_dataset *dataset, auxo_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *stream = fopen(path, "wbx"); /* x: fails where the file exists */
    if (!stream)
        return auxo_error_set(error, errno == EEXIST ? AUXO_INVALID_ARGUMENT : AUXO_IO, "cannot create %s: %s", path,
                              strerror(errno));
    write(stream, dataset);
    bool failed = ferror(stream) != 0;
    failed = fclose(stream) != 0 || failed;
    if (failed) {
        int reason = errno;
        unlink(path);
        return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
    }
    cli_print(output, "%s: %zu rows\n", path, dataset->row_count);
    cJSON *event = cli_event(output, "file");
    auxo__tree_text(event, "path", path);
    auxo__tree_number(event, "rows", (double)dataset->row_count);
    cli_emit(output, event);
    return AUXO_OK;
}

static auxo_status write_split(cli_output *output, const char *folder, bool train, const auxo_dataset *dataset,
                               auxo_error *error)
{
    bool pictures = dataset->feature_type == AUXO_FEATURES_U8 && dataset->target_type == AUXO_TARGET_CLASS &&
                    dataset->class_count <= 256;
    if (!pictures)
        return write_file(output, folder, train ? "train.csv" : "test.csv", write_csv, dataset, error);
    const char *images = train ? "train-images-idx3-ubyte" : "t10k-images-idx3-ubyte";
    if (dataset->channels != 1)
        images = train ? "train-images-idx4-ubyte" : "t10k-images-idx4-ubyte";
    auxo_status status = write_file(output, folder, images, write_images, dataset, error);
    if (status == AUXO_OK)
        status = write_file(output, folder, train ? "train-labels-idx1-ubyte" : "t10k-labels-idx1-ubyte", write_labels,
                            dataset, error);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    auxo_dataset *train = NULL, *test = NULL;
    const char *name = cli_operand(context->arguments, 0);
    const char *folder = cli_text(context->arguments, "out");
    const auxo_data_request request = {.name = name, .seed = cli_integer(context->arguments, "seed")};
    auxo_status status = cli_data_load(context, &request, &train, &test, error);
    if (!folder)
        folder = name;
    if (status == AUXO_OK && mkdir(folder, 0777) != 0 && errno != EEXIST)
        status = auxo_error_set(error, AUXO_IO, "--out: cannot create folder %s: %s", folder, strerror(errno));
    if (status == AUXO_OK)
        status = write_split(context->output, folder, true, train, error);
    if (status == AUXO_OK && test)
        status = write_split(context->output, folder, false, test, error);
    if (status == AUXO_OK) {
        cJSON *result = cli_event(context->output, "result");
        auxo__tree_text(result, "name", name);
        auxo__tree_text(result, "folder", folder);
        cli_emit(context->output, result);
    }
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    return status;
}

static const cli_option *const options[] = {make_options, cli_data_options, cli_seed_options, cli_common_options, NULL};

const cli_command cli_command_data_make = {
    .name = "data make",
    .operands = "NAME",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "write a generated data set to files",
    .description =
        "Write a data set to files that other programs read: IDX for pictures with classes, CSV for the rest. "
        "Files that exist are not overwritten.",
    .events = "{\"event\":\"file\",\"path\":..,\"rows\":..}\n{\"event\":\"result\",\"name\":..,\"folder\":..}",
    .examples = "auxo data make glyphs --seed 7 --out digits\nauxo data make reactor --limit 1000 --out reactor",
    .options = options,
    .run = run,
};
