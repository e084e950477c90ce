// Arrays in the caller's memory as data sets, by themselves and as the data of a run; what is refused; reports as text.
#include "support/packed.hpp"
#include "support/program.hpp"
#include "support/runs.hpp"

#include <cmath>
#include <cstring>

using namespace auxo_test;

namespace
{

template <typename T>
auxo_array array_of(const std::vector<T> &values, auxo_element element, std::vector<uint64_t> dims)
{
    auxo_array array = {};
    array.values = values.data();
    array.element = element;
    array.rank = uint32_t(dims.size());
    std::copy(dims.begin(), dims.end(), array.dims);
    return array;
}

// A data set of arrays alone.
struct ArrayData : LoadedData {
    auxo_data_options options = {};

    explicit ArrayData(const auxo_arrays &arrays, bool map = false)
    {
        options.arrays = &arrays;
        options.map = map;
    }
    auxo_status load_arrays()
    {
        return auxo_dataset_load(nullptr, &options, &train, &test, &error);
    }
    void require_arrays()
    {
        auxo_status status = load_arrays();
        INFO(error.message);
        REQUIRE(status == AUXO_OK);
    }
};

} // namespace

TEST_CASE("arrays in memory are the data set that the same numbers in files are")
{
    TempFolder folder;
    std::vector<double> inputs;
    std::vector<int64_t> labels;
    for (int i = 0; i < 20; i++) {
        for (int c = 0; c < 3; c++)
            inputs.push_back(i * 1.5 - c);
        labels.push_back(i % 3 - 1);
    }
    write_file(folder.file("X.npy"), npy("<f8", "(20, 3)", raw(inputs)));
    write_file(folder.file("y.npy"), npy("<i8", "(20,)", raw(labels)));
    LoadedData file;
    file.require(folder.file("X.npy"), {});
    auxo_arrays arrays = {};
    arrays.inputs = array_of(inputs, AUXO_ELEMENT_F64, {20, 3});
    arrays.labels = array_of(labels, AUXO_ELEMENT_I64, {20});
    for (bool map : {false, true}) {
        ArrayData data(arrays, map);
        data.require_arrays();
        CHECK((data.train->mapped != nullptr) == map);
        CHECK(hash_of(data.train, 20) == hash_of(file.train, 20));
        CHECK(data.train->schema->input_count == 3);
        CHECK(std::string(data.train->schema->classes[0]) == "-1");
        CHECK(std::string(data.train->name) == "arrays");
    }
    SECTION("strides tell where they lie")
    {
        std::vector<float> wide(20 * 8, NAN);
        for (size_t i = 0; i < 20; i++)
            for (size_t c = 0; c < 3; c++)
                wide[i * 8 + 2 * c + 1] = float(inputs[3 * i + c]);
        arrays.inputs = array_of(wide, AUXO_ELEMENT_F32, {20, 3});
        arrays.inputs.values = wide.data() + 1;
        arrays.inputs.strides[0] = 32;
        arrays.inputs.strides[1] = 8;
        ArrayData data(arrays, true);
        data.require_arrays();
        CHECK(hash_of(data.train, 20) == hash_of(file.train, 20));
    }
    SECTION("dense rows that are mapped are read where they lie")
    {
        std::vector<float> dense(inputs.begin(), inputs.end());
        arrays.inputs = array_of(dense, AUXO_ELEMENT_F32, {20, 3});
        ArrayData data(arrays, true);
        data.require_arrays();
        dense[3 * 7] = 99;
        float row[3];
        const auxo_row_block block = {row, nullptr, nullptr};
        REQUIRE(auxo_dataset_read(data.train, nullptr, 7, 1, &block, nullptr) == AUXO_OK);
        CHECK(row[0] == 99);
    }
}

