// tests/morph_cost_test.cpp: MorphNet's costs and regularisers of small networks by hand, their gradients, expansion to
// a budget.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <cmath>
#include <cstdio>

using namespace auxo_test;

namespace
{

uint32_t add_layer(Desc &d, const char *name, auxo_layer_kind kind, const std::vector<uint32_t> &inputs,
                   uint32_t units = 0, int kernel = 0, int pad = 0, int groups = 0)
{
    auxo_layer layer{};
    std::snprintf(layer.name, sizeof layer.name, "%s", name);
    layer.kind = kind;
    layer.input_count = (uint32_t)inputs.size();
    for (size_t i = 0; i < inputs.size(); i++)
        layer.inputs[i] = inputs[i];
    layer.units = units;
    layer.kernel_h = layer.kernel_w = kernel;
    layer.pad_h = layer.pad_w = pad;
    layer.groups = groups;
    return d.add(layer);
}

uint32_t add_input(Desc &d, int64_t c, int64_t h, int64_t w)
{
    auxo_layer layer{};
    std::snprintf(layer.name, sizeof layer.name, "input");
    layer.kind = AUXO_LAYER_INPUT;
    layer.output_dims[0] = c;
    layer.output_dims[1] = h;
    layer.output_dims[2] = w;
    return d.add(layer);
}

// MorphNet at strength 1, and what the network costs. The caller destroys it.
auxo_morph *refreshed(const Model &model, auxo_morph_cost *cost)
{
    auxo_morph_options options{};
    options.strength = 1;
    options.threshold = 1e-2;
    auxo_morph *morph = nullptr;
    Error error;
    REQUIRE_OK(auxo_morph_create(model.model, &options, &morph, error));
    REQUIRE_OK(auxo_morph_refresh(morph, cost, error));
    return morph;
}

} // namespace

TEST_CASE("MorphNet's cost and regulariser of a chain, by hand")
{
    for_each_device([](Device &device) {
        // 2x6x6 -> conv 3 (3x3, pad 1) bn -> conv 4 (1x1) bn -> global pool -> dense 2.
        Desc d;
        uint32_t input = add_input(d, 2, 6, 6);
        uint32_t c1 = add_layer(d, "c1", AUXO_LAYER_CONV2D, {input}, 3, 3, 1);
        uint32_t b1 = add_layer(d, "b1", AUXO_LAYER_BATCH_NORM, {c1});
        uint32_t c2 = add_layer(d, "c2", AUXO_LAYER_CONV2D, {b1}, 4, 1);
        uint32_t b2 = add_layer(d, "b2", AUXO_LAYER_BATCH_NORM, {c2});
        uint32_t pool = add_layer(d, "pool", AUXO_LAYER_GLOBAL_AVERAGE_POOL, {b2});
        uint32_t flat = add_layer(d, "flat", AUXO_LAYER_FLATTEN, {pool});
        add_layer(d, "out", AUXO_LAYER_DENSE, {flat}, 2);
        d.finish();
        Model model(device, d.desc);
        model.set_param("b1.gamma", {0.5f, -0.25f, 0.001f});    // two alive
        model.set_param("b2.gamma", {1.0f, 0.0f, -2.0f, 0.5f}); // three alive
        auxo_morph_cost cost;
        auxo_morph *morph = refreshed(model, &cost);
        Error error;
        double k1 = 2 * 36 * 9, k2 = 2 * 36, k3 = 2;
        CHECK(cost.cost == Approx(k1 * 2 * 2 + k2 * 2 * 3 + k3 * 3 * 2));
        CHECK(cost.full_cost == Approx(k1 * 2 * 3 + k2 * 3 * 4 + k3 * 4 * 2));
        double r1 = 0.751, r2 = 3.5;
        CHECK(cost.regularizer == Approx(k1 * 2 * r1 + k2 * (2 * r2 + 3 * r1) + k3 * 2 * r2));
        std::vector<uint32_t> widths(d.desc.layer_count);
        auxo_morph_alive_widths(morph, widths.data());
        CHECK(widths[c1] == 2);
        CHECK(widths[c2] == 3);
        auxo_morph_destroy(morph);
        double flops, parameters;
        auxo_budget of_flops{}, of_parameters{};
        of_parameters.resource = AUXO_RESOURCE_PARAMETERS;
        REQUIRE_OK(auxo_morph_desc_cost(&d.desc, &of_flops, &flops, error));
        REQUIRE_OK(auxo_morph_desc_cost(&d.desc, &of_parameters, &parameters, error));
        CHECK(flops == Approx(cost.full_cost));
        CHECK(parameters == 9 * 2 * 3 + 3 * 4 + 4 * 2);
    });
}

