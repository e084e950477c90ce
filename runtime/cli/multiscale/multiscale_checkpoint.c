/* runtime/cli/multiscale/multiscale_checkpoint.c: multi-scale checkpoints as generations of files behind one JSON text.
 */
#include "multiscale_checkpoint.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

void multiscale_checkpoint_settings(const multiscale_job *job, char *settings, size_t size)
{
    const auxo_multiscale_options *o = &job->options;
    char optimizer[256];
    auxo_optimizer_config_format(&o->optimizer, optimizer, sizeof optimizer);
    snprintf(
        settings, size,
        "data %s, %zu rows, order %s, theta %d, difference %d, epsilon %.9g, step %.9g, epochs %u, inner tolerance "
        "%.9g, greedy %d, levels %u, seed %llu, optimizer %s",
        job->train->name, job->train->row_count, multiscale_order_name(o->order), (int)o->theta_on, (int)o->difference,
        o->epsilon, o->second_step, o->epochs, o->inner_tolerance, (int)o->greedy, o->level_limit,
        (unsigned long long)o->seed, optimizer);
}

static void generation_path(char *text, const char *path, uint32_t iteration, const char *suffix)
{
    snprintf(text, PATH_BYTES, "%s.%u.%s", path, iteration, suffix);
}

/* Writes a whole file through a temporary one, synced and renamed. */
static auxo_status write_file(const char *path, const void *data, size_t size_bytes, auxo_error *error)
{
    char temporary[PATH_BYTES + 8];
    snprintf(temporary, sizeof temporary, "%s.tmp", path);
    FILE *file = fopen(temporary, "wb");
    if (!file)
        return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", temporary, strerror(errno));
    bool ok = fwrite(data, 1, size_bytes, file) == size_bytes && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (fclose(file) != 0 && ok) {
        ok = false;
        reason = errno;
    }
    if (ok && rename(temporary, path) == 0)
        return AUXO_OK;
    if (ok)
        reason = errno;
    remove(temporary);
    return auxo_error_set(error, AUXO_IO, "cannot write %s: %s", path, strerror(reason));
}

static auxo_status read_file(const char *path, char **data, size_t *size_bytes, auxo_error *error)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return auxo_error_set(error, AUXO_NOT_FOUND, "cannot read %s: %s", path, strerror(errno));
    long size = fseek(file, 0, SEEK_END) == 0 ? ftell(file) : -1;
    *data = size >= 0 ? malloc((size_t)size + 1) : NULL;
    bool ok = *data && fseek(file, 0, SEEK_SET) == 0 && fread(*data, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!ok) {
        free(*data);
        *data = NULL;
        return auxo_error_set(error, AUXO_IO, "cannot read %s", path);
    }
    (*data)[size] = '\0';
    *size_bytes = (size_t)size;
    return AUXO_OK;
}

static auxo_status write_state(const char *path, auxo_model *model, auxo_optimizer *optimizer, auxo_error *error)
{
    auxo_carried_state carried = auxo_optimizer_carried_state(optimizer);
    size_t array_bytes = auxo_model_weight_count(model) * sizeof(float);
    char *data = malloc(carried.count * array_bytes + 1);
    if (!data)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < carried.count && status == AUXO_OK; i++)
        status = auxo_buffer_read(auxo_model_queue(model), carried.buffers[i], 0, data + i * array_bytes, array_bytes,
                                  error);
    if (status == AUXO_OK)
        status = write_file(path, data, carried.count * array_bytes, error);
    free(data);
    return status;
}

static cJSON *describe_brake(const auxo_optimizer *optimizer)
{
    const auxo_brake_memory memory = auxo_optimizer_get_brake(optimizer);
    cJSON *brake = cJSON_CreateObject();
    cJSON_AddBoolToObject(brake, "fired", memory.fired);
    cJSON_AddBoolToObject(brake, "has_initial", memory.has_initial);
    cJSON_AddBoolToObject(brake, "has_ema", memory.has_ema);
    cJSON_AddNumberToObject(brake, "initial_loss", memory.initial_loss);
    cJSON_AddNumberToObject(brake, "ema", memory.ema);
    cJSON_AddNumberToObject(brake, "friction", (double)memory.friction);
    return brake;
}

/* A file without it is of a time before brakes were kept: the brake has not fired. */
static auxo_status restore_brake(const char *path, auxo_optimizer *optimizer, auxo_error *error)
{
    char *text = NULL;
    size_t size_bytes;
    auxo_status status = read_file(path, &text, &size_bytes, error);
    if (status != AUXO_OK)
        return status;
    cJSON *json = cJSON_Parse(text);
    free(text);
    const cJSON *brake = cJSON_GetObjectItem(json, "brake");
    const cJSON *friction = cJSON_GetObjectItem(brake, "friction");
    if (cJSON_IsNumber(friction)) {
        const auxo_brake_memory memory = {.fired = cJSON_IsTrue(cJSON_GetObjectItem(brake, "fired")),
                                          .has_initial = cJSON_IsTrue(cJSON_GetObjectItem(brake, "has_initial")),
                                          .has_ema = cJSON_IsTrue(cJSON_GetObjectItem(brake, "has_ema")),
                                          .initial_loss =
                                              cJSON_GetNumberValue(cJSON_GetObjectItem(brake, "initial_loss")),
                                          .ema = cJSON_GetNumberValue(cJSON_GetObjectItem(brake, "ema")),
                                          .friction = (float)friction->valuedouble};
        status = auxo_optimizer_set_brake(optimizer, &memory, error);
    }
    cJSON_Delete(json);
    return status;
}

