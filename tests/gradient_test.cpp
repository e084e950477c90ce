// tests/gradient_test.cpp: gradients of every differentiable op against central differences.
//
// The function that is differenced is an independent double-precision implementation written here from the formulas of
// ops.h, not the reference backend. With h = 1e-6 the differences are good to about 1e-9, far below f32 roundoff.
#include "support/numeric.hpp"

#include <algorithm>
#include <cmath>

using auxo_test::check_gradient;
using auxo_test::Device;
using auxo_test::for_each_device;
using auxo_test::numeric_gradient;
using auxo_test::uniform;
using auxo_test::Vector;
using auxo_test::widen;

namespace
{

double activate(auxo_activation activation, double slope, double x)
{
    switch (activation) {
    case AUXO_ACTIVATION_RELU:
        return std::max(x, 0.0);
    case AUXO_ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : slope * x;
    case AUXO_ACTIVATION_ELU:
        return x > 0 ? x : slope * (std::exp(x) - 1);
    case AUXO_ACTIVATION_SELU:
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (std::exp(x) - 1));
    case AUXO_ACTIVATION_SIGMOID:
        return 1 / (1 + std::exp(-x));
    case AUXO_ACTIVATION_TANH:
        return std::tanh(x);
    default:
        return x;
    }
}

// ---- convolution ----------------------------------------------------------------------------------------------------

struct Conv {
    int64_t n, c, h, w, k, r, s;
    auxo_conv2d_params params;
    int64_t p() const
    {
        return auxo_window_output(h, static_cast<int32_t>(r), params.stride_h, params.pad_h, params.dilation_h);
    }
    int64_t q() const
    {
        return auxo_window_output(w, static_cast<int32_t>(s), params.stride_w, params.pad_w, params.dilation_w);
    }
    int64_t group_channels() const
    {
        return c / params.groups;
    }
};

const Conv convs[] = {
    {2, 3, 6, 5, 4, 3, 3, {1, 1, 1, 1, 1, 1, 1, AUXO_ACTIVATION_IDENTITY, 0}},
    {1, 4, 7, 9, 6, 3, 2, {2, 1, 1, 0, 1, 2, 2, AUXO_ACTIVATION_IDENTITY, 0}},
    {2, 3, 5, 5, 3, 3, 3, {1, 2, 2, 1, 2, 1, 3, AUXO_ACTIVATION_IDENTITY, 0}},
    {1, 1, 8, 8, 2, 5, 5, {1, 1, 0, 0, 1, 1, 1, AUXO_ACTIVATION_IDENTITY, 0}},
    {2, 5, 4, 4, 7, 1, 1, {2, 2, 0, 0, 1, 1, 1, AUXO_ACTIVATION_IDENTITY, 0}},
};

// sum of G * (conv(X, W) + bias), straight from the formula
double conv_loss(const Conv &conv, const Vector &x, const Vector &w, const Vector &bias, const Vector &g)
{
    const auxo_conv2d_params &params = conv.params;
    const int64_t filters = conv.k / params.groups;
    double sum = 0;
    size_t out = 0;
    for (int64_t n = 0; n < conv.n; n++)
        for (int64_t k = 0; k < conv.k; k++)
            for (int64_t p = 0; p < conv.p(); p++)
                for (int64_t q = 0; q < conv.q(); q++, out++) {
                    double y = bias[static_cast<size_t>(k)];
                    for (int64_t c = 0; c < conv.group_channels(); c++)
                        for (int64_t r = 0; r < conv.r; r++)
                            for (int64_t s = 0; s < conv.s; s++) {
                                int64_t row = p * params.stride_h - params.pad_h + r * params.dilation_h;
                                int64_t column = q * params.stride_w - params.pad_w + s * params.dilation_w;
                                int64_t channel = k / filters * conv.group_channels() + c;
                                if (row < 0 || row >= conv.h || column < 0 || column >= conv.w)
                                    continue;
                                y +=
                                    x[static_cast<size_t>(((n * conv.c + channel) * conv.h + row) * conv.w + column)] *
                                    w[static_cast<size_t>(((k * conv.group_channels() + c) * conv.r + r) * conv.s + s)];
                            }
                    sum += g[out] * y;
                }
    return sum;
}

size_t count(std::initializer_list<int64_t> dims)
{
    int64_t product = 1;
    for (int64_t dim : dims)
        product *= dim;
    return static_cast<size_t>(product);
}

} // namespace

