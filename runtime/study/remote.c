/* remote.c: see remote.h. Who answers: server.c.
 */
#include "remote.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

auxo__wire auxo__remote_question(auxo__question kind)
{
    auxo__wire question = {0};
    auxo__wire_put_integer(&question, kind);
    return question;
}

static auxo_status send_question(auxo__remote *remote, const auxo__wire *question, auxo_error *error)
{
    if (question->failed)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    if (auxo__cluster_wants_stop(remote->cluster))
        auxo__cluster_announce_stop(remote->cluster);
    return auxo__cluster_send(remote->cluster, 0, AUXO__TAG_QUESTION, question->data, question->size, error);
}

static auxo_status take_answer(auxo__remote *remote, auxo__wire *answer, auxo_error *error)
{
    bool found = false;
    uint32_t from = 0;
    uint64_t size = 0;
    auxo_status status =
        auxo__cluster_receive(remote->cluster, AUXO__TAG_ANSWER, true, &found, &from, &answer->data, &size, error);
    if (status != AUXO_OK)
        return status;
    answer->size = answer->capacity = (size_t)size;
    const int64_t code = auxo__wire_integer(answer);
    const char *message = auxo__wire_text(answer);
    if (answer->failed || code < 0 || code >= AUXO_STATUS_COUNT)
        return auxo_error_set(error, AUXO_INTERNAL, "study: rank 0 answers what cannot be read");
    return code == AUXO_OK ? AUXO_OK : auxo_error_set(error, (auxo_status)code, "%s", message ? message : "");
}

/* What became of the note before. */
static auxo_status settle(auxo__remote *remote, auxo_error *error)
{
    auxo__wire answer = {0};
    if (!remote->owed)
        return AUXO_OK;
    remote->owed = false;
    const auxo_status status = take_answer(remote, &answer, error);
    if (status == AUXO_OK)
        remote->last_id = auxo__wire_integer(&answer);
    free(answer.data);
    return status;
}

auxo_status auxo__remote_ask(auxo__remote *remote, auxo__wire *question, auxo__wire *answer, auxo_error *error)
{
    *answer = (auxo__wire){0};
    auxo_status status = settle(remote, error);
    if (status == AUXO_OK)
        status = send_question(remote, question, error);
    return status == AUXO_OK ? take_answer(remote, answer, error) : status;
}

/* A question whose answer has nothing more to say. */
static auxo_status tell(auxo__remote *remote, auxo__wire *question, auxo_error *error)
{
    auxo__wire answer = {0};
    const auxo_status status = auxo__remote_ask(remote, question, &answer, error);
    free(question->data);
    free(answer.data);
    return status;
}

auxo_status auxo__remote_open(auxo_cluster *cluster, bool read_only, double lock_seconds, auxo__remote **remote,
                              auxo_error *error)
{
    const char *folder = getenv("TMPDIR");
    auxo__wire question = auxo__remote_question(AUXO__ASK_OPEN), answer = {0};
    auxo__remote *opened = *remote = calloc(1, sizeof *opened);
    if (!opened) {
        free(question.data);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    }
    opened->cluster = cluster;
    auxo__wire_put_integer(&question, read_only);
    auxo__wire_put_real(&question, lock_seconds);
    auxo_status status = auxo__remote_ask(opened, &question, &answer, error);
    const char *worker = status == AUXO_OK ? auxo__wire_text(&answer) : NULL;
    opened->worker = worker ? strdup(worker) : NULL;
    if (status == AUXO_OK && !opened->worker)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    free(question.data);
    free(answer.data);
    snprintf(opened->folder, sizeof opened->folder, "%.200s/auxo-XXXXXX", folder && *folder ? folder : "/tmp");
    if (status == AUXO_OK && !mkdtemp(opened->folder))
        status = auxo_error_set(error, AUXO_IO, "study: no folder for models on their way can be made at %s (TMPDIR)",
                                opened->folder);
    if (status != AUXO_OK)
        opened->folder[0] = '\0';
    return status;
}

void auxo__remote_close(auxo__remote *remote)
{
    if (!remote)
        return;
    auxo__wire question = auxo__remote_question(AUXO__ASK_END);
    settle(remote, NULL); /* a note that failed is no reason to stay */
    tell(remote, &question, NULL);
    if (remote->folder[0])
        rmdir(remote->folder);
    free(remote->pending.data);
    free(remote->worker);
    free(remote);
}

static void put_statement(auxo__wire *wire, const char *sql, const char *types, va_list values)
{
    auxo__wire_put_text(wire, sql);
    auxo__wire_put_text(wire, types);
    for (const char *type = types; *type; type++) {
        if (*type == 'i')
            auxo__wire_put_integer(wire, va_arg(values, int64_t));
        else if (*type == 'd')
            auxo__wire_put_real(wire, va_arg(values, double));
        else
            auxo__wire_put_text(wire, va_arg(values, const char *));
    }
}

