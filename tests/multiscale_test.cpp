// tests/multiscale_test.cpp: hierarchical multi-scale training: the tree, the selector, sensitivities against closed
// forms and finite differences, frozen layers, the loops, and the same choices on every device.
#include "auxo/multiscale.h"
#include "support/support.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <set>

using namespace auxo_test;

namespace
{

struct TreeHolder {
    auxo_tree *tree = nullptr;
    TreeHolder(std::vector<uint32_t> units, bool split = false)
    {
        Error error;
        REQUIRE_OK(auxo_tree_create((uint32_t)units.size(), units.data(), split, 0, &tree, error));
    }
    ~TreeHolder()
    {
        auxo_tree_destroy(tree);
    }
};

// Rows of a smooth nonlinear function, as a data set that owns its memory.
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

auxo_multiscale_options defaults()
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

double uniform_draw(void *user, uint32_t)
{
    return std::uniform_real_distribution<double>(0, 1)(*(std::mt19937 *)user);
}

double largest(const std::vector<double> &values)
{
    double m = 0;
    for (double v : values)
        m = std::max(m, std::fabs(v));
    return m;
}

} // namespace

TEST_CASE("tree bisects layers, the smaller half left, down to units")
{
    TreeHolder seven({5, 5, 5, 5, 5, 5, 5});
    const auxo_tree *tree = seven.tree;
    REQUIRE(tree->node_count == 13);
    CHECK(tree->depth == 3);
    const auxo_tree_node &root = tree->nodes[0];
    CHECK(root.layer_begin == 0);
    CHECK(root.layer_end == 7);
    CHECK(tree->nodes[root.left].layer_end == 3);
    CHECK(tree->nodes[root.right].layer_begin == 3);
    for (uint32_t i = 1; i < tree->node_count; i++) {
        const auxo_tree_node &node = tree->nodes[i];
        const auxo_tree_node &parent = tree->nodes[node.parent];
        CHECK(node.depth == parent.depth + 1);
        CHECK((uint32_t)node.parent < i);
    }
    TreeHolder units({3, 2}, true);
    CHECK(units.tree->node_count == 2 * 5 - 1);
    Error error;
    auxo_tree *bad = nullptr;
    uint32_t counts[] = {5, 5};
    CHECK(auxo_tree_create(2, counts, false, 2, &bad, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("2 tree levels") != std::string::npos);
    CHECK(auxo_tree_create(0, counts, false, 0, &bad, error) == AUXO_INVALID_ARGUMENT);
}

TEST_CASE("leaves are drawn with the product of their branch probabilities")
{
    TreeHolder holder({1, 1, 1, 1, 1});
    const auxo_tree *tree = holder.tree;
    std::vector<double> values(tree->node_count);
    for (uint32_t i = 0; i < tree->node_count; i++)
        values[i] = (i % 2 ? -1.0 : 1.0) * (1.0 + i * 0.7);
    std::vector<double> expected(tree->node_count, 1.0);
    for (uint32_t i = 1; i < tree->node_count; i++) {
        const auxo_tree_node &parent = tree->nodes[tree->nodes[i].parent];
        double l = std::fabs(values[parent.left]), r = std::fabs(values[parent.right]);
        expected[i] = expected[tree->nodes[i].parent] * ((int32_t)i == parent.left ? l : r) / (l + r);
    }
    const int draws = 40000;
    std::mt19937 generator(7);
    std::vector<int> counts(tree->node_count, 0);
    for (int d = 0; d < draws; d++)
        counts[auxo_tree_select(tree, values.data(), false, uniform_draw, &generator)]++;
    double chi_square = 0;
    int leaves = 0;
    for (uint32_t i = 0; i < tree->node_count; i++)
        if (tree->nodes[i].left < 0) {
            double e = expected[i] * draws;
            chi_square += (counts[i] - e) * (counts[i] - e) / e;
            leaves++;
        } else {
            CHECK(counts[i] == 0);
        }
    REQUIRE(leaves == 5);
    CHECK(chi_square < 18.5); // 4 degrees of freedom, p = 0.001
    CHECK(auxo_branch_probability(0, 0) == 0.5);
    CHECK(auxo_branch_probability(-3, 1) == 0.75);
    CHECK(auxo_tree_select(tree, values.data(), true, nullptr, nullptr) > 0);
}

TEST_CASE("product of scalars: first and second order match the closed form")
{
    // L = (t1 w1 t2 w2 x - 0)^2 with w1 w2 x = 6: s = 2 36 = 72 each, block 144, f11 = 72, f12 = 144, mean 288.
    for_each_device([](Device &device) {
        Network network(device.device, {1, 1, 1}, AUXO_ACTIVATION_IDENTITY, false, 1);
        network.set_weights({2, 3});
        Rows rows(1, 1, 1, 1);
        rows.x = {1};
        rows.y = {0};
        auxo_multiscale_options options = defaults();
        options.standardize = false;
        for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
            options.theta_on = placement;
            Multiscale multiscale(network.model, rows.set, options);
            CHECK(std::string(auxo_multiscale_engine(multiscale.ms)) == "fused");
            CHECK(auxo_multiscale_is_degenerate(multiscale.ms));
            std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
            CHECK(exact[0] == Approx(144));
            CHECK(exact[1] == Approx(72));
            CHECK(exact[2] == Approx(72));
            CHECK(multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-3)[1] == Approx(72).epsilon(1e-3));
            CHECK(multiscale.first(AUXO_DIFFERENCE_FORWARD, 1e-3)[1] == Approx(72.036).epsilon(1e-3));
            CHECK(multiscale.first(AUXO_DIFFERENCE_BACKWARD_AS_PRINTED, 1e-3)[1] == Approx(-71.964).epsilon(1e-3));
            for (auxo_difference difference : {AUXO_DIFFERENCE_EXACT, AUXO_DIFFERENCE_CENTRAL}) {
                double values[3], own[3], mixed[3];
                Error error;
                REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, difference, 0, values, own, mixed, error));
                double tolerance = difference == AUXO_DIFFERENCE_EXACT ? 1e-5 : 5e-3;
                CHECK(own[1] == Approx(72).epsilon(tolerance));
                CHECK(own[2] == Approx(72).epsilon(tolerance));
                CHECK(mixed[1] == Approx(144).epsilon(tolerance));
                CHECK(values[1] == Approx(288).epsilon(tolerance));
                CHECK(values[2] == Approx(288).epsilon(tolerance));
            }
        }
    });
}

