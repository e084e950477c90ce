/* mlp_block.h: a block of samples through one layer of a narrow fully connected network.
 *
 * A block holds MLP_SAMPLES samples, one per vector lane: values are laid out (unit, sample), so that every operation
 * is a loop over vectors, whatever the widths. A block of a few layers stays in the first-level cache. Owns the layer
 * operations; the networks are walked by mlp_forward.c, mlp_gradient.c, mlp_hvp.c and mlp_theta.c.
 */
#ifndef AUXO_CPU_MLP_BLOCK_H
#define AUXO_CPU_MLP_BLOCK_H

#include "cpu_kernels.h"
#include "vec.h"

enum { MLP_VECTORS = 8, MLP_SAMPLES = MLP_VECTORS * VEC_LANES };

/* A network with its tables of offsets. */
typedef struct mlp_net {
    const auxo_mlp *mlp;
    const float *params;
    const int64_t *layer_offsets; /* (L + 1): of W_l in PARAMS */
    const int64_t *value_offsets; /* (L + 2): of a_l in the values of a block, in floats, from begin_layer on */
} mlp_net;

#define mlp_net_bytes CPU_NAME(cpu_mlp_net_bytes)
#define mlp_net_make CPU_NAME(cpu_mlp_net_make)
/* Bytes of the tables. */
size_t mlp_net_bytes(const auxo_mlp *mlp);
/* Fills the tables in `memory`. */
mlp_net mlp_net_make(const auxo_mlp *mlp, const float *params, uint32_t begin_layer, char *memory);

/* W_l and b_l; the latter NULL without bias. */
static inline const float *mlp_weights(const mlp_net *net, uint32_t layer)
{
    return net->params + net->layer_offsets[layer];
}

static inline const float *mlp_bias(const mlp_net *net, uint32_t layer)
{
    const uint32_t *widths = net->mlp->widths;
    return net->mlp->has_bias ? mlp_weights(net, layer) + (int64_t)widths[layer] * widths[layer + 1] : NULL;
}

/* Floats of a block's a_begin .. a_L. */
static inline int64_t mlp_value_count(const mlp_net *net)
{
    return net->value_offsets[net->mlp->layer_count + 1];
}

#define mlp_load CPU_NAME(cpu_mlp_load)
#define mlp_store CPU_NAME(cpu_mlp_store)
#define mlp_product CPU_NAME(cpu_mlp_product)
#define mlp_product_turned CPU_NAME(cpu_mlp_product_turned)
#define mlp_layer CPU_NAME(cpu_mlp_layer)
#define mlp_layer_scaled CPU_NAME(cpu_mlp_layer_scaled)
#define mlp_activate CPU_NAME(cpu_mlp_activate)
#define mlp_multiply_slope CPU_NAME(cpu_mlp_multiply_slope)
#define mlp_back CPU_NAME(cpu_mlp_back)
#define mlp_outer CPU_NAME(cpu_mlp_outer)
#define mlp_add_rows CPU_NAME(cpu_mlp_add_rows)
#define mlp_sum_lanes CPU_NAME(cpu_mlp_sum_lanes)
#define mlp_error CPU_NAME(cpu_mlp_error)

/* values (width, MLP_SAMPLES) from count <= MLP_SAMPLES rows of x (., width), zeros beyond; and back. */
void mlp_load(const float *x, int64_t width, int64_t count, float *values);
void mlp_store(const float *values, int64_t width, int64_t count, float *y);

/* out (rows, .) = [out +] W (rows, depth) in (depth, .) + bias; bias NULL: 0. */
void mlp_product(const float *w, const float *bias, int64_t rows, int64_t depth, const float *in, float *out,
                 bool accumulate);
/* out (columns, .) = [out +] W^T in with W (depth, columns). */
void mlp_product_turned(const float *w, int64_t columns, int64_t depth, const float *in, float *out, bool accumulate);

/* out = a_{l+1} from in = a_l. */
void mlp_layer(const mlp_net *net, uint32_t layer, const float *in, float *out);
/* The same with z = factors (widths[layer + 1]) (W a + b). */
void mlp_layer_scaled(const mlp_net *net, uint32_t layer, const float *factors, const float *in, float *out);

/* values (width, .) = f(values). */
void mlp_activate(auxo_activation activation, float slope, int64_t width, float *values);
/* d (width, .) = d f'(.) from y = f(.); sums (width, VEC_LANES), if not NULL, += the new d over vectors. */
void mlp_multiply_slope(auxo_activation activation, float slope, int64_t width, const float *y, float *d, float *sums);

/* below = W^T (d f'(z)) of a layer whose weights are not trained, from d, the gradient by its outputs y. d is lost. */
void mlp_back(const mlp_net *net, uint32_t layer, const float *y, float *d, float *below);

/* sums (rows, columns, VEC_LANES) += sum over vectors of d (rows, .) a (columns, .), lane by lane. */
void mlp_outer(const float *d, int64_t rows, const float *a, int64_t columns, float *sums);
/* sums (rows, VEC_LANES) += sum over vectors of d (rows, .). */
void mlp_add_rows(const float *d, int64_t rows, float *sums);
/* out (count) = sums (count, VEC_LANES) over lanes. */
void mlp_sum_lanes(const float *sums, int64_t count, float *out);

/* Sum of (a - t)^2 over the first `count` samples of all outputs, in double; a, t (outputs, .). d (outputs, .), if not
 * NULL, receives scale (a - t), and 0 for the samples beyond. */
double mlp_error(const float *a, const float *t, int64_t outputs, int64_t count, float scale, float *d);

#endif
