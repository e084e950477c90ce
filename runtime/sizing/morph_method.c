/* morph_method.c: "morph": widths of a network within a budget, by MorphNet's loop (Gordon et al. 2018).
 *
 * Runs one loop for each strength and each start that are given, so that their results make a front; the loop itself is
 * morph_loop.c. A step is one training; checkpoints are taken between trainings.
 */
#include "morph_method.h"
#include "json.h"

#include "folds.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char BEST[] = "best/", LOOP_BEST[] = "loop/", STATE_KEY[] = "auxo.morph", LOOP_KEY[] = "auxo.morph_loop";

/* ---- events ------------------------------------------------------------------------------------------------------ */

typedef struct refresh_record {
    uint32_t loop, iteration;
    uint64_t step;
    double cost, regularizer, train_loss;
    auxo_numbers alive;
} refresh_record;
static const auxo_field refresh_fields[] = {
    AUXO__FIELD(refresh_record, loop, "loop", U32),
    AUXO__FIELD(refresh_record, iteration, "iteration", U32),
    AUXO__FIELD(refresh_record, step, "step", U64),
    AUXO__FIELD(refresh_record, cost, "cost", REAL),
    AUXO__FIELD(refresh_record, regularizer, "regularizer", REAL),
    AUXO__FIELD(refresh_record, alive, "alive", NUMBERS),
    AUXO__FIELDS_END,
};
static const auxo_event_type refresh_event = {.name = "refresh", .fields = refresh_fields, .flags = AUXO_EVENT_KEPT};

static const auxo_field training_fields[] = {
    AUXO__FIELD(auxo__morph_training, loop, "loop", U32),
    AUXO__FIELD(auxo__morph_training, start, "start", TEXT),
    AUXO__FIELD(auxo__morph_training, lambda, "lambda", REAL),
    AUXO__FIELD(auxo__morph_training, iteration, "iteration", U32),
    AUXO__FIELD(auxo__morph_training, is_final, "final", BOOL),
    AUXO__FIELD(auxo__morph_training, widths_text, "widths", CHARS),
    AUXO__FIELD(auxo__morph_training, cost, "cost", REAL),
    AUXO__FIELD(auxo__morph_training, alive_cost, "alive_cost", REAL),
    AUXO__FIELD(auxo__morph_training, weights, "weights", U64),
    AUXO__FIELD(auxo__morph_training, train_loss, "train_loss", REAL),
    AUXO__FIELD(auxo__morph_training, validation_loss, "val_loss", REAL),
    AUXO__FIELD(auxo__morph_training, validation_accuracy, "val_accuracy", REAL),
    AUXO__FIELD(auxo__morph_training, kappa, "kappa", REAL),
    AUXO__FIELD(auxo__morph_training, seconds, "seconds", REAL),
    AUXO__FIELD(auxo__morph_training, widths, "width_list", NUMBERS),
    AUXO__FIELD_LINE_ONLY(auxo__morph_training, when, "when", CHARS),
    AUXO__FIELD_LINE_ONLY(auxo__morph_training, cost_text, "cost_text", CHARS),
    AUXO__FIELD_LINE_ONLY(auxo__morph_training, alive_text, "alive_text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type training_event = {
    .name = "training",
    .fields = training_fields,
    .line = "{start} lambda {lambda:.3g}  {when}  widths {widths}  {cost_text}[ (alive {alive_text})]  loss "
            "{train_loss:.5f}[  validation {val_accuracy:percent}]  {seconds:.1f} s",
    .flags = AUXO_EVENT_KEPT};

typedef struct result_record {
    double validation_accuracy, validation_loss, test_accuracy, test_loss, budget;
    uint64_t weights, trainings;
    const char *broke_down;
    char text[160];
} result_record;
static const auxo_field result_fields[] = {
    AUXO__FIELD_OPTIONAL(result_record, validation_accuracy, "validation_accuracy", REAL),
    AUXO__FIELD_OPTIONAL(result_record, validation_loss, "validation_loss", REAL),
    AUXO__FIELD(result_record, test_accuracy, "test_accuracy", REAL),
    AUXO__FIELD(result_record, test_loss, "test_loss", REAL),
    AUXO__FIELD(result_record, weights, "weights", U64),
    AUXO__FIELD(result_record, budget, "budget", REAL),
    AUXO__FIELD(result_record, trainings, "trainings", U64),
    AUXO__FIELD_OPTIONAL(result_record, broke_down, "broke_down", TEXT),
    AUXO__FIELD_LINE_ONLY(result_record, text, "text", CHARS),
    AUXO__FIELDS_END,
};
static const auxo_event_type result_event = {
    .name = "result", .fields = result_fields, .line = "best: {text}, {weights} weights"};

static void on_refresh(void *user, const auxo_morph_snapshot *snapshot);

/* ---- life -------------------------------------------------------------------------------------------------------- */

static auxo_status begin(auxo_run *run, void *user, auxo_error *error)
{
    auxo__morph_state *state = user;
    state->run = run;
    state->best_score = -INFINITY;
    state->test = (auxo_evaluation){NAN, NAN, 0};
    const auxo__task_schedule schedule = {.end = (uint32_t)auxo_settings_integer(run->settings, "epochs")};
    auxo_status status = auxo__task_load_data(run, NULL, true, &state->data, error);
    if (status == AUXO_OK)
        status = auxo__task_options(run, state->data.train, &schedule, &state->training, state->optimizer_text, error);
    if (status == AUXO_OK)
        status = auxo__task_open_device(run, error);
    if (status == AUXO_OK && !state->data.validation)
        status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                "validation 0: morph chooses by validation results and needs some rows for them");
    if (status == AUXO_OK)
        status = auxo__morph_read_settings(run, state, error);
    state->options.on_refresh = on_refresh;
    state->options.user = state;
    return status;
}

