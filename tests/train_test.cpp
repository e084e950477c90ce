// train_test.cpp: optimiser settings as text, the trainer's loop, losses, determinism, interchange between devices,
// frozen layers, NaN, braking, evaluation and prediction.
#include "support/models.hpp"

#include <cmath>
#include <cstring>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

std::string parse_error(const char *text)
{
    Error error;
    auxo_optimizer_config config;
    INFO(text);
    REQUIRE(auxo_optimizer_config_parse(text, &config, error) != AUXO_OK);
    return error.text();
}

auxo_train_options options_for(const std::string &optimizer_text, uint32_t batch)
{
    auxo_train_options options = {};
    options.optimizer = optimizer(optimizer_text);
    options.batch = batch;
    options.seed = 11;
    options.log_every = 1;
    return options;
}

void collect(auxo_train_options &options, std::vector<double> &losses)
{
    options.on_step = [](void *user, const auxo_step_metrics *metrics) {
        static_cast<std::vector<double> *>(user)->push_back(metrics->loss);
    };
    options.on_step_user = &losses;
}

const char *const small_cnn = R"({"layers": [
    {"name": "input", "kind": "input", "shape": [1, 10, 10]},
    {"name": "conv1", "kind": "conv2d", "units": 6, "kernel": 3, "bias": false},
    {"name": "norm1", "kind": "batch_norm", "activation": "relu"},
    {"name": "pool1", "kind": "pool2d", "kernel": 2, "stride": 2},
    {"name": "drop", "kind": "dropout", "rate": 0.25},
    {"name": "flatten", "kind": "flatten"},
    {"name": "dense1", "kind": "dense", "units": 16, "activation": "tanh"},
    {"name": "dense2", "kind": "dense", "units": 5}]})";

} // namespace

TEST_CASE("optimiser settings read back what they format")
{
    for (const char *text :
         {"sgd", "sgd:lr=0.1", "momentum:lr=0.05,momentum=0.95", "nesterov", "rmsprop:rho=0.99,epsilon=1e-07",
          "adagrad", "adam:beta1=0.8,beta2=0.99", "adamw:weight_decay=0.1", "phs:mass=2,friction=0.5,goal=0.4,brake=3",
          "phs:friction_mode=exponential,lr=10,friction=9,order=explicit_euler,goal_kind=reduction,goal=0.3,watch=ema",
          "phs:brake_on_overfitting=yes,watch=epoch"}) {
        char formatted[512], again[512];
        auxo_optimizer_config config = optimizer(text);
        auxo_optimizer_config_format(&config, formatted, sizeof formatted);
        auxo_optimizer_config back = optimizer(formatted);
        auxo_optimizer_config_format(&back, again, sizeof again);
        INFO(text << " -> " << formatted);
        CHECK(std::string(formatted) == again);
        CHECK(std::memcmp(config.hyper, back.hyper, sizeof config.hyper) == 0);
        CHECK(config.braking.goal == back.braking.goal);
        CHECK(config.braking.goal_value == back.braking.goal_value);
        CHECK(config.exponential_friction == back.exponential_friction);
    }
    // Every kind there is has a default rate of learning.
#define NOUN(name, noun, states, flops) #noun,
    for (const char *noun : {AUXO_OPTIMIZER_TABLE(NOUN)}) {
#undef NOUN
        INFO(noun);
        CHECK(optimizer(noun).hyper[AUXO_HYPER_LR] > 0);
    }
    char formatted[128];
    auxo_optimizer_config config = optimizer("momentum:lr=0.05");
    auxo_optimizer_config_format(&config, formatted, sizeof formatted);
    CHECK(std::string(formatted) == "momentum:lr=0.05,momentum=0.9,weight_decay=0");
}

TEST_CASE("wrong optimiser settings are refused with the reason")
{
    CHECK_THAT(parse_error("adan"), Contains("did you mean \"adam\""));
    CHECK_THAT(parse_error("zzz"), Contains("there are sgd, momentum"));
    CHECK_THAT(parse_error("adam:momentum=0.9"), Contains("beta1"));
    CHECK_THAT(parse_error("momentum:momentun=0.9"), Contains("did you mean \"momentum\""));
    CHECK_THAT(parse_error("sgd:lr"), Contains("key=value"));
    CHECK_THAT(parse_error("sgd:lr=fast"), Contains("lr=fast"));
    CHECK_THAT(parse_error("sgd:lr=-1"), Contains("from 0"));
    CHECK_THAT(parse_error("sgd:lr=nan"), Contains("lr=nan"));
    CHECK_THAT(parse_error("phs:watch=day"), Contains("batch, ema, epoch"));
    CHECK_THAT(parse_error("phs:lr=1,mass=0.2,friction=1"), Contains("multiply the momentum by -4"));
    CHECK_THAT(parse_error("phs:lr=1,mass=1,friction=1,goal=0.4,brake=10"), Contains("after braking"));
    CHECK_THAT(parse_error("phs:lr=1,mass=0"), Contains("mass=0"));
    CHECK_THAT(parse_error("adam:beta1=1"), Contains("beta1=1 must be at least 0 and below 1"));
    CHECK_THAT(parse_error("adamw:beta2=0.99999999"), Contains("beta2=1 must be"));
}

