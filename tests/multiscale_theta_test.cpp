// tests/multiscale_theta_test.cpp: what else scaling factors say and do: the step within a trust region, sensitivities
// of inputs, the coupling of layers; and the inner optimiser that needs no derivative.
#include "support/models.hpp"
#include "support/multiscale.hpp"

#include <array>
#include <limits>

using namespace auxo_test;

namespace
{

double quadratic(const double first[2], const double own[2], double mixed, double d1, double d2)
{
    return first[0] * d1 + first[1] * d2 + mixed * d1 * d2 + own[0] * d1 * d1 / 2 + own[1] * d2 * d2 / 2;
}

// One weight in two layers of one unit each: L = (w1 w2 x)^2 with w1 w2 x = 6.
struct Scalars {
    Network network;
    Rows rows{1, 1, 1, 1};
    explicit Scalars(auxo_device *device) : network(device, {1, 1, 1}, AUXO_ACTIVATION_IDENTITY, false, 1)
    {
        network.set_weights({2, 3});
        rows.x = {1};
        rows.y = {0};
    }
    auxo_multiscale_options options() const
    {
        auxo_multiscale_options made = defaults();
        made.standardize = false;
        made.order = AUXO_MULTISCALE_SECOND;
        made.theta_bound = 0.1;
        made.epochs = 1;
        REQUIRE(auxo_optimizer_config_parse("sgd:lr=1e-12", &made.optimizer, nullptr) == AUXO_OK);
        return made;
    }
};

} // namespace

TEST_CASE("the step of a trust region is the lowest point of the quadratic in the box")
{
    double step[2];
    const auto take = [&](std::array<double, 2> first, std::array<double, 2> own, double mixed, double bound) {
        auxo_trust_region_step(first.data(), own.data(), mixed, bound, step);
    };
    take({-1, 0}, {2, 2}, 0, 1); // inside
    CHECK(step[0] == 0.5);
    CHECK(step[1] == 0);
    take({-3, -3}, {2, 2}, 1, 2); // inside, coupled: 2 d1 + d2 = 3 = d1 + 2 d2
    CHECK(step[0] == Approx(1));
    CHECK(step[1] == Approx(1));
    take({-4, 1}, {2, 2}, 0, 1); // on an edge
    CHECK(step[0] == 1);
    CHECK(step[1] == -0.5);
    take({0.1, 0.2}, {-1, -1}, 0, 0.5); // a hill: a corner
    CHECK(step[0] == -0.5);
    CHECK(step[1] == -0.5);
    take({1, 1}, {0, 0}, 0, 0.25); // a plane
    CHECK(step[0] == -0.25);
    CHECK(step[1] == -0.25);
    take({0, 0}, {2, 2}, 0, 1); // nothing is lower
    CHECK(step[0] == 0);
    CHECK(step[1] == 0);
    const double nan = std::numeric_limits<double>::quiet_NaN();
    take({nan, 1}, {2, 2}, 0, 1);
    CHECK(step[0] == 0);
    CHECK(step[1] == 0);
    // Beside a grid over the box, for any signs.
    const std::vector<float> random = uniform(500 * 5, -2, 2, 9);
    for (size_t i = 0; i < 500; i++) {
        const float *r = &random[5 * i];
        const double first[2] = {r[0], r[1]}, own[2] = {r[2], r[3]}, mixed = r[4], bound = 0.3;
        auxo_trust_region_step(first, own, mixed, bound, step);
        REQUIRE(std::fabs(step[0]) <= bound);
        REQUIRE(std::fabs(step[1]) <= bound);
        const double found = quadratic(first, own, mixed, step[0], step[1]);
        for (int a = -20; a <= 20; a++)
            for (int b = -20; b <= 20; b++)
                REQUIRE(found <= quadratic(first, own, mixed, a * bound / 20, b * bound / 20) + 1e-12);
    }
}

