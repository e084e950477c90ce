// tests/sizing_test.cpp: dynamic auto-sizing and MorphNet: function preservation, pruning against host norms,
// penalties' closed form, costs and regularisers of small networks by hand, expansion to a budget.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/support.hpp"

#include <cmath>
#include <cstring>

using namespace auxo_test;

namespace
{

struct Desc {
    auxo_model_desc desc;
    Desc()
    {
        auxo_model_desc_init(&desc);
    }
    Desc(const char *name, int64_t c, int64_t h, int64_t w, uint32_t outputs) : Desc()
    {
        Error error;
        REQUIRE_OK(auxo_model_desc_load(name, c, h, w, outputs, &desc, error));
    }
    ~Desc()
    {
        auxo_model_desc_deinit(&desc);
    }
    uint32_t add(const char *name, auxo_layer_kind kind, std::vector<uint32_t> inputs, uint32_t units = 0,
                 int kernel = 0, int pad = 0, uint32_t groups = 0)
    {
        Error error;
        auxo_layer layer{};
        std::snprintf(layer.name, sizeof layer.name, "%s", name);
        layer.kind = kind;
        layer.input_count = (uint32_t)inputs.size();
        for (size_t i = 0; i < inputs.size(); i++)
            layer.inputs[i] = inputs[i];
        layer.units = units;
        layer.kernel_h = layer.kernel_w = kernel;
        layer.pad_h = layer.pad_w = pad;
        layer.groups = (int32_t)groups;
        uint32_t index = 0;
        REQUIRE_OK(auxo_model_desc_add(&desc, &layer, &index, error));
        return index;
    }
    uint32_t input(int64_t c, int64_t h, int64_t w)
    {
        Error error;
        auxo_layer layer{};
        std::strcpy(layer.name, "input");
        layer.kind = AUXO_LAYER_INPUT;
        layer.output_dims[0] = c;
        layer.output_dims[1] = h;
        layer.output_dims[2] = w;
        uint32_t index = 0;
        REQUIRE_OK(auxo_model_desc_add(&desc, &layer, &index, error));
        return index;
    }
    void finish()
    {
        Error error;
        REQUIRE_OK(auxo_model_desc_finish(&desc, error));
    }
};

struct Model {
    auxo_model *model = nullptr;
    Model(auxo_device *device, const auxo_model_desc &desc, uint64_t seed = 1)
    {
        Error error;
        REQUIRE_OK(auxo_model_create(device, &desc, seed, &model, error));
    }
    ~Model()
    {
        auxo_model_destroy(model);
    }
    void set(const char *name, const std::vector<float> &values)
    {
        Error error;
        const auxo_param *param = auxo_model_find_param(model, name);
        REQUIRE(param);
        auxo_tensor tensor = auxo_model_param_tensor(model, param);
        REQUIRE(auxo_tensor_element_count(&tensor) == (int64_t)values.size());
        REQUIRE_OK(auxo_buffer_write(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, values.data(),
                                     values.size() * sizeof(float), error));
    }
    std::vector<float> get(const char *name)
    {
        Error error;
        const auxo_param *param = auxo_model_find_param(model, name);
        REQUIRE(param);
        auxo_tensor tensor = auxo_model_param_tensor(model, param);
        std::vector<float> values((size_t)auxo_tensor_element_count(&tensor));
        REQUIRE_OK(auxo_buffer_read(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, values.data(),
                                    values.size() * sizeof(float), error));
        return values;
    }
};

struct Trainer {
    auxo_trainer *trainer = nullptr;
    Trainer(auxo_model *model, const auxo_dataset *train, auxo_autosize *autosize, const char *optimizer = "adam")
    {
        Error error;
        auxo_train_options options{};
        options.batch = 32;
        REQUIRE_OK(auxo_optimizer_config_parse(optimizer, &options.optimizer, error));
        if (autosize) {
            options.before_step = auxo_autosize_before_step;
            options.after_step = auxo_autosize_after_step;
            options.hook_user = autosize;
        }
        REQUIRE_OK(auxo_trainer_create(model, train, nullptr, &options, &trainer, error));
    }
    ~Trainer()
    {
        auxo_trainer_destroy(trainer);
    }
    auxo_epoch_metrics epoch()
    {
        Error error;
        auxo_epoch_metrics metrics{};
        bool finished = false;
        REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
        REQUIRE(finished);
        return metrics;
    }
};

auxo_autosize_options autosize_defaults()
{
    auxo_autosize_options options;
    auxo_autosize_options_init(&options);
    options.growth_minimum = 4;
    return options;
}

} // namespace

