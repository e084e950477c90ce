// tests/resbuild_test.cpp: ResBuilder: blocks found, inserted and removed; a run, resumed, within its budget.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

using namespace auxo_test;

TEST_CASE("blocks are found, inserted and removed, the structure comes back")
{
    Error error;
    Desc resnet("resnet18", 3, 32, 32, 10);
    std::vector<auxo_block> blocks(resnet.desc.layer_count);
    // Of eight blocks three have a projection on their skip connection and cannot go.
    REQUIRE(auxo_blocks_find(&resnet.desc, blocks.data()) == 5);
    std::vector<uint32_t> places(resnet.desc.layer_count), stages(resnet.desc.layer_count);
    uint32_t count = auxo_block_places(&resnet.desc, places.data(), stages.data());
    REQUIRE(count == 9); // the stem and eight blocks
    CHECK(stages[0] == 0);
    CHECK(stages[8] == 3);
    for (uint32_t i = 0; i < count; i++) {
        Desc larger, smaller;
        REQUIRE_OK(auxo_block_insert(&resnet.desc, places[i], "new", &larger.desc, error));
        CHECK(larger.desc.layer_count == resnet.desc.layer_count + 5);
        std::vector<auxo_block> found(larger.desc.layer_count);
        uint32_t found_count = auxo_blocks_find(&larger.desc, found.data());
        CHECK(found_count == 6);
        for (uint32_t b = 0; b < found_count; b++)
            if (std::string(larger.desc.layers[found[b].add].name) == "new_add")
                REQUIRE_OK(auxo_block_remove(&larger.desc, &found[b], &smaller.desc, error));
        REQUIRE(smaller.desc.layer_count == resnet.desc.layer_count);
        for (uint32_t l = 0; l < resnet.desc.layer_count; l++) {
            CHECK(std::string(smaller.desc.layers[l].name) == resnet.desc.layers[l].name);
            CHECK(smaller.desc.layers[l].inputs[0] == resnet.desc.layers[l].inputs[0]);
        }
    }
    Desc smallest("conv:8", 1, 28, 28, 10);
    CHECK(auxo_block_places(&smallest.desc, places.data(), stages.data()) == 1);
}

