// tests/fuzz/csv_fuzz.cpp: CSV text, and the data sets made of it.
#include "table_fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_table(data, size, false);
    return 0;
}
