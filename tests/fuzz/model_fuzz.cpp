// tests/fuzz/model_fuzz.cpp: model files: description, preprocessing, data schema and weights.
#include "fuzz_device.hpp"
#include "fuzz_file.hpp"

#include "auxo/schema.h"
#include "auxo/train.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    auxo_model *model = nullptr;
    auxo_error error = {};
    if (auxo_model_load(fuzz_device(), file.hold(data, size), &model, &error) != AUXO_OK)
        return 0;
    auxo_model_preprocessing(model);
    auxo_model_destroy(model);
    return 0;
}
