// tests/fuzz/survival_model_fuzz.cpp: survival models: a network, its baseline hazard, and times and events of
// training.
#include "archive_fuzz.hpp"
#include "fuzz_device.hpp"

extern "C" {
#include "survival_internal.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz::Archive archive = fuzz::read_archive(data, size);
    auxo_survival_model model = {};
    auxo_error error = {};
    if (archive && auxo__survival_model_read(fuzz_device(), archive.get(), "fuzz", &model, &error) == AUXO_OK)
        auxo_survival_probability(&model.hazard, 0.5, 3);
    auxo_survival_model_deinit(&model);
    return 0;
}
