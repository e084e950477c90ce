// tests/fuzz/schema_fuzz.cpp: descriptions of data sets, as model files hold them.
#include "auxo/schema.h"

#include <cstdint>
#include <cstdlib>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auxo_error error = {};
    auxo_data_schema *schema = nullptr, *copy = nullptr;
    if (auxo_data_schema_parse(std::string(data, data + size).c_str(), &schema, &error) != AUXO_OK)
        return 0;
    char *text = nullptr;
    if (auxo_data_schema_copy(schema, &copy, &error) == AUXO_OK &&
        auxo_data_schema_describe(copy, &text, &error) == AUXO_OK)
        std::free(text);
    for (int64_t feature = 0; feature < schema->channels && feature < 100; feature++)
        auxo_data_schema_input(schema, size_t(feature), nullptr);
    auxo_data_schema_destroy(schema);
    auxo_data_schema_destroy(copy);
    return 0;
}
