// tests/adapt_papers_test.cpp: the papers' algorithms as settings of the controller's loop, beside the algorithms
// themselves on the same seed: dynamic auto-sizing to the bit, ResBuilder's insertions and removals, the blocks that
// multi-scale training selects.
#include "auxo/multiscale.h"
#include "support/adapt.hpp"

#include <cmath>
#include <cstdlib>
#include <memory>

using namespace auxo_test;

namespace
{

auxo_adapt_options paper_options(const char *moves, const char *optimizer)
{
    auxo_adapt_options options = small_options(optimizer);
    Error error;
    REQUIRE_OK(auxo_adapt_moves_parse(moves, &options.moves, error));
    options.rules = AUXO_ADAPT_RULES_PAPERS;
    options.decide = AUXO_ADAPT_DECIDE_ALL;
    options.cycle_epochs = 1;
    return options;
}

std::string as_json(const auxo_model *model)
{
    char *text = nullptr;
    Error error;
    REQUIRE_OK(auxo_model_desc_to_json(auxo_model_get_desc(model), &text, error));
    const std::string json = text;
    std::free(text);
    return json;
}

void check_same_edits(const auxo_edit_log *a, const auxo_edit_log *b)
{
    REQUIRE(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        const auxo_edit &x = a->edits[i], &y = b->edits[i];
        INFO("edit " << i << ": " << x.what << " " << x.layer << " and " << y.what << " " << y.layer);
        CHECK(x.epoch == y.epoch);
        CHECK(std::string(x.what) == y.what);
        CHECK(std::string(x.layer) == y.layer);
        CHECK(std::string(x.why) == y.why);
        CHECK(x.units_before == y.units_before);
        CHECK(x.units_after == y.units_after);
    }
}

} // namespace

TEST_CASE("auto-sizing comes out of the controller with the same edits and weights to the bit")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-6-5-10", 1, 28, 28, 10);
        Error error;
        const int epochs = 4;
        auxo_adapt_options options = paper_options("train,widen,narrow", "adam:lr=0.01");
        options.growth_minimum = 3;
        options.growth_fraction = 0.3;
        options.threshold = 0.02;
        options.penalty_strength = 0.02;
        Model by_controller(device, desc.desc);
        Adapt adapt(by_controller, data, options);
        INFO(adapt.error.text());
        REQUIRE(adapt.status == AUXO_OK);
        for (int e = 0; e < epochs; e++)
            CHECK(adapt.next().kept);

        Model by_itself(device, desc.desc);
        auxo_autosize_options own;
        auxo_autosize_options_init(&own);
        own.strength = options.penalty_strength;
        own.growth_minimum = options.growth_minimum;
        own.growth_fraction = options.growth_fraction;
        own.threshold = options.threshold;
        own.seed = options.seed;
        auxo_autosize *autosize = nullptr;
        REQUIRE_OK(auxo_autosize_create(by_itself, &own, &autosize, error));
        std::unique_ptr<auxo_autosize, void (*)(auxo_autosize *)> autosize_owner(autosize, auxo_autosize_destroy);
        auxo_train_options training = options.training;
        training.before_step = auxo_autosize_before_step;
        training.after_step = auxo_autosize_after_step;
        training.hook_user = autosize;
        auxo_trainer *trainer = nullptr;
        REQUIRE_OK(auxo_trainer_create(by_itself, data.train, data.test, &training, &trainer, error));
        std::unique_ptr<auxo_trainer, void (*)(auxo_trainer *)> trainer_owner(trainer, auxo_trainer_destroy);
        const auxo_autosize_epoch_options epoch = {true, true, 0, nullptr, nullptr, nullptr};
        for (int e = 0; e < epochs; e++) {
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_autosize_epoch(autosize, trainer, &epoch, &metrics, nullptr, error));
        }

        const auxo_edit_log *log = auxo_adapt_log(adapt.adapt);
        size_t pruned = 0;
        for (size_t i = 0; i < log->count; i++)
            pruned += std::string(log->edits[i].what) == "prune";
        CHECK(pruned > 0);
        CHECK(log->count - pruned == 2 * static_cast<size_t>(epochs));
        check_same_edits(log, auxo_autosize_log(autosize));
        CHECK(as_json(by_controller) == as_json(by_itself));
        CHECK(same_bits(by_controller.weights(), by_itself.weights()));
    });
}

