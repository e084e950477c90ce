/* study_files.c: see study_files.h.
 */
#include "study_files.h"
#include "study_internal.h"

#include "file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static bool local_path(const auxo_study *study, const char *name, char *path, size_t size)
{
    char *folder = NULL;
    const bool found =
        auxo_study_folder(study, &folder, NULL) == AUXO_OK && snprintf(path, size, "%s/%s", folder, name) < (int)size;
    free(folder);
    return found;
}

auxo_status auxo__study_store(auxo_study *study, const char *name, auxo_error *error)
{
    char path[4300], *data = NULL;
    size_t size = 0;
    auxo__wire question, answer = {0};
    auxo__remote *remote = study->database.remote;
    if (!remote)
        return AUXO_OK;
    auxo_status status = local_path(study, name, path, sizeof path)
                             ? auxo__file_read(path, &data, &size, error)
                             : auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: the path of %s is too long", name);
    if (status != AUXO_OK)
        return status;
    question = auxo__remote_question(AUXO__ASK_STORE);
    auxo__wire_put_text(&question, name);
    auxo__wire_put_integer(&question, (int64_t)size);
    auxo__wire_put(&question, data, size);
    free(data);
    status = auxo__remote_ask(remote, &question, &answer, error);
    free(question.data);
    free(answer.data);
    auxo__study_release(study, name);
    return status;
}

auxo_status auxo__study_fetch(auxo_study *study, const char *name, auxo_error *error)
{
    char path[4300];
    auxo__wire question, answer = {0};
    auxo__remote *remote = study->database.remote;
    if (!remote)
        return AUXO_OK;
    question = auxo__remote_question(AUXO__ASK_FETCH);
    auxo__wire_put_text(&question, name);
    auxo_status status = auxo__remote_ask(remote, &question, &answer, error);
    const int64_t size = status == AUXO_OK ? auxo__wire_integer(&answer) : 0;
    const void *data = status == AUXO_OK ? auxo__wire_bytes(&answer, (size_t)size) : NULL;
    if (status == AUXO_OK && (!data || !local_path(study, name, path, sizeof path)))
        status = auxo_error_set(error, AUXO_INTERNAL, "study: rank 0 sends %s in parts", name);
    if (status == AUXO_OK)
        status = auxo__file_write_atomic(path, data, (size_t)size, error);
    free(question.data);
    free(answer.data);
    return status;
}

void auxo__study_release(auxo_study *study, const char *name)
{
    char path[4300];
    if (study->database.remote && local_path(study, name, path, sizeof path))
        unlink(path);
}

void auxo__study_discard(auxo_study *study, const char *name)
{
    char path[4300];
    auxo__wire question, answer = {0};
    if (local_path(study, name, path, sizeof path))
        unlink(path);
    if (!study->database.remote)
        return;
    question = auxo__remote_question(AUXO__ASK_DISCARD);
    auxo__wire_put_text(&question, name);
    auxo__remote_ask(study->database.remote, &question, &answer, NULL); /* what stays is removed as a stray later */
    free(question.data);
    free(answer.data);
}
