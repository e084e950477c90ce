// tests/loss_gradient_test.cpp: losses, and gradients and Hessian products of whole networks, against an independent
// double-precision implementation and its central differences; theta evaluation against exact sensitivities.
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

// hi + lo
double loss_value(Device &device, const auxo_tensor &loss)
{
    std::vector<float> parts = device.download_f32(loss);
    return static_cast<double>(parts[0]) + static_cast<double>(parts[1]);
}

// ---- softmax cross-entropy and mean squared error -------------------------------------------------------------------

double cross_entropy(const Vector &z, const std::vector<uint32_t> &labels, size_t classes)
{
    double sum = 0;
    for (size_t r = 0; r < labels.size(); r++) {
        double total = 0;
        for (size_t c = 0; c < classes; c++)
            total += std::exp(z[r * classes + c]);
        sum += std::log(total) - z[r * classes + labels[r]];
    }
    return sum / static_cast<double>(labels.size());
}

// ---- Cox, O(n^2), straight from the definition ----------------------------------------------------------------------

struct Survival {
    Vector time;
    std::vector<uint32_t> event;
};

// log of the denominator of an event that is the `rank`-th of `tied` events at its time
double log_denominator(const Survival &data, const Vector &h, size_t i, bool efron, size_t rank, size_t tied)
{
    double sum = 0;
    for (size_t j = 0; j < h.size(); j++) {
        if (data.time[j] < data.time[i])
            continue;
        bool tied_event = data.time[j] == data.time[i] && data.event[j];
        double share = efron && tied_event ? 1 - static_cast<double>(rank) / static_cast<double>(tied) : 1;
        sum += share * std::exp(h[j]);
    }
    return std::log(sum);
}

double cox_loss(const Survival &data, const Vector &h, const auxo_cox_params &params)
{
    double loss = 0, events = 0, n = static_cast<double>(h.size());
    for (size_t i = 0; i < h.size(); i++) {
        if (!data.event[i])
            continue;
        size_t rank = 0, tied = 0;
        for (size_t j = 0; j < h.size(); j++) {
            bool same = data.event[j] && data.time[j] == data.time[i];
            rank += same && j < i;
            tied += same;
        }
        loss += log_denominator(data, h, i, params.ties == AUXO_COX_EFRON, rank, tied) - h[i];
        events++;
    }
    if (events > 0)
        loss /= params.reduction == AUXO_COX_SUM ? 1 : params.reduction == AUXO_COX_MEAN ? n : events;
    double mean = 0, mean_square = 0;
    for (double value : h) {
        mean += value / n;
        mean_square += value * value / n;
    }
    const double strength = static_cast<double>(params.domain_strength);
    switch (params.domain) {
    case AUXO_COX_DOMAIN_AS_PRINTED:
        return loss + strength * n * mean * mean;
    case AUXO_COX_DOMAIN_MEAN2:
        return loss + strength * mean * mean;
    case AUXO_COX_DOMAIN_MEAN_SQ:
        return loss + strength * mean_square;
    default:
        return loss;
    }
}

std::vector<uint32_t> ascending(const Vector &keys)
{
    std::vector<uint32_t> order(keys.size());
    for (size_t i = 0; i < keys.size(); i++)
        order[i] = static_cast<uint32_t>(i);
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
    return order;
}

auxo_op make_cox(Device &device, const Survival &data, const std::vector<float> &h, const auxo_cox_params &params)
{
    const auto n = static_cast<int64_t>(h.size());
    auxo_op op = {};
    op.kind = AUXO_OP_COX;
    op.params.cox = params;
    op.tensors[AUXO_COX_RISK] = device.f32(h, {n});
    op.tensors[AUXO_COX_TIME] = device.f32(std::vector<float>(data.time.begin(), data.time.end()), {n});
    op.tensors[AUXO_COX_EVENT] = device.u32(data.event, {n});
    op.tensors[AUXO_COX_ORDER] = device.u32(ascending(data.time), {n});
    op.tensors[AUXO_COX_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
    op.tensors[AUXO_COX_DRISK] = device.empty(AUXO_DTYPE_F32, {n});
    return op;
}

// ---- fully connected networks ---------------------------------------------------------------------------------------

struct Network {
    std::vector<uint32_t> widths;
    std::vector<auxo_activation> activations;
    bool has_bias;

    auxo_mlp mlp() const
    {
        return {static_cast<uint32_t>(activations.size()), widths.data(), activations.data(), 0.3f, has_bias};
    }
    size_t param_count() const
    {
        auxo_mlp view = mlp();
        return static_cast<size_t>(auxo_mlp_param_count(&view));
    }
};

double activate(auxo_activation activation, double x)
{
    switch (activation) {
    case AUXO_ACTIVATION_TANH:
        return std::tanh(x);
    case AUXO_ACTIVATION_SIGMOID:
        return 1 / (1 + std::exp(-x));
    case AUXO_ACTIVATION_SELU:
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * (std::exp(x) - 1));
    case AUXO_ACTIVATION_ELU:
        return x > 0 ? x : 0.3 * (std::exp(x) - 1);
    default:
        return x;
    }
}

