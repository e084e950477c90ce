/* theta_step.c: the step of the scaling factors within a trust region (Zhang et al. 2023, sec. 5.1, eq. 25).
 *
 * The article minimises the quadratic model of a pair of blocks within a box and assigns the point as targets to the
 * levels below; how they cascade where blocks overlap is left open there. Here a block's factor multiplies all that
 * lies in it, the factors of a walk are put into the weights at once, theta is 1 again, and the step is kept only if
 * the loss falls by it.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- one pair ---------------------------------------------------------------------------------------------------- */

typedef struct quadratic {
    double first[2], own[2], mixed, bound;
    double lowest, at[2]; /* found so far */
} quadratic;

static void consider(quadratic *q, double d1, double d2)
{
    if (!(fabs(d1) <= q->bound) || !(fabs(d2) <= q->bound))
        return;
    const double value =
        q->first[0] * d1 + q->first[1] * d2 + q->mixed * d1 * d2 + q->own[0] * d1 * d1 / 2 + q->own[1] * d2 * d2 / 2;
    if (value < q->lowest) {
        q->lowest = value;
        q->at[0] = d1;
        q->at[1] = d2;
    }
}

/* Of the edges where variable `fixed` is +-bound: the corners, and the lowest point between them. */
static void consider_edges(quadratic *q, int fixed)
{
    const int moving = !fixed;
    for (int sign = -1; sign <= 1; sign += 2) {
        const double held = sign * q->bound;
        const double inner = -(q->first[moving] + q->mixed * held) / q->own[moving];
        const double moves[] = {-q->bound, q->bound, inner};
        for (size_t i = 0; i < sizeof moves / sizeof moves[0]; i++)
            consider(q, fixed == 0 ? held : moves[i], fixed == 0 ? moves[i] : held);
    }
}

void auxo_trust_region_step(const double first[2], const double own[2], double mixed, double bound, double step[2])
{
    quadratic q = {{first[0], first[1]}, {own[0], own[1]}, mixed, bound, 0, {0, 0}};
    const double determinant = own[0] * own[1] - mixed * mixed;
    consider(&q, (first[1] * mixed - first[0] * own[1]) / determinant,
             (first[0] * mixed - first[1] * own[0]) / determinant);
    consider_edges(&q, 0);
    consider_edges(&q, 1);
    step[0] = q.at[0];
    step[1] = q.at[1];
}

/* ---- all pairs of a walk ----------------------------------------------------------------------------------------- */

void auxo__theta_step_note(auxo_multiscale *ms, const auxo_tree_node *const pair[2], const pair_second_order *second)
{
    double step[2];
    if (!ms->layer_factors)
        return;
    auxo_trust_region_step(second->first, second->own, second->mixed, ms->options.theta_bound, step);
    for (int side = 0; side < 2; side++) {
        const auxo_tree_node *node = pair[side];
        if (node->unit_end - node->unit_begin < ms->tree->unit_counts[node->layer_begin])
            continue;
        for (uint32_t l = node->layer_begin; l < node->layer_end; l++)
            ms->layer_factors[l] *= 1 + step[side];
    }
}

static void scale_layers(const auxo_multiscale *ms, float *weights)
{
    for (uint32_t l = 0; l < ms->tree->layer_count; l++) {
        uint64_t offset, count;
        auxo_model_layer_range(ms->model, ms->weight_layers[l], &offset, &count);
        for (uint64_t i = 0; i < count; i++)
            weights[offset + i] = (float)((double)weights[offset + i] * ms->layer_factors[l]);
    }
}

auxo_status auxo__theta_step_apply(auxo_multiscale *ms, double *change, auxo_error *error)
{
    const uint64_t count = auxo_model_weight_count(ms->model);
    float *before = malloc((count + 1) * sizeof *before), *after = malloc((count + 1) * sizeof *after);
    double old_loss = 0, new_loss = 0;
    *change = 0;
    auxo_status status = before && after ? auxo_buffer_read(auxo_model_queue(ms->model), auxo_model_weights(ms->model),
                                                            0, before, count * sizeof *before, error)
                                         : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "step of theta: out of memory");
    if (status == AUXO_OK)
        status = auxo__multiscale_loss(ms, &old_loss, error);
    if (status == AUXO_OK) {
        memcpy(after, before, count * sizeof *after);
        scale_layers(ms, after);
        status = auxo_model_write_weights(ms->model, after, NULL, error);
    }
    if (status == AUXO_OK)
        status = auxo__multiscale_loss(ms, &new_loss, error);
    if (status == AUXO_OK && new_loss < old_loss)
        *change = new_loss - old_loss;
    else if (status == AUXO_OK)
        status = auxo_model_write_weights(ms->model, before, NULL, error);
    free(before);
    free(after);
    return status;
}
