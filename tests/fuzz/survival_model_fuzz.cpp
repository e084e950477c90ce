// tests/fuzz/survival_model_fuzz.cpp: survival models: a network and its baseline hazard.
#include "fuzz_device.hpp"
#include "fuzz_file.hpp"

#include "auxo/survival.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    auxo_survival_model model = {};
    auxo_error error = {};
    if (auxo_survival_model_load(fuzz_device(), file.hold(data, size), &model, &error) != AUXO_OK)
        return 0;
    auxo_survival_probability(&model.hazard, 0.5, 3);
    auxo_survival_model_deinit(&model);
    return 0;
}
