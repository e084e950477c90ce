// tests/onnx_test.cpp: ONNX files of networks here come back as what they were, on every device; files that are none,
// or say what no layer covers, are refused in one line. What other programs compute from them: onnx_round_trip.py.
#include "support/data_files.hpp"
#include "support/models.hpp"
#include "support/program.hpp"

#include "auxo/onnx.h"
#include "auxo/train.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

// Every kind of layer, with branches.
const char *const everything = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [2, 9, 9]},
    {"name": "conv", "kind": "conv2d", "units": 6, "kernel": 3, "stride": 2, "pad": 1, "activation": "elu", "slope": 0.7},
    {"name": "norm", "kind": "batch_norm", "activation": "leaky_relu", "slope": 0.2},
    {"name": "pool", "kind": "pool2d", "pool": "average", "kernel": 3, "stride": 1, "pad": 1},
    {"name": "left", "kind": "conv2d", "units": 6, "kernel": 3, "pad": 1, "groups": 2, "activation": "sigmoid"},
    {"name": "right", "kind": "conv2d", "inputs": ["pool"], "units": 6, "kernel": 3, "pad": 1, "bias": false},
    {"name": "sum", "kind": "add", "inputs": ["left", "right"]},
    {"name": "act", "kind": "activation", "activation": "selu"},
    {"name": "joined", "kind": "concat", "inputs": ["act", "sum"]},
    {"name": "drop", "kind": "dropout", "rate": 0.3},
    {"name": "max", "kind": "pool2d", "pool": "max", "kernel": 2, "stride": 2},
    {"name": "flatten", "kind": "flatten"},
    {"name": "hidden", "kind": "dense", "units": 12, "activation": "tanh"},
    {"name": "last", "kind": "dense", "units": 4}]})";

Bytes file_bytes(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return Bytes(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

auxo_model *make_model(auxo_device *device, const char *text)
{
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    auxo_error error = {};
    REQUIRE(auxo_model_desc_from_json(text, &desc, &error) == AUXO_OK);
    auxo_model *model = nullptr;
    REQUIRE(auxo_model_create(device, &desc, 7, &model, &error) == AUXO_OK);
    auxo_model_desc_deinit(&desc);
    return model;
}

std::vector<float> numbers_of(auxo_model *model)
{
    const uint64_t weights = auxo_model_weight_count(model);
    std::vector<float> values(weights + auxo_model_statistic_count(model));
    auxo_error error = {};
    REQUIRE(auxo_model_read_weights(model, values.data(), values.data() + weights, &error) == AUXO_OK);
    return values;
}

std::string json_of(auxo_model *model)
{
    char *text = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_model_desc_to_json(auxo_model_get_desc(model), &text, &error) == AUXO_OK);
    const std::string json = text;
    std::free(text);
    return json;
}

// Fields of a protocol buffer: number and bytes, number and whole number.
std::string field(int number, const std::string &bytes)
{
    return std::string(1, char(number << 3 | 2)) + char(bytes.size()) + bytes;
}

std::string field(int number, int value)
{
    REQUIRE(value < 128);
    return std::string(1, char(number << 3)) + char(value);
}

// An f32 tensor whose bytes lie in another file.
std::string external(const std::string &name, const std::vector<int> &dims, const std::string &location,
                     const std::string &offset, const std::string &length)
{
    auto entry = [](const std::string &key, const std::string &value) {
        return field(13, field(1, key) + field(2, value));
    };
    std::string tensor;
    for (int dim : dims)
        tensor += field(1, dim);
    return tensor + field(2, 1) + field(8, name) + entry("location", location) + entry("offset", offset) +
           entry("length", length) + field(14, 1);
}

// y = W x + c, from two inputs to three outputs.
std::string linear_model(const std::string &w, const std::string &c)
{
    const std::string shape = field(1, field(2, "n")) + field(1, field(1, 2));
    const std::string input = field(1, "x") + field(2, field(1, field(1, 1) + field(2, shape)));
    const std::string node = field(1, "x") + field(1, "W") + field(1, "c") + field(2, "y") + field(4, "Gemm") +
                             field(5, field(1, "transB") + field(3, 1));
    const std::string graph = field(1, node) + field(5, w) + field(5, c) + field(11, input) + field(12, field(1, "y"));
    // More than 127 bytes: a length of two.
    return field(1, 8) + field(8, field(2, 17)) + char(7 << 3 | 2) + char(graph.size() % 128 | 128) +
           char(graph.size() / 128) + graph;
}

auxo_status import_status(auxo_device *device, const std::string &path, std::string *message)
{
    auxo_model *model = nullptr;
    auxo_error error = {};
    const auxo_status status = auxo_onnx_import(device, path.c_str(), &model, &error);
    CHECK((model == nullptr) == (status != AUXO_OK));
    auxo_model_destroy(model);
    *message = error.message;
    CHECK(message->find('\n') == std::string::npos);
    return status;
}

} // namespace

