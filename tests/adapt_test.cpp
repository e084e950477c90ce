// tests/adapt_test.cpp: the controller: its measurements against finite differences, every move and its undoing to the
// bit, optimiser state through edits, budgets at every moment, policies, bad input.
#include "support/adapt.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

using namespace auxo_test;

namespace
{

// A Vulkan driver on the cpu under a validation layer: the smallest networks.
bool is_slow(const Device &device)
{
    return device.selector.compare(0, 6, "vulkan") == 0;
}

// Where the rows of a weight lie in the flat buffer: the first parameter of the layer.
struct Rows {
    size_t offset, count, size;
};
Rows rows_of(auxo_model *model, const std::string &name)
{
    const auxo_param *param = auxo_model_find_param(model, name.c_str());
    REQUIRE(param);
    size_t size = 1;
    for (uint32_t d = 1; d < param->rank; d++)
        size *= static_cast<size_t>(param->dims[d]);
    return {static_cast<size_t>(param->offset), static_cast<size_t>(param->dims[0]), size};
}

} // namespace

TEST_CASE("every move is applied and taken back to the bit, state and coming losses, on every built-in network")
{
    struct Case {
        const char *model;
        int losses,
            losses_elsewhere; // on cpu, on the others, where small launches and large networks take long; 0: not
    };
    const Case cases[] = {{"mlp:784-6-5-10", 20, 20},        {"lenet5", 20, 2},       {"autosize-cnn:3-3-3-3-4", 20, 2},
                          {"autosize-mlp:4-4-4-4-4", 20, 2}, {"conv:3-4:3:2", 20, 4}, {"resnet18", 1, 0}};
    for_each_device([&](Device &device) {
        Glyphs data(40);
        for (const Case &of : cases) {
            const int count = device.selector == "cpu" ? of.losses : of.losses_elsewhere;
            if (count == 0 || (is_slow(device) && count < 4))
                continue;
            Desc desc(of.model, 1, 28, 28, 10);
            Model model(device, desc.desc);
            auxo_adapt_options options = small_options();
            options.penalty_strength = 1e-4;
            if (of.losses_elsewhere == 0) {
                options.training.batch = 2;
                options.measure_batches = 2;
                options.measure_rows = 1;
            }
            Adapt adapt(model, data, options);
            INFO(device.selector << " " << of.model << " " << adapt.error.text());
            REQUIRE(adapt.status == AUXO_OK);
            adapt.train(2);
            size_t tried = 0;
            for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT; m++) {
                const auxo_adapt_move move = static_cast<auxo_adapt_move>(m);
                const std::vector<float> before = adapt.state();
                if (!adapt.apply(move, of.losses_elsewhere > 0 ? 1 : 0) && !adapt.apply(move, 0))
                    continue;
                INFO(auxo_adapt_move_noun(move));
                adapt.train(1);
                adapt.undo();
                CHECK(same_bits(adapt.state(), before));
                const std::vector<double> losses = adapt.train(count);
                adapt.undo();
                CHECK(same_bits(adapt.state(), before));
                CHECK(adapt.train(count) == losses);
                adapt.undo();
                tried++;
            }
            CHECK(tried >= 6);
            // Nothing of all this has changed what comes: the same from a run that did none of it.
            Model other(device, desc.desc);
            Adapt plain(other, data, options);
            plain.train(2);
            CHECK(adapt.train(count) == plain.train(count));
        }
    });
}

