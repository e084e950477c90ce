// tests/sizing_test.cpp: dynamic auto-sizing: function preservation, pruning against host norms, what the penalty does,
// what cannot be sized.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <algorithm>
#include <cmath>
#include <set>

using namespace auxo_test;

namespace
{

auxo_autosize_options autosize_defaults()
{
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.growth_minimum = 4;
    return options;
}

auxo_train_options sized_training(auxo_autosize *autosize, const char *name = "adam")
{
    auxo_train_options options{};
    options.batch = 32;
    options.optimizer = optimizer(name);
    options.before_step = auxo_autosize_before_step;
    options.after_step = auxo_autosize_after_step;
    options.hook_user = autosize;
    return options;
}

} // namespace

TEST_CASE("growing by tau keeps the function within tau squared, pruning takes back exactly what grew")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("autosize-cnn:6-5-7-6-12", 1, 28, 28, 10);
        Model model(device, desc.desc);
        auxo_autosize_options options = autosize_defaults();
        options.threshold = 1e-2; // LeCun-normal times tau: every new weight stays below tau in these layers
        options.probe = data.test;
        auxo_autosize *autosize = nullptr;
        Error error;
        REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
        REQUIRE(auxo_autosize_layer_count(autosize) == 5);
        {
            Trainer trainer(model, data.train, nullptr, sized_training(autosize));
            std::vector<float> before = data.outputs(model.model);
            std::vector<float> conv1 = model.param("conv1.weight");
            uint32_t grown = 0, pruned = 0;
            REQUIRE_OK(auxo_autosize_grow(autosize, trainer.trainer, &grown, error));
            CHECK(grown == 5 * 4);
            CHECK(auxo_autosize_units(autosize, 0) == 10);
            check_close(data.outputs(model.model), before, 0, 5e-2);
            REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &pruned, error));
            CHECK(pruned == grown);
            CHECK(auxo_autosize_units(autosize, 4) == 12);
            CHECK(model.param("conv1.weight") == conv1);
            CHECK(data.outputs(model.model) == before);
            const auxo_edit_log *log = auxo_autosize_log(autosize);
            REQUIRE(log->count == 10);
            CHECK(std::string(log->edits[0].what) == "grow");
            CHECK(log->edits[9].units_before == 16);
            CHECK(log->edits[9].units_after == 12);
            CHECK(std::isfinite(log->edits[9].loss_after));
        }
        auxo_autosize_destroy(autosize);
    });
}

TEST_CASE("pruning removes units below the threshold, keeps the outputs and at least one unit")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("autosize-mlp:9-6-5-4-3", 1, 28, 28, 10);
        Model model(device, desc.desc);
        std::vector<float> weight = model.param("dense1.weight"), bias = model.param("dense1.bias");
        for (int unit : {0, 4, 8}) {
            for (int i = 0; i < 784; i++)
                weight[(size_t)unit * 784 + (size_t)i] = 0;
            bias[(size_t)unit] = 0;
        }
        bias[4] = 2e-3f; // kept by its bias
        model.set_param("dense1.weight", weight);
        model.set_param("dense1.bias", bias);
        model.set_param("dense3.weight", std::vector<float>(30, 0.0f));
        model.set_param("dense3.bias", std::vector<float>(5, 0.0f));
        std::vector<float> before = data.outputs(model.model);
        auxo_autosize_options options = autosize_defaults();
        auxo_autosize *autosize = nullptr;
        Error error;
        REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
        {
            Trainer trainer(model, data.train, nullptr, sized_training(autosize));
            uint32_t pruned = 0;
            REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &pruned, error));
            CHECK(auxo_autosize_units(autosize, 0) == 7);
            CHECK(auxo_autosize_units(autosize, 2) == 1);
            check_close(data.outputs(model.model), before, 1e-6, 1e-7);
            trainer.epochs(1); // the trainer goes on with the smaller model
        }
        auxo_autosize_destroy(autosize);
    });
}

