/* server.c: see server.h.
 *
 * Each rank has a connection of its own to the database, so that a transaction of one is to the others what that of
 * another process is. Nothing here waits for the lock of the database: a question that finds it taken stays, and is
 * asked again, while the rank that holds it is answered. Heartbeats of the ranks' trials come from here: the job ends
 * when one of its processes does.
 */
#include "server.h"
#include "clock.h"
#include "file.h"
#include "study_internal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* One of the other ranks. */
typedef struct client {
    auxo__database database;
    bool opened, ended;
    double lock_seconds;
    auxo__wire question; /* that found the database locked; data NULL: none */
    double since;        /* when it came */
    int64_t trial;       /* whose heart beats; 0: none */
    double beat_seconds, next_beat;
} client;

struct auxo__study_server {
    auxo_cluster *cluster;
    char *path, *folder, *worker;
    pthread_t thread;
    client *clients; /* by rank; that of rank 0 is not used */
    uint32_t count, ended;
};

/* ---- answers ----------------------------------------------------------------------------------------------------- */

static void begin_answer(auxo__wire *answer, auxo_status status, const auxo_error *error)
{
    answer->size = 0;
    auxo__wire_put_integer(answer, status);
    auxo__wire_put_text(answer, status == AUXO_OK ? NULL : error->message);
}

static auxo_status open_client(auxo__study_server *server, uint32_t rank, auxo__wire *question, auxo__wire *answer,
                               auxo_error *error)
{
    client *own = &server->clients[rank];
    char worker[600];
    const bool read_only = auxo__wire_integer(question) != 0;
    own->lock_seconds = auxo__wire_real(question);
    if (own->opened)
        return auxo_error_set(error, AUXO_INTERNAL, "study: rank %u opens it twice", rank);
    own->opened = true;
    auxo_status status = auxo__database_open(&own->database, server->path, false, read_only, own->lock_seconds, error);
    if (status != AUXO_OK)
        return status;
    sqlite3_busy_timeout(own->database.handle, 0);
    const size_t length = strlen(server->worker); /* an object: its end makes room for the rank */
    snprintf(worker, sizeof worker, "%.*s,\"rank\":%u}", (int)(length - 1), server->worker, rank);
    auxo__wire_put_text(answer, worker);
    return AUXO_OK;
}

static int bind_value(sqlite3_stmt *statement, int index, char type, auxo__wire *question)
{
    if (type == 'i')
        return sqlite3_bind_int64(statement, index, auxo__wire_integer(question));
    if (type == 'd') {
        const double value = auxo__wire_real(question);
        return value != value ? sqlite3_bind_null(statement, index) : sqlite3_bind_double(statement, index, value);
    }
    const char *text = auxo__wire_text(question);
    return text ? sqlite3_bind_text(statement, index, text, -1, SQLITE_TRANSIENT) : sqlite3_bind_null(statement, index);
}

static void put_cell(auxo__wire *answer, sqlite3_stmt *statement, int column)
{
    const int type = sqlite3_column_type(statement, column);
    auxo__wire_put_integer(answer, type);
    if (type == SQLITE_INTEGER)
        auxo__wire_put_integer(answer, sqlite3_column_int64(statement, column));
    else if (type == SQLITE_FLOAT)
        auxo__wire_put_real(answer, sqlite3_column_double(statement, column));
    else if (type != SQLITE_NULL)
        auxo__wire_put_text(answer, (const char *)sqlite3_column_text(statement, column));
}

/* The rows behind a place for the last row id. Returns SQLite's code. */
static int run_statement(auxo__database *database, auxo__wire *question, auxo__wire *answer)
{
    sqlite3_stmt *statement = NULL;
    const char *sql = auxo__wire_text(question), *types = auxo__wire_text(question);
    if (!sql || !types)
        return SQLITE_MISUSE;
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &statement, NULL);
    for (int i = 0; code == SQLITE_OK && types[i]; i++)
        code = bind_value(statement, i + 1, types[i], question);
    const size_t place = answer->size;
    const int columns = sqlite3_column_count(statement);
    auxo__wire_put_integer(answer, 0);
    auxo__wire_put_integer(answer, columns);
    while (code == SQLITE_OK || code == SQLITE_ROW) {
        code = sqlite3_step(statement);
        auxo__wire_put_integer(answer, code == SQLITE_ROW);
        for (int i = 0; code == SQLITE_ROW && i < columns; i++)
            put_cell(answer, statement, i);
    }
    const int64_t last = sqlite3_last_insert_rowid(database->handle);
    if (!answer->failed)
        memcpy(answer->data + place, &last, sizeof last);
    sqlite3_finalize(statement);
    return code == SQLITE_DONE ? SQLITE_OK : code;
}

/* Statements of one transaction: the first that fails ends them. */
static int run_batch(auxo__database *database, auxo__wire *question, auxo__wire *answer)
{
    int code = SQLITE_OK;
    for (int64_t left = auxo__wire_integer(question); left > 0 && code == SQLITE_OK; left--) {
        auxo__wire rows = {0};
        code = run_statement(database, question, &rows);
        free(rows.data);
    }
    auxo__wire_put_integer(answer, sqlite3_last_insert_rowid(database->handle));
    return code;
}

