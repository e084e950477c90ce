// Class weights and clipping by the global norm: what one step of sgd makes of them, on every device.
#include "support/models.hpp"
#include "support/numeric.hpp"
#include "support/support.hpp"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

using namespace auxo_test;

namespace
{

// How far one step over the whole set moves the weights; sgd with lr 1: minus the gradient.
std::vector<double> moved_by(Device &device, const auxo_dataset *data, const auxo_train_options &options)
{
    Desc desc("linear", 1, 4, 4, 3);
    Model model(device, desc.desc, 5);
    const std::vector<float> before = model.weights();
    Trainer trainer(model, data, nullptr, options);
    trainer.steps(1);
    const std::vector<float> after = model.weights();
    std::vector<double> moved(before.size());
    for (size_t i = 0; i < before.size(); i++)
        moved[i] = static_cast<double>(after[i]) - static_cast<double>(before[i]);
    return moved;
}

auxo_train_options whole_batch(size_t rows)
{
    auxo_train_options options = {};
    options.batch = static_cast<uint32_t>(rows);
    options.optimizer = optimizer("sgd:lr=1");
    return options;
}

double norm(const std::vector<double> &values)
{
    double sum = 0;
    for (double v : values)
        sum += v * v;
    return std::sqrt(sum);
}

} // namespace

TEST_CASE("clipping scales all gradients by one factor, c / (norm + 1e-6), and only where the norm is larger")
{
    for_each_device([](Device &device) {
        Data data = Data::classes(60, 1, 4, 4, 3, 2);
        auxo_train_options options = whole_batch(60);
        const std::vector<double> free = moved_by(device, data.get(), options);
        const double length = norm(free);
        REQUIRE(length > 0.01);
        for (double limit : {length / 1000, length / 3, length * 2}) {
            options.gradient_clip = static_cast<float>(limit);
            const std::vector<double> clipped = moved_by(device, data.get(), options);
            const double factor = std::min(1.0, limit / (length + 1e-6));
            for (size_t i = 0; i < free.size(); i++)
                CHECK(clipped[i] == Approx(free[i] * factor).margin(2e-6));
        }
    });
}

TEST_CASE("a class of weight 2 counts as if its rows stood there twice, and balance brings classes to the same sum")
{
    for_each_device([](Device &device) {
        Data data = Data::classes(60, 1, 4, 4, 3, 2);
        std::vector<uint32_t> twice;
        std::vector<size_t> counts(3);
        for (uint32_t i = 0; i < 60; i++) {
            counts[data.get()->labels[i]]++;
            twice.push_back(i);
            if (data.get()->labels[i] == 1)
                twice.push_back(i);
        }
        Error error;
        auxo_dataset *doubled = nullptr;
        REQUIRE_OK(auxo_dataset_select(data.get(), twice.data(), twice.size(), &doubled, error));
        const float weights[] = {1, 2, 1};
        auxo_train_options options = whole_batch(60);
        options.class_weights = weights;
        const std::vector<double> weighted = moved_by(device, data.get(), options);
        const std::vector<double> repeated = moved_by(device, doubled, whole_batch(twice.size()));
        for (size_t i = 0; i < weighted.size(); i++)
            CHECK(weighted[i] == Approx(repeated[i]).margin(1e-5));
        auxo_dataset_destroy(doubled);

        std::vector<float> inverse;
        for (size_t count : counts)
            inverse.push_back(1.0f / static_cast<float>(count));
        options.class_weights = inverse.data();
        const std::vector<double> by_hand = moved_by(device, data.get(), options);
        options.class_weights = nullptr;
        options.balance_classes = true;
        const std::vector<double> balanced = moved_by(device, data.get(), options);
        for (size_t i = 0; i < balanced.size(); i++)
            CHECK(balanced[i] == Approx(by_hand[i]).margin(1e-6));
    });
}

TEST_CASE("weights and limits that make no sense are refused")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("linear", 1, 4, 4, 3);
        Model model(device, desc.desc, 5);
        Data data = Data::classes(60, 1, 4, 4, 3, 2);
        auxo_trainer *trainer = nullptr;
        auxo_train_options options = whole_batch(60);
        const float negative[] = {1, -2, 1}, none[] = {0, 0, 0};
        options.class_weights = negative;
        CHECK(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
        CHECK(std::string(error.message).find("class 1") != std::string::npos);
        options.class_weights = none;
        CHECK(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
        options.class_weights = nullptr;
        options.gradient_clip = -1;
        CHECK(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
    });
}
