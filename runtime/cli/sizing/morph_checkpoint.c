/* runtime/cli/sizing/morph_checkpoint.c: the history of `auxo morph` as JSON, and back. */
#include "morph_checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

auxo_status morph_keep_training(morph_run *run, const morph_training *training, auxo_error *error)
{
    morph_training *trainings = realloc(run->trainings, (run->training_count + 1) * sizeof *trainings);
    if (!trainings)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "history of trainings: out of memory");
    run->trainings = trainings;
    trainings[run->training_count++] = *training;
    return AUXO_OK;
}

void morph_keep_moment(morph_run *run, const morph_moment *moment)
{
    morph_moment *moments = realloc(run->moments, (run->moment_count + 1) * sizeof *moments);
    if (!moments)
        return;
    run->moments = moments;
    moments[run->moment_count++] = *moment;
}

/* ---- records as rows of numbers, in the order of these lists ----------------------------------------------------- */
static cJSON *training_to_json(const morph_training *t)
{
    const auxo_morph_record *r = &t->record;
    cJSON *item = cJSON_CreateObject();
    const double row[] = {
        t->loop, r->iteration,  r->is_final,    r->train_loss, r->validation_loss, r->validation_accuracy,
        r->cost, r->alive_cost, r->regularizer, r->kappa,      (double)r->weights, r->seconds};
    double widths[MORPH_WIDTHS_MAX];
    for (uint32_t i = 0; i < t->width_count; i++)
        widths[i] = t->widths[i];
    cJSON_AddItemToObject(item, "row", cJSON_CreateDoubleArray(row, sizeof row / sizeof *row));
    cJSON_AddItemToObject(item, "widths", cJSON_CreateDoubleArray(widths, (int)t->width_count));
    return item;
}

static double number_at(const cJSON *list, int index)
{
    const cJSON *item = cJSON_GetArrayItem(list, index);
    return cJSON_IsNumber(item) ? item->valuedouble : NAN; /* NaN was written as null */
}

static uint32_t count_at(const cJSON *list, int index)
{
    double value = number_at(list, index);
    return value >= 0 && value <= UINT32_MAX ? (uint32_t)value : 0;
}

static uint32_t read_widths(const cJSON *item, const char *name, uint32_t *widths)
{
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(item, name);
    int count = cJSON_GetArraySize(list);
    count = count > MORPH_WIDTHS_MAX ? MORPH_WIDTHS_MAX : count;
    for (int i = 0; i < count; i++)
        widths[i] = count_at(list, i);
    return (uint32_t)count;
}

static morph_training training_from_json(const cJSON *item)
{
    const cJSON *row = cJSON_GetObjectItemCaseSensitive(item, "row");
    morph_training t = {.loop = count_at(row, 0)};
    t.record = (auxo_morph_record){.iteration = count_at(row, 1),
                                   .is_final = count_at(row, 2) != 0,
                                   .train_loss = number_at(row, 3),
                                   .validation_loss = number_at(row, 4),
                                   .validation_accuracy = number_at(row, 5),
                                   .cost = number_at(row, 6),
                                   .alive_cost = number_at(row, 7),
                                   .regularizer = number_at(row, 8),
                                   .kappa = number_at(row, 9),
                                   .weights = count_at(row, 10),
                                   .seconds = number_at(row, 11)};
    t.width_count = read_widths(item, "widths", t.widths);
    return t;
}

static cJSON *moment_to_json(const morph_moment *m)
{
    cJSON *item = cJSON_CreateObject();
    const double row[] = {m->loop, m->iteration, (double)m->step, m->train_loss, m->alive_cost, m->regularizer};
    double alive[MORPH_WIDTHS_MAX];
    for (uint32_t i = 0; i < m->width_count; i++)
        alive[i] = m->alive[i];
    cJSON_AddItemToObject(item, "row", cJSON_CreateDoubleArray(row, sizeof row / sizeof *row));
    cJSON_AddItemToObject(item, "alive", cJSON_CreateDoubleArray(alive, (int)m->width_count));
    return item;
}

