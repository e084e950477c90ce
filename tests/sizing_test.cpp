// tests/sizing_test.cpp: dynamic auto-sizing: function preservation, pruning against host norms, what the penalty does,
// what cannot be sized.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <cmath>

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