static void end(void *user)
{
    auxo__morph_state *state = user;
    auxo_morph_loop_destroy(state->loop);
    auxo_model_destroy(state->best);
    auxo__task_data_deinit(&state->data);
}

/* ---- history ----------------------------------------------------------------------------------------------------- */

/* One layer of each group of hidden units. */
uint32_t auxo__morph_hidden_layers(const auxo_model_desc *desc, uint32_t *layers)
{
    uint32_t count = 0;
    uint32_t *groups = malloc(desc->layer_count * sizeof *groups);
    bool *resizable = malloc(desc->layer_count * sizeof *resizable);
    if (groups && resizable && auxo_model_desc_unit_groups(desc, groups, resizable, NULL) == AUXO_OK)
        for (uint32_t l = 0; l < desc->layer_count && count < AUXO__MORPH_WIDTHS_MAX; l++)
            if (resizable[l] && groups[l] == l && desc->layers[l].units > 0)
                layers[count++] = l;
    free(groups);
    free(resizable);
    return count;
}

static void on_refresh(void *user, const auxo_morph_snapshot *snapshot)
{
    auxo__morph_state *state = user;
    uint32_t layers[AUXO__MORPH_WIDTHS_MAX];
    double alive[AUXO__MORPH_WIDTHS_MAX];
    uint32_t count = auxo__morph_hidden_layers(auxo_morph_loop_desc(state->loop), layers);
    for (uint32_t i = 0; i < count; i++)
        alive[i] = snapshot->alive[layers[i]];
    const refresh_record record = {.loop = state->current,
                                   .iteration = snapshot->iteration,
                                   .step = snapshot->step,
                                   .train_loss = snapshot->train_loss,
                                   .cost = snapshot->cost->cost,
                                   .regularizer = snapshot->cost->regularizer,
                                   .alive = {alive, count}};
    auxo_status status = auxo__run_emit(state->run, &refresh_event, &record, NULL);
    state->refresh_status = status == AUXO_OK ? state->refresh_status : status;
}

static void describe_training(const auxo__morph_state *state, const auxo_morph_record *record,
                              auxo__morph_training *training)
{
    size_t used = 0;
    training->start = state->plans[state->current].model;
    training->lambda = state->plans[state->current].strength;
    training->iteration = record->iteration;
    training->is_final = record->is_final;
    training->cost = record->cost;
    training->alive_cost = record->alive_cost;
    training->weights = record->weights;
    training->train_loss = record->train_loss;
    training->validation_loss = record->validation_loss;
    training->validation_accuracy = record->validation_accuracy;
    training->kappa = record->kappa;
    training->regularizer = record->regularizer;
    training->seconds = record->seconds;
    for (size_t i = 0; i < training->widths.count && used < sizeof training->widths_text; i++)
        used += (size_t)snprintf(training->widths_text + used, sizeof training->widths_text - used, "%s%.0f",
                                 i ? "-" : "", training->width_values[i]);
    snprintf(training->when, sizeof training->when, "%s %u", record->is_final ? "final after" : "iteration",
             record->is_final ? record->iteration - 1 : record->iteration);
    auxo__budget_format(training->cost_text, sizeof training->cost_text, &state->budget, record->cost);
    if (!record->is_final)
        auxo__budget_format(training->alive_text, sizeof training->alive_text, &state->budget, record->alive_cost);
}