static morph_moment moment_from_json(const cJSON *item)
{
    const cJSON *row = cJSON_GetObjectItemCaseSensitive(item, "row");
    morph_moment m = {.loop = count_at(row, 0),
                      .iteration = count_at(row, 1),
                      .step = count_at(row, 2),
                      .train_loss = number_at(row, 3),
                      .alive_cost = number_at(row, 4),
                      .regularizer = number_at(row, 5)};
    m.width_count = read_widths(item, "alive", m.alive);
    return m;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */
auxo_status morph_checkpoint_save(const morph_run *run, auxo_error *error)
{
    if (!cli_text(run->job.context->arguments, "checkpoint"))
        return AUXO_OK;
    char *inner = NULL, *settings = sizing_settings(run->job.context);
    auxo_status status = run->loop ? auxo_morph_loop_describe(run->loop, &inner, error) : AUXO_OK;
    cJSON *state = cJSON_CreateObject();
    cJSON *trainings = cJSON_AddArrayToObject(state, "trainings"), *moments = cJSON_AddArrayToObject(state, "moments");
    const sizing_model models[] = {{"best", run->best}, {"loop", run->loop ? auxo_morph_loop_best(run->loop) : NULL}};
    cJSON_AddStringToObject(state, "settings", settings ? settings : "");
    cJSON_AddNumberToObject(state, "current", run->current);
    cJSON_AddNumberToObject(state, "best_score", run->best_score);
    cJSON_AddNumberToObject(state, "limit", run->budget.limit);
    cJSON_AddStringToObject(state, "broke_down", run->broke_down);
    cJSON_AddNumberToObject(state, "broken_count", run->broken_count);
    if (inner)
        cJSON_AddStringToObject(state, "loop", inner);
    for (size_t i = 0; i < run->training_count; i++)
        cJSON_AddItemToArray(trainings, training_to_json(&run->trainings[i]));
    for (size_t i = 0; i < run->moment_count; i++)
        cJSON_AddItemToArray(moments, moment_to_json(&run->moments[i]));
    if (status == AUXO_OK)
        status = sizing_checkpoint_save(run->job.context, state, models, 2, error);
    cJSON_Delete(state);
    free(inner);
    free(settings);
    return status;
}

static auxo_status read_history(morph_run *run, const cJSON *state, auxo_error *error)
{
    const cJSON *item;
    auxo_status status = AUXO_OK;
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "trainings"))
    {
        morph_training training = training_from_json(item);
        if (status == AUXO_OK)
            status = morph_keep_training(run, &training, error);
    }
    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(state, "moments"))
    {
        morph_moment moment = moment_from_json(item);
        morph_keep_moment(run, &moment);
    }
    return status;
}

auxo_status morph_checkpoint_load(morph_run *run, char **loop_state, auxo_model **loop_best, auxo_error *error)
{
    sizing_model models[] = {{"best", NULL}, {"loop", NULL}};
    char *settings = sizing_settings(run->job.context);
    cJSON *state = NULL;
    auxo_status status = sizing_checkpoint_load(run->job.context, run->job.session.device, settings ? settings : "{}",
                                                &state, models, 2, error);
    free(settings);
    *loop_state = NULL;
    run->best = models[0].model;
    *loop_best = models[1].model;
    if (status != AUXO_OK || !state) {
        cJSON_Delete(state);
        return status;
    }
    const cJSON *current = cJSON_GetObjectItemCaseSensitive(state, "current");
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(state, "best_score");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(state, "limit");
    const cJSON *broken = cJSON_GetObjectItemCaseSensitive(state, "broken_count");
    const char *inner = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, "loop"));
    const char *broke_down = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(state, "broke_down"));
    if (!cJSON_IsNumber(current) || !cJSON_IsNumber(limit))
        status = auxo_error_set(error, AUXO_FORMAT, "--resume: %s is no checkpoint of auxo morph",
                                cli_text(run->job.context->arguments, "checkpoint"));
    if (status == AUXO_OK) {
        run->current = (uint32_t)current->valuedouble;
        run->best_score = cJSON_IsNumber(best) ? best->valuedouble : -INFINITY;
        run->budget.limit = limit->valuedouble;
        snprintf(run->broke_down, sizeof run->broke_down, "%s", broke_down ? broke_down : "");
        run->broken_count = cJSON_IsNumber(broken) ? (uint32_t)broken->valuedouble : 0;
        if (inner)
            *loop_state = strdup(inner);
        status = read_history(run, state, error);
    }
    cJSON_Delete(state);
    return status;
}
