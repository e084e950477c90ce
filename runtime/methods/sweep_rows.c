/* sweep_rows.c: which optimisers a sweep compares: a list, or a table of the port-Hamiltonian chapter
 * (thesis ch. 3: tables 3.1 and 3.2, Fig. 3.1).
 *
 * The tables give a learning rate a, mass m and friction g. Eq. (3.2) damps the momentum by a g/m a step. Several rows
 * are unstable under it, and rows of one table with the same a^2/m and a g print the same accuracy within 0.15 %
 * whatever a g/m is: the numbers were made with a g, without 1/m. Both readings are offered; the second is friction g m
 * in the terms of the first.
 */
#include "sweep_rows.h"

#include "auxo/train.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const auxo_setting auxo__sweep_row_settings[] = {
    {.name = "preset",
     .type = AUXO_SETTING_CHOICE,
     .argument = "none|phs-table-3.1|phs-table-3.2|phs-figure-3.1",
     .initial = "none",
     .help =
         "Rows of the port-Hamiltonian thesis chapter: table 3.1 (CIFAR-10), table 3.2 (Fashion-MNIST), or the grid "
         "of Fig. 3.1 (friction by mass at learning rate 0.1)"},
    {.name = "optimizers",
     .type = AUXO_SETTING_TEXT,
     .argument = "A;B;...",
     .help = "Optimisers to compare, as optimizer of training takes them, separated by semicolons"},
    {.name = "rows", .type = AUXO_SETTING_TEXT, .argument = "N,N,...", .help = "Only these rows, numbered from 1"},
    {.name = "friction",
     .type = AUXO_SETTING_CHOICE,
     .argument = "velocity|momentum",
     .initial = "velocity",
     .help = "What the friction g of a preset acts on: the velocity p/m as eq. (3.2) is printed (momentum factor "
             "1 - a g/m), or the momentum p as the printed accuracies imply (factor 1 - a g)"},
    {.name = "goal",
     .type = AUXO_SETTING_CHOICE,
     .argument = "absolute|reduction|remaining",
     .initial = "absolute",
     .help = "What \"breaking at\" of a preset means: a training loss, the fraction of the initial loss removed, or "
             "the fraction left"},
    {.name = "infeasible",
     .type = AUXO_SETTING_CHOICE,
     .argument = "skip|exponential",
     .initial = "skip",
     .help =
         "Rows that are unstable under linear friction: name them and go on, or run them under exponential friction"},
    AUXO_SETTINGS_END,
};

typedef struct printed_row {
    double lr, friction, mass;    /* mass 0: plain SGD */
    double goal, brake, accuracy; /* goal 0: none */
} printed_row;

static const printed_row table_3_1[] = {
    {0.1, 0, 0, 0, 0, 64.82},         {0.1, 0.1, 100, 0, 0, 66.45},        {0.1, 0.1, 100, 0.65, 49, 67.1},
    {0.1, 0.01, 100, 0, 0, 63.52},    {0.1, 0.01, 100, 0.9, 99, 65.52},    {0.01, 0, 0, 0, 0, 63.53},
    {0.01, 0.1, 25, 0, 0, 66.01},     {0.01, 0.1, 25, 0.7, 10, 66.49},     {0.01, 0.01, 25, 0, 0, 62.98},
    {0.01, 0.01, 25, 0.7, 50, 63.44}, {0.001, 0, 0, 0, 0, 65.05},          {0.001, 1, 0.25, 0, 0, 66.0},
    {0.001, 1, 0.25, 0.7, 20, 66.37}, {0.001, 0.1, 0.25, 0, 0, 62.93},     {0.001, 0.1, 0.25, 0.85, 50, 63.54},
    {0.0001, 0, 0, 0, 0, 64.43},      {0.0001, 10, 0.001, 0, 0, 65.76},    {0.0001, 10, 0.001, 0.68, 5, 66.39},
    {0.0001, 1, 0.001, 0, 0, 62.24},  {0.0001, 1, 0.001, 0.8, 100, 63.56},
};

