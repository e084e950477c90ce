// tests/fuzz/packed_fuzz.cpp: gzip and xz files in memory.
#include "auxo/status.h"

#include <cstdint>
#include <cstdlib>

extern "C" {
#include "bytes.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *bytes = nullptr;
    size_t unpacked = 0;
    auxo_error error = {};
    if (auxo__bytes_unpack("fuzz", data, size, &bytes, &unpacked, &error) == AUXO_OK)
        std::free(bytes);
    return 0;
}
