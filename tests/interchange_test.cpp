// tests/interchange_test.cpp: the same training on real data on every device: lenet5 on Fashion-MNIST, 100 steps of 128
// images as `auxo train` takes them by default. Skips, with a warning, where the data are not there.
#include "support/data_files.hpp"
#include "support/models.hpp"

using namespace auxo_test;

namespace
{

std::vector<double> first_losses(Device &device, const auxo_dataset *data, uint64_t steps)
{
    std::vector<double> losses;
    auxo_train_options options = {};
    options.optimizer = optimizer("momentum:lr=0.01");
    options.schedule.warmup_epochs = 1;
    options.batch = 128;
    options.seed = 1;
    options.standardize = true;
    options.log_every = 1;
    options.on_step = [](void *user, const auxo_step_metrics *metrics) {
        static_cast<std::vector<double> *>(user)->push_back(metrics->loss);
    };
    options.on_step_user = &losses;
    Desc desc("lenet5", 1, 28, 28, 10);
    Model model(device, desc.desc, 1);
    Trainer trainer(model, data, nullptr, options);
    trainer.steps(int(steps));
    return losses;
}

} // namespace

TEST_CASE("the first 100 losses of lenet5 on Fashion-MNIST agree between devices within a thousandth")
{
    if (real_data_dir().empty())
        return;
    LoadedData data;
    data.require("fashion-mnist", {});
    std::vector<double> first;
    for_each_device([&](Device &device) {
        std::vector<double> losses = first_losses(device, data.train, 100);
        REQUIRE(losses.size() == 100);
        if (first.empty())
            first = losses;
        for (size_t i = 0; i < losses.size(); i++) {
            INFO(device.selector << ", step " << i + 1);
            CHECK(losses[i] == Approx(first[i]).epsilon(1e-3).scale(0));
        }
    });
    CHECK(first.back() < 0.6 * first.front());
}
