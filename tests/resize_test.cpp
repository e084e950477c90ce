// resize_test.cpp: growing, pruning and reordering units, inserting and removing blocks: what must not change does not,
// bit for bit; optimiser state follows; refused edits leave the model as it was.
#include "support/host_net.hpp"
#include "support/models.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

// Values whose sums and products are exact in f32, so that the order of summation cannot show: multiples of 1/4.
std::vector<float> exact_values(size_t count, uint32_t seed)
{
    std::vector<float> values;
    for (uint32_t word : integers(count, 9, seed))
        values.push_back((float(word) - 4.0f) / 4.0f);
    return values;
}

struct Edit {
    std::vector<uint32_t> kept;
    auxo_unit_edit edit = {};
    Edit(uint32_t layer, std::vector<uint32_t> kept_units, uint32_t added = 0, float incoming = 1, float outgoing = 1)
        : kept(std::move(kept_units))
    {
        edit.layer = layer;
        edit.added_count = added;
        edit.incoming_scale = incoming;
        edit.outgoing_scale = outgoing;
        edit.initializer = AUXO_INITIALIZER_LECUN_NORMAL;
    }
};

auxo_status resize(Model &model, std::vector<Edit> edits, auxo_error *error, const auxo_carried_state *state = nullptr,
                   uint64_t seed = 5)
{
    std::vector<auxo_unit_edit> plain;
    for (Edit &edit : edits) {
        edit.edit.kept = edit.kept.data();
        edit.edit.kept_count = uint32_t(edit.kept.size());
        plain.push_back(edit.edit);
    }
    return auxo_model_resize(model, plain.data(), plain.size(), seed, state, error);
}

std::string resize_error(Model &model, std::vector<Edit> edits)
{
    Error error;
    std::vector<float> before = model.weights();
    uint64_t version = auxo_model_structure_version(model);
    REQUIRE(resize(model, std::move(edits), error) != AUXO_OK);
    CHECK(model.weights() == before);
    CHECK(auxo_model_structure_version(model) == version);
    return error.text();
}

std::vector<uint32_t> all_units(uint32_t count)
{
    std::vector<uint32_t> units(count);
    std::iota(units.begin(), units.end(), 0);
    return units;
}

const char *const convolutional = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [1, 8, 8]},
    {"name": "conv1", "kind": "conv2d", "units": 5, "kernel": 3, "activation": "relu"},
    {"name": "conv2", "kind": "conv2d", "units": 6, "kernel": 3, "pad": 1, "activation": "relu"},
    %s
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense1", "kind": "dense", "units": 7, "activation": "relu"},
    {"name": "dense2", "kind": "dense", "units": 3}]})";

std::string convolutional_net(bool pooled)
{
    char text[2000];
    std::snprintf(text, sizeof text, convolutional,
                  pooled ? R"({"name": "pool", "kind": "pool2d", "kernel": 2, "stride": 2},)" : "");
    return text;
}

const char *const residual = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [2, 4, 4]},
    {"name": "stem", "kind": "conv2d", "units": 4, "kernel": 3, "pad": 1, "bias": false},
    {"name": "stem_norm", "kind": "batch_norm", "activation": "relu"},
    {"name": "conv1", "kind": "conv2d", "units": 3, "kernel": 3, "pad": 1},
    {"name": "depthwise", "kind": "conv2d", "units": 3, "groups": 3, "kernel": 3, "pad": 1},
    {"name": "conv2", "kind": "conv2d", "units": 4, "kernel": 1},
    {"name": "add", "kind": "add", "inputs": ["conv2", "stem_norm"]},
    {"name": "side", "kind": "conv2d", "units": 2, "kernel": 1, "activation": "relu"},
    {"name": "both", "kind": "concat", "inputs": ["side", "add", "conv1"]},
    {"name": "norm", "kind": "batch_norm", "activation": "relu"},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense", "kind": "dense", "units": 3}]})";

// Rows of a (rows, row_size) matrix.
std::vector<float> pick(const std::vector<float> &values, size_t row_size, const std::vector<uint32_t> &rows)
{
    std::vector<float> picked;
    for (uint32_t row : rows)
        picked.insert(picked.end(), values.begin() + int64_t(row * row_size),
                      values.begin() + int64_t((row + 1) * row_size));
    return picked;
}

