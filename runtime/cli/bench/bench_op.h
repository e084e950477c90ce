/* runtime/cli/bench/bench_op.h: the standard cases of benchmarks and tuning, and ops with buffers and values made from
 * them.
 *
 * A case is a kind and the dims that its builder needs; values are hashed from slot and element, so that every device
 * gets the same. Owns nothing about time: see bench_measure.h.
 */
#ifndef BENCH_OP_H
#define BENCH_OP_H

#include "auxo/plan.h"

enum { BENCH_DIMS_MAX = 8, BENCH_LAYERS_MAX = 64 };

/* dims by kind: gemm M,N,K; conv2d N,C,H,W,K,R,stride,pad; pool2d N,C,H,W (2x2 max); batch_norm N,C,inner; group_norm
 * and index_select rows,columns (3/4 of the rows are kept); mlp_gradient and theta_eval rows,layers,width (one mask a
 * layer); the others the number of elements. */
typedef struct bench_case {
    const char *name;
    auxo_op_kind kind;
    int64_t dims[BENCH_DIMS_MAX];
    bool gpu_only; /* takes minutes on a processor */
    bool f16;      /* gemm: matrices of halves */
} bench_case;

/* All standard cases; *count entries. */
const bench_case *bench_cases(size_t *count);
/* Whether the case is for devices of this kind. Errors: UNSUPPORTED, with the reason. */
auxo_status bench_case_check(const bench_case *tested, const auxo_device *device, auxo_error *error);

typedef struct bench_op {
    auxo_op op;
    auxo_buffer *buffers[AUXO_OP_SLOTS_MAX];
    uint32_t widths[BENCH_LAYERS_MAX + 1]; /* of mlp_gradient and theta_eval */
    auxo_activation activations[BENCH_LAYERS_MAX];
} bench_op;

/* Fills *built, which must stay where it is while the op is used. Ownership: destroy it, also after a failure.
 * Errors: UNSUPPORTED if no builder knows the kind. */
auxo_status bench_op_build(auxo_queue *queue, const bench_case *from, bench_op *built, auxo_error *error);
/* Buffers with hashed values for an op of a plan, of which only shapes and parameters count. */
auxo_status bench_op_copy(auxo_queue *queue, const auxo_op *op, bench_op *built, auxo_error *error);
void bench_op_destroy(bench_op *built);

#endif
