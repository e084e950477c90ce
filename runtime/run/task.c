/* task.c: see task.h.
 */
#include "task.h"

#include "file.h"
#include "folds.h"
#include "number.h"
#include "ranks.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

static const double TEST_FRACTION = 0.2;

/* ---- what all of them tell --------------------------------------------------------------------------------------- */

static const auxo_field start_fields[] = {
    AUXO__FIELD(auxo__start_record, data, "data", TEXT),
    AUXO__FIELD(auxo__start_record, rows, "rows", U64),
    AUXO__FIELD(auxo__start_record, model, "model", TEXT),
    AUXO__FIELD(auxo__start_record, weights, "weights", U64),
    AUXO__FIELD(auxo__start_record, device, "device", TEXT),
    AUXO__FIELD(auxo__start_record, device_name, "device_name", TEXT),
    AUXO__FIELD(auxo__start_record, optimizer, "optimizer", TEXT),
    AUXO__FIELD(auxo__start_record, batch, "batch", U64),
    AUXO__FIELD(auxo__start_record, steps_per_epoch, "steps_per_epoch", U64),
    AUXO__FIELD(auxo__start_record, resumed_step, "resumed_step", U64),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__start_event = {
    .name = "start",
    .fields = start_fields,
    .line = "{data}: {rows} rows; {model}: {weights:count} weights; {device} ({device_name}); {optimizer}[\nresumed at "
            "step {resumed_step}]"};

static const auxo_field step_fields[] = {
    AUXO__FIELD(auxo__step_record, step, "step", U64),
    AUXO__FIELD(auxo__step_record, epoch, "epoch", U32),
    AUXO__FIELD(auxo__step_record, loss, "loss", REAL),
    AUXO__FIELDS_END,
};
const auxo_event_type auxo__step_event = {
    .name = "step", .fields = step_fields, .line = "step {step}  loss {loss:.6f}", .flags = AUXO_EVENT_TRANSIENT};

uint64_t auxo__peak_host_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

/* ---- data -------------------------------------------------------------------------------------------------------- */

/* Replaces *from by what is left after `fraction` of it went to *part, for validation. */
static auxo_status split_off(auxo_dataset **from, double fraction, uint64_t seed, auxo_dataset **part,
                             auxo_error *error)
{
    auxo_dataset *rest = NULL;
    bool stratified = (*from)->target_type == AUXO_TARGET_CLASS;
    auxo_status status = auxo_dataset_split(*from, fraction, seed, stratified, part, &rest, error);
    if (status != AUXO_OK)
        return status;
    auxo_dataset_destroy(*from);
    *from = rest;
    return AUXO_OK;
}

auxo_status auxo__task_hash(auxo_run *run, const auxo_dataset *train, const auxo_dataset *test, auxo_error *error)
{
    uint64_t of_train = 0, of_test = 0;
    auxo_status status = auxo_dataset_content_hash(train, train->row_count, &of_train, error);
    if (status == AUXO_OK && test)
        status = auxo_dataset_content_hash(test, test->row_count, &of_test, error);
    run->data_hash = of_train ^ of_test * 31;
    return status;
}

/* What a saved model that is trained on knows of its columns: the rows come in its form, whatever the order of columns.
 * *schema is NULL where it knows no columns, or is to have another head: then its classes are no matter. */
static auxo_status schema_of_model(const auxo_run *run, auxo_data_schema **schema, auxo_error *error)
{
    const char *name = auxo_settings_text(run->settings, "model");
    *schema = NULL;
    if (!name || auxo_settings_text(run->settings, "reset") || !auxo_model_names_file(name))
        return AUXO_OK;
    const auxo_status status = auxo_model_file_schema(name, schema, error);
    if (status == AUXO_OK && *schema && !(*schema)->inputs) {
        auxo_data_schema_destroy(*schema);
        *schema = NULL;
    }
    return status;
}

auxo_status auxo__task_read(auxo_run *run, const char *name, uint64_t seed, auxo__task_data *data, auxo_error *error)
{
    auxo_data_schema *schema = NULL;
    auxo_status status = schema_of_model(run, &schema, error);
    /* Methods that have no such setting need their rows in memory. */
    const auxo_data_request request = {
        .name = name, .seed = seed, .schema = schema, .map = auxo_settings_find(run->settings, "stream") != NULL};
    if (status == AUXO_OK)
        status = auxo_settings_load_data(run->settings, &request, &data->train, &data->test, error);
    auxo_data_schema_destroy(schema);
    if (status != AUXO_OK)
        return status;
    status = auxo__task_hash(run, data->train, data->test, error);
    if (status != AUXO_OK)
        return status;
    return data->train->note[0] ? auxo__run_note(run, error, "%s", data->train->note) : AUXO_OK;
}

static auxo_status impute(auxo_run *run, auxo__task_data *data, auxo_error *error)
{
    size_t filled = 0;
    auxo_status status = auxo_settings_impute(run->settings, data->train, data->validation, data->test, &filled, error);
    if (status != AUXO_OK || filled == 0)
        return status;
    return auxo__run_note(run, error, "%s: %zu missing values replaced by the means of the training rows",
                          data->train->name, filled);
}

auxo_status auxo__task_load_data(auxo_run *run, const char *name, bool needs_test, auxo__task_data *data,
                                 auxo_error *error)
{
    *data = (auxo__task_data){0};
    uint64_t seed = auxo_settings_integer(run->settings, "seed");
    double fraction = auxo_settings_real(run->settings, "validation");
    auxo_status status =
        auxo__task_read(run, name ? name : auxo_settings_text(run->settings, "data"), seed, data, error);
    if (status == AUXO_OK)
        status = auxo__folds_apply(run, seed, &data->train, &data->test, error);
    if (status == AUXO_OK && needs_test && !data->test) {
        status =
            auxo__run_note(run, error, "%s has no test split; a fifth of its rows, drawn by the seed, is kept for it",
                           data->train->name);
        if (status == AUXO_OK)
            status = auxo_dataset_hold_out(&data->train, TEST_FRACTION, seed, &data->test, error);
    }
    if (status == AUXO_OK && fraction > 0)
        status = split_off(&data->train, fraction, seed + 1, &data->validation, error);
    if (status == AUXO_OK)
        status = impute(run, data, error);
    run->schema = status == AUXO_OK ? auxo_dataset_schema(data->train) : NULL;
    return status;
}

void auxo__task_data_deinit(auxo__task_data *data)
{
    auxo_dataset_destroy(data->train);
    auxo_dataset_destroy(data->validation);
    auxo_dataset_destroy(data->test);
    *data = (auxo__task_data){0};
}

/* ---- device, model ----------------------------------------------------------------------------------------------- */

auxo_status auxo__task_open_device(auxo_run *run, auxo_error *error)
{
    char first[256];
    const char *precision = auxo_settings_text(run->settings, "precision");
    auxo_status status = auxo__run_choose_device(run, first, sizeof first, error);
    if (status == AUXO_OK)
        status = auxo_device_open(run->options.runtime, first, &run->device, error);
    if (status == AUXO_OK)
        status = auxo__task_set_precision(run, run->device, error);
    if (status == AUXO_OK && strcmp(precision, "f32") != 0)
        status = auxo__run_note(
            run, error, "networks compute in %s%s", auxo_dtype_text(auxo_device_precision(run->device)),
            auxo_device_precision(run->device) == AUXO_DTYPE_F32 ? ": the device has no matrix units for 16 bits"
                                                                 : ", with sums, weights and losses in f32");
    return status;
}

auxo_status auxo__task_set_precision(const auxo_run *run, auxo_device *device, auxo_error *error)
{
    auxo_precision precision = AUXO_PRECISION_DEFAULT;
    const auxo_status status = auxo_precision_parse(auxo_settings_text(run->settings, "precision"), &precision, error);
    return status == AUXO_OK ? auxo_device_set_precision(device, precision, error) : status;
}

bool auxo__task_of_pictures(const auxo_dataset *dataset)
{
    return dataset->height * dataset->width > 1;
}

const char *auxo__task_model_name(const char *name, const auxo_dataset *dataset)
{
    if (strcmp(name, "auto") != 0)
        return name;
    return auxo__task_of_pictures(dataset) ? "lenet5" : "mlp:32-32:relu:he_uniform";
}

auxo_status auxo__task_model_desc(auxo_run *run, const auxo_dataset *train, auxo_model_desc *desc, auxo_error *error)
{
    const char *name = auxo__task_model_name(auxo_settings_text(run->settings, "model"), train);
    return auxo_model_desc_load(name, train->channels, train->height, train->width, auxo_dataset_output_count(train),
                                desc, error);
}

auxo_status auxo__task_open_model(auxo_run *run, const auxo_dataset *train, auxo_model **model, auxo_error *error)
{
    return auxo__task_open_model_seeded(run, train, auxo_settings_integer(run->settings, "seed"), model, error);
}

/* The weights of another tool, where they are asked for. */
static auxo_status import_weights(auxo_run *run, auxo_model *model, auxo_error *error)
{
    const char *path =
        auxo_settings_find(run->settings, "weights") ? auxo_settings_text(run->settings, "weights") : NULL;
    const char *rules = path ? auxo_settings_text(run->settings, "weight-rules") : NULL;
    char *text = NULL;
    size_t size = 0;
    auxo_list reset = {0};
    auxo_import_result result;
    if (!path || run->resumed_from) /* they are in the checkpoint */
        return AUXO_OK;
    auxo_status status = auxo_list_parse("reset", auxo_settings_text(run->settings, "reset"), &reset, error);
    if (status == AUXO_OK && rules)
        status = auxo__file_read(rules, &text, &size, error);
    const auxo_import_options options = {
        .rules = text, .reset = (const char *const *)reset.items, .reset_count = reset.count};
    if (status == AUXO_OK)
        status = auxo_model_import(model, path, &options, &result, error);
    if (status == AUXO_OK)
        status = auxo__run_note(run, error, "weights: %zu tensors taken by %s, %zu passed over%s", result.matched,
                                result.rules, result.ignored,
                                reset.count > 0 ? " (counters, and layers that are reset)" : "");
    auxo_list_deinit(&reset);
    free(text);
    return status;
}

/* Marks the layers that a name stands for as not trained; false: there is none. */
static bool freeze(const auxo_model_desc *desc, const char *name, bool *train)
{
    const size_t length = strlen(name);
    const bool begins = length > 0 && name[length - 1] == '*';
    bool found = false;
    for (uint32_t l = 0; l < desc->layer_count; l++)
        if (begins ? strncmp(desc->layers[l].name, name, length - 1) == 0 : strcmp(desc->layers[l].name, name) == 0) {
            train[l] = false;
            found = true;
        }
    return found;
}

auxo_status auxo__task_trained_layers(const auxo_run *run, const auxo_model *model, bool **train, auxo_error *error)
{
    const char *text = auxo_settings_text(run->settings, "freeze");
    const auxo_model_desc *desc = auxo_model_get_desc(model);
    auxo_list names = {0};
    *train = NULL;
    if (!text)
        return AUXO_OK;
    auxo_status status = auxo_list_parse("freeze", text, &names, error);
    bool *marks = status == AUXO_OK ? malloc(desc->layer_count * sizeof *marks) : NULL;
    if (status == AUXO_OK && !marks)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "freeze: out of memory");
    for (uint32_t l = 0; marks && l < desc->layer_count; l++)
        marks[l] = true;
    for (size_t i = 0; status == AUXO_OK && i < names.count; i++)
        if (!freeze(desc, names.items[i], marks))
            status = auxo_error_set(error, AUXO_NOT_FOUND, "freeze: model %s has no layer \"%s\"", desc->name,
                                    names.items[i]);
    bool any = false;
    for (uint32_t l = 0; status == AUXO_OK && l < desc->layer_count; l++) {
        auxo_layer_cost cost;
        auxo_model_desc_layer_cost(desc, l, &cost);
        any = any || (marks[l] && cost.weights > 0);
    }
    if (status == AUXO_OK && !any)
        status =
            auxo_error_set(error, AUXO_INVALID_ARGUMENT, "freeze: no layer of model %s is left to train", desc->name);
    auxo_list_deinit(&names);
    if (status == AUXO_OK)
        *train = marks;
    else
        free(marks);
    return status;
}

