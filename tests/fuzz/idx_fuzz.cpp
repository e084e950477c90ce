// tests/fuzz/idx_fuzz.cpp: IDX image and label files. The first byte says where the second file begins; the magic
// numbers are put in place half of the time, so that the sizes are reached.
#include "auxo/data.h"

#include <cstring>
#include <vector>

extern "C" {
#include "idx.h"
}

static void put_magic(std::vector<uint8_t> &file, uint8_t rank)
{
    const uint8_t magic[4] = {0, 0, 8, rank};
    if (file.size() >= 4)
        std::memcpy(file.data(), magic, 4);
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t cut = 2 + size_t(data[0]) % (size - 1);
    std::vector<uint8_t> images(data + 2, data + cut), labels(data + cut, data + size);
    if (data[1] & 1) {
        put_magic(images, 3);
        put_magic(labels, 1);
    }
    auxo_dataset *dataset = nullptr;
    auxo_error error = {};
    if (auxo__idx_dataset("fuzz", "images", images.data(), images.size(), "labels", labels.data(), labels.size(), 10,
                          data[1] >> 1, &dataset, &error) == AUXO_OK)
        auxo_dataset_destroy(dataset);
    return 0;
}
