/* run.c: compiling a plan into steps, and running them.
 *
 * The inner loop is one call through a function pointer per op. A backend that can record is asked once per queue to
 * capture a section (without cuts: the whole pass); later passes replay it. Plans that are profiled, or have an op on
 * the host, are not recorded.
 */
#include "plan_internal.h"
#include "sections.h"
#include "text.h"

#include <stdlib.h>

static auxo_status compile_op(auxo_plan *plan, auxo__plan_op *op, const auxo_plan_options *options, auxo_error *error)
{
    op->placed = op->op;
    for (size_t s = 0; s < AUXO_OP_SLOTS_MAX; s++)
        auxo__plan_resolve_tensor(plan, &op->placed.tensors[s]);
    op->skipped = auxo__op_is_empty(&op->placed);
    if (op->skipped) {
        auxo__field_copy(op->choice.reason, sizeof op->choice.reason, "empty: nothing to compute");
        return AUXO_OK;
    }
    auxo_status status = auxo__choose_kernel(plan->device, &op->placed, options, &op->choice, error);
    if (status)
        return auxo_error_wrap(error, status, "%s", op->label);
    plan->has_host_route |= op->choice.route == AUXO_ROUTE_HOST;
    return AUXO_OK;
}

static auxo_status make_steps(auxo_plan *plan, auxo_error *error)
{
    plan->steps = calloc(plan->op_count ? plan->op_count : 1, sizeof *plan->steps);
    if (!plan->steps)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory compiling a plan");
    for (size_t i = 0; i < plan->op_count; i++) {
        const auxo__plan_op *op = &plan->ops[i];
        if (!op->skipped)
            plan->steps[plan->step_count++] = (auxo__step){
                .enqueue = op->choice.kernel->enqueue, .op = &op->placed, .state = op->choice.state, .op_index = i};
    }
    return AUXO_OK;
}

