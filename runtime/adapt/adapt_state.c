/* adapt_state.c: the controller in a checkpoint, between two cycles, and back to the bit.
 *
 * The best model is the archive's main model, so that the file is a model file of what has been found; the one that
 * goes on lies below "current/", its training below "training/", the controller's own memory below "adapt/".
 */
#include "adapt_internal.h"
#include "json.h"
#include "json_tree.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "adapt/", TRAINING[] = "training/", CURRENT[] = "current/", EDITS[] = "auxo.edits",
                  REFUSALS[] = "auxo.refusals";

/* The numbers that a checkpoint keeps, in their order. */
enum { NUMBER_COUNT = 16 };

static void list_numbers(const auxo_adapt *adapt, double numbers[NUMBER_COUNT])
{
    const double listed[NUMBER_COUNT] = {adapt->cycle,
                                         adapt->last_edit,
                                         adapt->controls.inserted,
                                         adapt->controls.penalty_strength,
                                         adapt->controls.braked,
                                         adapt->validation_loss,
                                         adapt->validation_accuracy,
                                         adapt->train_loss,
                                         adapt->plain_gain,
                                         adapt->plain_validation_gain,
                                         adapt->last_plain_cost,
                                         adapt->diverged,
                                         adapt->best_score,
                                         adapt->best_loss,
                                         adapt->best_cycle,
                                         adapt->last_control};
    memcpy(numbers, listed, sizeof listed);
}

static bool is_count(double value)
{
    return value >= 0 && value <= UINT32_MAX && value == floor(value);
}

static auxo_status take_numbers(auxo_adapt *adapt, const double *n, size_t count, auxo_error *error)
{
    if (count != NUMBER_COUNT || !is_count(n[0]) || !is_count(n[1]) || !is_count(n[2]) || !(n[3] >= 0) ||
        !is_count(n[4]) || !is_count(n[11]) || !is_count(n[14]) || !is_count(n[15]) || n[1] > n[0] || n[14] > n[0] ||
        n[15] > n[0])
        return auxo_error_set(error, AUXO_FORMAT, "its controller's state makes no sense");
    adapt->cycle = (uint32_t)n[0];
    adapt->last_edit = (uint32_t)n[1];
    adapt->controls.inserted = (uint32_t)n[2];
    adapt->controls.penalty_strength = n[3];
    adapt->controls.braked = n[4] > 0;
    adapt->validation_loss = n[5];
    adapt->validation_accuracy = n[6];
    adapt->train_loss = n[7];
    adapt->plain_gain = n[8];
    adapt->plain_validation_gain = n[9];
    adapt->last_plain_cost = n[10];
    adapt->diverged = (uint32_t)n[11];
    adapt->best_score = n[12];
    adapt->best_loss = n[13];
    adapt->best_cycle = (uint32_t)n[14];
    adapt->last_control = (uint32_t)n[15];
    return AUXO_OK;
}

/* ---- what did not pay -------------------------------------------------------------------------------------------- */

static auxo_status describe_refusals(const auxo_adapt *adapt, char **json, auxo_error *error)
{
    cJSON *list = cJSON_CreateArray();
    for (size_t i = 0; i < adapt->refusal_count; i++) {
        cJSON *item = cJSON_CreateObject();
        auxo__tree_text(item, "move", auxo_adapt_move_noun((auxo_adapt_move)adapt->refusals[i].move));
        auxo__tree_text(item, "where", adapt->refusals[i].where);
        auxo__tree_number(item, "times", adapt->refusals[i].times);
        auxo__tree_number(item, "until", adapt->refusals[i].until);
        auxo__tree_add(list, NULL, item);
    }
    return auxo__tree_print(list, false, json, error);
}

static bool read_refusal(const cJSON *item, auxo__refusal *refusal)
{
    uint64_t times = 0, until = 0;
    const char *move = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "move"));
    const char *where = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "where"));
    *refusal = (auxo__refusal){.move = AUXO_ADAPT_MOVE_COUNT};
    for (uint32_t m = 0; move && m < AUXO_ADAPT_MOVE_COUNT; m++)
        if (strcmp(auxo_adapt_move_noun((auxo_adapt_move)m), move) == 0)
            refusal->move = m;
    if (refusal->move == AUXO_ADAPT_MOVE_COUNT || !where ||
        !auxo__json_count(cJSON_GetObjectItemCaseSensitive(item, "times"), UINT32_MAX, &times) ||
        !auxo__json_count(cJSON_GetObjectItemCaseSensitive(item, "until"), UINT32_MAX, &until))
        return false;
    snprintf(refusal->where, sizeof refusal->where, "%s", where);
    refusal->times = (uint32_t)times;
    refusal->until = (uint32_t)until;
    return true;
}