/* What waits, as one question. */
static auxo__wire take_pending(auxo__remote *remote, auxo__question kind)
{
    auxo__wire question = auxo__remote_question(kind);
    auxo__wire_put_integer(&question, remote->pending_count);
    auxo__wire_put(&question, remote->pending.data, remote->pending.size);
    question.failed = question.failed || remote->pending.failed;
    remote->pending_count = 0;
    remote->pending.size = 0;
    remote->pending.failed = false;
    return question;
}

/* Sends what waits. */
static auxo_status flush(auxo__remote *remote, auxo_error *error)
{
    auxo__wire answer = {0};
    if (remote->pending_count == 0)
        return AUXO_OK;
    auxo__wire question = take_pending(remote, AUXO__ASK_BATCH);
    auxo_error reason = {AUXO_OK, ""};
    const auxo_status status = auxo__remote_ask(remote, &question, &answer, &reason);
    if (status == AUXO_OK)
        remote->last_id = auxo__wire_integer(&answer);
    else if (remote->in_transaction)
        remote->broken = reason;
    if (status != AUXO_OK && error)
        *error = reason;
    free(question.data);
    free(answer.data);
    return status;
}

/* Sends what waits, and waits for no answer: whoever trains goes on. */
static auxo_status send_note(auxo__remote *remote, auxo_error *error)
{
    auxo__wire question = take_pending(remote, AUXO__ASK_NOTE);
    auxo_status status = settle(remote, error);
    if (status == AUXO_OK)
        status = send_question(remote, &question, error);
    remote->owed = status == AUXO_OK;
    free(question.data);
    return status;
}

auxo_status auxo__remote_statement(auxo__remote *remote, auxo__wire *answer, const char *sql, const char *types,
                                   va_list values, auxo_error *error)
{
    auxo__wire question = auxo__remote_question(AUXO__ASK_STATEMENT);
    put_statement(&question, sql, types, values);
    auxo_status status = flush(remote, error);
    if (status == AUXO_OK)
        status = auxo__remote_ask(remote, &question, answer, error);
    if (status == AUXO_OK)
        remote->last_id = auxo__wire_integer(answer);
    free(question.data);
    return status;
}

auxo_status auxo__remote_run(auxo__remote *remote, const char *sql, const char *types, va_list values,
                             auxo_error *error)
{
    put_statement(&remote->pending, sql, types, values);
    remote->pending_count++;
    return remote->in_transaction ? AUXO_OK : send_note(remote, error);
}

int64_t auxo__remote_last_id(auxo__remote *remote)
{
    flush(remote, NULL); /* what failed fails the end of the transaction as well */
    settle(remote, NULL);
    return remote->last_id;
}

/* The end goes with what waits for it. After a failure that nobody has seen yet it is none: all is undone. */
static auxo_status end_transaction(auxo__remote *remote, const char *sql, auxo_error *error)
{
    const auxo_error broken = remote->broken;
    remote->in_transaction = false;
    remote->broken = (auxo_error){AUXO_OK, ""};
    if (broken.status != AUXO_OK && strcmp(sql, "COMMIT") == 0) {
        end_transaction(remote, "ROLLBACK", NULL);
        return auxo_error_set(error, broken.status, "%s", broken.message);
    }
    if (strcmp(sql, "ROLLBACK") == 0) {
        remote->pending_count = 0;
        remote->pending.size = 0;
    }
    auxo__wire_put_text(&remote->pending, sql);
    auxo__wire_put_text(&remote->pending, "");
    remote->pending_count++;
    return flush(remote, error);
}

auxo_status auxo__remote_script(auxo__remote *remote, const char *sql, auxo_error *error)
{
    if (strcmp(sql, "COMMIT") == 0 || strcmp(sql, "ROLLBACK") == 0)
        return end_transaction(remote, sql, error);
    auxo__wire question = auxo__remote_question(AUXO__ASK_SCRIPT);
    auxo__wire_put_text(&question, sql);
    const auxo_status status = tell(remote, &question, error);
    remote->in_transaction = remote->in_transaction || (status == AUXO_OK && strcmp(sql, "BEGIN IMMEDIATE") == 0);
    return status;
}

auxo_status auxo__remote_beat(auxo__remote *remote, int64_t trial, double seconds, auxo_error *error)
{
    auxo__wire question = auxo__remote_question(AUXO__ASK_BEAT);
    auxo__wire_put_integer(&question, trial);
    auxo__wire_put_real(&question, seconds);
    return tell(remote, &question, error);
}
