/* runtime/cli/train/sweep_log.c: the record of a sweep as CSV. The first line is a comment with the setting of all
 * runs, so that runs of different settings never share a file.
 */
#include "sweep_log.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char heading[] = "optimizer,seed,epoch,train_loss,train_accuracy,test_loss,test_accuracy,kinetic_energy,"
                              "seconds,braked\n";

void sweep_log_deinit(sweep_log *log)
{
    free(log->epochs);
    *log = (sweep_log){0};
}

auxo_status sweep_log_add(sweep_log *log, const sweep_epoch *epoch, auxo_error *error)
{
    if (log->count == log->capacity) {
        size_t capacity = log->capacity ? 2 * log->capacity : 256;
        sweep_epoch *grown = realloc(log->epochs, capacity * sizeof *grown);
        if (!grown)
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "sweep: out of memory");
        log->epochs = grown;
        log->capacity = capacity;
    }
    log->epochs[log->count++] = *epoch;
    return AUXO_OK;
}

const sweep_epoch *sweep_log_find(const sweep_log *log, const char *optimizer, uint64_t seed, size_t *count)
{
    const sweep_epoch *first = NULL;
    *count = 0;
    for (size_t i = 0; i < log->count; i++) {
        const sweep_epoch *epoch = &log->epochs[i];
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

/* The optimiser's text has commas, so it stands in quotes. */
static bool parse_line(const char *line, sweep_epoch *epoch)
{
    int braked = 0, end = 0;
    *epoch = (sweep_epoch){0};
    int fields = sscanf(line, "\"%319[^\"]\",%" SCNu64 ",%" SCNu32 ",%lf,%lf,%lf,%lf,%lf,%lf,%d%n", epoch->optimizer,
                        &epoch->seed, &epoch->epoch, &epoch->train_loss, &epoch->train_accuracy, &epoch->test_loss,
                        &epoch->test_accuracy, &epoch->kinetic_energy, &epoch->seconds, &braked, &end);
    epoch->braked = braked != 0;
    return fields == 10 && line[end] == '\n';
}

auxo_status sweep_log_read(sweep_log *log, const char *path, const char *setting, auxo_error *error)
{
    char line[1024], expected[1024];
    FILE *file = fopen(path, "rb");
    if (!file && errno == ENOENT)
        return AUXO_OK;
    if (!file)
        return auxo_error_set(error, AUXO_IO, "cannot read %s: %s", path, strerror(errno));
    snprintf(expected, sizeof expected, "# %s\n", setting);
    auxo_status status = AUXO_OK;
    for (size_t number = 1; status == AUXO_OK && fgets(line, sizeof line, file); number++) {
        sweep_epoch epoch;
        if (number == 1 && strcmp(line, expected) != 0)
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                    "--out: %s was made with \"%.200s\", not \"%.200s\"; take another file", path,
                                    line[0] == '#' ? strtok(line + 2, "\n") : "other lines", setting);
        else if (number > 2 && parse_line(line, &epoch))
            status = sweep_log_add(log, &epoch, error);
        else if (number > 2)
            status = auxo_error_set(error, AUXO_FORMAT, "%s:%zu: not a line of a sweep", path, number);
    }
    fclose(file);
    return status;
}

auxo_status sweep_log_write(const sweep_log *log, const char *path, const char *setting, auxo_error *error)
{
    char temporary[4104];
    snprintf(temporary, sizeof temporary, "%.4096s.tmp", path);
    FILE *file = fopen(temporary, "wb");
    bool ok = file && fprintf(file, "# %s\n%s", setting, heading) > 0;
    for (size_t i = 0; ok && i < log->count; i++) {
        const sweep_epoch *e = &log->epochs[i];
        ok = fprintf(file, "\"%s\",%" PRIu64 ",%" PRIu32 ",%.9g,%.9g,%.9g,%.9g,%.9g,%.3f,%d\n", e->optimizer, e->seed,
                     e->epoch, e->train_loss, e->train_accuracy, e->test_loss, e->test_accuracy, e->kinetic_energy,
                     e->seconds, e->braked) > 0;
    }
    ok = ok && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (file && fclose(file) != 0)
        ok = false;
    if (ok && rename(temporary, path) == 0)
        return AUXO_OK;
    remove(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(ok ? errno : reason));
}