TEST_CASE("arrays have names of columns and of classes, by which a model knows them")
{
    const std::vector<float> inputs = {1, 2, 3, 4, 5, 6};
    const std::vector<uint8_t> labels = {1, 0, 1};
    const char *const columns[] = {"age", "size"}, *const other[] = {"age", "mass"}, *const classes[] = {"no", "yes"},
                      *const turned[] = {"yes", "no"};
    auxo_arrays arrays = {};
    arrays.inputs = array_of(inputs, AUXO_ELEMENT_F32, {3, 2});
    arrays.labels = array_of(labels, AUXO_ELEMENT_U8, {3});
    arrays.input_names = columns;
    arrays.class_names = classes;
    arrays.class_count = 2;
    ArrayData data(arrays);
    data.require_arrays();
    CHECK(std::string(data.train->feature_names[1]) == "size");
    CHECK(std::string(data.train->schema->classes[1]) == "yes");
    CHECK(labels_of(data.train) == std::vector<uint32_t>{1, 0, 1});
    const auto refused = [&](const char *words) {
        ArrayData again(arrays);
        again.options.schema = data.train->schema;
        CHECK(again.load_arrays() == AUXO_FORMAT);
        CHECK_THAT(again.error.message, Catch::Contains(words));
        CHECK(std::string(again.error.message).find('\n') == std::string::npos);
    };
    arrays.input_names = other;
    refused("column 2 is 'mass', but the model reads 'size' there");
    arrays.input_names = nullptr;
    refused("2 columns without names, but the model knows 2 by name");
    arrays.input_names = columns;
    arrays.class_names = turned;
    refused("other classes");
}

TEST_CASE("what is no such array is refused in one line")
{
    const std::vector<float> numbers = {0, 1, 2, 3, 4, 5}, gap = {0, NAN, 2, 3, 4, 5};
    const std::vector<double> times = {1, -1, 2}, whole = {1, 3, 2}, halves = {1, 0, 0.5};
    const std::vector<uint8_t> classes = {0, 1, 2}, events = {1, 0, 1};
    auxo_arrays good = {};
    good.inputs = array_of(numbers, AUXO_ELEMENT_F32, {3, 2});
    good.labels = array_of(classes, AUXO_ELEMENT_U8, {3});
    const auto refused = [](const auxo_arrays &arrays, const char *words) {
        ArrayData data(arrays);
        CHECK(data.load_arrays() != AUXO_OK);
        CHECK_THAT(data.error.message, Catch::Contains(words));
        CHECK(std::string(data.error.message).find('\n') == std::string::npos);
        CHECK(data.train == nullptr);
    };
    refused({}, "no inputs");
    auxo_arrays wrong = good;
    wrong.inputs.rank = 0;
    refused(wrong, "an array of 0 axes");
    wrong = good;
    wrong.inputs.element = AUXO_ELEMENT_COUNT;
    refused(wrong, "element type");
    wrong = good;
    wrong.inputs.dims[0] = UINT64_MAX;
    refused(wrong, "overflow");
    wrong = good;
    wrong.inputs.strides[0] = uint64_t(-8);
    refused(wrong, "overflow");
    wrong = good;
    wrong.inputs = array_of(gap, AUXO_ELEMENT_F32, {3, 2});
    refused(wrong, "arrays: inputs: row 1, value 2 is missing (nan)");
    wrong = good;
    wrong.name = "mine";
    wrong.labels.dims[0] = 2;
    refused(wrong, "mine: labels has 1 axes and 2 rows, but the inputs have 3");
    wrong = good;
    wrong.times = array_of(whole, AUXO_ELEMENT_F64, {3});
    refused(wrong, "needs times and events");
    wrong.events = array_of(events, AUXO_ELEMENT_BOOL, {3});
    refused(wrong, "labels beside times and events");
    wrong.labels = {};
    wrong.times = array_of(times, AUXO_ELEMENT_F64, {3});
    refused(wrong, "times: row 2 is -1, which is no time");
    wrong.times = array_of(whole, AUXO_ELEMENT_F64, {3});
    wrong.events = array_of(halves, AUXO_ELEMENT_F64, {3});
    refused(wrong, "events: row 3 is 0.5, which is neither 0 nor 1");
    const char *const names[] = {"a", "b"};
    wrong = good;
    wrong.class_names = names;
    wrong.class_count = 2;
    refused(wrong, "the label of row 3 is none of the 2 classes");
}

TEST_CASE("survival arrays have times and events")
{
    const std::vector<float> inputs = {1, 2, 3};
    const std::vector<float> times = {5, 3, 8};
    const std::vector<uint8_t> events = {1, 0, 1};
    auxo_arrays arrays = {};
    arrays.inputs = array_of(inputs, AUXO_ELEMENT_F32, {3, 1});
    arrays.times = array_of(times, AUXO_ELEMENT_F32, {3});
    arrays.events = array_of(events, AUXO_ELEMENT_BOOL, {3});
    ArrayData data(arrays, true);
    data.require_arrays();
    REQUIRE(data.train->target_type == AUXO_TARGET_SURVIVAL);
    CHECK(std::vector<double>(data.train->times, data.train->times + 3) == std::vector<double>{5, 3, 8});
    CHECK(std::vector<uint32_t>(data.train->events, data.train->events + 3) == std::vector<uint32_t>{1, 0, 1});
    CHECK(data.train->schema->target_type == AUXO_TARGET_SURVIVAL);
}

