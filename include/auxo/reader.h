/* auxo/reader.h: what a library provides that reads files of a format by means of a library of others, so that libauxo
 * needs none of those (libauxo_reader_png.so).
 *
 * Such a library exports `const auxo_reader *auxo_reader_entry(void)`. It reads only; what declared sizes may be is
 * decided by libauxo before any memory is taken. Calls for one file come from one thread.
 */
#ifndef AUXO_READER_H
#define AUXO_READER_H

#include "auxo/arrays.h"

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { AUXO_READER_VERSION = 1 };

/* What a picture says of itself before its values are read. */
typedef struct auxo_picture_head {
    uint32_t channels, height, width; /* channels: 1 grey, 3 red green blue */
    bool alpha;                       /* a further value for each pixel: how opaque it is */
    bool deep;                        /* values of 16 bits, 0 to 65535, not of 8 */
    uint64_t ratio;                   /* a byte of the file holds at most so many bytes of values */
} auxo_picture_head;

typedef struct auxo_picture_reader {
    /* path: named in messages only. bytes[size] stay until close. Nothing is open after a failure. Errors: FORMAT. */
    auxo_status (*open)(const char *path, const uint8_t *bytes, size_t size, void **picture, auxo_picture_head *head,
                        auxo_error *error);
    /* values: (height, width, channels + alpha) of u8, or of u16 in the machine's order. Once for each open. */
    auxo_status (*read)(void *picture, void *values, auxo_error *error);
    void (*close)(void *picture);
} auxo_picture_reader;

/* What an array of a file says of itself before its values are read. rank 0: there is none of that name. */
typedef struct auxo_array_head {
    auxo_element element; /* AUXO_ELEMENT_COUNT: of another kind, complex ones included */
    uint32_t rank;
    uint64_t dims[AUXO_ARRAY_RANK_MAX]; /* the first runs fastest */
} auxo_array_head;

typedef struct auxo_array_reader {
    auxo_status (*open)(const char *path, void **file, auxo_error *error);
    /* An array by name; NULL where there is none, or one of more than AUXO_ARRAY_RANK_MAX dimensions. */
    void *(*find)(void *file, const char *name, auxo_array_head *head);
    /* The values of the whole array, which stay until it is released; NULL if they cannot be read. */
    const void *(*read)(void *file, void *array);
    void (*release)(void *array); /* before close; NULL is allowed */
    void (*close)(void *file);
} auxo_array_reader;

typedef struct auxo_reader {
    const char *name;                    /* as in the file's name */
    size_t struct_size;                  /* of this struct; a library built for another one is refused */
    uint32_t version;                    /* AUXO_READER_VERSION */
    const auxo_picture_reader *pictures; /* NULL: reads none */
    const auxo_array_reader *arrays;     /* NULL: reads none */
} auxo_reader;

#ifdef __cplusplus
}
#endif
#endif
