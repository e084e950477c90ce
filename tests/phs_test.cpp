// tests/phs_test.cpp: the port-Hamiltonian optimiser: damped oscillator in closed form, energy, equality with
// heavy-ball momentum, braking once, refusal of unstable settings.
#include "auxo/train.h"
#include "support/support.hpp"

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

TEST_CASE("friction dissipates; the brake fires once, multiplies friction and stays")
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