TEST_CASE("exact sensitivities equal central differences down to units")
{
    for_each_device([](Device &device) {
        for (auxo_activation output : {AUXO_ACTIVATION_IDENTITY, AUXO_ACTIVATION_TANH}) {
            Network network(device.device, {3, 5, 7, 4, 2}, AUXO_ACTIVATION_TANH, true, 11, output);
            std::vector<float> weights = network.weights();
            for (size_t i = 0; i < weights.size(); i++)
                weights[i] += 0.05f * (float)(i % 7) - 0.12f; // biases away from 0
            network.set_weights(weights);
            Rows rows(301, 3, 2, 5);
            auxo_multiscale_options options = defaults();
            options.split_units = true;
            for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
                options.theta_on = placement;
                Multiscale multiscale(network.model, rows.set, options);
                std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
                std::vector<double> central = multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
                double scale = largest(exact);
                for (size_t i = 0; i < exact.size(); i++) {
                    INFO("placement " << placement << " output " << output << " node " << i);
                    CHECK(std::fabs(exact[i] - central[i]) <= 2e-3 * scale);
                }
                CHECK(network.weights() == weights);
            }
        }
    });
}

TEST_CASE("exact second order equals differences of losses")
{
    for_each_device([](Device &device) {
        Network network(device.device, {3, 4, 5, 4, 2}, AUXO_ACTIVATION_TANH, true, 3);
        Rows rows(257, 3, 2, 9);
        auxo_multiscale_options options = defaults();
        for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
            options.theta_on = placement;
            Multiscale multiscale(network.model, rows.set, options);
            Error error;
            std::vector<double> exact(multiscale.node_count()), own(exact), mixed(exact);
            std::vector<double> values(exact), own_fd(exact), mixed_fd(exact);
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, exact.data(), own.data(),
                                                    mixed.data(), error));
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_CENTRAL, 0.03, values.data(),
                                                    own_fd.data(), mixed_fd.data(), error));
            double scale = 0;
            for (size_t i = 1; i < exact.size(); i++)
                scale = std::max(scale, std::fabs(own[i]) + std::fabs(mixed[i]));
            for (size_t i = 1; i < exact.size(); i++) {
                INFO("placement " << placement << " node " << i);
                CHECK(std::fabs(own[i] - own_fd[i]) <= 0.01 * scale);
                CHECK(std::fabs(mixed[i] - mixed_fd[i]) <= 0.01 * scale);
                CHECK(std::fabs(exact[i] - values[i]) <= 0.02 * scale);
            }
        }
    });
}

