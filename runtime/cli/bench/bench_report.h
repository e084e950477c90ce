/* runtime/cli/bench/bench_report.h: benchmark results as one HTML file. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include "bench_result.h"

/* Devices side by side, one roofline per device, all numbers. Errors: OUT_OF_MEMORY, IO. */
auxo_status bench_report_write(const bench_results *results, const char *path, auxo_error *error);

#endif
