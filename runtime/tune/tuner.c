/* tuner.c: what is tuned, for how long, and what becomes of a winner. The search for one shape is in search_shape.c.
 *
 * Every shape gets an equal part of the time that is left. What was found is merged into the file under a lock, so that
 * several tuners may share one.
 */
#include "tune_internal.h"

#include <math.h>
#include <string.h>

enum { TARGETS_MAX = 256 };
static const double DEFAULT_BUDGET_SECONDS = 60;

/* One shape: a case, or an op of a network's plan. */
typedef struct target {
    const auxo_bench_case *from; /* NULL: op */
    auxo_op op;
} target;

typedef struct target_list {
    target items[TARGETS_MAX];
    size_t count;
} target_list;

/* ---- what to tune ------------------------------------------------------------------------------------------------ */

/* Whether there is anything to choose for the kind. */
static bool has_choice(const auxo_device *device, auxo_op_kind kind)
{
    const auxo_kernel_list kernels = auxo__device_kernels(device, kind);
    return kernels.count > 1 || (kernels.count == 1 && kernels.variants[0].tunable_count > 0);
}

static bool wants(const auxo__tuner *t, auxo_op_kind kind)
{
    return t->options.kinds ? t->options.kinds[kind] : has_choice(t->device, kind);
}

static void add_target(target_list *targets, const target *added)
{
    char shape[96], other[96];
    for (size_t i = 0; i < targets->count && !added->from; i++) {
        auxo_tuning_shape_class(&added->op, false, shape, sizeof shape);
        auxo_tuning_shape_class(&targets->items[i].op, false, other, sizeof other);
        if (targets->items[i].op.kind == added->op.kind && strcmp(shape, other) == 0)
            return;
    }
    if (targets->count < TARGETS_MAX)
        targets->items[targets->count++] = *added;
}

/* The products and convolutions of one training step; their shapes do not need the model any more. */
static auxo_status add_training(const auxo__tuner *t, target_list *targets, auxo_error *error)
{
    auxo__bench_trainer opened;
    bool finished = false;
    auxo_epoch_metrics metrics;
    auxo_status status =
        auxo__bench_trainer_open(t->device, t->options.training, false, t->options.stop, &opened, error);
    if (status == AUXO_OK)
        status = auxo_trainer_run(opened.trainer, 1, &finished, &metrics, error);
    const auxo_plan *plan = status == AUXO_OK ? auxo_trainer_plan(opened.trainer) : NULL;
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan); i++) {
        const auxo_op *op = auxo_plan_op(plan, i);
        if (wants(t, op->kind) && op->kind <= AUXO_OP_CONV2D_BACKWARD_WEIGHTS)
            add_target(targets, &(target){.op = *op});
    }
    auxo__bench_trainer_close(&opened);
    return status;
}

