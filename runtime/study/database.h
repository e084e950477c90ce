/* database.h: SQLite as this folder uses it: statements with values in, rows out, and every failure one line that says
 * what to do.
 */
#ifndef AUXO_STUDY_DATABASE_H
#define AUXO_STUDY_DATABASE_H

#include "auxo/status.h"
#include "remote.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct auxo__database {
    sqlite3 *handle;
    char *path;          /* as it was given; for messages */
    double lock_seconds; /* how long a lock of another process is waited for */
    bool read_only;
    auxo__remote *remote; /* not NULL: it is rank 0's, and statements go there */
} auxo__database;

/* Opens the file. `create`: if it does not exist. Errors: NOT_FOUND, IO. Ownership: close, also after a failure. */
auxo_status auxo__database_open(auxo__database *database, const char *path, bool create, bool read_only,
                                double lock_seconds, auxo_error *error);
void auxo__database_close(auxo__database *database);
/* The same file as rank 0 has opened it. */
auxo_status auxo__database_open_remote(auxo__database *database, const char *path, auxo_cluster *cluster,
                                       bool read_only, double lock_seconds, auxo_error *error);
/* What an error code of SQLite means to the user of a study. */
auxo_status auxo__database_failed(const auxo__database *database, int code, auxo_error *error);

/* Runs one statement without results. `types`: one letter per value: 'i' int64_t, 'd' double (NaN: NULL), 't' const
 * char * (NULL: NULL). */
auxo_status auxo__database_run(auxo__database *database, auxo_error *error, const char *sql, const char *types, ...);
/* Several statements without values, separated by ';'. */
auxo_status auxo__database_script(auxo__database *database, const char *sql, auxo_error *error);
void auxo__database_rollback(auxo__database *database);
/* Of the row that was inserted last. */
int64_t auxo__database_last_id(const auxo__database *database);

/* A statement with rows. */
enum { AUXO__COLUMNS_MAX = 16 };
typedef struct auxo__rows {
    auxo__database *database;
    sqlite3_stmt *statement;
    auxo__wire answer; /* of a remote database: what is left of the rows, and the cells of this one */
    int64_t columns;
    struct {
        int64_t integer;
        double real;
        const char *text;
        bool is_null;
    } cells[AUXO__COLUMNS_MAX];
} auxo__rows;
auxo_status auxo__rows_begin(auxo__rows *rows, auxo__database *database, auxo_error *error, const char *sql,
                             const char *types, ...);
/* *more false: there is none. */
auxo_status auxo__rows_next(auxo__rows *rows, bool *more, auxo_error *error);
int64_t auxo__rows_integer(const auxo__rows *rows, int column);
double auxo__rows_real(const auxo__rows *rows, int column);      /* NaN where it is NULL */
const char *auxo__rows_text(const auxo__rows *rows, int column); /* until the next row; NULL where it is NULL */
void auxo__rows_end(auxo__rows *rows);

/* The one integer that a query gives; `fallback` without a row. */
auxo_status auxo__database_integer(auxo__database *database, int64_t *value, int64_t fallback, auxo_error *error,
                                   const char *sql, const char *types, ...);
#endif