TEST_CASE("MorphNet ties residual channels and joins concatenated ones")
{
    for_each_device([](Device &device) {
        Desc d;
        uint32_t input = add_input(d, 1, 4, 4);
        uint32_t c1 = add_layer(d, "c1", AUXO_LAYER_CONV2D, {input}, 2, 1);
        uint32_t b1 = add_layer(d, "b1", AUXO_LAYER_BATCH_NORM, {c1});
        uint32_t c2 = add_layer(d, "c2", AUXO_LAYER_CONV2D, {b1}, 2, 1);
        uint32_t b2 = add_layer(d, "b2", AUXO_LAYER_BATCH_NORM, {c2});
        uint32_t sum = add_layer(d, "sum", AUXO_LAYER_ADD, {b1, b2});
        uint32_t c3 = add_layer(d, "c3", AUXO_LAYER_CONV2D, {sum}, 3, 1);
        uint32_t b3 = add_layer(d, "b3", AUXO_LAYER_BATCH_NORM, {c3});
        uint32_t joined = add_layer(d, "joined", AUXO_LAYER_CONCAT, {sum, b3});
        uint32_t c4 = add_layer(d, "c4", AUXO_LAYER_CONV2D, {joined}, 2, 1);
        uint32_t flat = add_layer(d, "flat", AUXO_LAYER_FLATTEN, {c4});
        add_layer(d, "out", AUXO_LAYER_DENSE, {flat}, 2);
        d.finish();
        Model model(device, d.desc);
        model.set_param("b1.gamma", {0.5f, 0.0f});
        model.set_param("b2.gamma", {0.1f, 0.0f});        // tied with b1: maxima 0.5 and 0, one alive
        model.set_param("b3.gamma", {0.3f, 0.0f, -0.2f}); // two alive
        auxo_morph_cost cost;
        auxo_morph *morph = refreshed(model, &cost);
        const double k = 2 * 16, tied = 0.5, third = 0.5;
        double expected = k * (1 * tied)                      // c1: one input, always alive
                          + k * (1 * tied + 1 * tied)         // c2: tied in and out
                          + k * (1 * third + 2 * tied)        // c3
                          + k * (3 * 0 + 2 * (tied + third)); // c4: three alive in, two unregularised out
        CHECK(cost.regularizer == Approx(expected));
        CHECK(cost.cost == Approx(k * (1 * 1 + 1 * 1 + 1 * 2 + 3 * 2) + 2 * 32 * 2));
        auxo_morph_destroy(morph);
    });
}