static auxo_status find_targets(const auxo__tuner *t, target_list *targets, auxo_error *error)
{
    size_t count = t->options.case_count;
    const auxo_bench_case *cases = t->options.cases ? t->options.cases : auxo_bench_cases(&count);
    auxo_status status = t->options.training ? add_training(t, targets, error) : AUXO_OK;
    for (size_t i = 0; i < count && !t->options.training; i++)
        if (wants(t, cases[i].kind) && auxo_bench_case_check(&cases[i], t->device, NULL) == AUXO_OK)
            add_target(targets, &(target){.from = &cases[i]});
    if (status == AUXO_OK && targets->count == 0)
        status = auxo_error_set(error, AUXO_NOT_FOUND,
                                "tune: nothing to choose on device %s for what was asked; \"auxo bench\" lists cases",
                                t->device->info.selector);
    return status;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

void auxo__tune_tell(const auxo__tuner *t, const auxo_tune_event *event)
{
    if (t->options.listen)
        t->options.listen(t->options.listen_user, event);
}

/* Saves the winner unless earlier tuning data is as fast, within the noise. */
static auxo_status keep_winner(auxo__tuner *t, const auxo__tune_result *found, bool was_tuned, auxo_error *error)
{
    const double noise = 1.02;
    if (!isfinite(found->best_seconds))
        return AUXO_OK;
    bool saved = !was_tuned || found->best_seconds * noise < found->first_seconds;
    const auxo_backend_host *host = &t->device->runtime->host;
    auxo_status status =
        saved ? auxo_tuning_merge(t->summary.path, &found->best, 1, host->log, host->log_user, error) : AUXO_OK;
    if (status != AUXO_OK)
        return status;
    t->summary.saved += saved;
    auxo__tune_tell(t, &(auxo_tune_event){.kind = AUXO_TUNE_TUNED,
                                          .entry = &found->best,
                                          .seconds_before = found->first_seconds,
                                          .seconds_after = found->best_seconds,
                                          .candidates = found->tried,
                                          .refused = found->refused,
                                          .saved = saved});
    return AUXO_OK;
}

static auxo_status tune_target(auxo__tuner *t, const target *wanted, auxo_error *error)
{
    auxo_bench_op *built = NULL;
    auxo_tuning_entry known;
    auxo__tune_result found = {.first_seconds = INFINITY, .best_seconds = INFINITY};
    auxo_status status = wanted->from ? auxo_bench_op_create(t->queue, wanted->from, &built, error)
                                      : auxo_bench_op_copy(t->queue, &wanted->op, &built, error);
    if (status != AUXO_OK)
        return status;
    const bool was_tuned = auxo_tuning_lookup(t->device, auxo_bench_op_get(built), &known, NULL) == AUXO_OK;
    status = auxo__tune_search(t, auxo_bench_op_get(built), &found, error);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED || status == AUXO_DEVICE_LOST) {
        auxo_error reason = {0};
        auxo_status kept = keep_winner(t, &found, was_tuned, &reason);
        if (kept != AUXO_OK)
            status = auxo_error_set(error, kept, "%s", reason.message);
    }
    auxo_bench_op_destroy(built);
    return status;
}

static auxo_status tune_targets(auxo__tuner *t, const target_list *targets, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    t->summary.shapes = targets->count;
    for (size_t done = 0; done < targets->count && status == AUXO_OK; done++) {
        const double now = auxo__now_seconds();
        if (done > 0 && now > t->end)
            break;
        t->deadline = now + (t->end - now) / (double)(targets->count - done);
        status = tune_target(t, &targets->items[done], error);
        t->summary.done = done + 1;
        auxo__tune_tell(t, &(auxo_tune_event){.kind = AUXO_TUNE_PROGRESS, .done = done + 1, .total = targets->count});
    }
    return status;
}

static auxo_status find_path(const auxo__tuner *t, char *path, size_t size, auxo_error *error)
{
    if (!t->options.path)
        return auxo_tuning_user_path(t->device->runtime, path, size, error);
    if (strlen(t->options.path) >= size)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the path of the tuning file is too long");
    auxo__field_copy(path, size, t->options.path);
    return AUXO_OK;
}

auxo_status auxo_tune(auxo_device *device, const auxo_tune_options *options, auxo_tune_summary *summary,
                      auxo_error *error)
{
    auxo__tuner *t = calloc(1, sizeof *t);
    target_list *targets = calloc(1, sizeof *targets);
    auxo_status status = AUXO_OK;
    if (!t || !targets)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tune: out of memory");
    if (status == AUXO_OK) {
        t->device = device;
        t->options = options ? *options : (auxo_tune_options){0};
        if (t->options.budget_seconds <= 0)
            t->options.budget_seconds = DEFAULT_BUDGET_SECONDS;
        t->end = auxo__now_seconds() + t->options.budget_seconds;
        status = find_path(t, t->summary.path, sizeof t->summary.path, error);
    }
    if (status == AUXO_OK)
        status = auxo_queue_create(device, &t->queue, error);
    if (status == AUXO_OK)
        status = find_targets(t, targets, error);
    if (status == AUXO_OK)
        status = tune_targets(t, targets, error);
    if (t) {
        auxo_queue_destroy(t->queue);
        if (summary)
            *summary = t->summary;
    }
    free(targets);
    free(t);
    return status;
}
