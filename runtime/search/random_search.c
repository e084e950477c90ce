/* runtime/search/random_search.c: random search and progressive growth: independent draws (Cahlik 2022, 5.1 and 5.4).
 *
 * Random search trains each draw until it stalls. Progressive growth begins with the strongest penalty and lets it fall
 * at each stall, so that the network may grow (Algorithm 5).
 */
#include "search_internal.h"

#include <math.h>

enum { DRAWS_MAX = 100 };

/* A genome that was not evaluated yet; false if none was found. */
bool auxo__draw_new(const auxo_search *search, auxo__genome *genome, char *text, size_t size)
{
    auxo__random random;
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_GENOME, auxo__search_next_number(search) - 1);
    for (int i = 0; i < DRAWS_MAX; i++) {
        auxo__genome_draw(&search->space, &random, genome);
        auxo__genome_format(&search->space, genome, text, size);
        if (!auxo__search_is_taken(search, text))
            return true;
    }
    return false;
}

/* The model of a genome, ready to be trained. */
static auxo_status open_candidate(auxo_search *search, const auxo__genome *genome, const auxo__settings *settings,
                                  const char *text, auxo__candidate *candidate, auxo_error *error)
{
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_status status = auxo__genome_desc(search, genome, &desc, error);
    if (status == AUXO_OK)
        status = auxo__candidate_create(search, &desc, settings, true, text, candidate, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

auxo_status auxo__evaluate_genome(auxo_search *search, const auxo__genome *genome, const char *text,
                                  auxo_search_record *record, auxo_error *error)
{
    const auxo__settings settings = auxo__genome_settings(&search->space, genome);
    auxo__candidate candidate = {0};
    auxo_status status = open_candidate(search, genome, &settings, text, &candidate, error);
    if (status == AUXO_OK)
        status = auxo__candidate_train(search, &candidate, error);
    *record = candidate.record;
    auxo__candidate_close(&candidate);
    return status;
}

static auxo_status random_step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo__genome genome;
    auxo_search_record record;
    char text[AUXO_GENOME_BYTES];
    *done = !auxo__draw_new(search, &genome, text, sizeof text);
    if (*done)
        return AUXO_OK;
    auxo_status status = auxo__evaluate_genome(search, &genome, text, &record, error);
    return status == AUXO_OK ? auxo__search_keep_record(search, &record, error) : status;
}

static auxo_status propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error)
{
    auxo__genome genome;
    char text[AUXO_GENOME_BYTES];
    (void)error;
    *next = auxo__draw_new(search, &genome, text, sizeof text) ? AUXO__NEXT_TRIAL : AUXO__NEXT_NONE;
    if (*next == AUXO__NEXT_TRIAL)
        auxo__genome_to_values(search, &genome, values);
    return AUXO_OK;
}

auxo_status auxo__evaluate_values(auxo_search *search, const double *values, auxo_search_record *record,
                                  auxo_error *error)
{
    auxo__genome genome;
    char text[AUXO_GENOME_BYTES];
    auxo__genome_from_values(search, values, &genome);
    auxo__genome_format(&search->space, &genome, text, sizeof text);
    return auxo__evaluate_genome(search, &genome, text, record, error);
}

const auxo__search_method auxo__method_random = {
    .step = random_step, .propose = propose, .evaluate = auxo__evaluate_values};

/* ---- progressive growth ------------------------------------------------------------------------------------------ */

double auxo_search_growth_alpha(const auxo_search_options *options, uint32_t stalls)
{
    const double high = options->alpha.high, low = options->alpha.low;
    if (options->alpha_steps > 0) {
        const double last = options->alpha_steps - 1;
        return stalls > last ? 0 : stalls == last ? low : high * pow(low / high, stalls / last);
    }
    const double alpha = high * pow(options->alpha_factor, stalls);
    return alpha >= low ? alpha : 0;
}

/* Lines 8 to 24 of Algorithm 5. */
static auxo_status train_growing(auxo_search *search, auxo__candidate *candidate, auxo_error *error)
{
    const auxo_search_options *options = &search->options;
    double alpha = auxo_search_growth_alpha(options, 0), lowest = INFINITY;
    uint32_t stalled = 0, stalls = 0;
    auxo_status status = AUXO_OK;
    while (status == AUXO_OK && !candidate->failed && !candidate->record.pruned && alpha > 0 &&
           stalled <= options->stall_limit && candidate->record.epochs < options->epoch_limit) {
        status = auxo__candidate_epoch(search, candidate, error);
        if (status != AUXO_OK || candidate->loss < lowest) {
            lowest = candidate->loss;
            stalled = 0;
            continue;
        }
        if (stalled++ == 0) {
            alpha = auxo_search_growth_alpha(options, ++stalls);
            if (alpha > 0)
                auxo_autosize_set_strength(candidate->autosize, candidate->trainer, alpha);
        }
    }
    return status;
}

static auxo_status evaluate_growing(auxo_search *search, const double *values, auxo_search_record *record,
                                    auxo_error *error)
{
    auxo__genome genome;
    char text[AUXO_GENOME_BYTES];
    auxo__genome_from_values(search, values, &genome);
    auxo__genome_format(&search->space, &genome, text, sizeof text);
    return auxo__evaluate_growing(search, &genome, text, record, error);
}

auxo_status auxo__evaluate_growing(auxo_search *search, const auxo__genome *genome, const char *text,
                                   auxo_search_record *record, auxo_error *error)
{
    auxo__settings settings = auxo__genome_settings(&search->space, genome);
    settings.alpha = auxo_search_growth_alpha(&search->options, 0);
    auxo__candidate candidate = {0};
    auxo_status status = open_candidate(search, genome, &settings, text, &candidate, error);
    if (status == AUXO_OK)
        status = train_growing(search, &candidate, error);
    *record = candidate.record;
    auxo__candidate_close(&candidate);
    return status;
}

static auxo_status growth_step(auxo_search *search, bool *done, auxo_error *error)
{
    auxo__genome genome;
    auxo_search_record record;
    char text[AUXO_GENOME_BYTES];
    *done = !auxo__draw_new(search, &genome, text, sizeof text);
    if (*done)
        return AUXO_OK;
    auxo_status status = auxo__evaluate_growing(search, &genome, text, &record, error);
    return status == AUXO_OK ? auxo__search_keep_record(search, &record, error) : status;
}

const auxo__search_method auxo__method_growth = {.step = growth_step, .propose = propose, .evaluate = evaluate_growing};
