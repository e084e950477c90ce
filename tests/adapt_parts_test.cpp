// tests/adapt_parts_test.cpp: parts of the controller that are not public: directions of GradMax, layers that may go
// from a plain network, and its memory of moves that did not pay.
extern "C" {
#include "adapt_internal.h"
#include "bottleneck.h"
#include "dense_block.h"
#include "plain_run.h"
}
#include "support/adapt.hpp"

#include <algorithm>
#include <cmath>
#include <memory>

using namespace auxo_test;

namespace
{

struct Proposals : auxo__proposals {
    Proposals() : auxo__proposals{}
    {
    }
    ~Proposals()
    {
        auxo__proposals_deinit(this);
    }
    Proposals(const Proposals &) = delete;
    Proposals &operator=(const Proposals &) = delete;
};

} // namespace

TEST_CASE("GradMax: the gradient of new outgoing weights is as large as it says, and larger than a draw's")
{
    Runtime runtime;
    Device device(runtime, "cpu"); // plugins are linked with the shared library, this with the objects
    {
        Glyphs data(64);
        for (const char *json : {R"({"name":"n","layers":[{"name":"input","kind":"input","shape":[1,28,28]},
              {"name":"flat","kind":"flatten","inputs":["input"]},
              {"name":"hidden","kind":"dense","units":4,"inputs":["flat"]},
              {"name":"output","kind":"dense","units":10,"inputs":["hidden"]}]})",
                                 R"({"name":"n","layers":[{"name":"input","kind":"input","shape":[1,28,28]},
              {"name":"first","kind":"conv2d","units":3,"kernel":[3,3],"stride":[2,2],"pad":[1,1],"inputs":["input"]},
              {"name":"hidden","kind":"conv2d","units":4,"kernel":[3,3],"stride":[2,2],"pad":[1,1],"inputs":["first"]},
              {"name":"output","kind":"conv2d","units":10,"kernel":[3,3],"pad":[1,1],"inputs":["hidden"]},
              {"name":"pool","kind":"global_average_pool","inputs":["output"]},
              {"name":"vector","kind":"flatten","inputs":["pool"]}]})"}) {
            Desc desc{std::string(json)};
            Model model(device, desc.desc);
            auxo_adapt_options options = small_options();
            options.grow_init = AUXO_GROW_GRADMAX;
            options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_WIDEN;
            options.growth_fraction = 0;
            options.growth_minimum = 2;
            options.training.standardize = false;
            Adapt adapt(model, data, options);
            INFO(adapt.error.text());
            REQUIRE(adapt.status == AUXO_OK);
            Error error;
            const uint32_t hidden = auxo_model_desc_find(auxo_model_get_desc(model), "hidden");
            bool possible = false;
            char why[64] = "";
            float *rows = nullptr;
            double *squared = nullptr;
            const auxo_status status = auxo__growth_directions(adapt.adapt, AUXO_GROW_GRADMAX, hidden, 2, &possible,
                                                               why, &rows, &squared, error);
            std::unique_ptr<float, void (*)(void *)> own_rows(rows, std::free);
            std::unique_ptr<double, void (*)(void *)> own_squared(squared, std::free);
            if (status == AUXO_UNSUPPORTED) {
                WARN("LAPACK is not installed: GradMax is not tested");
                return;
            }
            REQUIRE_OK(status);
            INFO(why);
            REQUIRE(possible);
            CHECK(squared[0] >= squared[1]);
            // The measured energy of the gradient of the new columns, by growing: linear units, so exactly.
            auto outgoing_energy = [&](auxo_grow_init init) {
                adapt.adapt->options.grow_init = init;
                REQUIRE_OK(auxo__adapt_begin(adapt.adapt, error));
                Proposals proposals;
                REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->propose(adapt.adapt, &proposals, error));
                const auxo__proposal *widen = nullptr;
                for (size_t p = 0; p < proposals.count; p++)
                    if (proposals.items[p].layer == hidden)
                        widen = &proposals.items[p];
                REQUIRE(widen);
                auxo_snapshot *snapshot = nullptr;
                REQUIRE_OK(auxo_snapshot_take(adapt.adapt->trainer, &snapshot, error));
                std::unique_ptr<auxo_snapshot, void (*)(auxo_snapshot *)> owner(snapshot, auxo_snapshot_destroy);
                REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->apply(adapt.adapt, widen, error));
                const auxo_param *param = auxo_model_find_param(model, "output.weight");
                double *gradient = nullptr, energy = 0;
                REQUIRE_OK(auxo__measure_gradient(&adapt.adapt->measure, param, &gradient, error));
                const int64_t in = param->dims[1],
                              all = auxo_tensor_element_count(
                                  std::make_unique<auxo_tensor>(auxo_model_param_tensor(model, param)).get());
                const int64_t window = all / (param->dims[0] * in);
                for (int64_t o = 0; o < param->dims[0]; o++)
                    for (int64_t c = in - 2; c < in; c++)
                        for (int64_t w = 0; w < window; w++)
                            energy += std::pow(gradient[(o * in + c) * window + w], 2);
                std::free(gradient);
                REQUIRE_OK(auxo_snapshot_restore(snapshot, adapt.adapt->trainer, error));
                return energy;
            };
            const double best = outgoing_energy(AUXO_GROW_GRADMAX), drawn = outgoing_energy(AUXO_GROW_DRAW);
            INFO(device.selector << ": " << best << " expected " << squared[0] + squared[1] << ", drawn " << drawn);
            CHECK(std::abs(best - (squared[0] + squared[1])) <= 1e-3 * best);
            CHECK(best > drawn);
        }
    }
}