TEST_CASE("MorphNet's penalty is the derivative of its regulariser")
{
    for_each_device([](Device &device) {
        for (auxo_morph_scale scale : {AUXO_MORPH_BATCH_NORM, AUXO_MORPH_GROUP_LASSO}) {
            Glyphs data(32);
            Desc d;
            uint32_t input = add_input(d, 1, 28, 28);
            uint32_t c1 = add_layer(d, "c1", AUXO_LAYER_CONV2D, {input}, 3, 3);
            uint32_t b1 = add_layer(d, "b1", AUXO_LAYER_BATCH_NORM, {c1});
            uint32_t c2 = add_layer(d, "c2", AUXO_LAYER_CONV2D, {b1}, 4, 3);
            uint32_t b2 = add_layer(d, "b2", AUXO_LAYER_BATCH_NORM, {c2});
            uint32_t pool = add_layer(d, "pool", AUXO_LAYER_GLOBAL_AVERAGE_POOL, {b2});
            add_layer(d, "out", AUXO_LAYER_DENSE, {add_layer(d, "flat", AUXO_LAYER_FLATTEN, {pool})}, 10);
            d.finish();
            Model plain(device, d.desc), penalised(device, d.desc);
            auxo_morph_options options{};
            options.strength = 1e-6;
            options.threshold = 1e-2;
            options.scale = scale;
            auxo_morph *morph = nullptr;
            Error error;
            REQUIRE_OK(auxo_morph_create(penalised.model, &options, &morph, error));
            auxo_train_options train{};
            train.batch = 32;
            train.optimizer = optimizer("sgd:lr=1");
            Trainer a(plain, data.train, nullptr, train);
            train.before_step = auxo_morph_before_step;
            train.hook_user = morph;
            Trainer b(penalised, data.train, nullptr, train);
            const char *name = scale == AUXO_MORPH_BATCH_NORM ? "b2.gamma" : "c2.weight";
            std::vector<float> start = plain.param(name);
            a.epochs(1);
            b.epochs(1);
            std::vector<float> without = plain.param(name), with = penalised.param(name);
            double coefficient = 1e-6 * (2.0 * 24 * 24 * 9 * 3 + 2.0 * 10); // C A_in of c2 + C A_out of the dense layer
            size_t size = start.size() / 4;
            for (size_t e = 0; e < start.size(); e++) {
                double norm = 0;
                for (size_t i = 0; i < size; i++)
                    norm += std::pow(start[e / size * size + i], 2);
                double expected = scale == AUXO_MORPH_BATCH_NORM
                                      ? coefficient * (start[e] > 0 ? 1 : -1)
                                      : coefficient * start[e] / std::sqrt(norm * (double)size);
                CHECK(without[e] - with[e] == Approx(expected).epsilon(1e-2).margin(1e-6));
            }
            auxo_morph_destroy(morph);
        }
    });
}

TEST_CASE("expansion finds the largest kappa within the budget")
{
    Error error;
    Desc desc("resnet18", 3, 32, 32, 10);
    std::vector<double> widths(desc.desc.layer_count, 0);
    for (uint32_t l = 0; l < desc.desc.layer_count; l++)
        if (desc.desc.layers[l].kind == AUXO_LAYER_CONV2D)
            widths[l] = desc.desc.layers[l].units * 0.37;
    for (auxo_resource resource : {AUXO_RESOURCE_FLOPS, AUXO_RESOURCE_PARAMETERS}) {
        auxo_budget budget{};
        budget.resource = resource;
        double full;
        REQUIRE_OK(auxo_morph_desc_cost(&desc.desc, &budget, &full, error));
        double kappa, cost;
        budget.limit = full / 7;
        Desc expanded;
        REQUIRE_OK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &expanded.desc, error));
        REQUIRE_OK(auxo_morph_desc_cost(&expanded.desc, &budget, &cost, error));
        CHECK(cost <= budget.limit);
        CHECK(cost > 0.9 * budget.limit);
        // A hair more breaks it: the same widths, kappa just above.
        std::vector<double> more = widths;
        for (double &w : more)
            w *= kappa * (1 + 1e-9);
        double scale;
        Desc over;
        REQUIRE_OK(auxo_morph_expand(&desc.desc, more.data(), &budget, &scale, &over.desc, error));
        CHECK(scale < 1);
        CHECK(scale == Approx(1).epsilon(1e-6));
        budget.limit = 10;
        Desc none;
        CHECK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &none.desc, error) ==
              AUXO_INVALID_ARGUMENT);
        CHECK(error.text().find("one unit in every layer") != std::string::npos);
    }
}