static void remove_generation(const char *path, uint32_t iteration)
{
    char name[PATH_BYTES];
    generation_path(name, path, iteration, "safetensors");
    remove(name);
    generation_path(name, path, iteration, "state");
    remove(name);
}

/* The generation that FILE names now; false if there is none. */
static bool current_generation(const char *path, uint32_t *iteration)
{
    char *text = NULL;
    size_t size_bytes;
    if (read_file(path, &text, &size_bytes, NULL) != AUXO_OK)
        return false;
    cJSON *json = cJSON_Parse(text);
    cJSON *number = cJSON_GetObjectItem(json, "iteration");
    bool found = cJSON_IsNumber(number);
    if (found)
        *iteration = (uint32_t)number->valuedouble;
    cJSON_Delete(json);
    free(text);
    return found;
}

auxo_status multiscale_checkpoint_save(const char *path, const multiscale_job *job, const char *settings,
                                       auxo_model *model, auxo_multiscale *multiscale, auxo_error *error)
{
    uint32_t iteration = auxo_multiscale_iteration_count(multiscale), previous = 0;
    bool had_previous = current_generation(path, &previous);
    if (had_previous && previous == iteration)
        return AUXO_OK;
    char name[PATH_BYTES];
    generation_path(name, path, iteration, "safetensors");
    auxo_status status = auxo_model_save(model, name, error);
    generation_path(name, path, iteration, "state");
    if (status == AUXO_OK)
        status = write_state(name, model, auxo_multiscale_optimizer(multiscale), error);
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "format", "auxo multiscale checkpoint 1");
    cJSON_AddStringToObject(json, "preset", job->preset->name);
    cJSON_AddStringToObject(json, "settings", settings);
    cJSON_AddNumberToObject(json, "iteration", iteration);
    cJSON_AddItemToObject(json, "brake", describe_brake(auxo_multiscale_optimizer(multiscale)));
    char *text = cJSON_Print(json);
    cJSON_Delete(json);
    if (status == AUXO_OK && !text)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "checkpoint: out of memory");
    if (status == AUXO_OK)
        status = write_file(path, text, strlen(text), error);
    cJSON_free(text);
    if (status != AUXO_OK)
        remove_generation(path, iteration);
    else if (had_previous)
        remove_generation(path, previous);
    return status;
}

auxo_status multiscale_checkpoint_load(const char *path, const multiscale_job *job, const char *settings,
                                       auxo_model **model, uint32_t *iteration, auxo_error *error)
{
    char *text = NULL;
    size_t size_bytes;
    auxo_status status = read_file(path, &text, &size_bytes, error);
    if (status != AUXO_OK)
        return status;
    cJSON *json = cJSON_Parse(text);
    free(text);
    const cJSON *number = cJSON_GetObjectItem(json, "iteration");
    const char *saved = cJSON_GetStringValue(cJSON_GetObjectItem(json, "settings"));
    if (!cJSON_IsNumber(number) || !saved)
        status = auxo_error_set(error, AUXO_FORMAT, "%s is no multi-scale checkpoint", path);
    else if (strcmp(saved, settings) != 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s was made with other settings: %.300s", path, saved);
    if (status == AUXO_OK) {
        char name[PATH_BYTES];
        *iteration = (uint32_t)number->valuedouble;
        generation_path(name, path, *iteration, "safetensors");
        status = auxo_model_load(job->session.device, name, model, error);
    }
    cJSON_Delete(json);
    return status;
}

auxo_status multiscale_checkpoint_restore(const char *path, uint32_t iteration, auxo_model *model,
                                          auxo_multiscale *multiscale, auxo_error *error)
{
    auxo_carried_state carried = auxo_optimizer_carried_state(auxo_multiscale_optimizer(multiscale));
    size_t array_bytes = auxo_model_weight_count(model) * sizeof(float), size_bytes = 0;
    char name[PATH_BYTES], *data = NULL;
    generation_path(name, path, iteration, "state");
    auxo_status status = read_file(name, &data, &size_bytes, error);
    if (status == AUXO_OK && size_bytes != carried.count * array_bytes)
        status = auxo_error_set(error, AUXO_FORMAT, "%s has %zu bytes; this optimiser needs %zu", name, size_bytes,
                                carried.count * array_bytes);
    for (size_t i = 0; i < carried.count && status == AUXO_OK; i++)
        status = auxo_buffer_write(auxo_model_queue(model), carried.buffers[i], 0, data + i * array_bytes, array_bytes,
                                   error);
    free(data);
    if (status == AUXO_OK)
        status = restore_brake(path, auxo_multiscale_optimizer(multiscale), error);
    if (status == AUXO_OK)
        auxo_multiscale_set_iteration_count(multiscale, iteration);
    return status;
}
