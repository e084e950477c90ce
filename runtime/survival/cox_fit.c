/* cox_fit.c: the linear Cox model, by Newton's method with the exact Hessian of the partial likelihood.
 *
 * With risk sets R(t), w = exp(xb) and d events at a time, Efron's approximation (Efron 1977) takes for the k-th of
 * them the sums over R minus k/d of the sums over the tied events; Breslow's (Breslow 1974) takes the sums over R.
 * Columns are centred and scaled by their deviations, so that one tolerance serves all. A column is left out where the
 * information at zero has no part of its own for it: it is constant, or a combination of those before it. Along a
 * direction that separates the events the likelihood converges while the coefficient walks on by steps of about one:
 * that is how complete separation is told.
 */
#include "survival_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ITERATIONS_MAX = 200, HALVINGS_MAX = 30 };
static const double COLLINEAR = 1e-9;  /* share of a column's information that is its own */
static const double DECREMENT = 1e-13; /* of the log likelihood, relative */
static const double GONE = 1e-9;       /* information on a scaled column, per event, that is none */
static const double WALK = 1e-2;       /* a step, in deviations, that is still taken at the end */

typedef struct cox_problem {
    size_t rows, columns;     /* columns: those that are fitted */
    const keyed_index *order; /* by time, ascending */
    const uint32_t *events;
    double *x; /* (rows, columns), centred and scaled, in the given order of rows */
    auxo_cox_ties ties;
    double *risks;       /* (rows) */
    double largest;      /* risk of the risk set so far; its weights are exp(risk - largest) */
    double *sums, *tied; /* (1 + columns + columns * columns): of w, wx, wxx' over the risk set, over tied events */
    double *gradient;    /* (columns) */
    double *information; /* (columns, columns) */
} cox_problem;

/* ---- likelihood -------------------------------------------------------------------------------------------------- */

/* Lower triangles suffice. */
static void add_row(double *sums, const double *x, double weight, size_t n)
{
    sums[0] += weight;
    for (size_t a = 0; a < n; a++) {
        const double wx = weight * x[a];
        sums[1 + a] += wx;
        double *row = sums + 1 + n + a * n;
        for (size_t b = 0; b <= a; b++)
            row[b] += wx * x[b];
    }
}

/* One event's term: the sums over the risk set minus `share` of those over the tied events. Returns its logarithm. */
static double add_term(cox_problem *problem, double share)
{
    const size_t n = problem->columns;
    const double *sums = problem->sums, *tied = problem->tied;
    const double total = sums[0] - share * tied[0];
    for (size_t a = 0; a < n; a++) {
        const double mean = (sums[1 + a] - share * tied[1 + a]) / total;
        problem->gradient[a] -= mean;
        const double *row = sums + 1 + n + a * n, *tied_row = tied + 1 + n + a * n;
        for (size_t b = 0; b <= a; b++) {
            const double other = (sums[1 + b] - share * tied[1 + b]) / total;
            problem->information[a * n + b] += (row[b] - share * tied_row[b]) / total - mean * other;
        }
    }
    return log(total);
}

/* What is summed so far is taken relative to a larger risk, so that no risk set vanishes beside rows that are not in
 * it.
 */
static void raise_largest(cox_problem *problem, double risk)
{
    const size_t n = problem->columns, size = 1 + n + n * n;
    if (!(risk > problem->largest))
        return;
    const double share = exp(problem->largest - risk);
    for (size_t k = 0; k < size; k++)
        problem->sums[k] *= share;
    problem->largest = risk;
}

/* The risk sets that begin with the rows [begin, end) of the order, which have one time. */
static double add_time(cox_problem *problem, size_t begin, size_t end)
{
    const size_t n = problem->columns, size = 1 + n + n * n;
    double likelihood = 0, events = 0;
    memset(problem->tied, 0, size * sizeof *problem->tied);
    for (size_t k = begin; k < end; k++)
        raise_largest(problem, problem->risks[problem->order[k].index]);
    for (size_t k = begin; k < end; k++) {
        const uint32_t i = problem->order[k].index;
        const double *x = problem->x + i * n;
        const double weight = exp(problem->risks[i] - problem->largest);
        add_row(problem->sums, x, weight, n);
        if (!problem->events[i])
            continue;
        add_row(problem->tied, x, weight, n);
        likelihood += problem->risks[i] - problem->largest;
        events++;
        for (size_t a = 0; a < n; a++)
            problem->gradient[a] += x[a];
    }
    for (double k = 0; k < events; k++)
        likelihood -= add_term(problem, problem->ties == AUXO_COX_EFRON ? k / events : 0);
    return likelihood;
}

