/* database.c: see database.h.
 */
#include "database.h"

#include "file.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- failures ---------------------------------------------------------------------------------------------------- */

auxo_status auxo__database_failed(const auxo__database *database, int code, auxo_error *error)
{
    const char *path = database->path;
    switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return auxo_error_set(
            error, AUXO_IO,
            "study: %s has been locked by another process for %.3g s; wait for it, or end the process "
            "that holds it",
            path, database->lock_seconds);
    case SQLITE_READONLY:
        return auxo_error_set(
            error, AUXO_IO, "study: %s cannot be written (the file or its folder is read-only); take a copy elsewhere",
            path);
    case SQLITE_FULL:
        return auxo_error_set(error, AUXO_IO,
                              "study: the disk of %s is full; nothing that stood in it is lost: make room and go on",
                              path);
    case SQLITE_NOTADB:
        return auxo_error_set(error, AUXO_FORMAT, "study: %s is no SQLite database; give another file", path);
    case SQLITE_CORRUPT:
        return auxo_error_set(error, AUXO_FORMAT,
                              "study: the database %s is damaged; `sqlite3 FILE .recover` saves what can be read",
                              path);
    case SQLITE_NOMEM:
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    case SQLITE_CANTOPEN:
        return auxo_error_set(error, AUXO_IO, "study: %s cannot be opened: %s", path,
                              strerror(database->handle && sqlite3_system_errno(database->handle)
                                           ? sqlite3_system_errno(database->handle)
                                           : EACCES));
    case SQLITE_IOERR:
        return auxo_error_set(error, AUXO_IO, "study: %s cannot be read or written: %s; what it holds is not lost",
                              path, strerror(sqlite3_system_errno(database->handle)));
    default:
        return auxo_error_set(error, AUXO_IO, "study: %s: %s", path,
                              database->handle ? sqlite3_errmsg(database->handle) : sqlite3_errstr(code));
    }
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* The path as a URI of SQLite, for a file that nobody can change. Ownership: free(). */
static char *immutable_uri(const char *path)
{
    static const char start[] = "file:", ending[] = "?immutable=1";
    char *uri = malloc(3 * strlen(path) + sizeof start + sizeof ending), *at = uri;
    if (!uri)
        return NULL;
    at += sprintf(at, "%s", start);
    for (; *path; path++)
        at += strchr("%?#", *path) ? sprintf(at, "%%%02X", (unsigned char)*path) : sprintf(at, "%c", *path);
    sprintf(at, "%s", ending);
    return uri;
}

/* Where nothing can be written, SQLite reads a file with a log only if it is told that nobody changes it; what the log
 * still has would then be left out. */
