/* cases.c: the table of standard cases. */
#include "bench_internal.h"

#define CASE(text, operation, ...)                                                                                     \
    {                                                                                                                  \
        .name = text, .kind = AUXO_OP_##operation, .dims = __VA_ARGS__                                                 \
    }
#define CONV2D(text, ...)                                                                                              \
    CASE("conv2d_forward " text, CONV2D_FORWARD, __VA_ARGS__),                                                         \
        CASE("conv2d_backward_data " text, CONV2D_BACKWARD_DATA, __VA_ARGS__),                                         \
        CASE("conv2d_backward_weights " text, CONV2D_BACKWARD_WEIGHTS, __VA_ARGS__)
#define BOTH(forward, backward, text, ...)                                                                             \
    CASE(#forward, text##_FORWARD, __VA_ARGS__), CASE(#backward, text##_BACKWARD, __VA_ARGS__)

#define HALF_GEMM(n)                                                                                                   \
    {.name = "gemm f16 " #n "x" #n "x" #n, .kind = AUXO_OP_GEMM, .dims = {n, n, n}, .half = AUXO_DTYPE_F16},           \
    {                                                                                                                  \
        .name = "gemm bf16 " #n "x" #n "x" #n, .kind = AUXO_OP_GEMM, .dims = {n, n, n}, .half = AUXO_DTYPE_BF16        \
    }

static const auxo_bench_case cases[] = {
    CASE("gemm 256x256x256", GEMM, {256, 256, 256}),
    CASE("gemm 512x512x512", GEMM, {512, 512, 512}),
    CASE("gemm 1024x1024x1024", GEMM, {1024, 1024, 1024}),
    CASE("gemm 2048x2048x2048", GEMM, {2048, 2048, 2048}),
    {.name = "gemm 4096x4096x4096", .kind = AUXO_OP_GEMM, .dims = {4096, 4096, 4096}, .gpu_only = true},
    {.name = "gemm f16 4096x4096x4096",
     .kind = AUXO_OP_GEMM,
     .dims = {4096, 4096, 4096},
     .gpu_only = true,
     .half = AUXO_DTYPE_F16},
    {.name = "gemm bf16 4096x4096x4096",
     .kind = AUXO_OP_GEMM,
     .dims = {4096, 4096, 4096},
     .gpu_only = true,
     .half = AUXO_DTYPE_BF16},
    HALF_GEMM(1024),
    HALF_GEMM(2048),
    CASE("gemm 10000x5x5", GEMM, {10000, 5, 5}),
    CASE("gemm 10000x10x5", GEMM, {10000, 10, 5}),
    CONV2D("3x3 64ch 32x32 batch 32", {32, 64, 32, 32, 64, 3, 1, 1}),
    CONV2D("lenet5 5x5 1->6 28x28 batch 128", {128, 1, 28, 28, 6, 5, 1, 2}),
    CONV2D("lenet5 5x5 6->16 14x14 batch 128", {128, 6, 14, 14, 16, 5, 1, 0}),
    CONV2D("1x1 64ch 32x32 batch 32", {32, 64, 32, 32, 64, 1, 1, 0}),
    CONV2D("3x3 stride 2 64->128 32x32 batch 32", {32, 64, 32, 32, 128, 3, 2, 1}),
    CASE("group_norm 4096x4096", GROUP_NORM, {4096, 4096}),
    CASE("index_select 4096x4096", INDEX_SELECT, {4096, 4096}),
    CASE("mlp_gradient 9 layers of 5, 10000 rows", MLP_GRADIENT, {10000, 9, 5}),
    CASE("mlp_gradient 21 layers of 5, 10000 rows", MLP_GRADIENT, {10000, 21, 5}),
    CASE("mlp_gradient 51 layers of 5, 10000 rows", MLP_GRADIENT, {10000, 51, 5}),
    CASE("theta_eval 9 layers of 5, 10000 rows", THETA_EVAL, {10000, 9, 5}),
    CASE("theta_eval 21 layers of 5, 10000 rows", THETA_EVAL, {10000, 21, 5}),
    CASE("theta_eval 51 layers of 5, 10000 rows", THETA_EVAL, {10000, 51, 5}),
    BOTH(activation_forward 1e7, activation_backward 1e7, ACTIVATION, {10000000}),
    BOTH(batch_norm_forward 64x64x1024, batch_norm_backward 64x64x1024, BATCH_NORM, {64, 64, 1024}),
    BOTH(pool2d_forward 64x64x32x32, pool2d_backward 64x64x32x32, POOL2D, {64, 64, 32, 32}),
    CASE("optimizer_step adam 1e7", OPTIMIZER_STEP, {10000000}),
    CASE("cox 1e6", COX, {1000000}),
    CASE("argsort 1e6", ARGSORT, {1000000}),
};

const auxo_bench_case *auxo_bench_cases(size_t *count)
{
    *count = sizeof cases / sizeof cases[0];
    return cases;
}

auxo_status auxo_bench_case_check(const auxo_bench_case *tested, const auxo_device *device, auxo_error *error)
{
    const auxo_device_type type = auxo_device_get_info(device)->type;
    if (tested->gpu_only && type != AUXO_DEVICE_INTEGRATED_GPU && type != AUXO_DEVICE_DISCRETE_GPU)
        return auxo_error_set(error, AUXO_UNSUPPORTED, "for GPUs only: it would take minutes here");
    return AUXO_OK;
}