// Columns, each of `inner` values, of a (rows, columns, inner) array.
std::vector<float> pick_columns(const std::vector<float> &values, size_t columns, size_t inner,
                                const std::vector<uint32_t> &kept)
{
    std::vector<float> picked;
    for (size_t row = 0; row < values.size() / (columns * inner); row++)
        for (uint32_t column : kept)
            picked.insert(picked.end(), values.begin() + int64_t((row * columns + column) * inner),
                          values.begin() + int64_t((row * columns + column + 1) * inner));
    return picked;
}

void zero_columns(Model &model, const char *name, size_t columns, size_t inner, const std::vector<uint32_t> &zeroed)
{
    std::vector<float> values = model.param(name);
    for (size_t row = 0; row < values.size() / (columns * inner); row++)
        for (uint32_t column : zeroed)
            std::fill_n(values.begin() + int64_t((row * columns + column) * inner), inner, 0.0f);
    model.set_param(name, values);
}

} // namespace

TEST_CASE("removing and reordering units moves exactly the right weights, with and without pooling before flatten")
{
    for_each_device([](Device &device) {
        for (bool pooled : {false, true}) {
            INFO(device.selector << (pooled ? ", pooled" : ""));
            Error error;
            Desc desc(convolutional_net(pooled));
            size_t positions = pooled ? 9 : 36;
            Model model(device, desc.desc);
            auto conv1 = model.param("conv1.weight"), conv2 = model.param("conv2.weight");
            auto dense1 = model.param("dense1.weight"), dense2 = model.param("dense2.weight");
            model.set_param("conv2.bias", {1, 2, 3, 4, 5, 6});
            std::vector<uint32_t> kept1 = {4, 0, 2}, kept2 = {1, 5, 3, 0}, kept3 = {6, 2};
            REQUIRE_OK(resize(
                model,
                {Edit(desc.find("conv1"), kept1), Edit(desc.find("conv2"), kept2), Edit(desc.find("dense1"), kept3)},
                error));
            CHECK(model.param("conv1.weight") == pick(conv1, 9, kept1));
            CHECK(model.param("conv2.weight") == pick_columns(pick(conv2, 45, kept2), 5, 9, kept1));
            CHECK(model.param("conv2.bias") == std::vector<float>{2, 6, 4, 1});
            CHECK(model.param("dense1.weight") ==
                  pick_columns(pick(dense1, 6 * positions, kept3), 6, positions, kept2));
            CHECK(model.param("dense2.weight") == pick_columns(dense2, 7, 1, kept3));
            CHECK(auxo_model_structure_version(model) == 1);
            CHECK(auxo_model_get_desc(model)->layers[desc.find("conv2")].units == 4);
            CHECK(auxo_buffer_size_bytes(auxo_model_gradients(model)) == 4 * auxo_model_weight_count(model));
        }
    });
}

TEST_CASE("removing units that nobody reads keeps outputs bit for bit")
{
    for_each_device([](Device &device) {
        for (bool pooled : {false, true}) {
            INFO(device.selector << (pooled ? ", pooled" : ""));
            Error error;
            Desc desc(convolutional_net(pooled));
            Model model(device, desc.desc);
            model.set_weights(exact_values(auxo_model_weight_count(model), 1));
            zero_columns(model, "conv2.weight", 5, 9, {1, 3});
            zero_columns(model, "dense1.weight", 6, pooled ? 9 : 36, {0, 5});
            zero_columns(model, "dense2.weight", 7, 1, {2});
            std::vector<float> input = exact_values(4 * 64, 2), before = model.forward(input, 4);
            REQUIRE_OK(resize(model,
                              {Edit(desc.find("conv1"), {0, 2, 4}), Edit(desc.find("conv2"), {1, 2, 3, 4}),
                               Edit(desc.find("dense1"), {0, 1, 3, 4, 5, 6})},
                              error));
            CHECK(model.forward(input, 4) == before);
        }
    });
}