TEST_CASE("only the selected layer changes, bit for bit")
{
    for_each_device([](Device &device) {
        Network network(device.device, {4, 5, 5, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 2);
        Rows rows(500, 4, 2, 3);
        auxo_multiscale_options options = defaults();
        options.epochs = 7;
        Multiscale multiscale(network.model, rows.set, options);
        for (int i = 0; i < 6; i++) {
            std::vector<float> before = network.weights();
            auxo_multiscale_iteration iteration;
            Error error;
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
            std::vector<float> after = network.weights();
            uint64_t offset, count;
            REQUIRE(iteration.layer_end == iteration.layer_begin + 1);
            CHECK(iteration.epochs == 7);
            auxo_model_layer_range(network.model, iteration.layer_begin + 1, &offset, &count);
            bool changed = false;
            for (size_t e = 0; e < before.size(); e++)
                if (e < offset || e >= offset + count)
                    CHECK(std::memcmp(&before[e], &after[e], sizeof(float)) == 0);
                else
                    changed = changed || before[e] != after[e];
            CHECK(changed);
        }
    });
}

TEST_CASE("a layer trained from the cached prefix equals training with the full forward pass")
{
    for_each_device([](Device &device) {
        // Gradient descent on one layer by hand, from finite full gradients.
        Rows rows(200, 3, 2, 4);
        auxo_multiscale_options options = defaults();
        options.epochs = 5;
        options.greedy = true;
        Network trained(device.device, {3, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 8);
        Network manual(device.device, {3, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 8);
        Multiscale multiscale(trained.model, rows.set, options), gradient(manual.model, rows.set, options);
        auxo_multiscale_iteration iteration;
        Error error;
        REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
        uint64_t offset, count;
        auxo_model_layer_range(manual.model, iteration.layer_begin + 1, &offset, &count);
        for (int epoch = 0; epoch < 5; epoch++) {
            double loss, gradient_max;
            REQUIRE_OK(auxo_multiscale_gradient_norm(gradient.ms, &loss, &gradient_max, error));
            std::vector<float> weights = manual.weights(), g(weights.size());
            REQUIRE_OK(auxo_buffer_read(auxo_model_queue(manual.model), auxo_model_gradients(manual.model), 0, g.data(),
                                        g.size() * sizeof(float), error));
            for (uint64_t e = offset; e < offset + count; e++)
                weights[e] -= 0.01f * g[e];
            manual.set_weights(weights);
        }
        check_close(trained.weights(), manual.weights(), 1e-5, 1e-6);
    });
}

TEST_CASE("inner and outer criteria stop where they say")
{
    for_each_device([](Device &device) {
        Rows rows(300, 4, 2, 6);
        auxo_multiscale_options options = defaults();
        options.epochs = 60;
        REQUIRE(auxo_optimizer_config_parse("sgd:lr=0.3", &options.optimizer, nullptr) == AUXO_OK);
        Network free_network(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 5);
        options.inner_tolerance = 1e-12;
        options.greedy = true;
        Error error;
        auxo_multiscale_iteration all, stopped, again;
        {
            Multiscale multiscale(free_network.model, rows.set, options);
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &all, error));
            CHECK(all.epochs == 60);
        }
        // A tolerance just above the last norm must stop at the last epoch or before, with exactly that many updates.
        options.inner_tolerance = all.layer_gradient_max * 1.0001;
        options.tolerance = 1e9;
        Network one(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 5);
        {
            Multiscale multiscale(one.model, rows.set, options);
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &stopped, error));
            CHECK(stopped.epochs <= 60);
            CHECK(stopped.layer_gradient_max < options.inner_tolerance);
            CHECK(stopped.converged);
        }
        Network two(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 5);
        options.epochs = stopped.epochs;
        options.inner_tolerance = 0;
        options.tolerance = 0;
        {
            Multiscale multiscale(two.model, rows.set, options);
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &again, error));
            CHECK_FALSE(again.converged);
        }
        CHECK(one.weights() == two.weights());
    });
}

