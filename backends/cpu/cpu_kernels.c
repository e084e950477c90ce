/* cpu_kernels.c: the table of all variants of the cpu backend.
 *
 * Every op has the reference kernel; the faster ones stand before it, best first, and supports() admits those that
 * this processor can run.
 */
#include "cpu_kernels.h"

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
        .variant = #isa, .supports = (admits), .prepare = cpu_##noun##_prepare_##isa,                                  \
        .enqueue = cpu_##noun##_enqueue_##isa                                                                          \
    }
#define REFERENCE_VARIANT(noun)                                                                                        \
    {                                                                                                                  \
        .variant = "reference", .is_last_resort = true, .enqueue = ref_##noun##_enqueue                                \
    }

static bool has_any(void *device, const auxo_op *op)
{
    (void)device;
    (void)op;
    return true;
}

static const auxo_kernel gemm_variants[] = {
    X86_VARIANTS(gemm) OWN_VARIANT(gemm, simd, NULL),
    REFERENCE_VARIANT(gemm),
};

/* Step 1, no groups, 3x3; enough channels that the error of the sum over them, which both ways have, is the greater
 * part, and tiles that are not mostly border. */
static bool suits_winograd(const auxo_op *op, const int64_t *w, const int64_t *x, const int64_t *y)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t channels_min = 16, tile = 4, tiles_w_max = 64;
    int64_t tiles_h = cpu_ceil_div(y[2], tile), tiles_w = cpu_ceil_div(y[3], tile);
    return w[2] == 3 && w[3] == 3 && params->stride_h == 1 && params->stride_w == 1 && params->dilation_h == 1 &&
           params->dilation_w == 1 && params->groups == 1 && params->pad_h <= 2 && params->pad_w <= 2 &&
           w[0] >= channels_min && w[1] >= channels_min && x[0] > 0 && tiles_h > 0 && tiles_w > 0 &&
           tiles_w <= tiles_w_max && tiles_h * tiles_w * tile * tile <= 2 * y[2] * y[3];
}

static bool forward_suits_winograd(const auxo_op *op)
{
    return suits_winograd(op, op->tensors[AUXO_CONV2D_W].dims, op->tensors[AUXO_CONV2D_X].dims,
                          op->tensors[AUXO_CONV2D_Y].dims);
}

static bool backward_suits_winograd(const auxo_op *op)
{
    return suits_winograd(op, op->tensors[AUXO_CONV2D_BD_W].dims, op->tensors[AUXO_CONV2D_BD_DY].dims,
                          op->tensors[AUXO_CONV2D_BD_DX].dims);
}

/* Length of an axis of `outputs` windows, with its border, in whole strides. */
static double spread_length(int64_t outputs, int64_t taps, int32_t stride, int32_t dilation)
{
    const int64_t extent = (taps - 1) * dilation + 1;
    return (double)stride * (double)(outputs - 1 + cpu_ceil_div(extent, stride));
}

/* Whether a convolution is worth the copy of its images, with their border and cut by the stride, that all kernels but
 * the reference make. Where a stride, a padding or a dilation is far larger than the images, nearly all of it would be
 * zeros, and memory and time would grow with the stride squared. */
static bool suits_copies(const auxo_op *op, uint32_t x_slot, uint32_t w_slot, uint32_t y_slot)
{
    const double times = 16, elements = 1 << 16; /* of what a copy may be larger than what it is made from */
    const auxo_conv2d_params *params = &op->params.conv2d;
    const int64_t *x = op->tensors[x_slot].dims, *w = op->tensors[w_slot].dims, *y = op->tensors[y_slot].dims;
    const double copied = spread_length(y[2], w[2], params->stride_h, params->dilation_h) *
                          spread_length(y[3], w[3], params->stride_w, params->dilation_w);
    return copied <= elements + times * (double)(x[2] * x[3] + y[2] * y[3] + w[2] * w[3]);
}

#define COPIES_SUPPORTS(noun, x, w, y, isa, admits)                                                                    \
    static bool noun##_##isa(void *device, const auxo_op *op)                                                          \
    {                                                                                                                  \
        return admits(device, op) && suits_copies(op, x, w, y);                                                        \
    }
