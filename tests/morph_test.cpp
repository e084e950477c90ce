// tests/morph_test.cpp: MorphNet's loop and budgets: kappa against every candidate, measured latencies, breakdown,
// resumed loops; and what all sizing shares: the closed form of the proximal step, front-to-back pruning, the edit log.
#include "auxo/sizing.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <cmath>
#include <cstdlib>

using namespace auxo_test;

namespace
{

auxo_morph_loop_options loop_defaults(double strength, double limit)
{
    auxo_morph_loop_options options;
    Error error;
    auxo_morph_loop_options_init(&options);
    options.strength = strength;
    options.budget.limit = limit;
    options.iterations = 2;
    options.refresh_steps = 2;
    options.training.batch = 32;
    options.seed = 7;
    REQUIRE_OK(auxo_optimizer_config_parse("adam:lr=0.05", &options.training.optimizer, error));
    return options;
}

struct Loop {
    auxo_morph_loop *loop = nullptr;
    Loop(Device &device, const Desc &start, const Glyphs &data, const auxo_morph_loop_options &options)
    {
        Error error;
        REQUIRE_OK(auxo_morph_loop_create(device.device, &start.desc, data.train, data.test, &options, &loop, error));
    }
    ~Loop()
    {
        auxo_morph_loop_destroy(loop);
    }
};

double weight_cost(const std::vector<double> &widths, double kappa)
{
    auto width = [&](size_t i) { return std::max(1.0, std::floor(kappa * widths[i] + 0.5)); };
    return 9 * width(0) + 9 * width(0) * width(1) + 10 * width(1); // conv, conv, dense of conv:A-B on one channel
}

} // namespace

TEST_CASE("the proximal step of an orthonormal linear layer is the closed form of its penalised least squares")
{
    // min |Y - X B|^2 + alpha sum_j j |b_j|_1 with X'X = 1: sgn(B) max(|B| - alpha j / 2, 0). A gradient step of 1/2
    // reaches the least-squares B from anywhere; the proximal step with the same rate is then the answer.
    for_each_device([](Device &device) {
        const int64_t units = 7, inputs = 5;
        const float alpha = 0.3f;
        std::vector<float> b((size_t)(units * inputs)), hyper(AUXO_HYPER_COUNT, 0.0f);
        for (size_t i = 0; i < b.size(); i++)
            b[i] = 1.7f * std::sin(3.1f * (float)i);
        b[3] = 0;
        hyper[AUXO_HYPER_LR] = 0.5f;
        Error error;
        auxo_queue *queue = nullptr;
        auxo_buffer *buffer = nullptr;
        uint64_t bytes = b.size() * sizeof(float), at = (bytes + 255) / 256 * 256;
        REQUIRE_OK(auxo_queue_create(device.device, &queue, error));
        REQUIRE_OK(auxo_buffer_create(device.device, at + hyper.size() * sizeof(float), &buffer, error));
        REQUIRE_OK(auxo_buffer_write(queue, buffer, 0, b.data(), bytes, error));
        REQUIRE_OK(auxo_buffer_write(queue, buffer, at, hyper.data(), hyper.size() * sizeof(float), error));
        auxo_op op{};
        op.kind = AUXO_OP_PENALTY;
        op.params.penalty = {AUXO_PENALTY_WEIGHTED_L1, true, alpha};
        op.tensors[AUXO_PENALTY_W] = auxo_tensor_2d(buffer, 0, AUXO_DTYPE_F32, units, inputs);
        op.tensors[AUXO_PENALTY_HYPER] = auxo_tensor_1d(buffer, at, AUXO_DTYPE_F32, AUXO_HYPER_COUNT);
        REQUIRE_OK(auxo_op_run(queue, &op, error));
        std::vector<float> got(b.size());
        REQUIRE_OK(auxo_buffer_read(queue, buffer, 0, got.data(), bytes, error));
        for (size_t i = 0; i < b.size(); i++) {
            float j = (float)(i / (size_t)inputs + 1);
            float size = std::max(std::fabs(b[i]) - alpha * j / 2, 0.0f);
            CHECK(got[i] == Approx(b[i] < 0 ? -size : size).margin(1e-6));
        }
        auxo_buffer_destroy(buffer);
        auxo_queue_destroy(queue);
    });
}

