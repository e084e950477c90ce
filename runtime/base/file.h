/* file.h: the one file layer: whole files read, files replaced as a whole, locks that die with their process.
 *
 * A written file is first a temporary one beside its place, then synced and renamed, and the folder is synced: at any
 * moment the path holds all of the old content or all of the new. Through a symbolic link the file it names is
 * replaced and the link stays. What is no regular file (a FIFO, a device node) is written to, never replaced.
 */
#ifndef AUXO_BASE_FILE_H
#define AUXO_BASE_FILE_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* Reads a file and adds a terminating 0. Ownership: free(*data). Errors: NOT_FOUND, IO, OUT_OF_MEMORY. */
auxo_status auxo__file_read(const char *path, char **data, size_t *size_bytes, auxo_error *error);

/* A file being replaced. Zero-initialise; after a successful open exactly one of commit and abort ends it. */
typedef struct auxo__file_writer {
    FILE *stream;
    char *target, *temporary; /* temporary NULL: target is written to directly */
} auxo__file_writer;
/* Errors: IO, also if another process is writing the same file. */
auxo_status auxo__file_writer_open(auxo__file_writer *writer, const char *path, auxo_error *error);
auxo_status auxo__file_writer_write(auxo__file_writer *writer, const void *data, size_t size_bytes, auxo_error *error);
/* Flushes, syncs, renames and syncs the folder. The writer is ended whatever is returned. */
auxo_status auxo__file_writer_commit(auxo__file_writer *writer, auxo_error *error);
void auxo__file_writer_abort(auxo__file_writer *writer);

/* All of that for bytes in memory. Errors: IO. */
auxo_status auxo__file_write_atomic(const char *path, const void *data, size_t size_bytes, auxo_error *error);

/* Fails (INVALID_ARGUMENT) if a file could not be written at `path`, so that hours of work are not lost at their end.
 * Creates nothing. `what` begins the message. NULL path: fine. */
auxo_status auxo__file_check_writable(const char *what, const char *path, auxo_error *error);

/* What an errno of opening a file is: NOT_FOUND, OUT_OF_MEMORY or IO. */
auxo_status auxo__file_status(int reason);
bool auxo__file_exists(const char *path);
bool auxo__is_folder(const char *path);
/* Neither a folder nor a pipe or device. */
bool auxo__is_regular_file(const char *path);
/* Creates `path` and its parents if they do not exist. Errors: IO. */
auxo_status auxo__make_folder(const char *path, auxo_error *error);

/* The operating system's lock on PATH.lock, held until unlock or until the process ends, however it ends. */
typedef struct auxo__file_lock {
    int descriptor; /* -1: not held */
    char *path;
} auxo__file_lock;
#define AUXO__FILE_UNLOCKED                                                                                            \
    {                                                                                                                  \
        -1, NULL                                                                                                       \
    }
/* Errors: IO names the process that holds it. wait: wait for it instead. */
auxo_status auxo__file_lock_take(auxo__file_lock *lock, const char *path, bool wait, auxo_error *error);
void auxo__file_lock_release(auxo__file_lock *lock);

#endif
