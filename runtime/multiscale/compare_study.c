/* compare_study.c: see compare_study.h.
 */
#include "compare_study.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEEDS_MAX = 10000 };

typedef struct context {
    const auxo_run *run;
    const auxo__compare_state *state;
    uint64_t dependent;
} context;

static auxo_status make_space(const auxo__compare_state *state, auxo_space *space, auxo_error *error)
{
    char texts[AUXO__COMPARE_METHODS][64], *choices[AUXO__COMPARE_METHODS];
    for (int m = 0; m < AUXO__COMPARE_METHODS; m++) {
        snprintf(texts[m], sizeof texts[m], "\"%s\"", auxo__compare_names[m]);
        choices[m] = texts[m];
    }
    const auxo_parameter method = {.name = "method",
                                   .kind = AUXO_PARAMETER_CHOICE,
                                   .choices = choices,
                                   .choice_count = AUXO__COMPARE_METHODS,
                                   .parent = -1};
    const auxo_parameter seed = {.name = "seed",
                                 .kind = AUXO_PARAMETER_INTEGER,
                                 .low = (double)state->options.seed,
                                 .high = (double)state->options.seed + SEEDS_MAX - 1,
                                 .step = 1,
                                 .parent = -1};
    auxo_status status = auxo_space_add(space, &method, error);
    return status == AUXO_OK ? auxo_space_add(space, &seed, error) : status;
}

static void values_of(const void *user, uint64_t task, double *values)
{
    const context *c = user;
    values[0] = (double)(task % c->state->method_count);
    const uint64_t seed = c->state->options.seed + task / c->state->method_count;
    values[1] = (double)seed;
}

static bool is_ready(const void *user, uint64_t task)
{
    const context *c = user;
    double numbers[AUXO__RUN_NUMBERS];
    return task % c->state->method_count != c->dependent || auxo__compare_numbers(c->run, task - c->dependent, numbers);
}

auxo_status auxo__compare_take(auxo_run *run, const auxo__compare_state *state, uint64_t dependent, int64_t *trial,
                               uint64_t *task, bool *none, auxo_error *error)
{
    const context c = {run, state, dependent};
    auxo_space space = {0};
    auxo_status status = make_space(state, &space, error);
    const auxo__tasks tasks = {.count = state->seed_count * state->method_count,
                               .space = &space,
                               .values = values_of,
                               .ready = is_ready,
                               .user = &c};
    if (status == AUXO_OK)
        status = auxo__run_take_task(run, &tasks, trial, task, none, error);
    auxo_space_deinit(&space);
    return status;
}

auxo_status auxo__compare_end(auxo_run *run, int64_t trial, const double numbers[AUXO__RUN_NUMBERS], auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_open(&json, '[');
    for (int i = 0; i < AUXO__RUN_NUMBERS; i++)
        auxo__json_number(&json, numbers[i]);
    auxo__json_close(&json, ']');
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo__run_end_task(run, trial, numbers[AUXO__RUN_TEST_LOSS], "run", json.text, error);
    auxo__json_deinit(&json);
    return status;
}

bool auxo__compare_numbers(const auxo_run *run, uint64_t task, double numbers[AUXO__RUN_NUMBERS])
{
    const auxo_trial *trial = auxo__run_task_trial(run, task);
    const char *text = trial ? auxo_trial_attribute_json(trial, "run", false) : NULL;
    cJSON *list = text ? cJSON_Parse(text) : NULL;
    const bool found = cJSON_GetArraySize(list) == AUXO__RUN_NUMBERS;
    for (int i = 0; i < AUXO__RUN_NUMBERS && found; i++) {
        const cJSON *item = cJSON_GetArrayItem(list, i);
        numbers[i] = cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
    }
    cJSON_Delete(list);
    return found;
}
