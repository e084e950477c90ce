/* csv.h: CSV text as rows of cells, one row at a time, from a file or from memory (internal to this folder). */
#ifndef AUXO_DATASETS_CSV_H
#define AUXO_DATASETS_CSV_H

#include "auxo/table.h"

#include <stdio.h>

/* A field without its quotes and escapes; not zero-terminated. Valid until the next row is read. */
typedef struct auxo__cell {
    const char *text;
    size_t length;
} auxo__cell;

/* Where a reader stands. Invariant: buffer[begin, end) is read but not used. */
typedef struct auxo__csv {
    const char *path; /* named in messages; borrowed */
    FILE *file;       /* NULL: all of the text is in the buffer */
    char *buffer;
    size_t begin, end, capacity;
    uint64_t offset; /* of buffer[0] in the text */
    bool ended;      /* nothing more will come into the buffer */
    char delimiter, comment;
    char said_delimiter; /* by a first line sep=C; 0: there is none */
    uint32_t line;       /* of buffer[begin], from 1 */
    uint32_t row_line;   /* of the row just read */
    auxo__cell *cells;   /* of the row just read */
    size_t cell_count, cell_capacity;
    char *scratch; /* fields with escaped quotes, unescaped */
    size_t scratch_used, scratch_capacity;
} auxo__csv;

/* Opens a file that may be packed, and stands before its first row. Errors: NOT_FOUND, IO, FORMAT. */
auxo_status auxo__csv_open(const char *path, const auxo_table_format *format, auxo__csv *csv, auxo_error *error);
/* The same on text in memory, which must outlive it. */
auxo_status auxo__csv_open_text(const char *path, char *text, size_t size, const auxo_table_format *format,
                                auxo__csv *csv, auxo_error *error);
void auxo__csv_close(auxo__csv *csv);
/* Reads the next row that is neither blank nor a comment; *ended instead when there is none. */
auxo_status auxo__csv_next(auxo__csv *csv, bool *ended, auxo_error *error);
/* Back to before the first row. Errors: IO. */
auxo_status auxo__csv_rewind(auxo__csv *csv, auxo_error *error);
/* The one of , ; tab | that the first line has most of, outside quotes; comma if it has none. */
auxo_status auxo__csv_detect_delimiter(auxo__csv *csv, auxo_error *error);

/* All rows as typed columns. */
auxo_status auxo__csv_table(auxo__csv *csv, const auxo_table_format *format, auxo_table **table, auxo_error *error);

#endif
