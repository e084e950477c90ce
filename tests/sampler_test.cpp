// tests/sampler_test.cpp: proposals and pruners as a library: ranges, steps and conditions are kept, equal seeds give
// equal points, TPE finds what random draws do not, and trials are given up by the rules of the papers.
#include "support/program.hpp"

#include "auxo/study.h"

#include <algorithm>
#include <cmath>
#include <fstream>

using namespace auxo_test;

namespace
{

struct Space {
    auxo_space space = {};
    ~Space()
    {
        auxo_space_deinit(&space);
    }
    void load(const std::string &json)
    {
        TempFolder folder;
        Error error;
        std::ofstream(folder.file("s.json")) << json;
        REQUIRE_OK(auxo_space_load(&space, folder.file("s.json").c_str(), error));
    }
};

std::string refusal(const std::string &json)
{
    TempFolder folder;
    Error error;
    Space s;
    std::ofstream(folder.file("s.json")) << json;
    CHECK(auxo_space_load(&s.space, folder.file("s.json").c_str(), error) != AUXO_OK);
    return error.text();
}

using Function = double (*)(const std::vector<double> &);

// What was tried, by a sampler on a function.
struct History {
    std::vector<std::vector<double>> points;
    std::vector<double> losses;

    double best() const
    {
        return *std::min_element(losses.begin(), losses.end());
    }
};

History search(const auxo_space &space, auxo_sampler sampler, size_t trials, Function function)
{
    Error error;
    History history;
    for (size_t t = 0; t < trials; t++) {
        std::vector<auxo_observation> observations;
        for (size_t i = 0; i < t; i++)
            observations.push_back({history.points[i].data(), history.losses[i]});
        std::vector<double> values(space.count);
        REQUIRE_OK(auxo_sampler_propose(&sampler, &space, observations.data(), t, t, values.data(), error));
        history.points.push_back(values);
        history.losses.push_back(function(values));
    }
    return history;
}

auxo_sampler sampler_of(auxo_sampler_kind kind, uint64_t seed, bool multivariate = false)
{
    auxo_sampler sampler;
    auxo_sampler_init(kind, seed, &sampler);
    sampler.multivariate = multivariate;
    return sampler;
}

double branin(const std::vector<double> &x)
{
    const double pi = 3.14159265358979323846;
    return std::pow(x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6, 2) +
           10 * (1 - 1 / (8 * pi)) * std::cos(x[0]) + 10 - 0.397887;
}

double sphere(const std::vector<double> &x)
{
    double sum = 0;
    for (double v : x)
        sum += (v - 0.3) * (v - 0.3);
    return sum;
}

// The second branch is better, and only there the depth matters.
double layered(const std::vector<double> &x)
{
    return x[0] == 0 ? 20 + x[1] : std::abs(x[2] - 7) + std::abs(std::log10(x[3]) + 2);
}

const char mixed[] = R"({"kind": {"choices": ["flat", "deep"]},
    "slope": {"type": "float", "low": 0, "high": 1, "step": 0.25, "when": {"kind": "flat"}},
    "depth": {"type": "int", "low": 1, "high": 21, "step": 2, "when": {"kind": "deep"}},
    "lr": {"type": "float", "low": 1e-5, "high": 1, "log": true, "when": {"kind": "deep"}},
    "last": {"type": "int", "low": 1, "high": 64, "log": true, "when": {"depth": {"low": 5}}}})";

} // namespace

TEST_CASE("sampler: proposals keep ranges, steps, choices and conditions, and equal seeds give equal ones")
{
    Space s;
    s.load(mixed);
    REQUIRE(s.space.count == 5);
    for (auxo_sampler_kind kind : {AUXO_SAMPLER_RANDOM, AUXO_SAMPLER_TPE})
        for (bool multivariate : {false, true}) {
            const History history = search(s.space, sampler_of(kind, 4, multivariate), 60, layered);
            const History again = search(s.space, sampler_of(kind, 4, multivariate), 60, layered);
            size_t flat = 0;
            for (size_t t = 0; t < history.points.size(); t++) {
                const std::vector<double> &x = history.points[t];
                for (size_t i = 0; i < x.size(); i++)
                    CHECK((x[i] == again.points[t][i] || (std::isnan(x[i]) && std::isnan(again.points[t][i]))));
                CHECK((x[0] == 0 || x[0] == 1));
                flat += x[0] == 0;
                CHECK(std::isnan(x[1]) == (x[0] != 0));
                CHECK(std::isnan(x[2]) == (x[0] == 0));
                CHECK(std::isnan(x[3]) == (x[0] == 0));
                CHECK(std::isnan(x[4]) == !(x[2] >= 5));
                if (x[0] == 0)
                    CHECK(x[1] * 4 == std::floor(x[1] * 4));
                else
                    CHECK((x[2] >= 1 && x[2] <= 21 && std::fmod(x[2], 2) == 1 && x[3] >= 1e-5 && x[3] <= 1));
                if (x[2] >= 5)
                    CHECK((x[4] >= 1 && x[4] <= 64 && x[4] == std::floor(x[4])));
            }
            CHECK(flat > 0);
            CHECK(flat < 60);
            // The estimator has found out which branch is the good one.
            if (kind == AUXO_SAMPLER_TPE)
                CHECK(flat < 25);
        }
}

