/* clock.h: the two clocks that the library reads: one that only goes forward, and the calendar.
 */
#ifndef AUXO_BASE_CLOCK_H
#define AUXO_BASE_CLOCK_H

#include <stddef.h>

/* Seconds of a monotonic clock; its zero means nothing. */
double auxo__now_seconds(void);
/* UTC as "2026-11-29T18:17:00Z"; returns `text`. */
const char *auxo__date_text(char *text, size_t size);

#endif
