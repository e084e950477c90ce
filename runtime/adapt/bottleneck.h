/* bottleneck.h: directions of new units by the expressivity bottleneck, from gradients and activations on the host.
 */
#ifndef AUXO_ADAPT_BOTTLENECK_H
#define AUXO_ADAPT_BOTTLENECK_H

#include "auxo/status.h"

#include <stdint.h>

typedef struct auxo__bottleneck {
    int64_t in, units, out, rows;
    const float *x, *b;   /* (rows, in) what the layer reads, (rows, units) what the reader reads */
    const double *past;   /* (out, in): mean gradient of a layer past the new units */
    const double *reader; /* (out, units): mean gradient of the reader's own weight */
} auxo__bottleneck;
/* directions (in, in): row k what the unit with the k-th smallest part of the bottleneck reads, as long as gives its
 * sums variance 1 over the rows; squared (in), ascending: the squared gradient that its outgoing weights have of what
 * the reader cannot follow itself. Errors: UNSUPPORTED: no LAPACK. */
auxo_status auxo__bottleneck_directions(const auxo__bottleneck *of, double *directions, double *squared,
                                        auxo_error *error);

#endif