TEST_CASE("growing by tau keeps the function within tau squared; pruning takes back exactly what grew")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("autosize-cnn:6-5-7-6-12", 1, 28, 28, 10);
        Model model(device.device, desc.desc);
        auxo_autosize_options options = autosize_defaults();
        options.threshold = 1e-2; // LeCun-normal times tau: every new weight stays below tau in these layers
        options.probe = data.test;
        auxo_autosize *autosize = nullptr;
        Error error;
        REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
        REQUIRE(auxo_autosize_layer_count(autosize) == 5);
        {
            Trainer trainer(model.model, data.train, autosize);
            std::vector<float> before = data.outputs(model.model);
            std::vector<float> conv1 = model.get("conv1.weight");
            uint32_t grown = 0, pruned = 0;
            REQUIRE_OK(auxo_autosize_grow(autosize, trainer.trainer, &grown, error));
            CHECK(grown == 5 * 4);
            CHECK(auxo_autosize_units(autosize, 0) == 10);
            check_close(data.outputs(model.model), before, 0, 5e-2);
            REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &pruned, error));
            CHECK(pruned == grown);
            CHECK(auxo_autosize_units(autosize, 4) == 12);
            CHECK(model.get("conv1.weight") == conv1);
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
        Model model(device.device, desc.desc);
        std::vector<float> weight = model.get("dense1.weight"), bias = model.get("dense1.bias");
        for (int unit : {0, 4, 8}) {
            for (int i = 0; i < 784; i++)
                weight[(size_t)unit * 784 + (size_t)i] = 0;
            bias[(size_t)unit] = 0;
        }
        bias[4] = 2e-3f; // kept by its bias
        model.set("dense1.weight", weight);
        model.set("dense1.bias", bias);
        model.set("dense3.weight", std::vector<float>(30, 0.0f));
        model.set("dense3.bias", std::vector<float>(5, 0.0f));
        std::vector<float> before = data.outputs(model.model);
        auxo_autosize_options options = autosize_defaults();
        auxo_autosize *autosize = nullptr;
        Error error;
        REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
        {
            Trainer trainer(model.model, data.train, autosize);
            uint32_t pruned = 0;
            REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &pruned, error));
            CHECK(auxo_autosize_units(autosize, 0) == 7);
            CHECK(auxo_autosize_units(autosize, 2) == 1);
            check_close(data.outputs(model.model), before, 1e-6, 1e-7);
            trainer.epoch(); // the trainer goes on with the smaller model
        }
        auxo_autosize_destroy(autosize);
    });
}

TEST_CASE("weighted penalty pulls later units harder; a strong one empties layers, training goes on")
{
    for_each_device([](Device &device) {
        Glyphs data(256);
        for (bool proximal : {false, true}) {
            Desc desc("autosize-mlp:20-10-10-10-10", 1, 28, 28, 10);
            Model model(device.device, desc.desc);
            auxo_autosize_options options = autosize_defaults();
            options.strength = 1e-2;
            options.proximal = proximal;
            auxo_autosize *autosize = nullptr;
            Error error;
            REQUIRE_OK(auxo_autosize_create(model.model, &options, &autosize, error));
            {
                Trainer trainer(model.model, data.train, autosize, "sgd:lr=0.05");
                trainer.epoch();
                std::vector<float> weight = model.get("dense1.weight");
                double first = 0, last = 0;
                for (size_t i = 0; i < 784; i++) {
                    first += std::fabs(weight[i]);
                    last += std::fabs(weight[19 * 784 + i]);
                }
                CHECK(last < 0.8 * first);
                uint32_t changed = 0;
                REQUIRE_OK(auxo_autosize_grow(autosize, trainer.trainer, &changed, error));
                trainer.epoch();
                REQUIRE_OK(auxo_autosize_prune(autosize, trainer.trainer, &changed, error));
                for (uint32_t i = 0; i < auxo_autosize_layer_count(autosize); i++)
                    CHECK(auxo_autosize_units(autosize, i) >= 1);
                auxo_autosize_stop_penalty(autosize, trainer.trainer);
                CHECK(std::isfinite(trainer.epoch().train_loss));
            }
            auxo_autosize_destroy(autosize);
        }
    });
}