/* Outputs that meant other classes are trained for these, which is said. */
static auxo_status note_classes(auxo_run *run, const auxo_data_schema *known, const auxo_data_schema *given,
                                auxo_error *error)
{
    const bool both = known->classes && given->classes && known->class_count == given->class_count;
    for (uint32_t i = 0; both && i < known->class_count; i++)
        if (strcmp(known->classes[i], given->classes[i]) != 0)
            return auxo__run_note(run, error,
                                  "class %u is '%.60s', and was '%.60s' to the model: its outputs are trained anew "
                                  "(reset gives it a new head)",
                                  i, given->classes[i], known->classes[i]);
    return AUXO_OK;
}

/* A saved model reads its columns in its order, also where it gets another head. */
static auxo_status check_columns(auxo_run *run, const auxo_model *model, const auxo_dataset *train, auxo_error *error)
{
    auxo_data_schema *known = NULL;
    const auxo_data_schema *given = auxo_dataset_schema(train);
    auxo_status status = auxo_model_data_schema(model, &known, error);
    const bool both = status == AUXO_OK && known && known->inputs && given && given->inputs;
    for (size_t i = 0; both && status == AUXO_OK && i < known->input_count && i < given->input_count; i++)
        if (strcmp(known->inputs[i].name, given->inputs[i].name) != 0)
            status =
                auxo_error_set(error, AUXO_FORMAT,
                               "%s: its input %zu is '%.60s', but '%.60s' to the model; say the model's order with "
                               "inputs",
                               train->name, i + 1, given->inputs[i].name, known->inputs[i].name);
    if (status == AUXO_OK && known && given && !auxo_settings_text(run->settings, "reset"))
        status = note_classes(run, known, given, error);
    auxo_data_schema_destroy(known);
    return status;
}

