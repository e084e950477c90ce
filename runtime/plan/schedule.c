/* schedule.c: which kernel executes an op.
 *
 * Candidates in order: the variant that tuning data names for this device and shape (the closest that can do the op),
 * then the backend's variants in their own order. The first that supports the op, has proven itself on this device, and
 * prepares without failing is taken. None left: the host (the oracle backend), if the caller allows it, else the op is
 * refused. Every step away from the first candidate is in the choice's reason, and a failure is also in the log:
 * nothing is silent.
 */
#include "op_internal.h"
#include "plan_internal.h"
#include "text.h"
#include "tuned.h"

#include <stdio.h>
#include <string.h>

bool auxo__op_is_empty(const auxo_op *op)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    for (size_t s = 0; s < slot_count; s++) {
        if ((slots[s].access & AUXO_SLOT_WRITE) && auxo_tensor_is_present(&op->tensors[s]) &&
            auxo_tensor_element_count(&op->tensors[s]) > 0)
            return false;
    }
    return true;
}

void auxo__kernel_initial_parameters(const auxo_kernel *kernel, int32_t parameters[AUXO_TUNABLES_MAX])
{
    memset(parameters, 0, AUXO_TUNABLES_MAX * sizeof *parameters);
    for (size_t i = 0; i < kernel->tunable_count && i < AUXO_TUNABLES_MAX; i++)
        parameters[i] = kernel->tunables[i].initial;
}

/* A candidate and why it is one. */
typedef struct candidate {
    const auxo_kernel *kernel;
    const char *why;
    int32_t parameters[AUXO_TUNABLES_MAX];
} candidate;

/* "; <what>: <variant>" after the reason, as far as it fits. */
static void note(char reason[AUXO__REASON_BYTES], const char *what, const char *variant)
{
    auxo__text_append(reason, AUXO__REASON_BYTES, "%s%s: %s", reason[0] ? "; " : "", what, variant);
}

/* Failures after which another variant may still do; device loss and memory are not among them. */
static bool may_try_next(auxo_status status)
{
    return status == AUXO_UNSUPPORTED || status == AUXO_DRIVER || status == AUXO_WRONG_RESULT ||
           status == AUXO_INTERNAL;
}

/* Proves and prepares one candidate. Not OK with may_try_next: `reason` says what happened. */
static auxo_status try_candidate(auxo_device *device, const auxo_op *op, const candidate *tried, bool self_test,
                                 void **state, char reason[AUXO__REASON_BYTES], auxo_error *error)
{
    const auxo_kernel *kernel = tried->kernel;
    auxo_status status = AUXO_OK;
    const char *what = "failed self-test";
    if (self_test)
        status = auxo__self_test(device, kernel, op, tried->parameters, error);
    if (status == AUXO_OK && kernel->prepare) {
        what = "failed to prepare";
        status = kernel->prepare(device->handle, op, tried->parameters, state, error);
        auxo__device_note(device, status, error);
    }
    if (may_try_next(status)) {
        note(reason, what, kernel->variant);
        auxo__log(device->runtime, AUXO_LOG_WARNING, "device %s: %s variant '%s' %s: %s", device->info.selector,
                  auxo_op_noun(op->kind), kernel->variant, what,
                  error && error->message[0] ? error->message : auxo_status_text(status));
    }
    return status;
}

/* The tuned candidate: the closest that supports the op, if tuning data has one. */
static bool find_tuned(auxo_device *device, const auxo_op *op, auxo_kernel_list kernels, candidate *tuned,
                       char reason[AUXO__REASON_BYTES])
{
    auxo__tuned found;
    if (kernels.count == 0 || !auxo__tuned_find(device, op, false, &found))
        return false;
    if (!auxo__kernel_takes(device, found.kernel, op)) {
        note(reason, "tuned variant cannot do this op", found.kernel->variant);
        if (!auxo__tuned_find(device, op, true, &found))
            return false;
    }
    tuned->kernel = found.kernel;
    tuned->why = found.why;
    memcpy(tuned->parameters, found.parameters, sizeof tuned->parameters);
    return true;
}

static bool same_candidate(const candidate *a, const candidate *b)
{
    return a->kernel == b->kernel && memcmp(a->parameters, b->parameters, sizeof a->parameters) == 0;
}

static auxo_status choose_native(auxo_device *device, const auxo_op *op, bool self_test, auxo__choice *choice,
                                 auxo_status *last_failure, auxo_error *error)
{
    auxo_kernel_list kernels = auxo__device_kernels(device, op->kind);
    char trouble[AUXO__REASON_BYTES] = "";
    candidate tried = {0};
    bool tuned = find_tuned(device, op, kernels, &tried, trouble);
    const candidate first = tried;
    for (size_t i = tuned ? 0 : 1; i <= kernels.count; i++) {
        if (i > 0) {
            tried.kernel = &kernels.variants[i - 1];
            tried.why = "default";
            auxo__kernel_initial_parameters(tried.kernel, tried.parameters);
            if ((tuned && same_candidate(&tried, &first)) || !auxo__kernel_takes(device, tried.kernel, op))
                continue;
        }
        auxo_status status = try_candidate(device, op, &tried, self_test, &choice->state, trouble, error);
        if (status == AUXO_OK) {
            choice->kernel = tried.kernel;
            auxo__field_copy(choice->reason, sizeof choice->reason, tried.why);
            if (trouble[0])
                auxo__text_append(choice->reason, sizeof choice->reason, "; %s", trouble);
            return AUXO_OK;
        }
        *last_failure = status;
        if (!may_try_next(status))
            return status;
    }
    auxo__field_copy(choice->reason, sizeof choice->reason, trouble);
    return AUXO_OK;
}