TEST_CASE("conv2d gradients agree with central differences", "[gradient][conv2d]")
{
    for_each_device(
        [](Device &device) {
            for (const Conv &conv : convs) {
                auto x = uniform(count({conv.n, conv.c, conv.h, conv.w}), -1, 1, 1);
                auto w = uniform(count({conv.k, conv.group_channels(), conv.r, conv.s}), -1, 1, 2);
                auto bias = uniform(static_cast<size_t>(conv.k), -1, 1, 3);
                auto g = uniform(count({conv.n, conv.k, conv.p(), conv.q()}), -1, 1, 4);
                const std::vector<int64_t> x_dims = {conv.n, conv.c, conv.h, conv.w};
                const std::vector<int64_t> w_dims = {conv.k, conv.group_channels(), conv.r, conv.s};
                auxo_tensor g_tensor = device.f32(g, {conv.n, conv.k, conv.p(), conv.q()});

                auxo_op data = {};
                data.kind = AUXO_OP_CONV2D_BACKWARD_DATA;
                data.params.conv2d = conv.params;
                data.tensors[AUXO_CONV2D_BD_DY] = g_tensor;
                data.tensors[AUXO_CONV2D_BD_W] = device.f32(w, w_dims);
                data.tensors[AUXO_CONV2D_BD_DX] = device.empty(AUXO_DTYPE_F32, x_dims);
                device.run(data);
                check_gradient(
                    device.download_f32(data.tensors[AUXO_CONV2D_BD_DX]),
                    numeric_gradient(
                        [&](const Vector &at) { return conv_loss(conv, at, widen(w), widen(bias), widen(g)); },
                        widen(x)));

                auxo_op weights = {};
                weights.kind = AUXO_OP_CONV2D_BACKWARD_WEIGHTS;
                weights.params.conv2d = conv.params;
                weights.tensors[AUXO_CONV2D_BW_X] = device.f32(x, x_dims);
                weights.tensors[AUXO_CONV2D_BW_DY] = g_tensor;
                weights.tensors[AUXO_CONV2D_BW_DW] = device.empty(AUXO_DTYPE_F32, w_dims);
                weights.tensors[AUXO_CONV2D_BW_DBIAS] = device.empty(AUXO_DTYPE_F32, {conv.k});
                device.run(weights);
                check_gradient(
                    device.download_f32(weights.tensors[AUXO_CONV2D_BW_DW]),
                    numeric_gradient(
                        [&](const Vector &at) { return conv_loss(conv, widen(x), at, widen(bias), widen(g)); },
                        widen(w)));
                check_gradient(device.download_f32(weights.tensors[AUXO_CONV2D_BW_DBIAS]),
                               numeric_gradient(
                                   [&](const Vector &at) { return conv_loss(conv, widen(x), widen(w), at, widen(g)); },
                                   widen(bias)));
            }
        },
        true);
}

// ---- pooling --------------------------------------------------------------------------------------------------------

namespace
{

struct Pool {
    int64_t n, c, h, w;
    auxo_pool2d_params params;
    int64_t p() const
    {
        return auxo_window_output(h, params.window_h, params.stride_h, params.pad_h, 1);
    }
    int64_t q() const
    {
        return auxo_window_output(w, params.window_w, params.stride_w, params.pad_w, 1);
    }
};

const Pool pools[] = {
    {2, 3, 6, 6, {AUXO_POOL_MAX, 2, 2, 2, 2, 0, 0}},
    {1, 2, 7, 5, {AUXO_POOL_MAX, 3, 2, 2, 1, 1, 0}},
    {2, 3, 6, 6, {AUXO_POOL_AVERAGE, 2, 3, 2, 3, 0, 0}},
    {1, 2, 5, 7, {AUXO_POOL_AVERAGE, 3, 3, 1, 2, 1, 1}},
};

double pool_loss(const Pool &pool, const Vector &x, const Vector &g)
{
    double total = 0;
    size_t out = 0;
    for (int64_t plane = 0; plane < pool.n * pool.c; plane++)
        for (int64_t p = 0; p < pool.p(); p++)
            for (int64_t q = 0; q < pool.q(); q++, out++) {
                double sum = 0, largest = -INFINITY;
                int inside = 0;
                for (int64_t r = 0; r < pool.params.window_h; r++)
                    for (int64_t s = 0; s < pool.params.window_w; s++) {
                        int64_t row = p * pool.params.stride_h - pool.params.pad_h + r;
                        int64_t column = q * pool.params.stride_w - pool.params.pad_w + s;
                        if (row < 0 || row >= pool.h || column < 0 || column >= pool.w)
                            continue;
                        double value = x[static_cast<size_t>((plane * pool.h + row) * pool.w + column)];
                        sum += value;
                        largest = std::max(largest, value);
                        inside++;
                    }
                total += g[out] * (pool.params.kind == AUXO_POOL_MAX ? largest : sum / inside);
            }
    return total;
}

} // namespace