TEST_CASE("auto-sizing refuses what it cannot size")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Desc sigmoid("mlp:4-5-2:sigmoid", 4, 1, 1, 2), linear("mlp:4-2", 4, 1, 1, 2);
    Model with_sigmoid(device.device, sigmoid.desc), without_hidden(device.device, linear.desc);
    auxo_autosize_options options = autosize_defaults();
    auxo_autosize *autosize = nullptr;
    CHECK(auxo_autosize_create(with_sigmoid.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("f(0) != 0") != std::string::npos);
    CHECK(auxo_autosize_create(without_hidden.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
    options.threshold = 0;
    CHECK(auxo_autosize_create(with_sigmoid.model, &options, &autosize, error) == AUXO_INVALID_ARGUMENT);
}

TEST_CASE("MorphNet's cost and regulariser of a chain, by hand")
{
    for_each_device([](Device &device) {
        // 2x6x6 -> conv 3 (3x3, pad 1) bn -> conv 4 (1x1) bn -> global pool -> dense 2.
        Desc d;
        uint32_t input = d.input(2, 6, 6);
        uint32_t c1 = d.add("c1", AUXO_LAYER_CONV2D, {input}, 3, 3, 1);
        uint32_t b1 = d.add("b1", AUXO_LAYER_BATCH_NORM, {c1});
        uint32_t c2 = d.add("c2", AUXO_LAYER_CONV2D, {b1}, 4, 1);
        uint32_t b2 = d.add("b2", AUXO_LAYER_BATCH_NORM, {c2});
        uint32_t pool = d.add("pool", AUXO_LAYER_GLOBAL_AVERAGE_POOL, {b2});
        uint32_t flat = d.add("flat", AUXO_LAYER_FLATTEN, {pool});
        d.add("out", AUXO_LAYER_DENSE, {flat}, 2);
        d.finish();
        Model model(device.device, d.desc);
        model.set("b1.gamma", {0.5f, -0.25f, 0.001f});    // two alive
        model.set("b2.gamma", {1.0f, 0.0f, -2.0f, 0.5f}); // three alive
        auxo_morph_options options{};
        options.strength = 1;
        options.threshold = 1e-2;
        auxo_morph *morph = nullptr;
        auxo_morph_cost cost;
        Error error;
        REQUIRE_OK(auxo_morph_create(model.model, &options, &morph, error));
        REQUIRE_OK(auxo_morph_refresh(morph, &cost, error));
        double k1 = 2 * 36 * 9, k2 = 2 * 36, k3 = 2;
        CHECK(cost.cost == Approx(k1 * 2 * 2 + k2 * 2 * 3 + k3 * 3 * 2));
        CHECK(cost.full_cost == Approx(k1 * 2 * 3 + k2 * 3 * 4 + k3 * 4 * 2));
        double r1 = 0.751, r2 = 3.5;
        CHECK(cost.regularizer == Approx(k1 * 2 * r1 + k2 * (2 * r2 + 3 * r1) + k3 * 2 * r2));
        std::vector<uint32_t> widths(d.desc.layer_count);
        auxo_morph_alive_widths(morph, widths.data());
        CHECK(widths[c1] == 2);
        CHECK(widths[c2] == 3);
        auxo_morph_destroy(morph);
        double flops, parameters;
        auxo_budget of_flops{}, of_parameters{};
        of_parameters.resource = AUXO_RESOURCE_PARAMETERS;
        REQUIRE_OK(auxo_morph_desc_cost(&d.desc, &of_flops, &flops, error));
        REQUIRE_OK(auxo_morph_desc_cost(&d.desc, &of_parameters, &parameters, error));
        CHECK(flops == Approx(cost.full_cost));
        CHECK(parameters == 9 * 2 * 3 + 3 * 4 + 4 * 2);
    });
}

TEST_CASE("MorphNet ties residual channels and joins concatenated ones")
{
    for_each_device([](Device &device) {
        Desc d;
        uint32_t input = d.input(1, 4, 4);
        uint32_t c1 = d.add("c1", AUXO_LAYER_CONV2D, {input}, 2, 1);
        uint32_t b1 = d.add("b1", AUXO_LAYER_BATCH_NORM, {c1});
        uint32_t c2 = d.add("c2", AUXO_LAYER_CONV2D, {b1}, 2, 1);
        uint32_t b2 = d.add("b2", AUXO_LAYER_BATCH_NORM, {c2});
        uint32_t sum = d.add("sum", AUXO_LAYER_ADD, {b1, b2});
        uint32_t c3 = d.add("c3", AUXO_LAYER_CONV2D, {sum}, 3, 1);
        uint32_t b3 = d.add("b3", AUXO_LAYER_BATCH_NORM, {c3});
        uint32_t joined = d.add("joined", AUXO_LAYER_CONCAT, {sum, b3});
        uint32_t c4 = d.add("c4", AUXO_LAYER_CONV2D, {joined}, 2, 1);
        uint32_t flat = d.add("flat", AUXO_LAYER_FLATTEN, {c4});
        d.add("out", AUXO_LAYER_DENSE, {flat}, 2);
        d.finish();
        Model model(device.device, d.desc);
        model.set("b1.gamma", {0.5f, 0.0f});
        model.set("b2.gamma", {0.1f, 0.0f});        // tied with b1: maxima 0.5 and 0, one alive
        model.set("b3.gamma", {0.3f, 0.0f, -0.2f}); // two alive
        auxo_morph_options options{};
        options.strength = 1;
        options.threshold = 1e-2;
        auxo_morph *morph = nullptr;
        auxo_morph_cost cost;
        Error error;
        REQUIRE_OK(auxo_morph_create(model.model, &options, &morph, error));
        REQUIRE_OK(auxo_morph_refresh(morph, &cost, error));
        const double k = 2 * 16, tied = 0.5, third = 0.5;
        double expected = k * (1 * tied)                      // c1: one input, always alive
                          + k * (1 * tied + 1 * tied)         // c2: tied in and out
                          + k * (1 * third + 2 * tied)        // c3
                          + k * (3 * 0 + 2 * (tied + third)); // c4: three alive in, two unregularised out
        CHECK(cost.regularizer == Approx(expected));
        CHECK(cost.cost == Approx(k * (1 * 1 + 1 * 1 + 1 * 2 + 3 * 2) + 2 * 32 * 2));
        auxo_morph_destroy(morph);
    });
}

TEST_CASE("MorphNet's penalty is the derivative of its regulariser")
{
    for_each_device([](Device &device) {
        for (auxo_morph_scale scale : {AUXO_MORPH_BATCH_NORM, AUXO_MORPH_GROUP_LASSO}) {
            Glyphs data(32);
            Desc d;
            uint32_t input = d.input(1, 28, 28);
            uint32_t c1 = d.add("c1", AUXO_LAYER_CONV2D, {input}, 3, 3);
            uint32_t b1 = d.add("b1", AUXO_LAYER_BATCH_NORM, {c1});
            uint32_t c2 = d.add("c2", AUXO_LAYER_CONV2D, {b1}, 4, 3);
            uint32_t b2 = d.add("b2", AUXO_LAYER_BATCH_NORM, {c2});
            uint32_t pool = d.add("pool", AUXO_LAYER_GLOBAL_AVERAGE_POOL, {b2});
            d.add("out", AUXO_LAYER_DENSE, {d.add("flat", AUXO_LAYER_FLATTEN, {pool})}, 10);
            d.finish();
            Model plain(device.device, d.desc), penalised(device.device, d.desc);
            auxo_morph_options options{};
            options.strength = 1e-6;
            options.threshold = 1e-2;
            options.scale = scale;
            auxo_morph *morph = nullptr;
            Error error;
            REQUIRE_OK(auxo_morph_create(penalised.model, &options, &morph, error));
            auxo_train_options train{};
            train.batch = 32;
            REQUIRE_OK(auxo_optimizer_config_parse("sgd:lr=1", &train.optimizer, error));
            auxo_trainer *a = nullptr, *b = nullptr;
            REQUIRE_OK(auxo_trainer_create(plain.model, data.train, nullptr, &train, &a, error));
            train.before_step = auxo_morph_before_step;
            train.hook_user = morph;
            REQUIRE_OK(auxo_trainer_create(penalised.model, data.train, nullptr, &train, &b, error));
            const char *name = scale == AUXO_MORPH_BATCH_NORM ? "b2.gamma" : "c2.weight";
            std::vector<float> start = plain.get(name);
            bool finished = false;
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(a, 0, &finished, &metrics, error));
            REQUIRE_OK(auxo_trainer_run(b, 0, &finished, &metrics, error));
            std::vector<float> without = plain.get(name), with = penalised.get(name);
            double coefficient = 1e-6 * (2.0 * 24 * 24 * 9 * 3 + 2.0 * 10); // C A_in of c2 + C A_out of the dense layer
            size_t size = start.size() / 4;
            for (size_t e = 0; e < start.size(); e++) {
                double norm = 0;
                for (size_t i = 0; i < size; i++)
                    norm += std::pow(start[e / size * size + i], 2);
                double expected = scale == AUXO_MORPH_BATCH_NORM
                                      ? coefficient * (start[e] > 0 ? 1 : -1)
                                      : coefficient * start[e] / std::sqrt(norm * (double)size);
                CHECK(without[e] - with[e] == Approx(expected).epsilon(1e-2).margin(1e-6));
            }
            auxo_trainer_destroy(a);
            auxo_trainer_destroy(b);
            auxo_morph_destroy(morph);
        }
    });
}

TEST_CASE("expansion finds the largest kappa within the budget")
{
    Error error;
    Desc desc("resnet18", 3, 32, 32, 10);
    std::vector<double> widths(desc.desc.layer_count, 0);
    for (uint32_t l = 0; l < desc.desc.layer_count; l++)
        if (desc.desc.layers[l].kind == AUXO_LAYER_CONV2D)
            widths[l] = desc.desc.layers[l].units * 0.37;
    for (auxo_resource resource : {AUXO_RESOURCE_FLOPS, AUXO_RESOURCE_PARAMETERS}) {
        auxo_budget budget{};
        budget.resource = resource;
        double full;
        REQUIRE_OK(auxo_morph_desc_cost(&desc.desc, &budget, &full, error));
        double kappa, cost;
        budget.limit = full / 7;
        Desc expanded;
        REQUIRE_OK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &expanded.desc, error));
        REQUIRE_OK(auxo_morph_desc_cost(&expanded.desc, &budget, &cost, error));
        CHECK(cost <= budget.limit);
        CHECK(cost > 0.9 * budget.limit);
        // A hair more breaks it: the same widths, kappa just above.
        std::vector<double> more = widths;
        for (double &w : more)
            w *= kappa * (1 + 1e-9);
        double scale;
        Desc over;
        REQUIRE_OK(auxo_morph_expand(&desc.desc, more.data(), &budget, &scale, &over.desc, error));
        CHECK(scale < 1);
        CHECK(scale == Approx(1).epsilon(1e-6));
        budget.limit = 10;
        Desc none;
        CHECK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &none.desc, error) ==
              AUXO_INVALID_ARGUMENT);
        CHECK(error.text().find("one unit in every layer") != std::string::npos);
    }
}

TEST_CASE("blocks are found, inserted and removed; the structure comes back")
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

TEST_CASE("an exact insertion keeps the outputs bit for bit; ResBuilder runs, resumes and keeps its budget")
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
            Model model(device.device, start.desc);
            std::vector<uint32_t> places(start.desc.layer_count), stages(start.desc.layer_count);
            REQUIRE(auxo_block_places(&start.desc, places.data(), stages.data()) == 1);
            Desc larger;
            REQUIRE_OK(auxo_block_insert(&start.desc, places[0], "b", &larger.desc, error));
            std::vector<float> before = data.outputs(model.model);
            REQUIRE_OK(auxo_model_restructure(model.model, &larger.desc, 3, 1e-2f, nullptr, error));
            model.set("b_norm2.gamma", std::vector<float>(4, 0.0f));
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
