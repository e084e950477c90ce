/* backends/opencl/gemm.c: matrix products; the variants and their order of preference. */
#include "gemm.h"
#include "kernels.h"
#include "tile.h"
#include "widen.h"

ocl_gemm_call ocl_gemm_call_of(const auxo_op *op)
{
    ocl_gemm_call call = {.params = op->params.gemm, .shape = common_gemm_view_of(op)};
    for (int slot = AUXO_GEMM_A; slot <= AUXO_GEMM_BIAS; ++slot)
        call.tensors[slot] = &op->tensors[slot];
    return call;
}

void ocl_arg_gemm_finish(ocl_builder *b, const ocl_gemm_call *call)
{
    ocl_arg_float(b, call->params.alpha);
    ocl_arg_float(b, call->params.beta);
    ocl_arg_int(b, call->params.bias_per_row);
    ocl_arg_int(b, call->params.activation);
    ocl_arg_float(b, call->params.slope);
}

void ocl_arg_gemm(ocl_builder *b, const ocl_gemm_call *call)
{
    const common_gemm_view *s = &call->shape;
    const int64_t extents[] = {s->m,        s->n,       s->k,     s->batches,  s->a_batch, s->a_row,
                               s->a_column, s->b_batch, s->b_row, s->b_column, s->c_batch, s->c_row};
    for (int slot = AUXO_GEMM_A; slot <= AUXO_GEMM_BIAS; ++slot)
        ocl_arg_tensor(b, call->tensors[slot]);
    for (size_t i = 0; i < sizeof extents / sizeof extents[0]; ++i)
        ocl_arg_long(b, extents[i]);
    ocl_arg_gemm_finish(b, call);
}

static bool supports_direct(void *device, const auxo_op *op)
{
    const ocl_device *self = device;
    return (double)common_gemm_view_of(op).k < self->loop_limit;
}

static void build_direct(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const ocl_gemm_call call = ocl_gemm_call_of(op);
    (void)parameters;
    ocl_build_kernel(b, "gemm", "gemm_direct", "-DINPUT_DTYPE=%d -DOUTPUT_DTYPE=%d",
                     (int)op->tensors[AUXO_GEMM_A].dtype, (int)op->tensors[AUXO_GEMM_C].dtype);
    ocl_arg_gemm(b, &call);
    ocl_build_items(b, (uint64_t)(call.shape.batches * call.shape.m) * (uint64_t)call.shape.n);
}

static OCL_PREPARE(prepare_direct, build_direct);

/* packed: explicit vectors, one work-item per block of C. */

enum { PACKED_TILE_K, PACKED_PANELS, PACKED_ITEMS_PER_UNIT, PACKED_TUNABLE_COUNT };
static const auxo_tunable packed_tunables[PACKED_TUNABLE_COUNT] = {
    [PACKED_TILE_K] = {.name = "tile_k", .initial = 256, .value_count = 3, .values = {128, 256, 512}},
    [PACKED_PANELS] = {.name = "panels", .initial = 8, .value_count = 4, .values = {1, 2, 4, 8}},
    [PACKED_ITEMS_PER_UNIT] = {.name = "items_per_unit", .initial = 4, .value_count = 3, .values = {2, 4, 8}},
};

static bool supports_packed(void *device, const auxo_op *op)
{
    (void)op;
    return ((const ocl_device *)device)->vector_cpu;
}

/* How a work-item's block of C is cut: few and large blocks reuse what they pack, many fill the compute units. */
typedef struct packed_cut {
    uint64_t rows, panels; /* per item */
    uint64_t row_ranges, panel_ranges;
} packed_cut;

static packed_cut cut_packed(const common_gemm_view *s, uint64_t vector_width, uint64_t most_panels, uint64_t wanted)
{
    enum { TILE_ROWS = 8, BLOCK_ROWS = 64 };
    const uint64_t panels = ocl_divide_up((uint64_t)s->n, 2 * vector_width);
    packed_cut cut = {.rows = ocl_divide_up((uint64_t)s->m, TILE_ROWS) * TILE_ROWS,
                      .panels = panels < most_panels ? panels : most_panels};
    for (;;) {
        cut.row_ranges = ocl_divide_up((uint64_t)s->m, cut.rows);
        cut.panel_ranges = ocl_divide_up(panels, cut.panels);
        if (cut.row_ranges * cut.panel_ranges * (uint64_t)s->batches >= wanted)
            return cut;
        if (cut.rows > BLOCK_ROWS || (cut.panels == 1 && cut.rows > TILE_ROWS))
            cut.rows = ocl_divide_up(cut.rows, 2 * TILE_ROWS) * TILE_ROWS;
        else if (cut.panels > 1)
            cut.panels = ocl_divide_up(cut.panels, 2);
        else
            return cut;
    }
}