TEST_CASE("pruning judges a layer by the columns that stay, through a flatten as well")
{
    for_each_device([](Device &device) {
        Glyphs data(64);
        Desc desc("autosize-cnn:5-4-5-6-8", 1, 28, 28, 10);
        Model model(device, desc.desc);
        // conv4 loses unit 2; conv3's unit 1 reads only conv2's unit 3, which goes; dense1's unit 5 reads only
        // conv4's 2.
        auto zero_unit = [&](const char *layer, size_t unit, size_t units) {
            std::vector<float> w = model.param(std::string(layer) + ".weight");
            size_t row = w.size() / units;
            for (size_t i = 0; i < row; i++)
                w[unit * row + i] = 0;
            model.set_param(std::string(layer) + ".weight", w);
        };
        zero_unit("conv2", 3, 4);
        zero_unit("conv4", 2, 6);
        zero_unit("conv3", 1, 5);
        zero_unit("dense1", 5, 8);
        std::vector<float> w3 = model.param("conv3.weight"), d1 = model.param("dense1.weight");
        w3[1 * 4 * 9 + 3 * 9 + 4] = 0.5f;
        d1[5 * 6 * 49 + 2 * 49 + 11] = 0.5f;
        model.set_param("conv3.weight", w3);
        model.set_param("dense1.weight", d1);
        std::vector<float> input(2 * 784);
        for (size_t i = 0; i < input.size(); i++)
            input[i] = std::sin(0.37f * (float)i);
        std::vector<float> before = model.forward(input, 2);
        auxo_autosize_options options;
        auxo_autosize_options_init(&options);
        options.probe = data.test;
        auxo_train_options train{};
        train.batch = 32;
        Error error;
        REQUIRE_OK(auxo_optimizer_config_parse("adam", &train.optimizer, error));
        auxo_autosize *autosize = nullptr;
        auxo_trainer *trainer = nullptr;
        REQUIRE_OK(auxo_autosize_create(model, &options, &autosize, error));
        REQUIRE_OK(auxo_trainer_create(model, data.train, nullptr, &train, &trainer, error));
        uint32_t changed = 0;
        REQUIRE_OK(auxo_autosize_prune(autosize, trainer, &changed, error));
        CHECK(changed == 4);
        const uint32_t expected[] = {5, 3, 4, 5, 7};
        for (uint32_t i = 0; i < 5; i++)
            CHECK(auxo_autosize_units(autosize, i) == expected[i]);
        check_close(model.forward(input, 2), before, 1e-6, 1e-6);
        REQUIRE(auxo_autosize_log(autosize)->count == 4);
        REQUIRE_OK(auxo_autosize_prune(autosize, trainer, &changed, error));
        CHECK(changed == 0);

        // The log survives a checkpoint's text.
        char *json = nullptr;
        auxo_edit_log copy{};
        REQUIRE_OK(auxo_edit_log_describe(auxo_autosize_log(autosize), &json, error));
        REQUIRE_OK(auxo_edit_log_restore(&copy, json, error));
        REQUIRE(copy.count == 4);
        const auxo_edit &first = auxo_autosize_log(autosize)->edits[0];
        CHECK(std::string(copy.edits[0].why) == first.why);
        CHECK(copy.edits[0].loss_before == first.loss_before);
        CHECK(copy.edits[3].units_after == 7);
        CHECK(auxo_edit_log_restore(&copy, "{}", error) == AUXO_FORMAT);
        std::free(json);
        auxo_edit_log_deinit(&copy);
        auxo_trainer_destroy(trainer);
        auxo_autosize_destroy(autosize);
    });
}

