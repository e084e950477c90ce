/* cpu_kernels.c: the table of all variants of the cpu backend.
 *
 * Every op has the reference kernel; the faster ones stand before it, best first, and supports() admits those that
 * this processor can run.
 */
#include "cpu_kernels.h"
#include "cpu_amx.h"
#include "views.h"

#include "ref.h"

#if defined(CPU_HAVE_X86)
static bool has_avx512(void *device, const auxo_op *op)
{
    (void)device;
    (void)op;
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
}

static bool has_avx2(void *device, const auxo_op *op)
{
    (void)device;
    (void)op;
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#define X86_VARIANTS(noun) OWN_VARIANT(noun, avx512, has_avx512), OWN_VARIANT(noun, avx2, has_avx2),
#else
#define X86_VARIANTS(noun)
#endif

#define OWN_VARIANT(noun, isa, admits)                                                                                 \
    {                                                                                                                  \
        .variant = #isa, .half_formats = AUXO_HALF_FORMATS_ALL, .supports = (admits),                                  \
        .prepare = cpu_##noun##_prepare_##isa, .enqueue = cpu_##noun##_enqueue_##isa                                   \
    }
#define REFERENCE_VARIANT(noun)                                                                                        \
    {                                                                                                                  \
        .variant = "reference", .is_last_resort = true, .half_formats = AUXO_HALF_FORMATS_ALL,                         \
        .enqueue = ref_##noun##_enqueue                                                                                \
    }

#if defined(CPU_HAVE_BF16)
static bool has_bf16(void)
{
    return has_avx512(NULL, NULL) && __builtin_cpu_supports("avx512bf16");
}

/* Its kernels pack by vectors that have the dot product, too. */
static bool has_amx(void)
{
    return has_bf16() && cpu_amx_is_permitted();
}

static bool is_bf16(const auxo_op *op)
{
    return op->tensors[0].dtype == AUXO_DTYPE_BF16;
}

/* Whether packing both operands and rounding up to whole tiles is worth it. */
static bool suits_bf16_product(const auxo_op *op)
{
    const int64_t extent_min = 8, products_min = 1 << 15, depth_max = 1 << 18;
    const common_gemm_view view = common_gemm_view_of(op);
    return is_bf16(op) && view.m >= extent_min && view.n >= extent_min && view.k >= extent_min && view.k <= depth_max &&
           view.m * view.n * view.k >= products_min;
}

/* The same for convolutions: tiles of 16 that are mostly empty lose to vectors of f32. */
static bool suits_bf16_convolution(const auxo_op *op)
{
    const int64_t channels_min = 6, forward_product_min = 48, weights_channels_min = 16, weights_product_min = 512;
    const common_conv2d_view view = common_conv2d_view_of(op);
    const int64_t channels = view.c / view.params->groups, out_channels = view.k / view.params->groups;
    if (!is_bf16(op) || common_conv2d_is_scattered(&view))
        return false;
    if (op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS)
        return channels >= weights_channels_min && channels * out_channels >= weights_product_min;
    const int64_t source_channels = op->kind == AUXO_OP_CONV2D_FORWARD ? channels : out_channels;
    const int64_t target_channels = op->kind == AUXO_OP_CONV2D_FORWARD ? out_channels : channels;
    return source_channels > 1 && target_channels >= channels_min && channels * out_channels >= forward_product_min;
}

#define BF16_SUPPORTS(isa, admits)                                                                                     \
    static bool product_##isa(void *device, const auxo_op *op)                                                         \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        return suits_bf16_product(op) && (admits)();                                                                   \
    }                                                                                                                  \
    static bool convolution_##isa(void *device, const auxo_op *op)                                                     \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        return suits_bf16_convolution(op) && (admits)();                                                               \
    }
BF16_SUPPORTS(amx_bf16, has_amx)
BF16_SUPPORTS(avx512_bf16, has_bf16)
#define BF16_VARIANT(noun, isa, admits)                                                                                \
    {                                                                                                                  \
        .variant = #isa, .half_formats = AUXO_HALF_FORMAT(BF16), .supports = (admits),                                 \
        .prepare = cpu_##noun##_prepare_##isa, .enqueue = cpu_##noun##_enqueue_##isa                                   \
    }