TEST_CASE("weighted penalty pulls later units harder, a strong one empties layers, training goes on")
{
    for_each_device([](Device &device) {
        Glyphs data(256);
        for (bool proximal : {false, true}) {
            Desc desc("autosize-mlp:20-10-10-10-10", 1, 28, 28, 10);
            Model model(device, desc.desc);
            auxo_autosize_options options = autosize_defaults();
            options.strength = 1e-2;
            options.proximal = proximal;
            auxo_autosize *autosize = nullptr;
            Error error;
            REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
            {
                Trainer trainer(model, data.train, nullptr, sized_training(autosize, "sgd:lr=0.05"));
                trainer.epochs(1);
                std::vector<float> weight = model.param("dense1.weight");
                double first = 0, last = 0;
                for (size_t i = 0; i < 784; i++) {
                    first += std::fabs(weight[i]);
                    last += std::fabs(weight[19 * 784 + i]);
                }
                CHECK(last < 0.8 * first);
                uint32_t changed = 0;
                REQUIRE_OK(auxo_autosize_grow(autosize, trainer.trainer, &changed, error));
                trainer.epochs(1);
                REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &changed, error));
                for (uint32_t i = 0; i < auxo_autosize_layer_count(autosize); i++)
                    CHECK(auxo_autosize_units(autosize, i) >= 1);
                auxo_autosize_stop_penalty(autosize, trainer.trainer);
                CHECK(std::isfinite(trainer.epochs(1).train_loss));
            }
            auxo_autosize_destroy(autosize);
        }
    });
}

TEST_CASE("a diverged unit is refused by name, not pruned")
{
    for_each_device([](Device &device) {
        Glyphs data(32);
        Desc desc("autosize-mlp:9-6-5-4-3", 1, 28, 28, 10);
        for (float bad : {std::nanf(""), HUGE_VALF}) {
            Model model(device, desc.desc);
            std::vector<float> bias = model.param("dense2.bias");
            bias[3] = bad;
            model.set_param("dense2.bias", bias);
            auxo_autosize_options options = autosize_defaults();
            auxo_autosize *autosize = nullptr;
            auxo_morph *morph = nullptr;
            Error error;
            REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
            {
                Trainer trainer(model, data.train, nullptr, sized_training(autosize));
                uint32_t pruned = 0;
                CHECK(auxo_autosize_prune(autosize, trainer.trainer, &pruned, error) == AUXO_NOT_FINITE);
                CHECK(error.text().find("dense2: the weights of unit 3 are not finite") != std::string::npos);
                CHECK(pruned == 0);
            }
            auxo_autosize_destroy(autosize);
            std::vector<float> weight = model.param("dense2.weight");
            weight[20] = bad;
            model.set_param("dense2.weight", weight);
            auxo_morph_options morph_options = {};
            morph_options.resource = AUXO_RESOURCE_FLOPS;
            morph_options.scale = AUXO_MORPH_GROUP_LASSO;
            morph_options.strength = 1e-6;
            morph_options.threshold = 1e-2;
            CHECK(auxo_morph_create(model.model, &morph_options, &morph, error) == AUXO_NOT_FINITE);
            auxo_morph_destroy(morph);
        }
    });
}