TEST_CASE("sensitivities are the derivatives of the measured loss by theta, and add up over units, layers and blocks")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        for (const char *name : {"mlp:784-5-4-10", "conv:3-4:3:2"}) {
            Desc desc(name, 1, 28, 28, 10);
            Model model(device, desc.desc);
            Adapt adapt(model, data, small_options());
            REQUIRE(adapt.status == AUXO_OK);
            Error error;
            adapt.train(6);
            const auxo_sensitivities *found = nullptr;
            REQUIRE_OK(auxo_adapt_measure(adapt.adapt, &found, error));
            const std::vector<float> weights = model.weights();
            for (uint32_t i = 0; i < found->layer_count; i++) {
                const uint32_t layer = found->layers[i].layer, units = found->layers[i].units;
                const std::string base = auxo_model_get_desc(model)->layers[layer].name;
                double sum = 0, second = 0;
                for (uint32_t u = 0; u < units; u++)
                    sum += found->layers[i].unit_first[u];
                const double first = found->layers[i].first;
                second = found->layers[i].second;
                CHECK(std::abs(sum - first) <= 1e-6 + 1e-5 * std::abs(first));
                CHECK(second >= 0);
                const uint32_t unit = units / 2;
                const double exact = found->layers[i].unit_first[unit];
                auto scaled = [&](float factor) {
                    std::vector<float> w = model.param(base + ".weight");
                    const size_t row = w.size() / units;
                    for (size_t k = unit * row; k < (unit + 1) * row; k++)
                        w[k] *= factor;
                    model.set_param(base + ".weight", w);
                    if (auxo_model_find_param(model, (base + ".bias").c_str())) {
                        std::vector<float> b = model.param(base + ".bias");
                        b[unit] *= factor;
                        model.set_param(base + ".bias", b);
                    }
                    const auxo_sensitivities *there = nullptr;
                    REQUIRE_OK(auxo_adapt_measure(adapt.adapt, &there, error));
                    const double loss = there->loss;
                    model.set_weights(weights);
                    return loss;
                };
                const float step = 0.02f;
                const double difference = (scaled(1 + step) - scaled(1 - step)) / (2 * static_cast<double>(step));
                INFO(device.selector << " " << base << " unit " << unit << ": " << exact << " and " << difference);
                CHECK(std::abs(exact - difference) <= 2e-4 + 0.02 * std::abs(difference));
                REQUIRE_OK(auxo_adapt_measure(adapt.adapt, &found, error));
            }
        }
    });
}

TEST_CASE("new units and blocks keep the function, and what was there keeps its weights and optimiser state")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        for (const char *name : {"mlp:784-5-4-10", "conv:3-4:3:2", "lenet5"})
            for (const char *optimizer : {"adam:lr=0.01", "momentum:lr=0.01"}) {
                if (is_slow(device) && (std::strcmp(name, "lenet5") == 0 || optimizer[0] == 'm'))
                    continue;
                Desc desc(name, 1, 28, 28, 10);
                Model model(device, desc.desc);
                Adapt adapt(model, data, small_options(optimizer));
                REQUIRE(adapt.status == AUXO_OK);
                adapt.train(3);
                const std::vector<float> outputs = data.outputs(model);
                const size_t weights = auxo_model_weight_count(model);
                for (auxo_adapt_move move : {AUXO_ADAPT_WIDEN, AUXO_ADAPT_INSERT})
                    for (uint32_t choice = 0; adapt.apply(move, choice); choice++) {
                        INFO(device.selector << " " << name << " " << auxo_adapt_move_noun(move) << " " << choice);
                        CHECK(auxo_model_weight_count(model) > weights);
                        // A sum over more terms, all new ones 0, may be taken in another order.
                        check_close(data.outputs(model), outputs, 2e-6, 2e-6);
                        adapt.undo();
                    }
                CHECK(same_bits(data.outputs(model), outputs));
            }
    });
}