double network_loss(const Network &network, const Vector &params, const Vector &x, const Vector &target)
{
    const size_t inputs = network.widths.front(), outputs = network.widths.back(), rows = x.size() / inputs;
    double sum = 0;
    for (size_t row = 0; row < rows; row++) {
        Vector a(x.begin() + static_cast<long>(row * inputs), x.begin() + static_cast<long>((row + 1) * inputs));
        size_t at = 0;
        for (size_t l = 0; l < network.activations.size(); l++) {
            const size_t in = network.widths[l], out = network.widths[l + 1];
            Vector next(out, 0);
            for (size_t i = 0; i < out; i++) {
                for (size_t j = 0; j < in; j++)
                    next[i] += params[at + i * in + j] * a[j];
                if (network.has_bias)
                    next[i] += params[at + out * in + i];
                next[i] = activate(network.activations[l], next[i]);
            }
            at += out * (in + (network.has_bias ? 1 : 0));
            a = next;
        }
        for (size_t i = 0; i < outputs; i++)
            sum += (a[i] - target[row * outputs + i]) * (a[i] - target[row * outputs + i]);
    }
    return sum / static_cast<double>(rows * outputs);
}

const Network networks[] = {
    {{3, 5, 4, 2}, {AUXO_ACTIVATION_TANH, AUXO_ACTIVATION_TANH, AUXO_ACTIVATION_IDENTITY}, true},
    {{2, 4, 3}, {AUXO_ACTIVATION_SIGMOID, AUXO_ACTIVATION_IDENTITY}, false},
    {{4, 6, 1}, {AUXO_ACTIVATION_SELU, AUXO_ACTIVATION_ELU}, true},
};

const int64_t rows = 11;

struct NetworkData {
    std::vector<float> params, x, target;
    explicit NetworkData(const Network &network)
        : params(uniform(network.param_count(), -0.8f, 0.8f, 21)),
          x(uniform(static_cast<size_t>(rows) * network.widths.front(), -1, 1, 22)),
          target(uniform(static_cast<size_t>(rows) * network.widths.back(), -1, 1, 23))
    {
    }
};

} // namespace

