/* checkpoint.c: the full state of a trainer in an archive, and back, bit for bit.
 *
 * Beside the model the archive holds the optimiser's buffers, the epoch's device statistics, and as JSON all counters,
 * hyperparameters and braking memory. The permutation of an epoch is a function of (seed, epoch) and is not stored.
 * Doubles are written in hexadecimal so that no bit is lost.
 */
#include "archive.h"
#include "json.h"
#include "number.h"
#include "train_internal.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATE_VERSION = 2 };
static const char STATE_KEY[] = "auxo.training", EXTRA_KEY[] = "auxo.extra", TRAINING[] = "training/";

/* ---- the state's fields, listed once for both directions ---- */

typedef enum field_type { FIELD_U64, FIELD_U32, FIELD_DOUBLE, FIELD_FLOAT, FIELD_BOOL } field_type;
typedef enum field_role {
    RESTORED,
    COMPARED, /* belongs to options and data */
    OPTIONAL  /* restored; states of before it was there lack it */
} field_role;

typedef struct state_field {
    const char *name;
    void *value;
    field_type type;
    field_role role;
} state_field;

typedef struct state_image {
    uint32_t version, batch, loss, optimizer_kind;
    uint64_t seed, row_count, weight_count;
    uint32_t shift_h, shift_w;
    bool augments, flips;
} state_image;

enum { FIELDS_MAX = 48 };

static void image_options(const auxo_trainer *trainer, state_image *image)
{
    const auxo_train_options *options = &trainer->options;
    *image = (state_image){.version = STATE_VERSION,
                           .batch = options->batch,
                           .loss = (uint32_t)options->loss,
                           .optimizer_kind = (uint32_t)trainer->optimizer->config.kind,
                           .seed = options->seed,
                           .row_count = trainer->data.dataset->row_count,
                           .weight_count = auxo_model_weight_count(trainer->model),
                           .augments = options->augmentation.enabled};
    if (image->augments) {
        image->flips = options->augmentation.flip;
        image->shift_h = (uint32_t)options->augmentation.max_shift_h;
        image->shift_w = (uint32_t)options->augmentation.max_shift_w;
    }
}

static size_t list_fields(auxo_trainer *t, state_image *image, state_field fields[FIELDS_MAX])
{
    auxo__brake_state *brake = &t->optimizer->brake;
    auxo__best_point *best = &t->optimizer->best;
    const state_field listed[] = {
        {"version", &image->version, FIELD_U32, COMPARED},
        {"batch", &image->batch, FIELD_U32, COMPARED},
        {"loss", &image->loss, FIELD_U32, COMPARED},
        {"optimizer_kind", &image->optimizer_kind, FIELD_U32, COMPARED},
        {"seed", &image->seed, FIELD_U64, COMPARED},
        {"row_count", &image->row_count, FIELD_U64, COMPARED},
        {"weight_count", &image->weight_count, FIELD_U64, COMPARED},
        {"augments", &image->augments, FIELD_BOOL, COMPARED},
        {"flips", &image->flips, FIELD_BOOL, COMPARED},
        {"max_shift_h", &image->shift_h, FIELD_U32, COMPARED},
        {"max_shift_w", &image->shift_w, FIELD_U32, COMPARED},
        {"step", &t->step, FIELD_U64, RESTORED},
        {"epoch", &t->epoch, FIELD_U32, RESTORED},
        {"epoch_batch", &t->epoch_batch, FIELD_U64, RESTORED},
        {"optimizer_time", &t->optimizer_time, FIELD_U64, RESTORED},
        {"loss_sum", &t->loss_sum, FIELD_DOUBLE, RESTORED},
        {"row_sum", &t->row_sum, FIELD_U64, RESTORED},
        {"seconds", &t->seconds, FIELD_DOUBLE, RESTORED},
        {"braked_in_epoch", &t->braked, FIELD_BOOL, RESTORED},
        {"brake_fired", &brake->fired, FIELD_BOOL, RESTORED},
        {"brake_has_initial", &brake->has_initial, FIELD_BOOL, RESTORED},
        {"brake_has_ema", &brake->has_ema, FIELD_BOOL, RESTORED},
        {"brake_has_epoch", &brake->has_epoch, FIELD_BOOL, RESTORED},
        {"brake_initial_loss", &brake->initial_loss, FIELD_DOUBLE, RESTORED},
        {"brake_ema", &brake->ema, FIELD_DOUBLE, RESTORED},
        {"brake_target", &brake->target, FIELD_DOUBLE, OPTIONAL},
        {"brake_last_train_loss", &brake->last_train_loss, FIELD_DOUBLE, RESTORED},
        {"brake_last_validation_loss", &brake->last_validation_loss, FIELD_DOUBLE, RESTORED},
        {"best_known", &best->known, FIELD_BOOL, RESTORED},
        {"best_loss", &best->loss, FIELD_DOUBLE, RESTORED},
        {"best_stalled_epochs", &best->stalled_epochs, FIELD_U32, RESTORED},
    };
    static const char *const hyper_names[AUXO_HYPER_COUNT] = {"hyper0", "hyper1", "hyper2", "hyper3",
                                                              "hyper4", "hyper5", "hyper6", "hyper7"};
    size_t count = sizeof listed / sizeof *listed;
    memcpy(fields, listed, sizeof listed);
    for (size_t i = 0; i < AUXO_HYPER_COUNT; i++)
        fields[count++] = (state_field){hyper_names[i], &t->optimizer->config.hyper[i], FIELD_FLOAT, RESTORED};
    return count;
}

