// tests/resbuild_test.cpp: ResBuilder: blocks found, inserted and removed; a run, resumed, within its budget.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

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
        bool done = false;
        auxo_architecture_record record;
        for (int i = 0; i < 8 && !done; i++) {
            REQUIRE_OK(auxo_resbuild_next(whole, &record, &done, error));
            if (done)
                break;
            made.push_back(record.what);
            CHECK(std::isfinite(record.accuracy[AUXO_TRAINING_REGULARIZED]));
            CHECK(std::isfinite(record.accuracy[AUXO_TRAINING_INHERITED]));
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
        REQUIRE_OK(auxo_resbuild_restore(second, json, current, best, error));
        std::free(json);
        for (int i = 2; i < 4; i++) {
            REQUIRE_OK(auxo_resbuild_next(second, &record, &done, error));
            CHECK(made[(size_t)i] == record.what);
        }
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
