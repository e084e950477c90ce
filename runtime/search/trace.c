/* runtime/search/trace.c: performance traces and profiles (Cahlik 2022, 2.1.2.2 and eq. 2.1). */
#include "auxo/search.h"

#include <math.h>

double auxo_trace_best_at(const auxo_trace_point *points, size_t count, double seconds)
{
    size_t low = 0, high = count; /* the first point later than `seconds` lies in [low, high] */
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (points[middle].seconds <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? points[low - 1].best : -INFINITY;
}

double auxo_profile_share(const auxo_trace *traces, size_t count, double seconds, double quality)
{
    size_t reached = 0;
    for (size_t i = 0; i < count; i++)
        reached += auxo_trace_best_at(traces[i].points, traces[i].count, seconds) >= quality;
    return count ? (double)reached / (double)count : NAN;
}