TEST_CASE("auto-sizing refuses what it cannot size")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Desc sigmoid("mlp:4-5-2:sigmoid", 4, 1, 1, 2), linear("mlp:4-2", 4, 1, 1, 2);
    Model with_sigmoid(device, sigmoid.desc), without_hidden(device, linear.desc);
    auxo_autosize_options options = autosize_defaults();
    auxo_autosize *autosize = nullptr;
    CHECK(auxo_autosize_create(with_sigmoid.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("f(0) != 0") != std::string::npos);
    CHECK(auxo_autosize_create(without_hidden.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
    options.threshold = 0;
    CHECK(auxo_autosize_create(with_sigmoid.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
}

namespace
{

// What the penalty took from each hidden unit's first weight in each of `epochs` epochs of one step: w(j) by position.
std::vector<std::vector<double>> weights_of_units(Device &device, const auxo_autosize_options &sizing, uint32_t epochs)
{
    Error error;
    Data data = Data::classes(12, 6, 1, 1, 3, 5);
    Desc desc("mlp:6-5-3:selu", 6, 1, 1, 3);
    auxo_train_options training = {};
    training.batch = 12;
    training.optimizer = optimizer("sgd:lr=0.1");
    std::vector<std::vector<double>> found;
    for (uint32_t e = 0; e < epochs; e++) {
        std::vector<float> ends[2], begins;
        for (const bool penalized : {false, true}) {
            Model model(device, desc.desc, 4);
            auxo_autosize_options options = sizing;
            auxo_autosize *autosize = nullptr;
            options.strength = penalized ? 0.01 : 0;
            REQUIRE_OK(auxo_autosize_create(model, &options, &autosize, error));
            training.before_step = auxo_autosize_before_step;
            training.after_step = auxo_autosize_after_step;
            training.hook_user = autosize;
            {
                Trainer trainer(model, data.get(), nullptr, training);
                auxo_epoch_metrics metrics;
                const auxo_autosize_epoch_options epoch = {};
                std::vector<float> kept = model.weights();
                for (uint32_t i = 0; i <= e; i++) {
                    model.set_weights(kept); // so that the last epoch is the first step from here
                    REQUIRE_OK(auxo_autosize_epoch(autosize, trainer, &epoch, &metrics, nullptr, error));
                }
            }
            begins = Model(device, desc.desc, 4).param("dense1.weight");
            ends[penalized] = model.param("dense1.weight");
            auxo_autosize_destroy(autosize);
        }
        std::vector<double> weights;
        for (size_t unit = 0; unit < 5; unit++)
            weights.push_back(((double)ends[0][6 * unit] - ends[1][6 * unit]) / (0.1 * 0.01) *
                              (begins[6 * unit] > 0 ? 1 : -1));
        found.push_back(weights);
    }
    return found;
}

} // namespace

TEST_CASE("weightings of the weighted l1 penalty: j, its root, its square, its logarithm, and shuffled in each epoch")
{
    CHECK(auxo_autosize_weight(AUXO_WEIGHTING_LINEAR, 3) == 3);
    CHECK(auxo_autosize_weight(AUXO_WEIGHTING_SQRT, 4) == 2);
    CHECK(auxo_autosize_weight(AUXO_WEIGHTING_SQUARE, 3) == 9);
    CHECK(auxo_autosize_weight(AUXO_WEIGHTING_LOG, 1) == 1);
    CHECK(auxo_autosize_weight(AUXO_WEIGHTING_LOG, 3) == Approx(2.0986123));
    for_each_device([](Device &device) {
        auxo_autosize_options options;
        auxo_autosize_options_init(&options);
        options.grow = false;
        const double expected[][5] = {{1, 2, 3, 4, 5},
                                      {1, 1.414214, 1.732051, 2, 2.236068},
                                      {1, 4, 9, 16, 25},
                                      {1, 1.693147, 2.098612, 2.386294, 2.609438}};
        for (int weighting = 0; weighting < 4; weighting++) {
            options.weighting = (auxo_autosize_weighting)weighting;
            const std::vector<double> found = weights_of_units(device, options, 1)[0];
            for (size_t unit = 0; unit < 5; unit++)
                CHECK(found[unit] == Approx(expected[weighting][unit]).margin(2e-3));
        }
        options.weighting = AUXO_WEIGHTING_LINEAR;
        options.shuffle = true;
        options.seed = 2;
        std::set<std::vector<long>> orders;
        for (const std::vector<double> &epoch : weights_of_units(device, options, 4)) {
            std::vector<long> order;
            for (double weight : epoch)
                order.push_back(std::lround(weight));
            orders.insert(order);
            std::sort(order.begin(), order.end());
            CHECK(order == std::vector<long>{1, 2, 3, 4, 5});
        }
        CHECK(orders.size() >= 3); // of 120 there are, four epochs
        // Units that are new keep the weights of their positions: the layer grows from 3 to 5, the first three shuffle.
        options.grow = true;
        options.growth_minimum = 2;
        for (const std::vector<double> &epoch : weights_of_units(device, options, 3)) {
            CHECK(std::lround(epoch[3]) == 4);
            CHECK(std::lround(epoch[4]) == 5);
        }
    });
}

TEST_CASE("units that are read in full: only the incoming weights of new units are scaled by tau")
{
    for_each_device([](Device &device) {
        for (const bool full : {false, true}) {
            Error error;
            Data data = Data::classes(12, 6, 1, 1, 3, 5);
            Desc desc("mlp:6-5-3:selu", 6, 1, 1, 3);
            Model model(device, desc.desc, 4);
            auxo_autosize_options options;
            auxo_autosize_options_init(&options);
            options.growth_minimum = 8;
            options.full_outgoing = full;
            auxo_autosize *autosize = nullptr;
            REQUIRE_OK(auxo_autosize_create(model, &options, &autosize, error));
            auxo_train_options training = {};
            training.batch = 12;
            training.optimizer = optimizer("sgd");
            {
                Trainer trainer(model, data.get(), nullptr, training);
                uint32_t changed = 0;
                REQUIRE_OK(auxo_autosize_grow(autosize, trainer, &changed, error));
                CHECK(changed == 8);
            }
            const std::vector<float> in = model.param("dense1.weight"), out = model.param("dense2.weight");
            double incoming = 0, outgoing = 0;
            for (size_t unit = 5; unit < 13; unit++) {
                for (size_t i = 0; i < 6; i++)
                    incoming = std::max(incoming, std::fabs((double)in[6 * unit + i]));
                for (size_t o = 0; o < 3; o++)
                    outgoing = std::max(outgoing, std::fabs((double)out[13 * o + unit]));
            }
            CHECK(incoming < 3e-3);
            CHECK((full ? outgoing > 0.1 : outgoing < 3e-3));
            auxo_autosize_destroy(autosize);
        }
    });
}
