// Splitting of units: what the loss does is what was promised, and no other step of that length does better.
extern "C" {
#include "adapt_internal.h"
#include "model_internal.h"
#include "split.h"
}

#include "support/adapt.hpp"

#include <algorithm>
#include <cmath>
#include <random>

using namespace auxo_test;

namespace
{

auxo_adapt_options split_options()
{
    auxo_adapt_options options = small_options();
    options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_WIDEN;
    options.measure_batches = 2;
    options.measure_rows = 32; // all rows of Glyphs(64)
    options.training.standardize = false;
    return options;
}

double measured_loss(auxo_model *model, const auxo_adapt *adapt)
{
    auxo__measure measure{};
    Error error;
    REQUIRE_OK(auxo__measure_init(&measure, model, adapt->train, &adapt->options, error));
    REQUIRE_OK(auxo__measure_run(&measure, error));
    const double loss = measure.found.loss;
    auxo__measure_deinit(&measure);
    return loss;
}

// The loss after a copy of the model has made these splits.
double loss_after(const auxo_adapt *adapt, uint32_t layer, const auxo__splits &splits)
{
    Error error;
    auxo_model *copy = nullptr;
    REQUIRE_OK(auxo_model_clone(adapt->model, &copy, error));
    const uint32_t units = auxo_model_get_desc(copy)->layers[layer].units;
    std::vector<uint32_t> kept(units);
    for (uint32_t u = 0; u < units; u++)
        kept[u] = u;
    auxo_unit_edit edit{};
    edit.layer = layer;
    edit.kept = kept.data();
    edit.kept_count = units;
    edit.added_count = splits.count;
    REQUIRE_OK(auxo_model_resize(copy, &edit, 1, 7, nullptr, error));
    REQUIRE_OK(auxo__splits_apply(copy, layer, units, &splits, error));
    const double loss = measured_loss(copy, adapt);
    auxo_model_destroy(copy);
    return loss;
}

const char *const POOLED = R"({"name":"n","layers":[{"name":"input","kind":"input","shape":[1,28,28]},
    {"name":"pool","kind":"pool2d","pool":"average","kernel":[7,7],"stride":[7,7],"inputs":["input"]},
    {"name":"flat","kind":"flatten","inputs":["pool"]},
    {"name":"hidden","kind":"dense","units":3,"activation":"tanh","inputs":["flat"]},
    {"name":"output","kind":"dense","units":10,"inputs":["hidden"]}]})";

const char *const WINDOWED = R"({"name":"n","layers":[{"name":"input","kind":"input","shape":[1,28,28]},
    {"name":"hidden","kind":"conv2d","units":3,"kernel":[3,3],"stride":[2,2],"pad":[1,1],"bias":false,"inputs":["input"]},
    {"name":"norm","kind":"batch_norm","inputs":["hidden"]},
    {"name":"relu","kind":"activation","activation":"relu","inputs":["norm"]},
    {"name":"pool","kind":"pool2d","pool":"max","kernel":[2,2],"stride":[2,2],"inputs":["relu"]},
    {"name":"flat","kind":"flatten","inputs":["pool"]},
    {"name":"output","kind":"dense","units":10,"inputs":["flat"]}]})";

} // namespace

TEST_CASE("splitting: the loss falls by what was promised, and more than along any drawn direction")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc{std::string(POOLED)};
    Model model(device, desc.desc);
    Adapt adapt(model, data, split_options());
    INFO(adapt.error.text());
    REQUIRE(adapt.status == AUXO_OK);
    adapt.train(30);
    Error error;
    const uint32_t hidden = auxo_model_desc_find(auxo_model_get_desc(model), "hidden");
    bool possible = false;
    char why[64] = "";
    auxo__splits splits{};
    REQUIRE_OK(auxo__splits_find(adapt.adapt, hidden, 5, &possible, why, &splits, error));
    INFO(why);
    REQUIRE(possible);
    REQUIRE(splits.count == 3); // of 3 units, not 5
    CHECK(splits.energies[0] >= splits.energies[1]);
    CHECK(splits.energies[1] >= splits.energies[2]);
    REQUIRE(splits.energies[0] > 0);
    REQUIRE(splits.changes[0] < 0);
    const double before = measured_loss(model, adapt.adapt);
    const size_t row = 16;
    auxo__splits one = splits;
    one.count = 1;
    const double change = loss_after(adapt.adapt, hidden, one) - before;
    INFO("promised " << splits.changes[0] << ", came " << change);
    CHECK(std::abs(change - splits.changes[0]) <= 0.1 * std::abs(splits.changes[0]));
    double length = 0;
    for (size_t c = 0; c < row; c++)
        length += std::pow(static_cast<double>(splits.steps[c]), 2);
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    std::vector<float> drawn(row);
    one.steps = drawn.data();
    for (int i = 0; i < 40; i++) {
        double squares = 0;
        for (float &value : drawn) {
            value = normal(random);
            squares += static_cast<double>(value) * static_cast<double>(value);
        }
        for (float &value : drawn)
            value = static_cast<float>(static_cast<double>(value) * std::sqrt(length / squares));
        CHECK(loss_after(adapt.adapt, hidden, one) - before >= change);
    }
    auxo__splits_deinit(&splits);
}

TEST_CASE("splitting: two equal halves are the unit that was there, through batch norm, pooling and flattening")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    for (const char *json : {POOLED, WINDOWED}) {
        Desc desc{std::string(json)};
        Model model(device, desc.desc);
        Adapt adapt(model, data, split_options());
        INFO(adapt.error.text());
        REQUIRE(adapt.status == AUXO_OK);
        adapt.train(10);
        Error error;
        const uint32_t hidden = auxo_model_desc_find(auxo_model_get_desc(model), "hidden");
        bool possible = false;
        char why[64] = "";
        auxo__splits splits{};
        REQUIRE_OK(auxo__splits_find(adapt.adapt, hidden, 2, &possible, why, &splits, error));
        INFO(why);
        REQUIRE(possible);
        const double before = measured_loss(model, adapt.adapt);
        CHECK(std::abs(loss_after(adapt.adapt, hidden, splits) - before) < 0.02 * before);
        std::fill(splits.steps, splits.steps + splits.count * (json == POOLED ? 16 : 9), 0.0f);
        CHECK(std::abs(loss_after(adapt.adapt, hidden, splits) - before) < 1e-5 * before);
        auxo__splits_deinit(&splits);
    }
}

TEST_CASE("splitting is refused where a unit has several readers")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("resnet18", 1, 28, 28, 10);
    Model model(device, desc.desc);
    Adapt adapt(model, data, split_options());
    REQUIRE(adapt.status == AUXO_OK);
    Error error;
    bool possible = true;
    char why[64] = "";
    auxo__splits splits{};
    REQUIRE_OK(auxo__splits_find(adapt.adapt, 1, 2, &possible, why, &splits, error));
    CHECK_FALSE(possible);
    CHECK(std::string(why).find("splitting needs one") == 0);
}