#if defined(CPU_HAVE_X86)
#define COPIES_X86(noun, x, w, y)                                                                                      \
    COPIES_SUPPORTS(noun, x, w, y, avx512, has_avx512) COPIES_SUPPORTS(noun, x, w, y, avx2, has_avx2)
#else
#define COPIES_X86(noun, x, w, y)
#endif
#define COPIES(noun, x, w, y) COPIES_X86(noun, x, w, y) COPIES_SUPPORTS(noun, x, w, y, simd, has_any)
COPIES(conv2d_forward, AUXO_CONV2D_X, AUXO_CONV2D_W, AUXO_CONV2D_Y)
COPIES(conv2d_backward_data, AUXO_CONV2D_BD_DX, AUXO_CONV2D_BD_W, AUXO_CONV2D_BD_DY)
COPIES(conv2d_backward_weights, AUXO_CONV2D_BW_X, AUXO_CONV2D_BW_DW, AUXO_CONV2D_BW_DY)

#define WINOGRAD_SUPPORTS(direction, isa, admits)                                                                      \
    static bool direction##_##isa(void *device, const auxo_op *op)                                                     \
    {                                                                                                                  \
        return admits(device, op) && direction##_suits_winograd(op);                                                   \
    }
#define WINOGRAD_VARIANT(noun, direction, isa)                                                                         \
    {                                                                                                                  \
        .variant = "winograd_" #isa, .is_nominal = true, .supports = direction##_##isa,                                \
        .prepare = cpu_##noun##_winograd_prepare_##isa, .enqueue = cpu_##noun##_winograd_enqueue_##isa                 \
    }
#if defined(CPU_HAVE_X86)
WINOGRAD_SUPPORTS(forward, avx512, has_avx512)
WINOGRAD_SUPPORTS(forward, avx2, has_avx2)
WINOGRAD_SUPPORTS(backward, avx512, has_avx512)
WINOGRAD_SUPPORTS(backward, avx2, has_avx2)
#define X86_WINOGRAD(noun, direction)                                                                                  \
    WINOGRAD_VARIANT(noun, direction, avx512), OWN_VARIANT(noun, avx512, noun##_avx512),                               \
        WINOGRAD_VARIANT(noun, direction, avx2), OWN_VARIANT(noun, avx2, noun##_avx2),
#else
#define X86_WINOGRAD(noun, direction)
#endif
WINOGRAD_SUPPORTS(forward, simd, has_any)
WINOGRAD_SUPPORTS(backward, simd, has_any)

static const auxo_kernel conv2d_forward_variants[] = {
    X86_WINOGRAD(conv2d_forward, forward) WINOGRAD_VARIANT(conv2d_forward, forward, simd),
    OWN_VARIANT(conv2d_forward, simd, conv2d_forward_simd), REFERENCE_VARIANT(conv2d_forward)};
static const auxo_kernel conv2d_backward_data_variants[] = {
    X86_WINOGRAD(conv2d_backward_data, backward) WINOGRAD_VARIANT(conv2d_backward_data, backward, simd),
    OWN_VARIANT(conv2d_backward_data, simd, conv2d_backward_data_simd), REFERENCE_VARIANT(conv2d_backward_data)};
#if defined(CPU_HAVE_X86)
#define X86_COPIES(noun) OWN_VARIANT(noun, avx512, noun##_avx512), OWN_VARIANT(noun, avx2, noun##_avx2),
#else
#define X86_COPIES(noun)
#endif
static const auxo_kernel conv2d_backward_weights_variants[] = {
    X86_COPIES(conv2d_backward_weights) OWN_VARIANT(conv2d_backward_weights, simd, conv2d_backward_weights_simd),
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

#define LIST(kind, noun) [AUXO_OP_##kind] = {noun##_variants, sizeof noun##_variants / sizeof noun##_variants[0]},
const auxo_kernel_list cpu_kernel_lists[AUXO_OP_COUNT] = {AUXO_OP_TABLE(LIST)};
