// tests/fuzz/json_fuzz.cpp: JSON texts: what cJSON refuses must never be told as lack of memory.
#include <cjson/cJSON.h>
#include <cstdint>
#include <cstdlib>

extern "C" {
#include "json.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    cJSON *root = nullptr;
    auxo_error error = {};
    auxo_status status = auxo__json_parse(reinterpret_cast<const char *>(data), size, &root, &error);
    if (status != AUXO_OK && status != AUXO_FORMAT)
        std::abort();
    cJSON_Delete(root);
    return 0;
}
