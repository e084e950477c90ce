// tests/multiscale_test.cpp: hierarchical multi-scale training: the tree, the selector, sensitivities against closed
// forms and finite differences, bad input, baselines.
#include "support/multiscale.hpp"

#include <limits>

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
double uniform_draw(void *user, uint32_t)
{
    return std::uniform_real_distribution<double>(0, 1)(*(std::mt19937 *)user);
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
            /* Of the root, L = 36 theta^4: 144 + 144 eps^2 by (39), 144 + 36 eps^2 by (7) as printed. */
            CHECK(multiscale.first(AUXO_DIFFERENCE_CENTRAL, 0.1)[0] == Approx(145.44).epsilon(1e-5));
            CHECK(multiscale.first(AUXO_DIFFERENCE_CENTRAL_AS_PRINTED, 0.1)[0] == Approx(144.36).epsilon(1e-5));
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

TEST_CASE("mean gradients of the right block: corrected, and as equations 36 and 33 are printed")
{
    for_each_device([](Device &device) {
        Network network(device.device, {3, 4, 4, 2}, AUXO_ACTIVATION_TANH, true, 5);
        Rows rows(64, 3, 2, 9);
        auxo_multiscale_options options = defaults();
        std::vector<double> corrected, first, own, mixed;
        for (auxo_mean_gradients means : {AUXO_MEANS_CORRECTED, AUXO_MEANS_EQ36, AUXO_MEANS_EQ33}) {
            options.means = means;
            Multiscale multiscale(network.model, rows.set, options);
            Error error;
            std::vector<double> values(multiscale.node_count());
            own = mixed = values;
            first = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, values.data(), own.data(),
                                                    mixed.data(), error));
            const auxo_tree *tree = auxo_multiscale_tree(multiscale.ms);
            for (uint32_t i = 0; i < tree->node_count; i++) {
                if (tree->nodes[i].left < 0)
                    continue;
                const size_t l = static_cast<size_t>(tree->nodes[i].left),
                             r = static_cast<size_t>(tree->nodes[i].right);
                INFO("means " << means << " node " << i);
                CHECK(values[l] == Approx(first[l] + mixed[l] + own[l]).epsilon(1e-12));
                const double right = means == AUXO_MEANS_CORRECTED ? first[r] + mixed[r] + own[r]
                                     : means == AUXO_MEANS_EQ36    ? first[l] + mixed[l] + own[r]
                                                                   : values[l];
                CHECK(values[r] == Approx(right).epsilon(1e-12));
            }
        }
    });
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
