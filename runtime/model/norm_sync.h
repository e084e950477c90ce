/* norm_sync.h: batch norm over a batch whose rows lie in several parts (devices, ranks): where in a plan the host has
 * to bring together what the parts know of each channel.
 *
 * With n_i of the N = sum n_i elements of a channel in part i: forward, mean = sum n_i mean_i / N and
 * v = sum (M_i + n_i (mean_i - mean)^2) / N, M_i being the sum of squares about mean_i (Chan, Golub & LeVeque 1979).
 * Backward, each part has the gradient of the mean loss over its own rows, and DX = gamma invstd (dy - dbeta_i / n_i -
 * xhat dgamma_i / n_i) of the operation; what is right is the same with the sums over all parts, dbeta = sum n_j
 * dbeta_j / N, dgamma alike, in the place of dbeta_i, dgamma_i. The difference is an affine function of x, which is
 * added: SHIFT + SLOPE xhat, SLOPE = gamma invstd (dgamma_i - dgamma) / n_i, SHIFT = gamma invstd (dbeta_i - dbeta) /
 * n_i.
 */
#ifndef AUXO_MODEL_NORM_SYNC_H
#define AUXO_MODEL_NORM_SYNC_H

#include "auxo/model.h"

/* Rows of a point's block, (C) each. */
enum {
    AUXO__NORM_MEAN, /* of this part; read */
    AUXO__NORM_VAR,  /* of this part, unbiased; read */
    AUXO__NORM_ALL_MEAN,
    AUXO__NORM_ALL_VAR, /* biased; from here on written by the host */
    AUXO__NORM_ALL_INVSTD,
    AUXO__NORM_ALL_UNBIASED,
    AUXO__NORM_SLOPE,
    AUXO__NORM_SHIFT,
    AUXO__NORM_ROWS
};

/* After op number `op` of the plan the host reads the part's values of a layer and writes those of all parts. */
typedef struct auxo__norm_point {
    bool backward;
    uint32_t layer;
    size_t op;
    int64_t channels, elements; /* elements: n_i */
    float epsilon;
    auxo_tensor block;                /* (AUXO__NORM_ROWS, C): a temporary that is kept; of both directions */
    auxo_tensor gamma, dgamma, dbeta; /* backward: (C), gamma is read, dgamma and dbeta are of this part */
} auxo__norm_point;

/* In the order of the plan. Zero-initialise. */
typedef struct auxo__norm_sync {
    auxo__norm_point *points;
    size_t count, capacity;
} auxo__norm_sync;
void auxo__norm_sync_deinit(auxo__norm_sync *sync);

/* For builders: adds the point after the last op of the plan, which is cut there. Does nothing if building failed. */
void auxo__norm_sync_add(auxo__norm_sync *sync, auxo_plan *plan, const auxo__norm_point *point);
/* A row of the block, (C). */
auxo_tensor auxo__norm_row(const auxo_tensor *block, int row);

#endif