TEST_CASE("sampler: random draws are uniform, in the logarithm where the parameter is")
{
    Space s;
    s.load(
        R"({"a": {"type": "int", "low": 1, "high": 4}, "b": {"type": "float", "low": 0.01, "high": 100, "log": true}})");
    const History history = search(s.space, sampler_of(AUXO_SAMPLER_RANDOM, 1), 4000, sphere);
    size_t counts[5] = {0}, small = 0;
    for (const std::vector<double> &x : history.points) {
        counts[(size_t)x[0]]++;
        small += x[1] < 1;
    }
    for (int i = 1; i <= 4; i++)
        CHECK(std::abs((double)counts[i] - 1000) < 5 * std::sqrt(1000 * 0.75));
    CHECK(std::abs((double)small - 2000) < 5 * std::sqrt(1000));
}

TEST_CASE("sampler: TPE is better than random draws on functions, seed by seed in most")
{
    Space two, five;
    two.load(R"({"x": {"type": "float", "low": -5, "high": 10}, "y": {"type": "float", "low": 0, "high": 15}})");
    five.load(R"({"a": {"type": "float", "low": 0, "high": 1}, "b": {"type": "float", "low": 0, "high": 1},
        "c": {"type": "float", "low": 0, "high": 1}, "d": {"type": "float", "low": 0, "high": 1},
        "e": {"type": "float", "low": 0, "high": 1}})");
    for (bool multivariate : {false, true})
        for (int problem = 0; problem < 2; problem++) {
            const auxo_space &space = problem ? five.space : two.space;
            Function function = problem ? sphere : branin;
            int better = 0;
            for (uint64_t seed = 1; seed <= 10; seed++)
                better += search(space, sampler_of(AUXO_SAMPLER_TPE, seed, multivariate), 100, function).best() <
                          search(space, sampler_of(AUXO_SAMPLER_RANDOM, seed), 100, function).best();
            INFO("multivariate " << multivariate << " problem " << problem);
            CHECK(better >= 8);
        }
}

TEST_CASE("sampler: a function is searched through a study by two workers that ask in turn")
{
    TempFolder folder;
    Error error;
    Space s;
    s.load(R"({"x": {"type": "float", "low": -5, "high": 10}, "y": {"type": "float", "low": 0, "high": 15}})");
    auxo_study_options options = {};
    options.create = true;
    auxo_study *workers[2] = {nullptr, nullptr};
    for (auxo_study *&worker : workers)
        REQUIRE_OK(auxo_study_open(folder.file("s.db").c_str(), &options, &worker, error));
    const auxo_sampler sampler = sampler_of(AUXO_SAMPLER_TPE, 3, true);
    for (int t = 0; t < 40; t++) {
        int64_t ids[2];
        std::vector<double> points[2] = {std::vector<double>(2), std::vector<double>(2)};
        for (int w = 0; w < 2; w++)
            REQUIRE_OK(auxo_study_ask(workers[w], &s.space, &sampler, &ids[w], points[w].data(), error));
        CHECK(ids[0] != ids[1]);
        CHECK(points[0] != points[1]);
        for (int w = 0; w < 2; w++) {
            bool kept = false;
            REQUIRE_OK(auxo_study_end_trial(workers[w], ids[w], AUXO_TRIAL_COMPLETE, branin(points[w]), &kept, error));
            CHECK(kept);
        }
    }
    REQUIRE_OK(auxo_study_refresh(workers[0], error));
    CHECK(auxo_study_best(workers[0])->value < 0.5);
    for (auxo_study *worker : workers)
        auxo_study_close(worker);
}

