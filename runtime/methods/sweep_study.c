/* sweep_study.c: see sweep_study.h. A trial's attribute "epochs" holds its log: one list of numbers per epoch.
 */
#include "sweep_study.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_MAX = 1000, NUMBERS = 7 };

/* ---- the runs ---------------------------------------------------------------------------------------------------- */

static auxo_status add_optimizers(auxo__sweep_study *study, auxo_error *error)
{
    char *texts[AUXO_CHOICES_MAX] = {NULL};
    auxo_parameter p = {.name = "optimizer", .kind = AUXO_PARAMETER_CHOICE, .choices = texts, .parent = -1};
    auxo_status status = AUXO_OK;
    if (study->place_count > AUXO_CHOICES_MAX) {
        p = (auxo_parameter){.name = "row",
                             .kind = AUXO_PARAMETER_INTEGER,
                             .low = 1,
                             .high = (double)study->rows->count,
                             .step = 1,
                             .parent = -1};
        return auxo_space_add(&study->space, &p, error);
    }
    for (size_t i = 0; i < study->place_count && status == AUXO_OK; i++) {
        auxo__json json = {0};
        auxo__json_text(&json, study->rows->rows[study->places[i]].optimizer);
        status = auxo__json_finish(&json, error);
        texts[i] = json.text;
        p.choice_count += status == AUXO_OK;
    }
    if (status == AUXO_OK)
        status = auxo_space_add(&study->space, &p, error);
    for (size_t i = 0; i < AUXO_CHOICES_MAX; i++)
        free(texts[i]);
    return status;
}

auxo_status auxo__sweep_study_init(auxo__sweep_study *study, const auxo__sweep_rows *rows, uint64_t first_seed,
                                   uint64_t seed_count, auxo_error *error)
{
    *study = (auxo__sweep_study){.rows = rows, .first_seed = first_seed, .seed_count = seed_count};
    study->places = calloc(rows->count + 1, sizeof *study->places);
    if (!study->places)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sweep: out of memory");
    for (size_t i = 0; i < rows->count; i++)
        if (!rows->rows[i].refusal[0])
            study->places[study->place_count++] = i;
    if (study->place_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "sweep: every row was refused; there is nothing to run");
    const auxo_parameter seed = {.name = "seed",
                                 .kind = AUXO_PARAMETER_INTEGER,
                                 .low = (double)first_seed,
                                 .high = (double)first_seed + SEEDS_MAX - 1,
                                 .step = 1,
                                 .parent = -1};
    auxo_status status = add_optimizers(study, error);
    return status == AUXO_OK ? auxo_space_add(&study->space, &seed, error) : status;
}

void auxo__sweep_study_deinit(auxo__sweep_study *study)
{
    auxo_space_deinit(&study->space);
    free(study->places);
    study->places = NULL;
}

static void values_of(const void *user, uint64_t task, double *values)
{
    const auxo__sweep_study *study = user;
    const size_t place = (size_t)(task % study->place_count);
    values[0] =
        study->place_count > AUXO_CHOICES_MAX ? (double)study->rows->rows[study->places[place]].number : (double)place;
    const uint64_t seed = study->first_seed + task / study->place_count;
    values[1] = (double)seed;
}

auxo_status auxo__sweep_study_take(auxo__sweep_study *study, auxo_run *run, size_t *row, uint64_t *seed, bool *found,
                                   auxo_error *error)
{
    const auxo__tasks tasks = {
        .count = study->seed_count * study->place_count, .space = &study->space, .values = values_of, .user = study};
    uint64_t task = 0;
    bool none = false;
    auxo_status status = auxo__run_take_task(run, &tasks, &study->trial, &task, &none, error);
    *found = status == AUXO_OK && !none;
    if (*found) {
        *row = study->places[task % study->place_count];
        *seed = study->first_seed + task / study->place_count;
    }
    return status;
}

/* ---- what came out ----------------------------------------------------------------------------------------------- */

auxo_status auxo__sweep_study_report(const auxo__sweep_study *study, auxo_run *run, const auxo__sweep_epoch *epoch,
                                     auxo_error *error)
{
    return auxo_study_report(run->study, study->trial, epoch->epoch, epoch->test_accuracy, error);
}

auxo_status auxo__sweep_study_end(auxo__sweep_study *study, auxo_run *run, const auxo__sweep_log *epochs,
                                  auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_open(&json, '[');
    for (size_t i = 0; i < epochs->count; i++) {
        const auxo__sweep_epoch *e = &epochs->epochs[i];
        const double numbers[NUMBERS] = {e->train_loss,     e->train_accuracy, e->test_loss, e->test_accuracy,
                                         e->kinetic_energy, e->seconds,        e->braked};
        auxo__json_open(&json, '[');
        for (int k = 0; k < NUMBERS; k++)
            auxo__json_number(&json, numbers[k]);
        auxo__json_close(&json, ']');
    }
    auxo__json_close(&json, ']');
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo__run_end_task(run, study->trial,
                                    epochs->count ? epochs->epochs[epochs->count - 1].test_accuracy : (double)NAN,
                                    "epochs", json.text, error);
    auxo__json_deinit(&json);
    study->trial = 0;
    return status;
}

static auxo_status collect_trial(const auxo__sweep_study *study, const auxo_trial *trial, uint64_t task,
                                 auxo__sweep_log *log, auxo_error *error)
{
    const char *text = auxo_trial_attribute_json(trial, "epochs", false);
    cJSON *list = text ? cJSON_Parse(text) : NULL;
    const cJSON *row;
    uint32_t number = 0;
    auxo_status status = list ? AUXO_OK
                              : auxo_error_set(error, AUXO_FORMAT, "study: trial %lld does not tell its epochs",
                                               (long long)trial->number);
    cJSON_ArrayForEach(row, list)
    {
        auxo__sweep_epoch epoch = {.seed = study->first_seed + task / study->place_count, .epoch = ++number};
        double n[NUMBERS];
        for (int k = 0; k < NUMBERS; k++) {
            const cJSON *item = cJSON_GetArrayItem(row, k);
            n[k] = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
        }
        snprintf(epoch.optimizer, sizeof epoch.optimizer, "%s",
                 study->rows->rows[study->places[task % study->place_count]].optimizer);
        epoch.train_loss = n[0];
        epoch.train_accuracy = n[1];
        epoch.test_loss = n[2];
        epoch.test_accuracy = n[3];
        epoch.kinetic_energy = n[4];
        epoch.seconds = n[5];
        epoch.braked = n[6] > 0;
        if (status == AUXO_OK)
            status = auxo__sweep_log_add(log, &epoch, error);
    }
    cJSON_Delete(list);
    return status;
}

auxo_status auxo__sweep_study_collect(const auxo__sweep_study *study, auxo_run *run, auxo__sweep_log *log,
                                      auxo_error *error)
{
    auxo_status status = auxo_study_refresh(run->study, error);
    for (uint64_t task = 0; task < study->seed_count * study->place_count && status == AUXO_OK; task++) {
        const auxo_trial *trial = auxo__run_task_trial(run, task);
        if (trial)
            status = collect_trial(study, trial, task, log, error);
    }
    return status;
}
