// tests/fuzz/hazard_fuzz.cpp: baseline hazards as survival models hold them, without the network: times, values, and
// the times and events of training.
#include "archive_fuzz.hpp"

#include <initializer_list>

extern "C" {
#include "survival_internal.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const fuzz::Archive archive = fuzz::read_archive(data, size);
    auxo_survival_model model = {};
    auxo_error error = {};
    if (archive && auxo__hazard_read(archive.get(), "fuzz", &model, &error) == AUXO_OK)
        for (double time : {-1.0, 0.0, 2.5, 1e300}) {
            const double alive = auxo_survival_probability(&model.hazard, 0.5, time);
            if (!(alive >= 0 && alive <= 1))
                std::abort();
        }
    auxo_survival_model_deinit(&model);
    return 0;
}
