/* auxo/export.h: AUXO_API stands before every public declaration. What the library does not declare in these headers it
 * does not export.
 */
#ifndef AUXO_EXPORT_H
#define AUXO_EXPORT_H

#if defined(__GNUC__)
#define AUXO_API __attribute__((visibility("default")))
#else
#define AUXO_API
#endif

#endif
