// tests/fuzz/self_test_fuzz.cpp: files of proven kernels; after the first byte, the checksum is made right or left.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <vector>

#include <xxhash.h>

extern "C" {
#include "self_test_file.h"
}

namespace
{

void keep(void *user, const char *key)
{
    *static_cast<size_t *>(user) += std::strlen(key);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    auxo_device_info info = {};
    std::snprintf(info.backend, sizeof info.backend, "cpu");
    std::snprintf(info.name, sizeof info.name, "fuzz");
    std::snprintf(info.driver, sizeof info.driver, "1");
    std::vector<char> text(data + 1, data + size);
    if (data[0] % 2) { // a file as it is written, of these keys
        auxo__json head = {};
        auxo__proofs_begin(&head, &info);
        text.insert(text.begin(), head.text, head.text + head.used);
        auxo__json_deinit(&head);
        char line[32];
        std::snprintf(line, sizeof line, "checksum %016llx\n",
                      static_cast<unsigned long long>(XXH3_64bits(text.data(), text.size())));
        text.insert(text.end(), line, line + std::strlen(line));
    }
    size_t total = 0;
    auxo__proofs_read(text.data(), text.size(), &info, keep, &total);
    return 0;
}
