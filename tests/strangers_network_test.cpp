// tests/strangers_network_test.cpp: descriptions and model files as others write them: explicit zeros, odd keys and
// sizes, very many layers, grouped and depthwise convolutions, damaged safetensors.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"
#include "support/program.hpp"

#include <cstring>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

std::string refusal(const std::string &json)
{
    Error error;
    auxo_model_desc desc;
    INFO(json.substr(0, 300));
    CHECK(auxo_model_desc_from_json(json.c_str(), &desc, error) != AUXO_OK);
    auxo_model_desc_deinit(&desc);
    return error.text();
}

std::string network(const std::string &layers)
{
    return R"({"name":"n","layers":[{"name":"in","kind":"input","shape":[2,8,8]},)" + layers + "]}";
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

std::string grouped(int channels, int groups)
{
    const std::string units = std::to_string(channels);
    return R"({"name":"g","layers":[{"name":"in","kind":"input","shape":[1,16,16]},
        {"name":"c1","kind":"conv2d","units":)" +
           units + R"(,"bias":false,"kernel":3,"pad":1,"activation":"relu"},
        {"name":"c2","kind":"conv2d","units":)" +
           units + R"(,"bias":false,"kernel":3,"pad":1,"groups":)" + std::to_string(groups) + R"(,"activation":"relu"},
        {"name":"gap","kind":"global_average_pool"},{"name":"out","kind":"dense","units":10}]})";
}

} // namespace

