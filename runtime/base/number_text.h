/* number_text.h: numbers as people read them: 1,234,567; 12.3 MiB; 1:02:03.
 */
#ifndef AUXO_BASE_NUMBER_TEXT_H
#define AUXO_BASE_NUMBER_TEXT_H

#include <stddef.h>
#include <stdint.h>

/* All return `buffer`. */
const char *auxo__format_count(char *buffer, size_t size, uint64_t value);
const char *auxo__format_bytes(char *buffer, size_t size, uint64_t bytes);
const char *auxo__format_duration(char *buffer, size_t size, double seconds); /* "-" if unknown */

#endif