/* Log partial likelihood at `beta`; sets gradient and information (lower triangle). */
static double evaluate(cox_problem *problem, const double *beta)
{
    const size_t n = problem->columns;
    double likelihood = 0;
    problem->largest = -INFINITY;
    for (size_t i = 0; i < problem->rows; i++) {
        double risk = 0;
        for (size_t a = 0; a < n; a++)
            risk += problem->x[i * n + a] * beta[a];
        problem->risks[i] = risk;
    }
    memset(problem->sums, 0, (1 + n + n * n) * sizeof *problem->sums);
    memset(problem->gradient, 0, n * sizeof *problem->gradient);
    memset(problem->information, 0, n * n * sizeof *problem->information);
    for (size_t end = problem->rows, begin; end > 0; end = begin) {
        for (begin = end - 1; begin > 0 && problem->order[begin - 1].key == problem->order[end - 1].key;)
            begin--;
        likelihood += add_time(problem, begin, end);
    }
    return likelihood;
}

/* ---- linear algebra ---------------------------------------------------------------------------------------------- */

/* Cholesky factor of the lower triangle, in place. A column whose own part is below `tolerance` of its diagonal is left
 * out: its pivot becomes 0. Returns how many are. */
static size_t factorise(double *matrix, size_t n, double tolerance)
{
    size_t left_out = 0;
    for (size_t a = 0; a < n; a++) {
        const double whole = matrix[a * n + a];
        for (size_t b = 0; b <= a; b++) {
            double sum = matrix[a * n + b];
            for (size_t c = 0; c < b; c++)
                sum -= matrix[a * n + c] * matrix[b * n + c];
            if (b < a)
                matrix[a * n + b] = matrix[b * n + b] > 0 ? sum / matrix[b * n + b] : 0;
            else
                matrix[a * n + a] = sum > tolerance * whole && sum > 0 ? sqrt(sum) : 0;
        }
        left_out += matrix[a * n + a] == 0;
    }
    return left_out;
}

