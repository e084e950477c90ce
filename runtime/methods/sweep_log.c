/* sweep_log.c: the record of a sweep as CSV. The first line is a comment with the setting of all
 * runs, so that runs of different settings never share a file.
 */
#include "sweep_log.h"

#include "file.h"
#include "number.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char heading[] = "optimizer,seed,epoch,train_loss,train_accuracy,test_loss,test_accuracy,kinetic_energy,"
                              "seconds,braked\n";

void auxo__sweep_log_deinit(auxo__sweep_log *log)
{
    free(log->epochs);
    *log = (auxo__sweep_log){0};
}

auxo_status auxo__sweep_log_add(auxo__sweep_log *log, const auxo__sweep_epoch *epoch, auxo_error *error)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 256;
        auxo__sweep_epoch *grown = realloc(log->epochs, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sweep: out of memory");
        log->epochs = grown;
        log->capacity = capacity;
    }
    log->epochs[log->count++] = *epoch;
    return AUXO_OK;
}

const auxo__sweep_epoch *auxo__sweep_log_find(const auxo__sweep_log *log, const char *optimizer, uint64_t seed,
                                              size_t *count)
{
    const auxo__sweep_epoch *first = NULL;
    *count = 0;
    for (size_t i = 0; i < log->count; i++) {
        const auxo__sweep_epoch *epoch = &log->epochs[i];
        if (epoch->seed != seed || strcmp(epoch->optimizer, optimizer) != 0) {
            if (first)
                break; /* a run is one block */
            continue;
        }
        first = first ? first : epoch;
        ++*count;
    }
    return first;
}

/* A number up to a comma; NaN for what is empty. */
static bool take_number(char **at, double *value)
{
    size_t length = strcspn(*at, ",\n");
    char kept = (*at)[length];
    bool good = length == 0 || auxo__decimal_parse(*at, length, '.', value);
    if (length == 0)
        *value = (double)NAN;
    *at += length + (kept == ',');
    return good;
}

/* The optimiser's text has commas, so it stands in quotes. */
static bool parse_line(char *line, auxo__sweep_epoch *epoch)
{
    double seed = 0, number = 0, braked = 0;
    char *quote = line[0] == '"' ? strchr(line + 1, '"') : NULL;
    *epoch = (auxo__sweep_epoch){0};
    if (!quote || quote[1] != ',' || (size_t)(quote - line) > sizeof epoch->optimizer)
        return false;
    snprintf(epoch->optimizer, sizeof epoch->optimizer, "%.*s", (int)(quote - line - 1), line + 1);
    char *at = quote + 2;
    double *const fields[] = {&seed,
                              &number,
                              &epoch->train_loss,
                              &epoch->train_accuracy,
                              &epoch->test_loss,
                              &epoch->test_accuracy,
                              &epoch->kinetic_energy,
                              &epoch->seconds,
                              &braked};
    bool good = true;
    for (size_t i = 0; good && i < sizeof fields / sizeof *fields; i++)
        good = take_number(&at, fields[i]);
    epoch->seed = good && seed >= 0 ? (uint64_t)seed : 0;
    epoch->epoch = good && number >= 0 ? (uint32_t)number : 0;
    epoch->braked = braked != 0;
    return good && *at == '\0';
}

auxo_status auxo__sweep_log_parse(auxo__sweep_log *log, const char *name, char *text, const char *setting,
                                  auxo_error *error)
{
    auxo_status status = AUXO_OK;
    size_t number = 0;
    for (char *line = text, *next; status == AUXO_OK && *line; line = next) {
        auxo__sweep_epoch epoch;
        size_t length = strcspn(line, "\n");
        next = line + length + (line[length] == '\n');
        line[length] = '\0';
        number++;
        if (number == 1 && (strncmp(line, "# ", 2) != 0 || strcmp(line + 2, setting) != 0))
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "%s was made with \"%.200s\", not \"%.200s\"; take another file", name,
                                    line[0] == '#' ? line + 2 : "other lines", setting);
        else if (number > 2 && parse_line(line, &epoch))
            status = auxo__sweep_log_add(log, &epoch, error);
        else if (number > 2)
            status = auxo_error_set(error, AUXO_FORMAT, "%s:%zu: not a line of a sweep", name, number);
    }
    return status;
}

auxo_status auxo__sweep_log_read(auxo__sweep_log *log, const char *path, const char *setting, auxo_error *error)
{
    char *text = NULL;
    size_t size = 0;
    if (!auxo__file_exists(path))
        return AUXO_OK;
    auxo_status status = auxo__file_read(path, &text, &size, error);
    if (status == AUXO_OK)
        status = auxo__sweep_log_parse(log, path, text, setting, error);
    free(text);
    return status == AUXO_INVALID_ARGUMENT ? auxo_error_wrap(error, status, "out") : status;
}

static void put_number(auxo__json *text, double value)
{
    text->needs_comma = false;
    auxo__json_append(text, ",", 1);
    if (isfinite(value))
        auxo__json_number(text, value);
}

auxo_status auxo__sweep_log_format(const auxo__sweep_log *log, const char *setting, auxo__json *text, auxo_error *error)
{
    auxo__json_append(text, "# ", 2);
    auxo__json_append(text, setting, strlen(setting));
    auxo__json_append(text, "\n", 1);
    auxo__json_append(text, heading, sizeof heading - 1);
    for (size_t i = 0; i < log->count; i++) {
        const auxo__sweep_epoch *e = &log->epochs[i];
        const double numbers[] = {(double)e->seed,  e->epoch,          e->train_loss, e->train_accuracy, e->test_loss,
                                  e->test_accuracy, e->kinetic_energy, e->seconds,    (double)e->braked};
        auxo__json_append(text, "\"", 1);
        auxo__json_append(text, e->optimizer, strlen(e->optimizer));
        auxo__json_append(text, "\"", 1);
        for (size_t n = 0; n < sizeof numbers / sizeof *numbers; n++)
            put_number(text, numbers[n]);
        auxo__json_append(text, "\n", 1);
    }
    return auxo__json_finish(text, error);
}

auxo_status auxo__sweep_log_write(const auxo__sweep_log *log, const char *path, const char *setting, auxo_error *error)
{
    auxo__json text = {0};
    auxo_status status = auxo__sweep_log_format(log, setting, &text, error);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, text.text, text.used, error);
    auxo__json_deinit(&text);
    return status;
}
