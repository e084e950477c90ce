// tests/survival_test.cpp: survival metrics against counting over all pairs and published examples, curves, baseline
// hazard, standardisation by site, and a linear Cox model that recovers known coefficients.
#include "auxo/survival.h"
#include "support/support.hpp"

#include <cmath>
#include <limits>

using namespace auxo_test;

namespace
{

struct Sample {
    std::vector<double> times;
    std::vector<uint32_t> events;
    std::vector<double> risks;
    auxo_survival_sample view() const
    {
        return {times.size(), times.data(), events.data(), risks.data()};
    }
};

// Coarse values, so that ties of all kinds occur.
Sample random_sample(size_t count, uint32_t seed)
{
    Sample s;
    std::vector<uint32_t> t = integers(count, 12, seed), e = integers(count, 3, seed + 1),
                          r = integers(count, 9, seed + 2);
    for (size_t i = 0; i < count; i++) {
        s.times.push_back(0.5 * t[i]);
        s.events.push_back(e[i] > 0);
        s.risks.push_back(0.25 * r[i] - 1);
    }
    return s;
}

auxo_concordance count_all_pairs(const Sample &s)
{
    auxo_concordance c{};
    for (size_t i = 0; i < s.times.size(); i++)
        for (size_t j = 0; j < s.times.size(); j++) {
            bool outlives = s.times[j] > s.times[i] || (s.times[j] == s.times[i] && !s.events[j]);
            if (i == j || !s.events[i] || !outlives)
                continue;
            c.comparable++;
            (s.risks[i] > s.risks[j] ? c.concordant : s.risks[i] < s.risks[j] ? c.discordant : c.tied) += 1;
        }
    c.index = (c.concordant + 0.5 * c.tied) / c.comparable;
    return c;
}

} // namespace

TEST_CASE("concordance equals counting over all pairs")
{
    Error error;
    for (uint32_t seed = 1; seed <= 20; seed++) {
        Sample s = random_sample(seed * 7, seed);
        auxo_concordance c, expected = count_all_pairs(s);
        auxo_survival_sample view = s.view();
        if (expected.comparable == 0)
            continue;
        REQUIRE_OK(auxo_survival_concordance(&view, &c, error));
        CHECK(c.comparable == expected.comparable);
        CHECK(c.concordant == expected.concordant);
        CHECK(c.discordant == expected.discordant);
        CHECK(c.tied == expected.tied);
        CHECK(c.index == Approx(expected.index));
        double low, high;
        REQUIRE_OK(auxo_survival_concordance_interval(&view, 100, 0.95, seed, &low, &high, error));
        CHECK(low <= high);
    }
}

