/* remote.h: the database that rank 0 of a job owns, as the other ranks work on it: statements go there as questions,
 * rows come back as answers. Everything above database.c is the same for all ranks.
 */
#ifndef AUXO_STUDY_REMOTE_H
#define AUXO_STUDY_REMOTE_H

#include "cluster.h"
#include "wire.h"

#include <stdarg.h>

/* What a question asks for; its first integer. An answer begins with a status and the text of its failure. */
typedef enum auxo__question {
    AUXO__ASK_OPEN,      /* read-only, lock seconds -> who the worker is, as JSON */
    AUXO__ASK_STATEMENT, /* SQL, types, values -> columns, then a 1 and the cells of each row, and a 0; the last row id
                          */
    AUXO__ASK_SCRIPT,    /* SQL */
    AUXO__ASK_BATCH,     /* of a transaction: how many, then SQL, types, values of each -> the last row id */
    AUXO__ASK_NOTE,      /* a batch whose answer is looked at with the next question only */
    AUXO__ASK_BEAT,      /* a trial (0: none), seconds: rank 0 shows that its worker lives */
    AUXO__ASK_STORE,     /* name, size, bytes: a file of the study's folder */
    AUXO__ASK_FETCH,     /* name -> size, bytes */
    AUXO__ASK_DISCARD,   /* name */
    AUXO__ASK_END        /* this rank works on the study no more */
} auxo__question;

/* One question at a time, from one thread. */
typedef struct auxo__remote {
    auxo_cluster *cluster;
    char *worker;     /* JSON */
    char folder[256]; /* of this process: files on their way */
    int64_t last_id;
    /* Statements of a transaction whose rows nobody wants: they go with the next question that needs an answer. */
    bool in_transaction;
    auxo__wire pending;
    int64_t pending_count;
    auxo_error broken; /* why a statement of this transaction failed; status OK: none has */
    bool owed;         /* the answer to a note has not been looked at */
} auxo__remote;

/* Ownership: close, also after a failure. */
auxo_status auxo__remote_open(auxo_cluster *cluster, bool read_only, double lock_seconds, auxo__remote **remote,
                              auxo_error *error);
void auxo__remote_close(auxo__remote *remote); /* NULL is allowed */

/* A question to be filled further. */
auxo__wire auxo__remote_question(auxo__question kind);
/* Sends it, and waits for what comes back, past the status; both are to be freed, whatever is returned. */
auxo_status auxo__remote_ask(auxo__remote *remote, auxo__wire *question, auxo__wire *answer, auxo_error *error);
/* A statement's rows. `types` as in database.h. */
auxo_status auxo__remote_statement(auxo__remote *remote, auxo__wire *answer, const char *sql, const char *types,
                                   va_list values, auxo_error *error);
/* One without rows, which nobody waits for. In a transaction its failure may show with a later question of it, at the
 * latest at its end; outside one, with the next question. */
auxo_status auxo__remote_run(auxo__remote *remote, const char *sql, const char *types, va_list values,
                             auxo_error *error);
/* The id of the row that was inserted last. */
int64_t auxo__remote_last_id(auxo__remote *remote);
auxo_status auxo__remote_script(auxo__remote *remote, const char *sql, auxo_error *error);
auxo_status auxo__remote_beat(auxo__remote *remote, int64_t trial, double seconds, auxo_error *error);

#endif