TEST_CASE("pool2d gradients agree with central differences", "[gradient][pool2d]")
{
    for_each_device(
        [](Device &device) {
            for (const Pool &pool : pools) {
                auto x = uniform(count({pool.n, pool.c, pool.h, pool.w}), -1, 1, 5);
                auto g = uniform(count({pool.n, pool.c, pool.p(), pool.q()}), -1, 1, 6);
                const std::vector<int64_t> x_dims = {pool.n, pool.c, pool.h, pool.w};
                const std::vector<int64_t> y_dims = {pool.n, pool.c, pool.p(), pool.q()};

                auxo_op forward = {};
                forward.kind = AUXO_OP_POOL2D_FORWARD;
                forward.params.pool2d = pool.params;
                forward.tensors[AUXO_POOL2D_X] = device.f32(x, x_dims);
                forward.tensors[AUXO_POOL2D_Y] = device.empty(AUXO_DTYPE_F32, y_dims);
                if (pool.params.kind == AUXO_POOL_MAX)
                    forward.tensors[AUXO_POOL2D_INDEX] = device.empty(auxo_pool2d_index_dtype(&pool.params), y_dims);
                device.run(forward);

                auxo_op backward = {};
                backward.kind = AUXO_OP_POOL2D_BACKWARD;
                backward.params.pool2d = pool.params;
                backward.tensors[AUXO_POOL2D_B_DY] = device.f32(g, y_dims);
                backward.tensors[AUXO_POOL2D_B_DX] = device.empty(AUXO_DTYPE_F32, x_dims);
                backward.tensors[AUXO_POOL2D_B_INDEX] = forward.tensors[AUXO_POOL2D_INDEX];
                device.run(backward);
                check_gradient(
                    device.download_f32(backward.tensors[AUXO_POOL2D_B_DX]),
                    numeric_gradient([&](const Vector &at) { return pool_loss(pool, at, widen(g)); }, widen(x)));
            }
        },
        true);
}

// ---- elementwise and normalisation ----------------------------------------------------------------------------------

TEST_CASE("activation gradients agree with central differences", "[gradient][activation]")
{
    for_each_device(
        [](Device &device) {
            const float slope = 0.3f;
            for (int kind = 0; kind < AUXO_ACTIVATION_COUNT; kind++) {
                auto activation = static_cast<auxo_activation>(kind);
                INFO(auxo_activation_noun(activation));
                auto x = uniform(101, -3, 3, 7), g = uniform(101, -1, 1, 8);
                auxo_op forward = {};
                forward.kind = AUXO_OP_ACTIVATION_FORWARD;
                forward.params.activation = {activation, slope};
                forward.tensors[AUXO_ACTIVATION_X] = device.f32(x, {101});
                forward.tensors[AUXO_ACTIVATION_Y] = device.empty(AUXO_DTYPE_F32, {101});
                device.run(forward);
                auxo_op backward = {};
                backward.kind = AUXO_OP_ACTIVATION_BACKWARD;
                backward.params.activation = {activation, slope};
                backward.tensors[AUXO_ACTIVATION_B_Y] = forward.tensors[AUXO_ACTIVATION_Y];
                backward.tensors[AUXO_ACTIVATION_B_DY] = device.f32(g, {101});
                backward.tensors[AUXO_ACTIVATION_B_DX] = device.empty(AUXO_DTYPE_F32, {101});
                device.run(backward);
                Vector expected = numeric_gradient(
                    [&](const Vector &at) {
                        double sum = 0;
                        for (size_t i = 0; i < at.size(); i++)
                            sum += static_cast<double>(g[i]) * activate(activation, static_cast<double>(slope), at[i]);
                        return sum;
                    },
                    widen(x));
                check_gradient(device.download_f32(backward.tensors[AUXO_ACTIVATION_B_DX]), expected);
            }
        },
        true);
}

namespace
{

// sum of G * (GAMMA xhat + BETA) over X (n, c, inner)
double batch_norm_loss(int64_t n, int64_t c, int64_t inner, const Vector &x, const Vector &gamma, const Vector &beta,
                       const Vector &g, double epsilon)
{
    double total = 0;
    const double elements = static_cast<double>(n * inner);
    for (int64_t channel = 0; channel < c; channel++) {
        auto at = [&](int64_t o, int64_t i) { return static_cast<size_t>((o * c + channel) * inner + i); };
        const auto ch = static_cast<size_t>(channel);
        double mean = 0, variance = 0;
        for (int64_t o = 0; o < n; o++)
            for (int64_t i = 0; i < inner; i++)
                mean += x[at(o, i)] / elements;
        for (int64_t o = 0; o < n; o++)
            for (int64_t i = 0; i < inner; i++)
                variance += (x[at(o, i)] - mean) * (x[at(o, i)] - mean) / elements;
        for (int64_t o = 0; o < n; o++)
            for (int64_t i = 0; i < inner; i++)
                total += g[at(o, i)] * (gamma[ch] * (x[at(o, i)] - mean) / std::sqrt(variance + epsilon) + beta[ch]);
    }
    return total;
}

} // namespace