TEST_CASE("AUROC counts ties as one half")
{
    Error error;
    const double scores[] = {0.1, 0.4, 0.4, 0.8, 0.9};
    const uint32_t labels[] = {0, 0, 1, 1, 0};
    double area;
    REQUIRE_OK(auxo_auroc(scores, labels, 5, &area, error));
    CHECK(area == Approx((1 + 0.5 + 0 + 1 + 1 + 0) / 6.0)); // (0.4: 1, 1/2, 0) and (0.8: 1, 1, 0)
    const uint32_t one_class[] = {1, 1, 1, 1, 1};
    CHECK(auxo_auroc(scores, one_class, 5, &area, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("one class") != std::string::npos);
}

TEST_CASE("Kaplan-Meier and Greenwood on a table by hand")
{
    Error error;
    Sample s;
    s.times = {1, 2, 2, 3, 4, 5};
    s.events = {1, 1, 0, 1, 0, 1};
    auxo_survival_sample view = s.view();
    auxo_step_function curve;
    REQUIRE_OK(auxo_survival_kaplan_meier(&view, false, &curve, error));
    REQUIRE(curve.count == 5);
    CHECK(curve.values[0] == Approx(5.0 / 6));
    CHECK(curve.values[1] == Approx(5.0 / 6 * 4 / 5));
    CHECK(curve.values[2] == Approx(2.0 / 3 * 2 / 3));
    CHECK(curve.values[4] == Approx(0).margin(1e-12));
    CHECK(curve.at_risk[2] == 3);
    double variance = std::pow(4.0 / 9, 2) * (1.0 / 30 + 1.0 / 20 + 1.0 / 6);
    CHECK(curve.standard_errors[2] == Approx(std::sqrt(variance)));
    CHECK(auxo_step_function_at(&curve, 0.5, 1) == 1);
    CHECK(auxo_step_function_at(&curve, 2.5, 1) == Approx(2.0 / 3));
    auxo_step_function_deinit(&curve);
    // Censoring distribution: the event at 2 comes before the censoring at 2, so 4 are exposed then.
    REQUIRE_OK(auxo_survival_kaplan_meier(&view, true, &curve, error));
    CHECK(auxo_step_function_at(&curve, 2, 1) == Approx(3.0 / 4));
    CHECK(auxo_step_function_at(&curve, 4, 1) == Approx(3.0 / 8));
    auxo_step_function_deinit(&curve);
}

TEST_CASE("dynamic AUC without censoring is the AUROC of having died by then")
{
    Error error;
    Sample s = random_sample(200, 3);
    for (uint32_t &e : s.events)
        e = 1;
    auxo_survival_sample view = s.view();
    const double at[] = {1.0, 2.5, 4.0};
    double areas[3];
    REQUIRE_OK(auxo_survival_dynamic_auc(&view, &view, at, 3, areas, error));
    for (int k = 0; k < 3; k++) {
        std::vector<uint32_t> died;
        for (double t : s.times)
            died.push_back(t <= at[k]);
        double expected;
        REQUIRE_OK(auxo_auroc(s.risks.data(), died.data(), died.size(), &expected, error));
        CHECK(areas[k] == Approx(expected));
    }
}

TEST_CASE("Breslow's hazard at equal risks is Nelson-Aalen, and shifting risks rescales it")
{
    Error error;
    Sample s;
    s.times = {1, 2, 2, 3};
    s.events = {1, 1, 1, 0};
    s.risks = {0, 0, 0, 0};
    auxo_step_function hazard, shifted;
    auxo_survival_sample view = s.view();
    REQUIRE_OK(auxo_survival_baseline_hazard(&view, &hazard, error));
    REQUIRE(hazard.count == 2);
    CHECK(hazard.values[0] == Approx(0.25));
    CHECK(hazard.values[1] == Approx(0.25 + 2.0 / 3));
    CHECK(auxo_survival_probability(&hazard, 0, 1.5) == Approx(std::exp(-0.25)));
    CHECK(auxo_survival_probability(&hazard, 0, 0.5) == 1);
    s.risks = {900, 900, 900, 900};
    view = s.view();
    REQUIRE_OK(auxo_survival_baseline_hazard(&view, &shifted, error));
    CHECK(std::isfinite(shifted.values[1]));
    auxo_step_function_deinit(&hazard);
    auxo_step_function_deinit(&shifted);
}

TEST_CASE("standardisation by site centres and scales each site")
{
    Error error;
    std::vector<double> risks = {1, 2, 3, 100, 300, 7};
    const uint32_t sites[] = {0, 0, 0, 1, 1, 2};
    REQUIRE_OK(auxo_survival_standardize_by_site(risks.data(), sites, 6, error));
    CHECK(risks[0] == Approx(-risks[2]));
    CHECK(risks[1] == Approx(0).margin(1e-12));
    CHECK(risks[3] == Approx(-1));
    CHECK(risks[4] == Approx(1));
    CHECK(risks[5] == 0);
}

TEST_CASE("linear Cox recovers the coefficients of simulated data on every device")
{
    for_each_device([](Device &device) {
        Error error;
        auxo_survival_simulation simulation{};
        simulation.row_count = 1500;
        simulation.column_count = 3;
        simulation.median_time = 5;
        simulation.weibull_shape = 1;
        simulation.censoring_rate = 0.3;
        simulation.site_count = 1;
        simulation.site_scale = 1;
        simulation.seed = 4;
        simulation.stream = 1;
        auxo_dataset *data = nullptr;
        REQUIRE_OK(auxo_survival_simulate(&simulation, &data, error));
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_load("mlp:3-1:nobias", 3, 1, 1, 1, &desc, error));
        auxo_model *model = nullptr;
        REQUIRE_OK(auxo_model_create(device.device, &desc, 1, &model, error));
        auxo_model_desc_deinit(&desc);
        auxo_train_options options{};
        options.loss = AUXO_LOSS_COX;
        options.cox.reduction = AUXO_COX_PER_EVENT;
        options.batch = 1500;
        REQUIRE_OK(auxo_optimizer_config_parse("adam:lr=0.05", &options.optimizer, error));
        auxo_trainer *trainer = nullptr;
        REQUIRE_OK(auxo_trainer_create(model, data, nullptr, &options, &trainer, error));
        for (int e = 0; e < 150; e++) {
            bool finished = false;
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
        }
        float w[3];
        REQUIRE_OK(auxo_model_read_weights(model, w, nullptr, error));
        CHECK(w[0] == Approx(1).margin(0.2)); // log risk x0 + 2 x1
        CHECK(w[1] == Approx(2).margin(0.2));
        CHECK(w[2] == Approx(0).margin(0.2));
        auxo_trainer_destroy(trainer);
        auxo_model_destroy(model);
        auxo_dataset_destroy(data);
    });
}

