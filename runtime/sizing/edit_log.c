/* runtime/sizing/edit_log.c: the list of structural edits that every policy keeps. */
#include "auxo/sizing.h"

#include <stdlib.h>

auxo_status auxo_edit_log_add(auxo_edit_log *log, const auxo_edit *edit, auxo_error *error)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 64;
        auxo_edit *edits = realloc(log->edits, capacity * sizeof *edits);
        if (!edits)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "log of %zu edits: out of memory", capacity);
        log->edits = edits;
        log->capacity = capacity;
    }
    log->edits[log->count++] = *edit;
    return AUXO_OK;
}

void auxo_edit_log_deinit(auxo_edit_log *log)
{
    free(log->edits);
    *log = (auxo_edit_log){0};
}
