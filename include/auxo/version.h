/* auxo/version.h: the version of the headers, and that of the library that runs.
 *
 * Rule. Programs: within one minor version (0.1.x) the exported functions, structs and enums only grow at the end of
 * the headers' lists, so a program built against 0.1.0 runs with 0.1.5; another minor version may change anything, and
 * the library's soname changes with it. Zero-initialise every options struct, so that new fields mean their defaults.
 * Backends: AUXO_BACKEND_ABI_VERSION in auxo/backend.h counts every change of the interface that backends implement;
 * a backend built for another number, or with another size of its table, is not used, and it is said why.
 */
#ifndef AUXO_VERSION_H
#define AUXO_VERSION_H

#include "auxo/export.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The build reads the version from here. */
#define AUXO_VERSION_MAJOR 0
#define AUXO_VERSION_MINOR 1
#define AUXO_VERSION_PATCH 0
#define AUXO_VERSION "0.1.0"

/* The version of the library that is linked, as AUXO_VERSION was when it was built. */
AUXO_API const char *auxo_version(void);

#ifdef __cplusplus
}
#endif
#endif
