/* search_shape.c: the fastest right kernel for one shape: each variant that supports it, and from its initial values a
 * coordinate search over its tunables.
 *
 * A candidate must pass the known answers of its op with its own parameters, and give the outputs of the kernel used
 * so far at full size, before its time counts.
 */
#include "tune_internal.h"

#include <math.h>
#include <string.h>

enum { VARIANTS_MAX = 16 };

typedef struct search {
    const auxo__tuner *t;
    const auxo_op *op;
    auxo__tune_result *found;
    float *expected[AUXO_OP_SLOTS_MAX]; /* outputs of the kernel used so far; NULL where there is nothing to compare */
    float *initial[AUXO_OP_SLOTS_MAX];  /* what slots that are also read held before the first run */
} search;

static const auxo_kernel *find_kernel(const auxo_device *device, auxo_op_kind kind, const char *variant)
{
    const auxo_kernel_list kernels = auxo__device_kernels(device, kind);
    for (size_t i = 0; i < kernels.count; i++)
        if (strcmp(kernels.variants[i].variant, variant) == 0)
            return &kernels.variants[i];
    return NULL;
}

static bool is_stopped(const search *s)
{
    return s->t->options.stop && *s->t->options.stop;
}

/* ---- right before fast ------------------------------------------------------------------------------------------- */

/* What the op does to an f32 output; 0: the slot is none. */
static auxo_slot_access access_of(const auxo_op *op, uint32_t slot)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    const bool is_output = slot < slot_count && (slots[slot].access & AUXO_SLOT_WRITE) && op->tensors[slot].buffer &&
                           op->tensors[slot].dtype == AUXO_DTYPE_F32;
    return is_output ? slots[slot].access : (auxo_slot_access)0;
}

static auxo_status read_output(search *s, uint32_t slot, float **values, size_t *count, auxo_error *error)
{
    uint64_t size_bytes = auxo_buffer_size_bytes(s->op->tensors[slot].buffer);
    *count = size_bytes / sizeof **values;
    *values = malloc(size_bytes + 1);
    if (!*values)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tune: out of memory for outputs");
    return auxo_buffer_read(s->t->queue, s->op->tensors[slot].buffer, 0, *values, size_bytes, error);
}

/* Outputs as they were before the first run, so that every kernel's first run computes the same: zeros where the op
 * only writes. */
static auxo_status reset_outputs(search *s, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX && status == AUXO_OK; slot++) {
        const auxo_slot_access access = access_of(s->op, slot);
        auxo_buffer *buffer = s->op->tensors[slot].buffer;
        size_t count = 0;
        if (access == AUXO_SLOT_WRITE)
            status = auxo_buffer_zero(s->t->queue, buffer, 0, auxo_buffer_size_bytes(buffer), error);
        else if (access && !s->initial[slot])
            status = read_output(s, slot, &s->initial[slot], &count, error);
        else if (access)
            status = auxo_buffer_write(s->t->queue, buffer, 0, s->initial[slot], auxo_buffer_size_bytes(buffer), error);
    }
    return status;
}

/* The first call keeps the outputs; later ones compare, with room for another order of summation. */
static auxo_status check_outputs(search *s, auxo_error *error)
{
    const double tolerance = 1e-3;
    auxo_status status = AUXO_OK;
    for (uint32_t slot = 0; slot < AUXO_OP_SLOTS_MAX && status == AUXO_OK; slot++) {
        if (!access_of(s->op, slot))
            continue;
        float *values = NULL;
        size_t count = 0;
        double largest = 0, difference = 0;
        status = read_output(s, slot, &values, &count, error);
        if (status == AUXO_OK && !s->expected[slot]) {
            s->expected[slot] = values;
            continue;
        }
        bool finite = true; /* where the expected value is */
        for (size_t i = 0; status == AUXO_OK && i < count; i++) {
            if (!isfinite(s->expected[slot][i]))
                continue;
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

/* One run that is waited for. */
static auxo_status run_once(auxo__bench_plan_work *work, double *seconds, auxo_error *error)
{
    const double start = auxo__now_seconds();
    const auxo_status status = auxo__bench_run_plan(work, 1, error);
    *seconds = auxo__now_seconds() - start;
    return status;
}

/* Times a plan whose outputs are checked in its first run. A candidate far behind the best is not timed further, nor is
 * anything that has no time left for repetitions; a candidate beyond all measure is refused: work on a device cannot be
 * called back, so this is told after its run, or by the driver's own time-out, which loses the device. */
static auxo_status time_plan(search *s, auxo_plan *plan, bool is_candidate, double *seconds, auxo_error *error)
{
    const double sample_seconds = 0.05, hopeless = 3, out_of_question = 20, long_run = 0.5;
    const int repetitions = 7; /* the fewest that measuring takes */
    const double least = fmin(s->found->first_seconds, s->found->best_seconds);
    const double limit = fmax(1.0, out_of_question * least);
    auxo__bench_plan_work work = {.plan = plan, .queue = s->t->queue};
    auxo_bench_time time = {0};
    auxo_status status = reset_outputs(s, error);
    if (status == AUXO_OK)
        status = run_once(&work, seconds, error);
    if (status == AUXO_OK)
        status = check_outputs(s, error);
    /* The first run may have made the driver compile; a long one is repeated only while there is time. */
    if (status == AUXO_OK && (*seconds < long_run || auxo__now_seconds() + *seconds < s->t->deadline))
        status = run_once(&work, seconds, error);
    if (status != AUXO_OK)
        return status;
    if (is_candidate && *seconds > limit)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "one run took %.2f s, over the limit of %.2f s for a candidate",
                              *seconds, limit);
    const bool has_time = auxo__now_seconds() + repetitions * *seconds < s->t->deadline;
    if (is_candidate && *seconds >= hopeless * least)
        return AUXO_OK;
    if (!has_time && *seconds > sample_seconds)
        return AUXO_OK;
    status = auxo_bench_measure(auxo__bench_run_plan, &work, sample_seconds, &time, error);
    *seconds = time.median;
    return status;
}

/* Runs the op as the device's tuning data now says; with `entry` by no other kernel than that. */
static auxo_status time_now(search *s, const auxo_tuning_entry *entry, double *seconds, auxo_error *error)
{
    auxo_plan *plan = NULL;
    auxo_status status = auxo__bench_plan_op(s->t->device, s->op, &plan, error);
    if (status == AUXO_OK && entry) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, 0);
        if (strncmp(info.reason, "tuned", 5) != 0)
            status = auxo_error_set(error, AUXO_WRONG_RESULT, "%s", info.reason);
    }
    if (status == AUXO_OK)
        status = time_plan(s, plan, entry != NULL, seconds, error);
    auxo_plan_destroy(plan);
    return status;
}