TEST_CASE("an exact insertion keeps the outputs bit for bit, ResBuilder runs, resumes and keeps its budget")
{
    for_each_device([](Device &device) {
        Glyphs data(96);
        Desc start("conv:4", 1, 28, 28, 10);
        auxo_resbuild_options options;
        auxo_resbuild_options_init(&options);
        options.epochs = 1;
        options.insertions = 2;
        options.cycles = 1;
        options.budget.limit = 8e5;
        options.exact_insertion = true;
        options.training.batch = 32;
        options.seed = 5;
        Error error;
        {
            Model model(device, start.desc);
            std::vector<uint32_t> places(start.desc.layer_count), stages(start.desc.layer_count);
            REQUIRE(auxo_block_places(&start.desc, places.data(), stages.data()) == 1);
            Desc larger;
            REQUIRE_OK(auxo_block_insert(&start.desc, places[0], "b", &larger.desc, error));
            std::vector<float> before = data.outputs(model.model);
            REQUIRE_OK(auxo_model_restructure(model.model, &larger.desc, 3, 1e-2f, nullptr, error));
            model.set_param("b_norm2.gamma", std::vector<float>(4, 0.0f));
            CHECK(data.outputs(model.model) == before);
        }
        auxo_resbuild *whole = nullptr, *first = nullptr, *second = nullptr;
        REQUIRE_OK(auxo_resbuild_create(device.device, &start.desc, data.train, data.test, &options, &whole, error));
        REQUIRE_OK(auxo_resbuild_create(device.device, &start.desc, data.train, data.test, &options, &first, error));
        std::vector<std::string> made;
        std::vector<double> accuracies;
        bool done = false;
        auxo_architecture_record record;
        for (int i = 0; i < 8 && !done; i++) {
            REQUIRE_OK(auxo_resbuild_next(whole, &record, &done, error));
            if (done)
                break;
            made.push_back(record.what);
            CHECK(std::isfinite(record.accuracy[AUXO_TRAINING_REGULARIZED]));
            CHECK(std::isfinite(record.accuracy[AUXO_TRAINING_INHERITED]));
            accuracies.push_back(record.accuracy[AUXO_TRAINING_INHERITED]);
            if (std::string(record.what).find("morph") == 0)
                CHECK(record.cost <= options.budget.limit);
        }
        REQUIRE(made.size() == 4); // start, two insertions, one MorphNet step
        CHECK(made[0] == "start");
        CHECK(made[3].find("morph") == 0);
        double accuracy = 0;
        REQUIRE(auxo_resbuild_best(whole, &accuracy));
        CHECK(accuracy > 0);

        // Two architectures, then a state that another run takes up: the rest is the same.
        for (int i = 0; i < 2; i++)
            REQUIRE_OK(auxo_resbuild_next(first, &record, &done, error));
        char *json = nullptr;
        REQUIRE_OK(auxo_resbuild_describe(first, &json, error));
        TempFolder folder;
        REQUIRE_OK(auxo_model_save(auxo_resbuild_current(first), folder.file("current").c_str(), error));
        REQUIRE_OK(auxo_model_save(auxo_resbuild_best(first, nullptr), folder.file("best").c_str(), error));
        REQUIRE_OK(auxo_resbuild_create(device.device, &start.desc, data.train, data.test, &options, &second, error));
        auxo_model *current = nullptr, *best = nullptr;
        REQUIRE_OK(auxo_model_load(device.device, folder.file("current").c_str(), &current, error));
        REQUIRE_OK(auxo_model_load(device.device, folder.file("best").c_str(), &best, error));
        // 96 rows in batches of 32: three steps an epoch; the second architecture went on with the moments of the
        // first.
        REQUIRE(auxo_resbuild_moments(first));
        CHECK(auxo_moments_time(auxo_resbuild_moments(first)) == 6);
        auxo_moments *moments = nullptr;
        REQUIRE_OK(auxo_moments_clone(auxo_resbuild_moments(first), current, &moments, error));
        REQUIRE_OK(auxo_resbuild_restore(second, json, current, best, moments, error));
        std::free(json);
        for (int i = 2; i < 4; i++) {
            REQUIRE_OK(auxo_resbuild_next(second, &record, &done, error));
            CHECK(made[(size_t)i] == record.what);
            CHECK(record.accuracy[AUXO_TRAINING_INHERITED] == accuracies[(size_t)i]);
        }
        // The MorphNet step began anew.
        CHECK(auxo_moments_time(auxo_resbuild_moments(second)) == 3);
        REQUIRE_OK(auxo_resbuild_next(second, &record, &done, error));
        CHECK(done);
        options.budget.limit = 3;
        auxo_resbuild *impossible = nullptr;
        CHECK(auxo_resbuild_create(device.device, &start.desc, data.train, data.test, &options, &impossible, error) ==
              AUXO_INVALID_ARGUMENT);
        auxo_resbuild_destroy(whole);
        auxo_resbuild_destroy(first);
        auxo_resbuild_destroy(second);
    });
}

namespace
{

// The largest |gradient| of the parameters whose name begins so.
double largest_gradient(const Model &model, const Gradients &gradients, const std::string &prefix)
{
    double largest = 0;
    const auxo_param *params = auxo_model_params(model);
    for (size_t i = 0; i < auxo_model_param_count(model); i++) {
        uint64_t count = 1;
        for (uint32_t d = 0; d < params[i].rank; d++)
            count *= (uint64_t)params[i].dims[d];
        if (params[i].trainable && std::string(params[i].name).rfind(prefix, 0) == 0)
            for (uint64_t e = 0; e < count; e++)
                largest = std::max(largest, std::fabs((double)gradients.values[params[i].offset + e]));
    }
    return largest;
}

} // namespace