// What least squares of `b` (rows, units) leaves of `v` (rows, out), by gradient-free elimination: normal equations.
static std::vector<double> residual(const std::vector<float> &b, const std::vector<double> &v, int rows, int units,
                                    int out)
{
    std::vector<double> a(static_cast<size_t>(units) * units), c(static_cast<size_t>(units) * out), left = v;
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < units; i++) {
            for (int j = 0; j < units; j++)
                a[i * units + j] += static_cast<double>(b[r * units + i]) * b[r * units + j];
            for (int o = 0; o < out; o++)
                c[i * out + o] += static_cast<double>(b[r * units + i]) * v[r * out + o];
        }
    for (int p = 0; p < units; p++) // Gauss-Jordan; the matrix is positive definite
        for (int i = 0; i < units; i++) {
            const double factor = i == p ? 0 : a[i * units + p] / a[p * units + p];
            for (int j = 0; j < units && factor != 0; j++)
                a[i * units + j] -= factor * a[p * units + j];
            for (int o = 0; o < out && factor != 0; o++)
                c[i * out + o] -= factor * c[p * out + o];
        }
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++)
            for (int i = 0; i < units; i++)
                left[r * out + o] -= b[r * units + i] * c[i * out + o] / a[i * units + i];
    return left;
}

TEST_CASE(
    "bottleneck: its best direction lowers what least squares leaves by as much as it says, and by more than others")
{
    const int rows = 60, in = 5, units = 3, out = 4;
    std::vector<float> x(rows * in), b(rows * units);
    std::vector<double> v(rows * out), past(out * in), reader(out * units), directions(in * in), squared(in);
    uint32_t state = 7;
    auto draw = [&] {
        state = state * 1664525u + 1013904223u;
        return static_cast<float>(state >> 8) / 8388608.0f - 1.0f;
    };
    for (float &value : x)
        value = draw();
    for (int r = 0; r < rows; r++)
        for (int u = 0; u < units; u++)
            b[r * units + u] = std::tanh(x[r * in + u] - 0.7f * x[r * in + u + 1] + 0.3f * draw());
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++)
            v[r * out + o] = static_cast<double>(2 * b[r * units + o % units] + x[r * in + o] + 0.2f * draw());
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < out; o++) {
            for (int i = 0; i < in; i++)
                past[o * in + i] += v[r * out + o] * static_cast<double>(x[r * in + i]) / rows;
            for (int u = 0; u < units; u++)
                reader[o * units + u] += v[r * out + o] * static_cast<double>(b[r * units + u]) / rows;
        }
    const auxo__bottleneck of = {in, units, out, rows, x.data(), b.data(), past.data(), reader.data()};
    Error error;
    const auxo_status status = auxo__bottleneck_directions(&of, directions.data(), squared.data(), error);
    if (status == AUXO_UNSUPPORTED) {
        WARN("LAPACK is not installed: the bottleneck is not tested");
        return;
    }
    REQUIRE_OK(status);
    const std::vector<double> left = residual(b, v, rows, units, out);
    // The largest decrease of the mean squared remainder by a multiple of the unit that reads `direction`.
    auto gain = [&](const double *direction) {
        double power = 0, decrease = 0;
        std::vector<double> sums(out);
        for (int r = 0; r < rows; r++) {
            double unit = 0;
            for (int i = 0; i < in; i++)
                unit += direction[i] * static_cast<double>(x[r * in + i]);
            power += unit * unit / rows;
            for (int o = 0; o < out; o++)
                sums[o] += left[r * out + o] * unit / rows;
        }
        for (double sum : sums)
            decrease += sum * sum / power;
        return decrease;
    };
    const double best = gain(&directions[(in - 1) * in]);
    INFO(best << " and " << squared[in - 1]);
    CHECK(std::abs(best - squared[in - 1]) <= 1e-9 * best);
    CHECK(squared[in - 1] > squared[in - 2]);
    for (int k = 0; k + 1 < in; k++)
        CHECK(gain(&directions[k * in]) <= best);
    for (int t = 0; t < 200; t++) {
        double other[in];
        for (double &value : other)
            value = static_cast<double>(draw());
        CHECK(gain(other) <= best * (1 + 1e-9));
    }
}

