/* runtime/cli/search/cmd_search_profile.c: auxo search profile: performance profiles of several searches (Cahlik 2022,
 * eq. 2.1): P(quality >= q at time t) over the runs of each method, and their mean best so far.
 *
 * Reads the traces that `auxo search --trace` wrote, one run a file. Times end with the shortest run: what the others
 * did later has nothing to be compared with.
 */
#include "auxo/report.h"
#include "auxo/search.h"
#include "cli_session.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RUNS_MAX = 256, POOL_MAX = 100, TIMES = 60, LEVELS = 20 };

/* Runs of one label; they lie together. */
typedef struct profile_group {
    const char *label;
    size_t begin, end;
} profile_group;

typedef struct profile {
    const cli_context *context;
    auxo_trace_run runs[RUNS_MAX];
    auxo_trace traces[RUNS_MAX]; /* of the runs */
    profile_group groups[RUNS_MAX];
    size_t run_count, group_count;
    bool classes;
    double until, low, high; /* seconds; range of quality */
    double times[TIMES], levels[LEVELS];
} profile;

static const cli_option profile_options[] = {
    {.name = "until",
     .type = CLI_SECONDS,
     .argument = "T",
     .help = "Look at the first seconds only (default: up to the end of the shortest run)",
     .minimum = 0.001,
     .maximum = 1e9},
    {.name = "pool",
     .type = CLI_INTEGER,
     .argument = "N",
     .help = "Random search: instead of its runs, N traces put together from models drawn from all of them; with until "
             "they may be longer than any run",
     .minimum = 1,
     .maximum = POOL_MAX},
    {.name = "seed", .type = CLI_INTEGER, .argument = "N", .help = "Seed of these draws (default: 0)"},
    {.name = "out",
     .type = CLI_TEXT,
     .argument = "FILE.csv",
     .help = "Write the profiles here: method, seconds, quality, share of the runs"},
    {.name = "report",
     .type = CLI_TEXT,
     .argument = "FILE.html",
     .help = "Write mean best so far and profiles as one HTML file"},
    CLI_OPTIONS_END,
};

static auxo_status read_runs(profile *p, auxo_error *error)
{
    const size_t count = cli_operand_count(p->context->arguments);
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_trace_read(cli_operand(p->context->arguments, i), &p->runs[p->run_count++], error);
    return status;
}

/* Moves runs of one label together, in the order in which labels appear. */
static void group_runs(profile *p)
{
    for (size_t begin = 0; begin < p->run_count;) {
        size_t end = begin + 1;
        for (size_t i = end; i < p->run_count; i++)
            if (strcmp(p->runs[i].label, p->runs[begin].label) == 0) {
                const auxo_trace_run kept = p->runs[i];
                memmove(&p->runs[end + 1], &p->runs[end], (i - end) * sizeof kept);
                p->runs[end++] = kept;
            }
        p->groups[p->group_count++] = (profile_group){p->runs[begin].label, begin, end};
        begin = end;
    }
    for (size_t i = 0; i < p->run_count; i++)
        p->traces[i] = (auxo_trace){p->runs[i].points, p->runs[i].count};
}

static bool is_random(const auxo_trace_run *run)
{
    return strncmp(run->label, "random", strlen("random")) == 0;
}

/* Puts `count` sampled traces in the place of one group's runs. */
static auxo_status sample_group(const profile *p, const profile_group *group, size_t count, double until,
                                auxo_trace_run *sampled, auxo_error *error)
{
    const uint64_t seed = cli_integer(p->context->arguments, "seed");
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < count && status == AUXO_OK; i++) {
        status =
            auxo_trace_sample(p->traces + group->begin, group->end - group->begin, until, seed, i, &sampled[i], error);
        memcpy(sampled[i].label, group->label, sizeof sampled[i].label);
    }
    return status;
}

