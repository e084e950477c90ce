// tests/fuzz/norb_fuzz.cpp: small NORB image and category matrices, divided as in idx_fuzz.cpp.
#include "auxo/data.h"

#include <cstring>
#include <vector>

extern "C" {
#include "norb.h"
}

static void put_magic(std::vector<uint8_t> &file, uint8_t kind, uint8_t rank)
{
    const uint8_t header[8] = {kind, 0x4C, 0x3D, 0x1E, rank, 0, 0, 0};
    if (file.size() >= 8)
        std::memcpy(file.data(), header, 8);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = 2 + size_t(data[0]) % (size - 1);
    std::vector<uint8_t> images(data + 2, data + cut), labels(data + cut, data + size);
    if (data[1] & 1) {
        put_magic(images, 0x55, 4);
        put_magic(labels, 0x54, 1);
    }
    auxo_dataset *dataset = nullptr;
    auxo_error error = {};
    if (auxo__norb_dataset("images", images.data(), images.size(), "labels", labels.data(), labels.size(), data[1] >> 1,
                           &dataset, &error) == AUXO_OK)
        auxo_dataset_destroy(dataset);
    return 0;
}
