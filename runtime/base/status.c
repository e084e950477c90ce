/* status.c: status texts and the caller-owned error message of auxo/status.h.
 *
 * A message is always one line: control characters that a driver may hand over become spaces, and what does not fit
 * is cut at a character boundary.
 */
#include "auxo/status.h"
#include "number.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

const char *auxo_status_text(auxo_status status)
{
    switch (status) {
#define STATUS_CASE(name, text)                                                                                        \
    case AUXO_##name:                                                                                                  \
        return text;
        AUXO_STATUS_TABLE(STATUS_CASE)
#undef STATUS_CASE
    case AUXO_STATUS_COUNT:
        break;
    }
    return "unknown status";
}

/* Keeps a message to one line of whole UTF-8 characters. `cut` says that text was lost at the end. */
static void tidy(char *message, bool cut)
{
    size_t length = strlen(message);
    if (cut) {
        while (length > 0 && ((unsigned char)message[length - 1] & 0xC0) == 0x80)
            length--;
        if (length > 0 && (unsigned char)message[length - 1] >= 0xC0)
            length--;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)message[i] < 0x20)
            message[i] = ' ';
    }
    while (length > 0 && message[length - 1] == ' ')
        length--;
    message[length] = '\0';
}

/* The parentheses keep the analyser's macro of the same name away. */
auxo_status(auxo_error_set)(auxo_error *error, auxo_status status, const char *format, ...)
{
    if (!error)
        return status;
    /* Formatted aside first: an argument may be error->message itself. */
    char message[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(message, sizeof message, format, arguments);
    va_end(arguments);
    if (length < 0)
        snprintf(message, sizeof message, "%s", auxo_status_text(status));
    tidy(message, length >= (int)sizeof message);
    error->status = status;
    memcpy(error->message, message, sizeof message);
    return status;
}

auxo_status auxo_error_wrap(auxo_error *error, auxo_status status, const char *format, ...)
{
    if (!error)
        return status;
    char context[sizeof error->message];
    va_list arguments;
    va_start(arguments, format);
    int length = auxo__number_vprint(context, sizeof context, format, arguments);
    va_end(arguments);
    if (length < 0)
        context[0] = '\0';
    if (error->status == AUXO_OK || error->message[0] == '\0')
        return auxo_error_set(error, status, "%s: %s", context, auxo_status_text(status));
    return auxo_error_set(error, error->status, "%s: %s", context, error->message);
}
