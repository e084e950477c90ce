/* runtime/cli/bench/bench_cases.c: the table of standard cases. */
#include "bench_op.h"

#define CONV2D(text, ...)                                                                                              \
    {"conv2d_forward " text, AUXO_OP_CONV2D_FORWARD, __VA_ARGS__},                                                     \
        {"conv2d_backward_data " text, AUXO_OP_CONV2D_BACKWARD_DATA, __VA_ARGS__},                                     \
    {                                                                                                                  \
        "conv2d_backward_weights " text, AUXO_OP_CONV2D_BACKWARD_WEIGHTS, __VA_ARGS__                                  \
    }
#define BOTH(forward, backward, text, ...)                                                                             \
    {#forward, AUXO_OP_##text##_FORWARD, __VA_ARGS__},                                                                 \
    {                                                                                                                  \
#backward, AUXO_OP_##text##_BACKWARD, __VA_ARGS__                                                              \
    }

static const bench_case cases[] = {
    {"gemm 256x256x256", AUXO_OP_GEMM, {256, 256, 256}},
    {"gemm 512x512x512", AUXO_OP_GEMM, {512, 512, 512}},
    {"gemm 1024x1024x1024", AUXO_OP_GEMM, {1024, 1024, 1024}},
    {"gemm 2048x2048x2048", AUXO_OP_GEMM, {2048, 2048, 2048}},
    {"gemm 10000x5x5", AUXO_OP_GEMM, {10000, 5, 5}},
    {"gemm 10000x10x5", AUXO_OP_GEMM, {10000, 10, 5}},
    CONV2D("3x3 64ch 32x32 batch 32", {32, 64, 32, 32, 64, 3, 1, 1}),
    CONV2D("lenet5 5x5 1->6 28x28 batch 128", {128, 1, 28, 28, 6, 5, 1, 2}),
    CONV2D("lenet5 5x5 6->16 14x14 batch 128", {128, 6, 14, 14, 16, 5, 1, 0}),
    CONV2D("1x1 64ch 32x32 batch 32", {32, 64, 32, 32, 64, 1, 1, 0}),
    CONV2D("3x3 stride 2 64->128 32x32 batch 32", {32, 64, 32, 32, 128, 3, 2, 1}),
    {"group_norm 4096x4096", AUXO_OP_GROUP_NORM, {4096, 4096}},
    {"index_select 4096x4096", AUXO_OP_INDEX_SELECT, {4096, 4096}},
    {"mlp_gradient 9 layers of 5, 10000 rows", AUXO_OP_MLP_GRADIENT, {10000, 9, 5}},
    {"mlp_gradient 21 layers of 5, 10000 rows", AUXO_OP_MLP_GRADIENT, {10000, 21, 5}},
    {"mlp_gradient 51 layers of 5, 10000 rows", AUXO_OP_MLP_GRADIENT, {10000, 51, 5}},
    {"theta_eval 9 layers of 5, 10000 rows", AUXO_OP_THETA_EVAL, {10000, 9, 5}},
    {"theta_eval 21 layers of 5, 10000 rows", AUXO_OP_THETA_EVAL, {10000, 21, 5}},
    {"theta_eval 51 layers of 5, 10000 rows", AUXO_OP_THETA_EVAL, {10000, 51, 5}},
    BOTH(activation_forward 1e7, activation_backward 1e7, ACTIVATION, {10000000}),
    BOTH(batch_norm_forward 64x64x1024, batch_norm_backward 64x64x1024, BATCH_NORM, {64, 64, 1024}),
    BOTH(pool2d_forward 64x64x32x32, pool2d_backward 64x64x32x32, POOL2D, {64, 64, 32, 32}),
    {"optimizer_step adam 1e7", AUXO_OP_OPTIMIZER_STEP, {10000000}},
    {"cox 1e6", AUXO_OP_COX, {1000000}},
    {"argsort 1e6", AUXO_OP_ARGSORT, {1000000}},
};

const bench_case *bench_cases(size_t *count)
{
    *count = sizeof cases / sizeof cases[0];
    return cases;
}