static void format_field(const state_field *field, char *text, size_t size)
{
    switch (field->type) {
    case FIELD_U64:
        snprintf(text, size, "%" PRIu64, *(const uint64_t *)field->value);
        break;
    case FIELD_U32:
        snprintf(text, size, "%" PRIu32, *(const uint32_t *)field->value);
        break;
    case FIELD_DOUBLE:
        auxo__number_print(text, size, "%a", *(const double *)field->value);
        break;
    case FIELD_FLOAT:
        auxo__number_print(text, size, "%a", (double)*(const float *)field->value);
        break;
    case FIELD_BOOL:
        snprintf(text, size, "%s", *(const bool *)field->value ? "true" : "false");
        break;
    }
}

/* A number that no run can have written is damage, not state. The memory of losses may be NaN before there is one. */
static bool in_range(const state_field *field)
{
    if (field->type == FIELD_FLOAT)
        return isfinite(*(const float *)field->value);
    if (field->type == FIELD_DOUBLE)
        return !isinf(*(const double *)field->value) || strncmp(field->name, "best", 4) == 0;
    return true;
}

static bool parse_field(const state_field *field, const char *text)
{
    char *end = NULL;
    switch (field->type) {
    case FIELD_U64:
        *(uint64_t *)field->value = strtoull(text, &end, 10);
        break;
    case FIELD_U32:
        *(uint32_t *)field->value = (uint32_t)strtoul(text, &end, 10);
        break;
    case FIELD_DOUBLE:
        *(double *)field->value = auxo__text_to_double(text, &end);
        break;
    case FIELD_FLOAT:
        *(float *)field->value = (float)auxo__text_to_double(text, &end);
        break;
    case FIELD_BOOL:
        *(bool *)field->value = strcmp(text, "true") == 0;
        return *(bool *)field->value || strcmp(text, "false") == 0;
    }
    return end != text && *end == 0 && in_range(field);
}

/* ---- writing ---- */

char *auxo__trainer_print_state(auxo_trainer *trainer)
{
    state_image image;
    state_field fields[FIELDS_MAX];
    image_options(trainer, &image);
    size_t count = list_fields(trainer, &image, fields);
    cJSON *root = cJSON_CreateObject();
    bool good = root != NULL;
    for (size_t i = 0; good && i < count; i++) {
        char text[64];
        format_field(&fields[i], text, sizeof text);
        good = cJSON_AddStringToObject(root, fields[i].name, text);
    }
    char *printed = good ? cJSON_PrintUnformatted(root) : NULL;
    cJSON_Delete(root);
    return printed;
}

