// model_test.cpp: descriptions (shapes, built-ins, JSON, errors), initial weights, forward and backward passes against
// a double-precision host network, frozen layers, begin layers.
#include "support/host_net.hpp"
#include "support/models.hpp"

#include <cmath>
#include <cstring>
#include <numeric>

using namespace auxo_test;

namespace
{

// Small networks that between them contain every layer kind and activation.
const std::pair<const char *, const char *> networks[] = {
    {"convolutions and pooling", R"({"layers": [
        {"name": "input", "kind": "input", "shape": [2, 11, 10]},
        {"name": "conv1", "kind": "conv2d", "units": 3, "kernel": 3, "activation": "tanh"},
        {"name": "pool1", "kind": "pool2d", "kernel": 2, "stride": 2},
        {"name": "conv2", "kind": "conv2d", "units": 4, "kernel": [2, 3], "stride": [1, 2], "pad": [0, 1], "activation": "selu"},
        {"name": "flatten", "kind": "flatten"},
        {"name": "dense1", "kind": "dense", "units": 6, "activation": "sigmoid", "initializer": "lecun_normal"},
        {"name": "dense2", "kind": "dense", "units": 3, "bias": false}]})"},
    {"residual block", R"({"layers": [
        {"name": "input", "kind": "input", "shape": [2, 6, 6]},
        {"name": "conv1", "kind": "conv2d", "units": 4, "kernel": 3, "pad": 1, "bias": false},
        {"name": "norm1", "kind": "batch_norm", "activation": "elu"},
        {"name": "conv2", "kind": "conv2d", "units": 4, "kernel": 3, "pad": 1, "bias": false},
        {"name": "norm2", "kind": "batch_norm"},
        {"name": "add", "kind": "add", "inputs": ["norm2", "norm1"]},
        {"name": "tanh", "kind": "activation", "activation": "tanh"},
        {"name": "again", "kind": "add", "inputs": ["tanh", "norm1", "tanh"]},
        {"name": "pool", "kind": "global_average_pool"},
        {"name": "dense", "kind": "dense", "units": 3}]})"},
    {"concatenation and depthwise", R"({"layers": [
        {"name": "input", "kind": "input", "shape": [1, 7, 6]},
        {"name": "conv", "kind": "conv2d", "units": 4, "kernel": 3, "dilation": 2, "pad": 2, "activation": "leaky_relu", "slope": 0.2},
        {"name": "depthwise", "kind": "conv2d", "units": 4, "groups": 4, "kernel": 3, "pad": 1, "activation": "sigmoid"},
        {"name": "both", "kind": "concat", "inputs": ["depthwise", "conv"]},
        {"name": "grouped", "kind": "conv2d", "units": 6, "groups": 2, "kernel": 1},
        {"name": "pool", "kind": "pool2d", "pool": "average", "kernel": 3, "stride": 2, "pad": 1},
        {"name": "drop", "kind": "dropout", "rate": 0},
        {"name": "flatten", "kind": "flatten"},
        {"name": "dense", "kind": "dense", "units": 4}]})"},
};

std::vector<double> widen(const std::vector<float> &values)
{
    return std::vector<double>(values.begin(), values.end());
}

uint64_t weight_count(const std::string &name, int64_t c, int64_t h, uint32_t outputs)
{
    Desc desc(name, c, h, h, outputs);
    return HostNet(desc.desc).weight_count();
}

std::string json_of(const auxo_model_desc &desc)
{
    Error error;
    char *text = nullptr;
    REQUIRE_OK(auxo_model_desc_to_json(&desc, &text, error));
    std::string copy = text;
    free(text);
    return copy;
}

std::string json_error(const std::string &json)
{
    Error error;
    auxo_model_desc desc;
    auxo_status status = auxo_model_desc_from_json(json.c_str(), &desc, error);
    INFO(json);
    REQUIRE(status != AUXO_OK);
    REQUIRE(desc.layers == nullptr);
    return error.text();
}

std::string load_error(const std::string &name, int64_t c, int64_t h, uint32_t outputs)
{
    Error error;
    auxo_model_desc desc;
    REQUIRE(auxo_model_desc_load(name.c_str(), c, h, h, outputs, &desc, error) != AUXO_OK);
    return error.text();
}

using Catch::Matchers::Contains;

} // namespace

