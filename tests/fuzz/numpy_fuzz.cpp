// tests/fuzz/numpy_fuzz.cpp: NumPy's arrays, alone (.npy) and in archives (.npz), read whole and left in their file;
// the first byte says which.
#include "fuzz_file.hpp"

extern "C" {
#include "dataset.h"
#include "loaders.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile array(".npy"), archive(".npz");
    if (size == 0)
        return 0;
    auxo_data_options options = {};
    options.map = data[0] & 2;
    auxo_dataset *train = nullptr, *test = nullptr;
    auxo_error error = {};
    uint64_t hash = 0;
    const char *path = (data[0] & 1 ? archive : array).hold(data + 1, size - 1);
    if (auxo__load_numpy(path, &options, &train, &test, &error) == AUXO_OK && train)
        auxo_dataset_content_hash(train, train->row_count, &hash, &error);
    auxo_dataset_destroy(train);
    auxo_dataset_destroy(test);
    return 0;
}