size_t auxo__trainer_parts(const auxo_trainer *trainer, auxo__device_part parts[AUXO__PARTS_MAX])
{
    static const char *const state_names[AUXO__OPTIMIZER_STATES_MAX] = {"optimizer.state0", "optimizer.state1"};
    const auxo_optimizer *optimizer = trainer->optimizer;
    int64_t weight_count = (int64_t)auxo_model_weight_count(trainer->model);
    size_t count = 0;
    if (optimizer->best.structure_version != auxo_model_structure_version(trainer->model))
        auxo__best_point_deinit(&trainer->optimizer->best); /* of a structure that is gone */
    for (size_t i = 0; i < optimizer->state_count; i++)
        parts[count++] = (auxo__device_part){state_names[i], optimizer->states[i], weight_count, false};
    parts[count++] = (auxo__device_part){"epoch.stats", trainer->stats, 4, false};
    if (trainer->loss_scale) /* a run that was in another precision begins with a fresh one */
        parts[count++] = (auxo__device_part){"loss_scale", trainer->loss_scale, AUXO_LOSS_SCALE_COUNT, true};
    if (optimizer->best.known) {
        int64_t statistic_count = (int64_t)auxo_model_statistic_count(trainer->model);
        parts[count++] = (auxo__device_part){"best.weights", optimizer->best.weights, weight_count, false};
        parts[count++] = (auxo__device_part){"best.statistics", optimizer->best.statistics, statistic_count, false};
    }
    return count;
}

auxo_status auxo__archive_put_trainer(auxo__archive *archive, const char *prefix, auxo_trainer *trainer,
                                      auxo_error *error)
{
    auxo__device_part parts[AUXO__PARTS_MAX];
    size_t count = auxo__trainer_parts(trainer, parts);
    char *text = auxo__trainer_print_state(trainer);
    auxo_status status = text ? auxo__archive_put_text(archive, prefix, STATE_KEY, text, error)
                              : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory describing a trainer");
    for (size_t i = 0; status == AUXO_OK && i < count; i++)
        status = auxo__archive_put_buffer(archive, prefix, parts[i].name, auxo_model_queue(trainer->model),
                                          parts[i].buffer, (size_t)parts[i].count, error);
    cJSON_free(text);
    return status;
}

auxo_status auxo_trainer_save(auxo_trainer *trainer, const char *path, const char *extra, auxo_error *error)
{
    auxo__archive *archive = NULL;
    auxo_status status = auxo__archive_create(&archive, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", trainer->model, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_trainer(archive, TRAINING, trainer, error);
    if (status == AUXO_OK && extra)
        status = auxo__archive_put_text(archive, "", EXTRA_KEY, extra, error);
    if (status == AUXO_OK)
        status = auxo__archive_write(archive, path, error);
    auxo__archive_destroy(archive);
    return status == AUXO_OK ? status : auxo_error_wrap(error, status, "checkpoint");
}

/* ---- reading ---- */

/* Into the trainer, or, for what belongs to options and data, a comparison. */
auxo_status auxo__trainer_apply_state(auxo_trainer *trainer, const char *text, auxo_error *error)
{
    state_image image;
    state_field fields[FIELDS_MAX];
    image_options(trainer, &image);
    size_t count = list_fields(trainer, &image, fields);
    cJSON *root = NULL;
    auxo_status status = auxo__json_parse(text, strlen(text), &root, error);
    for (size_t i = 0; status == AUXO_OK && i < count; i++) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(root, fields[i].name);
        char expected[64];
        format_field(&fields[i], expected, sizeof expected);
        if (!item && fields[i].role == OPTIONAL)
            continue;
        if (!cJSON_IsString(item))
            status = auxo_error_set(error, AUXO_FORMAT, "the training state lacks \"%s\"", fields[i].name);
        else if (fields[i].role == COMPARED && strcmp(expected, item->valuestring) != 0)
            status = auxo_error_set(error, AUXO_FORMAT, "%s was %s when the state was saved, but is %s now",
                                    fields[i].name, item->valuestring, expected);
        else if (fields[i].role != COMPARED && !parse_field(&fields[i], item->valuestring))
            status = auxo_error_set(error, AUXO_FORMAT, "the training state has \"%s\" = \"%s\"", fields[i].name,
                                    item->valuestring);
    }
    cJSON_Delete(root);
    if (status == AUXO_OK && trainer->epoch_batch >= auxo_trainer_steps_per_epoch(trainer))
        status = auxo_error_set(error, AUXO_FORMAT, "the training state has an epoch_batch of %" PRIu64,
                                trainer->epoch_batch);
    return status;
}

