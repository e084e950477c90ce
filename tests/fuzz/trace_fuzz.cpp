// tests/fuzz/trace_fuzz.cpp: performance traces of searches, as comma-separated values.
#include "fuzz_file.hpp"

#include "auxo/search.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    auxo_trace_run run = {};
    auxo_error error = {};
    if (auxo_trace_read(file.hold(data, size), &run, &error) == AUXO_OK)
        auxo_trace_run_deinit(&run);
    return 0;
}
