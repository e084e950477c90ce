/* ref_mlp.h: one sample through a fully connected network in double, shared by ref_mlp.c and ref_mlp_theta.c. */
#ifndef AUXO_REF_MLP_H
#define AUXO_REF_MLP_H

#include "ref.h"

/* Index of W_l's first element in flat PARAMS; b_l follows its widths[l + 1] x widths[l] elements. */
size_t ref_mlp_offset(const auxo_mlp *mlp, uint32_t layer);

/* W_l a + b_l, row `unit`. */
double ref_mlp_unit(const auxo_mlp *mlp, const float *params, uint32_t layer, uint32_t unit, const double *a);

/* Sum of squared differences between a_L and one row of the target. */
double ref_mlp_row_error(const auxo_mlp *mlp, const double *a, const float *target);

#endif