TEST_CASE("onnx: a network of every layer comes back with its description, numbers and standardisation")
{
    for_each_device([](Device &device) {
        TempFolder folder;
        const std::string path = folder.file("net.onnx");
        auxo_model *model = make_model(device.device, everything), *back = nullptr;
        std::vector<float> means = {0.25f, -3}, scales = {2, 0.125f}, target_means = {1, 2, 3, 4},
                           target_scales = {5, 6, 7, 8};
        auxo_preprocessing preprocessing = {
            2, 4, means.data(), scales.data(), target_means.data(), target_scales.data()};
        auxo_error error = {};
        REQUIRE(auxo_model_set_preprocessing(model, &preprocessing, &error) == AUXO_OK);
        const auxo_status written = auxo_onnx_export(model, nullptr, path.c_str(), &error);
        if (written == AUXO_UNSUPPORTED) {
            WARN("built without protobuf-c: " << error.message);
        } else {
            REQUIRE(written == AUXO_OK);
            INFO(error.message);
            REQUIRE(auxo_onnx_import(device.device, path.c_str(), &back, &error) == AUXO_OK);
            CHECK(json_of(back) == json_of(model));
            CHECK(numbers_of(back) == numbers_of(model));
            const auxo_preprocessing *read = auxo_model_preprocessing(back);
            REQUIRE(read->channel_count == 2);
            REQUIRE(read->target_count == 4);
            CHECK(std::memcmp(read->means, means.data(), 8) == 0);
            CHECK(std::memcmp(read->inverse_stds, scales.data(), 8) == 0);
            CHECK(std::memcmp(read->target_means, target_means.data(), 16) == 0);
            CHECK(std::memcmp(read->target_inverse_stds, target_scales.data(), 16) == 0);
        }
        auxo_model_destroy(back);
        auxo_model_destroy(model);
    });
}

TEST_CASE("onnx: the same network without what this library adds is read node by node to the same numbers")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    auxo_model *model = make_model(device.device, everything), *back = nullptr;
    auxo_error error = {};
    const auxo_status written = auxo_onnx_export(model, nullptr, folder.file("net.onnx").c_str(), &error);
    if (written == AUXO_UNSUPPORTED) {
        WARN("built without protobuf-c");
        auxo_model_destroy(model);
        return;
    }
    // Another key of the same length: the file is a stranger's then.
    Bytes bytes = file_bytes(folder.file("net.onnx"));
    const char key[] = "auxo.model";
    auto found = std::search(bytes.begin(), bytes.end(), key, key + 10);
    REQUIRE(found != bytes.end());
    std::memcpy(&*found, "some.thing", 10);
    write_file(folder.file("other.onnx"), bytes);
    const auxo_status status = auxo_onnx_import(device.device, folder.file("other.onnx").c_str(), &back, &error);
    INFO(error.message);
    REQUIRE(status == AUXO_OK);
    CHECK(numbers_of(back) == numbers_of(model)); // layers without parameters may be fewer: dropout, fused activations
    auxo_model_destroy(back);
    auxo_model_destroy(model);
}