TEST_CASE("removing units that are always zero keeps outputs bit for bit")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc(convolutional_net(true));
        Model model(device, desc.desc);
        model.set_weights(exact_values(auxo_model_weight_count(model), 1));
        std::vector<float> weights = model.param("conv2.weight"), bias = model.param("conv2.bias");
        std::fill_n(weights.begin() + 2 * 45, 45, 0.0f);
        bias[2] = -1.0f; // relu of a negative bias
        model.set_param("conv2.weight", weights);
        model.set_param("conv2.bias", bias);
        std::vector<float> input = exact_values(4 * 64, 2), before = model.forward(input, 4);
        REQUIRE_OK(resize(model, {Edit(desc.find("conv2"), {0, 1, 3, 4, 5})}, error));
        CHECK(model.forward(input, 4) == before);
    });
}

TEST_CASE("growing then pruning the new units restores every weight, and small new units change little")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("autosize-cnn:6-5-6-5-9", 1, 12, 12, 4);
        Model model(device, desc.desc, 3);
        std::vector<float> input = uniform(3 * 144, -1.0f, 1.0f, 2), before = model.forward(input, 3);
        std::vector<float> weights = model.weights();
        std::vector<Edit> grow, prune;
        for (const char *name : {"conv1", "conv2", "conv3", "conv4", "dense1"}) {
            uint32_t layer = desc.find(name), units = desc.desc.layers[layer].units;
            grow.emplace_back(layer, all_units(units), 3, 1e-3f, 1e-3f);
            prune.emplace_back(layer, all_units(units));
        }
        REQUIRE_OK(resize(model, grow, error));
        CHECK(auxo_model_get_desc(model)->layers[desc.find("conv1")].units == 9);
        std::vector<float> grown = model.forward(input, 3);
        // A new unit is at most about 1e-3 and is read with about 1e-3: a few parts in a million.
        check_close(grown, before, 0.0, 2e-5);
        CHECK(grown != before);
        std::vector<float> fresh = model.param("conv2.weight");
        double spread = 0;
        for (size_t i = fresh.size() - 3 * 81; i < fresh.size(); i++)
            spread += double(fresh[i]) * double(fresh[i]) / (3 * 81);
        CHECK(std::sqrt(spread) == Approx(1e-3 / std::sqrt(81.0)).epsilon(0.2)); // LeCun normal, fan-in 9 x 9
        REQUIRE_OK(resize(model, prune, error));
        CHECK(model.weights() == weights);
    });
}

TEST_CASE("new units are the same bits on every device")
{
    std::vector<float> first;
    for_each_device([&](Device &device) {
        Error error;
        Desc desc(residual);
        Model model(device, desc.desc, 3);
        REQUIRE_OK(resize(model,
                          {Edit(desc.find("stem"), {3, 1}, 2, 0.5f, 0.25f), Edit(desc.find("conv1"), {0, 1, 2}, 1),
                           Edit(desc.find("side"), {1}, 2)},
                          error));
        if (first.empty())
            first = model.weights();
        CHECK(model.weights() == first);
    });
}

TEST_CASE("tied layers, depthwise convolutions, batch norm and concatenations follow an edit")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc(residual);
        Model model(device, desc.desc, 3);
        model.set_weights(uniform(auxo_model_weight_count(model), -1.0f, 1.0f, 4));
        auto before = [&](const char *name) { return model.param(name); };
        auto stem = before("stem.weight"), gamma = before("stem_norm.gamma"), conv1 = before("conv1.weight");
        auto depthwise = before("depthwise.weight"), conv2 = before("conv2.weight"), bias = before("conv2.bias");
        auto side = before("side.weight"), norm = before("norm.beta"), dense = before("dense.weight");
        // One member of the tied group {stem, conv2} is enough; giving both alike is allowed.
        std::vector<uint32_t> tied = {2, 0, 1}, narrow = {2, 1};
        REQUIRE_OK(resize(
            model, {Edit(desc.find("conv2"), tied), Edit(desc.find("stem"), tied), Edit(desc.find("conv1"), narrow)},
            error));
        CHECK(model.param("stem.weight") == pick(stem, 18, tied));
        CHECK(model.param("stem_norm.gamma") == pick(gamma, 1, tied));
        CHECK(model.param("conv1.weight") == pick_columns(pick(conv1, 36, narrow), 4, 9, tied));
        CHECK(model.param("depthwise.weight") == pick(depthwise, 9, narrow));
        CHECK(model.param("conv2.weight") == pick_columns(pick(conv2, 3, tied), 3, 1, narrow));
        CHECK(model.param("conv2.bias") == pick(bias, 1, tied));
        CHECK(model.param("side.weight") == pick_columns(side, 4, 1, tied));
        // concat: side (2), add (4), conv1 (3)
        std::vector<uint32_t> joined = {0, 1, 2 + 2, 2 + 0, 2 + 1, 6 + 2, 6 + 1};
        CHECK(model.param("norm.beta") == pick(norm, 1, joined));
        CHECK(model.param("dense.weight") == pick_columns(dense, 9, 16, joined));
        CHECK(model.statistics().size() == 2 * (3 + 7));
        const auxo_layer *layers = auxo_model_get_desc(model)->layers;
        CHECK(layers[desc.find("depthwise")].groups == 2);
        CHECK(layers[desc.find("both")].output_dims[0] == 7);
    });
}

