/* multiply_add.c: Y = X, then count times Y = a Y + b: as many chains at once as hide a multiply-add's latency.
 *
 *     block of CHAINS vectors: kept in registers for all rounds
 */
#include "cpu_kernels.h"
#include "vec.h"

enum { CHAINS = 12 };

CPU_INLINE void repeat(vf y[CHAINS], const auxo_multiply_add_params *params)
{
    const vf a = vf_set1(params->a), b = vf_set1(params->b);
    for (uint32_t round = 0; round < params->count; ++round)
        for (int k = 0; k < CHAINS; ++k)
            y[k] = a * y[k] + b;
}

static void multiply_add_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const auxo_op *op = context;
    const int64_t count = cpu_count(op, AUXO_MULTIPLY_ADD_Y);
    const float *x = cpu_f32(op, AUXO_MULTIPLY_ADD_X);
    float *y = cpu_f32(op, AUXO_MULTIPLY_ADD_Y);
    for (int64_t block = begin; block < end; ++block) {
        const int64_t first = block * CHAINS * VEC_LANES;
        vf chains[CHAINS];
        for (int k = 0; k < CHAINS; ++k) {
            const int64_t at = first + k * VEC_LANES, left = count - at;
            chains[k] = left >= VEC_LANES ? vf_load(x + at) : left > 0 ? vf_load_partial(x + at, left) : vf_set1(0);
        }
        repeat(chains, &op->params.multiply_add);
        for (int k = 0; k < CHAINS; ++k) {
            const int64_t at = first + k * VEC_LANES, left = count - at;
            if (left >= VEC_LANES)
                vf_store(y + at, chains[k]);
            else if (left > 0)
                vf_store_partial(y + at, chains[k], left);
        }
    }
}

static void run_multiply_add(const cpu_work *work, const auxo_op *op)
{
    const int64_t block = CHAINS * VEC_LANES, count = cpu_count(op, AUXO_MULTIPLY_ADD_Y);
    const int64_t cost = block + CHAINS * (int64_t)op->params.multiply_add.count;
    cpu_parallel(work, (count + block - 1) / block, cost, multiply_add_part, op);
}

#define scratch_bytes_multiply_add cpu_no_scratch
CPU_KERNEL(multiply_add)
