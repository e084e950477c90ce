/* runtime/ops/cases_linear.c: conformance cases of gemm. Bound (ops.h): (K + 4) u S, carried through the activation. */
#include "verify_case.h"

#include <math.h>

enum gemm_flags {
    TRANS_A = 1,
    TRANS_B = 2,
    BIAS_COLUMN = 4,
    BIAS_ROW = 8,
    HALF = 16,      /* A and B are f16 */
    HALF_OUT = 32,  /* C too */
    STRIDED = 64,   /* rows further apart than they are long */
    SHARED_A = 128, /* batch stride 0 */
    SHARED_B = 256,
    BF16 = 512 /* with HALF: bf16 instead of f16 */
};

typedef struct gemm_case {
    int32_t m, n, k, batch; /* batch 0: rank 2 */
    int flags;
    float alpha, beta;
    auxo_activation activation;
} gemm_case;

/* GEMM_HALF: the first rows, which are f32, come in 16 bits with C too. */
enum { GEMM_QUICK = 10, GEMM_HALF = 6 };

static const gemm_case gemm_cases[] = {
    {33, 17, 5, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {64, 64, 64, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {7, 65, 129, 0, TRANS_B | BIAS_COLUMN, 0.5f, -2, AUXO_ACTIVATION_TANH},
    {70, 10, 31, 0, TRANS_A | BIAS_ROW, 1, 1, AUXO_ACTIVATION_RELU},
    {127, 5, 5, 0, TRANS_B | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {19, 23, 12, 3, TRANS_A | TRANS_B, -1, 0, AUXO_ACTIVATION_IDENTITY},
    {64, 32, 48, 0, HALF, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {64, 128, 96, 0, HALF, 0.5f, 0, AUXO_ACTIVATION_IDENTITY},
    {128, 64, 64, 0, HALF | HALF_OUT | TRANS_A | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {1, 1, 1, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {0, 5, 3, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {5, 0, 3, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {5, 4, 0, 0, BIAS_COLUMN, 1, 0.5f, AUXO_ACTIVATION_RELU},
    {5, 4, 0, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {9, 4, 7, 0, BIAS_ROW, 0, 0, AUXO_ACTIVATION_SIGMOID},
    {9, 4, 7, 0, 0, 0, 3, AUXO_ACTIVATION_IDENTITY},
    {33, 31, 127, 0, STRIDED, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {33, 31, 127, 0, STRIDED | TRANS_A, 1, 1, AUXO_ACTIVATION_IDENTITY},
    {33, 31, 127, 0, STRIDED | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {65, 129, 3, 0, STRIDED | TRANS_A | TRANS_B | BIAS_ROW, 1, 0, AUXO_ACTIVATION_LEAKY_RELU},
    {1, 257, 33, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {257, 1, 33, 0, TRANS_A, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {1, 1, 4099, 0, TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {3, 5, 2049, 0, TRANS_A, 1, 1, AUXO_ACTIVATION_IDENTITY},
    {127, 127, 127, 0, BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_SELU},
    {128, 128, 16, 0, 0, 1, 0, AUXO_ACTIVATION_ELU},
    {130, 66, 34, 0, TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {1000, 5, 5, 0, TRANS_B | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_TANH},
    {5, 5, 1000, 0, TRANS_A, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {1000, 10, 5, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {16, 8, 24, 5, SHARED_A, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {17, 9, 21, 4, SHARED_B | BIAS_COLUMN, 1, 0.25f, AUXO_ACTIVATION_SIGMOID},
    {6, 7, 8, 3, STRIDED | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {6, 7, 8, 0 /* rank 2 */, STRIDED, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {4, 4, 4, 1, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {33, 17, 65, 0, HALF | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {33, 17, 65, 0, HALF | HALF_OUT | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_RELU},
    {64, 64, 64, 0, HALF | HALF_OUT | TRANS_A, 1, 1, AUXO_ACTIVATION_IDENTITY},
    {96, 80, 128, 0, TRANS_A | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {101, 5, 5, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {99, 3, 7, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {50, 8, 1, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {37, 1, 12, 0, TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {33, 10, 5, 0, 0, 1, 0, AUXO_ACTIVATION_IDENTITY},
    /* rows in whole quads over several tiles, and sums long enough to be cut */
    {132, 260, 52, 0, TRANS_A | BIAS_ROW, 1, 0.5f, AUXO_ACTIVATION_RELU},
    {260, 132, 36, 0, TRANS_B, 1, 0, AUXO_ACTIVATION_SIGMOID},
    {36, 20, 2052, 2, BIAS_COLUMN, 0.5f, 1, AUXO_ACTIVATION_TANH},
    {21, 35, 1539, 0, TRANS_B | BIAS_ROW, 1, 0, AUXO_ACTIVATION_RELU},
    {132, 140, 44, 0, HALF | TRANS_A | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {20, 28, 1100, 0, HALF | HALF_OUT | BIAS_COLUMN, 1, 1, AUXO_ACTIVATION_TANH},
    {132, 264, 72, 0, HALF | HALF_OUT, 0.5f, 0, AUXO_ACTIVATION_IDENTITY},
    {256, 136, 40, 0, HALF | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    /* whole tiles of halves */
    {256, 128, 64, 0, HALF | TRANS_A, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {128, 256, 32, 2, HALF | HALF_OUT | TRANS_B, 2, 0, AUXO_ACTIVATION_IDENTITY},
    {64, 192, 160, 3, HALF | HALF_OUT, 1, 0, AUXO_ACTIVATION_IDENTITY},
    /* bf16: f32 results, odd and strided shapes, sums in several parts, narrow and shared operands */
    {33, 17, 65, 0, HALF | BF16 | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {33, 17, 65, 0, HALF | BF16 | HALF_OUT | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_RELU},
    {61, 29, 37, 0, HALF | BF16 | STRIDED | TRANS_A, 1, 0.5f, AUXO_ACTIVATION_IDENTITY},
    {61, 29, 37, 0, HALF | BF16 | HALF_OUT | STRIDED | TRANS_B | BIAS_ROW, 1, 1, AUXO_ACTIVATION_TANH},
    {21, 35, 1539, 0, HALF | BF16 | TRANS_A | TRANS_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {20, 28, 1100, 0, HALF | BF16 | HALF_OUT | BIAS_COLUMN, 1, 1, AUXO_ACTIVATION_TANH},
    {1000, 5, 5, 0, HALF | BF16 | TRANS_B | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_TANH},
    {17, 9, 21, 4, HALF | BF16 | SHARED_B, 1, 0, AUXO_ACTIVATION_IDENTITY},
    {128, 256, 32, 2, HALF | BF16 | HALF_OUT | TRANS_B, 2, 0, AUXO_ACTIVATION_IDENTITY},
    {5, 4, 0, 0, HALF | BF16 | HALF_OUT | BIAS_COLUMN, 1, 0.5f, AUXO_ACTIVATION_RELU},
    {9, 4, 7, 0, HALF | BF16 | BIAS_ROW, 0, 0, AUXO_ACTIVATION_SIGMOID},
    {1000, 5, 5, 0, HALF | HALF_OUT | TRANS_B | BIAS_COLUMN, 1, 0, AUXO_ACTIVATION_TANH},
    {61, 29, 37, 0, HALF | STRIDED | TRANS_A, 1, 0.5f, AUXO_ACTIVATION_IDENTITY},
};

static void describe(auxo__case *built, const gemm_case *row)
{
    static const char *const names[] = {"trans_a",  "trans_b", "bias",     "bias_per_row", "16 bits",
                                        "16-bit C", "strided", "shared A", "shared B",     "bf16"};
    auxo__case_text(built, "M=%d N=%d K=%d", row->m, row->n, row->k);
    if (row->batch)
        auxo__case_text(built, " batch=%d", row->batch);
    for (int bit = 0; bit < 10; bit++)
        if (row->flags & 1 << bit)
            auxo__case_text(built, " %s", names[bit]);
    auxo__case_text(built, " alpha=%g beta=%g %s", (double)row->alpha, (double)row->beta,
                    auxo_activation_noun(row->activation));
}

/* A matrix, or a batch of them, of the case; poisoned. */
static void add_matrix(auxo__case *built, const gemm_case *row, uint32_t slot, auxo_dtype dtype, int64_t rows,
                       int64_t columns, bool shared)
{
    int64_t row_stride = columns + (row->flags & STRIDED ? 3 : 0);
    int64_t batch_stride = shared ? 0 : rows * row_stride + (row->flags & STRIDED ? 5 : 0);
    const int64_t dims[3] = {row->batch, rows, columns}, strides[3] = {batch_stride, row_stride, 1};
    if (row->batch)
        auxo__case_strided(built, slot, dtype, 3, dims, strides);
    else
        auxo__case_strided(built, slot, dtype, 2, dims + 1, strides + 1);
}

static void build_gemm(auxo__case *built, size_t index)
{
    const gemm_case *row = &gemm_cases[index];
    bool trans_a = row->flags & TRANS_A, trans_b = row->flags & TRANS_B;
    const auxo_dtype half = row->flags & BF16 ? AUXO_DTYPE_BF16 : AUXO_DTYPE_F16;
    const auxo_dtype dtype = row->flags & HALF ? half : AUXO_DTYPE_F32;
    const auxo_dtype out_dtype = row->flags & HALF_OUT ? half : AUXO_DTYPE_F32;
    built->op.params.gemm = (auxo_gemm_params){.trans_a = trans_a,
                                               .trans_b = trans_b,
                                               .bias_per_row = row->flags & BIAS_ROW,
                                               .alpha = row->alpha,
                                               .beta = row->beta,
                                               .activation = row->activation,
                                               .slope = 0.25f};
    describe(built, row);
    add_matrix(built, row, AUXO_GEMM_A, dtype, trans_a ? row->k : row->m, trans_a ? row->m : row->k,
               row->flags & SHARED_A);
    add_matrix(built, row, AUXO_GEMM_B, dtype, trans_b ? row->n : row->k, trans_b ? row->k : row->n,
               row->flags & SHARED_B);
    add_matrix(built, row, AUXO_GEMM_C, out_dtype, row->m, row->n, false);
    /* What must not be read stays NaN: A and B at alpha = 0, C at beta = 0. */
    if (row->alpha != 0) {
        auxo__case_uniform(built, AUXO_GEMM_A, -1, 1);
        auxo__case_uniform(built, AUXO_GEMM_B, -1, 1);
    }
    if (row->beta != 0)
        auxo__case_uniform(built, AUXO_GEMM_C, -1, 1);
    if (row->flags & (BIAS_COLUMN | BIAS_ROW))
        AUXO__INPUT(built, AUXO_GEMM_BIAS, row->flags & BIAS_ROW ? row->m : row->n);
}

static double bound_gemm(const auxo__case *tested, uint32_t slot, int64_t element, double expected, double magnitude)
{
    const auxo_gemm_params *params = &tested->op.params.gemm;
    const auxo_tensor *a = &tested->op.tensors[AUXO_GEMM_A];
    double k = (double)a->dims[params->trans_a ? a->rank - 2 : a->rank - 1];
    (void)slot, (void)element;
    return auxo__activation_bound(params->activation, params->slope, expected,
                                  (k + 4) * AUXO__UNIT_ROUNDOFF * magnitude);
}

const auxo__suite auxo__suite_gemm = {
    sizeof gemm_cases / sizeof gemm_cases[0], GEMM_QUICK, build_gemm, bound_gemm, true, GEMM_HALF};