TEST_CASE("kappa is exactly the largest: no candidate between it and the budget was missed")
{
    Error error;
    Desc desc("conv:32-64", 1, 28, 28, 10);
    uint32_t conv1 = desc.find("conv1"), conv2 = desc.find("conv2");
    for (const std::vector<double> &c : {std::vector<double>{7, 3}, {32, 64}, {1, 1}, {2.5, 11}, {5, 0.2}})
        for (double limit : {28.0, 100.0, 997.0, 20000.0, 123457.0}) {
            std::vector<double> widths(desc.desc.layer_count, 0);
            widths[conv1] = c[0];
            widths[conv2] = c[1];
            auxo_budget budget{};
            budget.resource = AUXO_RESOURCE_PARAMETERS;
            budget.limit = limit;
            double kappa = 0, cost = 0;
            Desc expanded;
            REQUIRE_OK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &expanded.desc, error));
            REQUIRE_OK(auxo_morph_desc_cost(&expanded.desc, &budget, &cost, error));
            CHECK(cost == weight_cost(c, kappa));
            CHECK(cost <= limit);
            // Every kappa at which a width steps up: the cost is constant between two of them.
            double next = INFINITY;
            for (double width : c) {
                double step = (std::floor(kappa * width + 0.5) + 0.5) / width;
                next = std::min(next, step);
            }
            CHECK(next >= kappa);
            CHECK(weight_cost(c, next * (1 + 1e-12)) > limit);
        }
}

TEST_CASE("intensity mixes the widths of now with the suggestion, and only a result above the budget is scaled down")
{
    Error error;
    Desc now("conv:4-4", 1, 28, 28, 10), suggestion("conv:14-14", 1, 28, 28, 10);
    const uint32_t conv1 = now.find("conv1"), conv2 = now.find("conv2");
    auxo_budget budget{};
    budget.resource = AUXO_RESOURCE_PARAMETERS;
    budget.limit = 1e6;
    const std::pair<double, uint32_t> expected[] = {{1, 14}, {0.5, 9}, {0.1, 5}, {0, 4}};
    for (const auto &e : expected) {
        Desc mixed;
        REQUIRE_OK(auxo_morph_mix(&now.desc, &suggestion.desc, &budget, e.first, &mixed.desc, error));
        CHECK(mixed.desc.layers[conv1].units == e.second);
        CHECK(mixed.desc.layers[conv2].units == e.second);
    }
    double cost = 0;
    Desc small;
    budget.limit = 700; // 9-9 costs 900 weights: kappa brings it down
    REQUIRE_OK(auxo_morph_mix(&now.desc, &suggestion.desc, &budget, 0.5, &small.desc, error));
    REQUIRE_OK(auxo_morph_desc_cost(&small.desc, &budget, &cost, error));
    CHECK(cost <= 700);
    CHECK(small.desc.layers[conv1].units < 9);
    CHECK(small.desc.layers[conv1].units > 4);
}

TEST_CASE("a latency budget is kept by the network that comes out, measured on its device")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("conv:48-48", 1, 28, 28, 10);
        std::vector<double> ns(desc.desc.layer_count);
        double total = 0, sum = 0;
        REQUIRE_OK(auxo_latency_measure(device.device, &desc.desc, 4, ns.data(), &total, error));
        for (uint32_t l = 0; l < desc.desc.layer_count; l++) {
            sum += ns[l];
            bool product =
                desc.desc.layers[l].kind == AUXO_LAYER_CONV2D || desc.desc.layers[l].kind == AUXO_LAYER_DENSE;
            CHECK((product ? ns[l] >= 0 : ns[l] == 0));
        }
        CHECK(total > 0);
        CHECK(sum == Approx(total));
        auxo_budget budget{};
        budget.resource = AUXO_RESOURCE_LATENCY;
        budget.device = device.device;
        budget.batch = 4;
        budget.limit = 1; // a nanosecond
        std::vector<double> widths(desc.desc.layer_count, 0);
        widths[desc.find("conv1")] = widths[desc.find("conv2")] = 48;
        double kappa = 0;
        Desc none, smaller;
        CHECK(auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &none.desc, error) ==
              AUXO_INVALID_ARGUMENT);
        CHECK(error.text().find("1 ns is below the cost of one unit") != std::string::npos);
        budget.limit = 0.8 * total;
        auxo_status status = auxo_morph_expand(&desc.desc, widths.data(), &budget, &kappa, &smaller.desc, error);
        if (status == AUXO_INVALID_ARGUMENT) {
            WARN(device.selector << ": launches alone take 80 % of this small network's time");
            return;
        }
        REQUIRE(status == AUXO_OK);
        uint32_t units = smaller.desc.layers[smaller.find("conv2")].units;
        INFO(units);
        CHECK(kappa > 0);
        CHECK(units >= 1);
    });
}

