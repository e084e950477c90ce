/* runtime/cli/bench/cmd_tune.c: auxo tune: finds the fastest right kernel for each shape on the user's device.
 *
 * For every shape: each variant that supports it, and from its initial values a coordinate search over its tunables.
 * A candidate must pass the known answers of its op with its own parameters, and give the outputs of the kernel used
 * so far at full size, before its time counts. The winner goes to the user's tuning file at once, so that an interrupt
 * or a lost device costs at most the shape at hand.
 */
#include "auxo/backend.h"
#include "auxo/tune.h"
#include "bench_measure.h"
#include "bench_op.h"
#include "bench_train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VARIANTS_MAX = 16, TARGETS_MAX = 256 };

static const cli_option tune_options[] = {
    {.name = "op",
     .type = CLI_TEXT,
     .argument = "NAME,...",
     .help = "Tune only these operations, for example gemm,conv2d_forward (default: all with a choice)"},
    {.name = "model",
     .type = CLI_TEXT,
     .argument = "NAME|FILE",
     .help = "Tune the shapes of training this network instead of the standard cases"},
    {.name = "batch",
     .type = CLI_INTEGER,
     .argument = "N",
     .initial = "128",
     .help = "Rows per step of the network",
     .minimum = 1,
     .maximum = 65536},
    {.name = "budget",
     .type = CLI_SECONDS,
     .argument = "T",
     .initial = "60",
     .help = "Time for all shapes together",
     .minimum = 0.1,
     .maximum = 1e6},
    CLI_OPTIONS_END,
};

/* One shape: a standard case, or an op of a model's plan. */
typedef struct target {
    const bench_case *standard; /* NULL: op */
    auxo_op op;
} target;

typedef struct tuner {
    const cli_context *context;
    cli_session session;
    auxo_queue *queue;
    auxo_tuning *file;
    char path[4096];
    target targets[TARGETS_MAX];
    size_t target_count, improved;
    double deadline; /* of the shape at hand */
    cli_table *table;
} tuner;

/* The search for one shape. */
typedef struct search {
    tuner *t;
    bench_op built;
    float *expected[AUXO_OP_SLOTS_MAX]; /* outputs of the kernel used so far; NULL where there is nothing to compare */
    double first_seconds, best_seconds; /* of the kernel used so far; of the winner, INFINITY without one */
    auxo_tuning_entry best;
    size_t tried, refused;
} search;

static const auxo_kernel_list *kernels_of(const auxo_device *device, auxo_op_kind kind)
{
    size_t count = 0;
    const auxo_backend *const *backends = auxo_builtin_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(backends[i]->name, auxo_device_get_info(device)->backend) == 0)
            return &backends[i]->kernels[kind];
    return NULL;
}

static const auxo_kernel *find_kernel(const auxo_device *device, auxo_op_kind kind, const char *variant)
{
    const auxo_kernel_list *list = kernels_of(device, kind);
    for (size_t i = 0; list && i < list->count; i++)
        if (strcmp(list->variants[i].variant, variant) == 0)
            return &list->variants[i];
    return NULL;
}

/* Whether there is anything to choose for the kind. */
static bool has_choice(const auxo_device *device, auxo_op_kind kind)
{
    const auxo_kernel_list *list = kernels_of(device, kind);
    return list && (list->count > 1 || (list->count == 1 && list->variants[0].tunable_count > 0));
}

/* ---- right before fast ------------------------------------------------------------------------------------------- */

/* An f32 output that the op writes without reading it, so that runs repeat. */
static bool is_comparable(const bench_op *built, uint32_t slot)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(built->op.kind, &slot_count);
    return slot < slot_count && slots[slot].access == AUXO_SLOT_WRITE && built->buffers[slot] &&
           built->op.tensors[slot].dtype == AUXO_DTYPE_F32;
}

static auxo_status clear_outputs(search *s, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX && status == AUXO_OK; slot++)
        if (is_comparable(&s->built, slot))
            status = auxo_buffer_zero(s->t->queue, s->built.buffers[slot], 0,
                                      auxo_buffer_size_bytes(s->built.buffers[slot]), error);
    return status;
}

