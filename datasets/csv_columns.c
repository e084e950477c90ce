/* csv_columns.c: the rows of a CSV text as typed columns.
 *
 * The type of a column comes from all of its cells. The first pass reads numbers, as long as a column has nothing else,
 * and counts what it meets; of a column that begins with text it collects the levels. Then columns are judged; a second
 * pass collects the levels of those that turned out to be text.
 */
#include "csv.h"

#include "cells.h"
#include "dataset.h"
#include "levels.h"
#include "number.h"
#include "schema.h"
#include "text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the first pass met in a column. */
typedef struct column_count {
    size_t numbers, missing, like, words; /* like: meant as a number or as missing */
    uint32_t odd_line;                    /* of the first cell that is neither number nor missing */
    auxo__cell_meaning odd_meaning;
    char odd[48];
    bool unnamed;     /* the header has an empty name */
    bool forced_text; /* by the format's categorical columns */
    bool is_read;     /* its levels are collected by the first pass */
    auxo__levels levels;
    uint8_t *meanings; /* of each level; as many as levels.capacity */
} column_count;

/* Columns in the making. Invariant: numbers[i] is NULL once column i has met something else. */
typedef struct column_builder {
    auxo__csv *csv;
    const auxo_table_format *format;
    auxo_table *table;
    column_count *counts;
    size_t row_capacity;
    bool first_is_row; /* the row at hand when the builder starts is data: there is no header */
} column_builder;

static auxo_status no_memory(const column_builder *builder, auxo_error *error)
{
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for the table", builder->csv->path);
}

static char *cell_text(const auxo__cell *cell)
{
    char *text = malloc(cell->length + 1);
    if (text) {
        memcpy(text, cell->text, cell->length);
        text[cell->length] = '\0';
    }
    return text;
}

/* Column names from the first row, or x1, x2, .. Ownership of *names: the caller's, also after a failure. */
static auxo_status read_names(column_builder *builder, char ***names, auxo_error *error)
{
    const auxo__csv *csv = builder->csv;
    bool all_numbers = !builder->format->no_header;
    char **made = *names = calloc(csv->cell_count + 1, sizeof *made);
    for (size_t i = 0; made && i < csv->cell_count; i++) {
        char generated[32];
        double number = 0;
        snprintf(generated, sizeof generated, "x%zu", i + 1);
        made[i] = builder->format->no_header ? auxo__text_duplicate(generated) : cell_text(&csv->cells[i]);
        if (!made[i])
            return no_memory(builder, error);
        char *trimmed = auxo__trim(made[i]);
        memmove(made[i], trimmed, strlen(trimmed) + 1);
        all_numbers = all_numbers && auxo__parse_number(made[i], &number);
        if (*made[i])
            continue;
        snprintf(generated, sizeof generated, "column %zu", i + 1);
        free(made[i]);
        made[i] = auxo__text_duplicate(generated);
        if (!made[i])
            return no_memory(builder, error);
        builder->counts[i].unnamed = true;
    }
    if (!made)
        return no_memory(builder, error);
    if (all_numbers)
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: the first line holds only numbers; it must name the columns, or set no-header",
                              csv->path);
    return AUXO_OK;
}

static auxo_status begin(column_builder *builder, auxo_error *error)
{
    bool ended = false;
    char **names = NULL;
    auxo_status status = auxo__csv_next(builder->csv, &ended, error);
    if (status == AUXO_OK && ended)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: empty; a header line was expected", builder->csv->path);
    if (status != AUXO_OK)
        return status;
    size_t count = builder->csv->cell_count;
    builder->counts = calloc(count + 1, sizeof *builder->counts);
    status = builder->counts ? read_names(builder, &names, error) : no_memory(builder, error);
    builder->first_is_row = builder->format->no_header;
    if (status == AUXO_OK)
        status = auxo__table_create(builder->csv->path, (const char *const *)names, count, builder->format,
                                    &builder->table, error);
    auxo__names_destroy(names, count);
    for (size_t i = 0; status == AUXO_OK && i < count; i++) {
        auxo_column *column = &builder->table->columns[i];
        column->unnamed = builder->counts[i].unnamed;
        builder->counts[i].forced_text = builder->counts[i].is_read = auxo__is_named(
            builder->format->categorical_columns, builder->format->categorical_column_count, column->name);
    }
    return status;
}

