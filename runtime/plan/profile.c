/* profile.c: running a plan with a time for every op.
 *
 * With device timestamps an event stands before the first and after every op, and the differences are read when the
 * pass is done. Without them the queue is waited for after every op and the host's clock is read: those times include
 * the launch. Both are slower than a plain run, and the results are the same.
 */
#include "plan_internal.h"

#include <stdlib.h>
#include <time.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

auxo_status auxo__plan_profile_create(auxo_plan *plan, auxo_error *error)
{
    const auxo_device *device = plan->device;
    bool timestamps = device->backend->event_elapsed_ns && (device->info.features & AUXO_FEATURE_TIMESTAMPS);
    if (!timestamps || plan->has_host_route)
        return AUXO_OK;
    plan->events = calloc(plan->step_count + 1, sizeof *plan->events);
    if (!plan->events)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory profiling a plan");
    for (size_t i = 0; i <= plan->step_count; i++) {
        auxo_status status = auxo_event_create(plan->device, &plan->events[i], error);
        if (status)
            return status;
    }
    return AUXO_OK;
}

void auxo__plan_profile_destroy(auxo_plan *plan)
{
    for (size_t i = 0; plan->events && i <= plan->step_count; i++)
        auxo_event_destroy(plan->events[i]);
    free(plan->events);
    plan->events = NULL;
}

static void add_time(auxo_plan *plan, size_t step_index, uint64_t elapsed_ns)
{
    auxo__plan_op *op = &plan->ops[plan->steps[step_index].op_index];
    op->run_count++;
    op->total_ns += elapsed_ns;
}

static auxo_status run_with_clock(auxo_plan *plan, auxo_queue *queue, const auxo__section *section, auxo_error *error)
{
    auxo_status status = auxo_queue_wait(queue, error);
    for (size_t i = section->first_step; i < section->end_step && status == AUXO_OK; i++) {
        uint64_t start_ns = now_ns();
        status = auxo__plan_enqueue_step(plan, queue, i, error);
        if (status == AUXO_OK)
            status = auxo_queue_wait(queue, error);
        if (status == AUXO_OK)
            add_time(plan, i, now_ns() - start_ns);
    }
    return status;
}

static auxo_status run_with_events(auxo_plan *plan, auxo_queue *queue, const auxo__section *section, auxo_error *error)
{
    auxo_status status = auxo_event_record(queue, plan->events[section->first_step], error);
    for (size_t i = section->first_step; i < section->end_step && status == AUXO_OK; i++) {
        status = auxo__plan_enqueue_step(plan, queue, i, error);
        if (status == AUXO_OK)
            status = auxo_event_record(queue, plan->events[i + 1], error);
    }
    if (status == AUXO_OK)
        status = auxo_queue_wait(queue, error);
    for (size_t i = section->first_step; i < section->end_step && status == AUXO_OK; i++) {
        uint64_t elapsed_ns = 0;
        status = auxo_event_elapsed_ns(plan->events[i], plan->events[i + 1], &elapsed_ns, error);
        if (status == AUXO_OK)
            add_time(plan, i, elapsed_ns);
    }
    return status;
}

auxo_status auxo__plan_run_profiled(auxo_plan *plan, auxo_queue *queue, const auxo__section *section, auxo_error *error)
{
    return plan->events ? run_with_events(plan, queue, section, error) : run_with_clock(plan, queue, section, error);
}