TEST_CASE("groups stay together, and sites have names")
{
    std::vector<float> inputs;
    std::vector<uint8_t> labels;
    std::vector<int64_t> groups;
    std::vector<uint16_t> sites;
    for (int i = 0; i < 60; i++) {
        inputs.push_back(float(i));
        labels.push_back(uint8_t(i % 2));
        groups.push_back(1000 - i / 6);
        sites.push_back(uint16_t(i < 20 ? 2 : 0));
    }
    const char *const names[] = {"Ulm", "Bonn", "Kiel"};
    auxo_arrays arrays = {};
    arrays.inputs = array_of(inputs, AUXO_ELEMENT_F32, {60, 1});
    arrays.labels = array_of(labels, AUXO_ELEMENT_U8, {60});
    arrays.groups = array_of(groups, AUXO_ELEMENT_I64, {60});
    arrays.sites = array_of(sites, AUXO_ELEMENT_U16, {60});
    arrays.site_names = names;
    arrays.site_count = 3;
    ArrayData data(arrays, true);
    data.require_arrays();
    REQUIRE(data.train->site_count == 3);
    CHECK(std::string(data.train->site_names[2]) == "Kiel");
    CHECK(data.train->sites[0] == 2);
    CHECK(data.train->sites[20] == 0);
    CHECK(data.train->groups[0] == 9);
    auxo_dataset *part = nullptr, *rest = nullptr;
    REQUIRE(auxo_dataset_split(data.train, 0.3, 1, false, &part, &rest, nullptr) == AUXO_OK);
    for (size_t i = 0; i < part->row_count; i++)
        for (size_t k = 0; k < rest->row_count; k++)
            REQUIRE(part->groups[i] != rest->groups[k]);
    auxo_dataset_destroy(part);
    auxo_dataset_destroy(rest);
    arrays.site_names = nullptr;
    ArrayData numbered(arrays);
    numbered.require_arrays();
    REQUIRE(numbered.train->site_count == 2);
    CHECK(std::string(numbered.train->site_names[1]) == "2");
    CHECK(numbered.train->sites[0] == 1);
    arrays.site_names = names;
    arrays.site_count = 2;
    ArrayData few(arrays);
    CHECK(few.load_arrays() == AUXO_FORMAT);
    CHECK_THAT(few.error.message, Catch::Contains("sites hold 2, but there are names for 0 to 1"));
    arrays.sites = {};
    arrays.groups.dims[0] = 59;
    ArrayData wrong(arrays);
    CHECK(wrong.load_arrays() == AUXO_FORMAT);
    CHECK_THAT(wrong.error.message, Catch::Contains("groups have 1 axes and 59 rows, but the inputs have 60"));
    arrays.groups = array_of(inputs, AUXO_ELEMENT_F32, {60});
    CHECK(wrong.load_arrays() == AUXO_FORMAT);
    CHECK_THAT(wrong.error.message, Catch::Contains("row 1 is no whole number"));
}