TEST_CASE("training learns, with every optimiser, and evaluation agrees with prediction")
{
    for_each_device([](Device &device) {
        Desc desc(small_cnn);
        Data train = Data::classes(300, 1, 10, 10, 5, 1, true), test = Data::classes(130, 1, 10, 10, 5, 2, true);
        for (const char *text : {"sgd:lr=0.2", "momentum:lr=0.05", "nesterov:lr=0.05", "rmsprop:lr=0.003",
                                 "adagrad:lr=0.05", "adam:lr=0.01", "adamw:lr=0.01", "phs:lr=0.2,friction=0.5"}) {
            // Each update rule is compared between devices in the operator tests; a few are enough on slow devices.
            bool few = std::string(text).substr(0, 2) == "ad" || std::string(text).substr(0, 3) == "phs";
            if (device.selector != "cpu" && device.selector != "cpu:0" && !few)
                continue;
            INFO(device.selector << ", " << text);
            Error error;
            Model model(device, desc.desc, 3);
            auxo_train_options options = options_for(text, 32);
            options.standardize = true;
            Trainer trainer(model, train.get(), test.get(), options);
            auxo_epoch_metrics metrics = trainer.epochs(6);
            CHECK(metrics.epoch == 6);
            CHECK(metrics.step == 60);
            CHECK(metrics.train_accuracy > 0.85);
            CHECK(metrics.validation_accuracy > 0.9);
            CHECK((metrics.kinetic_energy > 0) == (std::string(text).substr(0, 3) == "phs"));
            std::vector<float> outputs(130 * 5);
            REQUIRE_OK(auxo_model_predict(model, test.get(), 50, true, outputs.data(), error));
            double right = 0, loss = 0;
            for (size_t n = 0; n < 130; n++) {
                const float *row = &outputs[n * 5];
                uint32_t label = test.get()->labels[n];
                right += uint32_t(std::max_element(row, row + 5) - row) == label;
                loss -= std::log(double(row[label])) / 130;
            }
            auxo_evaluation evaluation;
            REQUIRE_OK(auxo_trainer_evaluate(trainer, test.get(), &evaluation, error));
            CHECK(evaluation.accuracy == Approx(right / 130));
            CHECK(evaluation.loss == Approx(loss).epsilon(1e-3));
            CHECK(evaluation.loss == metrics.validation_loss);
            REQUIRE_OK(auxo_trainer_evaluate(trainer, train.get(), &evaluation, error));
            CHECK(evaluation.row_count == 300);
        }
    });
}

TEST_CASE("same seed, same device: the same bits, however the steps are cut")
{
    for_each_device([](Device &device) {
        Desc desc(small_cnn);
        Data train = Data::classes(210, 1, 10, 10, 5, 1);
        std::vector<double> losses[3];
        std::vector<float> weights[3], statistics[3];
        for (int run = 0; run < 3; run++) {
            Model model(device, desc.desc, 3);
            auxo_train_options options = options_for("adam", 32);
            options.augmentation = {true, true, 1, 2};
            collect(options, losses[run]);
            Trainer trainer(model, train.get(), nullptr, options);
            if (run < 2)
                trainer.epochs(3);
            else
                for (uint64_t stretch : {1, 5, 2, 9, 4})
                    trainer.steps(stretch);
            weights[run] = model.weights();
            statistics[run] = model.statistics();
        }
        INFO(device.selector);
        REQUIRE(losses[0].size() == 21);
        for (int run = 1; run < 3; run++) {
            CHECK(losses[run] == losses[0]);
            CHECK(weights[run] == weights[0]);
            CHECK(statistics[run] == statistics[0]);
        }
    });
}

