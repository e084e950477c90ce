/* train_devices.c: the devices that share each batch of "train": which they are, how many rows each takes, and that a
 * resumed run divides its batches in the same way.
 */
#include "train_method.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char SHARES_KEY[] = "auxo.shares";

/* ---- opening them ------------------------------------------------------------------------------------------------ */

static auxo_status check_distinct(const auxo_run *run, const auxo__train_state *state, auxo_error *error)
{
    const char *last = auxo_device_get_info(state->helpers[state->helper_count - 1])->selector;
    const char *other = auxo_device_get_info(run->device)->selector;
    for (size_t i = 0; i < state->helper_count; i++) {
        if (strcmp(last, other) == 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "device: %s is named twice", last);
        other = auxo_device_get_info(state->helpers[i])->selector;
    }
    return AUXO_OK;
}

/* As many numbers as devices; what they mean is checked by the trainer. */
static auxo_status parse_shares(auxo__train_state *state, const char *list, auxo_error *error)
{
    char text[512], *items[AUXO__HELPERS_MAX + 2];
    snprintf(text, sizeof text, "%s", list);
    const size_t count = auxo__split_list(text, items, AUXO__HELPERS_MAX + 2);
    if (count != state->helper_count + 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "share has %zu numbers for %zu devices", count,
                              state->helper_count + 1);
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        const unsigned long rows = strtoul(items[i], &end, 10);
        if (end == items[i] || *end || rows == 0 || rows > UINT32_MAX || items[i][0] == '-')
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "share: \"%s\" is not a number of rows", items[i]);
        state->shares[i] = (uint32_t)rows;
    }
    state->options.shares = state->shares;
    return AUXO_OK;
}

auxo_status auxo__train_open_devices(auxo_run *run, auxo__train_state *state, auxo_error *error)
{
    char text[512], *selectors[AUXO__HELPERS_MAX + 2];
    snprintf(text, sizeof text, "%s", auxo_settings_text(run->settings, "device"));
    const bool alone = auxo_cluster_size(run->options.cluster) == 1;
    size_t count = auxo__split_list(text, selectors, AUXO__HELPERS_MAX + 2);
    if (!alone) /* each rank has one of them */
        count = 1;
    if (count > AUXO__HELPERS_MAX + 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "device: at most %d devices train together",
                              AUXO__HELPERS_MAX + 1);
    auxo_status status = auxo__task_open_device(run, error);
    for (size_t i = 1; i < count && status == AUXO_OK; i++) {
        status = auxo_device_open(run->options.runtime, selectors[i], &state->helpers[state->helper_count], error);
        state->helper_count += status == AUXO_OK;
        if (status == AUXO_OK)
            status = auxo__task_set_precision(run, state->helpers[i - 1], error);
        if (status == AUXO_OK)
            status = check_distinct(run, state, error);
    }
    state->options.helpers = state->helpers;
    state->options.helper_count = state->helper_count;
    state->options.cluster = run->options.cluster;
    state->options.sync_batch_norm = auxo_settings_flag(run->settings, "sync-batch-norm");
    const char *share = auxo_settings_text(run->settings, "share");
    return status == AUXO_OK && share ? parse_shares(state, share, error) : status;
}

/* ---- the event --------------------------------------------------------------------------------------------------- */

typedef struct share_record {
    const char *device;
    uint32_t rows;
} share_record;
static const auxo_field share_fields[] = {AUXO__FIELD(share_record, device, "device", TEXT),
                                          AUXO__FIELD(share_record, rows, "rows", U32), AUXO__FIELDS_END};
static const auxo_event_type share_type = {.name = "share", .fields = share_fields};

typedef struct shares_record {
    auxo_records devices;
    char text[512];
} shares_record;
static const auxo_field shares_fields[] = {AUXO__FIELD(shares_record, devices, "devices", RECORDS),
                                           AUXO__FIELD_LINE_ONLY(shares_record, text, "text", CHARS), AUXO__FIELDS_END};
const auxo_event_type auxo__shares_event = {
    .name = "shares", .fields = shares_fields, .line = "rows of each batch: {text}"};

auxo_status auxo__train_report_shares(auxo_run *run, const auxo__train_state *state, auxo_error *error)
{
    uint32_t rows[AUXO__HELPERS_MAX + 1];
    share_record devices[AUXO__HELPERS_MAX + 1];
    shares_record record = {.text = ""};
    const size_t count = auxo_trainer_shares(state->trainer, rows, AUXO__HELPERS_MAX + 1);
    if (count == 1)
        return AUXO_OK;
    size_t used = 0;
    for (size_t i = 0; i < count; i++) {
        const char *selector = auxo_device_get_info(i ? state->helpers[i - 1] : run->device)->selector;
        devices[i] = (share_record){selector, rows[i]};
        if (used < sizeof record.text)
            used += (size_t)snprintf(record.text + used, sizeof record.text - used, "%s%s %u", i ? ", " : "", selector,
                                     rows[i]);
    }
    if (!state->options.shares && used < sizeof record.text)
        snprintf(record.text + used, sizeof record.text - used, " (by measured speed)");
    record.devices = (auxo_records){devices, count, sizeof *devices, &share_type};
    return auxo__run_emit(run, &auxo__shares_event, &record, error);
}

/* ---- checkpoints ------------------------------------------------------------------------------------------------- */

/* The rows that each of several devices takes: a resumed run must divide its batches in the same way. */
auxo_status auxo__train_store_shares(const auxo__train_state *state, auxo__archive *archive, auxo_error *error)
{
    uint32_t rows[AUXO__HELPERS_MAX + 1];
    const size_t count = auxo_trainer_shares(state->trainer, rows, AUXO__HELPERS_MAX + 1);
    if (count <= 1 || rows[0] == 0)
        return AUXO_OK;
    double values[AUXO__HELPERS_MAX + 1];
    for (size_t i = 0; i < count; i++)
        values[i] = rows[i];
    return auxo__archive_put_doubles(archive, AUXO__TRAINING, SHARES_KEY, values, count, error);
}

/* Other devices than before, or shares that were given: what was saved does not count. */
auxo_status auxo__train_restore_shares(auxo__train_state *state, const auxo__archive *archive, auxo_error *error)
{
    uint32_t rows[AUXO__HELPERS_MAX + 1];
    double *values = NULL;
    size_t count = 0;
    if (!auxo__archive_has(archive, AUXO__TRAINING, SHARES_KEY) || state->options.shares)
        return AUXO_OK;
    auxo_status status = auxo__archive_get_doubles(archive, AUXO__TRAINING, SHARES_KEY, &values, &count, error);
    bool same = status == AUXO_OK && count == state->helper_count + 1 && count > 1;
    for (size_t i = 0; same && i < count; i++)
        rows[i] = values[i] > 0 && values[i] <= UINT32_MAX ? (uint32_t)values[i] : 0;
    free(values);
    return same ? auxo_trainer_set_shares(state->trainer, rows, count, error) : status;
}