static auxo_status restore_refusals(auxo_adapt *adapt, const char *json, auxo_error *error)
{
    cJSON *list = NULL;
    const cJSON *item;
    auxo_status status = auxo__json_parse(json, strlen(json), &list, error);
    if (status != AUXO_OK)
        return status;
    const int count = cJSON_GetArraySize(list);
    free(adapt->refusals);
    adapt->refusal_count = 0;
    adapt->refusals = calloc((size_t)count + 1, sizeof *adapt->refusals);
    if (!adapt->refusals)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "moves that did not pay: out of memory");
    cJSON_ArrayForEach(item, list)
    {
        if (status == AUXO_OK && !read_refusal(item, &adapt->refusals[adapt->refusal_count++]))
            status = auxo_error_set(error, AUXO_FORMAT, "its list of moves that did not pay makes no sense");
    }
    cJSON_Delete(list);
    return status;
}

/* ---- both directions --------------------------------------------------------------------------------------------- */

auxo_status auxo__adapt_put(auxo_adapt *adapt, auxo__archive *archive, auxo_error *error)
{
    double numbers[NUMBER_COUNT];
    char *edits = NULL, *refusals = NULL;
    list_numbers(adapt, numbers);
    auxo_status status =
        auxo__archive_put_doubles(archive, PREFIX, "trust", adapt->trust, AUXO_ADAPT_MOVE_COUNT, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, "", adapt->best ? adapt->best : adapt->model, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_model(archive, CURRENT, adapt->model, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_trainer(archive, TRAINING, adapt->trainer, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_doubles(archive, PREFIX, "state", numbers, NUMBER_COUNT, error);
    if (status == AUXO_OK)
        status = auxo_edit_log_describe(&adapt->log, &edits, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, PREFIX, EDITS, edits, error);
    if (status == AUXO_OK)
        status = describe_refusals(adapt, &refusals, error);
    if (status == AUXO_OK)
        status = auxo__archive_put_text(archive, PREFIX, REFUSALS, refusals, error);
    free(edits);
    free(refusals);
    return status;
}

auxo_status auxo__adapt_get_model(const auxo__archive *archive, auxo_device *device, auxo_model **model,
                                  auxo_error *error)
{
    return auxo__archive_get_model(archive, CURRENT, device, model, error);
}

static auxo_status get_trust(auxo_adapt *adapt, const auxo__archive *archive, auxo_error *error)
{
    double *trust = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_doubles(archive, PREFIX, "trust", &trust, &count, error);
    bool good = count == AUXO_ADAPT_MOVE_COUNT;
    for (size_t i = 0; status == AUXO_OK && good && i < count; i++)
        good = trust[i] >= 0 && isfinite(trust[i]);
    if (status == AUXO_OK && good)
        memcpy(adapt->trust, trust, sizeof adapt->trust);
    else if (status == AUXO_OK)
        status = auxo_error_set(error, AUXO_FORMAT, "its trust in moves makes no sense");
    free(trust);
    return status;
}

auxo_status auxo__adapt_get(auxo_adapt *adapt, const auxo__archive *archive, auxo_error *error)
{
    const char *edits = auxo__archive_text(archive, PREFIX, EDITS);
    const char *refusals = auxo__archive_text(archive, PREFIX, REFUSALS);
    double *numbers = NULL;
    size_t count = 0;
    auxo_status status = auxo__archive_get_trainer(archive, TRAINING, CURRENT, adapt->trainer, error);
    if (status == AUXO_OK)
        status = auxo__archive_get_doubles(archive, PREFIX, "state", &numbers, &count, error);
    if (status == AUXO_OK)
        status = take_numbers(adapt, numbers, count, error);
    if (status == AUXO_OK)
        status = get_trust(adapt, archive, error);
    if (status == AUXO_OK && (!edits || !refusals))
        status = auxo_error_set(error, AUXO_FORMAT, "the checkpoint lacks the controller's lists");
    if (status == AUXO_OK)
        status = auxo_edit_log_restore(&adapt->log, edits, error);
    if (status == AUXO_OK)
        status = restore_refusals(adapt, refusals, error);
    if (status == AUXO_OK && isfinite(adapt->best_loss))
        status = auxo__archive_get_model(archive, "", auxo_model_device(adapt->model), &adapt->best, error);
    free(numbers);
    return status;
}