auxo_status auxo__task_open_model_seeded(auxo_run *run, const auxo_dataset *train, uint64_t seed, auxo_model **model,
                                         auxo_error *error)
{
    const char *name = auxo_settings_text(run->settings, "model");
    *model = NULL;
    auxo_status status = AUXO_OK;
    if (auxo_model_names_file(name)) {
        status = auxo_model_load(run->device, name, model, error);
    } else {
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        status = auxo__task_model_desc(run, train, &desc, error);
        if (status == AUXO_OK)
            status = auxo_model_create(run->device, &desc, seed, model, error);
        auxo_model_desc_deinit(&desc);
    }
    if (status == AUXO_OK)
        status = auxo_model_check_data(*model, train, error);
    if (status == AUXO_OK)
        status = check_columns(run, *model, train, error);
    if (status == AUXO_OK)
        status = import_weights(run, *model, error);
    if (status == AUXO_OK)
        status = auxo_model_set_data_schema(*model, auxo_dataset_schema(train), error);
    if (status != AUXO_OK) {
        auxo_model_destroy(*model);
        *model = NULL;
    }
    return status;
}

/* ---- training options -------------------------------------------------------------------------------------------- */

/* Pictures whose mirror images mean something else. */
static bool is_of_characters(const auxo_dataset *dataset)
{
    static const char *const names[] = {"mnist", "emnist", "svhn", "glyphs"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strncmp(dataset->name, names[i], strlen(names[i])) == 0)
            return true;
    return false;
}

