/* reader_entry.h: how a reader is reached: by the entry of its own library, or where it is linked in, by its name in
 * linked.c (internal to this folder).
 */
#ifndef AUXO_READER_ENTRY_H
#define AUXO_READER_ENTRY_H

#include "auxo/export.h"
#include "auxo/reader.h"

#ifdef AUXO_PLUGIN
#define AUXO_READER(name, its_pictures, its_arrays)                                                                    \
    AUXO_API const auxo_reader *auxo_reader_entry(void);                                                               \
    const auxo_reader *auxo_reader_entry(void)                                                                         \
    {                                                                                                                  \
        static const auxo_reader reader = {#name, sizeof reader, AUXO_READER_VERSION, its_pictures, its_arrays};       \
        return &reader;                                                                                                \
    }
#else
#define AUXO_READER(name, its_pictures, its_arrays)                                                                    \
    extern const auxo_reader auxo__reader_##name;                                                                      \
    const auxo_reader auxo__reader_##name = {#name, sizeof auxo__reader_##name, AUXO_READER_VERSION, its_pictures,     \
                                             its_arrays};
#endif

#endif