TEST_CASE("edits that cannot be made are refused with the reason, and nothing changes")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Desc desc(residual);
    Model model(device, desc.desc, 3);
    uint32_t stem = desc.find("stem"), conv2 = desc.find("conv2");
    CHECK_THAT(resize_error(model, {Edit(stem, {0, 1}), Edit(conv2, {0, 2})}), Contains("tied"));
    CHECK_THAT(resize_error(model, {Edit(stem, {0, 4})}), Contains("unit 4"));
    CHECK_THAT(resize_error(model, {Edit(stem, {1, 1})}), Contains("twice"));
    CHECK_THAT(resize_error(model, {Edit(stem, {})}), Contains("no unit left"));
    CHECK_THAT(resize_error(model, {Edit(desc.find("dense"), {0})}), Contains("output"));
    CHECK_THAT(resize_error(model, {Edit(desc.find("norm"), {0})}), Contains("no units of its own"));
    CHECK_THAT(resize_error(model, {Edit(99, {0})}), Contains("layer 99"));
    Desc grouped(R"({"layers": [{"name": "input", "kind": "input", "shape": [1, 4, 4]},
        {"name": "conv", "kind": "conv2d", "units": 4, "kernel": 1},
        {"name": "groups", "kind": "conv2d", "units": 4, "groups": 2, "kernel": 1},
        {"name": "out", "kind": "conv2d", "units": 2, "kernel": 1}]})");
    Model other(device, grouped.desc);
    CHECK_THAT(resize_error(other, {Edit(grouped.find("conv"), {0, 1})}), Contains("groups"));
}

TEST_CASE("Adam's moments follow a resize: survivors train on as if nothing had happened")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("mlp:12-9-8-4:relu:he_normal", 12, 1, 1, 4);
        Data data = Data::classes(256, 12, 1, 1, 4, 3);
        auxo_train_options options = {};
        options.batch = 32;
        options.optimizer = optimizer("adam:lr=0.01");
        Model whole(device, desc.desc, 5), resized(device, desc.desc, 5);
        for (Model *model : {&whole, &resized}) {
            // Units 2 and 7 of dense1: nothing comes in, nothing goes out; they stay at zero.
            auto weights = model->param("dense1.weight");
            std::fill_n(weights.begin() + 2 * 12, 12, 0.0f);
            std::fill_n(weights.begin() + 7 * 12, 12, 0.0f);
            model->set_param("dense1.weight", weights);
            zero_columns(*model, "dense2.weight", 9, 1, {2, 7});
        }
        Trainer first(whole, data.get(), nullptr, options), second(resized, data.get(), nullptr, options);
        first.steps(11);
        second.steps(11);
        std::vector<uint32_t> kept = {0, 1, 3, 4, 5, 6, 8};
        auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(second));
        REQUIRE(state.count == 2);
        REQUIRE_OK(resize(resized, {Edit(desc.find("dense1"), kept)}, error, &state));
        first.steps(20);
        second.steps(20);
        check_close(resized.param("dense1.weight"), pick(whole.param("dense1.weight"), 12, kept), 1e-3, 1e-5);
        check_close(resized.param("dense2.weight"), pick_columns(whole.param("dense2.weight"), 9, 1, kept), 1e-3, 1e-5);
        check_close(resized.param("dense3.weight"), whole.param("dense3.weight"), 1e-3, 1e-5);
    });
}

