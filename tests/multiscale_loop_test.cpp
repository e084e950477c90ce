// tests/multiscale_loop_test.cpp: the loops of multi-scale training: frozen layers, criteria, the same choices on every
// device, resumed draws, the backpropagation baseline.
#include "support/multiscale.hpp"

#include <set>

using namespace auxo_test;

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

TEST_CASE("of a selected block of units only its rows and biases change, as gradient descent by hand changes them")
{
    for_each_device([](Device &device) {
        // Narrow networks run on the fused operators, the one with 70 units through the layer plans.
        for (std::vector<uint32_t> widths : {std::vector<uint32_t>{3, 6, 5, 2}, std::vector<uint32_t>{3, 70, 6, 2}}) {
            Rows rows(120, 3, 2, 4);
            auxo_multiscale_options options = defaults();
            options.epochs = 3;
            options.inner_tolerance = 1e-12; // watches the norms, stops nothing
            options.train_units = true;
            options.unit_levels = 1;
            Network trained(device.device, widths, AUXO_ACTIVATION_TANH, true, 8);
            Network manual(device.device, widths, AUXO_ACTIVATION_TANH, true, 8);
            Multiscale multiscale(trained.model, rows.set, options), gradient(manual.model, rows.set, options);
            std::set<std::pair<uint32_t, uint32_t>> blocks;
            for (int i = 0; i < 6; i++) {
                auxo_multiscale_iteration iteration;
                Error error;
                const std::vector<float> before = trained.weights();
                REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
                const uint32_t layer = iteration.layer_begin, units = widths[layer + 1], half = units / 2;
                REQUIRE(iteration.layer_end == layer + 1);
                INFO("layer " << layer << " units " << iteration.unit_begin << " to " << iteration.unit_end);
                CHECK((iteration.unit_begin == 0 || iteration.unit_begin == half));
                CHECK(iteration.unit_end == (iteration.unit_begin == 0 ? half : units));
                blocks.insert({layer, iteration.unit_begin});
                uint64_t offset, count;
                auxo_model_layer_range(manual.model, layer + 1, &offset, &count);
                const uint64_t inputs = widths[layer], biases = offset + units * inputs;
                double largest = 0;
                for (int epoch = 0; epoch < 3; epoch++) {
                    double loss, gradient_max;
                    REQUIRE_OK(auxo_multiscale_gradient_norm(gradient.ms, &loss, &gradient_max, error));
                    std::vector<float> weights = manual.weights(), g(weights.size());
                    REQUIRE_OK(auxo_buffer_read(auxo_model_queue(manual.model), auxo_model_gradients(manual.model), 0,
                                                g.data(), g.size() * sizeof(float), error));
                    largest = 0;
                    for (uint64_t e = offset; e < offset + count; e++) {
                        const uint64_t unit = e < biases ? (e - offset) / inputs : e - biases;
                        if (unit < iteration.unit_begin || unit >= iteration.unit_end)
                            continue;
                        weights[e] -= 0.01f * g[e];
                        largest = std::max(largest, std::fabs(static_cast<double>(g[e])));
                    }
                    manual.set_weights(weights);
                }
                const std::vector<float> by_loop = trained.weights(), by_hand = manual.weights();
                for (size_t e = 0; e < by_hand.size(); e++) {
                    CHECK(by_loop[e] == Approx(by_hand[e]).margin(2e-6));
                    if (std::memcmp(&by_hand[e], &before[e], sizeof(float)) == 0) // outside the block
                        CHECK(std::memcmp(&by_loop[e], &before[e], sizeof(float)) == 0);
                }
                CHECK(iteration.layer_gradient_max == Approx(largest).epsilon(1e-3));
                trained.set_weights(by_hand); // so that errors do not add up
            }
            CHECK(blocks.size() > 1);
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

TEST_CASE("backpropagation baseline lowers the loss, resumed draws equal uninterrupted ones")
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