TEST_CASE("a run trains on arrays, tells how many epochs are left, and gives its report as text")
{
    std::vector<float> inputs;
    std::vector<uint8_t> labels;
    for (int i = 0; i < 200; i++) {
        inputs.push_back(float(i % 2) + 0.001f * float(i));
        inputs.push_back(float(i % 7));
        labels.push_back(uint8_t(i % 2));
    }
    auxo_arrays arrays = {}, test = {};
    arrays.name = "parity";
    arrays.inputs = array_of(inputs, AUXO_ELEMENT_F32, {200, 2});
    arrays.labels = array_of(labels, AUXO_ELEMENT_U8, {200});
    test = arrays;
    test.inputs.dims[0] = test.labels.dims[0] = 50;
    const auxo_method *method = auxo_method_find("train");
    Runtime runtime;
    auxo_settings *settings = nullptr;
    auxo_run *run = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_settings_create(method, &settings, nullptr) == AUXO_OK);
    for (const auto &value : std::vector<std::pair<const char *, const char *>>{
             {"device", "cpu"}, {"model", "mlp:4"}, {"epochs", "30"}, {"batch", "16"}})
        REQUIRE(auxo_settings_set(settings, value.first, value.second, nullptr) == AUXO_OK);
    REQUIRE(auxo_settings_set_arrays(settings, &arrays, &test, nullptr) == AUXO_OK);
    CHECK(std::string(auxo_settings_text(settings, "data")) == "parity");
    auxo_run_options options;
    auxo_run_options_init(&options);
    options.runtime = runtime;
    auxo_status opened = auxo_run_open(method, settings, &options, &run, &error);
    INFO(error.message);
    REQUIRE(opened == AUXO_OK);
    CHECK(auxo_run_epochs(run) == 30);
    bool done = false;
    REQUIRE(auxo_run_step(run, &done, nullptr) == AUXO_OK);
    CHECK(auxo_run_epochs(run) == 29);
    TempFolder folder;
    auxo_data_schema *schema = nullptr;
    REQUIRE(auxo_run_save_model(run, folder.file("now.safetensors").c_str(), &error) == AUXO_OK);
    REQUIRE(auxo_model_file_schema(folder.file("now.safetensors").c_str(), &schema, nullptr) == AUXO_OK);
    REQUIRE(schema != nullptr);
    CHECK(schema->class_count == 2);
    auxo_data_schema_destroy(schema);
    CHECK(auxo_run_save_model(run, folder.file("gone/now.safetensors").c_str(), nullptr) == AUXO_IO);
    REQUIRE(auxo_run_complete(run, &error) == AUXO_OK);
    CHECK(auxo_run_epochs(run) == 0);
    CHECK_THAT(auxo_run_result(run), Catch::Contains("\"test_accuracy\":1,"));
    char *text = nullptr;
    REQUIRE(auxo_run_report(run, &text, nullptr) == AUXO_OK);
    CHECK_THAT(text, Catch::StartsWith("<!DOCTYPE html>") && Catch::Contains("parity") && Catch::Contains("<svg"));
    free(text);
    auxo_run_close(run);
    REQUIRE(auxo_settings_set_arrays(settings, nullptr, nullptr, nullptr) == AUXO_OK);
    CHECK(std::string(auxo_settings_text(settings, "data")) == "glyphs");
    auxo_settings_destroy(settings);
}

TEST_CASE("arrays are written as NumPy's files, which read back as they were")
{
    TempFolder folder;
    const std::vector<float> inputs = {1, 2, 3, 4, 5, 6};
    const std::vector<uint8_t> labels = {1, 0, 1};
    const char *const names[] = {"X", "y"};
    const auxo_array arrays[] = {array_of(inputs, AUXO_ELEMENT_F32, {3, 2}), array_of(labels, AUXO_ELEMENT_U8, {3})};
    Error error;
    REQUIRE_OK(auxo_arrays_write(folder.file("both.npz").c_str(), names, arrays, 2, error));
    LoadedData data;
    data.require(folder.file("both.npz"), {});
    CHECK(features_of(data.train) == inputs);
    CHECK(labels_of(data.train) == std::vector<uint32_t>{1, 0, 1});
    REQUIRE_OK(auxo_arrays_write(folder.file("X.npy").c_str(), nullptr, arrays, 1, error));
    const std::string written = read_whole_file(folder.file("X.npy"));
    CHECK((written.size() - sizeof(float) * 6) % 64 == 0);
    CHECK(memcmp(written.data() + written.size() - 24, inputs.data(), 24) == 0);
    CHECK(auxo_arrays_write(folder.file("X.txt").c_str(), nullptr, arrays, 1, error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.text(), Catch::Contains("neither in .npy nor in .npz"));
    CHECK(auxo_arrays_write(folder.file("two.npy").c_str(), names, arrays, 2, error) == AUXO_INVALID_ARGUMENT);
    auxo_array gaps = arrays[0];
    gaps.strides[0] = 12;
    gaps.strides[1] = 4;
    CHECK(auxo_arrays_write(folder.file("gaps.npy").c_str(), nullptr, &gaps, 1, error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.text(), Catch::Contains("gaps"));
    CHECK(auxo_arrays_write(folder.file("gone/X.npy").c_str(), nullptr, arrays, 1, error) == AUXO_IO);
}

TEST_CASE("the user's cache folder")
{
    char folder[64], small[4];
    setenv("AUXO_CACHE_DIR", "/tmp/mine", 1);
    REQUIRE(auxo_cache_folder(folder, sizeof folder));
    CHECK(std::string(folder) == "/tmp/mine");
    CHECK_FALSE(auxo_cache_folder(small, sizeof small));
    unsetenv("AUXO_CACHE_DIR");
    setenv("XDG_CACHE_HOME", "/tmp/cache", 1);
    REQUIRE(auxo_cache_folder(folder, sizeof folder));
    CHECK(std::string(folder) == "/tmp/cache/auxo/kernels");
}
