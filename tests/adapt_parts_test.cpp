// tests/adapt_parts_test.cpp: parts of the controller that are not public: directions of GradMax, and its memory of
// moves that did not pay.
extern "C" {
#include "adapt_internal.h"
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
            const auxo_status status =
                auxo__gradmax_directions(adapt.adapt, hidden, 2, &possible, why, &rows, &squared, error);
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
