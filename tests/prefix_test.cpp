// tests/prefix_test.cpp: training a block with what the frozen layers put out computed once: the same numbers as
// without, on dense, convolutional, normalised and residual networks, in f32 and 16 bits; and when it may not be kept.
#include "support/adapt.hpp"

#include <algorithm>
#include <memory>
#include <string>

using namespace auxo_test;

namespace
{

class Training
{
  public:
    Training(Device &device, const auxo_model_desc &desc, const LoadedData &data, uint64_t limit_bytes,
             auxo_precision precision = AUXO_PRECISION_DEFAULT, bool augmented = false)
        : model(device, desc)
    {
        options.batch = 16;
        options.seed = 3;
        options.precision = precision;
        options.standardize = true;
        options.on_step = keep_loss;
        options.on_step_user = &losses;
        options.log_every = 1;
        options.augmentation.enabled = augmented;
        options.augmentation.max_shift_h = options.augmentation.max_shift_w = 2;
        REQUIRE_OK(auxo_optimizer_config_parse("adam:lr=0.01", &options.optimizer, error));
        REQUIRE_OK(auxo_trainer_create(model, data.train, data.test, &options, &trainer, error));
        auxo_trainer_keep_prefix(trainer, limit_bytes);
    }
    ~Training()
    {
        auxo_trainer_destroy(trainer);
    }
    Training(const Training &) = delete;
    Training &operator=(const Training &) = delete;
    // Trains what begins at a layer.
    void freeze_below(uint32_t layer)
    {
        const uint32_t count = auxo_model_get_desc(model)->layer_count;
        std::unique_ptr<bool[]> train(new bool[count]());
        for (uint32_t l = layer; l < count; l++)
            train[l] = true;
        REQUIRE_OK(auxo_trainer_set_train_layers(trainer, layer > 0 ? train.get() : nullptr, error));
    }
    void epochs(int count)
    {
        for (int e = 0; e < count; e++) {
            bool finished = false;
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
        }
    }
    bool has_op(const std::string &label) const
    {
        const auxo_plan *plan = auxo_trainer_plan(trainer);
        for (size_t i = 0; i < auxo_plan_op_count(plan); i++)
            if (label == auxo_plan_op_info_at(plan, i).label)
                return true;
        return false;
    }
    Error error;
    auxo_train_options options = {};
    std::vector<double> losses;
    Model model;
    auxo_trainer *trainer = nullptr;
};

const uint64_t PLENTY = 64u << 20;

} // namespace

TEST_CASE("a block trained from kept outputs of the frozen layers has the same losses and weights")
{
    struct Case {
        const char *model, *layer;
    };
    for_each_device([](Device &device) {
        Glyphs data(70); // five batches, the last one smaller
        for (const Case &of : {Case{"mlp:784-9-7-5-10", "dense3"}, Case{"conv:3-4:3:2", "conv2"},
                               Case{"lenet5", "dense1"}, Case{"resnet18", "stage4"}}) {
            const bool large = std::string(of.model) == "resnet18";
            if (large && device.selector != "cpu")
                continue;
            Desc desc(of.model, 1, 28, 28, 10);
            uint32_t layer = 0;
            for (uint32_t l = desc.desc.layer_count; l-- > 1;)
                if (std::string(desc.desc.layers[l].name).rfind(of.layer, 0) == 0)
                    layer = l;
            INFO(device.selector << " " << of.model);
            REQUIRE(layer > 0);
            Training kept(device, desc.desc, data, PLENTY), computed(device, desc.desc, data, 0);
            for (Training *training : {&kept, &computed}) {
                training->epochs(large ? 0 : 1); // statistics of batch norm move, too
                training->freeze_below(layer);
                training->epochs(large ? 1 : 3);
            }
            CHECK(kept.has_op("batch.prefix"));
            CHECK_FALSE(computed.has_op("batch.prefix"));
            CHECK(kept.losses == computed.losses);
            CHECK(same_bits(kept.model.weights(), computed.model.weights()));
            if (large)
                continue;
            // Lower layers move on; what was kept of them is not used any more.
            for (Training *training : {&kept, &computed}) {
                training->freeze_below(0);
                training->epochs(1);
                training->freeze_below(layer);
                training->epochs(1);
            }
            CHECK(kept.losses == computed.losses);
            CHECK(same_bits(kept.model.weights(), computed.model.weights()));
        }
    });
}