TEST_CASE("units that stay keep their weights and the optimiser's moments, row by row")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        for (const char *optimizer : {"adam:lr=0.01", "momentum:lr=0.01"}) {
            Desc desc("mlp:784-7-10", 1, 28, 28, 10);
            Model model(device, desc.desc);
            auxo_adapt_options options = small_options(optimizer);
            options.narrow_fraction = 0.5;
            Adapt adapt(model, data, options);
            REQUIRE(adapt.status == AUXO_OK);
            adapt.train(3);
            const std::vector<float> before = adapt.state();
            const size_t old_weights = auxo_model_weight_count(model);
            const Rows old_rows = rows_of(model, "dense1.weight");
            REQUIRE(adapt.apply(AUXO_ADAPT_NARROW));
            const std::vector<float> after = adapt.state();
            const size_t weights = auxo_model_weight_count(model), states = before.size() / old_weights;
            const Rows rows = rows_of(model, "dense1.weight");
            REQUIRE(old_rows.count == 7);
            REQUIRE(rows.count == 4);
            REQUIRE(rows.size == 784);
            size_t at = 0; // rows stay in their order
            for (size_t r = 0; r < rows.count; r++, at++) {
                const float *row = &after[rows.offset + r * rows.size];
                while (at < old_rows.count &&
                       !std::equal(row, row + rows.size, &before[old_rows.offset + at * rows.size]))
                    at++;
                REQUIRE(at < old_rows.count);
                for (size_t s = 1; s < states; s++) {
                    const float *state = &after[s * weights + rows.offset + r * rows.size];
                    CHECK(std::equal(state, state + rows.size,
                                     &before[s * old_weights + old_rows.offset + at * rows.size]));
                }
            }
        }
    });
}

TEST_CASE("only the chosen units are trained, the others and their optimiser state stay to the bit")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-6-10", 1, 28, 28, 10);
        Model model(device, desc.desc);
        Adapt adapt(model, data, small_options());
        REQUIRE(adapt.status == AUXO_OK);
        Error error;
        auxo_trainer *trainer = auxo_adapt_trainer(adapt.adapt);
        adapt.train(2);
        const uint32_t layer = auxo_model_desc_find(auxo_model_get_desc(model), "dense1");
        const std::vector<float> before = adapt.state();
        std::unique_ptr<bool[]> train(new bool[auxo_model_get_desc(model)->layer_count]());
        train[layer] = true;
        REQUIRE_OK(auxo_trainer_set_train_layers(trainer, train.get(), error));
        REQUIRE_OK(auxo_trainer_set_train_units(trainer, layer, 2, 4, error));
        adapt.train(2);
        const std::vector<float> after = adapt.state();
        const size_t weights = auxo_model_weight_count(model), row = 784;
        for (size_t i = 0; i < after.size(); i++) {
            const size_t within = i % weights;
            const bool trained =
                (within >= 2 * row && within < 4 * row) || (within >= 6 * row + 2 && within < 6 * row + 4);
            if (!trained && after[i] != before[i])
                FAIL("value " << i << " has changed");
        }
        CHECK(after[2 * row + 400] != before[2 * row + 400]);
        CHECK(after[6 * row + 2] != before[6 * row + 2]);
        CHECK(auxo_trainer_set_train_units(trainer, layer, 4, 7, error) == AUXO_INVALID_ARGUMENT);
        CHECK(auxo_trainer_set_train_units(trainer, layer + 1, 0, 1, error) == AUXO_INVALID_ARGUMENT); // not trained
    });
}

TEST_CASE("budgets hold after every cycle, the controller grows up to them, whatever ranks its moves")
{
    for_each_device([](Device &device) {
        Glyphs data(96);
        for (auxo_adapt_policy policy :
             {AUXO_ADAPT_SENSITIVITY, AUXO_ADAPT_NORMS, AUXO_ADAPT_RANDOM, AUXO_ADAPT_GREEDY}) {
            Desc desc("conv:3-4:3:2", 1, 28, 28, 10);
            Model model(device, desc.desc);
            auxo_adapt_options options = small_options();
            options.policy = policy;
            options.rest_cycles = 0;
            options.growth_drive = 1;
            options.budget.parameters = 500;
            options.budget.flops = 4e5;
            options.budget.memory_bytes = 3e6;
            Adapt adapt(model, data, options);
            INFO(adapt.error.text());
            REQUIRE(adapt.status == AUXO_OK);
            Error error;
            double most = 0;
            for (int c = 0; c < 12; c++) {
                const auxo_adapt_record record = adapt.next();
                for (auxo_resource resource : {AUXO_RESOURCE_PARAMETERS, AUXO_RESOURCE_FLOPS}) {
                    const auxo_budget budget = {resource, 0, nullptr, 0};
                    double cost = 0, best = 0;
                    REQUIRE_OK(auxo_morph_desc_cost(auxo_model_get_desc(model), &budget, &cost, error));
                    REQUIRE_OK(
                        auxo_morph_desc_cost(auxo_model_get_desc(auxo_adapt_best(adapt.adapt)), &budget, &best, error));
                    const double limit = resource == AUXO_RESOURCE_FLOPS ? 4e5 : 500;
                    CHECK(cost <= limit);
                    CHECK(best <= limit);
                    if (resource == AUXO_RESOURCE_PARAMETERS)
                        most = std::max(most, cost);
                }
                CHECK(auxo_model_weight_count(model) <= 500);
                CHECK(auxo_model_weight_count(auxo_adapt_best(adapt.adapt)) <= 500);
                CHECK(record.memory_bytes <= 3e6);
                CHECK(record.cycle == static_cast<uint32_t>(c + 1));
                CHECK((record.kept || record.move != AUXO_ADAPT_TRAIN));
            }
            INFO(device.selector << " policy " << policy << " most " << most);
            CHECK(auxo_adapt_log(adapt.adapt)->count > 0);
        }
    });
}