TEST_CASE("a convolutional network has the same Cox losses on every device, also in batches without events")
{
    std::vector<double> expected;
    for_each_device([&](Device &device) {
        Error error;
        auxo_data_options data_options{};
        data_options.limit = 48;
        data_options.seed = 1;
        auxo_dataset *train = nullptr, *test = nullptr;
        REQUIRE_OK(auxo_dataset_load("glyphs-survival", &data_options, &train, &test, error));
        for (size_t i = 0; i < train->row_count; i++)
            train->events[i] = i % 8 == 0; // batches of four rows: about every second has no event
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_load("lenet5", 1, 28, 28, 1, &desc, error));
        auxo_model *model = nullptr;
        REQUIRE_OK(auxo_model_create(device.device, &desc, 1, &model, error));
        auxo_model_desc_deinit(&desc);
        auxo_train_options options{};
        options.loss = AUXO_LOSS_COX;
        options.cox.reduction = AUXO_COX_PER_EVENT;
        options.cox.domain = AUXO_COX_DOMAIN_MEAN_SQ;
        options.cox.domain_strength = 0.01f;
        options.batch = 4;
        options.standardize = true;
        REQUIRE_OK(auxo_optimizer_config_parse("phs:lr=0.1,mass=10,friction=10", &options.optimizer, error));
        auxo_trainer *trainer = nullptr;
        REQUIRE_OK(auxo_trainer_create(model, train, nullptr, &options, &trainer, error));
        std::vector<double> losses;
        for (int epoch = 0; epoch < 3; epoch++) {
            bool finished = false;
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
            CHECK(std::isfinite(metrics.train_loss));
            losses.push_back(metrics.train_loss);
        }
        if (expected.empty())
            expected = losses;
        for (size_t i = 0; i < losses.size(); i++)
            CHECK(losses[i] == Approx(expected[i]).epsilon(1e-3));
        auxo_trainer_destroy(trainer);
        auxo_model_destroy(model);
        auxo_dataset_destroy(train);
        auxo_dataset_destroy(test);
    });
}