static auxo_status read_output(search *s, uint32_t slot, float **values, size_t *count, auxo_error *error)
{
    uint64_t size_bytes = auxo_buffer_size_bytes(s->built.buffers[slot]);
    *count = size_bytes / sizeof **values;
    *values = malloc(size_bytes + 1);
    if (!*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tune: out of memory for outputs");
    return auxo_buffer_read(s->t->queue, s->built.buffers[slot], 0, *values, size_bytes, error);
}

/* The first call keeps the outputs; later ones compare, with room for another order of summation. */
static auxo_status check_outputs(search *s, auxo_error *error)
{
    const double tolerance = 1e-3;
    auxo_status status = AUXO_OK;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX && status == AUXO_OK; slot++) {
        if (!is_comparable(&s->built, slot))
            continue;
        float *values = NULL;
        size_t count = 0;
        double largest = 0, difference = 0;
        status = read_output(s, slot, &values, &count, error);
        if (status == AUXO_OK && !s->expected[slot]) {
            s->expected[slot] = values;
            continue;
        }
        bool finite = true;
        for (size_t i = 0; status == AUXO_OK && i < count; i++) {
            finite = finite && isfinite(values[i]);
            largest = fmax(largest, fabs((double)s->expected[slot][i]));
            difference = fmax(difference, fabs((double)values[i] - (double)s->expected[slot][i]));
        }
        free(values);
        if (status == AUXO_OK && (!finite || difference > tolerance * largest))
            status = auxo_error_set(error, AUXO_WRONG_RESULT, "outputs differ by %.3g where the largest is %.3g",
                                    difference, largest);
    }
    return status;
}

/* ---- candidates -------------------------------------------------------------------------------------------------- */

/* Runs the op as the device's tuning data now says: once with its outputs checked, then for its time; a candidate far
 * behind the best is not timed further, and one beyond all measure is refused: work on a device cannot be called back,
 * so this is told after its run, or by the driver's own time-out, which loses the device. */
static auxo_status time_now(search *s, const auxo_tuning_entry *entry, double *seconds, auxo_error *error)
{
    const double sample_seconds = 0.05, hopeless = 3, out_of_question = 20;
    auxo_plan *plan = NULL;
    bench_time time = {0};
    auxo_status status = bench_plan_op(s->t->session.device, &s->built.op, &plan, error);
    if (status == AUXO_OK && entry) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, 0);
        if (strncmp(info.reason, "tuned", 5) != 0)
            status = auxo_error_set(error, AUXO_WRONG_RESULT, "%s", info.reason);
    }
    bench_plan_work work = {.plan = plan, .queue = s->t->queue};
    if (status == AUXO_OK)
        status = clear_outputs(s, error);
    if (status == AUXO_OK)
        status = bench_run_plan(&work, 1, error);
    if (status == AUXO_OK)
        status = check_outputs(s, error);
    double start = cli_now_seconds();
    if (status == AUXO_OK)
        status = bench_run_plan(&work, 1, error);
    *seconds = cli_now_seconds() - start;
    const double least = fmin(s->first_seconds, s->best_seconds), limit = fmax(1.0, out_of_question * least);
    if (status == AUXO_OK && entry && *seconds > limit)
        status = auxo_error_set(error, AUXO_UNSUPPORTED,
                                "one run took %.2f s, over the limit of %.2f s for a candidate", *seconds, limit);
    if (status == AUXO_OK && (!entry || *seconds < hopeless * least)) {
        status = bench_measure(bench_run_plan, &work, sample_seconds, &time, error);
        *seconds = time.median;
    }
    auxo_plan_destroy(plan);
    return status;
}

static bool must_end(const search *s, auxo_status status)
{
    return status == AUXO_DEVICE_LOST || status == AUXO_OUT_OF_MEMORY || status == AUXO_INTERRUPTED ||
           (s->t->context->stop && *s->t->context->stop);
}