TEST_CASE("MorphNet's loop keeps its budget, remembers the best network and resumes to the same numbers")
{
    for_each_device([](Device &device) {
        Glyphs data(128);
        Desc start("conv:6-9", 1, 28, 28, 10);
        const double limit = 3e5;
        auxo_morph_loop_options options = loop_defaults(3e-6, limit);
        Loop whole(device, start, data, options);
        std::vector<auxo_morph_record> records;
        Error error;
        bool done = false;
        for (;;) {
            auxo_morph_record record;
            REQUIRE_OK(auxo_morph_loop_next(whole.loop, &record, &done, error));
            if (done)
                break;
            records.push_back(record);
            REQUIRE(records.size() <= 3);
        }
        REQUIRE(records.size() == 3);
        CHECK(records[2].is_final);
        CHECK(records[1].cost <= limit);
        CHECK(records[2].cost <= limit);
        CHECK(records[0].alive_cost <= records[0].cost * (1 + 1e-12));
        REQUIRE(auxo_morph_loop_best(whole.loop));

        Loop first(device, start, data, options), second(device, start, data, options);
        auxo_morph_record record;
        REQUIRE_OK(auxo_morph_loop_next(first.loop, &record, &done, error));
        char *json = nullptr;
        REQUIRE_OK(auxo_morph_loop_describe(first.loop, &json, error));
        REQUIRE_OK(auxo_morph_loop_restore(second.loop, json, auxo_morph_loop_take_best(first.loop), error));
        std::free(json);
        for (size_t i = 1; i < 3; i++) {
            REQUIRE_OK(auxo_morph_loop_next(second.loop, &record, &done, error));
            CHECK(record.train_loss == records[i].train_loss);
            CHECK(record.validation_accuracy == records[i].validation_accuracy);
        }
        CHECK(auxo_morph_loop_restore(second.loop, "{}", nullptr, error) == AUXO_FORMAT);
    });
}

TEST_CASE("too strong a penalty breaks the architecture down: a clear message, the best network kept")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Glyphs data(512);
    Desc start("conv:6-9", 1, 28, 28, 10);
    auxo_morph_loop_options options = loop_defaults(1e-3, 0);
    options.iterations = 4;
    options.epochs = 4;
    Loop loop(device, start, data, options);
    Error error;
    bool done = false;
    auxo_morph_record record;
    auxo_status status = AUXO_OK;
    for (int i = 0; i < 5 && status == AUXO_OK && !done; i++)
        status = auxo_morph_loop_next(loop.loop, &record, &done, error);
    CHECK(status == AUXO_NOT_FINITE);
    INFO(error.text());
    CHECK(error.text().find("broke down: no channel of conv") != std::string::npos);
    CHECK(error.text().find("iteration") != std::string::npos);
    CHECK(auxo_morph_loop_best(loop.loop) != nullptr);
    options.budget.limit = 3;
    auxo_morph_loop *impossible = nullptr;
    CHECK(auxo_morph_loop_create(device.device, &start.desc, data.train, data.test, &options, &impossible, error) ==
          AUXO_INVALID_ARGUMENT);
}