TEST_CASE("a step of theta is put into the weights, and taken back where the loss rises")
{
    // first = 72, own = 72, mixed = 144: the lowest point within 0.1 is (-0.1, -0.1).
    for_each_device([](Device &device) {
        Error error;
        auxo_multiscale_iteration iteration;
        Scalars down(device.device), up(device.device);
        Multiscale falls(down.network.model, down.rows.set, down.options());
        REQUIRE_OK(auxo_multiscale_iterate(falls.ms, &iteration, error));
        CHECK(down.network.weights()[0] == Approx(1.8));
        CHECK(down.network.weights()[1] == Approx(2.7));
        CHECK(iteration.theta_change == Approx(23.6196 - 36).epsilon(1e-5));
        // Algorithm 1's differences have the other sign: uphill.
        auxo_multiscale_options options = up.options();
        options.difference = AUXO_DIFFERENCE_BACKWARD_AS_PRINTED;
        Multiscale rises(up.network.model, up.rows.set, options);
        REQUIRE_OK(auxo_multiscale_iterate(rises.ms, &iteration, error));
        CHECK(up.network.weights() == std::vector<float>{2, 3});
        CHECK(iteration.theta_change == 0);
        options.theta_bound = 0;
        Multiscale none(up.network.model, up.rows.set, options);
        REQUIRE_OK(auxo_multiscale_iterate(none.ms, &iteration, error));
        CHECK(std::isnan(iteration.theta_change));
    });
}