static const printed_row table_3_2[] = {
    {0.1, 0, 0, 0, 0, 90.04},          {0.1, 0.1, 10, 0, 0, 90.36},
    {0.1, 0.1, 10, 0.15, 50, 91.02},   {0.1, 0.01, 10, 0, 0, 83.31},
    {0.1, 0.01, 10, 0.55, 20, 87.19},  {0.01, 0, 0, 0, 0, 90.26},
    {0.01, 1, 0.1, 0, 0, 90.49},       {0.01, 1, 0.1, 0.2, 10, 90.98},
    {0.01, 0.1, 0.1, 0, 0, 83.28},     {0.01, 0.1, 0.1, 0.5, 5, 86.47},
    {0.001, 0, 0, 0, 0, 89.61},        {0.001, 10, 0.01, 0, 0, 90.34},
    {0.001, 10, 0.01, 0.15, 5, 90.8},  {0.001, 1, 0.01, 0, 0, 90.13},
    {0.001, 1, 0.01, 0.17, 50, 90.77}, {0.0001, 0, 0, 0, 0, 88.86},
    {0.0001, 10, 0.001, 0, 0, 90.17},  {0.0001, 10, 0.001, 0.2, 100, 90.54},
    {0.0001, 1, 0.001, 0, 0, 89.6},    {0.0001, 1, 0.001, 0.185, 100, 90.12},
};

/* Fig. 3.1: the values along its axes are not printed. */
static const double grid_frictions[] = {0.001, 0.01, 0.1, 1, 10};
static const double grid_masses[] = {0.1, 1, 10, 100, 1000};

enum {
    TABLE_ROW_COUNT = sizeof table_3_1 / sizeof table_3_1[0],
    GRID_SIDE = sizeof grid_masses / sizeof grid_masses[0],
    ROWS_MAX = 256
};
_Static_assert(sizeof table_3_1 == sizeof table_3_2, "both tables have twenty rows");

static void write_preset_row(const auxo_settings *settings, const printed_row *printed, auxo__sweep_row *row)
{
    static const char *const goal_kinds[] = {"absolute", "reduction", "remaining"};
    bool on_momentum = auxo_settings_choice(settings, "friction") == 1;
    *row = (auxo__sweep_row){.friction = printed->friction, .mass = printed->mass, .printed = printed->accuracy};
    if (printed->mass <= 0) {
        snprintf(row->label, sizeof row->label, "SGD lr %g", printed->lr);
        snprintf(row->optimizer, sizeof row->optimizer, "sgd:lr=%g", printed->lr);
        return;
    }
    int used = snprintf(row->label, sizeof row->label, "%s lr %g friction %g mass %g",
                        printed->goal > 0 ? "goal-oriented" : "PHS", printed->lr, printed->friction, printed->mass);
    if (printed->goal > 0)
        snprintf(row->label + used, sizeof row->label - (size_t)used, ", braking at %g by %g", printed->goal,
                 printed->brake);
    used = snprintf(row->optimizer, sizeof row->optimizer, "phs:lr=%g,mass=%g,friction=%.9g", printed->lr,
                    printed->mass, on_momentum ? printed->friction * printed->mass : printed->friction);
    if (printed->goal > 0)
        snprintf(row->optimizer + used, sizeof row->optimizer - (size_t)used,
                 ",goal=%g,brake=%g,goal_kind=%s,watch=epoch", printed->goal, printed->brake,
                 goal_kinds[auxo_settings_choice(settings, "goal")]);
}

/* Brings the text into its complete form. A refused row of a preset keeps the reason, or is made exponential. */
static auxo_status settle(const auxo_settings *settings, bool preset, auxo__sweep_row *row, auxo_error *error)
{
    auxo_optimizer_config config;
    auxo_error refusal = {AUXO_OK, ""};
    auxo_status status = auxo_optimizer_config_parse(row->optimizer, &config, &refusal);
    if (status != AUXO_OK && preset && auxo_settings_choice(settings, "infeasible") == 1) {
        size_t used = strlen(row->optimizer);
        snprintf(row->optimizer + used, sizeof row->optimizer - used, ",friction_mode=exponential");
        used = strlen(row->label);
        snprintf(row->label + used, sizeof row->label - used, ", exponential");
        status = auxo_optimizer_config_parse(row->optimizer, &config, &refusal);
    }
    if (status == AUXO_OK)
        auxo_optimizer_config_format(&config, row->optimizer, sizeof row->optimizer);
    else if (!preset)
        return auxo_error_set(error, status, "optimizers: %s", refusal.message);
    else
        snprintf(row->refusal, sizeof row->refusal, "%.300s", refusal.message);
    return AUXO_OK;
}