/* *busy: another connection has the lock, and it may be asked again. */
static auxo_status ask_database(client *own, auxo__question kind, auxo__wire *question, auxo__wire *answer, bool *busy,
                                auxo_error *error)
{
    int code;
    int64_t count = 0;
    const bool batch = kind == AUXO__ASK_BATCH || kind == AUXO__ASK_NOTE;
    if (batch && question->size - question->at >= sizeof count)
        memcpy(&count, question->data + question->at, sizeof count);
    const bool alone = count == 1;
    if (!own->database.handle)
        return auxo_error_set(error, AUXO_INTERNAL, "study: a question before it was opened");
    if (kind == AUXO__ASK_SCRIPT) {
        const char *sql = auxo__wire_text(question);
        code = sql ? sqlite3_exec(own->database.handle, sql, NULL, NULL, NULL) : SQLITE_MISUSE;
    } else if (batch) {
        code = run_batch(&own->database, question, answer);
    } else {
        code = run_statement(&own->database, question, answer);
    }
    /* Of a batch of several, some may have been done: it holds the lock itself. */
    const bool again = !batch || alone;
    *busy = again && ((code & 0xff) == SQLITE_BUSY || (code & 0xff) == SQLITE_LOCKED);
    return code == SQLITE_OK ? AUXO_OK : auxo__database_failed(&own->database, code, error);
}

static void set_beat(client *own, auxo__wire *question)
{
    own->trial = auxo__wire_integer(question);
    own->beat_seconds = auxo__wire_real(question);
    own->next_beat = auxo__now_seconds() + own->beat_seconds;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static auxo_status path_of(const auxo__study_server *server, const char *name, char *path, size_t size,
                           auxo_error *error)
{
    if (!name || strchr(name, '/') || snprintf(path, size, "%s/%s", server->folder, name) >= (int)size)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "study: %s is no name of a model", name ? name : "nothing");
    return AUXO_OK;
}

