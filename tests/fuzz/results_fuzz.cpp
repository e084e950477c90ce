// tests/fuzz/results_fuzz.cpp: result files of benchmarks.
#include "fuzz_file.hpp"

#include "auxo/bench.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    auxo_bench_results results = {};
    auxo_error error = {};
    if (auxo_bench_results_load(file.hold(data, size), &results, &error) == AUXO_OK)
        auxo_bench_results_deinit(&results);
    return 0;
}
