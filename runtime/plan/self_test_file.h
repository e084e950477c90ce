/* self_test_file.h: the text in which proofs of kernel variants are kept: a head that says what they are valid for, one
 * key a line, and a checksum (XXH3, 64 bits) over all before it.
 */
#ifndef AUXO_PLAN_SELF_TEST_FILE_H
#define AUXO_PLAN_SELF_TEST_FILE_H

#include "auxo/device.h"
#include "json.h"

/* Begins a text; its keys follow by auxo__proofs_add, and auxo__proofs_end. Lack of memory is told by
 * auxo__json_finish. */
void auxo__proofs_begin(auxo__json *text, const auxo_device_info *info);
void auxo__proofs_add(auxo__json *text, const char *key);
void auxo__proofs_end(auxo__json *text);

/* Calls `visit` for every key of a text that was written for this device, driver and library version, and is whole;
 * otherwise not at all. Cuts the text into lines. */
void auxo__proofs_read(char *text, size_t size_bytes, const auxo_device_info *info,
                       void (*visit)(void *user, const char *key), void *user);

#endif
