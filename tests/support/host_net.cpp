// tests/support/host_net.cpp: see host_net.hpp.
#include "support/host_net.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace auxo_test
{

using Values = std::vector<double>;

static int64_t size_of(const auxo_layer &layer)
{
    return layer.output_dims[0] * layer.output_dims[1] * layer.output_dims[2];
}

static uint64_t weights_of(const auxo_model_desc &desc, uint32_t index)
{
    const auxo_layer &layer = desc.layers[index];
    if (layer.kind == AUXO_LAYER_BATCH_NORM)
        return 2 * static_cast<uint64_t>(layer.output_dims[0]);
    if (layer.kind != AUXO_LAYER_DENSE && layer.kind != AUXO_LAYER_CONV2D)
        return 0;
    int64_t inputs = desc.layers[layer.inputs[0]].output_dims[0];
    int64_t per_unit =
        layer.kind == AUXO_LAYER_DENSE ? inputs : inputs / layer.groups * layer.kernel_h * layer.kernel_w;
    return layer.units * static_cast<uint64_t>(per_unit + (layer.bias ? 1 : 0));
}

HostNet::HostNet(const auxo_model_desc &described) : desc(described)
{
    for (uint32_t l = 0; l < desc.layer_count; l++) {
        offsets.push_back(count);
        count += weights_of(desc, l);
    }
}

uint64_t HostNet::weight_count() const
{
    return count;
}

static double activate(double x, const auxo_layer &layer)
{
    switch (layer.activation) {
    case AUXO_ACTIVATION_RELU:
        return x > 0 ? x : 0;
    case AUXO_ACTIVATION_LEAKY_RELU:
        return x > 0 ? x : static_cast<double>(layer.slope) * x;
    case AUXO_ACTIVATION_ELU:
        return x > 0 ? x : static_cast<double>(layer.slope) * std::expm1(x);
    case AUXO_ACTIVATION_SELU:
        return 1.0507009873554805 * (x > 0 ? x : 1.6732632423543772 * std::expm1(x));
    case AUXO_ACTIVATION_SIGMOID:
        return 1 / (1 + std::exp(-x));
    case AUXO_ACTIVATION_TANH:
        return std::tanh(x);
    default:
        return x;
    }
}

static void dense(const auxo_layer &layer, const auxo_layer &from, const double *w, const Values &x, Values &y,
                  int64_t batch)
{
    int64_t in = size_of(from), out = layer.units;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t k = 0; k < out; k++) {
            double sum = layer.bias ? w[out * in + k] : 0;
            for (int64_t i = 0; i < in; i++)
                sum += w[k * in + i] * x[n * in + i];
            y[n * out + k] = activate(sum, layer);
        }
}

// Sum over the window of one output position.
template <class Body>
static void each_tap(const auxo_layer &layer, const auxo_layer &from, int64_t p, int64_t q, const Body &body)
{
    for (int64_t r = 0; r < layer.kernel_h; r++)
        for (int64_t s = 0; s < layer.kernel_w; s++) {
            int64_t h = p * layer.stride_h - layer.pad_h + r * layer.dilation_h;
            int64_t w = q * layer.stride_w - layer.pad_w + s * layer.dilation_w;
            if (h >= 0 && h < from.output_dims[1] && w >= 0 && w < from.output_dims[2])
                body(r, s, h * from.output_dims[2] + w);
        }
}

static void conv2d(const auxo_layer &layer, const auxo_layer &from, const double *w, const Values &x, Values &y,
                   int64_t batch)
{
    int64_t channels = from.output_dims[0], per_group = channels / layer.groups, filters = layer.units;
    int64_t plane = from.output_dims[1] * from.output_dims[2], height = layer.output_dims[1];
    int64_t width = layer.output_dims[2], window = int64_t(layer.kernel_h) * layer.kernel_w;
    for (int64_t n = 0; n < batch; n++)
        for (int64_t k = 0; k < filters; k++)
            for (int64_t p = 0; p < height; p++)
                for (int64_t q = 0; q < width; q++) {
                    double sum = layer.bias ? w[filters * per_group * window + k] : 0;
                    int64_t first = k / (filters / layer.groups) * per_group;
                    for (int64_t c = 0; c < per_group; c++)
                        each_tap(layer, from, p, q, [&](int64_t r, int64_t s, int64_t at) {
                            sum += w[(k * per_group + c) * window + r * layer.kernel_w + s] *
                                   x[(n * channels + first + c) * plane + at];
                        });
                    y[((n * filters + k) * height + p) * width + q] = activate(sum, layer);
                }
}

static void pool(const auxo_layer &described, const auxo_layer &from, const Values &x, Values &y, int64_t batch)
{
    auxo_layer layer = described;
    if (layer.kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL) {
        layer.kernel_h = int32_t(from.output_dims[1]);
        layer.kernel_w = int32_t(from.output_dims[2]);
        layer.pool = AUXO_POOL_AVERAGE;
    }
    int64_t plane = from.output_dims[1] * from.output_dims[2], width = layer.output_dims[2];
    int64_t out_plane = layer.output_dims[1] * width;
    for (int64_t nc = 0; nc < batch * from.output_dims[0]; nc++)
        for (int64_t o = 0; o < out_plane; o++) {
            double sum = 0, most = -INFINITY, taps = 0;
            each_tap(layer, from, o / width, o % width, [&](int64_t, int64_t, int64_t at) {
                sum += x[nc * plane + at];
                most = std::max(most, x[nc * plane + at]);
                taps += 1;
            });
            y[nc * out_plane + o] = layer.pool == AUXO_POOL_MAX ? most : sum / taps;
        }
}

