/* runtime/cli/bench/bench_audit.c: collects programs and translates drivers' statistics. */
#include "bench_audit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names under which drivers tell a field; several that are present add up. */
static const struct {
    audit_field field;
    const char *name;
} translations[] = {
    {AUDIT_REGISTERS, "VGPRs"},        {AUDIT_REGISTERS, "Register Count"},
    {AUDIT_SPILLS, "Spilled VGPRs"},   {AUDIT_SPILLS, "Spilled SGPRs"},
    {AUDIT_SPILLS, "Spill Count"},     {AUDIT_LOCAL, "LDS size"},
    {AUDIT_LOCAL, "Local memory"},     {AUDIT_SCRATCH, "Scratch size"},
    {AUDIT_SCRATCH, "Private memory"}, {AUDIT_SCRATCH, "Scratch Memory Size"},
    {AUDIT_SCRATCH, "Local Memory"},   {AUDIT_SUBGROUPS, "Subgroups per SIMD"},
    {AUDIT_CODE, "Code size"},         {AUDIT_CODE, "Binary Size"},
};

static const char *const field_names[AUDIT_FIELD_COUNT] = {
#define AUDIT_FIELD_NAME(name, json, heading) [AUDIT_##name] = #json,
    AUDIT_FIELD_TABLE(AUDIT_FIELD_NAME)
#undef AUDIT_FIELD_NAME
};

static void translate(audit_program *program)
{
    for (size_t field = 0; field < AUDIT_FIELD_COUNT; field++)
        program->fields[field] = NAN;
    for (size_t i = 0; i < program->statistic_count; i++)
        for (size_t t = 0; t < sizeof translations / sizeof translations[0]; t++)
            if (strcmp(translations[t].name, program->statistics[i].name) == 0) {
                double *field = &program->fields[translations[t].field];
                *field = (isnan(*field) ? 0 : *field) + program->statistics[i].value;
            }
}

typedef struct taking {
    audit_list *list;
    bool is_default;
} taking;

static void take(void *user, const auxo_program_info *info)
{
    const taking *t = user;
    audit_list *list = t->list;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i].name, info->name) == 0 && strcmp(list->items[i].options, info->options) == 0)
            return;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 128;
        audit_program *grown = realloc(list->items, capacity * sizeof *grown);
        list->out_of_memory |= !grown;
        if (!grown)
            return;
        list->items = grown;
        list->capacity = capacity;
    }
    audit_program *added = &list->items[list->count];
    *added = (audit_program){.is_default = t->is_default};
    snprintf(added->name, sizeof added->name, "%s", info->name);
    snprintf(added->options, sizeof added->options, "%s", info->options);
    added->statistics = calloc(info->statistic_count + 1, sizeof *added->statistics);
    list->out_of_memory |= !added->statistics;
    if (!added->statistics)
        return;
    if (info->statistic_count)
        memcpy(added->statistics, info->statistics, info->statistic_count * sizeof *added->statistics);
    added->statistic_count = info->statistic_count;
    translate(added);
    list->count++;
}

auxo_status audit_list_take(audit_list *list, auxo_device *device, bool is_default, auxo_error *error)
{
    taking t = {list, is_default};
    const auxo_status status = auxo_device_programs(device, take, &t, error);
    if (status == AUXO_OK && list->out_of_memory)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the list of programs");
    return status;
}

void audit_list_deinit(audit_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i].statistics);
    free(list->items);
    *list = (audit_list){0};
}

double audit_spills(const audit_program *program)
{
    return isnan(program->fields[AUDIT_SPILLS]) ? 0 : program->fields[AUDIT_SPILLS];
}

static int compare_programs(const void *left, const void *right)
{
    const audit_program *a = left, *b = right;
    const int order = strcmp(a->name, b->name);
    return order ? order : strcmp(a->options, b->options);
}

static void emit_program(const audit_program *program, cli_output *output)
{
    cJSON *event = cli_event(output, "program");
    cJSON_AddStringToObject(event, "name", program->name);
    cJSON_AddStringToObject(event, "options", program->options);
    cJSON_AddBoolToObject(event, "default", program->is_default);
    for (size_t field = 0; field < AUDIT_FIELD_COUNT; field++)
        cJSON_AddNumberToObject(event, field_names[field], program->fields[field]);
    cJSON *statistics = event ? cJSON_AddObjectToObject(event, "statistics") : NULL;
    for (size_t i = 0; statistics && i < program->statistic_count; i++)
        cJSON_AddNumberToObject(statistics, program->statistics[i].name, program->statistics[i].value);
    cli_emit(output, event);
}

static const char *number_text(double value, char text[32])
{
    snprintf(text, 32, "%.0f", value);
    return isnan(value) ? "-" : text;
}

void audit_list_print(audit_list *list, cli_output *output)
{
    if (list->count)
        qsort(list->items, list->count, sizeof *list->items, compare_programs);
#define AUDIT_FIELD_HEADING(name, json, heading) "|" heading
    cli_table *table = cli_table_create("PROGRAM|OPTIONS|USED" AUDIT_FIELD_TABLE(AUDIT_FIELD_HEADING));
#undef AUDIT_FIELD_HEADING
    for (size_t i = 0; i < list->count; i++) {
        const audit_program *program = &list->items[i];
        char text[AUDIT_FIELD_COUNT][32];
        const double *fields = program->fields;
        cli_table_row(table, "%s|%s|%s|%s|%s|%s|%s|%s|%s", program->name, program->options,
                      program->is_default ? "by default" : "on request", number_text(fields[AUDIT_REGISTERS], text[0]),
                      number_text(fields[AUDIT_SPILLS], text[1]), number_text(fields[AUDIT_LOCAL], text[2]),
                      number_text(fields[AUDIT_SCRATCH], text[3]), number_text(fields[AUDIT_SUBGROUPS], text[4]),
                      number_text(fields[AUDIT_CODE], text[5]));
        emit_program(program, output);
    }
    cli_table_print(output, table);
}
