/* bottleneck.c: in which directions new units would express what the network cannot (M. Verbockhaven, T. Rudkiewicz, S.
 * Chevallier, G. Charpiat, "Growing Tiny Networks: Spotting Expressivity Bottlenecks and Fixing Them Optimally", TMLR
 * 2024).
 *
 * Between x -> [layer] -> b -> reader, the gradient V of the reader's sums is what they would have to follow. The
 * reader's own weights already follow its part along b; what is left, V - V b^T (b b^T)^-1 b, is the bottleneck. A unit
 * that reads v (with slope 1 at 0) adds most of it, for its outputs' size, where v maximises |N v|^2 / v^T S v with
 * N = E[V_left x^T], S = E[x x^T]: v = S^-1/2 u, u the right singular vectors of N S^-1/2. N follows from two
 * gradients, those of a layer past the new units (as GradMax measures it) and of the reader itself, and second moments
 * of x and b: N = M - G E[b b^T]^-1 E[b x^T]. Moments are of the measured rows; directions in which x or b hardly vary
 * are left out.
 */
#include "bottleneck.h"
#include "eigen.h"

#include <math.h>
#include <stdlib.h>

static const double LEAST = 1e-6; /* of the largest eigenvalue: below it nothing varies */

/* matrix (n, n) symmetric -> f of its eigenvalues, in place; those below LEAST of the largest become 0. */
static auxo_status apply_power(double *matrix, int64_t n, double power, auxo_error *error)
{
    double *values = malloc((size_t)(n + 1) * sizeof *values);
    double *vectors = malloc((size_t)(n * n + 1) * sizeof *vectors);
    auxo_status status =
        values && vectors ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "bottleneck: out of memory");
    for (int64_t i = 0; status == AUXO_OK && i < n * n; i++)
        vectors[i] = matrix[i];
    if (status == AUXO_OK)
        status = auxo__eigen_symmetric(vectors, (int)n, values, error); /* rows are eigenvectors */
    for (int64_t i = 0; status == AUXO_OK && i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t k = 0; k < n; k++)
                if (values[k] > LEAST * values[n - 1])
                    sum += vectors[k * n + i] * pow(values[k], power) * vectors[k * n + j];
            matrix[i * n + j] = sum;
        }
    free(values);
    free(vectors);
    return status;
}

/* c (rows, columns) = a (rows, inner) b (inner, columns). */
static void multiply(const double *a, const double *b, int64_t rows, int64_t inner, int64_t columns, double *c)
{
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            double sum = 0;
            for (int64_t k = 0; k < inner; k++)
                sum += a[i * inner + k] * b[k * columns + j];
            c[i * columns + j] = sum;
        }
}

/* E[a^T b] over rows: (a_count, b_count). */
static void moments(const float *a, const float *b, int64_t rows, int64_t a_count, int64_t b_count, double *result)
{
    for (int64_t i = 0; i < a_count * b_count; i++)
        result[i] = 0;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = 0; i < a_count; i++)
            for (int64_t j = 0; j < b_count; j++)
                result[i * b_count + j] += (double)a[r * a_count + i] * (double)b[r * b_count + j] / (double)rows;
}

static auxo_status find(const auxo__bottleneck *of, double *work, double *directions, double *squared,
                        auxo_error *error)
{
    const int64_t in = of->in, units = of->units, out = of->out;
    double *xx = work, *bb = xx + in * in, *bx = bb + units * units, *gb = bx + units * in, *left = gb + out * units,
           *white = left + out * in, *gram = white + out * in;
    moments(of->x, of->x, of->rows, in, in, xx);
    moments(of->b, of->b, of->rows, units, units, bb);
    moments(of->b, of->x, of->rows, units, in, bx);
    auxo_status status = apply_power(bb, units, -1, error);
    if (status == AUXO_OK)
        status = apply_power(xx, in, -0.5, error);
    if (status != AUXO_OK)
        return status;
    multiply(of->reader, bb, out, units, units, gb);
    multiply(gb, bx, out, units, in, left);
    for (int64_t i = 0; i < out * in; i++)
        left[i] = of->past[i] - left[i];
    multiply(left, xx, out, in, in, white);
    for (int64_t i = 0; i < in; i++)
        for (int64_t j = 0; j < in; j++) {
            gram[i * in + j] = 0;
            for (int64_t o = 0; o < out; o++)
                gram[i * in + j] += white[o * in + i] * white[o * in + j];
        }
    status = auxo__eigen_symmetric(gram, (int)in, squared, error);
    if (status == AUXO_OK)
        multiply(gram, xx, in, in, in, directions);
    return status;
}

auxo_status auxo__bottleneck_directions(const auxo__bottleneck *of, double *directions, double *squared,
                                        auxo_error *error)
{
    const int64_t in = of->in, units = of->units, out = of->out;
    const int64_t values = 2 * in * in + units * units + units * in + out * units + 2 * out * in + 1;
    double *work = malloc((size_t)values * sizeof *work);
    if (!work)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "bottleneck: out of memory");
    const auxo_status status = find(of, work, directions, squared, error);
    free(work);
    return status;
}
