// tests/fuzz/mat_fuzz.cpp: MATLAB files, as SVHN comes in.
#include "fuzz_file.hpp"

extern "C" {
#include "dataset.h"
#include "loaders.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    auxo_dataset *dataset = nullptr;
    auxo_error error = {};
    auxo__svhn_read(file.hold(data, size), 4, &dataset, &error);
    auxo_dataset_destroy(dataset);
    return 0;
}
