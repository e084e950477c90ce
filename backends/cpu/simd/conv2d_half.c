/* conv2d_half.c: convolutions of 16-bit tensors by the kernels for f32, some images at a time.
 *
 * The weights are widened once; of the images so many are widened that their copies and the results still lie in a
 * cache when they are read, and the memory moves half the bytes. The gradient of the weights is the sum over these
 * parts, in order, so that results do not depend on the number of threads: the parts are cut by shape alone.
 */
#include "conv2d_half.h"

#include "half.h"

/* f32 bytes of the images of one part. */
enum { PART_BYTES = 8 << 20, PART_IMAGES_MIN = 4 };

/* The two tensors of images of a direction; its weights are always slot `weights`. */
typedef struct conv_slots {
    size_t images[2];
    size_t weights;
    bool writes_second; /* images[1] is the output */
} conv_slots;

static conv_slots slots_of(const auxo_op *op)
{
    if (op->kind == AUXO_OP_CONV2D_BACKWARD_DATA)
        return (conv_slots){{AUXO_CONV2D_BD_DY, AUXO_CONV2D_BD_DX}, AUXO_CONV2D_BD_W, true};
    if (op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS)
        return (conv_slots){{AUXO_CONV2D_BW_X, AUXO_CONV2D_BW_DY}, AUXO_CONV2D_BW_DW, false};
    return (conv_slots){{AUXO_CONV2D_X, AUXO_CONV2D_Y}, AUXO_CONV2D_W, true};
}

static int64_t image_count(const auxo_op *op, size_t slot)
{
    const int64_t *dims = op->tensors[slot].dims;
    return dims[1] * dims[2] * dims[3];
}

static int64_t part_images(const auxo_op *op, const conv_slots *slots)
{
    const int64_t images = op->tensors[slots->images[0]].dims[0];
    const int64_t bytes =
        (int64_t)sizeof(float) * (image_count(op, slots->images[0]) + image_count(op, slots->images[1]));
    return cpu_max(1, cpu_min(images, cpu_max(PART_BYTES / cpu_max(bytes, 1), PART_IMAGES_MIN)));
}

/* Where the f32 copies lie in the scratch memory; the kernel's own comes after them. */
typedef struct half_layout {
    size_t weights_bytes, bias_bytes, image_bytes[2], total_bytes;
} half_layout;

static half_layout layout_of(const auxo_op *op, const conv_slots *slots)
{
    const int64_t images = part_images(op, slots);
    half_layout layout = {.weights_bytes = cpu_align(sizeof(float) * (size_t)cpu_count(op, slots->weights))};
    if (!slots->writes_second)
        layout.bias_bytes = cpu_align(sizeof(float) * (size_t)op->tensors[AUXO_CONV2D_BW_DW].dims[0]);
    for (int i = 0; i < 2; ++i)
        layout.image_bytes[i] = cpu_align(sizeof(float) * (size_t)(images * image_count(op, slots->images[i])));
    layout.total_bytes = layout.weights_bytes + layout.bias_bytes + layout.image_bytes[0] + layout.image_bytes[1];
    return layout;
}

static void point_to(auxo_tensor *tensor, auxo_buffer *buffer, void *memory)
{
    *buffer = (auxo_buffer){.handle = memory};
    tensor->buffer = buffer;
    tensor->offset_bytes = 0;
    tensor->dtype = AUXO_DTYPE_F32;
}

/* The op on `images` images in f32; buffers: of two tensors of images, of the weights, of DBIAS. */
static auxo_op part_op(const auxo_op *op, const conv_slots *slots, int64_t images, const half_layout *layout,
                       char *scratch, auxo_buffer buffers[4])
{
    auxo_op part = *op;
    char *memory = scratch + layout->weights_bytes + layout->bias_bytes;
    for (int i = 0; i < 2; ++i) {
        point_to(&part.tensors[slots->images[i]], &buffers[i], memory);
        part.tensors[slots->images[i]].dims[0] = images;
        memory += layout->image_bytes[i];
    }
    if (slots->writes_second)
        point_to(&part.tensors[slots->weights], &buffers[2], scratch);
    return part;
}

static bool is_f32(const auxo_op *op, const conv_slots *slots)
{
    return op->tensors[slots->images[0]].dtype == AUXO_DTYPE_F32;
}