/* ---- loops ------------------------------------------------------------------------------------------------------- */

static auxo_status open_loop(auxo__morph_state *state, auxo_error *error)
{
    const auxo_dataset *data = state->data.train;
    auxo_model_desc start;
    auxo_model_desc_init(&start);
    state->options.strength = state->plans[state->current].strength;
    state->options.budget = state->budget;
    auxo_status status = auxo_model_desc_load(state->plans[state->current].model, data->channels, data->height,
                                              data->width, auxo_dataset_output_count(data), &start, error);
    if (status == AUXO_OK)
        status = auxo_morph_loop_create(state->run->device, &start, data, state->data.validation, &state->options,
                                        &state->loop, error);
    auxo_model_desc_deinit(&start);
    /* Later loops have the budget of the first: their results are to be compared. */
    if (status == AUXO_OK)
        state->budget = *auxo_morph_loop_budget(state->loop);
    return status;
}

/* What networks are compared by: validation accuracy, or minus the validation loss where there are no classes. */
static double best_score_of_loop(const auxo__morph_state *state)
{
    const auxo__history *history = &state->run->history;
    const auxo__column *loops = auxo__history_column(history, "training", "loop");
    const auxo__column *costs = auxo__history_column(history, "training", "cost");
    const auxo__column *accuracies = auxo__history_column(history, "training", "val_accuracy");
    const auxo__column *losses = auxo__history_column(history, "training", "val_loss");
    double best = -INFINITY;
    for (size_t i = 0; i < loops->count; i++) {
        double score = isfinite(accuracies->values[i]) ? accuracies->values[i] : -losses->values[i];
        if (loops->values[i] == state->current && costs->values[i] <= state->budget.limit && score > best)
            best = score;
    }
    return best;
}

/* The loop's best model, if it is better than those of the loops before. */
static void close_loop(auxo__morph_state *state)
{
    double score = best_score_of_loop(state);
    if (auxo_morph_loop_best(state->loop) && (!state->best || score > state->best_score)) {
        auxo_model_destroy(state->best);
        state->best = auxo_morph_loop_take_best(state->loop);
        state->best_score = score;
    }
    auxo_morph_loop_destroy(state->loop);
    state->loop = NULL;
    state->current++;
}

/* A loop that breaks down ends with a message; the others go on. */
static auxo_status break_down(auxo__morph_state *state, const auxo_error *ended, auxo_error *error)
{
    state->broken_count++;
    snprintf(state->broke_down, sizeof state->broke_down, "%.100s, lambda %.3g: %.380s",
             state->plans[state->current].model, state->plans[state->current].strength, ended->message);
    close_loop(state);
    return auxo__run_note(state->run, error, "%s; its best network so far is kept", state->broke_down);
}

static auxo_status step(auxo_run *run, void *user, bool *done, auxo_error *error)
{
    auxo__morph_state *state = user;
    auxo_status status = AUXO_OK;
    *done = state->current >= state->plan_count;
    if (*done)
        return AUXO_OK;
    if (!state->loop)
        status = open_loop(state, error);
    if (status != AUXO_OK)
        return status;
    auxo__morph_training training = {.loop = state->current};
    uint32_t layers[AUXO__MORPH_WIDTHS_MAX];
    const auxo_model_desc *desc = auxo_morph_loop_desc(state->loop);
    training.widths = (auxo_numbers){training.width_values, auxo__morph_hidden_layers(desc, layers)};
    for (size_t i = 0; i < training.widths.count; i++)
        training.width_values[i] = desc->layers[layers[i]].units;
    auxo_morph_record record;
    auxo_error ended = {0};
    bool loop_done = false;
    status = auxo_morph_loop_next(state->loop, &record, &loop_done, &ended);
    if (status == AUXO_NOT_FINITE)
        status = break_down(state, &ended, error);
    else if (status != AUXO_OK)
        return auxo_error_set(error, status, "%s", ended.message);
    else if (loop_done)
        close_loop(state);
    else {
        describe_training(state, &record, &training);
        status = auxo__run_emit(run, &training_event, &training, error);
        state->training_count++;
    }
    if (status == AUXO_OK && state->refresh_status != AUXO_OK)
        status = auxo_error_set(error, state->refresh_status, "history of the training: out of memory");
    auxo__run_moved(run, run->position + 1, true);
    *done = state->current >= state->plan_count;
    return status;
}

