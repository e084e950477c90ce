// tests/phs_test.cpp: the port-Hamiltonian optimiser: damped oscillator in closed form, energy, equality with
// heavy-ball momentum, braking once, refusal of unstable settings.
#include "auxo/multiscale.h"
#include "auxo/sizing.h"
#include "auxo/train.h"
#include "support/models.hpp"

#include <cmath>
#include <cstring>

using namespace auxo_test;

namespace
{

// One weight w, no bias, one row x = 1, target 0: L = w^2, curvature k = 2.
struct Oscillator {
    auxo_model *model = nullptr;
    auxo_trainer *trainer = nullptr;
    auxo_dataset set{};
    float x = 1, y = 0;
    Oscillator(auxo_device *device, const auxo_optimizer_config &config, float start)
    {
        Error error;
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_load("mlp:1-1:nobias", 1, 1, 1, 1, &desc, error));
        REQUIRE_OK(auxo_model_create(device, &desc, 1, &model, error));
        auxo_model_desc_deinit(&desc);
        REQUIRE_OK(auxo_model_write_weights(model, &start, nullptr, error));
        std::strcpy(set.name, "oscillator");
        set.row_count = 1;
        set.channels = set.height = set.width = 1;
        set.feature_type = AUXO_FEATURES_F32;
        set.features = &x;
        set.target_type = AUXO_TARGET_REAL;
        set.target_count = 1;
        set.targets = &y;
        auxo_train_options options{};
        options.loss = AUXO_LOSS_MSE;
        options.batch = 1;
        options.optimizer = config;
        REQUIRE_OK(auxo_trainer_create(model, &set, nullptr, &options, &trainer, error));
    }
    ~Oscillator()
    {
        auxo_trainer_destroy(trainer);
        auxo_model_destroy(model);
    }
    auxo_epoch_metrics step()
    {
        Error error;
        bool finished = false;
        auxo_epoch_metrics metrics{};
        REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
        return metrics;
    }
    float weight()
    {
        Error error;
        float w;
        REQUIRE_OK(auxo_model_read_weights(model, &w, nullptr, error));
        return w;
    }
    double energy()
    {
        Error error;
        double kinetic;
        REQUIRE_OK(auxo_optimizer_kinetic_energy(auxo_trainer_optimizer(trainer), &kinetic, error));
        double w = weight();
        return kinetic + w * w;
    }
};

auxo_optimizer_config parse(const char *text)
{
    Error error;
    auxo_optimizer_config config{};
    REQUIRE_OK(auxo_optimizer_config_parse(text, &config, error));
    return config;
}

} // namespace

TEST_CASE("damped oscillator follows the closed form of its difference equation")
{
    // w'' + (g/m) w' + (k/m) w = 0 with k = 2, m = 1, g = 0.4; for small steps w(t) is the continuous solution.
    for_each_device([](Device &device) {
        Oscillator oscillator(device.device, parse("phs:lr=0.005,mass=1,friction=0.4"), 1.0f);
        const double a = 0.005, g = 0.4, k = 2, omega = std::sqrt(k - g * g / 4);
        for (int i = 1; i <= 400; i++) {
            oscillator.step();
            if (i % 100 != 0)
                continue;
            double t = a * i;
            double expected = std::exp(-g * t / 2) * (std::cos(omega * t) + g / (2 * omega) * std::sin(omega * t));
            CHECK(oscillator.weight() == Approx(expected).margin(0.01));
        }
    });
}

TEST_CASE("without friction energy stays bounded momentum first and grows under explicit Euler")
{
    for_each_device([](Device &device) {
        Oscillator symplectic(device.device, parse("phs:lr=0.05,mass=1,friction=0"), 1.0f);
        auxo_optimizer_config euler = parse("phs:lr=0.05,mass=1,friction=0");
        euler.explicit_euler = true;
        Oscillator explicit_euler(device.device, euler, 1.0f);
        double low = 1e9, high = 0;
        for (int i = 0; i < 300; i++) {
            symplectic.step();
            explicit_euler.step();
            low = std::min(low, symplectic.energy());
            high = std::max(high, symplectic.energy());
        }
        CHECK(low > 0.9);
        CHECK(high < 1.1);
        // Each explicit step multiplies the energy by 1 + a^2 k / m: 1.005^300 = 4.5.
        CHECK(explicit_euler.energy() == Approx(std::pow(1.005, 300)).epsilon(0.02));
    });
}

