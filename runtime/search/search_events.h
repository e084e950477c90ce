/* search_events.h: what a search tells while it runs.
 */
#ifndef AUXO_SEARCH_EVENTS_H
#define AUXO_SEARCH_EVENTS_H

#include "search_method.h"

extern const auxo_event_type *const auxo__search_events[];

auxo_status auxo__search_tell_start(auxo__search_state *state, const char *networks, auxo_error *error);
auxo_status auxo__search_tell_epoch(auxo__search_state *state, const auxo_trace_point *point, auxo_error *error);
/* What is new since the last call: each model (evolution: a line for the generation). */
auxo_status auxo__search_tell_new(auxo__search_state *state, auxo_error *error);
/* With a study: epochs and seconds of all its trials. */
void auxo__search_sum(const auxo_search *search, size_t *epochs, double *seconds);
auxo_status auxo__search_tell_result(auxo__search_state *state, auxo_error *error);

#endif