void ocl_build_gemm_packed(ocl_builder *b, const ocl_gemm_call *call, const int32_t *parameters)
{
    const common_gemm_view s = call->shape;
    int32_t initial[PACKED_TUNABLE_COUNT];
    for (int i = 0; i < PACKED_TUNABLE_COUNT; ++i)
        initial[i] = packed_tunables[i].initial;
    parameters = parameters ? parameters : initial;
    if (s.m == 0 || s.n == 0 || s.batches == 0)
        return;
    /* Packed blocks live in local memory; smaller devices get fewer panels. */
    const uint64_t vector_width = (uint64_t)b->device->vector_width;
    uint64_t panels = (uint64_t)parameters[PACKED_PANELS];
    uint64_t tile_k = (uint64_t)parameters[PACKED_TILE_K];
    while ((panels * 2 * vector_width + 64) * tile_k * sizeof(float) > b->device->info.local_memory_bytes &&
           tile_k > 8) {
        if (panels > 1)
            panels /= 2;
        else
            tile_k /= 2;
    }
    const packed_cut cut = cut_packed(&s, vector_width, panels,
                                      (uint64_t)parameters[PACKED_ITEMS_PER_UNIT] * b->device->info.compute_units);
    const uint64_t groups[] = {cut.row_ranges, cut.panel_ranges, (uint64_t)s.batches};
    const uint64_t group_size[] = {1, 1, 1};
    ocl_build_kernel(b, "gemm_packed", "gemm_packed", "-DVEC=%d -DTILE_K=%d -DPANELS=%d -DTRANS_A=%d",
                     (int)vector_width, (int)tile_k, (int)panels, (int)call->params.trans_a);
    ocl_arg_gemm(b, call);
    ocl_arg_long(b, (int64_t)cut.rows);
    ocl_arg_long(b, (int64_t)cut.panels);
    ocl_build_groups(b, 3, groups, group_size);
}

static void build_packed_f32(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const ocl_gemm_call call = ocl_gemm_call_of(op);
    ocl_build_gemm_packed(b, &call, parameters);
}

/* The running sums that lie in C are f32. */
static void build_packed(ocl_builder *b, const auxo_op *op, const int32_t *parameters)
{
    const ocl_widened_output output = {.slot = AUXO_GEMM_C, .is_read = op->params.gemm.beta != 0};
    ocl_build_widened(b, op, parameters, build_packed_f32, output);
}

static OCL_PREPARE(prepare_packed, build_packed);

const auxo_kernel ocl_gemm_kernels[OCL_GEMM_KERNEL_COUNT] = {
    {.variant = "packed",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = packed_tunables,
     .tunable_count = PACKED_TUNABLE_COUNT,
     .supports = supports_packed,
     .prepare = prepare_packed,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "matrix",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = ocl_gemm_matrix_tunables,
     .tunable_count = OCL_GEMM_MATRIX_TUNABLE_COUNT,
     .supports = ocl_gemm_matrix_supports,
     .prepare = ocl_gemm_matrix_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "tiled",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .tunables = ocl_gemm_tiled_tunables,
     .tunable_count = OCL_GEMM_TILED_TUNABLE_COUNT,
     .supports = ocl_gemm_tiled_supports,
     .prepare = ocl_gemm_tiled_prepare,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
    {.variant = "clblast",
     .half_formats = AUXO_HALF_FORMAT(F16),
     .tunables = ocl_gemm_clblast_tunables,
     .tunable_count = OCL_GEMM_CLBLAST_TUNABLE_COUNT,
     .supports = ocl_gemm_clblast_supports,
     .prepare = ocl_gemm_clblast_prepare,
     .release = ocl_gemm_clblast_release,
     .enqueue = ocl_gemm_clblast_enqueue},
    {.variant = "direct",
     .half_formats = AUXO_HALF_FORMATS_ALL,
     .supports = supports_direct,
     .prepare = prepare_direct,
     .release = ocl_task_release,
     .enqueue = ocl_task_enqueue},
};
