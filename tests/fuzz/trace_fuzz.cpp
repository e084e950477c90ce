// tests/fuzz/trace_fuzz.cpp: performance traces of searches, as comma-separated values.
#include <cstdint>
#include <vector>

extern "C" {
#include "cells.h"
#include "search_internal.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    std::vector<char> text(data, data + size);
    text.push_back('\0');
    auxo_table_format options = {};
    auxo_table *table = nullptr;
    auxo_trace_run run = {};
    auxo_error error = {};
    if (auxo__table_parse("fuzz", text.data(), size, false, &options, &table, &error) != AUXO_OK)
        return 0;
    auxo__trace_points(table, &run, &error);
    auxo_trace_run_deinit(&run);
    auxo_table_destroy(table);
    return 0;
}
