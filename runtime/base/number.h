/* number.h: numbers as text that never depend on the locale of the program around the library.
 *
 * Owns the way between doubles and text. Everything that is read or written as a file, a setting or a message goes
 * through here: under a German locale, strtod would stop at the point of "1.5", and printf would write "1,5".
 */
#ifndef AUXO_BASE_NUMBER_H
#define AUXO_BASE_NUMBER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/* strtod and snprintf in the C locale, whatever locale the thread has. */
double auxo__text_to_double(const char *text, char **end);
int auxo__number_print(char *text, size_t size, const char *format, ...) __attribute__((format(__printf__, 3, 4)));
int auxo__number_vprint(char *text, size_t size, const char *format, va_list arguments)
    __attribute__((format(__printf__, 3, 0)));

/* The C locale for the calling thread from enter to leave, for code that reads or prints many numbers (cJSON). */
typedef struct auxo__number_scope {
    void *previous; /* the thread's locale_t */
} auxo__number_scope;
auxo__number_scope auxo__number_scope_enter(void);
void auxo__number_scope_leave(auxo__number_scope scope);

/* Reads a plain decimal number [+-]digits[point digits][e[+-]digits] from `length` characters, all of them, to the
 * nearest double; false for anything else (hexadecimal, inf, nan, blanks). A number too large becomes infinite. */
bool auxo__decimal_parse(const char *text, size_t length, char point, double *value);

#endif