/* The pool's traces instead of the runs of random search, which are grouped already. */
static auxo_status pool_runs(profile *p, auxo_error *error)
{
    const size_t wanted = (size_t)cli_integer(p->context->arguments, "pool");
    double until = cli_given(p->context->arguments, "until") ? cli_real(p->context->arguments, "until") : INFINITY;
    const bool given = isfinite(until);
    for (size_t i = 0; i < p->run_count; i++)
        if (!given || !is_random(&p->runs[i]))
            until = fmin(until, p->runs[i].points[p->runs[i].count - 1].seconds);
    auxo_trace_run *all = calloc(RUNS_MAX + POOL_MAX, sizeof *all);
    size_t count = 0;
    auxo_status status = all ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "profile: out of memory");
    for (size_t g = 0; g < p->group_count && status == AUXO_OK; g++) {
        const profile_group *group = &p->groups[g];
        const bool pooled = is_random(&p->runs[group->begin]);
        const size_t added = pooled ? wanted : group->end - group->begin;
        if (count + added > RUNS_MAX) {
            status = auxo_error_set(error, AUXO_INVALID_ARGUMENT, "pool: more than %d traces in all", RUNS_MAX);
            break;
        }
        if (pooled)
            status = sample_group(p, group, wanted, until, all + count, error);
        for (size_t i = group->begin; i < group->end; i++) {
            if (!pooled)
                all[count + i - group->begin] = p->runs[i];
            else
                auxo_trace_run_deinit(&p->runs[i]);
            p->runs[i].points = NULL;
        }
        count += added;
    }
    if (status == AUXO_OK) {
        memcpy(p->runs, all, count * sizeof *all);
        p->run_count = count;
        p->group_count = 0;
        group_runs(p);
    } else
        for (size_t i = 0; all && i < RUNS_MAX; i++)
            auxo_trace_run_deinit(&all[i]);
    free(all);
    return status;
}