TEST_CASE("softmax_cross_entropy: loss and gradient agree with central differences", "[gradient][loss]")
{
    for_each_device(
        [](Device &device) {
            const int64_t row_count = 9, classes = 7;
            auto z = uniform(static_cast<size_t>(row_count * classes), -3, 3, 24);
            auto labels = auxo_test::integers(static_cast<size_t>(row_count), 7, 25);
            auxo_op op = {};
            op.kind = AUXO_OP_SOFTMAX_CROSS_ENTROPY;
            op.tensors[AUXO_XENT_LOGITS] = device.f32(z, {row_count, classes});
            op.tensors[AUXO_XENT_LABELS] = device.u32(labels, {row_count});
            op.tensors[AUXO_XENT_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
            op.tensors[AUXO_XENT_DLOGITS] = device.empty(AUXO_DTYPE_F32, {row_count, classes});
            device.run(op);
            auto loss = [&](const Vector &at) { return cross_entropy(at, labels, static_cast<size_t>(classes)); };
            CHECK(loss_value(device, op.tensors[AUXO_XENT_LOSS]) == Approx(loss(widen(z))).epsilon(1e-6));
            check_gradient(device.download_f32(op.tensors[AUXO_XENT_DLOGITS]), numeric_gradient(loss, widen(z)), 5e-6);
        },
        true);
}

TEST_CASE("mse: loss and gradient agree with central differences", "[gradient][loss]")
{
    for_each_device(
        [](Device &device) {
            auto p = uniform(33, -1, 1, 26), t = uniform(33, -1, 1, 27);
            auxo_op op = {};
            op.kind = AUXO_OP_MSE;
            op.tensors[AUXO_MSE_PREDICTION] = device.f32(p, {11, 3});
            op.tensors[AUXO_MSE_TARGET] = device.f32(t, {11, 3});
            op.tensors[AUXO_MSE_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
            op.tensors[AUXO_MSE_DPREDICTION] = device.empty(AUXO_DTYPE_F32, {11, 3});
            device.run(op);
            auto loss = [&](const Vector &at) {
                double sum = 0;
                for (size_t i = 0; i < at.size(); i++)
                    sum += (at[i] - static_cast<double>(t[i])) * (at[i] - static_cast<double>(t[i]));
                return sum / static_cast<double>(at.size());
            };
            CHECK(loss_value(device, op.tensors[AUXO_MSE_LOSS]) == Approx(loss(widen(p))).epsilon(1e-6));
            check_gradient(device.download_f32(op.tensors[AUXO_MSE_DPREDICTION]), numeric_gradient(loss, widen(p)),
                           2e-6);
        },
        true);
}

TEST_CASE("cox: loss and gradient agree with the definition and central differences", "[gradient][loss][cox]")
{
    for_each_device(
        [](Device &device) {
            Survival data;
            for (uint32_t time : auxo_test::integers(23, 9, 28))
                data.time.push_back(time);
            data.event = auxo_test::integers(23, 2, 29);
            auto h = uniform(23, -2, 2, 30);
            for (int combination = 0; combination < 6; combination++) {
                const int ties = combination % 2, reduction = combination / 2, domain = (combination + 2) % 4;
                INFO("ties " << ties << " reduction " << reduction << " domain " << domain);
                const auxo_cox_params params = {static_cast<auxo_cox_ties>(ties),
                                                static_cast<auxo_cox_reduction>(reduction),
                                                static_cast<auxo_cox_domain>(domain), 0.5f};
                auxo_op op = make_cox(device, data, h, params);
                device.run(op);
                auto loss = [&](const Vector &at) { return cox_loss(data, at, params); };
                CHECK(loss_value(device, op.tensors[AUXO_COX_LOSS]) == Approx(loss(widen(h))).epsilon(2e-6));
                check_gradient(device.download_f32(op.tensors[AUXO_COX_DRISK]), numeric_gradient(loss, widen(h)), 1e-5);
            }
        },
        true);
}

TEST_CASE("cox: the worked example, its reductions, and a shift of all risks", "[loss][cox]")
{
    for_each_device(
        [](Device &device) {
            const Survival data = {{5, 3, 3, 2, 1}, {1, 1, 1, 0, 1}};
            const std::vector<float> h = {0.5f, -0.2f, 1, 0, 0.3f};
            const double expected[] = {4.211460, 0.842292, 1.052865};
            for (int reduction = AUXO_COX_SUM; reduction <= AUXO_COX_PER_EVENT; reduction++)
                for (float shift : {0.0f, 7.0f}) {
                    std::vector<float> shifted;
                    for (float value : h)
                        shifted.push_back(value + shift);
                    auxo_op op = make_cox(
                        device, data, shifted,
                        {AUXO_COX_BRESLOW, static_cast<auxo_cox_reduction>(reduction), AUXO_COX_DOMAIN_NONE, 0});
                    device.run(op);
                    CHECK(loss_value(device, op.tensors[AUXO_COX_LOSS]) == Approx(expected[reduction]).margin(3e-6));
                }
        },
        true);
}

TEST_CASE("mlp_gradient agrees with central differences", "[gradient][mlp]")
{
    for_each_device(
        [](Device &device) {
            for (const Network &network : networks) {
                NetworkData data(network);
                const auto param_count = static_cast<int64_t>(data.params.size());
                auxo_op op = {};
                op.kind = AUXO_OP_MLP_GRADIENT;
                op.params.mlp.mlp = network.mlp();
                op.params.mlp.train_end = op.params.mlp.mlp.layer_count;
                op.tensors[AUXO_MLP_GRADIENT_X] = device.f32(data.x, {rows, network.widths.front()});
                op.tensors[AUXO_MLP_GRADIENT_TARGET] = device.f32(data.target, {rows, network.widths.back()});
                op.tensors[AUXO_MLP_GRADIENT_PARAMS] = device.f32(data.params, {param_count});
                op.tensors[AUXO_MLP_GRADIENT_GRADS] = device.empty(AUXO_DTYPE_F32, {param_count});
                op.tensors[AUXO_MLP_GRADIENT_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
                device.run(op);
                auto loss = [&](const Vector &at) {
                    return network_loss(network, at, widen(data.x), widen(data.target));
                };
                CHECK(loss_value(device, op.tensors[AUXO_MLP_GRADIENT_LOSS]) ==
                      Approx(loss(widen(data.params))).epsilon(2e-6));
                check_gradient(device.download_f32(op.tensors[AUXO_MLP_GRADIENT_GRADS]),
                               numeric_gradient(loss, widen(data.params)), 1e-5);
            }
        },
        true);
}

TEST_CASE("mlp_hvp agrees with differences of gradients", "[gradient][mlp]")
{
    for_each_device(
        [](Device &device) {
            for (const Network &network : networks) {
                NetworkData data(network);
                const auto param_count = static_cast<int64_t>(data.params.size());
                auto v = uniform(data.params.size() * 2, -1, 1, 31);
                auxo_op op = {};
                op.kind = AUXO_OP_MLP_HVP;
                op.params.mlp.mlp = network.mlp();
                op.tensors[AUXO_MLP_HVP_X] = device.f32(data.x, {rows, network.widths.front()});
                op.tensors[AUXO_MLP_HVP_TARGET] = device.f32(data.target, {rows, network.widths.back()});
                op.tensors[AUXO_MLP_HVP_PARAMS] = device.f32(data.params, {param_count});
                op.tensors[AUXO_MLP_HVP_V] = device.f32(v, {2, param_count});
                op.tensors[AUXO_MLP_HVP_HV] = device.empty(AUXO_DTYPE_F32, {2, param_count});
                device.run(op);
                auto loss = [&](const Vector &at) {
                    return network_loss(network, at, widen(data.x), widen(data.target));
                };
                // (grad L(w + e v) - grad L(w - e v)) / 2e, both gradients by differences
                const double e = 1e-4;
                Vector expected;
                for (size_t direction = 0; direction < 2; direction++) {
                    Vector above = widen(data.params), below = above;
                    for (size_t i = 0; i < above.size(); i++) {
                        const double step = e * static_cast<double>(v[direction * above.size() + i]);
                        above[i] += step;
                        below[i] -= step;
                    }
                    Vector high = numeric_gradient(loss, above, 1e-4), low = numeric_gradient(loss, below, 1e-4);
                    for (size_t i = 0; i < high.size(); i++)
                        expected.push_back((high[i] - low[i]) / (2 * e));
                }
                check_gradient(device.download_f32(op.tensors[AUXO_MLP_HVP_HV]), expected, 2e-5);
            }
        },
        true);
}

TEST_CASE("theta_eval: central differences at 1e-3 give the exact layer sensitivities", "[gradient][mlp]")
{
    for_each_device(
        [](Device &device) {
            const Network &network = networks[0];
            NetworkData data(network);
            const auto param_count = static_cast<int64_t>(data.params.size());
            const uint32_t layer_count = static_cast<uint32_t>(network.activations.size());
            const double e = 0.0009765625; // 2^-10: 1 + e and 1 - e are exact
            std::vector<float> theta;
            std::vector<uint32_t> first_layer, unit_group;
            for (uint32_t layer = 0; layer < layer_count; layer++)
                for (double sign : {1.0, -1.0}) {
                    for (uint32_t other = 0; other < layer_count; other++)
                        theta.push_back(static_cast<float>(other == layer ? 1 + sign * e : 1));
                    first_layer.push_back(layer);
                }
            for (uint32_t layer = 0; layer < layer_count; layer++)
                unit_group.insert(unit_group.end(), network.widths[layer + 1], layer);
            const auto masks = static_cast<int64_t>(first_layer.size());
            auxo_op op = {};
            op.kind = AUXO_OP_THETA_EVAL;
            op.params.mlp.mlp = network.mlp();
            op.tensors[AUXO_THETA_EVAL_X] = device.f32(data.x, {rows, network.widths.front()});
            op.tensors[AUXO_THETA_EVAL_TARGET] = device.f32(data.target, {rows, network.widths.back()});
            op.tensors[AUXO_THETA_EVAL_PARAMS] = device.f32(data.params, {param_count});
            op.tensors[AUXO_THETA_EVAL_THETA] = device.f32(theta, {masks, layer_count});
            op.tensors[AUXO_THETA_EVAL_UNIT_GROUP] = device.u32(unit_group, {static_cast<int64_t>(unit_group.size())});
            op.tensors[AUXO_THETA_EVAL_FIRST_LAYER] = device.u32(first_layer, {masks});
            op.tensors[AUXO_THETA_EVAL_LOSS] = device.empty(AUXO_DTYPE_F32, {masks, 2});
            device.run(op);
            std::vector<float> loss = device.download_f32(op.tensors[AUXO_THETA_EVAL_LOSS]);
            Vector gradient = numeric_gradient(
                [&](const Vector &at) { return network_loss(network, at, widen(data.x), widen(data.target)); },
                widen(data.params));
            const auxo_mlp mlp = network.mlp();
            for (uint32_t layer = 0; layer < layer_count; layer++) {
                double exact = 0; // <W, dL/dW> + <b, dL/db>
                for (size_t i = auxo_mlp_layer_offset(&mlp, layer); i < auxo_mlp_layer_offset(&mlp, layer + 1); i++)
                    exact += static_cast<double>(data.params[i]) * gradient[i];
                auto value = [&](size_t mask) {
                    return static_cast<double>(loss[2 * mask]) + static_cast<double>(loss[2 * mask + 1]);
                };
                double difference = (value(2 * layer) - value(2 * layer + 1)) / (2 * e);
                CHECK(difference == Approx(exact).margin(3e-4));
            }
        },
        true);
}

TEST_CASE("losses keep digits beyond f32 when they sum over many rows", "[loss][mlp]")
{
    for_each_device(
        [](Device &device) {
            // Differences have 11 bits, so that squares and forward values are exact in f32: what is left is the sum.
            const int64_t row_count = 10007;
            std::vector<float> x, target;
            double sum = 0;
            for (uint32_t value : auxo_test::integers(static_cast<size_t>(row_count), 2048, 33)) {
                x.push_back(static_cast<float>(value) / 1024);
                target.push_back(0);
                sum += static_cast<double>(x.back()) * static_cast<double>(x.back());
            }
            const double expected = sum / static_cast<double>(row_count);
            const uint32_t widths[] = {1, 1};
            const auxo_activation activations[] = {AUXO_ACTIVATION_IDENTITY};
            const auxo_mlp mlp = {1, widths, activations, 0, false};
            auxo_tensor x_tensor = device.f32(x, {row_count, 1}), target_tensor = device.f32(target, {row_count, 1});
            auxo_tensor weight = device.f32({1}, {1});

            auxo_op mse = {};
            mse.kind = AUXO_OP_MSE;
            mse.tensors[AUXO_MSE_PREDICTION] = x_tensor;
            mse.tensors[AUXO_MSE_TARGET] = target_tensor;
            mse.tensors[AUXO_MSE_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
            device.run(mse);
            CHECK(loss_value(device, mse.tensors[AUXO_MSE_LOSS]) == Approx(expected).epsilon(1e-12));

            auxo_op gradient = {};
            gradient.kind = AUXO_OP_MLP_GRADIENT;
            gradient.params.mlp.mlp = mlp;
            gradient.params.mlp.train_end = 1;
            gradient.tensors[AUXO_MLP_GRADIENT_X] = x_tensor;
            gradient.tensors[AUXO_MLP_GRADIENT_TARGET] = target_tensor;
            gradient.tensors[AUXO_MLP_GRADIENT_PARAMS] = weight;
            gradient.tensors[AUXO_MLP_GRADIENT_GRADS] = device.empty(AUXO_DTYPE_F32, {1});
            gradient.tensors[AUXO_MLP_GRADIENT_LOSS] = device.empty(AUXO_DTYPE_F32, {2});
            device.run(gradient);
            CHECK(loss_value(device, gradient.tensors[AUXO_MLP_GRADIENT_LOSS]) == Approx(expected).epsilon(1e-12));

            auxo_op theta = {};
            theta.kind = AUXO_OP_THETA_EVAL;
            theta.params.mlp.mlp = mlp;
            theta.tensors[AUXO_THETA_EVAL_X] = x_tensor;
            theta.tensors[AUXO_THETA_EVAL_TARGET] = target_tensor;
            theta.tensors[AUXO_THETA_EVAL_PARAMS] = weight;
            theta.tensors[AUXO_THETA_EVAL_THETA] = device.f32({1}, {1, 1});
            theta.tensors[AUXO_THETA_EVAL_UNIT_GROUP] = device.u32({0}, {1});
            theta.tensors[AUXO_THETA_EVAL_FIRST_LAYER] = device.u32({1}, {1});
            theta.tensors[AUXO_THETA_EVAL_LOSS] = device.empty(AUXO_DTYPE_F32, {1, 2});
            device.run(theta);
            CHECK(loss_value(device, theta.tensors[AUXO_THETA_EVAL_LOSS]) == Approx(expected).epsilon(1e-12));
        },
        true);
}