TEST_CASE("onnx: what is no such file is refused in one line")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    std::string message;
    CHECK(import_status(device.device, folder.file("absent.onnx"), &message) != AUXO_OK);
    if (message.find("protobuf-c") != std::string::npos) {
        WARN("built without protobuf-c");
        return;
    }
    CHECK_THAT(message, Contains("absent.onnx"));
    for (const char *text : {"", "not a graph", "\x08\x08"}) {
        write_file(folder.file("bad.onnx"), std::string(text));
        CHECK(import_status(device.device, folder.file("bad.onnx"), &message) == AUXO_FORMAT);
        CHECK_THAT(message, Contains("bad.onnx"));
    }
    auxo_model *model = make_model(device.device, everything);
    auxo_error error = {};
    REQUIRE(auxo_onnx_export(model, nullptr, folder.file("net.onnx").c_str(), &error) == AUXO_OK);
    auxo_model_destroy(model);
    const Bytes bytes = file_bytes(folder.file("net.onnx"));
    for (size_t cut = 1; cut < bytes.size(); cut += bytes.size() / 40) {
        write_file(folder.file("cut.onnx"), Bytes(bytes.begin(), bytes.begin() + static_cast<long>(cut)));
        CHECK(import_status(device.device, folder.file("cut.onnx"), &message) != AUXO_OK);
    }
}

TEST_CASE("onnx: weights in a second file are read, from the model's own folder and no byte twice")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    TempFolder folder;
    const std::vector<float> values = {-1, 1, 2, 3, 4, 5, 6, 7, 8, 9}; // one before what is asked for
    Bytes bytes(values.size() * sizeof(float));
    std::memcpy(bytes.data(), values.data(), bytes.size());
    write_file(folder.file("w.bin"), bytes);
    const std::string path = folder.file("net.onnx"), c = external("c", {3}, "w.bin", "28", "12");
    auto import = [&](const std::string &w, const std::string &bias, std::string *message) {
        write_file(path, linear_model(w, bias));
        return import_status(device.device, path, message);
    };
    std::string message;
    const auxo_status status = import(external("W", {3, 2}, "w.bin", "4", "24"), c, &message);
    if (message.find("protobuf-c") != std::string::npos) {
        WARN("built without protobuf-c");
        return;
    }
    INFO(message);
    REQUIRE(status == AUXO_OK);
    auxo_model *model = nullptr;
    REQUIRE(auxo_onnx_import(device.device, path.c_str(), &model, nullptr) == AUXO_OK);
    CHECK(numbers_of(model) == std::vector<float>(values.begin() + 1, values.end()));
    auxo_model_destroy(model);
    for (const char *elsewhere : {"../w.bin", "/w.bin", "a/../../w.bin", ""}) {
        CHECK(import(external("W", {3, 2}, elsewhere, "4", "24"), c, &message) == AUXO_FORMAT);
        CHECK_THAT(message, Contains("must be one in the folder of the model"));
    }
    CHECK(import(external("W", {3, 2}, "none.bin", "4", "24"), c, &message) == AUXO_NOT_FOUND);
    CHECK_THAT(message, Contains("none.bin") && Contains("keep the two files together"));
    const std::pair<const char *, const char *> places[] = {{"20", "24"}, {"44", "24"}, {"4", "99999999999999999999"},
                                                            {"-4", "24"}, {"4", "two"}, {"0", "40"}};
    for (const auto &place : places) {
        INFO(place.first << " " << place.second);
        CHECK(import(external("W", {3, 2}, "w.bin", place.first, place.second), c, &message) == AUXO_FORMAT);
        CHECK_THAT(message, Contains("\"W\"") || Contains("\"c\""));
    }
    CHECK(import(external("W", {3, 2}, "w.bin", "4", "20"), c, &message) == AUXO_FORMAT);
    CHECK_THAT(message, Contains("does not hold what its dimensions say"));
}

TEST_CASE("onnx: commands name what is missing")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    ProgramResult result = program.run({"export", folder.file("absent.safetensors")});
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.errors, Contains("--onnx"));
    result = program.run({"import", folder.file("absent.onnx")});
    CHECK(result.exit_code == 2);
    CHECK_THAT(result.errors, Contains("--save"));
    result = program.run({"import", folder.file("absent.onnx"), "--save", folder.file("x.safetensors")});
    CHECK(result.exit_code != 0);
    CHECK(!std::filesystem::exists(folder.file("x.safetensors")));
}
