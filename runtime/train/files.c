/* files.c: paths, atomic replacement, and finding the matching pair of a checkpoint (see files.h for the protocol).
 */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char MODEL_HASH_KEY[] = "auxo.model_hash";

char *auxo__path_with(const char *path, const char *suffix)
{
    size_t size = strlen(path) + strlen(suffix) + 1;
    char *joined = malloc(size);
    if (joined)
        snprintf(joined, size, "%s%s", path, suffix);
    return joined;
}

bool auxo__file_exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Makes a rename durable. File systems that cannot sync folders have done what they can. */
static void sync_folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strdup(path) : strdup(".");
    if (!folder)
        return;
    if (slash)
        folder[slash == path ? 1 : slash - path] = 0;
    int descriptor = open(folder, O_RDONLY);
    if (descriptor >= 0) {
        fsync(descriptor);
        close(descriptor);
    }
    free(folder);
}

auxo_status auxo__file_replace(const char *source, const char *target, auxo_error *error)
{
    if (rename(source, target) != 0) {
        int reason = errno;
        remove(source);
        return auxo_error_set(error, AUXO_IO, "cannot replace \"%s\": %s", target, strerror(reason));
    }
    sync_folder_of(target);
    return AUXO_OK;
}

auxo_status auxo__state_file_read(const char *path, auxo__safetensors **file, uint64_t *model_hash, auxo_error *error)
{
    *file = NULL;
    char *state_path = auxo__path_with(path, ".state");
    if (!state_path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", path);
    auxo_status status = auxo__safetensors_read(state_path, file, error);
    if (status == AUXO_OK) {
        const char *text = auxo__safetensors_metadata(*file, MODEL_HASH_KEY);
        if (!text || sscanf(text, "%16" SCNx64, model_hash) != 1) {
            auxo__safetensors_free(*file);
            *file = NULL;
            status = auxo_error_set(error, AUXO_FORMAT, "\"%s\" is not a training state: no \"%s\" in its metadata",
                                    state_path, MODEL_HASH_KEY);
        }
    }
    free(state_path);
    return status;
}

/* Whether PATH.state has been committed together with PATH.next; *next is then that file. */
static bool find_committed_next(const char *path, const char *next_path, auxo__safetensors **next)
{
    *next = NULL;
    auxo__safetensors *state = NULL;
    uint64_t hash = 0;
    if (!auxo__file_exists(next_path) || auxo__state_file_read(path, &state, &hash, NULL) != AUXO_OK)
        return false;
    auxo__safetensors_free(state);
    if (auxo__safetensors_read(next_path, next, NULL) == AUXO_OK && auxo__safetensors_hash(*next) == hash)
        return true;
    auxo__safetensors_free(*next);
    *next = NULL;
    return false;
}

auxo_status auxo__model_file_read(const char *path, auxo__safetensors **file, auxo_error *error)
{
    char *next_path = auxo__path_with(path, ".next");
    if (!next_path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory reading \"%s\"", path);
    bool found = find_committed_next(path, next_path, file);
    free(next_path);
    return found ? AUXO_OK : auxo__safetensors_read(path, file, error);
}

auxo_status auxo__checkpoint_roll_forward(const char *path, auxo_error *error)
{
    char *next_path = auxo__path_with(path, ".next");
    if (!next_path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory writing \"%s\"", path);
    auxo__safetensors *next = NULL;
    bool found = find_committed_next(path, next_path, &next);
    auxo__safetensors_free(next);
    auxo_status status = found ? auxo__file_replace(next_path, path, error) : AUXO_OK;
    free(next_path);
    return status;
}