static auxo_status answer_file(auxo__study_server *server, auxo__question kind, auxo__wire *question,
                               auxo__wire *answer, auxo_error *error)
{
    char path[4300], *data = NULL;
    size_t size = 0;
    auxo_status status = path_of(server, auxo__wire_text(question), path, sizeof path, error);
    if (status != AUXO_OK)
        return status;
    if (kind == AUXO__ASK_DISCARD) {
        unlink(path);
        return AUXO_OK;
    }
    if (kind == AUXO__ASK_STORE) {
        size = (size_t)auxo__wire_integer(question);
        const void *bytes = auxo__wire_bytes(question, size);
        if (!bytes)
            return auxo_error_set(error, AUXO_INTERNAL, "study: a model came in parts");
        status = auxo__make_folder(server->folder, error);
        return status == AUXO_OK ? auxo__file_write_atomic(path, bytes, size, error) : status;
    }
    status = auxo__file_read(path, &data, &size, error);
    auxo__wire_put_integer(answer, (int64_t)size);
    auxo__wire_put(answer, data, size);
    free(data);
    return status;
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static void end_client(auxo__study_server *server, uint32_t rank)
{
    client *own = &server->clients[rank];
    if (own->ended)
        return;
    own->ended = true;
    own->trial = 0;
    server->ended++;
    if (own->opened)
        auxo__database_close(&own->database);
}

/* Adds what the question asks for to an answer that says that all is well. */
static auxo_status answer_kind(auxo__study_server *server, uint32_t rank, auxo__question kind, auxo__wire *question,
                               auxo__wire *answer, bool *busy, auxo_error *error)
{
    begin_answer(answer, AUXO_OK, NULL);
    switch (kind) {
    case AUXO__ASK_OPEN:
        return open_client(server, rank, question, answer, error);
    case AUXO__ASK_STATEMENT:
    case AUXO__ASK_SCRIPT:
    case AUXO__ASK_BATCH:
    case AUXO__ASK_NOTE:
        return ask_database(&server->clients[rank], kind, question, answer, busy, error);
    case AUXO__ASK_BEAT:
        set_beat(&server->clients[rank], question);
        return AUXO_OK;
    case AUXO__ASK_STORE:
    case AUXO__ASK_FETCH:
    case AUXO__ASK_DISCARD:
        return answer_file(server, kind, question, answer, error);
    case AUXO__ASK_END:
        end_client(server, rank);
        return AUXO_OK;
    }
    return auxo_error_set(error, AUXO_INTERNAL, "study: rank %u asks what is not known", rank);
}

/* Answers the client's question, unless it has to wait for the lock. Frees it when it is answered. */
static void answer_question(auxo__study_server *server, uint32_t rank)
{
    client *own = &server->clients[rank];
    auxo__wire answer = {0};
    auxo_error error = {AUXO_OK, ""};
    bool busy = false;
    own->question.at = 0;
    own->question.failed = false;
    const auxo__question kind = (auxo__question)auxo__wire_integer(&own->question);
    auxo_status status = answer_kind(server, rank, kind, &own->question, &answer, &busy, &error);
    if (busy && auxo__now_seconds() - own->since < own->lock_seconds) {
        free(answer.data);
        return;
    }
    if (status == AUXO_OK && answer.failed) {
        answer.failed = false;
        status = auxo_error_set(&error, AUXO_OUT_OF_MEMORY, "study: out of memory answering rank %u", rank);
    }
    if (status != AUXO_OK)
        begin_answer(&answer, status, &error);
    auxo__cluster_send(server->cluster, rank, AUXO__TAG_ANSWER, answer.data, answer.size, NULL);
    free(answer.data);
    free(own->question.data);
    own->question = (auxo__wire){0};
}

/* Takes the next question; false: there is none. *more: others will follow at once, since somebody waits for the
 * answer, where a note comes on its own. */
static bool take_question(auxo__study_server *server, bool *more)
{
    bool found = false;
    uint32_t rank = 0;
    uint64_t size = 0;
    char *data = NULL;
    if (auxo__cluster_receive(server->cluster, AUXO__TAG_QUESTION, false, &found, &rank, &data, &size, NULL) !=
            AUXO_OK ||
        !found)
        return false;
    client *own = &server->clients[rank];
    own->question = (auxo__wire){.data = data, .size = (size_t)size, .capacity = (size_t)size};
    own->since = auxo__now_seconds();
    int64_t kind = 0;
    memcpy(&kind, data, size < sizeof kind ? (size_t)size : sizeof kind);
    *more = kind != AUXO__ASK_NOTE;
    answer_question(server, rank);
    return true;
}

static void beat_for(client *own)
{
    const double now = auxo__now_seconds();
    if (own->trial == 0 || now < own->next_beat)
        return;
    own->next_beat = now + own->beat_seconds;
    auxo__heart_beat(&own->database, own->trial, NULL); /* one that fails is not the end: the next may succeed */
}

/* Questions are answered at once while they come. After some looks without any the thread sleeps longer between them:
 * it shares a processor with this rank's training. */
static void *serve(void *user)
{
    enum { AWAKE = 40, LOOK_EVERY = 16, SHORT_NS = 50000, LONG_NS = 500000 };
    auxo__study_server *server = user;
    uint64_t looks = 0, idle = AWAKE;
    while (server->ended + 1 < server->count) {
        bool more = false;
        const bool found = take_question(server, &more);
        for (uint32_t rank = 1; rank < server->count; rank++) {
            if (server->clients[rank].question.data)
                answer_question(server, rank);
            beat_for(&server->clients[rank]);
        }
        if (auxo__cluster_wants_stop(server->cluster))
            auxo__cluster_announce_stop(server->cluster);
        if (looks++ % LOOK_EVERY == 0 && auxo__cluster_look(server->cluster, NULL) != AUXO_OK)
            break;
        idle = more ? 0 : idle + 1;
        const struct timespec pause = {.tv_nsec = idle < AWAKE ? SHORT_NS : LONG_NS};
        if (!found)
            nanosleep(&pause, NULL);
    }
    /* After a failure some rank may have left within a transaction, whose lock this rank would wait for. */
    for (uint32_t rank = 1; rank < server->count; rank++)
        end_client(server, rank);
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void destroy(auxo__study_server *server)
{
    for (uint32_t rank = 1; server->clients && rank < server->count; rank++) {
        free(server->clients[rank].question.data);
        if (server->clients[rank].opened && !server->clients[rank].ended)
            auxo__database_close(&server->clients[rank].database);
    }
    free(server->clients);
    free(server->path);
    free(server->folder);
    free(server->worker);
    free(server);
}

auxo_status auxo__study_server_start(auxo_cluster *cluster, const char *path, const char *folder,
                                     auxo__study_server **server, auxo_error *error)
{
    *server = NULL;
    auxo__study_server *started = calloc(1, sizeof *started);
    if (!started)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    started->cluster = cluster;
    started->count = auxo_cluster_size(cluster);
    started->path = strdup(path);
    started->folder = strdup(folder);
    started->clients = calloc(started->count, sizeof *started->clients);
    auxo_status status = auxo__worker_describe(&started->worker, error);
    if (status == AUXO_OK && (!started->path || !started->folder || !started->clients))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    /* Signals are for the thread that steps the run. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int reason = status == AUXO_OK ? pthread_create(&started->thread, NULL, serve, started) : 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (reason != 0)
        status =
            auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: no thread for the other ranks: %s", strerror(reason));
    if (status != AUXO_OK) {
        destroy(started);
        return status;
    }
    *server = started;
    return AUXO_OK;
}

void auxo__study_server_stop(auxo__study_server *server)
{
    if (!server)
        return;
    pthread_join(server->thread, NULL);
    destroy(server);
}