TEST_CASE("sampler: files of spaces that make no sense are refused with the parameter's name")
{
    CHECK(refusal("[]").find("must hold an object") != std::string::npos);
    CHECK(refusal("{").find("space: ") != std::string::npos);
    CHECK(refusal(R"({"a": 3})").find("\"a\": it must be an object") != std::string::npos);
    CHECK(refusal(R"({"a": {"type": "float"}})").find("\"low\" and \"high\"") != std::string::npos);
    CHECK(refusal(R"({"a": {"type": "real", "low": 0, "high": 1}})").find("\"type\"") != std::string::npos);
    CHECK(refusal(R"({"a": {"type": "float", "low": 1, "high": 0}})").find("a lower and a higher end") !=
          std::string::npos);
    CHECK(refusal(R"({"a": {"type": "float", "low": 0, "high": 1, "log": true}})").find("above 0") !=
          std::string::npos);
    CHECK(refusal(R"({"a": {"type": "int", "low": 0.5, "high": 1}})").find("whole") != std::string::npos);
    CHECK(refusal(R"({"a": {"choices": []}})").find("no choices") != std::string::npos);
    CHECK(refusal(R"({"a": {"type": "int", "low": 0, "high": 1, "hi": 2}})").find("unknown part: hi") !=
          std::string::npos);
    CHECK(refusal(R"({"a": {"type": "int", "low": 0, "high": 1, "when": {"b": 1}}})").find("does not stand before") !=
          std::string::npos);
    CHECK(
        refusal(R"({"a": {"choices": [1, 2]}, "b": {"choices": [1], "when": {"a": 3}}})").find("none of the choices") !=
        std::string::npos);
}

namespace
{

// Trials of the given values by step; the last one runs.
struct Trials {
    std::vector<std::vector<auxo_trial_report>> reports;
    std::vector<auxo_trial> trials;
    Trials(const std::vector<std::vector<double>> &values)
    {
        for (const std::vector<double> &row : values) {
            std::vector<auxo_trial_report> list;
            for (double value : row)
                list.push_back({(int64_t)list.size() + 1, value});
            reports.push_back(list);
        }
        for (size_t i = 0; i < reports.size(); i++) {
            auxo_trial trial = {};
            trial.id = (int64_t)i + 1;
            trial.state = i + 1 == reports.size() ? AUXO_TRIAL_RUNNING : AUXO_TRIAL_COMPLETE;
            trial.reports = reports[i].data();
            trial.report_count = reports[i].size();
            trials.push_back(trial);
        }
    }
    bool pruned(const auxo_pruner &pruner, bool maximize = true)
    {
        Error error;
        bool found = false;
        REQUIRE_OK(auxo_pruner_judge(&pruner, trials.data(), trials.size(), &trials.back(), maximize, &found, error));
        return found;
    }
};

} // namespace

TEST_CASE("pruner: the median of complete trials at the same step decides")
{
    auxo_pruner pruner;
    auxo_pruner_init(AUXO_PRUNER_MEDIAN, &pruner);
    pruner.startup = 3;
    const std::vector<std::vector<double>> others = {{0.1, 0.9}, {0.5, 0.9}, {0.7, 0.9}};
    auto with_own = [&](const std::vector<double> &own) {
        std::vector<std::vector<double>> all = others;
        all.push_back(own);
        return Trials(all);
    };
    CHECK(with_own({0.4}).pruned(pruner));
    CHECK(!with_own({0.5}).pruned(pruner));
    CHECK(!with_own({0.6}).pruned(pruner));
    CHECK(with_own({0.6}).pruned(pruner, false)); // as a loss
    // Its best so far counts, not its last value.
    CHECK(!with_own({0.95, 0.2}).pruned(pruner));
    CHECK(with_own({0.6, 0.8}).pruned(pruner));
    CHECK(!with_own({0.1, 0.1, 0.1}).pruned(pruner)); // nobody came that far
    CHECK(with_own({-INFINITY}).pruned(pruner));
    pruner.warmup = 1;
    CHECK(!with_own({0.4}).pruned(pruner));
    pruner.warmup = 0;
    pruner.startup = 4;
    CHECK(!with_own({0.4}).pruned(pruner));
    pruner.kind = AUXO_PRUNER_NONE;
    CHECK(!with_own({0.4}).pruned(pruner));
}

TEST_CASE("pruner: successive halving lets one of r go on at each rung")
{
    auxo_pruner pruner;
    auxo_pruner_init(AUXO_PRUNER_HALVING, &pruner);
    pruner.reduction = 2;
    auto pruned = [&](std::vector<std::vector<double>> others, const std::vector<double> &own) {
        others.push_back(own);
        return Trials(others).pruned(pruner);
    };
    CHECK(!pruned({}, {0.1})); // the first is the best so far
    CHECK(!pruned({{0.1}}, {0.2}));
    CHECK(pruned({{0.2}}, {0.1}));
    CHECK(!pruned({{0.2}, {0.4}, {0.1}}, {0.3})); // second of four
    CHECK(pruned({{0.2}, {0.4}, {0.3}}, {0.1}));
    // Rungs are at 1, 2, 4, 8: nothing is asked at 3.
    CHECK(!pruned({{0.9, 0.9, 0.9}}, {0.9, 0.9, 0.1}));
    CHECK(pruned({{0.9, 0.9, 0.9, 0.9}}, {0.9, 0.9, 0.9, 0.1}));
    CHECK(pruned({}, {std::nan("")}));
}
