/* trace_pool.c: performance traces of random search made of iterations that are drawn from a pool (Cahlik 2022,
 * 6.2.2.1): its models are independent, so that every order of any of them is a run that might have been.
 */
#include "search_internal.h"

#include <math.h>
#include <stdlib.h>

/* The epochs of one model within a run, and when it began. */
typedef struct iteration {
    const auxo_trace_point *points;
    size_t count;
    double began;
} iteration;

/* A run's models but the last, which its end may have cut off; room for a model each point. */
static size_t list_iterations(const auxo_trace *run, iteration *iterations)
{
    size_t found = 0;
    for (size_t begin = 0, end; begin < run->count; begin = end) {
        for (end = begin; end < run->count && run->points[end].evaluation == run->points[begin].evaluation;)
            end++;
        if (end < run->count)
            iterations[found++] =
                (iteration){&run->points[begin], end - begin, begin ? run->points[begin - 1].seconds : 0};
    }
    return found;
}

typedef struct sampled_trace {
    auxo_trace_point *points;
    size_t count, capacity;
} sampled_trace;

/* Appends a model's epochs that end before `until`; false: no memory. */
static bool append(sampled_trace *trace, const iteration *model, uint64_t number, double start, double until)
{
    for (size_t i = 0; i < model->count; i++) {
        const double seconds = start + (model->points[i].seconds - model->began);
        if (seconds > until && trace->count > 0)
            return true;
        if (trace->count == trace->capacity) {
            const size_t larger = trace->capacity ? 2 * trace->capacity : 64;
            auxo_trace_point *grown = realloc(trace->points, larger * sizeof *grown);
            if (!grown)
                return false;
            trace->points = grown;
            trace->capacity = larger;
        }
        const double quality = model->points[i].quality;
        const double before = trace->count ? trace->points[trace->count - 1].best : -INFINITY;
        trace->points[trace->count] = (auxo_trace_point){.seconds = seconds,
                                                         .epoch = trace->count + 1,
                                                         .evaluation = number,
                                                         .quality = quality,
                                                         .best = fmax(before, quality)};
        trace->count++;
    }
    return true;
}

auxo_status auxo_trace_sample(const auxo_trace *runs, size_t count, double until, uint64_t seed, uint64_t number,
                              auxo_trace_run *run, auxo_error *error)
{
    size_t points = 0, found = 0;
    *run = (auxo_trace_run){0};
    for (size_t i = 0; i < count; i++)
        points += runs[i].count;
    iteration *iterations = malloc((points + 1) * sizeof *iterations);
    if (!iterations)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "a sampled trace: out of memory");
    for (size_t i = 0; i < count; i++)
        found += list_iterations(&runs[i], iterations + found);
    sampled_trace trace = {0};
    auxo__random random;
    auxo__random_init(&random, seed, AUXO__STREAM_POOL, number);
    double start = 0;
    bool right = found > 0;
    for (uint64_t model = 1; right && start < until; model++) {
        const iteration *drawn = &iterations[auxo__random_below(&random, (uint32_t)found)];
        const double seconds = drawn->points[drawn->count - 1].seconds - drawn->began;
        right = append(&trace, drawn, model, start, until);
        start += fmax(seconds, until * 1e-6); /* models that took no time at all must not keep it going for ever */
    }
    free(iterations);
    run->points = trace.points;
    run->count = trace.count;
    if (found == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "a pool of models needs runs in which at least one was followed by another");
    return right ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "a sampled trace: out of memory");
}