TEST_CASE("bottleneck: new units of dense layers read its directions, and a convolution's are drawn")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    for (const char *name : {"mlp:784-6-5-10:tanh", "conv:3-4:3:2"}) {
        Desc desc(name, 1, 28, 28, 10);
        Model model(device, desc.desc);
        auxo_adapt_options options = small_options();
        options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_WIDEN;
        options.score = AUXO_ADAPT_SCORE_BOTTLENECK;
        options.grow_init = AUXO_GROW_BOTTLENECK;
        Adapt adapt(model, data, options);
        REQUIRE(adapt.status == AUXO_OK);
        adapt.train(4);
        Error error;
        const bool dense = name[0] == 'm';
        const uint32_t layer = auxo_model_desc_find(auxo_model_get_desc(model), dense ? "dense2" : "conv1");
        bool possible = false;
        char why[64] = "";
        float *rows = nullptr;
        double *squared = nullptr;
        const auxo_status status = auxo__growth_directions(adapt.adapt, AUXO_GROW_BOTTLENECK, layer, 2, &possible, why,
                                                           &rows, &squared, error);
        std::unique_ptr<float, void (*)(void *)> own_rows(rows, std::free);
        std::unique_ptr<double, void (*)(void *)> own_squared(squared, std::free);
        if (status == AUXO_UNSUPPORTED)
            return;
        REQUIRE_OK(status);
        CHECK(possible == dense);
        if (dense) {
            CHECK(squared[0] >= squared[1]);
            CHECK(squared[1] >= 0);
        } else {
            CHECK(std::string(why).size() > 0);
        }
        REQUIRE_OK(auxo__adapt_begin(adapt.adapt, error));
        Proposals proposals;
        REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->propose(adapt.adapt, &proposals, error));
        for (size_t p = 0; p < proposals.count; p++) {
            if (proposals.items[p].layer != layer)
                continue;
            REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->apply(adapt.adapt, &proposals.items[p], error));
            const uint32_t units = auxo_model_get_desc(model)->layers[layer].units;
            CHECK(units == desc.desc.layers[layer].units + 2);
            if (dense) {
                const std::vector<float> weights = model.param("dense2.weight");
                CHECK(std::equal(rows, rows + 2 * 6, &weights[(units - 2) * 6]));
            }
            break;
        }
    }
}

TEST_CASE("each time that a move did not pay its wait doubles, then it is tried again")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-6-10", 1, 28, 28, 10);
    Model model(device, desc.desc);
    Adapt adapt(model, data, small_options());
    REQUIRE(adapt.status == AUXO_OK);
    Error error;
    auxo__proposal proposal = {};
    proposal.move = AUXO_ADAPT_WIDEN;
    std::snprintf(proposal.where, sizeof proposal.where, "dense1");
    CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &proposal));
    uint32_t wait = 4;
    for (int i = 0; i < 3; i++, wait *= 2) {
        REQUIRE_OK(auxo__adapt_refuse(adapt.adapt, &proposal, error));
        adapt.adapt->cycle += wait - 1;
        CHECK(auxo__adapt_refused(adapt.adapt, &proposal));
        adapt.adapt->cycle += 1;
        CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &proposal));
    }
    proposal.move = AUXO_ADAPT_NARROW;
    CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &proposal));
}