TEST_CASE("momentum first equals heavy-ball momentum with lr a^2/m and momentum 1 - a g/m")
{
    for_each_device([](Device &device) {
        const double a = 0.1, m = 2, g = 1.5;
        char phs[96], ball[96];
        std::snprintf(phs, sizeof phs, "phs:lr=%.9g,mass=%.9g,friction=%.9g", a, m, g);
        std::snprintf(ball, sizeof ball, "momentum:lr=%.9g,momentum=%.9g", a * a / m, 1 - a * g / m);
        Oscillator x(device.device, parse(phs), 0.7f), y(device.device, parse(ball), 0.7f);
        for (int i = 0; i < 100; i++) {
            x.step();
            y.step();
            CHECK(x.weight() == Approx(y.weight()).epsilon(1e-4).margin(1e-6));
        }
    });
}

TEST_CASE("friction dissipates, the brake fires once, multiplies friction and stays")
{
    for_each_device([](Device &device) {
        Oscillator oscillator(device.device, parse("phs:lr=0.05,mass=1,friction=0.2,goal=0.2,brake=10"), 1.0f);
        auxo_optimizer *optimizer = auxo_trainer_optimizer(oscillator.trainer);
        int fired = 0;
        double before = oscillator.energy();
        for (int i = 0; i < 200; i++) {
            fired += oscillator.step().braked;
            if (fired == 0)
                CHECK(auxo_optimizer_get_hyper(optimizer, AUXO_HYPER_FRICTION) == Approx(0.2));
        }
        CHECK(fired == 1);
        CHECK(auxo_optimizer_get_hyper(optimizer, AUXO_HYPER_FRICTION) == Approx(2.0));
        CHECK(oscillator.energy() < 0.1 * before);
    });
}

TEST_CASE("a goal that is reached falls, and the brake works again at each new one while friction stays stable")
{
    for_each_device([](Device &device) {
        // Loss w^2: goals .5, .25, .125, ...; friction .2, .8, 3.2, 12.8; a fourth brake would make lr friction 2.56.
        const char *text = "phs:lr=0.05,mass=1,friction=0.2,goal=0.5,brake=4,goal_after=0.5";
        Oscillator oscillator(device.device, parse(text), 1.0f);
        auxo_optimizer *optimizer = auxo_trainer_optimizer(oscillator.trainer);
        double target = 0.5, friction = 0.2;
        int fired = 0;
        for (int i = 0; i < 400; i++) {
            const double weight = oscillator.weight(); // whose loss the step tells
            if (oscillator.step().braked) {
                CHECK(weight * weight <= target * 1.001);
                target *= 0.5;
                friction *= 4;
                fired++;
            }
            CHECK(auxo_optimizer_get_hyper(optimizer, AUXO_HYPER_FRICTION) == Approx(friction));
        }
        CHECK(fired == 3);
        CHECK(auxo_optimizer_get_brake(optimizer).target == 0);
    });
}