static bool is_comment(const auxo__csv *csv)
{
    return csv->cells[0].length > 0 && csv->cells[0].text[0] == '#';
}

/* The next row with a cell for each column; *ended after the last. */
static auxo_status next_row(column_builder *builder, bool *ended, auxo_error *error)
{
    auxo__csv *csv = builder->csv;
    *ended = false;
    auxo_status status = builder->first_is_row ? AUXO_OK : auxo__csv_next(csv, ended, error);
    builder->first_is_row = false;
    if (status == AUXO_OK && !*ended && csv->cell_count != builder->table->column_count)
        status =
            auxo_error_set(error, AUXO_FORMAT, "%s:%u: %zu fields, but the %s %zu columns%s", csv->path, csv->row_line,
                           csv->cell_count, builder->format->no_header ? "first line has" : "header names",
                           builder->table->column_count, is_comment(csv) ? "; set comment to # if it is one" : "");
    return status;
}

static bool grow(column_builder *builder)
{
    auxo_table *table = builder->table;
    if (table->row_count < builder->row_capacity)
        return true;
    size_t capacity = builder->row_capacity ? 2 * builder->row_capacity : 256;
    uint32_t *lines = realloc(table->lines, capacity * sizeof *lines);
    if (!lines)
        return false;
    table->lines = lines;
    if (table->row_count >= UINT32_MAX)
        return false;
    for (size_t i = 0; i < table->column_count; i++) {
        auxo_column *column = &table->columns[i];
        const bool is_text = builder->counts[i].is_read;
        if (builder->counts[i].odd_line && !is_text)
            continue;
        void *cells = is_text ? realloc(column->codes, capacity * sizeof *column->codes)
                              : realloc(column->numbers, capacity * sizeof *column->numbers);
        if (!cells)
            return false;
        if (is_text)
            column->codes = cells;
        else
            column->numbers = cells;
    }
    builder->row_capacity = capacity;
    return true;
}

/* The code of a cell of a text column, and what the cell means, which is asked once for each level. */
static bool read_level(const column_builder *builder, size_t index, const auxo__cell *cell, uint32_t *code,
                       auxo__cell_meaning *meaning)
{
    column_count *counts = &builder->counts[index];
    auxo__levels *levels = &counts->levels;
    const size_t capacity = levels->capacity;
    double value = NAN;
    *code = cell->length ? auxo__levels_find(levels, cell->text, cell->length) : AUXO_LEVEL_MISSING;
    *meaning = *code < levels->count ? (auxo__cell_meaning)counts->meanings[*code]
                                     : auxo__cell_read(cell->text, cell->length, builder->format, &value);
    if (*code < levels->count || *meaning == AUXO__CELL_MISSING)
        return true;
    if (!auxo__levels_add(levels, cell->text, cell->length, code))
        return false;
    if (levels->capacity != capacity) {
        uint8_t *meanings = realloc(counts->meanings, levels->capacity);
        if (!meanings)
            return false;
        counts->meanings = meanings;
    }
    counts->meanings[*code] = (uint8_t)*meaning;
    return true;
}

/* From this row on, the first that is not missing, the column is read as text. */
static bool begin_levels(column_builder *builder, size_t index, size_t row)
{
    auxo_column *column = &builder->table->columns[index];
    column->codes = malloc(builder->row_capacity * sizeof *column->codes);
    for (size_t i = 0; column->codes && i < row; i++)
        column->codes[i] = AUXO_LEVEL_MISSING;
    builder->counts[index].is_read = column->codes != NULL;
    return column->codes != NULL;
}