TEST_CASE("ResBuilder's insertions and removals come out of the controller with the same edits")
{
    for_each_device([](Device &device) {
        Glyphs data(40);
        Desc desc("conv:3-4:3:2", 1, 28, 28, 10);
        Error error;
        for (const bool removes : {false, true}) {
            auxo_adapt_options options = paper_options("train,insert,remove", "adam:lr=0.001");
            options.threshold = removes ? 1e9 : 1e-30;
            auxo_resbuild_options own;
            auxo_resbuild_options_init(&own);
            own.insertions = 3;
            own.cycles = 1;
            own.epochs = 1;
            own.trainings[AUXO_TRAINING_FRESH] = own.trainings[AUXO_TRAINING_INHERITED] = false;
            own.removal_threshold = options.threshold;
            own.keep_gain = 1e9;
            own.budget.limit = 1e12;
            own.seed = options.seed;
            own.training.batch = options.training.batch;
            auxo_resbuild *resbuild = nullptr;
            REQUIRE_OK(auxo_resbuild_create(device.device, &desc.desc, data.train, data.test, &own, &resbuild, error));
            std::unique_ptr<auxo_resbuild, void (*)(auxo_resbuild *)> owner(resbuild, auxo_resbuild_destroy);
            auxo_architecture_record architecture;
            bool done = false;
            REQUIRE_OK(auxo_resbuild_next(resbuild, &architecture, &done, error)); // the start

            Model model(device, desc.desc);
            Adapt adapt(model, data, options);
            INFO(adapt.error.text());
            REQUIRE(adapt.status == AUXO_OK);
            // Once a block is out again, ResBuilder does not insert it there twice; the loop would.
            for (int n = 0; n < (removes ? 1 : 3); n++) {
                REQUIRE_OK(auxo_resbuild_next(resbuild, &architecture, &done, error));
                adapt.next();
                INFO(device.selector << " insertion " << n);
                CHECK(as_json(model) == as_json(auxo_resbuild_current(resbuild)));
                const auxo_edit_log *mine = auxo_adapt_log(adapt.adapt), *theirs = auxo_resbuild_log(resbuild);
                REQUIRE(mine->count == theirs->count);
                for (size_t i = 0; i < mine->count; i++)
                    CHECK(std::string(theirs->edits[i].what) == std::string(mine->edits[i].what) + " block");
            }
            CHECK(auxo_adapt_log(adapt.adapt)->count == (removes ? 2u : 3u));
        }
    });
}

TEST_CASE("the controller selects and trains the blocks that multi-scale training does")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-6-5-6-10:tanh", 1, 28, 28, 10);
        Error error;
        auxo_adapt_options options = paper_options("block", "sgd:lr=0.05");
        options.cycle_epochs = 3;
        options.training.batch = static_cast<uint32_t>(data.train->row_count);
        options.measure_batches = 2;
        options.measure_rows = 1000000;
        REQUIRE(data.train->row_count % 2 == 0);
        Model by_controller(device, desc.desc), by_itself(device, desc.desc);
        Adapt adapt(by_controller, data, options);
        INFO(adapt.error.text());
        REQUIRE(adapt.status == AUXO_OK);

        auxo_multiscale_options own;
        auxo_multiscale_options_init(&own);
        own.epochs = options.cycle_epochs;
        own.seed = options.seed;
        own.optimizer = options.training.optimizer;
        auxo_multiscale *multiscale = nullptr;
        REQUIRE_OK(auxo_multiscale_create(by_itself, data.train, nullptr, &own, &multiscale, error));
        std::unique_ptr<auxo_multiscale, void (*)(auxo_multiscale *)> owner(multiscale, auxo_multiscale_destroy);

        std::vector<std::string> names;
        for (uint32_t l = 0; l < desc.desc.layer_count; l++)
            if (desc.desc.layers[l].kind == AUXO_LAYER_DENSE)
                names.push_back(desc.desc.layers[l].name);
        std::string first, blocks;
        bool different = false;
        for (int i = 0; i < 12; i++) {
            const auxo_adapt_record record = adapt.next();
            auxo_multiscale_iteration iteration;
            REQUIRE_OK(auxo_multiscale_iterate(multiscale, &iteration, error));
            std::string selected = names.at(iteration.layer_begin);
            if (iteration.layer_end - iteration.layer_begin > 1)
                selected += ".." + names.at(iteration.layer_end - 1);
            INFO(device.selector << " iteration " << i);
            CHECK(std::string(record.where) == selected);
            first = i == 0 ? selected : first;
            different = different || selected != first;
        }
        CHECK(different);
        check_close(by_controller.weights(), by_itself.weights(), 1e-4, 1e-4);
    });
}

