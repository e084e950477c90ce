// tests/fuzz/model_json_fuzz.cpp: descriptions of networks; one that is accepted is written and read again, the same.
#include "auxo/model.h"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auxo_error error = {};
    auxo_model_desc desc, again;
    if (auxo_model_desc_from_json(std::string(data, data + size).c_str(), &desc, &error) != AUXO_OK)
        return 0;
    char *text = nullptr, *second = nullptr;
    if (auxo_model_desc_to_json(&desc, &text, &error) != AUXO_OK ||
        auxo_model_desc_from_json(text, &again, &error) != AUXO_OK ||
        auxo_model_desc_to_json(&again, &second, &error) != AUXO_OK || std::strcmp(text, second) != 0)
        std::abort();
    std::free(text);
    std::free(second);
    auxo_model_desc_deinit(&again);
    auxo_model_desc_deinit(&desc);
    return 0;
}
