// tests/support/multiscale.hpp: small data sets and networks for the tests of multi-scale training.
#ifndef AUXO_TEST_MULTISCALE_HPP
#define AUXO_TEST_MULTISCALE_HPP

#include "auxo/multiscale.h"
#include "support/support.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace auxo_test
{

struct Rows {
    auxo_dataset set{};
    std::vector<float> x, y;
    Rows(size_t rows, int inputs, int outputs, uint32_t seed) : x(uniform(rows * (size_t)inputs, -1, 1, seed))
    {
        y.resize(rows * (size_t)outputs);
        for (size_t r = 0; r < rows; r++)
            for (int t = 0; t < outputs; t++) {
                double sum = 0.3 * (t + 1);
                for (int i = 0; i < inputs; i++)
                    sum += std::sin((i + 1) * x[r * (size_t)inputs + (size_t)i] + t) / (i + 1);
                y[r * (size_t)outputs + (size_t)t] = (float)sum;
            }
        std::strcpy(set.name, "rows");
        set.row_count = rows;
        set.channels = inputs;
        set.height = set.width = 1;
        set.feature_type = AUXO_FEATURES_F32;
        set.features = x.data();
        set.target_type = AUXO_TARGET_REAL;
        set.target_count = (uint32_t)outputs;
        set.targets = y.data();
    }
};

struct Network {
    auxo_model *model = nullptr;
    Network(auxo_device *device, std::vector<uint32_t> widths, auxo_activation hidden, bool bias, uint64_t seed,
            auxo_activation output = AUXO_ACTIVATION_IDENTITY)
    {
        Error error;
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        auxo_layer layer{};
        std::strcpy(layer.name, "input");
        layer.kind = AUXO_LAYER_INPUT;
        layer.output_dims[0] = widths[0];
        layer.output_dims[1] = layer.output_dims[2] = 1;
        uint32_t index = 0;
        REQUIRE_OK(auxo_model_desc_add(&desc, &layer, &index, error));
        for (size_t l = 1; l < widths.size(); l++) {
            auxo_layer dense{};
            std::snprintf(dense.name, sizeof dense.name, "dense%zu", l);
            dense.kind = AUXO_LAYER_DENSE;
            dense.input_count = 1;
            dense.inputs[0] = index;
            dense.units = widths[l];
            dense.bias = bias;
            dense.activation = l + 1 < widths.size() ? hidden : output;
            REQUIRE_OK(auxo_model_desc_add(&desc, &dense, &index, error));
        }
        REQUIRE_OK(auxo_model_desc_finish(&desc, error));
        REQUIRE_OK(auxo_model_create(device, &desc, seed, &model, error));
        auxo_model_desc_deinit(&desc);
    }
    ~Network()
    {
        auxo_model_destroy(model);
    }
    std::vector<float> weights()
    {
        Error error;
        std::vector<float> values(auxo_model_weight_count(model));
        REQUIRE_OK(auxo_model_read_weights(model, values.data(), nullptr, error));
        return values;
    }
    void set_weights(const std::vector<float> &values)
    {
        Error error;
        REQUIRE_OK(auxo_model_write_weights(model, values.data(), nullptr, error));
    }
};

inline auxo_multiscale_options defaults()
{
    auxo_multiscale_options options;
    auxo_multiscale_options_init(&options);
    return options;
}

struct Multiscale {
    auxo_multiscale *ms = nullptr;
    Multiscale(auxo_model *model, const auxo_dataset &train, const auxo_multiscale_options &options,
               const auxo_dataset *test = nullptr)
    {
        Error error;
        REQUIRE_OK(auxo_multiscale_create(model, &train, test, &options, &ms, error));
    }
    ~Multiscale()
    {
        auxo_multiscale_destroy(ms);
    }
    uint32_t node_count() const
    {
        return auxo_multiscale_tree(ms)->node_count;
    }
    std::vector<double> first(auxo_difference difference, double epsilon)
    {
        Error error;
        std::vector<double> values(node_count());
        REQUIRE_OK(auxo_multiscale_sensitivities(ms, difference, epsilon, values.data(), error));
        return values;
    }
};

inline double largest(const std::vector<double> &values)
{
    double m = 0;
    for (double v : values)
        m = std::max(m, std::fabs(v));
    return m;
}

} // namespace auxo_test

#endif