TEST_CASE("unstable settings are refused with the reason, and run under exponential friction")
{
    Error error;
    auxo_optimizer_config config;
    CHECK(auxo_optimizer_config_parse("phs:lr=1,mass=1,friction=5", &config, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("friction") != std::string::npos);
    CHECK(auxo_optimizer_config_parse("phs:lr=0.1,mass=0.1,friction=1,goal=0.4,brake=10", &config, error) ==
          AUXO_INVALID_ARGUMENT); // after the brake: momentum 1 - a g/m = -9
    REQUIRE_OK(auxo_optimizer_config_parse("phs:lr=0.1,mass=1,friction=50,friction_mode=exponential", &config, error));
    for_each_device([&](Device &device) {
        Oscillator oscillator(device.device, config, 1.0f);
        for (int i = 0; i < 100; i++)
            oscillator.step();
        CHECK(std::fabs(oscillator.weight()) <= 1.0f);
        CHECK(std::isfinite(oscillator.weight()));
    });
}

TEST_CASE("the brake fires once however often a run is saved and resumed")
{
    for_each_device([](Device &device) {
        Error error;
        TempFolder folder;
        std::string path = folder.file("run.safetensors");
        const char *text = "phs:lr=0.2,friction=0.3,goal_kind=remaining,goal=0.6,brake=5,watch=epoch";
        Data train = Data::classes(160, 6, 1, 1, 3, 1);
        Desc desc("mlp:6-10-3", 6, 1, 1, 3);
        auxo_train_options options{};
        options.batch = 16;
        options.optimizer = parse(text);
        Model whole(device, desc.desc);
        int fired_whole = 0, fired = 0;
        {
            Trainer trainer(whole, train.get(), nullptr, options);
            for (int epoch = 0; epoch < 8; epoch++)
                fired_whole += trainer.epochs(1).braked;
            Model first(device, desc.desc);
            REQUIRE_OK(auxo_trainer_save(Trainer(first, train.get(), nullptr, options), path.c_str(), nullptr, error));
        }
        std::vector<float> last;
        for (int epoch = 0; epoch < 8; epoch++) { // every epoch in a trainer of its own, from the file
            auxo_model *model = nullptr;
            auxo_trainer *trainer = nullptr;
            REQUIRE_OK(auxo_model_load(device.device, path.c_str(), &model, error));
            REQUIRE_OK(auxo_trainer_create(model, train.get(), nullptr, &options, &trainer, error));
            REQUIRE_OK(auxo_trainer_restore(trainer, path.c_str(), nullptr, error));
            bool finished = false;
            auxo_epoch_metrics metrics{};
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
            fired += metrics.braked;
            REQUIRE_OK(auxo_trainer_save(trainer, path.c_str(), nullptr, error));
            last.resize(auxo_model_weight_count(model));
            REQUIRE_OK(auxo_model_read_weights(model, last.data(), nullptr, error));
            CHECK(auxo_optimizer_get_hyper(auxo_trainer_optimizer(trainer), AUXO_HYPER_FRICTION) ==
                  Approx(fired ? 1.5 : 0.3));
            auxo_trainer_destroy(trainer);
            auxo_model_destroy(model);
        }
        CHECK(fired_whole == 1);
        CHECK(fired == 1);
        CHECK(last == whole.weights());
    });
}

TEST_CASE("momenta follow a network that changes its size, the brake stays")
{
    for_each_device([](Device &device) {
        Error error;
        Data train = Data::classes(96, 1, 8, 8, 4, 1);
        Desc desc("autosize-mlp:8-8-8-8-8", 1, 8, 8, 4);
        Model model(device, desc.desc);
        auxo_autosize_options sizing;
        auxo_autosize_options_init(&sizing);
        sizing.growth_minimum = 3;
        auxo_autosize *autosize = nullptr;
        REQUIRE_OK(auxo_autosize_create(model, &sizing, &autosize, error));
        auxo_train_options options{};
        options.batch = 16;
        options.optimizer = parse("phs:lr=0.05,mass=1,friction=1,goal=10,brake=4,watch=epoch");
        options.before_step = auxo_autosize_before_step;
        options.after_step = auxo_autosize_after_step;
        options.hook_user = autosize;
        {
            Trainer trainer(model, train.get(), nullptr, options);
            CHECK(trainer.epochs(1).braked);
            auxo_optimizer *phs = auxo_trainer_optimizer(trainer);
            double before = 0, after = 0;
            REQUIRE_OK(auxo_optimizer_kinetic_energy(phs, &before, error));
            CHECK(before > 0);
            uint64_t weights = auxo_model_weight_count(model);
            uint32_t changed = 0;
            REQUIRE_OK(auxo_autosize_grow(autosize, trainer, &changed, error));
            CHECK(auxo_model_weight_count(model) > weights);
            REQUIRE_OK(auxo_optimizer_kinetic_energy(phs, &after, error));
            CHECK(after == Approx(before)); // the newcomers are at rest, the others go on
            for (int epoch = 0; epoch < 3; epoch++) {
                auxo_epoch_metrics metrics = trainer.epochs(1);
                CHECK_FALSE(metrics.braked);
                CHECK(std::isfinite(metrics.train_loss));
                REQUIRE_OK(auxo_autosize_prune(autosize, trainer, &changed, error));
            }
            CHECK(auxo_optimizer_get_hyper(phs, AUXO_HYPER_FRICTION) == Approx(4.0));
        }
        auxo_autosize_destroy(autosize);
    });
}

TEST_CASE("the multi-scale loop drives the port-Hamiltonian optimiser and its brake")
{
    for_each_device([](Device &device) {
        Error error;
        Data train = Data::real(64, 3, 2, 1);
        Desc desc("mlp:3-4-4-2", 3, 1, 1, 2);
        Model model(device, desc.desc);
        auxo_multiscale_options options;
        auxo_multiscale_options_init(&options);
        options.epochs = 20;
        options.seed = 3;
        options.optimizer = parse("phs:lr=0.1,mass=1,friction=0.5,goal_kind=remaining,goal=0.9,brake=3,watch=epoch");
        auxo_multiscale *multiscale = nullptr;
        REQUIRE_OK(auxo_multiscale_create(model, train.get(), nullptr, &options, &multiscale, error));
        double first = 0, test = 0, last = 0;
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale, &first, &test, error));
        int changes = 0;
        float friction = 0.5f;
        for (int i = 0; i < 25; i++) {
            auxo_multiscale_iteration iteration;
            REQUIRE_OK(auxo_multiscale_iterate(multiscale, &iteration, error));
            float now = auxo_optimizer_get_hyper(auxo_multiscale_optimizer(multiscale), AUXO_HYPER_FRICTION);
            changes += now != friction;
            if (now != friction) {
                CHECK(now == Approx(1.5));
                CHECK(iteration.loss <= 0.91 * first);
            }
            friction = now;
        }
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale, &last, &test, error));
        CHECK(last < 0.9 * first);
        CHECK(changes == 1);
        auxo_multiscale_destroy(multiscale);
    });
}