static double progress(const auxo_run *run, const void *user)
{
    const auxo__morph_state *state = user;
    uint64_t per_loop = state->options.iterations + (state->options.final_epochs > 0);
    (void)run;
    return (double)state->training_count / ((double)state->plan_count * (double)per_loop);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

static auxo_status put_state(const auxo__morph_state *state, auxo__archive *archive, auxo_error *error)
{
    auxo__json json = {0};
    auxo__json_open(&json, '{');
    auxo__json_key(&json, "current");
    auxo__json_number(&json, state->current);
    auxo__json_key(&json, "best_score");
    auxo__json_number(&json, state->best_score);
    auxo__json_key(&json, "limit");
    auxo__json_number(&json, state->budget.limit);
    auxo__json_key(&json, "broken_count");
    auxo__json_number(&json, state->broken_count);
    auxo__json_key(&json, "broke_down");
    auxo__json_text(&json, state->broke_down);
    auxo__json_close(&json, '}');
    auxo_status status = auxo__json_finish(&json, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, "", STATE_KEY, json.text, error);
    auxo__json_deinit(&json);
    return status;
}

static auxo_status describe(auxo_run *run, void *user, auxo__archive *archive, auxo_error *error)
{
    (void)run;
    auxo__morph_state *state = user;
    char *inner = NULL;
    auxo_model *loop_best = state->loop ? auxo_morph_loop_best(state->loop) : NULL;
    auxo_status status = put_state(state, archive, error);
    if (status == AUXO_OK && state->loop)
        status = auxo_morph_loop_describe(state->loop, &inner, error);
    if (status == AUXO_OK && inner)
        status = auxo__archive_put_text(archive, "", LOOP_KEY, inner, error);
    if (status == AUXO_OK && loop_best)
        status = auxo__archive_put_model(archive, LOOP_BEST, loop_best, error);
    if (status == AUXO_OK && state->best)
        status = auxo__archive_put_model(archive, BEST, state->best, error);
    free(inner);
    return status;
}

static auxo_status restore_loop(auxo__morph_state *state, const auxo__archive *archive, const char *inner,
                                auxo_error *error)
{
    auxo_model *best = NULL;
    auxo_status status = open_loop(state, error);
    if (status == AUXO_OK && auxo__archive_has_model(archive, LOOP_BEST))
        status = auxo__archive_get_model(archive, LOOP_BEST, state->run->device, &best, error);
    if (status == AUXO_OK)
        status = auxo_morph_loop_restore(state->loop, inner, best, error);
    if (status != AUXO_OK)
        auxo_model_destroy(best);
    return status;
}

static auxo_status restore(auxo_run *run, void *user, const auxo__archive *archive, auxo_error *error)
{
    auxo__morph_state *state = user;
    const char *text = auxo__archive_text(archive, "", STATE_KEY), *inner = auxo__archive_text(archive, "", LOOP_KEY);
    cJSON *root = NULL;
    auxo_status status = text ? auxo__json_parse(text, strlen(text), &root, error) : AUXO_OK;
    uint64_t current = 0, broken = 0;
    const cJSON *best = cJSON_GetObjectItemCaseSensitive(root, "best_score");
    const cJSON *limit = cJSON_GetObjectItemCaseSensitive(root, "limit");
    const char *broke_down = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(root, "broke_down"));
    if (status == AUXO_OK &&
        (!auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, "current"), state->plan_count, &current) ||
         !auxo__json_count(cJSON_GetObjectItemCaseSensitive(root, "broken_count"), UINT32_MAX, &broken) ||
         !cJSON_IsNumber(limit)))
        status = auxo_error_set(error, AUXO_FORMAT, "the state of morph is incomplete");
    if (status == AUXO_OK) {
        state->current = (uint32_t)current;
        state->best_score = cJSON_IsNumber(best) ? best->valuedouble : -INFINITY;
        state->budget.limit = limit->valuedouble;
        state->broken_count = (uint32_t)broken;
        snprintf(state->broke_down, sizeof state->broke_down, "%s", broke_down ? broke_down : "");
        state->training_count = auxo__history_find(&run->history, "training")->event_count;
    }
    cJSON_Delete(root);
    if (status == AUXO_OK && auxo__archive_has_model(archive, BEST))
        status = auxo__archive_get_model(archive, BEST, run->device, &state->best, error);
    if (status == AUXO_OK && inner && state->current < state->plan_count)
        status = restore_loop(state, archive, inner, error);
    return status;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static auxo_model *model(void *user)
{
    auxo__morph_state *state = user;
    return state->best ? state->best : state->loop ? auxo_morph_loop_best(state->loop) : NULL;
}

