// tests/fuzz/arff_fuzz.cpp: ARFF text, and the data sets made of it. Half of the inputs are the rows of a fixed header.
#include "table_fuzz.hpp"

#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char header[] = "@relation r\n@attribute t numeric\n@attribute e {0,1}\n@attribute g string\n"
                                 "@attribute s {'a b',c}\n@attribute x real\n@data\n";
    if (size == 0)
        return 0;
    std::string text = data[0] & 1 ? header : "";
    text.append(reinterpret_cast<const char *>(data + 1), size - 1);
    fuzz_table(reinterpret_cast<const uint8_t *>(text.data()), text.size(), true);
    return 0;
}