TEST_CASE(
    "layers of a plain network may go where they lead from a shape to the same one, and the others keep all they know")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-6-6-5-5-5-10", 1, 28, 28, 10);
    auto layer = [&](const char *name) { return auxo_model_desc_find(&desc.desc, name); };
    auto may_go = [&](const char *first, const char *last) {
        return auxo__plain_run_is(&desc.desc, layer(first), layer(last) + 1);
    };
    CHECK_FALSE(may_go("dense1", "dense1")); // reads the image
    CHECK(may_go("dense2", "dense2"));
    CHECK_FALSE(may_go("dense2", "dense3")); // from 6 units to 5
    CHECK_FALSE(may_go("dense3", "dense3"));
    CHECK(may_go("dense4", "dense5"));
    CHECK(may_go("dense4", "dense4"));
    CHECK_FALSE(may_go("dense5", "dense6")); // the output stays
    CHECK_FALSE(may_go("dense6", "dense6"));
    Error error;
    auxo_model_desc inserted;
    REQUIRE_OK(auxo__dense_block_insert(&desc.desc, layer("dense4"), "grown1", &inserted, error));
    const uint32_t fourth = auxo_model_desc_find(&inserted, "dense4");
    CHECK(auxo__plain_run_is(&inserted, fourth + 1, fourth + 2) == false); // there is a way round it
    CHECK(auxo__plain_run_is(&inserted, fourth + 2, fourth + 3) == false);
    CHECK(auxo__plain_run_is(&inserted, fourth, fourth + 1) == false); // it is read twice
    auxo_model_desc_deinit(&inserted);

    Model model(device, desc.desc);
    auxo_adapt_options options = small_options();
    options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_REMOVE;
    Adapt adapt(model, data, options);
    REQUIRE(adapt.status == AUXO_OK);
    adapt.train(3);
    const std::vector<float> first = model.param("dense1.weight"), sixth = model.param("dense6.weight");
    const size_t moments = auxo_optimizer_carried_state(auxo_trainer_optimizer(auxo_adapt_trainer(adapt.adapt))).count;
    const std::vector<float> before = adapt.state();
    const size_t weights = auxo_model_weight_count(model);
    REQUIRE(adapt.apply(AUXO_ADAPT_REMOVE));
    CHECK(auxo_model_weight_count(model) < weights);
    CHECK(same_bits(model.param("dense1.weight"), first));
    CHECK(same_bits(model.param("dense6.weight"), sixth));
    const std::vector<float> after = adapt.state();
    for (size_t m = 0; m <= moments; m++) // of the weights and of each moment, the first layer's lie first
        CHECK(std::equal(&after[m * auxo_model_weight_count(model)],
                         &after[m * auxo_model_weight_count(model)] + first.size(), &before[m * weights]));
    adapt.undo();
    CHECK(same_bits(adapt.state(), before));
}

TEST_CASE("what did not pay with one run of plain layers is not tried with the next, and is forgiven once it pays")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-6-6-6-10", 1, 28, 28, 10);
    Model model(device, desc.desc);
    Adapt adapt(model, data, small_options());
    REQUIRE(adapt.status == AUXO_OK);
    Error error;
    auxo__proposal one = {}, other = {};
    one.move = other.move = AUXO_ADAPT_REMOVE;
    one.plain_layers = other.plain_layers = true;
    std::snprintf(one.where, sizeof one.where, "dense2");
    std::snprintf(other.where, sizeof other.where, "dense3");
    for (const uint32_t wait : {4u, 8u, 16u, 32u, 32u}) { // not for ever: a stall may end later
        REQUIRE_OK(auxo__adapt_refuse(adapt.adapt, &one, error));
        adapt.adapt->cycle += wait - 1;
        CHECK(auxo__adapt_refused(adapt.adapt, &other));
        adapt.adapt->cycle += 1;
        CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &other));
    }
    auxo__adapt_forgive(adapt.adapt, &other);
    REQUIRE_OK(auxo__adapt_refuse(adapt.adapt, &one, error));
    adapt.adapt->cycle += 4;
    CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &one));
    other.plain_layers = false; // a residual block has a place of its own
    REQUIRE_OK(auxo__adapt_refuse(adapt.adapt, &one, error));
    CHECK_FALSE(auxo__adapt_refused(adapt.adapt, &other));
}

TEST_CASE("widening all layers at once makes the network that it promised, which computes what the old one did")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    for (const char *name : {"mlp:784-6-5-10:tanh", "conv:3-4:3:2"}) {
        INFO(name);
        Desc desc(name, 1, 28, 28, 10);
        Model model(device, desc.desc);
        auxo_adapt_options options = small_options();
        options.moves = 1u << AUXO_ADAPT_TRAIN | 1u << AUXO_ADAPT_WIDEN;
        Adapt adapt(model, data, options);
        REQUIRE(adapt.status == AUXO_OK);
        adapt.train(4);
        Error error;
        const std::vector<float> before = data.outputs(model);
        REQUIRE_OK(auxo__adapt_begin(adapt.adapt, error));
        Proposals proposals;
        REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->propose(adapt.adapt, &proposals, error));
        REQUIRE(proposals.count == 3); // each of the two, and both
        const auxo__proposal &all = proposals.items[2];
        CHECK(std::string(all.where) == "all layers");
        CHECK(all.added == proposals.items[0].added + proposals.items[1].added);
        CHECK(all.gain - 1 == Approx(proposals.items[0].gain + proposals.items[1].gain - 2));
        REQUIRE_OK(auxo__move_of(adapt.adapt, AUXO_ADAPT_WIDEN)->apply(adapt.adapt, &all, error));
        for (uint32_t l = 0; l < all.desc.layer_count; l++)
            CHECK(auxo_model_get_desc(model)->layers[l].units == all.desc.layers[l].units);
        const std::vector<float> after = data.outputs(model);
        REQUIRE(after.size() == before.size());
        for (size_t i = 0; i < after.size(); i++)
            CHECK(std::abs(after[i] - before[i]) < 2e-5f);
    }
}