static void solve(const double *factor, size_t n, const double *right, double *solution)
{
    for (size_t a = 0; a < n; a++) {
        double sum = right[a];
        for (size_t b = 0; b < a; b++)
            sum -= factor[a * n + b] * solution[b];
        solution[a] = factor[a * n + a] > 0 ? sum / factor[a * n + a] : 0;
    }
    for (size_t a = n; a-- > 0;) {
        double sum = solution[a];
        for (size_t b = a + 1; b < n; b++)
            sum -= factor[b * n + a] * solution[b];
        solution[a] = factor[a * n + a] > 0 ? sum / factor[a * n + a] : 0;
    }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static void column_moments(const double *columns, size_t rows, size_t count, size_t column, double *mean, double *scale)
{
    double sum = 0, squares = 0, largest = 0;
    for (size_t i = 0; i < rows; i++) {
        sum += columns[i * count + column];
        largest = fmax(largest, fabs(columns[i * count + column]));
    }
    *mean = sum / (double)rows;
    for (size_t i = 0; i < rows; i++) {
        const double d = columns[i * count + column] - *mean;
        squares += d * d;
    }
    *scale = sqrt(squares / (double)rows);
    if (*scale <= 1e-12 * largest)
        *scale = 0;
}

static auxo_status check_columns(const double *columns, size_t rows, size_t count, auxo_error *error)
{
    for (size_t i = 0; i < rows * count; i++)
        if (!isfinite(columns[i]))
            return auxo_error_set(error, AUXO_FORMAT, "row %zu: column %zu is not a finite number", i / count + 1,
                                  i % count + 1);
    return AUXO_OK;
}

typedef struct cox_columns {
    double *means, *scales; /* (count) */
    size_t *fitted;         /* the places of those that are fitted */
    size_t count;
} cox_columns;

static void problem_deinit(cox_problem *problem, cox_columns *use)
{
    free((void *)problem->order);
    free(problem->x);
    free(problem->risks);
    free(problem->sums);
    free(problem->tied);
    free(problem->gradient);
    free(problem->information);
    free(use->means);
    free(use->scales);
    free(use->fitted);
}

static void fill(cox_problem *problem, const cox_columns *use, const double *columns, size_t column_count)
{
    problem->columns = use->count;
    for (size_t i = 0; i < problem->rows; i++)
        for (size_t a = 0; a < use->count; a++) {
            const size_t c = use->fitted[a];
            problem->x[i * use->count + a] = (columns[i * column_count + c] - use->means[c]) / use->scales[c];
        }
}

static auxo_status allocate(cox_problem *problem, cox_columns *use, size_t column_count, auxo_error *error)
{
    const size_t rows = problem->rows, n = column_count;
    use->means = malloc((n + 1) * sizeof *use->means);
    use->scales = malloc((n + 1) * sizeof *use->scales);
    use->fitted = malloc((n + 1) * sizeof *use->fitted);
    problem->x = malloc((rows * n + 1) * sizeof *problem->x);
    problem->risks = malloc((rows + 1) * sizeof *problem->risks);
    problem->sums = malloc((1 + n + n * n) * sizeof *problem->sums);
    problem->tied = malloc((1 + n + n * n) * sizeof *problem->tied);
    problem->gradient = malloc((n + 1) * sizeof *problem->gradient);
    problem->information = malloc((n * n + 1) * sizeof *problem->information);
    bool ok = use->means && use->scales && use->fitted && problem->x && problem->risks && problem->sums &&
              problem->tied && problem->gradient && problem->information;
    return ok ? AUXO_OK
              : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "linear model of %zu columns, %zu rows: out of memory", n,
                               rows);
}

/* Leaves out what cannot be identified, and says so in `fit`. */
static void choose_columns(cox_problem *problem, cox_columns *use, const double *columns, auxo_cox_fit *fit,
                           double *zeros)
{
    use->count = 0;
    for (size_t c = 0; c < fit->count; c++) {
        column_moments(columns, problem->rows, fit->count, c, &use->means[c], &use->scales[c]);
        fit->coefficients[c].state = AUXO_COEFFICIENT_CONSTANT;
        if (use->scales[c] > 0)
            use->fitted[use->count++] = c;
    }
    fill(problem, use, columns, fit->count);
    fit->null_log_likelihood = evaluate(problem, zeros);
    const size_t n = use->count;
    double events = 0;
    for (size_t i = 0; i < problem->rows; i++)
        events += problem->events[i];
    size_t kept = 0;
    for (size_t a = 0; a < n; a++) /* varies, but not among the rows that are at risk together */
        if (problem->information[a * n + a] <= 1e-12 * events)
            problem->information[a * n + a] = 0;
    double *diagonal = zeros; /* its room is free for the moment */
    for (size_t a = 0; a < n; a++)
        diagonal[a] = problem->information[a * n + a];
    factorise(problem->information, n, COLLINEAR);
    for (size_t a = 0; a < n; a++) {
        const size_t c = use->fitted[a];
        const bool own = problem->information[a * n + a] > 0;
        fit->coefficients[c].state = own                ? AUXO_COEFFICIENT_FITTED
                                     : diagonal[a] == 0 ? AUXO_COEFFICIENT_CONSTANT
                                                        : AUXO_COEFFICIENT_COLLINEAR;
        if (own)
            use->fitted[kept++] = c;
    }
    memset(zeros, 0, (fit->count + 1) * sizeof *zeros);
    use->count = kept;
    fill(problem, use, columns, fit->count);
}

/* ---- Newton ------------------------------------------------------------------------------------------------------ */

