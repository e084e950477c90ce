// tests/import_test.cpp: weights of other tools: matched by the model's own names, by kept rules and by given ones, in
// every type; layers reset; everything without its other half named; layers frozen.
#include "auxo/run.h"
#include "support/data_files.hpp"
#include "support/models.hpp"
#include "support/runs.hpp"

#include <cstring>
#include <map>

using namespace auxo_test;

namespace
{

struct Tensor {
    std::string type;
    std::vector<int64_t> shape;
    Bytes bytes;
};

Tensor f32(const std::vector<float> &values, const std::vector<int64_t> &shape)
{
    Tensor tensor{"F32", shape, Bytes(values.size() * 4)};
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
    return tensor;
}

Tensor f64(const std::vector<double> &values, const std::vector<int64_t> &shape)
{
    Tensor tensor{"F64", shape, Bytes(values.size() * 8)};
    std::memcpy(tensor.bytes.data(), values.data(), tensor.bytes.size());
    return tensor;
}

// bf16: the upper halves of values that have no lower ones.
Tensor bf16(const std::vector<float> &values, const std::vector<int64_t> &shape)
{
    Tensor tensor{"BF16", shape, {}};
    for (float value : values) {
        uint32_t bits;
        std::memcpy(&bits, &value, 4);
        tensor.bytes.push_back(static_cast<uint8_t>(bits >> 16));
        tensor.bytes.push_back(static_cast<uint8_t>(bits >> 24));
    }
    return tensor;
}

using Tensors = std::map<std::string, Tensor>;

void write_tensors(const std::string &path, const Tensors &tensors)
{
    std::string header = "{";
    Bytes data;
    for (const auto &[name, tensor] : tensors) {
        header += (header.size() > 1 ? ",\"" : "\"") + name + "\":{\"dtype\":\"" + tensor.type + "\",\"shape\":[";
        for (size_t i = 0; i < tensor.shape.size(); i++)
            header += (i ? "," : "") + std::to_string(tensor.shape[i]);
        header += "],\"data_offsets\":[" + std::to_string(data.size()) + "," +
                  std::to_string(data.size() + tensor.bytes.size()) + "]}";
        data.insert(data.end(), tensor.bytes.begin(), tensor.bytes.end());
    }
    header += "}";
    Bytes file(8);
    for (int i = 0; i < 8; i++)
        file[static_cast<size_t>(i)] = static_cast<uint8_t>(header.size() >> (8 * i));
    file.insert(file.end(), header.begin(), header.end());
    file.insert(file.end(), data.begin(), data.end());
    write_file(path, file);
}

// Under the names that a PyTorch module would give, which are not the model's.
Tensors small_state()
{
    return {{"net0.lin.weight", f32({1, 2, 3, 4, 5, 6}, {2, 3})},
            {"net0.lin.bias", f64({0.5, -0.25}, {2})},
            {"net1.lin.weight", bf16({-1, 2, 0.5, 8}, {2, 2})},
            {"net1.lin.bias", f32({7, 9}, {2})}};
}

const char small_rules[] = R"({"net{i}.lin": "dense{i+1}"})";

auxo_import_options with_rules(const char *rules)
{
    auxo_import_options options = {};
    options.rules = rules;
    return options;
}

} // namespace

TEST_CASE("weights are found by rules, in every type, and land where they belong")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    Desc desc("mlp:3-2-2", 3, 1, 1, 2);
    Model model(device, desc.desc);
    Error error;
    auxo_import_result result;
    write_tensors(folder.file("s"), small_state());
    const auxo_import_options options = with_rules(small_rules);
    REQUIRE_OK(auxo_model_import(model, folder.file("s").c_str(), &options, &result, error));
    CHECK(result.matched == 4);
    CHECK(result.ignored == 0);
    CHECK(model.param("dense1.weight") == std::vector<float>{1, 2, 3, 4, 5, 6});
    CHECK(model.param("dense1.bias") == std::vector<float>{0.5f, -0.25f});
    CHECK(model.param("dense2.weight") == std::vector<float>{-1, 2, 0.5f, 8});
    CHECK(model.param("dense2.bias") == std::vector<float>{7, 9});
}