TEST_CASE("the interval of the dynamic AUC holds the area, and narrows with more subjects")
{
    Error error;
    double widths[2];
    for (int larger = 0; larger < 2; larger++) {
        Sample s = random_sample(larger ? 2000 : 100, 5);
        for (size_t i = 0; i < s.times.size(); i++)
            s.risks[i] -= 0.1 * s.times[i];
        auxo_survival_sample view = s.view();
        const double at[] = {2.5};
        double area, low, high;
        REQUIRE_OK(auxo_survival_dynamic_auc(&view, &view, at, 1, &area, error));
        REQUIRE_OK(auxo_survival_dynamic_auc_interval(&view, &view, at, 1, 200, 0.95, 1, &low, &high, error));
        CHECK(low < area);
        CHECK(area < high);
        widths[larger] = high - low;
        CHECK(auxo_survival_dynamic_auc_interval(&view, &view, at, 1, 0, 0.95, 1, &low, &high, error) ==
              AUXO_INVALID_ARGUMENT);
    }
    CHECK(widths[1] < 0.5 * widths[0]);
}

TEST_CASE("bad survival data is one clear line")
{
    Error error;
    Sample s = random_sample(10, 1);
    auxo_concordance c;
    s.times[3] = -1;
    auxo_survival_sample view = s.view();
    CHECK(auxo_survival_concordance(&view, &c, error) == AUXO_FORMAT);
    CHECK(error.text().find("row 4") != std::string::npos);
    s.times[3] = std::numeric_limits<double>::quiet_NaN();
    CHECK(auxo_survival_concordance(&view, &c, error) == AUXO_FORMAT);
    s = random_sample(10, 1);
    for (uint32_t &e : s.events)
        e = 0;
    view = s.view();
    CHECK(auxo_survival_concordance(&view, &c, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("event") != std::string::npos);
    s.events[0] = 1;
    s.times.assign(10, 2.0f);
    s.events.assign(10, 1);
    view = s.view();
    CHECK(auxo_survival_concordance(&view, &c, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("comparable") != std::string::npos);
}

TEST_CASE("Uno's concordance and Brier scores are scikit-survival's")
{
    Error error;
    const std::vector<double> times = {1.2, 4.0, 14.1, 2.7, 3.5, 2.7, 4.4, 1.1, 10.1, 0.8, 4.6, 33.6, 2.8, 13.0};
    const std::vector<uint32_t> events = {0, 0, 1, 0, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0};
    const std::vector<double> risks = {-0.2, 1.0, -0.9, -0.3, 0.9, 0.6, 0.1, 0.7, -2.8, 1.0, -1.0, -1.7, 0.3, 0.7};
    const std::vector<double> train_times = {21.3, 4.8,  24.6, 53.4, 2.5,  28.7, 8.7, 6.3, 2.6,  37.6,
                                             1.6,  17.7, 7.4,  30.3, 14.0, 51.2, 2.6, 2.3, 21.7, 5.4};
    const std::vector<uint32_t> train_events = {0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1};
    const auxo_survival_sample train = {20, train_times.data(), train_events.data(), nullptr};
    const auxo_survival_sample sample = {14, times.data(), events.data(), risks.data()};
    auxo_concordance uno{};
    REQUIRE_OK(auxo_survival_concordance_ipcw(&train, &sample, 13.0, &uno, error));
    CHECK(uno.index == Approx(0.6693608137779068).epsilon(1e-12));
    std::vector<double> steps = {1, 4, 9}, values = {0.1, 0.4, 1.1};
    auxo_step_function hazard{};
    hazard.count = 3;
    hazard.times = steps.data();
    hazard.values = values.data();
    const double at[] = {2, 5, 9}, expected[] = {0.056544932175604586, 0.12259023209054974, 0.11814741903869651};
    double scores[3], integral = 0;
    REQUIRE_OK(auxo_survival_brier(&train, &sample, &hazard, at, 3, scores, error));
    for (int k = 0; k < 3; k++)
        CHECK(scores[k] == Approx(expected[k]).epsilon(1e-12));
    REQUIRE_OK(auxo_survival_integrated_brier(&train, &sample, &hazard, 2, 9, &integral, error));
    CHECK(integral == Approx(0.12521742876411415).epsilon(1e-12));
    CHECK(auxo_survival_integrated_brier(&train, &sample, &hazard, 9, 2, &integral, error) == AUXO_INVALID_ARGUMENT);
}