TEST_CASE("every device chooses the same layers for 50 iterations")
{
    std::vector<uint32_t> expected[2];
    for_each_device([&](Device &device) {
        for (auxo_multiscale_order order : {AUXO_MULTISCALE_FIRST, AUXO_MULTISCALE_SECOND}) {
            Network network(device.device, {4, 5, 5, 5, 5, 5, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 17);
            Rows rows(128, 4, 2, 3);
            auxo_multiscale_options options = defaults();
            options.order = order;
            options.epochs = 3;
            options.seed = 99;
            Multiscale multiscale(network.model, rows.set, options);
            std::vector<uint32_t> chosen;
            Error error;
            for (int i = 0; i < 50; i++) {
                auxo_multiscale_iteration iteration;
                REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
                chosen.push_back(iteration.layer_begin);
            }
            std::vector<uint32_t> &first = expected[order == AUXO_MULTISCALE_SECOND];
            if (first.empty())
                first = chosen;
            CHECK(chosen == first);
            CHECK(std::set<uint32_t>(chosen.begin(), chosen.end()).size() > 2);
        }
    });
    CHECK(expected[0] != expected[1]);
}

TEST_CASE("iterations select layers as often as the sensitivities of the device say")
{
    for_each_device([](Device &device) {
        for (auxo_multiscale_order order : {AUXO_MULTISCALE_FIRST, AUXO_MULTISCALE_SECOND}) {
            Network network(device.device, {2, 3, 3, 3, 3, 1}, AUXO_ACTIVATION_TANH, true, 21);
            std::vector<float> weights = network.weights();
            for (float &weight : weights)
                weight += 0.05f; // biases away from 0, where the least step would show
            network.set_weights(weights);
            Rows rows(24, 2, 1, 3);
            auxo_multiscale_options options = defaults();
            options.order = order;
            options.epochs = 1;
            options.check_every = UINT32_MAX;
            options.optimizer.hyper[AUXO_HYPER_LR] = 1e-30f; // nothing moves, so that the sensitivities stay
            Multiscale multiscale(network.model, rows.set, options);
            const auxo_tree *tree = auxo_multiscale_tree(multiscale.ms);
            Error error;
            std::vector<double> values(tree->node_count), expected(tree->node_count, 1);
            if (order == AUXO_MULTISCALE_FIRST)
                values = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
            else
                REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, values.data(), nullptr,
                                                        nullptr, error));
            for (uint32_t i = 1; i < tree->node_count; i++) {
                const auxo_tree_node &parent = tree->nodes[tree->nodes[i].parent];
                double left = auxo_branch_probability(values[(size_t)parent.left], values[(size_t)parent.right]);
                expected[i] = expected[(size_t)tree->nodes[i].parent] * ((int32_t)i == parent.left ? left : 1 - left);
            }
            const int draws = 400;
            std::vector<int> counts(tree->layer_count, 0);
            for (int d = 0; d < draws; d++) {
                auxo_multiscale_iteration iteration;
                REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
                counts[iteration.layer_begin]++;
            }
            CHECK(network.weights() == weights);
            double chi_square = 0;
            for (uint32_t i = 0; i < tree->node_count; i++)
                if (tree->nodes[i].left < 0) {
                    double e = expected[i] * draws;
                    REQUIRE(e > 3);
                    chi_square +=
                        (counts[tree->nodes[i].layer_begin] - e) * (counts[tree->nodes[i].layer_begin] - e) / e;
                }
            INFO("order " << order);
            CHECK(chi_square < 18.5); // 4 degrees of freedom, p = 0.001
        }
    });
}