TEST_CASE("a block whose last scale is 0 adds nothing and still has a gradient, unlike one that ends in relu")
{
    for_each_device([](Device &device) {
        Error error;
        Desc start("conv:4", 1, 12, 12, 3), open, closed;
        std::vector<uint32_t> places(start.desc.layer_count), stages(start.desc.layer_count);
        REQUIRE(auxo_block_places(&start.desc, places.data(), stages.data()) == 1);
        REQUIRE_OK(auxo_block_insert_open(&start.desc, places[0], "b", &open.desc, error));
        REQUIRE_OK(auxo_block_insert(&start.desc, places[0], "b", &closed.desc, error));
        std::vector<float> input(6 * 144);
        for (size_t i = 0; i < input.size(); i++)
            input[i] = std::sin((float)(i * i % 97));
        const std::vector<uint32_t> labels = {0, 1, 2, 0, 1, 2};
        std::vector<float> before;
        {
            Model model(device, start.desc, 4);
            before = model.forward(input, 6);
        }
        for (Desc *desc : {&open, &closed}) {
            Model model(device, desc->desc, 4);
            {
                Model old(device, start.desc, 4);
                for (size_t i = 0; i < auxo_model_param_count(old); i++)
                    if (auxo_model_params(old)[i].trainable)
                        model.set_param(auxo_model_params(old)[i].name, old.param(auxo_model_params(old)[i].name));
            }
            model.set_param("b_norm2.gamma", std::vector<float>(4, 0.0f));
            CHECK(model.forward(input, 6) == before);
            const Gradients gradients = cross_entropy_gradients(model, input, labels);
            const double largest = largest_gradient(model, gradients, "b_");
            INFO("largest gradient within the block: " << largest);
            CHECK((desc == &open ? largest > 1e-4 : largest == 0));
        }
    });
}

TEST_CASE("moments taken from one trainer go on in another as if it were the same, also after an insertion")
{
    for_each_device([](Device &device) {
        for (const char *kind : {"adam:lr=0.01", "momentum:lr=0.05"}) {
            Error error;
            Data data = Data::classes(12, 1, 12, 12, 3, 5);
            auxo_train_options options = {};
            options.batch = 12; // all rows: their order does not matter but for rounding
            options.optimizer = optimizer(kind);
            Desc start("conv:4", 1, 12, 12, 3), larger;
            std::vector<uint32_t> places(start.desc.layer_count), stages(start.desc.layer_count);
            REQUIRE(auxo_block_places(&start.desc, places.data(), stages.data()) == 1);
            REQUIRE_OK(auxo_block_insert_open(&start.desc, places[0], "b", &larger.desc, error));
            std::vector<std::vector<float>> ends;
            for (const int way : {0, 1, 2}) { // one trainer; two with moments; two without
                Model model(device, start.desc, 4);
                auxo_moments *moments = nullptr;
                if (way == 0) {
                    Trainer trainer(model, data.get(), nullptr, options);
                    trainer.steps(3);
                    auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(trainer));
                    REQUIRE_OK(auxo_model_restructure(model, &larger.desc, 3, 1e-2f, &state, error));
                    trainer.steps(4);
                    ends.push_back(model.weights());
                    continue;
                }
                {
                    Trainer trainer(model, data.get(), nullptr, options);
                    trainer.steps(3);
                    REQUIRE_OK(auxo_moments_take(trainer, &moments, error));
                }
                CHECK(auxo_moments_time(moments) == 3);
                auxo_carried_state state = auxo_moments_carried_state(moments);
                CHECK(state.count == (kind[0] == 'a' ? 2 : 1));
                REQUIRE_OK(auxo_model_restructure(model, &larger.desc, 3, 1e-2f, &state, error));
                {
                    Trainer trainer(model, data.get(), nullptr, options);
                    if (way == 1)
                        REQUIRE_OK(auxo_moments_give(moments, trainer, error));
                    trainer.steps(4);
                    ends.push_back(model.weights());
                    auxo_moments *later = nullptr;
                    REQUIRE_OK(auxo_moments_take(trainer, &later, error));
                    CHECK(auxo_moments_time(later) == (way == 1 ? 7 : 4));
                    auxo_moments_destroy(later);
                }
                // Moments of another optimiser, or of a smaller model, are refused.
                auxo_train_options other = options;
                other.optimizer = optimizer("rmsprop");
                Trainer wrong(model, data.get(), nullptr, other);
                CHECK(auxo_moments_give(moments, wrong, error) == AUXO_INVALID_ARGUMENT);
                CHECK(error.text().find("do not fit rmsprop") != std::string::npos);
                Model small(device, start.desc, 4);
                Trainer smaller(small, data.get(), nullptr, options);
                CHECK(auxo_moments_give(moments, smaller, error) == AUXO_INVALID_ARGUMENT);
                auxo_moments_destroy(moments);
            }
            double with = 0, without = 0;
            for (size_t i = 0; i < ends[0].size(); i++) {
                with = std::max(with, std::fabs((double)ends[1][i] - ends[0][i]));
                without = std::max(without, std::fabs((double)ends[2][i] - ends[0][i]));
            }
            INFO(kind << ": with moments " << with << ", without " << without);
            CHECK(with < 2e-3);
            CHECK(without > 10 * with);
        }
    });
}
