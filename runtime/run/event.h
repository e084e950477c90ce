/* event.h: how records of events are described and read inside the library; sending them is run_internal.h's.
 */
#ifndef AUXO_RUN_EVENT_H
#define AUXO_RUN_EVENT_H

#include "auxo/run.h"

#include <stddef.h>

/* AUXO__FIELD(struct, member, "json name", TYPE): one line of a table of fields. */
#define AUXO__FIELD(record, member, text, kind)                                                                        \
    {                                                                                                                  \
        (text), AUXO_FIELD_##kind, offsetof(record, member), 0                                                         \
    }
#define AUXO__FIELD_OPTIONAL(record, member, text, kind)                                                               \
    {                                                                                                                  \
        (text), AUXO_FIELD_##kind, offsetof(record, member), AUXO_FIELD_OPTIONAL                                       \
    }
#define AUXO__FIELD_LINE_ONLY(record, member, text, kind)                                                              \
    {                                                                                                                  \
        (text), AUXO_FIELD_##kind, offsetof(record, member), AUXO_FIELD_LINE_ONLY                                      \
    }
#define AUXO__FIELDS_END                                                                                               \
    {                                                                                                                  \
        0                                                                                                              \
    }

/* The value of a field that is a single number; false for the others. */
bool auxo__field_number(const auxo_field *field, const void *record, double *value);
/* The text of TEXT, CHARS and JSON; NULL: does not apply. */
const char *auxo__field_text(const auxo_field *field, const void *record);

#endif