TEST_CASE("the first 20 losses agree between devices")
{
    Desc desc("lenet5", 1, 28, 28, 10);
    Data train = Data::classes(20 * 32, 1, 28, 28, 10, 1, true);
    std::vector<double> first;
    for_each_device([&](Device &device) {
        std::vector<double> losses;
        Model model(device, desc.desc, 3);
        auxo_train_options options = options_for("momentum:lr=0.02", 32);
        collect(options, losses);
        Trainer trainer(model, train.get(), nullptr, options);
        trainer.steps(20);
        REQUIRE(losses.size() == 20);
        if (first.empty())
            first = losses;
        for (size_t i = 0; i < 20; i++) {
            INFO(device.selector << ", step " << i + 1);
            CHECK(losses[i] == Approx(first[i]).epsilon(1e-3));
        }
    });
    CHECK(first.back() < 0.99 * first.front());
}

TEST_CASE("regression standardises targets and predicts in their units")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("mlp:5-20-2", 5, 1, 1, 2);
        Data train = Data::real(600, 5, 2, 1), test = Data::real(100, 5, 2, 2);
        Model model(device, desc.desc);
        auxo_train_options options = options_for("adam:lr=0.01", 64);
        options.loss = AUXO_LOSS_MSE;
        options.standardize = true;
        Trainer trainer(model, train.get(), test.get(), options);
        auxo_epoch_metrics start = trainer.epochs(1), end = trainer.epochs(40);
        CHECK(std::isnan(end.train_accuracy));
        CHECK(end.validation_loss < 0.5 * start.validation_loss);
        std::vector<float> outputs(200);
        REQUIRE_OK(auxo_model_predict(model, test.get(), 0, false, outputs.data(), error));
        const auxo_preprocessing *preprocessing = auxo_model_preprocessing(model);
        REQUIRE(preprocessing->target_count == 2);
        double mse = 0;
        for (size_t i = 0; i < 200; i++)
            mse += std::pow((double(outputs[i]) - double(test.get()->targets[i])) *
                                double(preprocessing->target_inverse_stds[i % 2]),
                            2) /
                   200;
        CHECK(mse == Approx(end.validation_loss).epsilon(1e-3));
    });
}

TEST_CASE("survival training lowers the Cox loss of the whole set")
{
    for_each_device([](Device &device) {
        Desc desc("mlp:3-8-1", 3, 1, 1, 1);
        Data train = Data::survival(400, 3, 1), test = Data::survival(150, 3, 5);
        Model model(device, desc.desc);
        auxo_train_options options = options_for("adam:lr=0.01", 64);
        options.loss = AUXO_LOSS_COX;
        options.cox.reduction = AUXO_COX_PER_EVENT;
        Trainer trainer(model, train.get(), test.get(), options);
        auxo_epoch_metrics start = trainer.epochs(1), end = trainer.epochs(10);
        CHECK(end.validation_loss < start.validation_loss - 0.1);
        CHECK(std::isfinite(end.train_loss));
    });
}

TEST_CASE("frozen layers stay bit-identical and others train")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc(small_cnn);
        Data train = Data::classes(96, 1, 10, 10, 5, 1);
        Model model(device, desc.desc, 3);
        std::vector<char> mask(desc.desc.layer_count, 0);
        mask[desc.find("dense1")] = 1;
        auxo_train_options options = options_for("adam", 32);
        options.train_layers = reinterpret_cast<bool *>(mask.data());
        Trainer trainer(model, train.get(), nullptr, options);
        auto conv = model.param("conv1.weight"), dense1 = model.param("dense1.weight");
        auto dense2 = model.param("dense2.bias"), statistics = model.statistics();
        trainer.epochs(2);
        CHECK(model.param("conv1.weight") == conv);
        CHECK(model.param("dense2.bias") == dense2);
        CHECK(model.statistics() == statistics); // batch norm below the lowest trained layer is frozen too
        CHECK(model.param("dense1.weight") != dense1);
        REQUIRE_OK(auxo_trainer_set_train_layers(trainer, nullptr, error));
        trainer.epochs(1);
        CHECK(model.param("conv1.weight") != conv);
        CHECK(model.statistics() != statistics);
    });
}

TEST_CASE("rows that were trained are counted as they are, also where a batch is larger than the data")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Data train = Data::classes(40, 1, 6, 6, 3, 1);
    Desc desc("mlp:36-4-3", 1, 6, 6, 3);
    for (uint32_t batch : {512u, 64u, 16u, 7u}) {
        INFO(batch);
        Model model(device, desc.desc, 3);
        Trainer trainer(model, train.get(), nullptr, options_for("momentum", batch));
        trainer.epochs(3);
        const auxo_trainer_work work = auxo_trainer_get_work(trainer);
        CHECK(work.rows == 3 * 40);
        if (work.seconds > 0)
            CHECK(work.rows_per_second * work.seconds == Approx(3 * 40));
    }
}