/* Times up to the end of the shortest run; qualities from the worst to the best that any run had. */
static void choose_axes(profile *p)
{
    p->until = INFINITY;
    p->low = INFINITY;
    p->high = -INFINITY;
    for (size_t i = 0; i < p->run_count; i++) {
        const auxo_trace_run *run = &p->runs[i];
        p->until = fmin(p->until, run->points[run->count - 1].seconds);
        p->high = fmax(p->high, run->points[run->count - 1].best);
        for (size_t j = 0; j < run->count; j++)
            if (isfinite(run->points[j].best))
                p->low = fmin(p->low, run->points[j].best);
    }
    if (cli_given(p->context->arguments, "until"))
        p->until = fmin(p->until, cli_real(p->context->arguments, "until"));
    p->classes = p->low >= 0;
    for (int i = 0; i < TIMES; i++)
        p->times[i] = p->until * (i + 1) / TIMES;
    for (int i = 0; i < LEVELS; i++)
        p->levels[i] = i == LEVELS - 1 ? p->low : p->high - (p->high - p->low) * i / (LEVELS - 1);
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

typedef struct moment {
    double mean, lowest, highest;
} moment;

/* NaN as long as a run has no result yet. */
static moment moment_at(const profile *p, const profile_group *group, double seconds)
{
    moment m = {0, INFINITY, -INFINITY};
    for (size_t i = group->begin; i < group->end; i++) {
        const double best = auxo_trace_best_at(p->runs[i].points, p->runs[i].count, seconds);
        m.mean += best / (double)(group->end - group->begin);
        m.lowest = fmin(m.lowest, best);
        m.highest = fmax(m.highest, best);
    }
    return isfinite(m.mean) ? m : (moment){NAN, NAN, NAN};
}

static void print_profile(const profile *p)
{
    cli_output *output = p->context->output;
    static const double parts[] = {0.1, 0.25, 0.5, 1};
    cli_table *table = cli_table_create("method|>runs|>mean at 10 %|>25 %|>50 %|>100 %|>worst|>best");
    for (size_t g = 0; g < p->group_count; g++) {
        const profile_group *group = &p->groups[g];
        char cells[6][32];
        cJSON *event = cli_event(output, "method"), *means = auxo__tree_add(event, "means", cJSON_CreateArray());
        for (int i = 0; i < 4; i++) {
            const moment m = moment_at(p, group, parts[i] * p->until);
            auxo_search_quality_text(cells[i], sizeof cells[i], p->classes, m.mean);
            if (means)
                auxo__tree_add(means, NULL, cJSON_CreateNumber(m.mean));
        }
        const moment last = moment_at(p, group, p->until);
        auxo_search_quality_text(cells[4], sizeof cells[4], p->classes, last.lowest);
        auxo_search_quality_text(cells[5], sizeof cells[5], p->classes, last.highest);
        cli_table_row(table, "%s|%zu|%s|%s|%s|%s|%s|%s", group->label, group->end - group->begin, cells[0], cells[1],
                      cells[2], cells[3], cells[4], cells[5]);
        auxo__tree_text(event, "method", group->label);
        auxo__tree_number(event, "runs", (double)(group->end - group->begin));
        auxo__tree_number(event, "worst", last.lowest);
        auxo__tree_number(event, "best", last.highest);
        cli_emit(output, event);
    }
    cli_print(output, "best so far over %.1f s\n", p->until);
    cli_table_print(output, table);
    cJSON *result = cli_event(output, "result");
    auxo__tree_number(result, "runs", (double)p->run_count);
    auxo__tree_number(result, "seconds", p->until);
    cli_emit(output, result);
}

static auxo_status write_csv(const profile *p, const char *path, auxo_error *error)
{
    enum { LINE_BYTES = 128 };
    char *text = malloc(LINE_BYTES * (1 + p->group_count * TIMES * LEVELS));
    size_t used = 0;
    if (!text)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "profile: out of memory");
    used += (size_t)snprintf(text, LINE_BYTES, "method,seconds,quality,share\n");
    for (size_t g = 0; g < p->group_count; g++)
        for (int t = 0; t < TIMES; t++)
            for (int q = 0; q < LEVELS; q++) {
                const profile_group *group = &p->groups[g];
                const double share =
                    auxo_profile_share(p->traces + group->begin, group->end - group->begin, p->times[t], p->levels[q]);
                used += (size_t)snprintf(text + used, LINE_BYTES, "%s,%.6g,%.6g,%.4g\n", group->label, p->times[t],
                                         p->levels[q], share);
            }
    auxo_status status = auxo_file_write(path, text, strlen(text), error);
    free(text);
    return status;
}

static void draw_means(const profile *p, auxo_report *report, double *values, auxo_series *series)
{
    for (size_t g = 0; g < p->group_count; g++) {
        double *y = values + 3 * TIMES * g, *low = y + TIMES, *high = low + TIMES;
        for (int t = 0; t < TIMES; t++) {
            const moment m = moment_at(p, &p->groups[g], p->times[t]);
            y[t] = p->classes ? m.mean : -m.mean;
            low[t] = p->classes ? m.lowest : -m.highest;
            high[t] = p->classes ? m.highest : -m.lowest;
        }
        series[g] =
            (auxo_series){.name = p->groups[g].label, .count = TIMES, .x = p->times, .y = y, .low = low, .high = high};
    }
    auxo_report_chart(report, &(auxo_chart){.title = "Mean best so far",
                                            .x_label = "seconds",
                                            .y_label = p->classes ? "validation accuracy" : "validation RMSE",
                                            .caption = "Bands reach from the worst to the best run.",
                                            .series = series,
                                            .series_count = p->group_count});
}