/* Whether a tensor of the op is larger than what one kernel argument can address, which not every kernel can part. */
static bool exceeds_binding(const auxo_device *device, const auxo_op *op, char *text, size_t capacity)
{
    size_t slot_count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &slot_count);
    const uint64_t limit = device->info.max_binding_bytes;
    const uint64_t slack = 4096; /* bindings start at aligned addresses before a tensor and end after it */
    for (size_t s = 0; s < slot_count && limit > 0; s++) {
        const auxo_tensor *tensor = &op->tensors[s];
        const uint64_t bytes =
            auxo_tensor_is_present(tensor) ? auxo__tensor_span(tensor) * auxo_dtype_size_bytes(tensor->dtype) : 0;
        if (bytes + slack <= limit)
            continue;
        const uint64_t rows = (uint64_t)tensor->dims[0];
        snprintf(
            text, capacity,
            "%s has %llu bytes, more than the %llu that one binding of device %s (%.60s) addresses, which %llu of its "
            "%llu rows fit",
            slots[s].name, (unsigned long long)bytes, (unsigned long long)limit, device->info.selector,
            device->info.name, (unsigned long long)((limit - slack) / ((bytes + rows - 1) / rows)),
            (unsigned long long)rows);
        return true;
    }
    return false;
}

static auxo_status refuse(const auxo_device *device, const auxo_op *op, const char *reason, auxo_status last_failure,
                          auxo_error *error)
{
    const char *noun = auxo_op_noun(op->kind);
    char reason_text[384];
    if (last_failure == AUXO_WRONG_RESULT)
        return auxo_error_set(
            error, AUXO_WRONG_RESULT,
            "%s: device %s (%s, driver %s) computes it wrongly with every variant (%s); it is refused", noun,
            device->info.selector, device->info.name, device->info.driver, reason);
    if (last_failure != AUXO_OK)
        return auxo_error_wrap(error, last_failure, "%s: device %s (%s) has no working variant (%s)", noun,
                               device->info.selector, device->info.name, reason);
    if (auxo__device_kernels(device, op->kind).count == 0)
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s: device %s (%s) has no kernel for it; allow host fallback or use another device",
                              noun, device->info.selector, device->info.name);
    if (exceeds_binding(device, op, reason_text, sizeof reason_text))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s: %s; make the batch or the layer smaller, allow host fallback "
                              "or use another device",
                              noun, reason_text);
    const auxo_dtype half = auxo__op_half_format(op);
    if (half != AUXO_DTYPE_F32 && !auxo_op_takes_format(device, op->kind, half))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "%s: device %s (%s) has no kernel for %s tensors; use f32, allow host fallback or use "
                              "another device",
                              noun, device->info.selector, device->info.name, auxo_dtype_text(half));
    return auxo_error_set(error, AUXO_UNSUPPORTED,
                          "%s: no variant on device %s (%s) supports these shapes and parameters; allow host fallback "
                          "or use another device",
                          noun, device->info.selector, device->info.name);
}

auxo_status auxo__choose_kernel(auxo_device *device, const auxo_op *op, const auxo_plan_options *options,
                                auxo__choice *choice, auxo_error *error)
{
    memset(choice, 0, sizeof *choice);
    if (options->stop && *options->stop)
        return auxo_error_set(error, AUXO_INTERRUPTED, "interrupted while kernels were being prepared");
    auxo_status last_failure = AUXO_OK;
    auxo_error failure = {0};
    auxo_status status = choose_native(device, op, !options->no_self_test, choice, &last_failure, &failure);
    if (status)
        return auxo_error_set(error, status, "%s", failure.message);
    if (choice->kernel)
        return AUXO_OK;
    if (!options->allow_host_fallback) {
        if (error)
            *error = failure;
        return refuse(device, op, choice->reason, last_failure, error);
    }
    char trouble[AUXO__REASON_BYTES];
    auxo__field_copy(trouble, sizeof trouble, choice->reason);
    auxo__field_copy(choice->reason, sizeof choice->reason, "host fallback");
    auxo__text_append(choice->reason, sizeof choice->reason, "; %s", trouble[0] ? trouble : "no native kernel");
    choice->route = AUXO_ROUTE_HOST;
    return auxo__host_route_create(device, op, &choice->host, &choice->kernel, error);
}

void auxo__choice_release(auxo_device *device, auxo__choice *choice)
{
    if (choice->host)
        auxo__host_route_destroy(choice->host);
    else if (choice->kernel && choice->kernel->release && choice->state && auxo__device_is_here(device))
        choice->kernel->release(device->handle, choice->state);
    choice->host = NULL;
    choice->state = NULL;
}
