// tests/fuzz/config_fuzz.cpp: files of settings ("auxo run FILE.json", --config).
#include "fuzz_file.hpp"

#include "auxo/run.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    const char *path = file.hold(data, size);
    auxo_error error = {};
    auxo_settings *settings = nullptr;
    const auxo_method *method = nullptr;
    if (auxo_settings_file_method(path, &method, &error) != AUXO_OK)
        return 0;
    if (auxo_settings_create(method ? method : auxo_method_find("train"), &settings, &error) != AUXO_OK)
        return 0;
    auxo_settings_load(settings, path, &error);
    auxo_settings_destroy(settings);
    return 0;
}