TEST_CASE("a loss that is not finite stops training and names the step")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Desc desc("mlp:4-8-3", 4, 1, 1, 3);
    Data train = Data::classes(128, 4, 1, 1, 3, 1);
    const_cast<float *>(static_cast<const float *>(train.get()->features))[4 * 77 + 1] = NAN;
    Model model(device, desc.desc);
    auxo_train_options options = options_for("sgd", 16);
    std::vector<double> losses;
    collect(options, losses);
    Trainer trainer(model, train.get(), nullptr, options);
    bool finished = false;
    auxo_epoch_metrics metrics;
    CHECK(auxo_trainer_run(trainer, 0, &finished, &metrics, error) == AUXO_NOT_FINITE);
    CHECK_FALSE(finished);
    CHECK_THAT(error.text(), Contains("step " + std::to_string(losses.size() + 1) + " "));
}

TEST_CASE("training can be interrupted after any step")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Desc desc("mlp:4-8-3", 4, 1, 1, 3);
    Data train = Data::classes(1280, 4, 1, 1, 3, 1);
    Model model(device, desc.desc);
    auxo_train_options options = options_for("sgd", 16);
    static volatile int stop;
    stop = 0;
    options.stop = &stop;
    options.log_every = 1;
    options.on_step = [](void *, const auxo_step_metrics *) { stop = 1; };
    Trainer trainer(model, train.get(), nullptr, options);
    bool finished = false;
    CHECK(auxo_trainer_run(trainer, 0, &finished, nullptr, error) == AUXO_INTERRUPTED);
    CHECK_FALSE(finished);
    CHECK(auxo_trainer_step(trainer) >= 1);
    for (int stops = 0; !finished; stops++) {
        REQUIRE(stops < 80);
        stop = 0;
        const auxo_status status = auxo_trainer_run(trainer, 0, &finished, nullptr, error);
        CHECK(status == (finished ? AUXO_OK : AUXO_INTERRUPTED));
    }
    CHECK(auxo_trainer_step(trainer) == 80);
    // Asked before anything has begun, it may end at once, but never in the middle of an update.
    stop = 1;
    CHECK(auxo_trainer_run(trainer, 0, &finished, nullptr, error) == AUXO_INTERRUPTED);
}

TEST_CASE("data, loss and model that do not fit are refused")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Desc desc("mlp:4-8-3", 4, 1, 1, 3);
    Model model(device, desc.desc);
    auto refusal = [&](Data data, auxo_loss_kind loss) {
        Error error;
        auxo_trainer *trainer = nullptr;
        auxo_train_options options = options_for("sgd", 16);
        options.loss = loss;
        REQUIRE(auxo_trainer_create(model, data.get(), nullptr, &options, &trainer, error) == AUXO_INVALID_ARGUMENT);
        REQUIRE(trainer == nullptr);
        return error.text();
    };
    CHECK_THAT(refusal(Data::classes(10, 5, 1, 1, 3, 1), AUXO_LOSS_CROSS_ENTROPY), Contains("(5, 1, 1)"));
    CHECK_THAT(refusal(Data::classes(10, 4, 1, 1, 7, 1), AUXO_LOSS_CROSS_ENTROPY), Contains("7 outputs"));
    CHECK_THAT(refusal(Data::classes(10, 4, 1, 1, 3, 1), AUXO_LOSS_MSE), Contains("real targets"));
    CHECK_THAT(refusal(Data::real(10, 4, 3, 1), AUXO_LOSS_COX), Contains("survival"));
    CHECK_THAT(refusal(Data::classes(0, 4, 1, 1, 3, 1), AUXO_LOSS_CROSS_ENTROPY), Contains("0 rows"));
}

