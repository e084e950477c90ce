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
        .variant = "reference", .enqueue = ref_##noun##_enqueue                                                        \
    }

static const auxo_kernel gemm_variants[] = {
    X86_VARIANTS(gemm)
#if defined(CPU_HAVE_OPENBLAS)
        {.variant = "openblas", .supports = cpu_gemm_supports_openblas, .enqueue = cpu_gemm_enqueue_openblas},
#endif
    OWN_VARIANT(gemm, simd, NULL),
    REFERENCE_VARIANT(gemm),
};

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
