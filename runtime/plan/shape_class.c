/* shape_class.c: the shape of an op as a short word, the key of tuning data.
 *
 * Dims that kernels are insensitive to in detail (batches, rows, channels) are rounded up to powers of two; what
 * changes the kernel itself (transposes, windows, strides, types) stays exact. A '=' in front marks the class of exact
 * dims.
 */
#include "auxo/tune.h"
#include "text.h"

#include <inttypes.h>

typedef struct class_text {
    char *text;
    size_t capacity;
    bool exact;
} class_text;

static int64_t rounded_up(int64_t value)
{
    int64_t power = 1;
    while (power < value && power < INT64_MAX / 2)
        power *= 2;
    return value > 0 ? power : 0;
}

/* "m1024": a letter and a dim. */
static void put(const class_text *out, const char *letter, int64_t value)
{
    auxo__text_append(out->text, out->capacity, "%s%" PRId64, letter, out->exact ? value : rounded_up(value));
}

/* f32 is not named. */
static void put_half(const class_text *out, const auxo_tensor *tensor)
{
    if (auxo_dtype_is_half(tensor->dtype))
        auxo__text_append(out->text, out->capacity, ":%s", auxo_dtype_text(tensor->dtype));
}

static void put_gemm(const class_text *out, const auxo_op *op)
{
    const auxo_gemm_params *params = &op->params.gemm;
    const auxo_tensor *a = &op->tensors[AUXO_GEMM_A];
    const auxo_tensor *c = &op->tensors[AUXO_GEMM_C];
    uint32_t first = c->rank - 2; /* 1 with a batch dim */
    put(out, "m", c->dims[first]);
    put(out, "n", c->dims[first + 1]);
    put(out, "k", a->dims[a->rank - 2 + (params->trans_a ? 0 : 1)]);
    if (c->rank == 3)
        put(out, "b", c->dims[0]);
    auxo__text_append(out->text, out->capacity, ":%c%c", params->trans_a ? 't' : 'n', params->trans_b ? 't' : 'n');
    put_half(out, a);
}

static void put_conv2d(const class_text *out, const auxo_op *op)
{
    const auxo_conv2d_params *params = &op->params.conv2d;
    const auxo_tensor *w = &op->tensors[AUXO_CONV2D_W];
    const auxo_tensor *image = &op->tensors[AUXO_CONV2D_X]; /* (N,C,H,W), in the three ops X or DX */
    if (op->kind == AUXO_OP_CONV2D_BACKWARD_DATA) {
        w = &op->tensors[AUXO_CONV2D_BD_W];
        image = &op->tensors[AUXO_CONV2D_BD_DX];
    } else if (op->kind == AUXO_OP_CONV2D_BACKWARD_WEIGHTS) {
        w = &op->tensors[AUXO_CONV2D_BW_DW];
        image = &op->tensors[AUXO_CONV2D_BW_X];
    }
    put(out, "n", image->dims[0]);
    put(out, "c", image->dims[1]);
    put(out, "h", image->dims[2]);
    put(out, "w", image->dims[3]);
    put(out, "k", w->dims[0]);
    auxo__text_append(out->text, out->capacity, ":r%" PRId64 "s%" PRId64 "u%dv%d", w->dims[2], w->dims[3],
                      (int)params->stride_h, (int)params->stride_w);
    if (params->dilation_h != 1 || params->dilation_w != 1)
        auxo__text_append(out->text, out->capacity, "d%de%d", (int)params->dilation_h, (int)params->dilation_w);
    if (params->groups != 1)
        auxo__text_append(out->text, out->capacity, "g%d", (int)params->groups);
    put_half(out, image);
}

static void put_mlp(const class_text *out, const auxo_op *op)
{
    const auxo_mlp *mlp = &op->params.mlp.mlp;
    uint32_t widest = 0;
    for (uint32_t l = 0; l <= mlp->layer_count; l++)
        widest = mlp->widths[l] > widest ? mlp->widths[l] : widest;
    put(out, "r", op->tensors[AUXO_MLP_FORWARD_X].dims[0]); /* X is slot 0 of all four ops */
    put(out, "l", mlp->layer_count);
    put(out, "w", widest);
    if (op->kind == AUXO_OP_THETA_EVAL)
        put(out, "p", op->tensors[AUXO_THETA_EVAL_THETA].dims[0]);
    if (op->kind == AUXO_OP_MLP_HVP)
        put(out, "p", op->tensors[AUXO_MLP_HVP_V].dims[0]);
}

/* Everything else is bound by memory: the dims of slot 0, with their number, say enough. */
static void put_dims(const class_text *out, const auxo_op *op)
{
    static const char *const letters[AUXO_RANK_MAX] = {"a", "b", "c", "d"};
    const auxo_tensor *tensor = &op->tensors[0];
    for (uint32_t i = 0; i < tensor->rank && i < AUXO_RANK_MAX; i++)
        put(out, letters[i], tensor->dims[i]);
}

void auxo_tuning_shape_class(const auxo_op *op, bool exact, char *text, size_t capacity)
{
    const class_text out = {.text = text, .capacity = capacity, .exact = exact};
    text[0] = '\0';
    if (exact)
        auxo__text_append(text, capacity, "=");
    switch (op->kind) {
    case AUXO_OP_GEMM:
        put_gemm(&out, op);
        break;
    case AUXO_OP_CONV2D_FORWARD:
    case AUXO_OP_CONV2D_BACKWARD_DATA:
    case AUXO_OP_CONV2D_BACKWARD_WEIGHTS:
        put_conv2d(&out, op);
        break;
    case AUXO_OP_MLP_FORWARD:
    case AUXO_OP_MLP_GRADIENT:
    case AUXO_OP_MLP_HVP:
    case AUXO_OP_THETA_EVAL:
        put_mlp(&out, op);
        break;
    default:
        put_dims(&out, op);
        break;
    }
}