TEST_CASE("16 bits from kept outputs are those of the step")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("conv:3-4:3:2", 1, 28, 28, 10);
    const uint32_t layer = auxo_model_desc_find(&desc.desc, "conv2");
    for (const auxo_precision precision : {AUXO_PRECISION_BF16, AUXO_PRECISION_F16}) {
        Training kept(device, desc.desc, data, PLENTY, precision), computed(device, desc.desc, data, 0, precision);
        for (Training *training : {&kept, &computed}) {
            training->freeze_below(layer);
            training->epochs(2);
        }
        CHECK(kept.has_op("batch.prefix"));
        CHECK(kept.losses == computed.losses);
        CHECK(same_bits(kept.model.weights(), computed.model.weights()));
    }
}

TEST_CASE("outputs of frozen layers are forgotten when a snapshot brings other weights back")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc desc("mlp:784-9-7-10", 1, 28, 28, 10);
    const uint32_t layer = auxo_model_desc_find(&desc.desc, "dense2");
    Training kept(device, desc.desc, data, PLENTY), computed(device, desc.desc, data, 0);
    for (Training *training : {&kept, &computed}) {
        training->freeze_below(layer);
        auxo_snapshot *snapshot = nullptr;
        Error error;
        REQUIRE_OK(auxo_snapshot_take(training->trainer, &snapshot, error));
        std::unique_ptr<auxo_snapshot, void (*)(auxo_snapshot *)> owner(snapshot, auxo_snapshot_destroy);
        training->freeze_below(0);
        training->epochs(1);
        training->freeze_below(layer);
        training->epochs(1); // kept now, of weights that go
        REQUIRE_OK(auxo_snapshot_restore(snapshot, training->trainer, error));
        training->epochs(1);
    }
    CHECK(kept.losses == computed.losses);
    CHECK(same_bits(kept.model.weights(), computed.model.weights()));
}

TEST_CASE("outputs of frozen layers are not kept past a dropout, of augmented rows, or beyond the limit")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(64);
    Desc dropped{std::string(R"({"name":"n","layers":[{"name":"input","kind":"input","shape":[1,28,28]},
      {"name":"flat","kind":"flatten","inputs":["input"]},
      {"name":"first","kind":"dense","units":6,"activation":"relu","inputs":["flat"]},
      {"name":"drop","kind":"dropout","rate":0.5,"inputs":["first"]},
      {"name":"second","kind":"dense","units":5,"activation":"relu","inputs":["drop"]},
      {"name":"output","kind":"dense","units":10,"inputs":["second"]}]})")};
    const uint32_t output = auxo_model_desc_find(&dropped.desc, "output");
    Training kept(device, dropped.desc, data, PLENTY), computed(device, dropped.desc, data, 0);
    for (Training *training : {&kept, &computed}) {
        training->freeze_below(output);
        training->epochs(2);
    }
    CHECK(kept.has_op("batch.prefix")); // of what lies before the dropout
    CHECK(kept.losses == computed.losses);
    CHECK(kept.losses[0] != kept.losses[4]);
    Training augmented(device, dropped.desc, data, PLENTY, AUXO_PRECISION_DEFAULT, true);
    augmented.freeze_below(output);
    augmented.epochs(1);
    CHECK_FALSE(augmented.has_op("batch.prefix"));
    Training small(device, dropped.desc, data, 64 * 6 * sizeof(float) - 1);
    small.freeze_below(output);
    small.epochs(1);
    CHECK_FALSE(small.has_op("batch.prefix"));
}

TEST_CASE("the controller trains the same blocks to the same bits with and without kept outputs")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("mlp:784-9-7-6-10", 1, 28, 28, 10);
        std::vector<float> weights[2];
        for (const int kept : {0, 1}) {
            Model model(device, desc.desc);
            auxo_adapt_options options = small_options();
            options.moves = 1u << AUXO_ADAPT_BLOCK;
            options.cycle_epochs = 2;
            options.prefix_bytes = kept ? 1 << 20 : 0;
            Adapt adapt(model, data, options);
            REQUIRE(adapt.status == AUXO_OK);
            uint64_t most = 0, least = UINT64_MAX;
            for (int i = 0; i < 6; i++) {
                const auxo_adapt_record record = adapt.next();
                most = std::max(most, record.memory_bytes);
                least = std::min(least, record.memory_bytes);
            }
            CHECK(most >= least);
            weights[kept] = model.weights();
        }
        CHECK(same_bits(weights[0], weights[1]));
    });
}