TEST_CASE("the names of torchvision's resnet are known, counters are passed over, the head may be new")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    Desc desc("resnet18-imagenet", 3, 32, 32, 5);
    Model model(device, desc.desc);
    Error error;
    Tensors state;
    // From the model's own parameters to torchvision's names, written out here once more.
    for (size_t i = 0; i < auxo_model_param_count(model); i++) {
        const auxo_param &param = auxo_model_params(model)[i];
        std::string name = param.name, layer = name.substr(0, name.find('.')), what = name.substr(name.find('.') + 1);
        if (what == "gamma" || what == "beta")
            what = what == "gamma" ? "weight" : "bias";
        if (layer == "stem_conv" || layer == "stem_norm")
            layer = layer == "stem_conv" ? "conv1" : "bn1";
        else if (layer == "dense")
            layer = "fc";
        else {
            const std::string block = std::to_string(layer[12] - '1'), kind = layer.substr(14);
            layer = std::string("layer") + layer[5] + "." + block + ".";
            layer += kind == "conv_shortcut"       ? "downsample.0"
                     : kind == "norm_shortcut"     ? "downsample.1"
                     : kind.substr(0, 4) == "conv" ? "conv" + kind.substr(4)
                                                   : "bn" + kind.substr(4);
        }
        size_t count = 1;
        for (uint32_t d = 0; d < param.rank; d++)
            count *= static_cast<size_t>(param.dims[d]);
        std::vector<int64_t> shape(param.dims, param.dims + param.rank);
        if (layer == "fc") { // of a thousand classes
            shape[0] = 1000;
            count = count / 5 * 1000;
        }
        state[layer + "." + what] = f32(std::vector<float>(count, 0.001f * static_cast<float>(i + 1)), shape);
        if (what == "running_var")
            state[layer + ".num_batches_tracked"] = Tensor{"I64", {}, Bytes(8)};
    }
    write_tensors(folder.file("s"), state);
    const std::vector<float> before = model.weights();
    CHECK(auxo_model_import(model, folder.file("s").c_str(), nullptr, nullptr, error) == AUXO_FORMAT);
    check_message(error, "\"fc.");
    check_message(error, "(1000");
    CHECK(model.weights() == before);
    const char *const reset[] = {"dense"};
    auxo_import_options options = {};
    options.reset = reset;
    options.reset_count = 1;
    auxo_import_result result;
    REQUIRE_OK(auxo_model_import(model, folder.file("s").c_str(), &options, &result, error));
    CHECK(result.matched == auxo_model_param_count(model) - 2);
    CHECK(result.ignored == 20 + 2);
    CHECK(std::string(result.rules) == "torchvision's resnet");
    for (size_t i = 0; i < auxo_model_param_count(model); i++) {
        const auxo_param &param = auxo_model_params(model)[i];
        if (std::strncmp(param.name, "dense", 5) != 0)
            CHECK(model.param(param.name)[0] == 0.001f * static_cast<float>(i + 1));
    }
    CHECK(std::equal(before.end() - 5, before.end(), model.weights().end() - 5)); // the head as it was drawn
}