/* The steps of every section; the last one ends with the plan. */
static auxo_status make_sections(auxo_plan *plan, auxo_error *error)
{
    const size_t last = plan->op_count ? plan->op_count - 1 : 0;
    if (plan->section_count == 0 || plan->sections[plan->section_count - 1].last_op < last) {
        auxo__section *grown = realloc(plan->sections, (plan->section_count + 1) * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory compiling a plan");
        plan->sections = grown;
        plan->sections[plan->section_count++] = (auxo__section){.last_op = last};
    }
    size_t step = 0;
    for (size_t i = 0; i < plan->section_count; i++) {
        plan->sections[i].first_step = step;
        while (step < plan->step_count && plan->steps[step].op_index <= plan->sections[i].last_op)
            step++;
        plan->sections[i].end_step = step;
    }
    return AUXO_OK;
}

auxo_status auxo_plan_compile(auxo_plan *plan, const auxo_plan_options *options, auxo_error *error)
{
    const auxo_plan_options defaults = {0};
    if (!options)
        options = &defaults;
    auxo_status status = auxo_plan_status(plan, error);
    if (status != AUXO_OK)
        return status;
    if (plan->compiled)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the plan is compiled already");
    status = auxo__device_usable(plan->device, error);
    if (status)
        return status;
    /* A failed compile leaves a plan that can only be destroyed. */
    plan->compiled = true;
    status = auxo__plan_place(plan, error);
    for (size_t i = 0; i < plan->op_count && status == AUXO_OK; i++)
        status = compile_op(plan, &plan->ops[i], options, error);
    auxo__self_test_save(plan->device);
    if (status == AUXO_OK)
        status = make_steps(plan, error);
    if (status == AUXO_OK)
        status = make_sections(plan, error);
    if (status == AUXO_OK && options->profile)
        status = auxo__plan_profile_create(plan, error);
    if (status)
        return status;
    plan->profile = options->profile;
    plan->records = plan->device->backend->record_begin && !plan->profile && !plan->has_host_route &&
                    (plan->device->info.features & AUXO_FEATURE_COMMAND_RECORDING);
    plan->ready = true;
    return AUXO_OK;
}

/* Says which op failed. Kept out of the loops' way. */
static auxo_status step_failed(auxo_plan *plan, const auxo__step *step, auxo_status status, auxo_error *error)
{
    const auxo__plan_op *op = &plan->ops[step->op_index];
    auxo__device_note(plan->device, status, error);
    return auxo_error_wrap(error, status, "%s (%s, variant %s)", op->label, auxo_op_noun(op->op.kind),
                           op->choice.kernel->variant);
}

auxo_status auxo__plan_enqueue_step(auxo_plan *plan, auxo_queue *queue, size_t step_index, auxo_error *error)
{
    const auxo__step *step = &plan->steps[step_index];
    auxo__host_route *host = plan->ops[step->op_index].choice.host;
    auxo_status status =
        host ? auxo__host_route_run(host, queue, error) : step->enqueue(queue->handle, step->op, step->state, error);
    return status ? step_failed(plan, step, status, error) : AUXO_OK;
}

static auxo_status enqueue_section(auxo_plan *plan, auxo_queue *queue, const auxo__section *section, auxo_error *error)
{
    if (plan->has_host_route) {
        auxo_status status = AUXO_OK;
        for (size_t i = section->first_step; i < section->end_step && status == AUXO_OK; i++)
            status = auxo__plan_enqueue_step(plan, queue, i, error);
        return status;
    }
    const auxo__step *end = plan->steps + section->end_step;
    for (const auxo__step *step = plan->steps + section->first_step; step < end; step++) {
        auxo_status status = step->enqueue(queue->handle, step->op, step->state, error);
        if (status)
            return step_failed(plan, step, status, error);
    }
    return AUXO_OK;
}

static void drop_recording(auxo_plan *plan, auxo__section *section)
{
    if (!section->recording)
        return;
    auxo__device_drain(plan->device);
    plan->device->backend->record_destroy(plan->device->handle, section->recording);
    section->recording = NULL;
}

/* Captures a section on `queue`. A backend that cannot record these ops after all makes the plan run unrecorded. */
static auxo_status record(auxo_plan *plan, auxo_queue *queue, auxo__section *section, auxo_error *error)
{
    const auxo_backend *backend = plan->device->backend;
    drop_recording(plan, section);
    auxo_error failure = {0};
    auxo_status status = backend->record_begin(queue->handle, &failure);
    if (status == AUXO_OK) {
        auxo_status enqueued = enqueue_section(plan, queue, section, &failure);
        /* Recording mode must end in any case. */
        status = backend->record_end(queue->handle, &section->recording, enqueued ? NULL : &failure);
        if (enqueued)
            status = enqueued;
    }
    if (status == AUXO_OK) {
        section->recording_queue_serial = queue->serial;
        return AUXO_OK;
    }
    drop_recording(plan, section);
    if (status == AUXO_UNSUPPORTED) {
        plan->records = false;
        auxo__log(plan->device->runtime, AUXO_LOG_INFO, "device %s: the plan runs unrecorded: %s",
                  plan->device->info.selector, failure.message);
        return AUXO_OK;
    }
    auxo__device_note(plan->device, status, &failure);
    return auxo_error_set(error, status, "recording the plan: %s", failure.message);
}

static auxo_status run_section(auxo_plan *plan, auxo_queue *queue, auxo__section *section, auxo_error *error)
{
    if (section->first_step == section->end_step)
        return AUXO_OK;
    if (plan->profile)
        return auxo__plan_run_profiled(plan, queue, section, error);
    auxo_status status = AUXO_OK;
    if (plan->records && (!section->recording || section->recording_queue_serial != queue->serial))
        status = record(plan, queue, section, error);
    if (status != AUXO_OK)
        return status;
    if (!plan->records)
        return enqueue_section(plan, queue, section, error);
    return auxo__device_note(plan->device,
                             plan->device->backend->record_replay(queue->handle, section->recording, error), error);
}

static auxo_status check_run(const auxo_plan *plan, const auxo_queue *queue, auxo_error *error)
{
    if (!plan->ready)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the plan has not been compiled successfully");
    if (queue->device != plan->device)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the plan is for device %s, the queue is on %s",
                              plan->device->info.selector, queue->device->info.selector);
    return auxo__device_usable(plan->device, error);
}

auxo_status auxo_plan_run(auxo_plan *plan, auxo_queue *queue, uint32_t repeat_count, auxo_error *error)
{
    auxo_status status = check_run(plan, queue, error);
    if (status || repeat_count == 0 || plan->step_count == 0)
        return status;
    queue->busy = true;
    for (uint32_t i = 0; i < repeat_count && status == AUXO_OK; i++)
        for (size_t s = 0; s < plan->section_count && status == AUXO_OK; s++)
            status = run_section(plan, queue, &plan->sections[s], error);
    return status || plan->profile ? status : auxo__queue_flush(queue, error);
}

/* ---- sections ---------------------------------------------------------------------------------------------------- */

size_t auxo__plan_section_count(const auxo_plan *plan)
{
    return plan->section_count;
}

size_t auxo__plan_section_of(const auxo_plan *plan, size_t op)
{
    size_t section = 0;
    while (section + 1 < plan->section_count && plan->sections[section].last_op < op)
        section++;
    return section;
}

auxo_status auxo__plan_run_section(auxo_plan *plan, auxo_queue *queue, size_t section, auxo_error *error)
{
    auxo_status status = check_run(plan, queue, error);
    if (status)
        return status;
    queue->busy = true;
    status = run_section(plan, queue, &plan->sections[section], error);
    return status || plan->profile ? status : auxo__queue_flush(queue, error);
}