/* Tries one candidate; *better tells whether it is the best so far. A candidate that fails is named and left out. */
static auxo_status try_candidate(search *s, const char *variant, const int32_t *parameters, bool *better,
                                 auxo_error *error)
{
    auxo_tuning_entry entry;
    double seconds = 0;
    *better = false;
    if (s->t->context->stop && *s->t->context->stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; shapes done so far are saved in %s", s->t->path);
    auxo_error reason = {0};
    auxo_device *device = s->t->session.device;
    auxo_status status = auxo_tuning_entry_make(device, &s->built.op, variant, parameters, NULL, &entry, &reason);
    if (status == AUXO_OK)
        status = auxo_tuning_try(device, &entry, &reason);
    if (status == AUXO_OK)
        status = time_now(s, &entry, &seconds, &reason);
    s->tried++;
    if (status == AUXO_OK) {
        *better = seconds < s->best_seconds;
        if (*better) {
            s->best_seconds = seconds;
            s->best = entry;
        }
        return AUXO_OK;
    }
    if (status == AUXO_DEVICE_LOST)
        return auxo_error_set(
            error, status, "lost while trying %.30s, variant %.40s: %.200s; what was found before is saved in %.150s",
            auxo_op_noun(s->built.op.kind), variant, reason.message, s->t->path);
    if (must_end(s, status))
        return auxo_error_set(error, status, "%s", reason.message);
    s->refused++;
    cli_note(s->t->context->output, "%s, variant %s: left out: %s", auxo_op_noun(s->built.op.kind), variant,
             reason.message);
    return AUXO_OK;
}

/* From the initial values, one tunable at a time, until no single change helps or the time is up. */
static auxo_status search_variant(search *s, const char *variant, auxo_error *error)
{
    const auxo_kernel *kernel = find_kernel(s->t->session.device, s->built.op.kind, variant);
    int32_t parameters[AUXO_TUNABLES_MAX] = {0};
    size_t tunable_count = kernel ? kernel->tunable_count : 0;
    for (size_t i = 0; i < tunable_count; i++)
        parameters[i] = kernel->tunables[i].initial;
    bool better = false, changed = true;
    auxo_status status = try_candidate(s, variant, parameters, &better, error);
    while (changed && status == AUXO_OK) {
        changed = false;
        for (size_t i = 0; i < tunable_count && status == AUXO_OK; i++) {
            int32_t kept = parameters[i];
            const auxo_tunable *tunable = &kernel->tunables[i];
            for (int32_t v = 0; v < tunable->value_count && status == AUXO_OK; v++) {
                if (tunable->values[v] == kept)
                    continue;
                if (cli_now_seconds() > s->t->deadline)
                    return AUXO_OK;
                parameters[i] = tunable->values[v];
                status = try_candidate(s, variant, parameters, &better, error);
                if (better)
                    kept = parameters[i];
                changed = changed || better;
            }
            parameters[i] = kept;
        }
    }
    return status;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static void report_winner(search *s, const char *shape, bool saved)
{
    char parameters[160] = "";
    for (size_t i = 0; i < s->best.parameter_count; i++)
        snprintf(parameters + strlen(parameters), sizeof parameters - strlen(parameters), "%s%s=%d", i ? " " : "",
                 s->best.parameters[i].name, (int)s->best.parameters[i].value);
    double gain = s->best_seconds > 0 ? s->first_seconds / s->best_seconds : 0;
    cli_table_row(s->t->table, "%s|%s|%s|%s|%.4g|%.4g|%.2f|%zu|%s", s->best.op, shape, s->best.variant, parameters,
                  1e3 * s->first_seconds, 1e3 * s->best_seconds, gain, s->tried, saved ? "saved" : "kept as it was");
    cJSON *event = cli_event(s->t->context->output, "tuned");
    cJSON_AddStringToObject(event, "op", s->best.op);
    cJSON_AddStringToObject(event, "shape", shape);
    cJSON_AddStringToObject(event, "variant", s->best.variant);
    cJSON_AddStringToObject(event, "parameters", parameters);
    cJSON_AddNumberToObject(event, "seconds_before", s->first_seconds);
    cJSON_AddNumberToObject(event, "seconds_after", s->best_seconds);
    cJSON_AddNumberToObject(event, "candidates", (double)s->tried);
    cJSON_AddNumberToObject(event, "refused", (double)s->refused);
    cJSON_AddBoolToObject(event, "saved", saved);
    cli_emit(s->t->context->output, event);
}

/* Saves the winner unless earlier tuning data is as fast, within the noise. */
static auxo_status keep_winner(search *s, bool was_tuned, auxo_error *error)
{
    const double noise = 1.02;
    if (!isfinite(s->best_seconds))
        return AUXO_OK;
    bool saved = !was_tuned || s->best_seconds * noise < s->first_seconds;
    auxo_status status = saved ? auxo_tuning_set(s->t->file, &s->best, error) : AUXO_OK;
    if (status == AUXO_OK && saved)
        status = auxo_tuning_save(s->t->file, s->t->path, error);
    if (status != AUXO_OK)
        return status;
    s->t->improved += saved;
    report_winner(s, s->best.shape_class, saved);
    return AUXO_OK;
}

static auxo_status tune_target(tuner *t, const target *wanted, auxo_error *error)
{
    search s = {.t = t, .best_seconds = INFINITY, .first_seconds = INFINITY};
    const char *variants[VARIANTS_MAX];
    auxo_tuning_entry known;
    auxo_status status = wanted->standard ? bench_op_build(t->queue, wanted->standard, &s.built, error)
                                          : bench_op_copy(t->queue, &wanted->op, &s.built, error);
    bool was_tuned = status == AUXO_OK && auxo_tuning_lookup(t->session.device, &s.built.op, &known, NULL) == AUXO_OK;
    if (status == AUXO_OK)
        status = time_now(&s, NULL, &s.first_seconds, error);
    size_t count = 0;
    if (status == AUXO_OK)
        count = auxo_op_variants(t->session.device, s.built.op.kind, &s.built.op, variants, VARIANTS_MAX);
    count = count < VARIANTS_MAX ? count : VARIANTS_MAX;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        if (i == 0 || cli_now_seconds() < t->deadline)
            status = search_variant(&s, variants[i], error);
    auxo_tuning_try(t->session.device, NULL, NULL);
    if (status == AUXO_OK || status == AUXO_INTERRUPTED || status == AUXO_DEVICE_LOST) {
        auxo_error reason = {0};
        auxo_status kept = keep_winner(&s, was_tuned, &reason);
        if (kept != AUXO_OK)
            status = auxo_error_set(error, kept, "%s", reason.message);
    }
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++)
        free(s.expected[slot]);
    bench_op_destroy(&s.built);
    return status;
}

/* ---- what to tune ------------------------------------------------------------------------------------------------ */

static auxo_status find_kinds(const tuner *t, bool *kinds, auxo_error *error)
{
    const char *list = cli_text(t->context->arguments, "op");
    char text[512], *names[AUXO_OP_COUNT];
    for (size_t kind = 0; kind < AUXO_OP_COUNT && !list; kind++)
        kinds[kind] = has_choice(t->session.device, (auxo_op_kind)kind);
    if (!list)
        return AUXO_OK;
    snprintf(text, sizeof text, "%s", list);
    size_t count = cli_split_list(text, names, AUXO_OP_COUNT);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        auxo_op_kind kind;
        status = auxo_op_find(names[i], &kind, error);
        if (status == AUXO_OK)
            kinds[kind] = true;
    }
    return status;
}