TEST_CASE("where every move has its turn, budgets hold after every cycle and a loss that is not finite is undone")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-6-5-10", 1, 28, 28, 10);
        auxo_adapt_options options = paper_options("train,widen", "adam:lr=0.01");
        options.growth_minimum = 1;
        options.growth_fraction = 0;
        options.budget.parameters = 785 * 8 + 9 * 7 + 8 * 10;
        Model model(device, desc.desc);
        {
            Adapt adapt(model, data, options);
            INFO(adapt.error.text());
            REQUIRE(adapt.status == AUXO_OK);
            for (int i = 0; i < 4; i++) {
                adapt.next();
                CHECK(auxo_model_get_desc(model)
                          ->layers[auxo_model_desc_find(auxo_model_get_desc(model), "dense1")]
                          .units == (i == 0 ? 7u : 8u));
            }
            CHECK(auxo_adapt_log(adapt.adapt)->count == 4); // two layers, twice
        }
        options = paper_options("train,widen", "sgd:lr=1e6");
        options.growth_minimum = 1;
        options.training.batch = 4;
        Desc linear("mlp:784-6-6-10:identity", 1, 28, 28, 10);
        Model wild(device, linear.desc);
        const std::vector<float> before = wild.weights();
        Adapt adapt(wild, data, options);
        REQUIRE(adapt.status == AUXO_OK);
        const auxo_adapt_record record = adapt.next();
        CHECK_FALSE(record.kept);
        CHECK(same_bits(wild.weights(), before));
        const auxo_edit_log *log = auxo_adapt_log(adapt.adapt);
        REQUIRE(log->count == 2);
        CHECK(std::string(log->edits[0].what) == "grow, undone");
        CHECK(log->edits[0].units_after == log->edits[0].units_before);
    });
}

TEST_CASE("every move with own rules has its turn in every cycle")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-8-8-10", 1, 28, 28, 10);
    Model model(device, desc.desc);
    auxo_adapt_options options = small_options();
    Error error;
    REQUIRE_OK(auxo_adapt_moves_parse("train,widen,narrow,insert", &options.moves, error));
    options.decide = AUXO_ADAPT_DECIDE_ALL;
    Adapt adapt(model, data, options);
    REQUIRE(adapt.status == AUXO_OK);
    adapt.next();
    const auxo_edit_log *log = auxo_adapt_log(adapt.adapt);
    REQUIRE(log->count == 3);
    CHECK(std::string(log->edits[0].what) == "widen");
    CHECK(std::string(log->edits[1].what) == "insert");
    CHECK(std::string(log->edits[2].what) == "narrow");
    CHECK(std::isnan(log->edits[0].loss_after)); // none of them alone brought it about
    options.moves |= 1u << AUXO_ADAPT_BLOCK;
    auxo_adapt *none = nullptr;
    CHECK(auxo_adapt_create(model, data.train, data.test, &options, &none, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "one of train, block and units");
}