static void note_odd(column_builder *builder, size_t index, const auxo__cell *cell, auxo__cell_meaning meaning)
{
    column_count *counts = &builder->counts[index];
    counts->words += meaning == AUXO__CELL_WORD;
    counts->like += meaning != AUXO__CELL_WORD;
    if (counts->odd_line)
        return;
    counts->odd_line = builder->csv->row_line;
    counts->odd_meaning = meaning;
    snprintf(counts->odd, sizeof counts->odd, "%.*s", cell->length < 40 ? (int)cell->length : 40, cell->text);
    free(builder->table->columns[index].numbers); /* the column is text, or an error */
    builder->table->columns[index].numbers = NULL;
}

/* What nearly all cells of a table of numbers are, told without the rest of auxo__cell_read. */
static inline bool read_number(const auxo__cell *cell, const auxo_table_format *format, double *value)
{
    return auxo__decimal_parse(cell->text, cell->length, format->decimal ? format->decimal : '.', value) &&
           fabs(*value) <= FLT_MAX;
}

/* A cell of a column that is not read as levels. */
static bool count_cell(column_builder *builder, size_t index, size_t row)
{
    column_count *counts = &builder->counts[index];
    auxo_column *column = &builder->table->columns[index];
    const auxo__cell *cell = &builder->csv->cells[index];
    double value = NAN;
    auxo__cell_meaning meaning = auxo__cell_read(cell->text, cell->length, builder->format, &value);
    if (meaning != AUXO__CELL_NUMBER && meaning != AUXO__CELL_MISSING) {
        const bool first = !counts->odd_line && counts->numbers == 0;
        note_odd(builder, index, cell, meaning);
        return !first ||
               (begin_levels(builder, index, row) && read_level(builder, index, cell, &column->codes[row], &meaning));
    }
    counts->numbers += meaning == AUXO__CELL_NUMBER;
    counts->missing += meaning == AUXO__CELL_MISSING;
    if (column->numbers)
        column->numbers[row] = value;
    return true;
}

/* Numbers after one odd cell are no levels: they will be refused, or collected by the second pass. */
static void stop_levels(column_builder *builder, size_t index)
{
    enum { PLENTY = 1 << 16 };
    column_count *counts = &builder->counts[index];
    if (counts->forced_text || counts->levels.count < PLENTY || counts->numbers <= counts->words + counts->like)
        return;
    auxo__levels_deinit(&counts->levels);
    free(builder->table->columns[index].codes);
    builder->table->columns[index].codes = NULL;
    counts->is_read = false;
}

static bool count_level(column_builder *builder, size_t index, size_t row)
{
    column_count *counts = &builder->counts[index];
    auxo__cell_meaning meaning;
    if (!read_level(builder, index, &builder->csv->cells[index], &builder->table->columns[index].codes[row], &meaning))
        return false;
    counts->numbers += meaning == AUXO__CELL_NUMBER;
    counts->missing += meaning == AUXO__CELL_MISSING;
    counts->words += meaning == AUXO__CELL_WORD;
    counts->like += meaning == AUXO__CELL_NUMBER_LIKE || meaning == AUXO__CELL_MISSING_LIKE;
    stop_levels(builder, index);
    return true;
}

static bool count_row(column_builder *builder)
{
    auxo_table *table = builder->table;
    const auxo_table_format *format = builder->format;
    const bool plain = !format->thousands && format->missing_text_count == 0;
    bool good = true;
    size_t row = table->row_count++;
    table->lines[row] = builder->csv->row_line;
    for (size_t i = 0; i < table->column_count && good; i++) {
        column_count *counts = &builder->counts[i];
        double value = NAN;
        if (counts->is_read) {
            good = count_level(builder, i, row);
        } else if (plain && table->columns[i].numbers && read_number(&builder->csv->cells[i], format, &value)) {
            counts->numbers++;
            table->columns[i].numbers[row] = value;
        } else {
            good = count_cell(builder, i, row);
        }
    }
    return good;
}