static void draw_shares(const profile *p, auxo_report *report)
{
    char names[LEVELS][16], times[TIMES][16], title[96];
    const char *rows[LEVELS], *columns[TIMES];
    double values[LEVELS * TIMES];
    for (int q = 0; q < LEVELS; q++) {
        snprintf(names[q], sizeof names[q], "%.4g", fabs(p->levels[q]));
        rows[q] = names[q];
    }
    for (int t = 0; t < TIMES; t++) {
        snprintf(times[t], sizeof times[t], "%.3g", p->times[t]);
        columns[t] = times[t];
    }
    for (size_t g = 0; g < p->group_count; g++) {
        const profile_group *group = &p->groups[g];
        for (int q = 0; q < LEVELS; q++)
            for (int t = 0; t < TIMES; t++)
                values[q * TIMES + t] =
                    auxo_profile_share(p->traces + group->begin, group->end - group->begin, p->times[t], p->levels[q]);
        snprintf(title, sizeof title, "Performance profile: %s", group->label);
        auxo_report_heat_map(report, &(auxo_heat_map){.title = title,
                                                      .x_label = "seconds",
                                                      .y_label = p->classes ? "validation accuracy" : "validation RMSE",
                                                      .value_label = "share of runs at least as good",
                                                      .row_count = LEVELS,
                                                      .column_count = TIMES,
                                                      .values = values,
                                                      .row_names = rows,
                                                      .column_names = columns});
    }
}

static auxo_status write_report(const profile *p, const char *path, auxo_error *error)
{
    auxo_report *report = NULL;
    double *values = malloc((3 * TIMES * p->group_count + 1) * sizeof *values);
    auxo_series *series = calloc(p->group_count + 1, sizeof *series);
    auxo_status status = values && series ? auxo_report_create("Performance profiles", &report, error)
                                          : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "report: out of memory");
    if (status == AUXO_OK) {
        auxo_report_text(report, "%zu runs, the first %.1f s of each.", p->run_count, p->until);
        draw_means(p, report, values, series);
        draw_shares(p, report);
        status = auxo_report_write(report, path, error);
    }
    free(values);
    free(series);
    auxo_report_destroy(report);
    return status;
}

static auxo_status run(const cli_context *context, auxo_error *error)
{
    const char *out = cli_text(context->arguments, "out"), *report = cli_text(context->arguments, "report");
    profile *p = calloc(1, sizeof *p);
    if (!p)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "profile: out of memory");
    p->context = context;
    auxo_status status = cli_check_writable("out", out, error);
    if (status == AUXO_OK)
        status = cli_check_writable("report", report, error);
    if (status == AUXO_OK)
        status = read_runs(p, error);
    if (status == AUXO_OK)
        group_runs(p);
    if (status == AUXO_OK && cli_given(context->arguments, "pool"))
        status = pool_runs(p, error);
    if (status == AUXO_OK)
        choose_axes(p);
    if (status == AUXO_OK && out)
        status = write_csv(p, out, error);
    if (status == AUXO_OK && report)
        status = write_report(p, report, error);
    if (status == AUXO_OK)
        print_profile(p);
    for (size_t i = 0; i < p->run_count; i++)
        free(p->runs[i].points);
    free(p);
    return status;
}

static const cli_option *const options[] = {profile_options, cli_common_options, NULL};

const cli_command cli_command_search_profile = {
    .name = "search profile",
    .operands = "TRACE.csv...",
    .operand_min = 1,
    .operand_max = RUNS_MAX,
    .summary = "compare searches by their performance traces",
    .description =
        "Performance profiles of anytime searches: for each method the share of its runs that had a result "
        "of at least a quality at a time, and the mean of their best results so far. Each file is the trace "
        "of one run of `auxo search --trace`; give several seeds of each method. Models of random search are "
        "independent of each other: with pool, its traces are drawn from all its models.",
    .events = "{\"event\":\"method\",\"means\":[..],\"method\":..,\"runs\":..,\"worst\":..,\"best\":..}  means at "
              "10, 25, 50, 100 % of the time\n"
              "{\"event\":\"result\",\"runs\":..,\"seconds\":..}",
    .examples = "auxo search profile random-*.csv grid-*.csv --report profiles.html --out profiles.csv",
    .options = options,
    .run = run,
};