size_t conv_half_scratch_bytes(int thread_count, const auxo_op *op, conv_scratch_function *scratch_bytes)
{
    const conv_slots slots = slots_of(op);
    if (is_f32(op, &slots))
        return scratch_bytes(thread_count, op);
    const half_layout layout = layout_of(op, &slots);
    const int64_t images = op->tensors[slots.images[0]].dims[0], step = part_images(op, &slots);
    auxo_buffer buffers[4];
    size_t most = 0;
    for (int last = 0; last < 2; ++last) {
        const int64_t count = last ? images % step : cpu_min(images, step);
        if (count == 0)
            continue;
        const auxo_op part = part_op(op, &slots, count, &layout, NULL, buffers);
        const size_t bytes = scratch_bytes(thread_count, &part);
        most = bytes > most ? bytes : most;
    }
    return layout.total_bytes + most;
}

/* Images [first, first + images) of one tensor, to or from its f32 copy. */
static void move_images(const cpu_work *work, const auxo_op *op, const auxo_op *part, size_t slot, int64_t first,
                        bool to_part)
{
    const int64_t count = part->tensors[slot].dims[0] * image_count(op, slot);
    const half_view whole = half_view_of(op, slot);
    const half_view half = {(uint16_t *)whole.data + first * image_count(op, slot), whole.dtype};
    const half_view wide = half_view_of(part, slot);
    half_convert_run(work, to_part ? half : wide, to_part ? wide : half, count);
}

typedef struct sum_context {
    float *sum;
    const float *more;
} sum_context;

static void sum_part(const void *context, int64_t begin, int64_t end, int thread)
{
    (void)thread;
    const sum_context *sums = context;
#pragma omp simd
    for (int64_t i = begin; i < end; ++i)
        sums->sum[i] += sums->more[i];
}

/* One part of the gradient of the weights: the first into DW and DBIAS, the others by way of scratch memory. */
static void run_weights_part(const cpu_work *work, const auxo_op *op, auxo_op *part, bool is_first,
                             const half_layout *layout, char *scratch, auxo_buffer buffers[4], conv_run_function *run)
{
    const bool has_bias = auxo_tensor_is_present(&op->tensors[AUXO_CONV2D_BW_DBIAS]);
    if (!is_first) {
        point_to(&part->tensors[AUXO_CONV2D_BW_DW], &buffers[2], scratch);
        if (has_bias)
            point_to(&part->tensors[AUXO_CONV2D_BW_DBIAS], &buffers[3], scratch + layout->weights_bytes);
    }
    run(&(cpu_work){work->pool, work->thread_count, scratch + layout->total_bytes}, part);
    for (size_t slot = AUXO_CONV2D_BW_DW; !is_first && slot <= (has_bias ? AUXO_CONV2D_BW_DBIAS : AUXO_CONV2D_BW_DW);
         ++slot)
        cpu_parallel(work, cpu_count(op, slot), 1, sum_part, &(sum_context){cpu_f32(op, slot), cpu_f32(part, slot)});
}

void conv_half_run(const cpu_work *work, const auxo_op *op, conv_run_function *run)
{
    const conv_slots slots = slots_of(op);
    if (is_f32(op, &slots)) {
        run(work, op);
        return;
    }
    const half_layout layout = layout_of(op, &slots);
    const int64_t images = op->tensors[slots.images[0]].dims[0], step = part_images(op, &slots);
    const half_view weights = half_view_of(op, slots.weights);
    if (slots.writes_second)
        half_convert_run(work, weights, (half_view){work->scratch, AUXO_DTYPE_F32}, cpu_count(op, slots.weights));
    for (int64_t first = 0; first < cpu_max(images, 1); first += step) { /* once even for no image: DW is 0 then */
        auxo_buffer buffers[4];
        auxo_op part = part_op(op, &slots, cpu_min(step, images - first), &layout, work->scratch, buffers);
        move_images(work, op, &part, slots.images[0], first, true);
        if (slots.writes_second) {
            run(&(cpu_work){work->pool, work->thread_count, work->scratch + layout.total_bytes}, &part);
            move_images(work, op, &part, slots.images[1], first, false);
        } else {
            move_images(work, op, &part, slots.images[1], first, true);
            run_weights_part(work, op, &part, first == 0, &layout, work->scratch, buffers, run);
        }
    }
}