TEST_CASE("backpropagation baseline lowers the loss; resumed draws equal uninterrupted ones")
{
    for_each_device([](Device &device) {
        Rows rows(400, 4, 2, 8), test(100, 4, 2, 9);
        auxo_multiscale_options options = defaults();
        options.order = AUXO_MULTISCALE_BACKPROPAGATION;
        options.epochs = 100;
        REQUIRE(auxo_optimizer_config_parse("adam:lr=0.01", &options.optimizer, nullptr) == AUXO_OK);
        Network network(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 5);
        Multiscale multiscale(network.model, rows.set, options, &test.set);
        Error error;
        double before, before_test, after, after_test;
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &before, &before_test, error));
        auxo_multiscale_iteration iteration;
        REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
        CHECK(iteration.layer_end - iteration.layer_begin == 3);
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &after, &after_test, error));
        CHECK(after < 0.5 * before);
        CHECK(after_test < before_test);

        options.order = AUXO_MULTISCALE_FIRST;
        options.epochs = 2;
        Network whole(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 6);
        Network parts(device.device, {4, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 6);
        REQUIRE(auxo_optimizer_config_parse("sgd:lr=0.01", &options.optimizer, nullptr) == AUXO_OK);
        Multiscale straight(whole.model, rows.set, options);
        for (int i = 0; i < 6; i++)
            REQUIRE_OK(auxo_multiscale_iterate(straight.ms, &iteration, error));
        for (uint32_t part = 0; part < 2; part++) {
            Multiscale resumed(parts.model, rows.set, options);
            auxo_multiscale_set_iteration_count(resumed.ms, 3 * part);
            for (int i = 0; i < 3; i++)
                REQUIRE_OK(auxo_multiscale_iterate(resumed.ms, &iteration, error));
        }
        CHECK(whole.weights() == parts.weights());
    });
}

TEST_CASE("layer engine agrees with the fused one and trains convolutions")
{
    for_each_device([](Device &device) {
        // Wider than the fused limit: same numbers expected of central differences.
        Network wide(device.device, {3, 70, 2}, AUXO_ACTIVATION_TANH, true, 4);
        Rows rows(1500, 3, 2, 5); // more than one batch
        auxo_multiscale_options options = defaults();
        options.epochs = 3;
        Multiscale multiscale(wide.model, rows.set, options);
        CHECK(std::string(auxo_multiscale_engine(multiscale.ms)) == "layers");
        std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
        std::vector<double> central = multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
        for (size_t i = 0; i < exact.size(); i++)
            CHECK(std::fabs(exact[i] - central[i]) <= 5e-3 * largest(exact));
        auxo_multiscale_iteration iteration;
        Error error;
        double before, after, none;
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &before, &none, error));
        for (int i = 0; i < 3; i++)
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &after, &none, error));
        CHECK(after < before);

        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_load("lenet5", 1, 28, 28, 10, &desc, error));
        auxo_model *model = nullptr;
        REQUIRE_OK(auxo_model_create(device.device, &desc, 1, &model, error));
        auxo_model_desc_deinit(&desc);
        auxo_data_options data_options{};
        data_options.generated_count = 64;
        auxo_dataset *train = nullptr, *test = nullptr;
        REQUIRE_OK(auxo_dataset_load("glyphs", &data_options, &train, &test, error));
        options.greedy = true;
        options.epochs = 2;
        {
            Multiscale images(model, *train, options);
            std::vector<double> s = images.first(AUXO_DIFFERENCE_EXACT, 0);
            std::vector<double> d = images.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
            for (size_t i = 0; i < s.size(); i++)
                CHECK(std::fabs(s[i] - d[i]) <= 0.02 * largest(s));
            REQUIRE_OK(auxo_multiscale_evaluate(images.ms, &before, &none, error));
            REQUIRE_OK(auxo_multiscale_iterate(images.ms, &iteration, error));
            REQUIRE_OK(auxo_multiscale_evaluate(images.ms, &after, &none, error));
            CHECK(after < before);
        }
        auxo_dataset_destroy(train);
        auxo_dataset_destroy(test);
        auxo_model_destroy(model);
    });
}

namespace
{

// A small convolutional model with batch norm and dropout: conv-bn-relu, pool, dropout, dense.
auxo_model *normalised_model(auxo_device *device)
{
    const char *text = R"({"name":"small","layers":[
        {"name":"image","kind":"input","shape":[2,6,6]},
        {"name":"conv","kind":"conv2d","inputs":["image"],"units":4,"kernel":[3,3],"pad":[1,1],"bias":true},
        {"name":"norm","kind":"batch_norm","inputs":["conv"],"activation":"tanh"},
        {"name":"pool","kind":"pool2d","inputs":["norm"],"pool":"max","kernel":[2,2],"stride":[2,2]},
        {"name":"drop","kind":"dropout","inputs":["pool"],"rate":0.5},
        {"name":"flat","kind":"flatten","inputs":["drop"]},
        {"name":"dense","kind":"dense","inputs":["flat"],"units":3,"activation":"tanh","bias":true},
        {"name":"out","kind":"dense","inputs":["dense"],"units":1,"bias":true}]})";
    Error error;
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    REQUIRE_OK(auxo_model_desc_from_json(text, &desc, error));
    auxo_model *model = nullptr;
    REQUIRE_OK(auxo_model_create(device, &desc, 5, &model, error));
    auxo_model_desc_deinit(&desc);
    return model;
}

} // namespace