#define BF16_VARIANTS(noun, suits)                                                                                     \
    BF16_VARIANT(noun, amx_bf16, suits##_amx_bf16), BF16_VARIANT(noun, avx512_bf16, suits##_avx512_bf16),
#else
#define BF16_VARIANTS(noun, suits)
#endif

static bool has_any(void *device, const auxo_op *op)
{
    (void)device;
    (void)op;
    return true;
}

static const auxo_kernel gemm_variants[] = {
    BF16_VARIANTS(gemm, product) X86_VARIANTS(gemm) OWN_VARIANT(gemm, simd, NULL),
    REFERENCE_VARIANT(gemm),
};

/* And enough target channels, and tiles that are not mostly border. */
static bool suits_winograd(const auxo_op *op)
{
    const int64_t channels_min = 16, tile = 4, tiles_w_max = 64;
    const common_direction d = common_direction_of(op);
    const int64_t tiles_h = cpu_ceil_div(d.target_h, tile), tiles_w = cpu_ceil_div(d.target_w, tile);
    return common_winograd_suits(op, &d) && d.target_channels >= channels_min && d.images > 0 && tiles_h > 0 &&
           tiles_w > 0 && tiles_w <= tiles_w_max && tiles_h * tiles_w * tile * tile <= 2 * d.target_h * d.target_w;
}

/* All kernels but the reference copy the images, with their border and cut by the stride. */
static bool suits_copies(const auxo_op *op)
{
    const common_conv2d_view view = common_conv2d_view_of(op);
    return !common_conv2d_is_scattered(&view);
}

#define COPIES_SUPPORTS(isa, admits)                                                                                   \
    static bool copies_##isa(void *device, const auxo_op *op)                                                          \
    {                                                                                                                  \
        return admits(device, op) && suits_copies(op);                                                                 \
    }
#define WINOGRAD_SUPPORTS(isa, admits)                                                                                 \
    static bool winograd_##isa(void *device, const auxo_op *op)                                                        \
    {                                                                                                                  \
        return admits(device, op) && suits_winograd(op);                                                               \
    }
#define WINOGRAD_VARIANT(noun, isa)                                                                                    \
    {                                                                                                                  \
        .variant = "winograd_" #isa, .is_nominal = true, .half_formats = AUXO_HALF_FORMATS_ALL,                        \
        .supports = winograd_##isa, .prepare = cpu_##noun##_winograd_prepare_##isa,                                    \
        .enqueue = cpu_##noun##_winograd_enqueue_##isa                                                                 \
    }
#if defined(CPU_HAVE_X86)
COPIES_SUPPORTS(avx512, has_avx512)
COPIES_SUPPORTS(avx2, has_avx2)
WINOGRAD_SUPPORTS(avx512, has_avx512)
WINOGRAD_SUPPORTS(avx2, has_avx2)
#define X86_WINOGRAD(noun)                                                                                             \
    WINOGRAD_VARIANT(noun, avx512), OWN_VARIANT(noun, avx512, copies_avx512), WINOGRAD_VARIANT(noun, avx2),            \
        OWN_VARIANT(noun, avx2, copies_avx2),
#else
#define X86_WINOGRAD(noun)
#endif
COPIES_SUPPORTS(simd, has_any)
WINOGRAD_SUPPORTS(simd, has_any)

static const auxo_kernel conv2d_forward_variants[] = {
    BF16_VARIANTS(conv2d_forward, convolution) X86_WINOGRAD(conv2d_forward) WINOGRAD_VARIANT(conv2d_forward, simd),
    OWN_VARIANT(conv2d_forward, simd, copies_simd), REFERENCE_VARIANT(conv2d_forward)};
static const auxo_kernel conv2d_backward_data_variants[] = {
    BF16_VARIANTS(conv2d_backward_data, convolution) X86_WINOGRAD(conv2d_backward_data)
        WINOGRAD_VARIANT(conv2d_backward_data, simd),
    OWN_VARIANT(conv2d_backward_data, simd, copies_simd), REFERENCE_VARIANT(conv2d_backward_data)};
#if defined(CPU_HAVE_X86)
#define X86_COPIES(noun) OWN_VARIANT(noun, avx512, copies_avx512), OWN_VARIANT(noun, avx2, copies_avx2),
#else
#define X86_COPIES(noun)
#endif
static const auxo_kernel conv2d_backward_weights_variants[] = {
    BF16_VARIANTS(conv2d_backward_weights, convolution) X86_COPIES(conv2d_backward_weights)
        OWN_VARIANT(conv2d_backward_weights, simd, copies_simd),
    REFERENCE_VARIANT(conv2d_backward_weights)};

#define SIMD_VARIANTS(kind, noun)                                                                                      \
    static const auxo_kernel noun##_variants[] = {X86_VARIANTS(noun) OWN_VARIANT(noun, simd, NULL),                    \
                                                  REFERENCE_VARIANT(noun)};
CPU_SIMD_TABLE(SIMD_VARIANTS)

#define NATIVE_VARIANTS(kind, noun)                                                                                    \
    static const auxo_kernel noun##_variants[] = {OWN_VARIANT(noun, native, NULL), REFERENCE_VARIANT(noun)};
CPU_NATIVE_TABLE(NATIVE_VARIANTS)

#define REFERENCE_VARIANTS(kind, noun) static const auxo_kernel noun##_variants[] = {REFERENCE_VARIANT(noun)};
CPU_REFERENCE_TABLE(REFERENCE_VARIANTS)

bool cpu_kernels_have_matrix_units(void)
{
#if defined(CPU_HAVE_BF16)
    return has_amx();
#else
    return false;
#endif
}

#define LIST(kind, noun) [AUXO_OP_##kind] = {noun##_variants, sizeof noun##_variants / sizeof noun##_variants[0]},
const auxo_kernel_list cpu_kernel_lists[AUXO_OP_COUNT] = {AUXO_OP_TABLE(LIST)};