TEST_CASE("inserting a zero block and removing it again keeps outputs bit for bit")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("conv:6", 2, 6, 6, 3), longer;
        for (uint32_t l = 0; l < desc.desc.layer_count; l++) {
            if (desc.desc.layers[l].kind == AUXO_LAYER_GLOBAL_AVERAGE_POOL) {
                auxo_layer conv = {}, norm = {}, add = {};
                conv.kind = AUXO_LAYER_CONV2D;
                conv.units = 6;
                conv.kernel_h = conv.kernel_w = 3;
                conv.pad_h = conv.pad_w = 1;
                conv.input_count = norm.input_count = 1;
                conv.inputs[0] = l - 1;
                std::snprintf(conv.name, sizeof conv.name, "new_conv");
                norm.inputs[0] = longer.add(conv);
                norm.kind = AUXO_LAYER_BATCH_NORM;
                norm.activation = AUXO_ACTIVATION_RELU;
                std::snprintf(norm.name, sizeof norm.name, "new_norm");
                add.kind = AUXO_LAYER_ADD;
                add.input_count = 2;
                add.inputs[0] = l - 1;
                add.inputs[1] = longer.add(norm);
                longer.add(add);
            }
            auxo_layer layer = desc.desc.layers[l];
            if (l > 0)
                layer.inputs[0] = longer.desc.layer_count - 1;
            longer.add(layer);
        }
        Model model(device, desc.desc, 4);
        auxo_optimizer *momentum = nullptr;
        auxo_optimizer_config config = optimizer("momentum");
        REQUIRE_OK(auxo_optimizer_create(model, &config, &momentum, error));
        auxo_carried_state state = auxo_optimizer_carried_state(momentum);
        std::vector<float> input = uniform(4 * 72, -1.0f, 1.0f, 2), weights = model.weights();
        std::vector<float> before = model.forward(input, 4);
        std::vector<float> moments = uniform(weights.size(), -1.0f, 1.0f, 9), carried(weights.size());
        REQUIRE_OK(
            auxo_buffer_write(auxo_model_queue(model), state.buffers[0], 0, moments.data(), moments.size() * 4, error));
        REQUIRE_OK(auxo_model_restructure(model, &longer.desc, 8, 0.0f, &state, error));
        CHECK(model.weights().size() == weights.size() + 6 * 54 + 12);
        CHECK(model.forward(input, 4) == before);
        CHECK(model.param("new_norm.gamma") == std::vector<float>(6, 1.0f));
        REQUIRE_OK(auxo_model_restructure(model, &desc.desc, 8, 1.0f, &state, error));
        CHECK(model.weights() == weights);
        CHECK(model.forward(input, 4) == before);
        REQUIRE_OK(
            auxo_buffer_read(auxo_model_queue(model), state.buffers[0], 0, carried.data(), carried.size() * 4, error));
        CHECK(carried == moments);
        auxo_optimizer_destroy(momentum);
    });
}

TEST_CASE("a trainer goes on after its model was resized")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("autosize-cnn:6-6-6-6-12", 1, 8, 8, 3);
        Data data = Data::classes(192, 1, 8, 8, 3, 1);
        auxo_train_options options = {};
        options.batch = 64;
        options.optimizer = optimizer("adam:lr=0.003");
        Model model(device, desc.desc);
        Trainer trainer(model, data.get(), data.get(), options);
        auxo_epoch_metrics start = trainer.epochs(1);
        for (int round = 0; round < 4; round++) {
            auxo_carried_state state = auxo_optimizer_carried_state(auxo_trainer_optimizer(trainer));
            uint32_t conv = desc.find("conv2"), dense = desc.find("dense1");
            uint32_t units = auxo_model_get_desc(model)->layers[conv].units;
            std::vector<uint32_t> kept = all_units(units - 1);
            REQUIRE_OK(resize(model, {Edit(conv, kept), Edit(dense, all_units(12), 0)}, error, &state));
            trainer.epochs(3);
        }
        auxo_epoch_metrics end = trainer.epochs(1);
        CHECK(auxo_model_get_desc(model)->layers[desc.find("conv2")].units == 2);
        CHECK(end.validation_loss < start.validation_loss);
        CHECK(end.epoch == 14);
    });
}