TEST_CASE("theta on outputs, batch norm and dropout in the layer engine")
{
    for_each_device([](Device &device) {
        Error error;
        Rows images(70, 2 * 6 * 6, 1, 8);
        images.set.channels = 2;
        images.set.height = images.set.width = 6;
        auxo_model *model = normalised_model(device.device);
        // Running statistics and an affine part that are not the initial ones.
        std::vector<float> weights(auxo_model_weight_count(model)), statistics = {.1f, -.2f, .3f, 0, .5f, 2, 1, .7f};
        REQUIRE_OK(auxo_model_read_weights(model, weights.data(), nullptr, error));
        for (size_t i = 0; i < weights.size(); i++)
            weights[i] += 0.05f * (float)(i % 5) - 0.1f;
        REQUIRE_OK(auxo_model_write_weights(model, weights.data(), statistics.data(), error));
        uint64_t norm_offset, norm_count;
        auxo_model_layer_range(model, 2, &norm_offset, &norm_count);
        REQUIRE(norm_count == 8);
        auxo_multiscale_options options = defaults();
        options.split_units = true;
        options.epochs = 2;
        for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
            options.theta_on = placement;
            Multiscale multiscale(model, images.set, options);
            REQUIRE(std::string(auxo_multiscale_engine(multiscale.ms)) == "layers");
            std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
            std::vector<double> central = multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
            REQUIRE(exact.size() == 2 * (4 + 3 + 1) - 1);
            for (size_t i = 0; i < exact.size(); i++) {
                INFO("placement " << placement << " node " << i);
                CHECK(std::fabs(exact[i] - central[i]) <= 5e-3 * largest(exact));
            }
            std::vector<double> second(exact), second_fd(exact), own(exact), own_fd(exact);
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, second.data(), own.data(),
                                                    nullptr, error));
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_CENTRAL, 0.05, second_fd.data(),
                                                    own_fd.data(), nullptr, error));
            for (size_t i = 1; i < exact.size(); i++) {
                INFO("placement " << placement << " node " << i);
                CHECK(std::fabs(second[i] - second_fd[i]) <= 0.03 * largest({second.begin() + 1, second.end()}));
            }
            // Batch norm is frozen whatever is trained, also in a block of all layers.
            auxo_multiscale_iteration iteration;
            REQUIRE_OK(auxo_multiscale_train_layers(multiscale.ms, 0, 3, &iteration, error));
            std::vector<float> after(weights.size()), statistics_after(statistics.size());
            REQUIRE_OK(auxo_model_read_weights(model, after.data(), statistics_after.data(), error));
            CHECK(statistics_after == statistics);
            size_t changed = 0;
            for (size_t i = 0; i < after.size(); i++)
                if (i >= norm_offset && i < norm_offset + norm_count)
                    CHECK(after[i] == weights[i]);
                else
                    changed += after[i] != weights[i];
            CHECK(changed > weights.size() / 2);
            REQUIRE_OK(auxo_model_write_weights(model, weights.data(), statistics.data(), error));
        }
        auxo_model_destroy(model);
    });
}

TEST_CASE("theta on outputs of wide networks equals the closed form of the last layer")
{
    // The last layer is linear without bias: scaling its single output by theta gives L = mean (theta y - t)^2.
    for_each_device([](Device &device) {
        Network network(device.device, {2, 70, 1}, AUXO_ACTIVATION_TANH, false, 4);
        Rows rows(50, 2, 1, 5);
        auxo_multiscale_options options = defaults();
        options.theta_on = AUXO_THETA_ON_OUTPUTS;
        options.standardize = false;
        Multiscale multiscale(network.model, rows.set, options);
        std::vector<float> w = network.weights();
        double expected = 0;
        for (size_t r = 0; r < 50; r++) {
            double y = 0;
            for (size_t u = 0; u < 70; u++)
                y += (double)w[140 + u] *
                     std::tanh((double)w[2 * u] * rows.x[2 * r] + (double)w[2 * u + 1] * rows.x[2 * r + 1]);
            expected += 2 * y * (y - rows.y[r]) / 50;
        }
        CHECK(multiscale.first(AUXO_DIFFERENCE_EXACT, 0)[2] == Approx(expected).epsilon(1e-4));
    });
}