static void batch_norm(const auxo_layer &layer, const double *w, const Values &x, Values &y, int64_t batch)
{
    int64_t channels = layer.output_dims[0], plane = layer.output_dims[1] * layer.output_dims[2];
    for (int64_t c = 0; c < channels; c++) {
        double mean = 0, variance = 0;
        for (int64_t n = 0; n < batch; n++)
            for (int64_t i = 0; i < plane; i++)
                mean += x[(n * channels + c) * plane + i] / double(batch * plane);
        for (int64_t n = 0; n < batch; n++)
            for (int64_t i = 0; i < plane; i++)
                variance += std::pow(x[(n * channels + c) * plane + i] - mean, 2) / double(batch * plane);
        double scale = w[c] / std::sqrt(variance + double(layer.epsilon));
        for (int64_t n = 0; n < batch; n++)
            for (int64_t i = 0; i < plane; i++) {
                int64_t at = (n * channels + c) * plane + i;
                y[at] = activate(scale * (x[at] - mean) + w[channels + c], layer);
            }
    }
}

static void concat(const auxo_model_desc &desc, const auxo_layer &layer, const std::vector<Values> &outputs, Values &y,
                   int64_t batch)
{
    int64_t size = size_of(layer), start = 0;
    for (uint32_t i = 0; i < layer.input_count; i++) {
        int64_t part = size_of(desc.layers[layer.inputs[i]]);
        for (int64_t n = 0; n < batch; n++)
            std::copy_n(&outputs[layer.inputs[i]][n * part], part, &y[n * size + start]);
        start += part;
    }
}

Values HostNet::forward(const Values &weights, const Values &input, int64_t batch) const
{
    std::vector<Values> outputs(desc.layer_count);
    outputs[0] = input;
    for (uint32_t l = 1; l < desc.layer_count; l++) {
        const auxo_layer &layer = desc.layers[l], &from = desc.layers[layer.inputs[0]];
        const Values &x = outputs[layer.inputs[0]];
        const double *w = weights.data() + offsets[l];
        Values &y = outputs[l];
        y = layer.kind == AUXO_LAYER_CONCAT ? Values(size_t(batch * size_of(layer))) : x;
        y.resize(size_t(batch * size_of(layer)));
        switch (layer.kind) {
        case AUXO_LAYER_DENSE:
            dense(layer, from, w, x, y, batch);
            break;
        case AUXO_LAYER_CONV2D:
            conv2d(layer, from, w, x, y, batch);
            break;
        case AUXO_LAYER_POOL2D:
        case AUXO_LAYER_GLOBAL_AVERAGE_POOL:
            pool(layer, from, x, y, batch);
            break;
        case AUXO_LAYER_BATCH_NORM:
            batch_norm(layer, w, x, y, batch);
            break;
        case AUXO_LAYER_ACTIVATION:
            std::transform(x.begin(), x.end(), y.begin(), [&](double v) { return activate(v, layer); });
            break;
        case AUXO_LAYER_ADD:
            for (uint32_t i = 1; i < layer.input_count; i++)
                for (size_t e = 0; e < y.size(); e++)
                    y[e] += outputs[layer.inputs[i]][e];
            break;
        case AUXO_LAYER_CONCAT:
            concat(desc, layer, outputs, y, batch);
            break;
        case AUXO_LAYER_DROPOUT:
        case AUXO_LAYER_FLATTEN:
            break;
        default:
            throw std::runtime_error("the host network cannot run this layer");
        }
    }
    return outputs.back();
}

double HostNet::cross_entropy(const Values &weights, const Values &input, const std::vector<uint32_t> &labels) const
{
    Values z = forward(weights, input, int64_t(labels.size()));
    size_t classes = z.size() / labels.size();
    double loss = 0;
    for (size_t n = 0; n < labels.size(); n++) {
        double most = *std::max_element(&z[n * classes], &z[n * classes] + classes), sum = 0;
        for (size_t c = 0; c < classes; c++)
            sum += std::exp(z[n * classes + c] - most);
        loss += (std::log(sum) + most - z[n * classes + labels[n]]) / double(labels.size());
    }
    return loss;
}

Values HostNet::gradient(const Values &weights, const Values &input, const std::vector<uint32_t> &labels,
                         const std::vector<uint64_t> &indices, double h) const
{
    Values gradient, moved = weights;
    for (uint64_t i : indices) {
        moved[i] = weights[i] + h;
        double above = cross_entropy(moved, input, labels);
        moved[i] = weights[i] - h;
        double below = cross_entropy(moved, input, labels);
        moved[i] = weights[i];
        gradient.push_back((above - below) / (2 * h));
    }
    return gradient;
}

} // namespace auxo_test