static void add_target(tuner *t, const target *added)
{
    char shape[96], other[96];
    for (size_t i = 0; i < t->target_count && !added->standard; i++) {
        auxo_tuning_shape_class(&added->op, false, shape, sizeof shape);
        auxo_tuning_shape_class(&t->targets[i].op, false, other, sizeof other);
        if (t->targets[i].op.kind == added->op.kind && strcmp(shape, other) == 0)
            return;
    }
    if (t->target_count < TARGETS_MAX)
        t->targets[t->target_count++] = *added;
}

/* The products and convolutions of one training step; their shapes do not need the model any more. */
static auxo_status add_model(tuner *t, const bool *kinds, auxo_error *error)
{
    bench_training training = {0};
    bool finished = false;
    auxo_epoch_metrics metrics;
    bench_training_options options;
    auxo_status status = bench_training_parse(t->context->arguments, &options, error);
    if (status == AUXO_OK)
        status = bench_training_open(t->session.device, &options, t->context->stop, &training, error);
    if (status == AUXO_OK)
        status = auxo_trainer_run(training.trainer, 1, &finished, &metrics, error);
    const auxo_plan *plan = status == AUXO_OK ? auxo_trainer_plan(training.trainer) : NULL;
    for (size_t i = 0; plan && i < auxo_plan_op_count(plan); i++) {
        const auxo_op *op = auxo_plan_op(plan, i);
        if (kinds[op->kind] && op->kind <= AUXO_OP_CONV2D_BACKWARD_WEIGHTS)
            add_target(t, &(target){.op = *op});
    }
    bench_training_close(&training);
    return status;
}

