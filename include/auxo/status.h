/* auxo/status.h: what every fallible function returns, and the text that goes with it.
 *
 * Owns the status codes and `auxo_error`, the caller-owned place where a failing function writes one
 * line: what was wrong, where, and what to do. There is no global or thread-local error state.
 */
#ifndef AUXO_STATUS_H
#define AUXO_STATUS_H

#include "auxo/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, text): NAME becomes AUXO_<NAME>; text is what auxo_status_text returns. */
#define AUXO_STATUS_TABLE(X)                                                                                           \
    X(OK, "success")                                                                                                   \
    X(INVALID_ARGUMENT, "invalid argument")                                                                            \
    X(OUT_OF_MEMORY, "out of host memory")                                                                             \
    X(OUT_OF_DEVICE_MEMORY, "out of device memory")                                                                    \
    X(UNSUPPORTED, "not supported")                                                                                    \
    X(NOT_FOUND, "not found")                                                                                          \
    X(AMBIGUOUS, "several matches")                                                                                    \
    X(IO, "input/output error")                                                                                        \
    X(FORMAT, "malformed data")                                                                                        \
    X(DEVICE_LOST, "device lost")                                                                                      \
    X(DRIVER, "driver error")                                                                                          \
    X(WRONG_RESULT, "device computed a wrong result")                                                                  \
    X(NOT_FINITE, "value is not finite")                                                                               \
    X(INTERRUPTED, "interrupted")                                                                                      \
    X(INTERNAL, "internal error")

typedef enum auxo_status {
#define AUXO_STATUS_ENUM(name, text) AUXO_##name,
    AUXO_STATUS_TABLE(AUXO_STATUS_ENUM)
#undef AUXO_STATUS_ENUM
        AUXO_STATUS_COUNT
} auxo_status;

/* The text of the last failure. Ownership: the caller's, usually on the stack; zero-initialise it.
 * Every function that takes `auxo_error *error` accepts NULL and leaves it untouched on success. */
typedef struct auxo_error {
    auxo_status status;
    char message[512]; /* one line, UTF-8, no trailing newline */
} auxo_error;

#if defined(__GNUC__)
#define AUXO_PRINTF(format_index, first_index) __attribute__((format(printf, format_index, first_index)))
#else
#define AUXO_PRINTF(format_index, first_index)
#endif

/* Generic text of a status, for example "device lost". Never NULL. */
AUXO_API const char *auxo_status_text(auxo_status status);

/* Writes a formatted one-line message into `error` (NULL is allowed) and returns `status`, so that
 * `return auxo_error_set(error, AUXO_FORMAT, "...")` is the usual way to fail. */
AUXO_API auxo_status auxo_error_set(auxo_error *error, auxo_status status, const char *format, ...) AUXO_PRINTF(3, 4);

/* Puts "context: " before an existing message, to say where it happened. Returns error's status,
 * or `status` when error is NULL. */
AUXO_API auxo_status auxo_error_wrap(auxo_error *error, auxo_status status, const char *format, ...) AUXO_PRINTF(3, 4);

#ifdef __clang_analyzer__
/* Tells the static analyser what auxo_error_set promises: the status returned is the one given. */
#define auxo_error_set(error, status, ...) (auxo_error_set((error), (status), __VA_ARGS__), (status))
#endif

#ifdef __cplusplus
}
#endif
#endif