TEST_CASE("steps of theta cascade down a walk and never raise the loss")
{
    for_each_device([](Device &device) {
        Network network(device.device, {3, 5, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 4);
        Rows rows(200, 3, 2, 5);
        auxo_multiscale_options options = defaults();
        options.order = AUXO_MULTISCALE_SECOND;
        options.theta_bound = 0.02;
        options.epochs = 1;
        REQUIRE(auxo_optimizer_config_parse("sgd:lr=1e-12", &options.optimizer, nullptr) == AUXO_OK);
        Multiscale multiscale(network.model, rows.set, options);
        double loss = 0, gradient_max = 0;
        for (int i = 0; i < 6; i++) {
            Error error;
            auxo_multiscale_iteration iteration;
            const std::vector<float> before = network.weights();
            REQUIRE_OK(auxo_multiscale_gradient_norm(multiscale.ms, &loss, &gradient_max, error));
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
            const std::vector<float> after = network.weights();
            REQUIRE(iteration.theta_change <= 0);
            CHECK(iteration.loss == Approx(loss + iteration.theta_change).epsilon(1e-5));
            // All of a layer by one factor, of at most two levels of the tree.
            for (uint32_t layer = 1; layer <= 4; layer++) {
                uint64_t offset, count;
                auxo_model_layer_range(network.model, layer, &offset, &count);
                const double factor = double(after[offset]) / double(before[offset]);
                CHECK(std::fabs(factor - 1) <= 1.02 * 1.02 - 1 + 1e-6);
                for (uint64_t k = offset; k < offset + count; k++)
                    CHECK(std::fabs(after[k] - factor * double(before[k])) <= 1e-6 * (1 + std::fabs(before[k])));
            }
        }
    });
}

TEST_CASE("pattern search goes down in halved steps, by hand")
{
    // y = w x with target 2 and one weight that counts: from 0 in steps of 0.5 to 2, then 0.25, 0.125 bring nothing.
    for_each_device([](Device &device) {
        Network network(device.device, {1, 1}, AUXO_ACTIVATION_IDENTITY, false, 1);
        network.set_weights({0});
        Rows rows(1, 1, 1, 1);
        rows.x = {1};
        rows.y = {2};
        auxo_multiscale_options options = defaults();
        options.standardize = false;
        options.pattern_step = 0.5;
        options.pattern_least = 0.2;
        Multiscale multiscale(network.model, rows.set, options);
        auxo_multiscale_iteration result;
        Error error;
        REQUIRE_OK(auxo_multiscale_train_layers(multiscale.ms, 0, 1, &result, error));
        CHECK(network.weights()[0] == 2);
        CHECK(result.loss == 0);
        CHECK(result.epochs == 6); // four steps, one sweep of 0.5 and one of 0.25 that bring nothing
        CHECK(std::isnan(result.layer_gradient_max));
        // Cut off by epochs: downwards from 3.25 in steps of 0.5, twice.
        network.set_weights({3.25});
        options.epochs = 2;
        Multiscale cut(network.model, rows.set, options);
        REQUIRE_OK(auxo_multiscale_train_layers(cut.ms, 0, 1, &result, error));
        CHECK(network.weights()[0] == 2.25);
        CHECK(result.epochs == 2);
        CHECK(result.loss == 0.0625);
    });
}

TEST_CASE("pattern search trains the selected block alone, lowers the loss, and leaves all as it was when interrupted")
{
    for_each_device([](Device &device) {
        for (std::vector<uint32_t> widths : {std::vector<uint32_t>{3, 6, 5, 2}, std::vector<uint32_t>{3, 70, 2}}) {
            Network network(device.device, widths, AUXO_ACTIVATION_TANH, true, 8);
            Rows rows(60, 3, 2, 4);
            auxo_multiscale_options options = defaults();
            options.epochs = 1;
            options.pattern_step = 0.125;
            options.pattern_least = 1e-3;
            options.train_units = true;
            options.unit_levels = 1;
            Multiscale multiscale(network.model, rows.set, options);
            double loss = 0, gradient_max = 0;
            Error error;
            REQUIRE_OK(auxo_multiscale_gradient_norm(multiscale.ms, &loss, &gradient_max, error));
            for (int i = 0; i < 3; i++) {
                auxo_multiscale_iteration iteration;
                const std::vector<float> before = network.weights();
                REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
                const std::vector<float> after = network.weights();
                CHECK(iteration.loss < loss);
                loss = iteration.loss;
                const uint32_t layer = iteration.layer_begin, units = widths[layer + 1], inputs = widths[layer];
                uint64_t offset, count;
                auxo_model_layer_range(network.model, layer + 1, &offset, &count);
                const uint64_t biases = offset + units * inputs;
                for (uint64_t k = 0; k < before.size(); k++) {
                    const bool row =
                        k >= offset + iteration.unit_begin * inputs && k < offset + iteration.unit_end * inputs;
                    const bool bias = k >= biases + iteration.unit_begin && k < biases + iteration.unit_end;
                    if (!row && !bias)
                        CHECK(before[k] == after[k]);
                }
                CHECK(before != after);
            }
            const std::vector<float> kept = network.weights();
            volatile int stop = 1;
            options.stop = &stop;
            Multiscale stopped(network.model, rows.set, options);
            auxo_multiscale_iteration iteration;
            CHECK(auxo_multiscale_iterate(stopped.ms, &iteration, error) == AUXO_INTERRUPTED);
            CHECK(network.weights() == kept);
        }
    });
}

TEST_CASE("sensitivities of inputs are those of a factor on their column")
{
    for_each_device([](Device &device) {
        Network network(device.device, {4, 5, 2}, AUXO_ACTIVATION_TANH, true, 3);
        Rows rows(150, 4, 2, 6);
        auxo_multiscale_options options = defaults();
        Multiscale multiscale(network.model, rows.set, options);
        Error error;
        uint32_t count = 0;
        REQUIRE_OK(auxo_multiscale_input_count(multiscale.ms, &count, error));
        REQUIRE(count == 4);
        std::vector<double> exact(4), central(4), forward(4), backward(4), printed(4);
        const std::vector<float> weights = network.weights();
        const auto take = [&](auxo_difference difference, std::vector<double> &values) {
            REQUIRE_OK(auxo_multiscale_input_sensitivities(multiscale.ms, difference, 1e-2, values.data(), error));
        };
        take(AUXO_DIFFERENCE_EXACT, exact);
        take(AUXO_DIFFERENCE_CENTRAL, central);
        take(AUXO_DIFFERENCE_FORWARD, forward);
        take(AUXO_DIFFERENCE_BACKWARD_AS_PRINTED, backward);
        take(AUXO_DIFFERENCE_CENTRAL_AS_PRINTED, printed);
        CHECK(network.weights() == weights);
        const double scale = largest(exact);
        for (size_t i = 0; i < 4; i++) {
            CHECK(std::fabs(exact[i] - central[i]) <= 2e-3 * scale);
            CHECK(std::fabs(exact[i] - printed[i]) <= 2e-3 * scale);
            CHECK(std::fabs(exact[i] - forward[i]) <= 5e-2 * scale);
            CHECK(std::fabs(exact[i] + backward[i]) <= 5e-2 * scale); // the other sign, as printed
        }
        // The features together are theta on the whole input: the loss by a factor on all rows.
        Rows scaled(150, 4, 2, 6);
        options.standardize = false;
        Network raw(device.device, {4, 5, 2}, AUXO_ACTIVATION_TANH, true, 3); // the other knows scales by now
        Multiscale plain(raw.model, rows.set, options);
        REQUIRE_OK(auxo_multiscale_input_sensitivities(plain.ms, AUXO_DIFFERENCE_EXACT, 0, exact.data(), error));
        double losses[2], gradient_max, sum = 0;
        for (int side = 0; side < 2; side++) {
            for (size_t i = 0; i < rows.x.size(); i++)
                scaled.x[i] = rows.x[i] * (side ? 0.99f : 1.01f);
            Multiscale moved(raw.model, scaled.set, options);
            REQUIRE_OK(auxo_multiscale_gradient_norm(moved.ms, &losses[side], &gradient_max, error));
        }
        for (double value : exact)
            sum += value;
        CHECK(sum == Approx((losses[0] - losses[1]) / 0.02).epsilon(2e-3));
    });
}

TEST_CASE("inputs of convolutions are channels, through groups too, and what else reads the input is named")
{
    for_each_device([](Device &device) {
        const char *networks[] = {
            R"({"name":"c","layers":[{"kind":"input","shape":[4,5,5]},{"kind":"conv2d","units":6,"kernel":3,"groups":2},
                {"kind":"flatten"},{"kind":"dense","units":1}]})",
            R"({"name":"f","layers":[{"kind":"input","shape":[4,5,5]},{"kind":"flatten"},{"kind":"dense","units":70},
                {"kind":"activation","activation":"tanh"},{"kind":"dense","units":1}]})"};
        for (const char *text : networks) {
            Rows rows(30, 100, 1, 2);
            rows.set.channels = 4;
            rows.set.height = rows.set.width = 5;
            const Desc desc{std::string(text)};
            Model model(device, desc.desc, 5);
            const auxo_multiscale_options options = defaults();
            Multiscale multiscale(model.model, rows.set, options);
            Error error;
            uint32_t count = 0;
            REQUIRE_OK(auxo_multiscale_input_count(multiscale.ms, &count, error));
            REQUIRE(count == (text == networks[0] ? 4 : 100));
            std::vector<double> exact(count), central(count);
            REQUIRE_OK(
                auxo_multiscale_input_sensitivities(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, exact.data(), error));
            REQUIRE_OK(auxo_multiscale_input_sensitivities(multiscale.ms, AUXO_DIFFERENCE_CENTRAL, 2e-2, central.data(),
                                                           error));
            const double scale = largest(exact);
            for (uint32_t i = 0; i < count; i++) {
                INFO(desc.desc.name << " input " << i);
                CHECK(std::fabs(exact[i] - central[i]) <= 1e-2 * scale);
            }
        }
        Rows rows(10, 3, 1, 2);
        const Desc odd(std::string(R"({"name":"b","layers":[{"kind":"input","shape":[3]},
            {"kind":"activation","activation":"tanh","name":"squash"},{"kind":"dense","units":1}]})"));
        Model model(device, odd.desc, 5);
        const auxo_multiscale_options options = defaults();
        Multiscale multiscale(model.model, rows.set, options);
        Error error;
        uint32_t count = 0;
        CHECK(auxo_multiscale_input_count(multiscale.ms, &count, error) == AUXO_UNSUPPORTED);
        CHECK_THAT(error.message, Catch::Contains("squash"));
    });
}