static auxo_status find_targets(tuner *t, auxo_error *error)
{
    bool kinds[AUXO_OP_COUNT] = {false};
    const char *model = cli_text(t->context->arguments, "model");
    auxo_status status = find_kinds(t, kinds, error);
    if (status == AUXO_OK && model)
        status = add_model(t, kinds, error);
    size_t count = 0;
    const bench_case *cases = bench_cases(&count);
    for (size_t i = 0; i < count && status == AUXO_OK && !model; i++)
        if (kinds[cases[i].kind] && bench_case_check(&cases[i], t->session.device, NULL) == AUXO_OK)
            add_target(t, &(target){.standard = &cases[i]});
    if (status == AUXO_OK && t->target_count == 0)
        status = auxo_error_set(error, AUXO_NOT_FOUND,
                                "tune: nothing to choose on device %s for what was asked; \"auxo bench\" lists cases",
                                auxo_device_get_info(t->session.device)->selector);
    return status;
}

/* Every shape gets an equal part of the time that is left. */
static auxo_status tune_targets(tuner *t, auxo_error *error)
{
    double end = cli_now_seconds() + cli_real(t->context->arguments, "budget");
    size_t done = 0;
    auxo_status status = AUXO_OK;
    cli_progress progress;
    cli_progress_begin(&progress, t->context->output, "shapes", 0, t->target_count);
    for (; done < t->target_count && status == AUXO_OK; done++) {
        double now = cli_now_seconds();
        if (done > 0 && now > end)
            break;
        t->deadline = now + (end - now) / (double)(t->target_count - done);
        status = tune_target(t, &t->targets[done], error);
        cli_progress_update(&progress, done + 1, "tuning");
    }
    if (status == AUXO_OK && done < t->target_count)
        cli_note(t->context->output, "the budget ended before %zu of %zu shapes; a larger --budget reaches them",
                 t->target_count - done, t->target_count);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    tuner *t = calloc(1, sizeof *t);
    if (!t)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tune: out of memory");
    t->context = context;
    auxo_status status = cli_session_open(context, &t->session, error);
    if (status == AUXO_OK)
        status = auxo_tuning_user_path(t->session.runtime, t->path, sizeof t->path, error);
    if (status == AUXO_OK)
        status = auxo_tuning_load(t->path, cli_log, context->output, &t->file, error);
    if (status == AUXO_OK)
        status = auxo_queue_create(t->session.device, &t->queue, error);
    if (status == AUXO_OK)
        status = find_targets(t, error);
    t->table = cli_table_create("OP|SHAPE|VARIANT|PARAMETERS|>MS BEFORE|>MS NOW|>GAIN|>TRIED|");
    if (status == AUXO_OK)
        status = tune_targets(t, error);
    cli_table_print(context->output, t->table);
    if (status == AUXO_OK) {
        cli_print(context->output, "%zu choices saved in %s\n", t->improved, t->path);
        cJSON *result = cli_event(context->output, "result");
        cJSON_AddStringToObject(result, "device", auxo_device_get_info(t->session.device)->selector);
        cJSON_AddStringToObject(result, "file", t->path);
        cJSON_AddNumberToObject(result, "saved", (double)t->improved);
        cJSON_AddNumberToObject(result, "shapes", (double)t->target_count);
        cli_emit(context->output, result);
    }
    if (t->file)
        auxo_tuning_destroy(t->file);
    auxo_queue_destroy(t->queue);
    cli_session_close(&t->session);
    free(t);
    return status;
}

static const cli_option *const options[] = {cli_device_options, tune_options, bench_training_cli_options,
                                            cli_common_options, NULL};

const cli_command cli_command_tune = {
    .name = "tune",
    .summary = "find the fastest kernels for this device and remember them",
    .description =
        "Time every kernel variant, and one tunable after the other, for the standard cases or for the shapes of a "
        "network, and keep the winner in the tuning file of the user's cache folder, from which every later run takes "
        "it. A candidate must compute its known answers, and the same outputs at full size, before its time counts. "
        "The file is written after every shape, so an interrupt loses nothing that was done.",
    .events = "{\"event\":\"tuned\",\"op\":..,\"shape\":..,\"variant\":..,\"parameters\":..,\"seconds_before\":..,\n"
              " \"seconds_after\":..,\"candidates\":..,\"refused\":..,\"saved\":..}  one per shape\n"
              "{\"event\":\"result\",\"device\":..,\"file\":..,\"saved\":..,\"shapes\":..}",
    .examples = "auxo tune --device opencl:0 --op gemm --budget 60s\nauxo tune --device vulkan:0 --model resnet18",
    .options = options,
    .run = run,
};