static auxo_status read_list(const auxo_settings *settings, auxo__sweep_rows *rows, auxo_error *error)
{
    char text[8192];
    if (strlen(auxo_settings_text(settings, "optimizers")) >= sizeof text)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimizers is longer than %zu characters", sizeof text);
    snprintf(text, sizeof text, "%s", auxo_settings_text(settings, "optimizers"));
    auxo_status status = AUXO_OK;
    for (char *rest = text, *item; status == AUXO_OK && (item = strtok_r(rest, ";", &rest)) != NULL;) {
        if (rows->count == ROWS_MAX)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimizers names more than %d", ROWS_MAX);
        auxo__sweep_row *row = &rows->rows[rows->count++];
        *row = (auxo__sweep_row){.friction = (double)NAN, .mass = (double)NAN, .printed = (double)NAN};
        snprintf(row->label, sizeof row->label, "%s", item);
        snprintf(row->optimizer, sizeof row->optimizer, "%s", item);
        status = settle(settings, false, row, error);
    }
    if (status == AUXO_OK && rows->count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "optimizers names none");
    return status;
}

static auxo_status read_preset(const auxo_settings *settings, size_t preset, auxo__sweep_rows *rows, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    rows->grid = preset == 3;
    rows->data = preset == 1 ? "cifar-10" : "fashion-mnist";
    size_t count = rows->grid ? (size_t)GRID_SIDE * GRID_SIDE : TABLE_ROW_COUNT;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        printed_row printed = {0.1,        grid_frictions[i / GRID_SIDE % GRID_SIDE], grid_masses[i % GRID_SIDE], 0, 0,
                               (double)NAN};
        if (!rows->grid)
            printed = preset == 1 ? table_3_1[i] : table_3_2[i];
        write_preset_row(settings, &printed, &rows->rows[rows->count]);
        status = settle(settings, true, &rows->rows[rows->count++], error);
    }
    return status;
}

static auxo_status keep_named(const auxo_settings *settings, auxo__sweep_rows *rows, auxo_error *error)
{
    char text[1024];
    char *items[ROWS_MAX];
    bool wanted[ROWS_MAX] = {false};
    snprintf(text, sizeof text, "%s", auxo_settings_text(settings, "rows"));
    size_t item_count = auxo__split_list(text, items, ROWS_MAX), kept = 0;
    for (size_t i = 0; i < item_count; i++) {
        char *end = NULL;
        unsigned long number = strtoul(items[i], &end, 10);
        if (end == items[i] || *end || number < 1 || number > rows->count)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "rows: \"%s\" is not a row from 1 to %zu", items[i],
                                  rows->count);
        wanted[number - 1] = true;
    }
    for (size_t i = 0; i < rows->count; i++)
        if (wanted[i])
            rows->rows[kept++] = rows->rows[i];
    rows->count = kept;
    return AUXO_OK;
}

auxo_status auxo__sweep_rows_read(const auxo_settings *settings, auxo__sweep_rows *rows, auxo_error *error)
{
    size_t preset = auxo_settings_choice(settings, "preset");
    bool listed = auxo_settings_given(settings, "optimizers");
    *rows = (auxo__sweep_rows){.rows = calloc(ROWS_MAX, sizeof *rows->rows)};
    if (!rows->rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sweep: out of memory");
    if ((preset > 0) == listed)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "say what to compare: either a preset or optimizers \"A;B;...\"");
    auxo_status status = listed ? read_list(settings, rows, error) : read_preset(settings, preset, rows, error);
    for (size_t i = 0; i < rows->count; i++)
        rows->rows[i].number = (uint32_t)(i + 1);
    if (status == AUXO_OK && auxo_settings_given(settings, "rows"))
        status = keep_named(settings, rows, error);
    return status;
}