TEST_CASE("batch_norm gradients agree with central differences", "[gradient][batch_norm]")
{
    for_each_device(
        [](Device &device) {
            const int64_t n = 6, c = 3, inner = 5;
            const float epsilon = 1e-3f;
            auto x = uniform(count({n, c, inner}), -1, 2, 9), g = uniform(count({n, c, inner}), -1, 1, 10);
            auto gamma = uniform(static_cast<size_t>(c), -1, 1, 11), beta = uniform(static_cast<size_t>(c), -1, 1, 12);
            auxo_op forward = {};
            forward.kind = AUXO_OP_BATCH_NORM_FORWARD;
            forward.params.batch_norm = {true, epsilon, 0.1f, AUXO_ACTIVATION_IDENTITY, 0};
            forward.tensors[AUXO_BATCH_NORM_X] = device.f32(x, {n, c, inner});
            forward.tensors[AUXO_BATCH_NORM_GAMMA] = device.f32(gamma, {c});
            forward.tensors[AUXO_BATCH_NORM_BETA] = device.f32(beta, {c});
            forward.tensors[AUXO_BATCH_NORM_RUNNING_MEAN] = device.f32({0, 0, 0}, {c});
            forward.tensors[AUXO_BATCH_NORM_RUNNING_VAR] = device.f32({1, 1, 1}, {c});
            forward.tensors[AUXO_BATCH_NORM_Y] = device.empty(AUXO_DTYPE_F32, {n, c, inner});
            forward.tensors[AUXO_BATCH_NORM_SAVED_MEAN] = device.empty(AUXO_DTYPE_F32, {c});
            forward.tensors[AUXO_BATCH_NORM_SAVED_INVSTD] = device.empty(AUXO_DTYPE_F32, {c});
            device.run(forward);
            auxo_op backward = {};
            backward.kind = AUXO_OP_BATCH_NORM_BACKWARD;
            backward.params.batch_norm = forward.params.batch_norm;
            backward.tensors[AUXO_BATCH_NORM_B_X] = forward.tensors[AUXO_BATCH_NORM_X];
            backward.tensors[AUXO_BATCH_NORM_B_GAMMA] = forward.tensors[AUXO_BATCH_NORM_GAMMA];
            backward.tensors[AUXO_BATCH_NORM_B_SAVED_MEAN] = forward.tensors[AUXO_BATCH_NORM_SAVED_MEAN];
            backward.tensors[AUXO_BATCH_NORM_B_SAVED_INVSTD] = forward.tensors[AUXO_BATCH_NORM_SAVED_INVSTD];
            backward.tensors[AUXO_BATCH_NORM_B_DY] = device.f32(g, {n, c, inner});
            backward.tensors[AUXO_BATCH_NORM_B_DX] = device.empty(AUXO_DTYPE_F32, {n, c, inner});
            backward.tensors[AUXO_BATCH_NORM_B_DGAMMA] = device.empty(AUXO_DTYPE_F32, {c});
            backward.tensors[AUXO_BATCH_NORM_B_DBETA] = device.empty(AUXO_DTYPE_F32, {c});
            device.run(backward);
            auto loss = [&](const Vector &at_x, const Vector &at_gamma, const Vector &at_beta) {
                return batch_norm_loss(n, c, inner, at_x, at_gamma, at_beta, widen(g), static_cast<double>(epsilon));
            };
            check_gradient(
                device.download_f32(backward.tensors[AUXO_BATCH_NORM_B_DX]),
                numeric_gradient([&](const Vector &at) { return loss(at, widen(gamma), widen(beta)); }, widen(x)),
                1e-5);
            check_gradient(
                device.download_f32(backward.tensors[AUXO_BATCH_NORM_B_DGAMMA]),
                numeric_gradient([&](const Vector &at) { return loss(widen(x), at, widen(beta)); }, widen(gamma)),
                1e-5);
            check_gradient(
                device.download_f32(backward.tensors[AUXO_BATCH_NORM_B_DBETA]),
                numeric_gradient([&](const Vector &at) { return loss(widen(x), widen(gamma), at); }, widen(beta)),
                1e-5);
        },
        true);
}
