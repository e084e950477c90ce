/* runtime/cli/bench/bench_audit.h: the programs that a device compiled, in one vocabulary for all drivers. */
#ifndef BENCH_AUDIT_H
#define BENCH_AUDIT_H

#include "cli_session.h"

/* X(FIELD, json, heading): what the table shows; a driver that does not tell leaves NAN. */
#define AUDIT_FIELD_TABLE(X)                                                                                           \
    X(REGISTERS, registers, ">REGISTERS")                                                                              \
    X(SPILLS, spills, ">SPILLED")                                                                                      \
    X(LOCAL, local_bytes, ">LOCAL B")                                                                                  \
    X(SCRATCH, scratch_bytes, ">SCRATCH B")                                                                            \
    X(SUBGROUPS, subgroups, ">SUBGROUPS")                                                                              \
    X(CODE, code_bytes, ">CODE B")

typedef enum audit_field {
#define AUDIT_FIELD_ENUM(name, json, heading) AUDIT_##name,
    AUDIT_FIELD_TABLE(AUDIT_FIELD_ENUM)
#undef AUDIT_FIELD_ENUM
        AUDIT_FIELD_COUNT
} audit_field;

typedef struct audit_program {
    char name[160], options[320];
    bool is_default; /* a plan takes it without being told to */
    double fields[AUDIT_FIELD_COUNT];
    auxo_program_statistic *statistics; /* own copy, under the driver's names */
    size_t statistic_count;
} audit_program;

typedef struct audit_list {
    audit_program *items;
    size_t count, capacity;
    bool out_of_memory;
} audit_list;

/* Appends the device's programs that are not listed yet. */
auxo_status audit_list_take(audit_list *list, auxo_device *device, bool is_default, auxo_error *error);
void audit_list_deinit(audit_list *list);
/* Spilled registers; 0 where the driver does not tell. */
double audit_spills(const audit_program *program);
/* A table sorted by name, and one event per program. */
void audit_list_print(audit_list *list, cli_output *output);

#endif
