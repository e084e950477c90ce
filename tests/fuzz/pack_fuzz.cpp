// tests/fuzz/pack_fuzz.cpp: packed sets (.auxo), read whole and left in their file. The first byte: 1 maps, 2 makes the
// checksum of the footer right, so that what it says is believed.
#include "fuzz_file.hpp"

#include <cstring>
#include <vector>

#include <xxhash.h>

extern "C" {
#include "dataset.h"
#include "loaders.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file(".auxo");
    if (size < 2)
        return 0;
    std::vector<uint8_t> bytes(data + 1, data + size);
    if ((data[0] & 2) && bytes.size() >= 64) {
        uint64_t offset = 64;
        while (offset < bytes.size() && bytes[offset] != '{')
            offset++;
        const uint64_t length = bytes.size() - offset, sum = XXH3_64bits(bytes.data() + offset, length);
        std::memcpy(bytes.data(), "AUXODATA\1\0\0\0\0\0\0", 16);
        std::memcpy(bytes.data() + 16, &offset, 8);
        std::memcpy(bytes.data() + 24, &length, 8);
        std::memcpy(bytes.data() + 32, &sum, 8);
    }
    auxo_data_options options = {};
    options.map = data[0] & 1;
    auxo_dataset *train = nullptr, *test = nullptr;
    auxo_error error = {};
    uint64_t hash = 0;
    if (auxo__load_packed(file.hold(bytes.data(), bytes.size()), &options, &train, &test, &error) == AUXO_OK && train)
        auxo_dataset_content_hash(train, train->row_count, &hash, &error);
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    return 0;
}