static auxo_status finish(auxo_run *run, void *user, auxo_error *error)
{
    auxo__morph_state *state = user;
    auxo_model *best = model(state);
    auxo_status status = AUXO_OK;
    if (!best)
        return auxo_error_set(error, AUXO_NOT_FINITE, "%.450s",
                              state->broke_down[0] ? state->broke_down : "no network was trained");
    status = auxo__evaluate_on_test(&state->data, &state->training, best, &state->test, error);
    if (status != AUXO_OK)
        return status;
    bool classes = state->data.train->target_type == AUXO_TARGET_CLASS;
    const double score = state->best ? state->best_score : auxo_morph_loop_best_score(state->loop);
    result_record record = {.validation_accuracy = classes ? score : NAN,
                            .validation_loss = classes ? NAN : -score,
                            .test_accuracy = state->test.accuracy,
                            .test_loss = state->test.loss,
                            .weights = auxo_model_weight_count(best),
                            .budget = state->budget.limit,
                            .trainings = state->training_count,
                            .broke_down = state->broke_down[0] ? state->broke_down : NULL};
    if (classes)
        snprintf(record.text, sizeof record.text, "validation %.2f %%, test %.2f %%", 100 * score,
                 100 * state->test.accuracy);
    else
        snprintf(record.text, sizeof record.text, "validation loss %.5f, test loss %.5f", -score, state->test.loss);
    status = auxo__run_emit(run, &result_event, &record, error);
    /* Some loops of a front are expected to break down; a run of which none came through has failed. */
    if (status == AUXO_OK && state->broken_count == state->plan_count)
        status = auxo_error_set(error, AUXO_NOT_FINITE, "%.400s; the best network so far was kept", state->broke_down);
    return status;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const auxo_setting *const settings[] = {auxo__morph_settings,
                                               auxo__budget_settings,
                                               auxo__model_settings,
                                               auxo_data_settings,
                                               auxo__training_settings,
                                               auxo__validation_settings,
                                               auxo__keep_settings,
                                               auxo__fold_settings,
                                               auxo__device_settings,
                                               auxo__seed_settings,
                                               auxo__run_settings,
                                               auxo__save_settings,
                                               NULL};
static const auxo_setting_value defaults[] = {
    {"optimizer", "adam"}, {"validation", "0.1"}, {"keep", "last"}, {NULL, NULL}};
static const auxo_event_type *const events[] = {&refresh_event, &training_event, &result_event, NULL};

const auxo_method auxo__method_morph = {
    .info =
        {
            .name = "morph",
            .summary = "find the widths of a network's layers within a budget",
            .description =
                "MorphNet: train with a regulariser that prices every channel by what it costs, keep the channels that "
                "live, scale all widths up to the budget, and train again from scratch; at last train the network that "
                "came out without the regulariser. Several values of lambda or starts give a front. The model "
                "auto is conv:32-64 for pictures, and for tables mlp:32-32 under the group lasso. Without a budget "
                "it is the FLOPs of the (first) start. The best network within the budget by validation accuracy is "
                "measured on the test split. keep and patience are about that last training, without the regulariser: "
                "those with it must run to their end.\n\nA loop whose network breaks down (no channel of a layer "
                "lives, "
                "or the loss is not finite) ends with a message; its best network is kept. A run continues from its "
                "checkpoint after the last finished training.",
            .examples = "auxo morph --preset front --data mnist --budget-flops 2e6 --report front.html\n"
                        "auxo morph --preset bad-widths --data mnist --limit 6000 --epochs 1 --report widths.html\n"
                        "auxo morph --model resnet18 --data cifar-10 --budget-latency 1.5 --device opencl:0",
            .settings = settings,
            .defaults = defaults,
            .events = events,
        },
    .state_bytes = sizeof(auxo__morph_state),
    .begin = begin,
    .step = step,
    .describe = describe,
    .restore = restore,
    .finish = finish,
    .report = auxo__morph_report,
    .end = end,
    .model = model,
    .progress = progress,
    .report_title = "MorphNet",
    .finish_when_ended = true,
};