/* "auto": shifts of up to a tenth of the sides, and flips; no change of rows that are no pictures. */
static auxo_status choose_augment(auxo_run *run, const auxo_dataset *train, auxo_augmentation *augmentation,
                                  auxo_error *error)
{
    if (!auxo__task_of_pictures(train))
        return AUXO_OK; /* nothing, on the rows of a table */
    augmentation->enabled = true;
    augmentation->flip = !is_of_characters(train);
    augmentation->max_shift_h = (int32_t)((train->height + 5) / 10);
    augmentation->max_shift_w = (int32_t)((train->width + 5) / 10);
    return auxo__run_note(run, error, "augment auto: shifts of up to %d by %d pixels%s", augmentation->max_shift_h,
                          augmentation->max_shift_w, augmentation->flip ? ", flips" : ", no flips of characters");
}

static auxo_status parse_augment(auxo_run *run, const auxo_dataset *train, auxo_augmentation *augmentation,
                                 auxo_error *error)
{
    char copy[128];
    char *items[8];
    const char *text = auxo_settings_text(run->settings, "augment");
    if (!text || strcmp(text, "none") == 0)
        return AUXO_OK;
    if (strcmp(text, "auto") == 0)
        return choose_augment(run, train, augmentation, error);
    snprintf(copy, sizeof copy, "%s", text);
    size_t count = auxo__split_list(copy, items, 8);
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        if (strcmp(items[i], "flip") == 0) {
            augmentation->flip = true;
        } else if (strncmp(items[i], "shift=", 6) == 0) {
            long pixels = strtol(items[i] + 6, &end, 10);
            if (end == items[i] + 6 || *end || pixels < 0 || pixels > 1024)
                return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "augment: \"%s\" is not a number of pixels",
                                      items[i] + 6);
            augmentation->max_shift_h = augmentation->max_shift_w = (int32_t)pixels;
        } else {
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "augment: \"%s\" is neither flip, shift=N nor auto",
                                  items[i]);
        }
    }
    augmentation->enabled = true;
    return AUXO_OK;
}

