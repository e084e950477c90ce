/* ref.h: one plain function per op, in double precision: the oracle that every other kernel is compared with.
 *
 * The functions follow the formulas of auxo/ops.h literally. They allocate only where the op cannot be written
 * without memory, and fail only for want of it. Also here: what several of them share.
 */
#ifndef AUXO_REF_H
#define AUXO_REF_H

#include "cpu_half.h"
#include "cpu_host.h"

/* ref_gemm(op, error) and so on, and the same as an enqueue function. */
#define REF_DECLARE(kind, noun)                                                                                        \
    auxo_status ref_##noun(const auxo_op *op, auxo_error *error);                                                      \
    auxo_status ref_##noun##_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error);
AUXO_OP_TABLE(REF_DECLARE)
#undef REF_DECLARE

/* AUXO_OP_COUNT entries: the one variant, "reference", of each op. */
extern const auxo_kernel ref_kernels[AUXO_OP_COUNT];

/* f(x), f'(x) and f''(x), the derivatives from y = f(x). */
double ref_activate(auxo_activation activation, double slope, double x);
double ref_activate_slope(auxo_activation activation, double slope, double y);
double ref_activate_curvature(auxo_activation activation, double slope, double y);

/* Writes LOSS, and where present STATS and HISTORY, whose slots follow one another in every loss op as
 * STATS, HISTORY, COUNTER. right_count is 0 where there is no such thing. */
void ref_write_loss(const auxo_op *op, size_t loss_slot, size_t stats_slot, double loss, int64_t rows,
                    int64_t right_count);

/* The four Philox words of elements 4 quad .. 4 quad + 3. */
void ref_philox(uint64_t seed, uint32_t stream, uint32_t step, uint64_t quad, uint32_t words[4]);

/* One element in double, which holds every dtype exactly; storing rounds to floats, and truncates to integers within
 * their range (NaN becomes 0). */
double ref_load(const auxo_tensor *tensor, int64_t index);
void ref_store(const auxo_tensor *tensor, int64_t index, double value);

/* Runs `function` on f32 copies of the op's 16-bit tensors, and rounds its outputs. Errors: OUT_OF_MEMORY. */
typedef auxo_status ref_function(const auxo_op *op, auxo_error *error);
auxo_status ref_run_widened(ref_function *function, const auxo_op *op, auxo_error *error);

/* COUNTER[index] of a slot, or 0 where it is absent. */
uint32_t ref_counter(const auxo_op *op, size_t slot, size_t index);

#endif
