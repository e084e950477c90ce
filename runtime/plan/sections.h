/* sections.h: a plan in parts, between which the host has something to do: to read what is known so far, or to write
 * what the next part needs.
 */
#ifndef AUXO_PLAN_SECTIONS_H
#define AUXO_PLAN_SECTIONS_H

#include "auxo/plan.h"

/* Before compile: a section ends after op number `op` (of those added so far; the same one may be named again). */
void auxo__plan_cut(auxo_plan *plan, size_t op);
/* After compile: their number, at least 1. */
size_t auxo__plan_section_count(const auxo_plan *plan);
/* The section that an op is in. */
size_t auxo__plan_section_of(const auxo_plan *plan, size_t op);
/* Enqueues one; asynchronous. All of them in their order are one run of the plan. */
auxo_status auxo__plan_run_section(auxo_plan *plan, auxo_queue *queue, size_t section, auxo_error *error);

#endif
