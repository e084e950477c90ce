// tests/fuzz/model_fuzz.cpp: model files: description, preprocessing, data schema and weights.
#include "archive_fuzz.hpp"
#include "fuzz_device.hpp"

#include "auxo/schema.h"
#include "auxo/train.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz::Archive archive = fuzz::read_archive(data, size);
    auxo_model *model = nullptr;
    auxo_error error = {};
    if (!archive || auxo__archive_get_model(archive.get(), "", fuzz_device(), &model, &error) != AUXO_OK)
        return 0;
    auxo_model_preprocessing(model);
    auxo_model_destroy(model);
    return 0;
}
