/* plan_events.h: what a plan chose and what it took, as events.
 */
#ifndef AUXO_RUN_PLAN_EVENTS_H
#define AUXO_RUN_PLAN_EVENTS_H

#include "method.h"

extern const auxo_event_type auxo__choice_event, auxo__memory_event, auxo__op_event;

/* One "choice" event per op: route, variant, reason. */
auxo_status auxo__emit_choices(auxo_run *run, const auxo_plan *plan, auxo_error *error);
/* One "op" event per op, longest first. */
auxo_status auxo__emit_profile(auxo_run *run, const auxo_plan *plan, auxo_error *error);
/* "conv2d_forward 41 %, gemm 20 %": the kinds of op that took most time; "" without a profile. */
void auxo__plan_top_ops(const auxo_plan *plan, char *text, size_t size, size_t capacity);
/* Bars of the time per op. */
void auxo__report_profile(auxo_report *report, const auxo_plan *plan);

#endif