TEST_CASE("coupling is the Hessian by the layers' factors, and layers' gradients make up the network's")
{
    for_each_device([](Device &device) {
        Scalars scalars(device.device);
        auxo_multiscale_options options = scalars.options();
        Multiscale two(scalars.network.model, scalars.rows.set, options);
        Error error;
        double matrix[16], gradients[4], loss, gradient_max;
        REQUIRE_OK(auxo_multiscale_coupling(two.ms, matrix, error));
        CHECK(matrix[0] == Approx(72).epsilon(1e-5));
        CHECK(matrix[3] == Approx(72).epsilon(1e-5));
        CHECK(matrix[1] == Approx(144).epsilon(1e-5));
        CHECK(matrix[2] == matrix[1]);
        // Siblings of a deeper tree have the mixed value of second order.
        Network network(device.device, {3, 5, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 4);
        Rows rows(200, 3, 2, 5);
        Multiscale deep(network.model, rows.set, defaults());
        REQUIRE_OK(auxo_multiscale_coupling(deep.ms, matrix, error));
        std::vector<double> values(deep.node_count()), own(deep.node_count()), mixed(deep.node_count());
        REQUIRE_OK(auxo_multiscale_second_order(deep.ms, AUXO_DIFFERENCE_EXACT, 0, values.data(), own.data(),
                                                mixed.data(), error));
        const auxo_tree *tree = auxo_multiscale_tree(deep.ms);
        for (uint32_t n = 1; n < tree->node_count; n++) {
            const auxo_tree_node &node = tree->nodes[n];
            if (node.layer_end != node.layer_begin + 1)
                continue;
            const uint32_t other = node.layer_begin ^ 1;
            CHECK(own[n] == Approx(matrix[node.layer_begin * 5]).epsilon(1e-4).margin(1e-6));
            CHECK(mixed[n] == Approx(matrix[node.layer_begin * 4 + other]).epsilon(1e-4).margin(1e-6));
        }
        REQUIRE_OK(auxo_multiscale_layer_gradients(deep.ms, gradients, error));
        REQUIRE_OK(auxo_multiscale_gradient_norm(deep.ms, &loss, &gradient_max, error));
        CHECK(*std::max_element(gradients, gradients + 4) == gradient_max);
        for (double gradient : gradients)
            CHECK(gradient > 0);
    });
}

TEST_CASE("steps of theta and pattern searches that cannot be are refused in one line")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Scalars scalars(device.device);
    const auto refused = [&](const char *text, auxo_multiscale_options options) {
        auxo_multiscale *made = nullptr;
        Error error;
        CHECK(auxo_multiscale_create(scalars.network.model, &scalars.rows.set, nullptr, &options, &made, error) ==
              AUXO_INVALID_ARGUMENT);
        CHECK_THAT(error.message, Catch::Contains(text));
        CHECK(std::string(error.message).find('\n') == std::string::npos);
    };
    auxo_multiscale_options options = scalars.options();
    options.order = AUXO_MULTISCALE_FIRST;
    refused("needs second order", options);
    options = scalars.options();
    options.theta_on = AUXO_THETA_ON_OUTPUTS;
    refused("theta on weights", options);
    options = scalars.options();
    options.theta_bound = -1;
    refused("bound of theta", options);
    options = scalars.options();
    options.pattern_step = 0.1;
    refused("pattern search", options); // to 0
    options.pattern_least = 0.2;
    refused("pattern search", options);
    options.pattern_step = -1;
    refused("pattern search", options);
}
