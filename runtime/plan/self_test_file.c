/* self_test_file.c: see self_test_file.h.
 */
#include "self_test_file.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char CHECKSUM[] = "checksum ";
enum { HEAD_BYTES = 640, CHECKSUM_LINE_BYTES = sizeof CHECKSUM - 1 + 16 + 1 };

static void make_head(const auxo_device_info *info, char head[HEAD_BYTES])
{
    snprintf(head, HEAD_BYTES,
             "# Kernel variants that passed their self-test on this device; delete the file to test again.\n"
             "library %s\nbackend %s\ndevice %s\ndriver %s\n",
             AUXO_VERSION, info->backend, info->name, info->driver);
}

static void make_checksum(const char *text, size_t size_bytes, char line[CHECKSUM_LINE_BYTES + 1])
{
    snprintf(line, CHECKSUM_LINE_BYTES + 1, "%s%016" PRIx64 "\n", CHECKSUM, (uint64_t)XXH3_64bits(text, size_bytes));
}

void auxo__proofs_begin(auxo__json *text, const auxo_device_info *info)
{
    char head[HEAD_BYTES];
    make_head(info, head);
    auxo__json_append(text, head, strlen(head));
}

void auxo__proofs_add(auxo__json *text, const char *key)
{
    auxo__json_append(text, key, strlen(key));
    auxo__json_append(text, "\n", 1);
}

void auxo__proofs_end(auxo__json *text)
{
    char line[CHECKSUM_LINE_BYTES + 1];
    if (text->failed)
        return;
    make_checksum(text->text, text->used, line);
    auxo__json_append(text, line, CHECKSUM_LINE_BYTES);
}

void auxo__proofs_read(char *text, size_t size_bytes, const auxo_device_info *info,
                       void (*visit)(void *user, const char *key), void *user)
{
    char head[HEAD_BYTES], line[CHECKSUM_LINE_BYTES + 1];
    make_head(info, head);
    size_t head_bytes = strlen(head);
    if (size_bytes < head_bytes + CHECKSUM_LINE_BYTES || memcmp(text, head, head_bytes) != 0)
        return;
    size_t keys_end = size_bytes - CHECKSUM_LINE_BYTES;
    make_checksum(text, keys_end, line);
    if (memcmp(text + keys_end, line, CHECKSUM_LINE_BYTES) != 0)
        return;
    for (char *at = text + head_bytes, *end; at < text + keys_end; at = end + 1) {
        end = memchr(at, '\n', (size_t)(text + keys_end - at));
        if (!end)
            return;
        *end = '\0';
        visit(user, at);
    }
}