static auxo_status parse_class_weights(auxo_run *run, const auxo_dataset *train, auxo_train_options *options,
                                       auxo_error *error)
{
    const char *text = auxo_settings_text(run->settings, "class-weights");
    auxo_list list = {0};
    options->balance_classes = strcmp(text, "balanced") == 0;
    if (options->balance_classes || strcmp(text, "none") == 0)
        return AUXO_OK;
    auxo_status status = auxo_list_parse("class-weights", text, &list, error);
    if (status == AUXO_OK && list.count != train->class_count)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "class-weights has %zu numbers, but %s has %u classes",
                                list.count, train->name, train->class_count);
    free(run->class_weights);
    run->class_weights = calloc(list.count + 1, sizeof *run->class_weights);
    if (status == AUXO_OK && !run->class_weights)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "class-weights: out of memory");
    for (size_t i = 0; i < list.count && status == AUXO_OK; i++) {
        char *end = NULL;
        run->class_weights[i] = (float)auxo__text_to_double(list.items[i], &end);
        if (end == list.items[i] || *end)
            status =
                auxo_error_set(error, AUXO_INVALID_ARGUMENT, "class-weights: \"%s\" is not a number", list.items[i]);
    }
    auxo_list_deinit(&list);
    options->class_weights = run->class_weights;
    return status;
}

static void read_stream(const auxo_settings *settings, auxo_train_options *options)
{
    static const auxo_stream_mode modes[] = {AUXO_STREAM_AUTO, AUXO_STREAM_ALWAYS, AUXO_STREAM_NEVER};
    static const auxo_shuffle_kind kinds[] = {AUXO_SHUFFLE_AUTO, AUXO_SHUFFLE_ROWS, AUXO_SHUFFLE_SHARDS};
    if (!auxo_settings_find(settings, "stream"))
        return;
    options->stream = modes[auxo_settings_choice(settings, "stream")];
    options->stream_limit_bytes = auxo_settings_integer(settings, "stream-limit") << 20;
    options->shuffle = kinds[auxo_settings_choice(settings, "shuffle")];
}