static bool must_end(const search *s, auxo_status status)
{
    return status == AUXO_DEVICE_LOST || status == AUXO_OUT_OF_MEMORY || status == AUXO_INTERRUPTED || is_stopped(s);
}

/* Tries one candidate; *better tells whether it is the best so far. A candidate that fails is named and left out. */
static auxo_status try_candidate(search *s, const char *variant, const int32_t *parameters, bool *better,
                                 auxo_error *error)
{
    auxo_tuning_entry entry = {0};
    double seconds = 0;
    *better = false;
    if (is_stopped(s))
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted; shapes done so far are saved in %s",
                              s->t->summary.path);
    auxo_error reason = {0};
    auxo_device *device = s->t->device;
    auxo__field_copy(entry.op, sizeof entry.op, auxo_op_noun(s->op->kind));
    auxo__field_copy(entry.variant, sizeof entry.variant, variant);
    auxo_status status = auxo_tuning_entry_make(device, s->op, variant, parameters, NULL, &entry, &reason);
    if (status == AUXO_OK)
        status = auxo_tuning_try(device, &entry, &reason);
    if (status == AUXO_OK)
        status = time_now(s, &entry, &seconds, &reason);
    s->found->tried++;
    if (status == AUXO_OK) {
        *better = seconds < s->found->best_seconds;
        if (*better) {
            s->found->best_seconds = seconds;
            s->found->best = entry;
        }
        return AUXO_OK;
    }
    if (status == AUXO_DEVICE_LOST)
        return auxo_error_set(
            error, status, "lost while trying %.30s, variant %.40s: %.200s; what was found before is saved in %.150s",
            auxo_op_noun(s->op->kind), variant, reason.message, s->t->summary.path);
    if (must_end(s, status))
        return auxo_error_set(error, status, "%s", reason.message);
    s->found->refused++;
    auxo__tune_tell(s->t, &(auxo_tune_event){.kind = AUXO_TUNE_REFUSED, .entry = &entry, .message = reason.message});
    return AUXO_OK;
}

/* From the initial values, one tunable at a time, until no single change helps or the time is up. */
static auxo_status search_variant(search *s, const char *variant, auxo_error *error)
{
    const auxo_kernel *kernel = find_kernel(s->t->device, s->op->kind, variant);
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
                if (auxo__now_seconds() > s->t->deadline)
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

auxo_status auxo__tune_search(const auxo__tuner *t, const auxo_op *op, auxo__tune_result *found, auxo_error *error)
{
    search s = {.t = t, .op = op, .found = found};
    const char *variants[VARIANTS_MAX];
    size_t count = 0;
    auxo_status status = time_now(&s, NULL, &found->first_seconds, error);
    if (status == AUXO_OK)
        count = auxo_op_variants(t->device, op->kind, op, variants, VARIANTS_MAX);
    count = count < VARIANTS_MAX ? count : VARIANTS_MAX;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        const auxo_kernel *kernel = find_kernel(t->device, op->kind, variants[i]);
        if (count > 1 && kernel && kernel->is_last_resort)
            continue;
        if (auxo__now_seconds() < (i == 0 ? t->end : t->deadline))
            status = search_variant(&s, variants[i], error);
    }
    auxo_tuning_try(t->device, NULL, NULL);
    for (size_t slot = 0; slot < AUXO_OP_SLOTS_MAX; slot++) {
        free(s.expected[slot]);
        free(s.initial[slot]);
    }
    return status;
}