/* Whether a column is text; refuses one that is numbers but for few cells. */
static auxo_status judge(const column_builder *builder, size_t index, bool *is_text, auxo_error *error)
{
    const column_count *counts = &builder->counts[index];
    *is_text = counts->forced_text || counts->odd_line != 0;
    if (counts->forced_text || counts->odd_line == 0)
        return AUXO_OK;
    size_t odd = counts->like + counts->words;
    bool written_oddly = counts->words == 0 && (counts->numbers > 0 || counts->odd_meaning == AUXO__CELL_NUMBER_LIKE);
    if (counts->numbers < odd && !written_oddly)
        return AUXO_OK;
    if (counts->numbers == 0)
        return auxo_error_set(
            error, AUXO_FORMAT,
            "%s:%u: column %zu (%.60s): '%s' is meant as a number, as all values are, but not written "
            "as one; %s",
            builder->csv->path, counts->odd_line, index + 1, builder->table->columns[index].name, counts->odd,
            auxo__cell_advice(counts->odd_meaning));
    return auxo_error_set(error, AUXO_FORMAT,
                          "%s:%u: column %zu (%.60s): '%s' is not a finite number, but %zu of %zu values are; %s",
                          builder->csv->path, counts->odd_line, index + 1, builder->table->columns[index].name,
                          counts->odd, counts->numbers, counts->numbers + odd, auxo__cell_advice(counts->odd_meaning));
}

/* *unread_count: of text columns whose levels the first pass has not collected. */
static auxo_status judge_all(column_builder *builder, size_t *unread_count, auxo_error *error)
{
    auxo_table *table = builder->table;
    for (size_t i = 0; i < table->column_count; i++) {
        bool is_text = false;
        auxo_status status = judge(builder, i, &is_text, error);
        if (status != AUXO_OK)
            return status;
        auxo_column *column = &table->columns[i];
        const bool unread = is_text && !builder->counts[i].is_read;
        column->type = is_text ? AUXO_COLUMN_CATEGORICAL : AUXO_COLUMN_NUMERIC;
        column->missing_count = unread ? 0 : builder->counts[i].missing;
        if (!unread)
            continue;
        (*unread_count)++;
        free(column->numbers);
        column->numbers = NULL;
        column->codes = auxo__array(table->row_count, sizeof *column->codes);
        if (!column->codes)
            return no_memory(builder, error);
    }
    return AUXO_OK;
}

static auxo_status collect_row(column_builder *builder, size_t row, auxo_error *error)
{
    for (size_t i = 0; i < builder->table->column_count; i++) {
        auxo_column *column = &builder->table->columns[i];
        auxo__cell_meaning meaning;
        if (!column->codes || builder->counts[i].is_read)
            continue;
        if (!read_level(builder, i, &builder->csv->cells[i], &column->codes[row], &meaning))
            return no_memory(builder, error);
        column->missing_count += meaning == AUXO__CELL_MISSING;
    }
    return AUXO_OK;
}

/* The second pass: levels of columns that began as numbers. */
static auxo_status collect_levels(column_builder *builder, auxo_error *error)
{
    auxo_table *table = builder->table;
    bool ended = false;
    auxo_status status = auxo__csv_rewind(builder->csv, error);
    if (status == AUXO_OK && !builder->format->no_header)
        status = auxo__csv_next(builder->csv, &ended, error);
    for (size_t row = 0; status == AUXO_OK && row < table->row_count; row++) {
        status = next_row(builder, &ended, error);
        if (status == AUXO_OK && ended)
            status = auxo_error_set(error, AUXO_IO, "%s: it became shorter while it was read", builder->csv->path);
        if (status == AUXO_OK)
            status = collect_row(builder, row, error);
    }
    return status;
}