TEST_CASE("momentum-first port-Hamiltonian steps equal heavy-ball momentum")
{
    for_each_device([](Device &device) {
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        Data train = Data::classes(96, 6, 1, 1, 3, 1);
        Model first(device, desc.desc), second(device, desc.desc);
        std::vector<double> first_losses, second_losses;
        auxo_train_options options = options_for("phs:lr=0.2,mass=2,friction=1", 32);
        collect(options, first_losses);
        Trainer(first, train.get(), nullptr, options).epochs(4);
        options = options_for("momentum:lr=0.02,momentum=0.9", 32); // a^2/m, 1 - a g/m
        collect(options, second_losses);
        Trainer(second, train.get(), nullptr, options).epochs(4);
        for (size_t i = 0; i < first_losses.size(); i++)
            CHECK(first_losses[i] == Approx(second_losses[i]).epsilon(1e-5));
        check_close(first.weights(), second.weights(), 1e-4, 1e-6);
    });
}

TEST_CASE("goal braking fires once, at the first loss that reaches the goal")
{
    for_each_device([](Device &device) {
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        Data train = Data::classes(320, 6, 1, 1, 3, 1);
        Model model(device, desc.desc);
        std::vector<double> losses;
        auxo_train_options options =
            options_for("phs:lr=0.3,friction=0.3,goal_kind=remaining,goal=0.5,brake=8,watch=batch", 32);
        collect(options, losses);
        Trainer trainer(model, train.get(), nullptr, options);
        auxo_optimizer *phs = auxo_trainer_optimizer(trainer);
        float friction = 0.3f;
        size_t fired_at = 0;
        for (int step = 1; step <= 60; step++) {
            trainer.steps(1);
            float now = auxo_optimizer_get_hyper(phs, AUXO_HYPER_FRICTION);
            if (now != friction) {
                CHECK(fired_at == 0);
                fired_at = losses.size();
                CHECK(now == Approx(2.4));
                friction = now;
            }
        }
        REQUIRE(fired_at > 0);
        for (size_t i = 0; i + 1 < fired_at; i++)
            CHECK(losses[i] > 0.5 * losses[0]);
        CHECK(losses[fired_at - 1] <= 0.5 * losses[0]);
    });
}

TEST_CASE("after a stall the best parameters come back, at rest, with less friction")
{
    for_each_device([](Device &device) {
        Error error;
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        Model model(device, desc.desc);
        auxo_optimizer *phs = nullptr;
        auxo_optimizer_config config = optimizer("phs:lr=0.1,friction=1,stall_epochs=2,reaccelerate=4");
        REQUIRE_OK(auxo_optimizer_create(model, &config, &phs, error));
        std::vector<float> best = model.weights(), moved(best.size(), 0.25f), momenta(best.size(), 1.0f);
        auxo_buffer *state = auxo_optimizer_carried_state(phs).buffers[0];
        auto observe = [&](double train_loss, double validation_loss) {
            bool braked = true;
            REQUIRE_OK(auxo_optimizer_observe(phs, AUXO_WATCH_EPOCH, train_loss, validation_loss, &braked, error));
            CHECK_FALSE(braked);
        };
        observe(2.0, 1.0);
        model.set_weights(moved);
        REQUIRE_OK(auxo_buffer_write(auxo_model_queue(model), state, 0, momenta.data(), momenta.size() * 4, error));
        observe(1.5, 1.1); // better on the training set only
        CHECK(model.weights() == moved);
        observe(1.4, 1.0);
        CHECK(model.weights() == best);
        CHECK(auxo_optimizer_get_hyper(phs, AUXO_HYPER_FRICTION) == 0.25f);
        double energy = 1;
        REQUIRE_OK(auxo_optimizer_kinetic_energy(phs, &energy, error));
        CHECK(energy == 0);
        model.set_weights(moved);
        observe(1.3, 0.9);
        observe(1.3, 2.0);
        observe(1.3, 2.0);
        CHECK(model.weights() == moved);
        CHECK(auxo_optimizer_get_hyper(phs, AUXO_HYPER_FRICTION) == 0.0625f);
        auxo_optimizer_destroy(phs);
    });
}

TEST_CASE("hyperparameters change between steps without a new plan")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Error error;
    Desc desc("mlp:6-10-3", 6, 1, 1, 3);
    Data train = Data::classes(320, 6, 1, 1, 3, 1);
    Model model(device, desc.desc);
    Trainer trainer(model, train.get(), nullptr, options_for("sgd:lr=0.1", 32));
    trainer.steps(3);
    const auxo_plan *plan = auxo_trainer_plan(trainer);
    std::vector<float> before = model.weights();
    REQUIRE_OK(auxo_optimizer_set_hyper(auxo_trainer_optimizer(trainer), AUXO_HYPER_LR, 0.0f, error));
    trainer.steps(3);
    CHECK(model.weights() == before);
    CHECK(auxo_trainer_plan(trainer) == plan);
}
