/* ref_pool2d.c: maximum and average pooling and their gradients. */
#include "ref.h"

#include <math.h>

/* One output position: its window clipped to the image. */
typedef struct pool_window {
    int64_t row_begin, row_end, column_begin, column_end;
} pool_window;

static pool_window window_at(const auxo_pool2d_params *params, int64_t p, int64_t q, int64_t h, int64_t w)
{
    int64_t row = p * params->stride_h - params->pad_h;
    int64_t column = q * params->stride_w - params->pad_w;
    int64_t row_end = row + params->window_h;
    int64_t column_end = column + params->window_w;
    return (pool_window){row > 0 ? row : 0, row_end < h ? row_end : h, column > 0 ? column : 0,
                         column_end < w ? column_end : w};
}

static int64_t area_of(const pool_window *window)
{
    int64_t rows = window->row_end - window->row_begin;
    int64_t columns = window->column_end - window->column_begin;
    return rows > 0 && columns > 0 ? rows * columns : 0;
}

/* h*W + w of the first maximum; a NaN is the greatest. */
static int64_t argmax(const float *plane, int64_t w, const pool_window *window)
{
    int64_t best = window->row_begin * w + window->column_begin;
    for (int64_t row = window->row_begin; row < window->row_end; ++row)
        for (int64_t column = window->column_begin; column < window->column_end; ++column) {
            int64_t index = row * w + column;
            if (plane[index] > plane[best] || (isnan(plane[index]) && !isnan(plane[best])))
                best = index;
        }
    return best;
}

/* The place of image element (row, column) within the window of output (p, q), and the element h*W + w at a place. */
static int64_t place_of(const auxo_pool2d_params *params, int64_t p, int64_t q, int64_t row, int64_t column)
{
    return (row - (p * params->stride_h - params->pad_h)) * params->window_w + column -
           (q * params->stride_w - params->pad_w);
}

static int64_t element_at(const auxo_pool2d_params *params, int64_t p, int64_t q, int64_t place, int64_t w)
{
    const int64_t row = p * params->stride_h - params->pad_h + place / params->window_w;
    return row * w + q * params->stride_w - params->pad_w + place % params->window_w;
}

/* INDEX: u8 or u32, or absent. */
static void set_place(const auxo_tensor *index, int64_t element, int64_t place)
{
    if (!auxo_tensor_is_present(index))
        return;
    if (index->dtype == AUXO_DTYPE_U8)
        ((uint8_t *)cpu_data(index))[element] = (uint8_t)place;
    else
        ((uint32_t *)cpu_data(index))[element] = (uint32_t)place;
}

static int64_t get_place(const auxo_tensor *index, int64_t element)
{
    return index->dtype == AUXO_DTYPE_U8 ? ((const uint8_t *)cpu_data(index))[element]
                                         : ((const uint32_t *)cpu_data(index))[element];
}

static double average(const float *plane, int64_t w, const pool_window *window)
{
    double sum = 0;
    for (int64_t row = window->row_begin; row < window->row_end; ++row)
        for (int64_t column = window->column_begin; column < window->column_end; ++column)
            sum += (double)plane[row * w + column];
    int64_t area = area_of(window);
    return area ? sum / (double)area : 0;
}

auxo_status ref_pool2d_forward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_pool2d_params *params = &op->params.pool2d;
    const int64_t *xd = op->tensors[AUXO_POOL2D_X].dims;
    const int64_t *yd = op->tensors[AUXO_POOL2D_Y].dims;
    const float *x = cpu_f32(op, AUXO_POOL2D_X);
    float *y = cpu_f32(op, AUXO_POOL2D_Y);
    for (int64_t plane = 0; plane < yd[0] * yd[1]; ++plane)
        for (int64_t p = 0; p < yd[2]; ++p)
            for (int64_t q = 0; q < yd[3]; ++q) {
                const float *image = x + plane * xd[2] * xd[3];
                pool_window window = window_at(params, p, q, xd[2], xd[3]);
                int64_t out = (plane * yd[2] + p) * yd[3] + q;
                if (params->kind == AUXO_POOL_AVERAGE) {
                    y[out] = (float)average(image, xd[3], &window);
                    continue;
                }
                int64_t best = argmax(image, xd[3], &window);
                y[out] = image[best];
                set_place(&op->tensors[AUXO_POOL2D_INDEX], out, place_of(params, p, q, best / xd[3], best % xd[3]));
            }
    return AUXO_OK;
}

/* Adds one output gradient to the elements of its window. */
static void spread(float *plane, int64_t w, const pool_window *window, float dy)
{
    double share = (double)dy / (double)area_of(window);
    for (int64_t row = window->row_begin; row < window->row_end; ++row)
        for (int64_t column = window->column_begin; column < window->column_end; ++column)
            plane[row * w + column] = (float)(plane[row * w + column] + share);
}

auxo_status ref_pool2d_backward(const auxo_op *op, auxo_error *error)
{
    (void)error;
    const auxo_pool2d_params *params = &op->params.pool2d;
    const int64_t *yd = op->tensors[AUXO_POOL2D_B_DY].dims;
    const int64_t *xd = op->tensors[AUXO_POOL2D_B_DX].dims;
    const float *dy = cpu_f32(op, AUXO_POOL2D_B_DY);
    float *dx = cpu_f32(op, AUXO_POOL2D_B_DX);
    for (int64_t i = 0; i < cpu_count(op, AUXO_POOL2D_B_DX); ++i)
        dx[i] = 0;
    for (int64_t plane = 0; plane < yd[0] * yd[1]; ++plane)
        for (int64_t p = 0; p < yd[2]; ++p)
            for (int64_t q = 0; q < yd[3]; ++q) {
                float *image = dx + plane * xd[2] * xd[3];
                int64_t out = (plane * yd[2] + p) * yd[3] + q;
                pool_window window = window_at(params, p, q, xd[2], xd[3]);
                if (params->kind == AUXO_POOL_MAX)
                    image[element_at(params, p, q, get_place(&op->tensors[AUXO_POOL2D_B_INDEX], out), xd[3])] +=
                        dy[out];
                else
                    spread(image, xd[3], &window, dy[out]);
            }
    return AUXO_OK;
}