static auxo_status parse_optimizer(const auxo_settings *settings, auxo_optimizer_config *config,
                                   char optimizer_text[256], auxo_error *error)
{
    auxo_status status = auxo_optimizer_config_parse(auxo_settings_text(settings, "optimizer"), config, error);
    if (status != AUXO_OK)
        return auxo_error_wrap(error, status, "optimizer");
    if (auxo_settings_given(settings, "lr"))
        config->hyper[AUXO_HYPER_LR] = (float)auxo_settings_real(settings, "lr");
    if (auxo_settings_given(settings, "weight-decay"))
        config->hyper[AUXO_HYPER_WEIGHT_DECAY] = (float)auxo_settings_real(settings, "weight-decay");
    auxo_optimizer_config_format(config, optimizer_text, 256);
    /* What lr makes of it must be valid as a whole: stability of phs depends on the learning rate. */
    status = auxo_optimizer_config_parse(optimizer_text, config, error);
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "optimizer with lr");
}

static void on_step(void *user, const auxo_step_metrics *metrics)
{
    auxo_run *run = user;
    const auxo__step_record record = {.step = metrics->step, .epoch = metrics->epoch, .loss = metrics->loss};
    /* Nothing of a step is kept, so nothing can be lost. */
    auxo__run_emit(run, &auxo__step_event, &record, NULL);
}

auxo_status auxo__task_options(auxo_run *run, const auxo_dataset *train, const auxo__task_schedule *schedule,
                               auxo_train_options *options, char optimizer_text[256], auxo_error *error)
{
    static const auxo_loss_kind losses[] = {AUXO_LOSS_CROSS_ENTROPY, AUXO_LOSS_CROSS_ENTROPY, AUXO_LOSS_MSE};
    enum { PROGRESS_EVERY = 20 };
    const auxo_settings *settings = run->settings;
    const bool classes = train->target_type == AUXO_TARGET_CLASS, survival = train->target_type == AUXO_TARGET_SURVIVAL;
    size_t loss = auxo_settings_choice(settings, "loss");
    if (survival && !auxo_settings_find(settings, "event-level"))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s has survival times; learn them with \"auxo survival train\" or \"auxo adapt\"",
                              train->name);
    if (survival && loss != 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "loss: %s has survival times, whose loss is the Cox likelihood; leave it at auto",
                              train->name);
    options->loss = survival ? AUXO_LOSS_COX : loss == 0 && !classes ? AUXO_LOSS_MSE : losses[loss];
    if (options->loss == AUXO_LOSS_CROSS_ENTROPY && !classes)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "loss: cross_entropy needs classes, but %s has numbers",
                              train->name);
    options->batch = (uint32_t)auxo_settings_integer(settings, "batch");
    options->seed = auxo_settings_integer(settings, "seed");
    options->standardize = auxo_settings_flag(settings, "standardize");
    options->allow_host_fallback = auxo_settings_flag(settings, "allow-host-fallback");
    options->log_every = auxo_settings_given(settings, "log-every")
                             ? (uint32_t)auxo_settings_integer(settings, "log-every")
                             : PROGRESS_EVERY;
    options->on_step = on_step;
    options->on_step_user = run;
    options->stop = run->options.stop;
    read_stream(settings, options);
    options->gradient_clip = (float)auxo_settings_real(settings, "clip");
    auxo_status status = parse_augment(run, train, &options->augmentation, error);
    if (status == AUXO_OK)
        status = parse_class_weights(run, train, options, error);
    if (status == AUXO_OK)
        status = parse_optimizer(settings, &options->optimizer, optimizer_text, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_lr_schedule_parse(auxo_settings_text(settings, "lr-schedule"), schedule->begin, schedule->end,
                                    &options->schedule, error);
    options->schedule.warmup_epochs = auxo_settings_given(settings, "warmup")
                                          ? (uint32_t)auxo_settings_integer(settings, "warmup")
                                          : schedule->warmup_epochs;
    return status == AUXO_OK ? AUXO_OK : auxo_error_wrap(error, status, "lr-schedule");
}