TEST_CASE("built-in networks have the published numbers of weights")
{
    CHECK(weight_count("lenet5", 1, 28, 10) == 44426);
    CHECK(weight_count("lenet5", 3, 32, 10) == 62006);
    CHECK(weight_count("autosize-cnn:19-14-18-34-93", 1, 28, 10) == 166397);
    CHECK(weight_count("autosize-cnn:22-15-21-36-124", 1, 28, 10) == 233011);
    CHECK(weight_count("autosize-cnn:17-16-21-45-158", 3, 32, 10) == 471323);
    CHECK(weight_count("autosize-cnn:39-18-26-57-175", 3, 32, 10) == 665396);
    CHECK(weight_count("autosize-cnn:66-20-30-64-194", 3, 32, 100) == 850840);
    CHECK(weight_count("autosize-cnn:47-13-48-54-377", 3, 64, 200) == 5323499);
    CHECK(weight_count("resnet18", 3, 32, 10) == 11173962);
    CHECK(weight_count("resnet18-imagenet", 3, 224, 1000) == 11689512);
    Desc mlp("mlp:4-5-5-2", 4, 1, 1, 2);
    CHECK(HostNet(mlp.desc).weight_count() == 4 * 5 + 5 + 5 * 5 + 5 + 5 * 2 + 2);
    CHECK(mlp.desc.layers[1].activation == AUXO_ACTIVATION_TANH);
    CHECK(mlp.desc.layers[3].activation == AUXO_ACTIVATION_IDENTITY);
    Desc relu("mlp:4-5-2:relu:he_normal:nobias", 1, 2, 2, 2);
    CHECK(relu.desc.layers[relu.find("dense1")].initializer == AUXO_INITIALIZER_HE_NORMAL);
    CHECK(HostNet(relu.desc).weight_count() == 30);
    Desc deep(
        "mlp:3" +
            [] {
                std::string sizes;
                for (int i = 0; i < 1024; i++)
                    sizes += "-5";
                return sizes;
            }() +
            "-1",
        3, 1, 1, 1);
    CHECK(deep.desc.layer_count == 1026);
}

TEST_CASE("a misnamed or misfit network is refused with the reason")
{
    CHECK_THAT(load_error("lenet", 1, 28, 10), Contains("did you mean \"lenet5\""));
    CHECK_THAT(load_error("mlp:4-5", 4, 1, 2), Contains("end with 2"));
    CHECK_THAT(load_error("mlp:hidden,hidden", 4, 1, 2), Contains("hidden,hidden"));
    CHECK_THAT(load_error("mlp", 4, 1, 2), Contains("give the sizes"));
    CHECK_THAT(load_error("mlp:4-2:rulu", 4, 1, 2), Contains("rulu"));
    CHECK_THAT(load_error("lenet5", 1, 8, 10), Contains("window is larger"));
    CHECK_THAT(load_error("conv:64:4", 1, 8, 10), Contains("odd kernel"));
    CHECK_THAT(load_error("no/such.json", 1, 8, 10), Contains("no/such.json"));
}

TEST_CASE("descriptions survive JSON both ways")
{
    for (const char *name :
         {"lenet5", "autosize-cnn", "autosize-mlp", "resnet18", "resnet18-imagenet", "vgg-small", "conv:64"}) {
        Desc desc(name, 3, 32, 32, 10);
        Desc back(json_of(desc.desc));
        REQUIRE(back.desc.layer_count == desc.desc.layer_count);
        CHECK(json_of(back.desc) == json_of(desc.desc));
        for (uint32_t l = 0; l < desc.desc.layer_count; l++) {
            INFO(name << ", layer " << desc.desc.layers[l].name);
            CHECK(std::equal(desc.desc.layers[l].output_dims, desc.desc.layers[l].output_dims + 3,
                             back.desc.layers[l].output_dims));
            CHECK(back.desc.layers[l].epsilon == desc.desc.layers[l].epsilon);
            CHECK(back.desc.layers[l].initializer == desc.desc.layers[l].initializer);
        }
    }
}

TEST_CASE("malformed JSON descriptions are refused with the place")
{
    auto layers = [](const std::string &rest) {
        return R"({"layers": [{"name": "input", "kind": "input", "shape": [1, 4, 4]}, )" + rest + "]}";
    };
    CHECK_THAT(json_error("{\n\"layers\": [\n}"), Contains("line 3"));
    CHECK_THAT(json_error("{}"), Contains("layers"));
    CHECK_THAT(json_error(layers(R"({"kind": "dense", "unit": 3})")), Contains("did you mean \"units\""));
    CHECK_THAT(json_error(layers(R"({"kind": "densee", "units": 3})")), Contains("did you mean \"dense\""));
    CHECK_THAT(json_error(layers(R"({"kind": "dense", "units": 3})")), Contains("flatten"));
    CHECK_THAT(json_error(layers(R"({"kind": "conv2d", "units": 3, "kernel": 5})")), Contains("window"));
    CHECK_THAT(json_error(layers(R"({"kind": "conv2d", "units": 3, "kernel": 3, "groups": 2})")), Contains("groups"));
    CHECK_THAT(json_error(layers(R"({"name": "input", "kind": "flatten"})")), Contains("unique"));
    CHECK_THAT(json_error(layers(R"({"kind": "flatten", "inputs": ["later"]})")), Contains("earlier layers"));
    CHECK_THAT(json_error(layers(R"({"kind": "dropout", "rate": 1})")), Contains("rate"));
    CHECK_THAT(json_error(layers(R"({"kind": "add"})")), Contains("must read 2 to 4"));
    CHECK_THAT(json_error(layers(
                   R"({"name": "a", "kind": "flatten"}, {"name": "b", "kind": "flatten", "inputs": ["input"]})")),
               Contains("no layer reads \"a\""));
    CHECK_THAT(json_error(layers(R"({"name": "a b", "kind": "flatten"})")), Contains("characters"));
    std::string good = networks[1].second;
    for (size_t length = 0; length < good.size(); length += 7)
        json_error(good.substr(0, length));
}

