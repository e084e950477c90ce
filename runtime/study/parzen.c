/* parzen.c: see parzen.h.
 */
#include "parzen.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Observations older than this many have weights that rise from 1 / count. */
enum { RECENT = 25, DRAWS_MAX = 1000 };

/* ---- scales ------------------------------------------------------------------------------------------------------ */

static double to_scale(const auxo_parameter *p, double value)
{
    return p->log ? log(value) : value;
}

/* The range as kernels see it: numbers with a step reach half a step further. */
static void range_of(const auxo_parameter *p, double *low, double *high)
{
    *low = to_scale(p, p->low - p->step / 2);
    *high = to_scale(p, p->high + p->step / 2);
}

/* Mass of the standard normal distribution between a and b, right in the tails too. */
static double normal_mass(double a, double b)
{
    const double half = 0.70710678118654752440;
    if (a > 0)
        return 0.5 * (erfc(a * half) - erfc(b * half));
    return 0.5 * (erfc(-b * half) - erfc(-a * half));
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

static void set_weights(auxo__parzen *parzen)
{
    const size_t observed = parzen->count - 1;
    const size_t old = observed > RECENT ? observed - RECENT : 0;
    double sum = 0;
    for (size_t i = 0; i < parzen->count; i++) {
        parzen->weights[i] = 1;
        if (i < old)
            parzen->weights[i] =
                old > 1 ? 1.0 / (double)observed + (1 - 1.0 / (double)observed) * (double)i / (double)(old - 1)
                        : 1.0 / (double)observed;
        sum += parzen->weights[i];
    }
    for (size_t i = 0; i < parzen->count; i++)
        parzen->weights[i] /= sum;
}

/* The gap to the nearest value on either side, the larger of the two; ends of the range count as neighbours only where
 * there is no other. */
static double gap_of(const double *mu, size_t count, size_t index, double low, double high)
{
    double left = -INFINITY, right = INFINITY;
    for (size_t i = 0; i < count; i++) {
        if (i == index)
            continue;
        /* Of equal values the earlier stands to the left. */
        const bool before = mu[i] < mu[index] || (mu[i] == mu[index] && i < index);
        if (before && mu[i] > left)
            left = mu[i];
        if (!before && mu[i] < right)
            right = mu[i];
    }
    if (isinf(left) && isinf(right))
        return fmax(mu[index] - low, high - mu[index]);
    if (isinf(left))
        return right - mu[index];
    if (isinf(right))
        return mu[index] - left;
    return fmax(mu[index] - left, right - mu[index]);
}

static void set_kernels(auxo__parzen *parzen, size_t member, const double *const *values)
{
    const auxo_parameter *p = &parzen->space->items[parzen->members[member]];
    const size_t observed = parzen->count - 1;
    double *mu = parzen->mu + member * parzen->count, *sigma = parzen->sigma + member * parzen->count, low, high;
    if (p->kind == AUXO_PARAMETER_CHOICE) {
        for (size_t i = 0; i < observed; i++)
            mu[i] = values[i][parzen->members[member]];
        mu[observed] = -1;
        return;
    }
    range_of(p, &low, &high);
    for (size_t i = 0; i < observed; i++)
        mu[i] = to_scale(p, values[i][parzen->members[member]]);
    mu[observed] = 0.5 * (low + high);
    const double narrowest = (high - low) / fmin(100, 1.0 + (double)parzen->count);
    for (size_t i = 0; i < observed; i++) {
        const double width = gap_of(mu, observed, i, low, high);
        sigma[i] = fmax(narrowest, fmin(high - low, width));
    }
    sigma[observed] = high - low;
}

auxo_status auxo__parzen_init(auxo__parzen *parzen, const auxo_space *space, const size_t *members, size_t member_count,
                              const double *const *values, size_t count, auxo_error *error)
{
    *parzen = (auxo__parzen){.space = space, .members = members, .member_count = member_count, .count = count + 1};
    parzen->weights = malloc(parzen->count * (2 * member_count + 1) * sizeof *parzen->weights);
    if (!parzen->weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "study: out of memory for a proposal");
    parzen->mu = parzen->weights + parzen->count;
    parzen->sigma = parzen->mu + member_count * parzen->count;
    set_weights(parzen);
    for (size_t m = 0; m < member_count; m++)
        set_kernels(parzen, m, values);
    return AUXO_OK;
}

void auxo__parzen_deinit(auxo__parzen *parzen)
{
    free(parzen->weights);
    *parzen = (auxo__parzen){0};
}

/* ---- draws and densities ----------------------------------------------------------------------------------------- */

static double draw_number(const auxo_parameter *p, double mu, double sigma, auxo__random *random)
{
    double low, high, at = mu;
    range_of(p, &low, &high);
    if (!(high > low))
        return p->low;
    /* The kernel's middle lies in the range and its width is at most the range's: a third of the draws fit. */
    for (int i = 0; i < DRAWS_MAX; i++) {
        at = mu + sigma * auxo__random_normal(random);
        if (at >= low && at <= high)
            break;
        at = mu;
    }
    return auxo_parameter_round(p, p->log ? exp(at) : at);
}

/* Probability of one choice under kernel i: the observed one has all but a share that shrinks with the observations. */
static double choice_mass(const auxo__parzen *parzen, const auxo_parameter *p, double observed, double choice)
{
    if (observed < 0)
        return 1.0 / (double)p->choice_count;
    const double share = 1.0 / (double)parzen->count;
    return (share + (choice == observed)) / (1 + share * (double)p->choice_count);
}

static double draw_choice(const auxo__parzen *parzen, const auxo_parameter *p, double observed, auxo__random *random)
{
    double at = auxo__random_uniform(random, 0, 1);
    for (size_t k = 0; k + 1 < p->choice_count; k++) {
        at -= choice_mass(parzen, p, observed, (double)k);
        if (at < 0)
            return (double)k;
    }
    return (double)p->choice_count - 1;
}

void auxo__parzen_draw(const auxo__parzen *parzen, auxo__random *random, double *values)
{
    double at = auxo__random_uniform(random, 0, 1);
    size_t kernel = 0;
    while (kernel + 1 < parzen->count && (at -= parzen->weights[kernel]) >= 0)
        kernel++;
    for (size_t m = 0; m < parzen->member_count; m++) {
        const auxo_parameter *p = &parzen->space->items[parzen->members[m]];
        const double mu = parzen->mu[m * parzen->count + kernel], sigma = parzen->sigma[m * parzen->count + kernel];
        values[parzen->members[m]] =
            p->kind == AUXO_PARAMETER_CHOICE ? draw_choice(parzen, p, mu, random) : draw_number(p, mu, sigma, random);
    }
}

static double log_kernel(const auxo__parzen *parzen, size_t member, size_t kernel, double value)
{
    const auxo_parameter *p = &parzen->space->items[parzen->members[member]];
    const double mu = parzen->mu[member * parzen->count + kernel];
    if (p->kind == AUXO_PARAMETER_CHOICE)
        return log(choice_mass(parzen, p, mu, value));
    const double sigma = parzen->sigma[member * parzen->count + kernel];
    double low, high;
    range_of(p, &low, &high);
    if (!(high > low))
        return 0;
    const double whole = normal_mass((low - mu) / sigma, (high - mu) / sigma);
    if (p->step > 0) {
        const double left = to_scale(p, fmax(value - p->step / 2, p->low - p->step / 2)),
                     right = to_scale(p, value + p->step / 2);
        return log(fmax(normal_mass((left - mu) / sigma, (right - mu) / sigma), 1e-300) / whole);
    }
    const double z = (to_scale(p, value) - mu) / sigma;
    return -0.5 * z * z - log(sigma * 2.50662827463100050242 * whole);
}

double auxo__parzen_log_density(const auxo__parzen *parzen, const double *values)
{
    double highest = -INFINITY, sum = 0;
    for (size_t k = 0; k < parzen->count; k++) {
        double term = log(parzen->weights[k]);
        for (size_t m = 0; m < parzen->member_count; m++)
            term += log_kernel(parzen, m, k, values[parzen->members[m]]);
        /* The sum of exponentials, scaled by the largest so far. */
        if (term > highest) {
            sum = sum * exp(highest - term) + 1;
            highest = term;
        } else {
            sum += exp(term - highest);
        }
    }
    return highest + log(sum);
}
