// schedule_test.cpp: learning-rate schedules: their formulas, what they refuse, and the rates that training takes.
#include "support/models.hpp"

#include <cmath>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

auxo_train_options options_for(const std::string &optimizer_text)
{
    auxo_train_options options = {};
    options.optimizer = optimizer(optimizer_text);
    options.batch = 32;
    options.seed = 11;
    return options;
}

} // namespace

TEST_CASE("learning-rate schedules follow their formulas and refuse what they cannot know")
{
    Error error;
    auxo_lr_schedule schedule;
    REQUIRE_OK(auxo_lr_schedule_parse("constant", 0, 0, &schedule, error));
    CHECK(auxo_lr_schedule_factor(&schedule, 7, 0) == 1.0);
    REQUIRE_OK(auxo_lr_schedule_parse("linear", 2, 6, &schedule, error));
    CHECK(auxo_lr_schedule_factor(&schedule, 1, 0) == 1.0);
    CHECK(auxo_lr_schedule_factor(&schedule, 2, 0) == 1.0);
    CHECK(auxo_lr_schedule_factor(&schedule, 5, 0) == Approx(0.25));
    CHECK(auxo_lr_schedule_factor(&schedule, 60, 0) == Approx(0.25)); // beyond the end: the last epoch's
    REQUIRE_OK(auxo_lr_schedule_parse("cosine", 0, 4, &schedule, error));
    CHECK(auxo_lr_schedule_factor(&schedule, 0, 0) == 1.0);
    CHECK(auxo_lr_schedule_factor(&schedule, 2, 0) == Approx(0.5));
    CHECK(auxo_lr_schedule_factor(&schedule, 3, 0) == Approx(0.5 * (1 - std::sqrt(0.5))));
    REQUIRE_OK(auxo_lr_schedule_parse("step:3", 0, 0, &schedule, error));
    CHECK(auxo_lr_schedule_factor(&schedule, 2, 0) == 1.0);
    CHECK(auxo_lr_schedule_factor(&schedule, 3, 0) == Approx(0.1));
    CHECK(auxo_lr_schedule_factor(&schedule, 6, 0) == Approx(0.01));

    schedule.warmup_epochs = 2; // with step:3, so nothing falls yet
    CHECK(auxo_lr_schedule_factor(&schedule, 0, 0) == Approx(1.0 / 128));
    CHECK(auxo_lr_schedule_factor(&schedule, 1, 15) == Approx(80.0 / 128));
    CHECK(auxo_lr_schedule_factor(&schedule, 1, 63) == 1.0);
    CHECK(auxo_lr_schedule_factor(&schedule, 2, 5) == 1.0);

    CHECK(auxo_lr_schedule_parse("cosine", 0, 0, &schedule, error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.text(), Contains("--epochs"));
    for (const char *wrong : {"cosin", "step:", "step:0", "step:-1", "step:2x", ""})
        CHECK(auxo_lr_schedule_parse(wrong, 0, 9, &schedule, error) == AUXO_INVALID_ARGUMENT);
}

TEST_CASE("a schedule sets the rate of each epoch")
{
    for_each_device([](Device &device) {
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        Data train = Data::classes(96, 6, 1, 1, 3, 1);
        Model model(device, desc.desc);
        Error error;
        auxo_train_options options = options_for("sgd:lr=0.1");
        REQUIRE_OK(auxo_lr_schedule_parse("step:1", 0, 0, &options.schedule, error));
        Trainer trainer(model, train.get(), nullptr, options);
        for (float expected : {0.1f, 0.01f, 0.001f}) {
            bool finished = false;
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
            REQUIRE(finished);
            CHECK(metrics.lr == Approx(expected));
        }
        // What the device holds, not what the host believes: a step at a millionth of the rate hardly moves.
        std::vector<float> before = model.weights();
        for (int i = 0; i < 4; ++i) {
            bool finished = false;
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, nullptr, error));
        }
        std::vector<float> after = model.weights();
        for (size_t i = 0; i < before.size(); ++i)
            CHECK(after[i] == Approx(before[i]).margin(2e-3));
    });
}

TEST_CASE("warm-up changes the rate within the epoch, however the steps are cut")
{
    for_each_device([](Device &device) {
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        Data train = Data::classes(6400, 6, 1, 1, 3, 1);
        auxo_train_options options = options_for("momentum:lr=0.1"); // 200 steps an epoch, 64 stages
        options.schedule.warmup_epochs = 1;
        Model whole(device, desc.desc), cut(device, desc.desc), constant(device, desc.desc);
        Trainer trainer(whole, train.get(), nullptr, options);
        trainer.steps(30);
        CHECK(auxo_optimizer_get_hyper(auxo_trainer_optimizer(trainer), AUXO_HYPER_LR) ==
              Approx(0.1 * (29 * 64 / 200 + 1) / 64));
        Trainer pieces(cut, train.get(), nullptr, options);
        for (int steps : {1, 2, 7, 3, 17})
            pieces.steps(steps);
        CHECK(whole.weights() == cut.weights());
        options.schedule.warmup_epochs = 0;
        Trainer plain(constant, train.get(), nullptr, options);
        plain.steps(30);
        CHECK(whole.weights() != constant.weights());
    });
}