TEST_CASE("a controller is refused what cannot be, in one line")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-6-10", 1, 28, 28, 10);
    Model model(device, desc.desc);
    Error error;
    auxo_adapt *adapt = nullptr;
    auxo_adapt_options options = small_options();
    CHECK(auxo_adapt_create(model, data.train, nullptr, &options, &adapt, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "validation");
    options.budget.parameters = 100;
    CHECK(auxo_adapt_create(model, data.train, data.test, &options, &adapt, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "above the budget");
    options = small_options();
    options.budget.memory_bytes = 1000;
    CHECK(auxo_adapt_create(model, data.train, data.test, &options, &adapt, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "MiB of device memory");
    options = small_options();
    options.moves = 1u << AUXO_ADAPT_WIDEN;
    CHECK(auxo_adapt_create(model, data.train, data.test, &options, &adapt, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "train, block and units");
    uint32_t moves = 0;
    CHECK(auxo_adapt_moves_parse("train,widen,deepen", &moves, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "\"deepen\"");
    options = small_options();
    Adapt nothing(model, data, options);
    CHECK(auxo_adapt_undo(nothing.adapt, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "no move");
    REQUIRE_OK(auxo_adapt_moves_parse("train,narrow", &moves, error));
    CHECK(moves == (1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_NARROW));
}

TEST_CASE("a diverging training is calmed or ends with its reason, and the best model stays")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-6-6-6-10:identity", 1, 28, 28, 10);
    Model model(device, desc.desc);
    auxo_adapt_options options = small_options("sgd:lr=1e6");
    options.cycle_steps = 16;
    options.training.batch = 4;
    Adapt adapt(model, data, options);
    REQUIRE(adapt.status == AUXO_OK);
    Error error;
    auxo_adapt_record record;
    auxo_status status = AUXO_OK;
    int undone = 0;
    const std::vector<float> before = model.weights();
    while ((status = auxo_adapt_next(adapt.adapt, &record, error)) == AUXO_OK && undone < 20) {
        CHECK_FALSE(record.kept);
        CHECK(std::string(record.why).find("not finite") != std::string::npos);
        CHECK(same_bits(model.weights(), before));
        undone++;
    }
    CHECK(status == AUXO_NOT_FINITE);
    CHECK(undone == 8);
    check_message(error, "halvings");
}

TEST_CASE("a cycle for which no time is left is cut short: judged as it is, taken back to the bit, and repeated")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    struct Clock {
        int asked, enough;
        static double left(void *user)
        {
            Clock *clock = static_cast<Clock *>(user);
            return clock->asked++ < clock->enough ? 1e9 : 0;
        }
    };
    auxo_adapt_options options = small_options();
    options.cycle_epochs = 5;
    options.decide = GENERATE(AUXO_ADAPT_DECIDE_BEST, AUXO_ADAPT_DECIDE_ALL);
    options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_INSERT;
    options.seconds_left = Clock::left;
    // The second cycle ends after two of its epochs: before an epoch but the first the clock is asked, four times in
    // the first cycle.
    Clock clock{0, 5}, none{0, 1 << 30};
    Desc desc("mlp:12", 1, 28, 28, 10);
    Model model(device, desc.desc), twin(device, desc.desc);
    options.seconds_user = &clock;
    Adapt adapt(model, data, options);
    options.seconds_user = &none;
    Adapt whole(twin, data, options);
    REQUIRE(adapt.status == AUXO_OK);
    REQUIRE(whole.status == AUXO_OK);
    CHECK(!adapt.next().cut);
    whole.next();
    const std::vector<float> before = adapt.state();
    const size_t logged = auxo_adapt_log(adapt.adapt)->count;
    adapt.losses.clear();
    const auxo_adapt_record record = adapt.next();
    CHECK(record.cut);
    CHECK(record.cycle == 2);
    CHECK(adapt.losses.size() == 2 * 4); // two epochs of 64 rows in batches of 16
    CHECK(std::isfinite(record.loss));
    CHECK(auxo_adapt_cycles(adapt.adapt) == 1);
    CHECK(auxo_adapt_log(adapt.adapt)->count == logged);
    CHECK(same_bits(adapt.state(), before));
    clock.enough = 1 << 30;
    CHECK(!adapt.next().cut);
    whole.next();
    CHECK(same_bits(adapt.state(), whole.state()));
}

TEST_CASE("a deep plain network on which training stalls loses layers, and nothing by that")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    auxo_data_options data_options = {};
    data_options.limit = 2000;
    data_options.seed = 1;
    LoadedData data;
    data.require("reactor", data_options);
    std::string name = "mlp:4-";
    for (int l = 0; l < 50; l++)
        name += "5-";
    Desc desc(name + "2", data.train->channels, data.train->height, data.train->width, data.train->target_count);
    double losses[2];
    uint32_t layers = 0;
    for (const bool removes : {false, true}) {
        Model model(device, desc.desc);
        auxo_adapt_options options = small_options("adam:lr=0.005");
        options.training.loss = AUXO_LOSS_MSE;
        options.training.batch = 32;
        options.moves = 1u << AUXO_ADAPT_TRAIN | (removes ? 1u << AUXO_ADAPT_REMOVE : 0);
        options.cycle_steps = 20;
        Adapt adapt(model, data, options);
        INFO(adapt.error.text());
        REQUIRE(adapt.status == AUXO_OK);
        double best = 0;
        for (int i = 0; i < 100; i++)
            best = -adapt.next().best_score;
        losses[removes] = best;
        layers = auxo_model_get_desc(model)->layer_count;
    }
    INFO(losses[0] << " without, " << losses[1] << " with removing, " << layers << " layers");
    CHECK(layers < desc.desc.layer_count);
    // Gains are taken by the second, so how far it comes hangs on the machine; what it keeps is no worse.
    CHECK(losses[1] < 1.1 * losses[0]);
}

TEST_CASE("splitting widens a layer by halves that are read alike, and is undone to the bit")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-3-10:tanh", 1, 28, 28, 10);
        Model model(device, desc.desc);
        auxo_adapt_options options = small_options();
        options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_WIDEN;
        options.score = AUXO_ADAPT_SCORE_SPLIT;
        options.grow_init = AUXO_GROW_SPLIT;
        options.growth_minimum = 2;
        Adapt adapt(model, data, options);
        INFO(adapt.error.text());
        REQUIRE(adapt.status == AUXO_OK);
        adapt.train(10);
        const std::vector<float> before = adapt.state();
        REQUIRE(adapt.apply(AUXO_ADAPT_WIDEN));
        CHECK(model.param("dense1.weight").size() == 5 * 784);
        const std::vector<float> read = model.param("dense2.weight");
        for (size_t half = 3; half < 5; half++)
            CHECK(std::count(&read[0], &read[3], read[half]) == 1);
        adapt.train(4);
        adapt.undo();
        CHECK(same_bits(adapt.state(), before));
    });
}