/* Hands the levels over to their columns, sorted. */
static auxo_status give_levels(column_builder *builder, auxo_error *error)
{
    for (size_t i = 0; i < builder->table->column_count; i++) {
        auxo_column *column = &builder->table->columns[i];
        auxo__levels *levels = &builder->counts[i].levels;
        if (!column->codes)
            continue;
        if (!auxo__levels_sort(levels, column->codes, builder->table->row_count))
            return no_memory(builder, error);
        column->levels = levels->texts;
        column->level_count = levels->count;
        *levels = (auxo__levels){0};
    }
    return AUXO_OK;
}

/* A file without a header whose text would hide that: every number has a number for its name, and one of these has a
 * fraction, or each text column has one of its own levels. */
static auxo_status check_header(const column_builder *builder, auxo_error *error)
{
    const auxo_table *table = builder->table;
    size_t numbers = 0, fractions = 0, levels = 0, texts = 0;
    for (size_t i = 0; i < table->column_count; i++) {
        const auxo_column *column = &table->columns[i];
        double number = 0;
        const bool is_number = auxo__parse_number(column->name, &number);
        if (column->numbers && !is_number)
            return AUXO_OK;
        numbers += column->numbers != NULL;
        fractions += column->numbers && number != floor(number);
        texts += column->codes != NULL;
        for (size_t k = 0; column->codes && k < column->level_count; k++)
            levels += strcmp(column->levels[k], column->name) == 0;
    }
    if (builder->format->no_header || numbers == 0 || (fractions == 0 && levels < texts))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_FORMAT,
                          "%s: the first line looks like a row (%.40s, ..); it must name the columns, or set no-header",
                          table->path, table->columns[0].name);
}

static void note_choices(const column_builder *builder, auxo_table *table)
{
    const char delimiter[] = {builder->csv->delimiter, '\0'};
    if (!builder->format->delimiter && builder->csv->delimiter != ',')
        auxo__note_add(table->note, sizeof table->note, "read with delimiter %s",
                       delimiter[0] == '\t'  ? "tab"
                       : delimiter[0] == ' ' ? "space"
                                             : delimiter);
    for (size_t i = 0; i < table->column_count; i++) {
        const column_count *counts = &builder->counts[i];
        if (table->columns[i].codes && !counts->forced_text && counts->like > 0)
            auxo__note_add(table->note, sizeof table->note,
                           "column '%.40s' is text; %zu cells such as '%s' count as text", table->columns[i].name,
                           counts->like, counts->odd);
    }
}

static auxo_status build(column_builder *builder, auxo_error *error)
{
    bool ended = false;
    size_t unread_count = 0;
    auxo_status status = begin(builder, error);
    while (status == AUXO_OK) {
        status = next_row(builder, &ended, error);
        if (status != AUXO_OK || ended)
            break;
        if (!grow(builder) || !count_row(builder))
            return no_memory(builder, error);
    }
    if (status == AUXO_OK && builder->table->row_count == 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: a header, but no rows", builder->csv->path);
    if (status == AUXO_OK)
        status = judge_all(builder, &unread_count, error);
    if (status == AUXO_OK && unread_count > 0)
        status = collect_levels(builder, error);
    if (status == AUXO_OK)
        status = give_levels(builder, error);
    return status == AUXO_OK ? check_header(builder, error) : status;
}

auxo_status auxo__csv_table(auxo__csv *csv, const auxo_table_format *format, auxo_table **table, auxo_error *error)
{
    column_builder builder = {.csv = csv, .format = format};
    auxo_status status = build(&builder, error);
    if (status == AUXO_OK)
        note_choices(&builder, builder.table);
    for (size_t i = 0; builder.counts && builder.table && i < builder.table->column_count; i++) {
        auxo__levels_deinit(&builder.counts[i].levels);
        free(builder.counts[i].meanings);
    }
    free(builder.counts);
    if (status != AUXO_OK)
        auxo_table_destroy(builder.table);
    *table = status == AUXO_OK ? builder.table : NULL;
    return status;
}
