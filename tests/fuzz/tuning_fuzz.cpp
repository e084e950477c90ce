// tests/fuzz/tuning_fuzz.cpp: tuning files.
#include <cstdint>
#include <string>

extern "C" {
#include "tuning.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auxo_error error = {};
    auxo_tuning *tuning = nullptr;
    if (auxo_tuning_create(&tuning, &error) != AUXO_OK)
        return 0;
    auxo__tuning_parse("fuzz", std::string(data, data + size).c_str(), nullptr, nullptr, tuning, &error);
    auxo_tuning_destroy(tuning);
    return 0;
}