TEST_CASE("initial weights are the same bits on every device, with the initialiser's spread")
{
    Desc desc("mlp:40-200-200-200-10:relu:he_normal", 40, 1, 1, 10);
    desc.desc.layers[2].initializer = AUXO_INITIALIZER_GLOROT_UNIFORM;
    desc.desc.layers[3].initializer = AUXO_INITIALIZER_LECUN_NORMAL;
    std::vector<float> first;
    for_each_device([&](Device &device) {
        Model model(device, desc.desc, 42);
        std::vector<float> weights = model.weights();
        if (first.empty())
            first = weights;
        CHECK(weights == first);
        CHECK(Model(device, desc.desc, 43).weights() != first);
    });
    auto spread = [&](size_t offset, size_t count) {
        double sum = 0;
        for (size_t i = 0; i < count; i++)
            sum += double(first[offset + i]) * double(first[offset + i]);
        return std::sqrt(sum / double(count));
    };
    CHECK(spread(0, 8000) == Approx(std::sqrt(2.0 / 40)).epsilon(0.03));
    CHECK(spread(8200, 40000) == Approx(std::sqrt(2.0 / 400)).epsilon(0.03));
    CHECK(spread(48400, 40000) == Approx(std::sqrt(1.0 / 200)).epsilon(0.03));
    for (size_t i = 8000; i < 8200; i++)
        CHECK(first[i] == 0.0f); // bias
}

TEST_CASE("outputs and gradients of whole networks agree with a double-precision host network")
{
    for_each_device(
        [](Device &device) {
            for (const auto &[title, json] : networks) {
                INFO(device.selector << ", " << title);
                Desc desc(json);
                HostNet host(desc.desc);
                Model model(device, desc.desc, 7);
                REQUIRE(host.weight_count() == auxo_model_weight_count(model));
                const int64_t *in = desc.desc.layers[0].output_dims;
                int64_t batch = 5, size = in[0] * in[1] * in[2];
                uint32_t classes = uint32_t(desc.desc.layers[desc.desc.layer_count - 1].output_dims[0]);
                std::vector<float> input = uniform(size_t(batch * size), -1.0f, 1.0f, 3);
                std::vector<uint32_t> labels = integers(size_t(batch), classes, 4);
                std::vector<float> weights = uniform(host.weight_count(), -0.6f, 0.6f, 5);
                model.set_weights(weights);
                check_close(model.forward(input, batch, true), host.forward(widen(weights), widen(input), batch), 1e-4,
                            1e-5);
                Gradients gradients = cross_entropy_gradients(model, input, labels);
                CHECK(gradients.loss == Approx(host.cross_entropy(widen(weights), widen(input), labels)).epsilon(1e-5));
                std::vector<uint64_t> all(host.weight_count());
                std::iota(all.begin(), all.end(), 0);
                std::vector<double> expected = host.gradient(widen(weights), widen(input), labels, all, 1e-5);
                check_close(gradients.values, expected, 1e-3, 2e-5);
            }
        },
        true);
}

TEST_CASE("gradients of lenet5 agree with finite differences")
{
    Desc desc("lenet5:tanh", 1, 28, 28, 10);
    HostNet host(desc.desc);
    std::vector<float> input = uniform(3 * 784, 0.0f, 1.0f, 3);
    std::vector<uint32_t> labels = {1, 9, 4};
    std::vector<uint64_t> some;
    for (uint64_t i = 0; i < host.weight_count(); i += 997)
        some.push_back(i);
    for_each_device([&](Device &device) {
        Model model(device, desc.desc, 7);
        Gradients gradients = cross_entropy_gradients(model, input, labels);
        std::vector<double> expected = host.gradient(widen(model.weights()), widen(input), labels, some, 1e-5);
        std::vector<float> got;
        for (uint64_t i : some)
            got.push_back(gradients.values[i]);
        check_close(got, expected, 1e-3, 1e-6);
    });
}