/* beta, step, trial: (columns). The last step stays in `step`. */
static auxo_status climb(cox_problem *problem, auxo_cox_fit *fit, double *beta, double *step, double *trial,
                         auxo_error *error)
{
    const size_t n = problem->columns;
    double likelihood = evaluate(problem, beta);
    for (fit->iterations = 0; fit->iterations < ITERATIONS_MAX; fit->iterations++) {
        factorise(problem->information, n, 0);
        solve(problem->information, n, problem->gradient, step);
        double decrement = 0;
        for (size_t a = 0; a < n; a++)
            decrement += step[a] * problem->gradient[a] / 2;
        const bool last = decrement <= DECREMENT * (fabs(likelihood) + 1);
        double reached = -INFINITY, share = 1;
        for (int h = 0; h < HALVINGS_MAX && !(reached >= likelihood - DECREMENT * (fabs(likelihood) + 1)); h++) {
            for (size_t a = 0; a < n; a++)
                trial[a] = beta[a] + share * step[a];
            reached = evaluate(problem, trial);
            share /= 2;
        }
        if (!isfinite(reached))
            break;
        memcpy(beta, trial, n * sizeof *beta);
        likelihood = reached;
        if (last) {
            fit->log_likelihood = likelihood;
            return AUXO_OK;
        }
    }
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "the linear model does not converge in %d steps",
                          ITERATIONS_MAX);
}

/* Standard errors of the finite coefficients: those without bound count as known. */
static void read_fit(cox_problem *problem, const cox_columns *use, const double *beta, const double *step,
                     auxo_cox_fit *fit, double *room)
{
    const size_t n = problem->columns;
    double events = 0;
    for (size_t i = 0; i < problem->rows; i++)
        events += problem->events[i];
    for (size_t a = 0; a < n; a++) {
        auxo_cox_coefficient *c = &fit->coefficients[use->fitted[a]];
        c->value = beta[a] / use->scales[use->fitted[a]];
        if (fabs(step[a]) <= WALK && problem->information[a * n + a] > GONE * events)
            continue;
        c->state = AUXO_COEFFICIENT_INFINITE;
        for (size_t b = 0; b < n; b++)
            problem->information[a > b ? a * n + b : b * n + a] = 0;
    }
    factorise(problem->information, n, 0);
    double *unit = room, *inverse = room + n;
    for (size_t a = 0; a < n; a++) {
        memset(unit, 0, n * sizeof *unit);
        unit[a] = 1;
        solve(problem->information, n, unit, inverse);
        fit->coefficients[use->fitted[a]].standard_error = sqrt(inverse[a]) / use->scales[use->fitted[a]];
    }
}

auxo_status auxo_cox_fit_linear(const auxo_survival_sample *sample, const double *columns, size_t column_count,
                                auxo_cox_ties ties, auxo_cox_fit *fit, auxo_error *error)
{
    cox_problem problem = {.rows = sample->count, .events = sample->events, .ties = ties};
    cox_columns use = {0};
    keyed_index *order = NULL;
    double *room = calloc(4 * (column_count + 1), sizeof *room);
    *fit = (auxo_cox_fit){.count = column_count};
    fit->coefficients = calloc(column_count + 1, sizeof *fit->coefficients);
    auxo_status status = auxo__survival_check_times(sample, error);
    if (status == AUXO_OK && (!room || !fit->coefficients))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "linear model: out of memory");
    if (status == AUXO_OK)
        status = check_columns(columns, sample->count, column_count, error);
    if (status == AUXO_OK)
        status = auxo__order_by_key(sample->times, sample->count, &order, error);
    problem.order = order;
    if (status == AUXO_OK)
        status = allocate(&problem, &use, column_count, error);
    if (status == AUXO_OK) {
        double *beta = room, *step = room + column_count + 1, *trial = room + 2 * (column_count + 1);
        choose_columns(&problem, &use, columns, fit, beta);
        status = climb(&problem, fit, beta, step, trial, error);
        if (status == AUXO_OK)
            read_fit(&problem, &use, beta, step, fit, trial);
    }
    problem_deinit(&problem, &use);
    free(room);
    if (status != AUXO_OK)
        auxo_cox_fit_deinit(fit);
    return status;
}

void auxo_cox_fit_deinit(auxo_cox_fit *fit)
{
    free(fit->coefficients);
    *fit = (auxo_cox_fit){0};
}