TEST_CASE("bad input is one clear line")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Rows rows(20, 2, 1, 1);
    Network network(device.device, {2, 3, 1}, AUXO_ACTIVATION_TANH, true, 1);
    auxo_multiscale *ms = nullptr;
    auxo_multiscale_options options = defaults();
    options.epsilon = 0;
    CHECK(auxo_multiscale_create(network.model, &rows.set, nullptr, &options, &ms, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("epsilon") != std::string::npos);
    options = defaults();
    options.level_limit = 9;
    CHECK(auxo_multiscale_create(network.model, &rows.set, nullptr, &options, &ms, error) == AUXO_INVALID_ARGUMENT);
    options = defaults();
    Rows other(20, 3, 1, 1);
    CHECK(auxo_multiscale_create(network.model, &other.set, nullptr, &options, &ms, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("3 and 1") != std::string::npos);
    rows.x[5] = std::numeric_limits<float>::quiet_NaN();
    options.standardize = false;
    CHECK(auxo_multiscale_create(network.model, &rows.set, nullptr, &options, &ms, error) == AUXO_FORMAT);
    CHECK(error.text().find("row 3") != std::string::npos);
    CHECK(ms == nullptr);

    // A learning rate that blows up: named, and the weights are those before the iteration.
    rows.x[5] = 0;
    options.optimizer.hyper[AUXO_HYPER_LR] = 1e30f;
    options.order = AUXO_MULTISCALE_BACKPROPAGATION;
    std::vector<float> before = network.weights();
    Multiscale multiscale(network.model, rows.set, options);
    auxo_multiscale_iteration iteration;
    CHECK(auxo_multiscale_iterate(multiscale.ms, &iteration, error) == AUXO_NOT_FINITE);
    CHECK(error.text().find("iteration 1") != std::string::npos);
    CHECK(network.weights() == before);
}

TEST_CASE("tanh keeps to a few units in the last place up to saturation")
{
    for_each_device([](Device &device) {
        std::vector<float> x, expected;
        for (int i = -12000; i <= 12000; i++)
            x.push_back((float)i * 1e-3f);
        for (float tiny : {1e-30f, 1e-9f, 1e-5f, 30.0f, 1e30f})
            x.push_back(tiny);
        for (float value : x)
            expected.push_back((float)std::tanh((double)value));
        auxo_op op = {};
        op.kind = AUXO_OP_ACTIVATION_FORWARD;
        op.params.activation.activation = AUXO_ACTIVATION_TANH;
        op.tensors[AUXO_ACTIVATION_X] = device.f32(x, {(int64_t)x.size()});
        op.tensors[AUXO_ACTIVATION_Y] = device.empty(AUXO_DTYPE_F32, {(int64_t)x.size()});
        device.run(op);
        check_close(device.download_f32(op.tensors[AUXO_ACTIVATION_Y]), expected, 6e-7, 0);
    });
}

TEST_CASE("constant and linear baselines")
{
    Rows rows(500, 2, 1, 3);
    for (size_t r = 0; r < 500; r++)
        rows.y[r] = 2 * rows.x[2 * r] - rows.x[2 * r + 1] + 4;
    double constant, linear;
    Error error;
    REQUIRE_OK(auxo_baseline_losses(&rows.set, nullptr, true, &constant, &linear, error));
    CHECK(constant == Approx(1).epsilon(1e-3));
    CHECK(linear < 1e-9);
    // Classes: three of one, one of the other, judged by (3 + 1) / (4 + 2) and (1 + 1) / (4 + 2).
    std::vector<uint32_t> labels = {0, 1, 0, 0};
    Rows classes(4, 2, 1, 3);
    classes.set.target_type = AUXO_TARGET_CLASS;
    classes.set.class_count = 2;
    classes.set.labels = labels.data();
    REQUIRE_OK(auxo_baseline_losses(&classes.set, nullptr, true, &constant, &linear, error));
    CHECK(constant == Approx(-(3 * std::log(4.0 / 6) + std::log(2.0 / 6)) / 4));
    CHECK(std::isnan(linear));
}