static auxo_status open_unwritable(auxo__database *database, auxo_error *error)
{
    struct stat info;
    char log[4200];
    int code = sqlite3_exec(database->handle, "SELECT COUNT(*) FROM sqlite_master", NULL, NULL, NULL);
    if ((code & 0xff) != SQLITE_CANTOPEN && (code & 0xff) != SQLITE_READONLY)
        return AUXO_OK; /* what else is wrong is told by the first statement */
    snprintf(log, sizeof log, "%.4190s-wal", database->path);
    if (stat(log, &info) == 0 && info.st_size > 0)
        return auxo_error_set(
            error, AUXO_IO,
            "study: %s cannot be read where nothing can be written, since a part of it is in %.200s; take "
            "a copy of both elsewhere",
            database->path, log);
    char *uri = immutable_uri(database->path);
    if (!uri)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    sqlite3_close(database->handle);
    database->handle = NULL;
    code = sqlite3_open_v2(uri, &database->handle, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
    free(uri);
    return code == SQLITE_OK ? AUXO_OK : auxo__database_failed(database, code, error);
}

auxo_status auxo__database_open(auxo__database *database, const char *path, bool create, bool read_only,
                                double lock_seconds, auxo_error *error)
{
    *database = (auxo__database){.path = strdup(path), .lock_seconds = lock_seconds, .read_only = read_only};
    if (!database->path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    if (!create && access(path, F_OK) != 0)
        return auxo_error_set(error, AUXO_NOT_FOUND, "study: there is no file %s", path);
    if (create && access(path, F_OK) != 0) {
        auxo_status status = auxo__file_check_writable("study", path, error);
        if (status != AUXO_OK)
            return status;
    }
    const int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
    int code = sqlite3_open_v2(path, &database->handle, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code != SQLITE_OK)
        return auxo__database_failed(database, code, error);
    sqlite3_busy_timeout(database->handle, (int)(lock_seconds * 1000));
    /* SQLite opens what it may not write for reading alone, and says so only here. */
    if (!read_only && sqlite3_db_readonly(database->handle, "main") == 1)
        return auxo__database_failed(database, SQLITE_READONLY, error);
    return read_only ? open_unwritable(database, error) : AUXO_OK;
}

auxo_status auxo__database_open_remote(auxo__database *database, const char *path, auxo_cluster *cluster,
                                       bool read_only, double lock_seconds, auxo_error *error)
{
    *database = (auxo__database){.path = strdup(path), .lock_seconds = lock_seconds, .read_only = read_only};
    if (!database->path)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory");
    return auxo__remote_open(cluster, read_only, lock_seconds, &database->remote, error);
}

void auxo__database_close(auxo__database *database)
{
    auxo__remote_close(database->remote);
    sqlite3_close(database->handle);
    free(database->path);
    *database = (auxo__database){0};
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static int bind(sqlite3_stmt *statement, const char *types, va_list values)
{
    int code = SQLITE_OK;
    for (int i = 0; types[i] && code == SQLITE_OK; i++) {
        if (types[i] == 'i') {
            code = sqlite3_bind_int64(statement, i + 1, va_arg(values, int64_t));
        } else if (types[i] == 'd') {
            const double value = va_arg(values, double);
            code = isnan(value) ? sqlite3_bind_null(statement, i + 1) : sqlite3_bind_double(statement, i + 1, value);
        } else {
            const char *text = va_arg(values, const char *);
            code = text ? sqlite3_bind_text(statement, i + 1, text, -1, SQLITE_TRANSIENT)
                        : sqlite3_bind_null(statement, i + 1);
        }
    }
    return code;
}

static auxo_status prepare(auxo__rows *rows, auxo__database *database, auxo_error *error, const char *sql,
                           const char *types, va_list values)
{
    *rows = (auxo__rows){.database = database};
    if (database->remote) {
        auxo_status status = auxo__remote_statement(database->remote, &rows->answer, sql, types, values, error);
        rows->columns = status == AUXO_OK ? auxo__wire_integer(&rows->answer) : 0;
        if (rows->columns > AUXO__COLUMNS_MAX)
            status = auxo_error_set(error, AUXO_INTERNAL, "study: rows of %lld columns", (long long)rows->columns);
        return status;
    }
    int code = sqlite3_prepare_v2(database->handle, sql, -1, &rows->statement, NULL);
    if (code == SQLITE_OK)
        code = bind(rows->statement, types, values);
    return code == SQLITE_OK ? AUXO_OK : auxo__database_failed(database, code, error);
}

auxo_status auxo__rows_begin(auxo__rows *rows, auxo__database *database, auxo_error *error, const char *sql,
                             const char *types, ...)
{
    va_list values;
    va_start(values, types);
    auxo_status status = prepare(rows, database, error, sql, types, values);
    va_end(values);
    return status;
}

/* Numbers read as SQLite converts them. */
static void take_cell(auxo__rows *rows, int64_t column)
{
    const int64_t type = auxo__wire_integer(&rows->answer);
    rows->cells[column].is_null = type == SQLITE_NULL;
    rows->cells[column].integer = 0;
    rows->cells[column].real = 0;
    rows->cells[column].text = NULL;
    if (type == SQLITE_INTEGER) {
        rows->cells[column].integer = auxo__wire_integer(&rows->answer);
        rows->cells[column].real = (double)rows->cells[column].integer;
    } else if (type == SQLITE_FLOAT) {
        rows->cells[column].real = auxo__wire_real(&rows->answer);
        rows->cells[column].integer = (int64_t)rows->cells[column].real;
    } else if (type != SQLITE_NULL) {
        rows->cells[column].text = auxo__wire_text(&rows->answer);
    }
}

static auxo_status next_remote(auxo__rows *rows, bool *more, auxo_error *error)
{
    *more = rows->answer.at < rows->answer.size && auxo__wire_integer(&rows->answer) != 0;
    for (int64_t i = 0; *more && i < rows->columns; i++)
        take_cell(rows, i);
    return rows->answer.failed ? auxo_error_set(error, AUXO_INTERNAL, "study: rows came in parts") : AUXO_OK;
}

auxo_status auxo__rows_next(auxo__rows *rows, bool *more, auxo_error *error)
{
    if (rows->database->remote)
        return next_remote(rows, more, error);
    const int code = sqlite3_step(rows->statement);
    *more = code == SQLITE_ROW;
    return *more || code == SQLITE_DONE ? AUXO_OK : auxo__database_failed(rows->database, code, error);
}

int64_t auxo__rows_integer(const auxo__rows *rows, int column)
{
    if (rows->database->remote)
        return rows->cells[column].integer;
    return sqlite3_column_int64(rows->statement, column);
}

double auxo__rows_real(const auxo__rows *rows, int column)
{
    if (rows->database->remote)
        return rows->cells[column].is_null ? (double)NAN : rows->cells[column].real;
    return sqlite3_column_type(rows->statement, column) == SQLITE_NULL ? (double)NAN
                                                                       : sqlite3_column_double(rows->statement, column);
}

const char *auxo__rows_text(const auxo__rows *rows, int column)
{
    if (rows->database->remote)
        return rows->cells[column].text;
    return (const char *)sqlite3_column_text(rows->statement, column);
}

void auxo__rows_end(auxo__rows *rows)
{
    sqlite3_finalize(rows->statement);
    free(rows->answer.data);
    rows->statement = NULL;
    rows->answer = (auxo__wire){0};
}

auxo_status auxo__database_run(auxo__database *database, auxo_error *error, const char *sql, const char *types, ...)
{
    auxo__rows rows;
    bool more = false;
    va_list values;
    va_start(values, types);
    if (database->remote) {
        auxo_status sent = auxo__remote_run(database->remote, sql, types, values, error);
        va_end(values);
        return sent;
    }
    auxo_status status = prepare(&rows, database, error, sql, types, values);
    va_end(values);
    if (status == AUXO_OK)
        status = auxo__rows_next(&rows, &more, error);
    auxo__rows_end(&rows);
    return status;
}

auxo_status auxo__database_integer(auxo__database *database, int64_t *value, int64_t fallback, auxo_error *error,
                                   const char *sql, const char *types, ...)
{
    auxo__rows rows;
    bool more = false;
    va_list values;
    va_start(values, types);
    auxo_status status = prepare(&rows, database, error, sql, types, values);
    va_end(values);
    if (status == AUXO_OK)
        status = auxo__rows_next(&rows, &more, error);
    *value = more ? auxo__rows_integer(&rows, 0) : fallback;
    auxo__rows_end(&rows);
    return status;
}

auxo_status auxo__database_script(auxo__database *database, const char *sql, auxo_error *error)
{
    if (database->remote)
        return auxo__remote_script(database->remote, sql, error);
    const int code = sqlite3_exec(database->handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? AUXO_OK : auxo__database_failed(database, code, error);
}

void auxo__database_rollback(auxo__database *database)
{
    if (database->remote)
        auxo__remote_script(database->remote, "ROLLBACK", NULL);
    else
        sqlite3_exec(database->handle, "ROLLBACK", NULL, NULL, NULL);
}

int64_t auxo__database_last_id(const auxo__database *database)
{
    return database->remote ? auxo__remote_last_id(database->remote) : sqlite3_last_insert_rowid(database->handle);
}