TEST_CASE("what a description gives explicitly stays, zero too")
{
    Desc desc(network(R"({"kind":"batch_norm","momentum":0,"epsilon":0},
        {"kind":"activation","activation":"leaky_relu","slope":0},{"kind":"activation","activation":"elu","slope":0},
        {"kind":"batch_norm"},{"kind":"activation","activation":"leaky_relu"})"));
    CHECK(desc.desc.layers[1].momentum == 0);
    CHECK(desc.desc.layers[1].epsilon == 0);
    CHECK(desc.desc.layers[2].slope == 0);
    CHECK(desc.desc.layers[3].slope == 0);
    CHECK(desc.desc.layers[4].momentum == 0.1f);
    CHECK(desc.desc.layers[4].epsilon == 1e-5f);
    CHECK(desc.desc.layers[5].slope == 0.01f);
    Desc back(json_of(desc.desc));
    CHECK(json_of(back.desc) == json_of(desc.desc));
    CHECK(back.desc.layers[2].slope == 0);
    for_each_device([&](Device &device) {
        Model model(device, desc.desc);
        CHECK(auxo_model_get_desc(model)->layers[1].momentum == 0);
    });
}

TEST_CASE("odd descriptions are refused by what is odd")
{
    CHECK_THAT(refusal(network(R"({"kind":"dropout","rate":0.1,"rate":0.2})")), Contains("\"rate\" is there twice"));
    CHECK_THAT(refusal(network(R"({"kind":"dropout","rat":0.1})")), Contains("did you mean \"rate\""));
    CHECK_THAT(refusal(network(R"({"kind":"dropout"})").insert(1, "\"lr\":1,")), Contains("unknown key \"lr\""));
    // Keys of other kinds, for every kind.
    const char *strays[][2] = {{"dropout", R"("units":3)"},       {"dropout", R"("epsilon":0.1)"},
                               {"flatten", R"("rate":0.5)"},      {"dense\",\"units\":\"2", R"("stride":2)"},
                               {"activation", R"("pad":1)"},      {"batch_norm", R"("slope2":1)"},
                               {"batch_norm", R"("kernel":3)"},   {"dropout", R"("activation":"relu")"},
                               {"flatten", R"("shape":[3])"},     {"batch_norm", R"("momentum":0.1,"pool":"max")"},
                               {"dropout", R"("depthwise":true)"}};
    for (const auto &stray : strays) {
        const std::string text = std::string(R"({"kind":")") + stray[0] + "\"," + stray[1] + "}";
        INFO(text);
        const std::string message = refusal(network(text.c_str()));
        CHECK((message.find("has no \"") != std::string::npos || message.find("unknown key") != std::string::npos ||
               message.find("\"units\" must be") != std::string::npos));
    }
    CHECK_THAT(refusal(network(R"({"kind":"dropout","units":3})")), Contains("kind dropout has no \"units\""));
    CHECK_THAT(refusal(network(R"({"kind":"dropout"})").insert(1, "\"name\":\"m\",")),
               Contains("\"name\" is there twice"));
    CHECK_THAT(refusal(network(R"({"name":"a\u0000b","kind":"dropout"})")), Contains("character zero"));
    CHECK_THAT(refusal(R"({"layers":[{"kind":"input","shape":[1.5,8,8]},{"kind":"flatten"}]})"),
               Contains("\"shape\" must be made of positive whole numbers"));
    CHECK_THAT(refusal(R"({"layers":[{"kind":"input","shape":[1,8,"8"]},{"kind":"flatten"}]})"), Contains("\"shape\""));
    CHECK_THAT(refusal(R"({"layers":[{"kind":"input","shape":[0,8,8]},{"kind":"flatten"}]})"), Contains("\"shape\""));
    CHECK_THAT(refusal(R"({"name":5,"layers":[]})"), Contains("\"name\" must be"));
    CHECK_THAT(refusal("[1]"), Contains("a model is an object"));
    CHECK_THAT(refusal(network(R"({"kind":"conv2d","units":4,"depthwise":true,"groups":2})")), Contains("depthwise"));
    CHECK_THAT(
        refusal(R"({"layers":[{"kind":"input","shape":[2000000000,2000000000,2000000000]},{"kind":"flatten"}]})"),
        Contains("2^48"));
    CHECK_THAT(
        refusal(R"({"layers":[{"kind":"input","shape":[2000000000]},{"name":"d","kind":"dense","units":2000000000}]})"),
        Contains("layer \"d\" (dense): more than 2^48"));
    CHECK_THAT(refusal(network(R"({"name":"c","kind":"conv2d","units":2000000000,"kernel":32767,"pad":32767})")),
               Contains("layer \"c\""));
}

TEST_CASE("a hundred thousand layers are read and checked")
{
    // Every layer names the one before: looking names up one by one would take minutes.
    std::string text = R"({"layers":[{"name":"l0","kind":"input","shape":[3]})";
    for (int i = 1; i < 100000; i++)
        text += ",{\"name\":\"l" + std::to_string(i) +
                "\",\"kind\":\"activation\",\"activation\":\"relu\",\"inputs\":[\"l" + std::to_string(i - 1) + "\"]}";
    Desc desc(text + "]}");
    CHECK(desc.desc.layer_count == 100000);
    CHECK(desc.desc.layers[99999].inputs[0] == 99998);
    CHECK_THAT(refusal(text + R"(,{"name":"l7","kind":"flatten"}]})"), Contains("two layers are called \"l7\""));
}

TEST_CASE("costs of grouped convolutions, and of every built-in network, from the description alone")
{
    const struct {
        int groups;
        uint64_t flops, weights; // of convolutions and products, without biases
    } cases[] = {{1, 719088, 1524}, {2, 387312, 876}, {3, 276720, 660},
                 {4, 221424, 552},  {6, 166128, 444}, {12, 110832, 336}};
    for (const auto &one : cases) {
        INFO(one.groups << " groups");
        Desc desc(grouped(12, one.groups));
        uint64_t flops = 0, weights = 0;
        for (uint32_t l = 0; l < desc.desc.layer_count; l++) {
            auxo_layer_cost cost;
            auxo_model_desc_layer_cost(&desc.desc, l, &cost);
            bool product =
                desc.desc.layers[l].kind == AUXO_LAYER_CONV2D || desc.desc.layers[l].kind == AUXO_LAYER_DENSE;
            flops += product ? cost.flops : 0;
            weights += product ? cost.weights - (desc.desc.layers[l].bias ? desc.desc.layers[l].units : 0) : 0;
        }
        CHECK(flops == one.flops);
        CHECK(weights == one.weights);
        Error error;
        auxo_budget budget{};
        double cost = 0;
        budget.resource = AUXO_RESOURCE_FLOPS;
        REQUIRE_OK(auxo_morph_desc_cost(&desc.desc, &budget, &cost, error));
        CHECK(cost == Approx(double(one.flops)).epsilon(1e-12));
        budget.resource = AUXO_RESOURCE_PARAMETERS;
        REQUIRE_OK(auxo_morph_desc_cost(&desc.desc, &budget, &cost, error));
        CHECK(cost == Approx(double(one.weights)).epsilon(1e-12));
    }
    Runtime runtime;
    Device device(runtime, "cpu");
    for (const char *name :
         {"lenet5", "autosize-cnn", "autosize-mlp", "resnet18", "vgg-small", "conv:16-16", "mlp:7-9"}) {
        INFO(name);
        Error error;
        Desc desc(name, 3, 32, 32, 10);
        Model model(device, desc.desc);
        auxo_layer_cost total{};
        for (uint32_t l = 0; l < desc.desc.layer_count; l++) {
            auxo_layer_cost cost;
            auxo_model_desc_layer_cost(&desc.desc, l, &cost);
            total.weights += cost.weights;
            total.statistics += cost.statistics;
            total.flops += cost.flops;
        }
        uint64_t flops = 0;
        REQUIRE_OK(auxo_model_forward_flops(model, &flops, error));
        CHECK(total.flops == flops);
        CHECK(total.weights == auxo_model_weight_count(model));
        CHECK(total.statistics == auxo_model_statistic_count(model));
    }
}

TEST_CASE("a depthwise layer stays depthwise through one channel, a file, and growth")
{
    TempFolder folder;
    for_each_device([&](Device &device) {
        for (int channels : {2, 5, 12}) {
            Error error;
            Desc desc(grouped(channels, channels));
            Model first(device, desc.desc);
            const uint32_t c1 = desc.find("c1"), c2 = desc.find("c2"), kept[] = {1};
            auxo_unit_edit prune{};
            prune.layer = c1;
            prune.kept = kept;
            prune.kept_count = 1;
            REQUIRE_OK(auxo_model_resize(first, &prune, 1, 1, nullptr, error));
            CHECK(auxo_model_get_desc(first)->layers[c2].units == 1);
            const std::string path = folder.file("one.safetensors");
            REQUIRE_OK(auxo_model_save(first, path.c_str(), error));
            auxo_model *loaded = nullptr;
            REQUIRE_OK(auxo_model_load(device.device, path.c_str(), &loaded, error));
            for (uint32_t wider : {4u, 9u}) {
                auxo_unit_edit grow{};
                const uint32_t zero[] = {0};
                grow.layer = c1;
                grow.kept = zero;
                grow.kept_count = 1;
                grow.added_count = wider - 1;
                grow.incoming_scale = grow.outgoing_scale = 1;
                REQUIRE_OK(auxo_model_resize(loaded, &grow, 1, 1, nullptr, error));
                const auxo_layer &layer = auxo_model_get_desc(loaded)->layers[c2];
                CHECK(layer.units == wider);
                CHECK(uint32_t(layer.groups) == wider);
                uint64_t offset = 0, count = 0;
                auxo_model_layer_range(loaded, c2, &offset, &count);
                CHECK(count == 9 * wider);
            }
            auxo_model_destroy(loaded);
        }
    });
}

TEST_CASE("safetensors whose tensors overlap, leave holes or repeat are refused by name")
{
    Error error;
    TempFolder folder;
    Runtime runtime;
    Device device(runtime, "cpu");
    Desc desc("mlp:4-3", 5, 1, 1, 2);
    Model model(device, desc.desc);
    const std::string path = folder.file("m.safetensors"), damaged = folder.file("d.safetensors");
    REQUIRE_OK(auxo_model_save(model, path.c_str(), error));
    const std::string whole = read_whole_file(path);
    const struct {
        const char *from, *to, *message;
    } defects[] = {
        // dense1: weight 4x5 at 0..80, bias 80..96; dense2: weight 3x4 at 96..144, bias 144..156; ..
        {"[80,96]", "[64,80]", "\"dense1.weight\" and \"dense1.bias\" share bytes"},
        {"[144,156]", "[140,152]", "\"dense2.weight\" and \"dense2.bias\" share bytes"},
        {"\"dense2.bias\":", "\"dense1.bias\":", "two tensors are called \"dense1.bias\""},
    };
    for (const auto &defect : defects) {
        std::string broken = whole;
        size_t at = broken.find(defect.from);
        REQUIRE(at != std::string::npos);
        std::string replacement = defect.to;
        replacement.resize(std::max(replacement.size(), std::strlen(defect.from)), ' ');
        // The header keeps its length: blanks may stand behind a list.
        broken.replace(at, std::strlen(defect.from), replacement);
        write_file(damaged, broken);
        auxo_model *loaded = nullptr;
        CHECK(auxo_model_load(device.device, damaged.c_str(), &loaded, error) == AUXO_FORMAT);
        check_message(error, defect.message);
    }
    write_file(damaged, whole + "1234");
    auxo_model *loaded = nullptr;
    CHECK(auxo_model_load(device.device, damaged.c_str(), &loaded, error) == AUXO_FORMAT);
    check_message(error, "4 bytes after \"dense3.bias\" belong to no tensor");
    auxo_model_desc read;
    CHECK(auxo_model_file_desc(damaged.c_str(), &read, error) == AUXO_FORMAT);
    REQUIRE_OK(auxo_model_file_desc(path.c_str(), &read, error));
    CHECK(json_of(read) == json_of(desc.desc));
    auxo_model_desc_deinit(&read);
}

TEST_CASE("model show needs no --input for a file and makes no network")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string path = folder.file("wide.json");
    // Nine million million weights: no machine holds them.
    write_file(path,
               std::string(R"({"layers":[{"kind":"input","shape":[3000000]},{"name":"a","kind":"dense","units":3000000},
        {"name":"b","kind":"dense","units":3}]})"));
    ProgramResult shown = program.run({"model", "show", path, "--json"});
    INFO(shown.errors);
    REQUIRE(shown.exit_code == 0);
    CHECK(shown.events("result")[0].number("weights") == 9e12 + 3e6 + 9e6 + 3);
    check_fails(program, {"model", "show", path, "--input", "1x28x28"}, "3000000");
    CHECK(program.run({"help", "models"}).output.find("momentum") != std::string::npos);
}