static auxo_status write_device_state(auxo_trainer *trainer, const auxo__archive *archive, const char *prefix,
                                      auxo_error *error)
{
    auxo_queue *queue = auxo_model_queue(trainer->model);
    auxo_optimizer *optimizer = trainer->optimizer;
    auxo__device_part parts[AUXO__PARTS_MAX];
    size_t count = auxo__trainer_parts(trainer, parts);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; status == AUXO_OK && i < count; i++)
        if (!parts[i].optional || auxo__archive_has(archive, prefix, parts[i].name))
            status = auxo__archive_get_buffer(archive, prefix, parts[i].name, queue, parts[i].buffer,
                                              (size_t)parts[i].count, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(queue, optimizer->hyper, 0, optimizer->config.hyper, sizeof optimizer->config.hyper,
                                   error);
    return status;
}

/* Restoring a best point needs its buffers; preparing them must not forget what has just been read. */
auxo_status auxo__best_point_keep(auxo_optimizer *optimizer, auxo_error *error)
{
    auxo__best_point read = optimizer->best;
    if (!read.known)
        return AUXO_OK;
    auxo_status status = auxo__best_point_prepare(optimizer, error);
    optimizer->best.known = read.known;
    optimizer->best.loss = read.loss;
    optimizer->best.stalled_epochs = read.stalled_epochs;
    return status;
}

auxo_status auxo__archive_get_trainer(const auxo__archive *archive, const char *prefix, const char *model_prefix,
                                      auxo_trainer *trainer, auxo_error *error)
{
    const char *text = auxo__archive_text(archive, prefix, STATE_KEY);
    if (!text)
        return auxo_error_set(error, AUXO_FORMAT, "it has no \"%s%s\" in its metadata", prefix, STATE_KEY);
    auxo_status status = auxo__trainer_apply_state(trainer, text, error);
    if (status == AUXO_OK)
        status = auxo__model_fill(trainer->model, auxo__archive_file(archive), model_prefix, error);
    if (status == AUXO_OK)
        status = auxo__best_point_keep(trainer->optimizer, error);
    if (status == AUXO_OK)
        status = write_device_state(trainer, archive, prefix, error);
    trainer->order_epoch = 0;
    trainer->reset_count = trainer->optimizer->reset_count;
    return status;
}

auxo_status auxo_trainer_restore(auxo_trainer *trainer, const char *path, char **extra, auxo_error *error)
{
    if (extra)
        *extra = NULL;
    auxo__archive *archive = NULL;
    auxo_status status = auxo__archive_read(path, &archive, error);
    if (status != AUXO_OK)
        return status;
    status = auxo__archive_get_trainer(archive, TRAINING, "", trainer, error);
    if (status != AUXO_OK)
        auxo_error_wrap(error, status, "\"%s\"", path);
    const char *stored = status == AUXO_OK ? auxo__archive_text(archive, "", EXTRA_KEY) : NULL;
    if (extra && stored) {
        *extra = strdup(stored);
        if (!*extra)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory restoring a training state");
    }
    auxo__archive_destroy(archive);
    return status;
}
