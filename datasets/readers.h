/* readers.h: finds what reads a format of files by a library of others (internal to this folder).
 *
 * PNG, JPEG, WebP and MATLAB files are read by libraries that a machine may lack. Each has a reader (auxo/reader.h),
 * which is opened when the first such file comes.
 */
#ifndef AUXO_DATASETS_READERS_H
#define AUXO_DATASETS_READERS_H

#include "auxo/reader.h"

typedef enum auxo__format {
    AUXO__FORMAT_PNG,
    AUXO__FORMAT_JPEG,
    AUXO__FORMAT_WEBP,
    AUXO__FORMAT_MATLAB,
    AUXO__FORMAT_COUNT
} auxo__format;

/* Those found so far; all NULL at first. What a reader is stays valid until the process ends. */
typedef struct auxo__readers {
    const auxo_reader *found[AUXO__FORMAT_COUNT];
} auxo__readers;

/* path: the file that is to be read, for messages. Errors: UNSUPPORTED where there is no such reader, or the library
 * that it needs is missing, with the names of both. */
auxo_status auxo__reader_find(auxo__readers *readers, auxo__format format, const char *path, const auxo_reader **reader,
                              auxo_error *error);

/* NULL at their end; NULL itself: readers are libraries of their own. */
const auxo_reader *const *auxo__linked_readers(void);

#endif