TEST_CASE("a frozen layer's gradients are left alone and the backward pass stops at the lowest trained layer")
{
    for_each_device([](Device &device) {
        Desc desc(networks[0].second);
        Model model(device, desc.desc, 7);
        std::vector<float> input = uniform(4 * 220, -1.0f, 1.0f, 3), before(auxo_model_weight_count(model), 123.0f);
        std::vector<uint32_t> labels = {0, 1, 2, 1};
        Gradients all = cross_entropy_gradients(model, input, labels);
        std::vector<size_t> op_counts;
        for (const char *name : {"dense2", "dense1", "conv2", "conv1"}) {
            std::vector<char> train(desc.desc.layer_count, 0);
            uint32_t layer = desc.find(name);
            train[layer] = 1;
            Gradients some =
                cross_entropy_gradients(model, input, labels, reinterpret_cast<bool *>(train.data()), &before);
            uint64_t offset, count;
            auxo_model_layer_range(model, layer, &offset, &count);
            bool right = true;
            for (uint64_t i = 0; i < before.size(); i++)
                right = right && some.values[i] == (i >= offset && i < offset + count ? all.values[i] : 123.0f);
            INFO(name);
            CHECK(right);
            op_counts.push_back(some.op_count);
        }
        CHECK(std::is_sorted(op_counts.begin(), op_counts.end()));
        CHECK(op_counts.front() + 6 <= op_counts.back());
    });
}

TEST_CASE("a forward pass may begin after any layer")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Desc desc("mlp:6-5-4-3", 6, 1, 1, 3);
    Model model(device, desc.desc);
    Error error;
    std::vector<float> input = uniform(12, -1.0f, 1.0f, 1), whole = model.forward(input, 2);
    auxo_plan *plan = nullptr;
    REQUIRE_OK(auxo_plan_create(device.device, &plan, error));
    auxo_forward head = {}, tail = {};
    head.input = device.f32(input, {2, 6});
    auxo_activations *head_outputs = auxo_model_add_forward(model, plan, &head);
    REQUIRE_OK(auxo_plan_status(plan, error));
    tail.input = auxo_activations_output(head_outputs, 2);
    tail.begin_layer = 2;
    auxo_activations *tail_outputs = auxo_model_add_forward(model, plan, &tail);
    REQUIRE_OK(auxo_plan_status(plan, error));
    auxo_tensor output = auxo_activations_output(tail_outputs, 3);
    auxo_tensor skipped = auxo_activations_output(tail_outputs, 1);
    CHECK_FALSE(auxo_tensor_is_present(&skipped));
    auxo_activations_destroy(head_outputs);
    auxo_activations_destroy(tail_outputs);
    REQUIRE_OK(auxo_plan_keep(plan, &output, error));
    auxo_plan_options options = {};
    REQUIRE_OK(auxo_plan_compile(plan, &options, error));
    REQUIRE_OK(auxo_plan_run(plan, auxo_model_queue(model), 1, error));
    REQUIRE_OK(auxo_queue_wait(auxo_model_queue(model), error));
    CHECK(device.download_f32(auxo_plan_resolve(plan, &output)) == whole);
    auxo_plan_destroy(plan);
}

TEST_CASE("FLOPs of one forward pass come from the plan")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Desc desc("lenet5", 1, 28, 28, 10);
    Model model(device, desc.desc);
    Error error;
    uint64_t flops = 0;
    REQUIRE_OK(auxo_model_forward_flops(model, &flops, error));
    uint64_t products = 24 * 24 * 6 * 25 + 8 * 8 * 16 * 150 + 256 * 120 + 120 * 84 + 84 * 10;
    CHECK(flops >= 2 * products);
    CHECK(flops <= 2 * products + 30000); // pooling and activations
}

TEST_CASE("groups of tied units follow additions, depthwise convolutions and batch norm")
{
    Error error;
    Desc desc("resnet18", 3, 32, 32, 10);
    std::vector<uint32_t> group(desc.desc.layer_count);
    std::vector<char> resizable(desc.desc.layer_count);
    REQUIRE_OK(
        auxo_model_desc_unit_groups(&desc.desc, group.data(), reinterpret_cast<bool *>(resizable.data()), error));
    CHECK(group[desc.find("stage1_block1_conv2")] == group[desc.find("stem_conv")]);
    CHECK(group[desc.find("stage1_block2_conv2")] == group[desc.find("stem_conv")]);
    CHECK(group[desc.find("stage1_block1_norm1")] == desc.find("stage1_block1_conv1"));
    CHECK(group[desc.find("stage2_block1_conv_shortcut")] == group[desc.find("stage2_block2_conv2")]);
    CHECK(resizable[desc.find("stem_conv")]);
    CHECK_FALSE(resizable[desc.find("dense")]);
    CHECK_FALSE(resizable[0]);
}
