/* sample.c: random samples of the rows, for a whole search or for each of its models (Cahlik 2022, 6.2.1).
 *
 * Training and validation rows are drawn apart, each its part, so that they never share one and keep their ratio. What
 * is drawn is a function of the seed and of the model's number: a model that is trained again sees the same rows.
 */
#include "search_internal.h"

#include <math.h>
#include <stdlib.h>

/* `part` of the rows, at least one, in random order. */
static auxo_status draw(const auxo_dataset *from, double part, auxo__random *random, auxo_dataset **sample,
                        auxo_error *error)
{
    const size_t all = from->row_count, wanted = (size_t)fmax(1, floor(part * (double)all + 0.5));
    uint32_t *rows = malloc((all + 1) * sizeof *rows);
    if (!rows)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "a sample of %s: out of memory", from->name);
    for (size_t i = 0; i < all; i++)
        rows[i] = (uint32_t)i;
    const size_t count = wanted < all ? wanted : all;
    for (size_t i = 0; i < count; i++) {
        const size_t other = i + auxo__random_below(random, (uint32_t)(all - i));
        const uint32_t row = rows[other];
        rows[other] = rows[i];
        rows[i] = row;
    }
    auxo_status status = auxo_dataset_select(from, rows, count, sample, error);
    free(rows);
    return status;
}

auxo_status auxo__sample_init(const auxo_search *search, const auxo_dataset *train, const auxo_dataset *validation,
                              uint64_t number, auxo__sample *sample, auxo_error *error)
{
    auxo__random random;
    *sample = (auxo__sample){0};
    auxo__random_init(&random, search->options.seed, AUXO__STREAM_SAMPLE, number);
    auxo_status status = draw(train, search->options.sample, &random, &sample->train, error);
    if (status == AUXO_OK)
        status = draw(validation, search->options.sample, &random, &sample->validation, error);
    if (status != AUXO_OK)
        auxo__sample_deinit(sample);
    return status;
}

void auxo__sample_deinit(auxo__sample *sample)
{
    auxo_dataset_destroy(sample->train);
    auxo_dataset_destroy(sample->validation);
    *sample = (auxo__sample){0};
}

bool auxo__samples_each_model(const auxo_search_options *options)
{
    return options->sample > 0 && options->sample < 1 && options->sample_each;
}
