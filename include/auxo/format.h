/* auxo/format.h: numbers as people read them: 1,234,567; 12.3 MiB; 1:02:03.
 */
#ifndef AUXO_FORMAT_H
#define AUXO_FORMAT_H

#include "auxo/export.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* All return `buffer`. */
AUXO_API const char *auxo_format_count(char *buffer, size_t size, uint64_t value);
AUXO_API const char *auxo_format_bytes(char *buffer, size_t size, uint64_t bytes);
AUXO_API const char *auxo_format_duration(char *buffer, size_t size, double seconds); /* "-" if unknown */

#ifdef __cplusplus
}
#endif
#endif