TEST_CASE("what has no other half is named, and nothing is changed")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    Desc desc("mlp:3-2-2", 3, 1, 1, 2);
    Model model(device, desc.desc);
    const std::vector<float> before = model.weights();
    Error error;
    const std::string path = folder.file("s");
    const auxo_import_options options = with_rules(small_rules);
    auto refused = [&](const Tensors &state, const auxo_import_options *how, const std::string &part) {
        write_tensors(path, state);
        CHECK(auxo_model_import(model, path.c_str(), how, nullptr, error) != AUXO_OK);
        check_message(error, part);
        CHECK(error.text().find('\n') == std::string::npos);
        CHECK(model.weights() == before);
    };
    Tensors state = small_state();
    state["net2.lin.weight"] = f32({1}, {1});
    refused(state, &options, "1 tensors have no place in model mlp:3-2-2 (by the rules given): net2.lin.weight");
    state = small_state();
    state.erase("net1.lin.bias");
    refused(state, &options, "1 parameters of model mlp:3-2-2 are not in the file (by the rules given): dense2.bias");
    state = small_state();
    state["net0.lin.weight"] = f32({1, 2, 3, 4, 5, 6}, {3, 2});
    refused(state, &options, "\"net0.lin.weight\" has shape (3, 2), but dense1.weight of the model is (2, 3)");
    state = small_state();
    state["net0.lin.bias"] = Tensor{"I64", {2}, Bytes(16)};
    refused(state, &options, "holds integers");
    refused(small_state(), nullptr, "4 tensors have no place");
    auxo_import_options broken = with_rules("[1]");
    refused(small_state(), &broken, "rules of names");
    const char *const reset[] = {"dens2"};
    auxo_import_options wrong = options;
    wrong.reset = reset;
    wrong.reset_count = 1;
    refused(small_state(), &wrong, "no layer \"dens2\"");
    CHECK(auxo_model_import(model, folder.file("none").c_str(), &options, nullptr, error) != AUXO_OK);
}

TEST_CASE("a run begins with imported weights, trains what is not frozen, and resumes")
{
    Runtime runtime;
    TempFolder folder;
    Error error;
    {
        Device device(runtime, "cpu");
        Desc desc("mlp:784-4-10", 1, 28, 28, 10);
        Model model(device, desc.desc, 99);
        REQUIRE_OK(auxo_model_save(model, folder.file("w.safetensors").c_str(), error));
    }
    const Values values = {{"data", "glyphs"},
                           {"limit", "64"},
                           {"device", "cpu"},
                           {"model", "mlp:784-4-10"},
                           {"batch", "16"},
                           {"epochs", "2"},
                           {"freeze", "dense1*"},
                           {"weights", folder.file("w.safetensors")},
                           {"checkpoint", folder.file("c")},
                           {"save", folder.file("m.safetensors")}};
    Run run(runtime, "train", values);
    INFO(run.error.text());
    REQUIRE(run.status == AUXO_OK);
    run.steps();
    run.finish();
    Device device(runtime, "cpu");
    auxo_model *before = nullptr, *after = nullptr;
    REQUIRE_OK(auxo_model_load(device.device, folder.file("w.safetensors").c_str(), &before, error));
    REQUIRE_OK(auxo_model_load(device.device, folder.file("m.safetensors").c_str(), &after, error));
    const size_t count = auxo_model_weight_count(before), first = 784 * 4 + 4;
    std::vector<float> was(count), is(count), none(1);
    REQUIRE_OK(auxo_model_read_weights(before, was.data(), none.data(), error));
    REQUIRE_OK(auxo_model_read_weights(after, is.data(), none.data(), error));
    CHECK(std::equal(was.begin(), was.begin() + first, is.begin()));
    CHECK_FALSE(std::equal(was.begin() + first, was.end(), is.begin() + first));
    auxo_model_destroy(before);
    auxo_model_destroy(after);
    for (const std::pair<std::string, std::string> &bad :
         Values{{"freeze", "dense9"}, {"freeze", "*"}, {"weights", folder.file("c2")}, {"reset", "dense7"}}) {
        Run refused(runtime, "train", with(values, {bad, {"checkpoint", folder.file("other")}}));
        INFO(bad.first << " " << bad.second);
        CHECK(refused.status != AUXO_OK);
        CHECK(refused.error.text().find('\n') == std::string::npos);
    }
}
