/* cli_help_events.c: auxo help events: what every method tells under --json, from its tables of events.
 */
#include "cli_help.h"

#include "auxo/run.h"

static const char *type_text(auxo_field_type type)
{
    switch (type) {
    case AUXO_FIELD_BOOL:
        return "true or false";
    case AUXO_FIELD_U32:
    case AUXO_FIELD_U64:
        return "whole number";
    case AUXO_FIELD_REAL:
    case AUXO_FIELD_FLOAT:
        return "number, or null where it does not apply";
    case AUXO_FIELD_TEXT:
    case AUXO_FIELD_CHARS:
        return "text, or null";
    case AUXO_FIELD_NUMBERS:
        return "list of numbers";
    case AUXO_FIELD_RECORDS:
        return "list of objects";
    case AUXO_FIELD_JSON:
        return "JSON value";
    }
    return "";
}

static void print_event(FILE *stream, const auxo_event_type *event)
{
    if (event->flags & AUXO_EVENT_LINE_ONLY)
        return;
    fprintf(stream, "  %s%s\n", event->name,
            event->flags & AUXO_EVENT_KEPT        ? "   (a row of --csv, a curve of --report; kept in checkpoints)"
            : event->flags & AUXO_EVENT_TRANSIENT ? "   (progress)"
                                                  : "");
    for (const auxo_field *field = event->fields; field->name; field++)
        if (!(field->flags & AUXO_FIELD_LINE_ONLY))
            fprintf(stream, "    %-22s %s%s\n", field->name, type_text(field->type),
                    field->flags & AUXO_FIELD_OPTIONAL ? "; left out where it does not apply" : "");
}

void cli_help_all_events(FILE *stream)
{
    size_t count = 0;
    const auxo_method *const *methods = auxo_methods(&count);
    fputs("Under --json every line is one object with \"event\": its name, and the fields below. Every method may also "
          "send\n"
          "note (text: a line on what was chosen) and, as its last line after a failure, error (status, message,\n"
          "exit_code). The last line of a run that ends well is result. A C program receives the same events as typed\n"
          "records (auxo/run.h, auxo_listener).\n",
          stream);
    for (size_t i = 0; i < count; i++) {
        const auxo_method_info info = auxo_method_describe(methods[i]);
        fprintf(stream, "\nauxo %s\n", info.name);
        for (const auxo_event_type *const *event = info.events; event && *event; event++)
            print_event(stream, *event);
    }
}
