// tests/strangers_survival_test.cpp: survival tables of other people: rare events, times that f32 cannot hold, files
// without outcomes or with nobody dead, columns whose names look like levels.
#include "auxo/survival.h"
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <cmath>

using namespace auxo_test;

namespace
{

ProgramResult succeed(Program &program, const Words &words)
{
    ProgramResult result = program.run(words);
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    return result;
}

// Rows of covariates a and b with times; `events` of them, spread evenly, have the event.
std::string rare(size_t rows, size_t events, uint32_t seed)
{
    std::vector<float> x = uniform(3 * rows, 0.01f, 1, seed);
    std::string text = "a,b,days,died\n";
    for (size_t i = 0; i < rows; i++)
        text += std::to_string(x[3 * i]) + "," + std::to_string(x[3 * i + 1]) + "," +
                std::to_string(1 + int(900 * x[3 * i + 2])) + "," + (i % (rows / events) == 1 ? "1" : "0") + "\n";
    return text;
}

} // namespace

TEST_CASE("a survival split leaves events on both sides, however rare, for every seed")
{
    TempFolder folder;
    for (size_t events : {2u, 3u, 5u, 20u}) {
        write_file(folder.file("t.csv"), rare(200, events, 3));
        auxo_data_options options = {};
        options.time_column = "days";
        options.event_column = "died";
        for (uint64_t seed = 1; seed <= 12; seed++) {
            LoadedData data;
            data.require(folder.file("t.csv"), options);
            Error error;
            auxo_dataset *held_out = nullptr;
            const auxo_dataset *train = data.train;
            size_t all = 0, kept = 0, out = 0;
            for (size_t i = 0; i < train->row_count; i++)
                all += train->events[i];
            REQUIRE_OK(auxo_dataset_hold_out(&data.train, 0.2, seed, &held_out, error));
            for (size_t i = 0; i < data.train->row_count; i++)
                kept += data.train->events[i];
            for (size_t i = 0; i < held_out->row_count; i++)
                out += held_out->events[i];
            CHECK(kept >= 1);
            CHECK(out >= 1);
            CHECK(kept + out == all);
            CHECK(std::fabs(double(out) - 0.2 * double(all)) <= 1);
            auxo_dataset_destroy(held_out);
        }
    }
}

TEST_CASE("an event at T counts at T, for times that f32 rounds up or down")
{
    Error error;
    for (double step : {0.1, 0.7, 1.7, 16777217.0, 1e-9, 1234567.8}) {
        std::vector<double> times, risks;
        std::vector<uint32_t> events;
        for (int i = 1; i <= 8; i++) {
            times.push_back(i * step);
            events.push_back(1);
            risks.push_back(0);
        }
        auxo_survival_sample sample = {8, times.data(), events.data(), risks.data()};
        auxo_step_function survival = {}, hazard = {};
        REQUIRE_OK(auxo_survival_kaplan_meier(&sample, false, &survival, error));
        REQUIRE_OK(auxo_survival_baseline_hazard(&sample, &hazard, error));
        double sum = 0;
        for (int i = 1; i <= 8; i++) {
            INFO(step << " x " << i);
            sum += 1.0 / (9 - i);
            CHECK(auxo_step_function_at(&survival, i * step, 1) == Approx(1 - i / 8.0));
            CHECK(auxo_step_function_at(&hazard, i * step, 0) == Approx(sum));
            CHECK(auxo_step_function_at(&survival, std::nextafter(i * step, 0), 1) == Approx(1 - (i - 1) / 8.0));
        }
        auxo_step_function_deinit(&survival);
        auxo_step_function_deinit(&hazard);
    }
}

TEST_CASE("times that differ only beyond f32 are no ties to the loss")
{
    // Two rows whose times f32 cannot tell apart: with the order known, one of two signs of the coefficient wins.
    TempFolder folder;
    std::string text = "x,t,e\n";
    for (int i = 0; i < 64; i++)
        text +=
            std::to_string(i % 2 ? 1 : -1) + "," + std::to_string(1650000000.0 + i / 2 + (i % 2 ? 0.25 : 0.5)) + ",1\n";
    write_file(folder.file("t.csv"), text);
    Program program(AUXO_PROGRAM);
    ProgramResult result =
        succeed(program, {"survival", "train",   "--data",      folder.file("t.csv"), "--time",   "t",       "--event",
                          "e",        "--model", "linear",      "--test-fraction",    "0",        "--batch", "0",
                          "--epochs", "60",      "--optimizer", "adam:lr=0.05",       "--device", "cpu",     "--json"});
    CHECK(result.events("coefficient")[0].number("coefficient") > 0.02);
    CHECK(result.events("result")[0].number("train_concordance") > 0.5);
}

TEST_CASE("risks need no outcome, and are the same whether or not somebody died")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string model = folder.file("m.safetensors"), text = rare(120, 40, 7);
    write_file(folder.file("train.csv"), text);
    succeed(program, {"survival", "train", "--data", folder.file("train.csv"), "--time", "days", "--event", "died",
                      "--epochs", "5", "--device", "cpu", "--save", model});
    std::string bare = "b,a\n", living = "died,days,b,a\n";
    std::vector<float> x = uniform(40, 0, 1, 11);
    for (size_t i = 0; i < 20; i++) {
        const std::string row = std::to_string(x[2 * i]) + "," + std::to_string(x[2 * i + 1]) + "\n";
        bare += row;
        living += "0," + std::to_string(10 + i) + "," + row;
    }
    write_file(folder.file("bare.csv"), bare);
    write_file(folder.file("living.csv"), living);
    const std::string first =
        succeed(program, {"survival", "predict", model, "--data", folder.file("bare.csv"), "--device", "cpu"}).output;
    CHECK(std::count(first.begin(), first.end(), '\n') == 21);
    CHECK(succeed(program, {"survival", "predict", model, "--data", folder.file("living.csv"), "--device", "cpu"})
              .output == first);
    CHECK(succeed(program, {"survival", "predict", model, "--data", folder.file("living.csv"), "--time", "days",
                            "--event", "died", "--device", "cpu"})
              .output == first);
    std::string times = "1";
    for (int i = 2; i <= 300; i++)
        times += "," + std::to_string(i);
    ProgramResult many = succeed(
        program, {"survival", "predict", model, "--data", folder.file("bare.csv"), "--at", times, "--device", "cpu"});
    const std::string head = many.output.substr(0, many.output.find('\n'));
    CHECK(std::count(head.begin(), head.end(), ',') == 301);
    ProgramResult eval =
        succeed(program, {"survival", "eval", model, "--data", folder.file("train.csv"), "--device", "cpu", "--json"});
    CHECK(std::isfinite(eval.events("result")[0].number("concordance")));
}

TEST_CASE("a number column called stage=II keeps its own coefficient, a text column's first level is the reference")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::vector<float> x = uniform(600, 0.01f, 1, 5);
    std::string text = "stage=II,stage=III,ward,days,died\n";
    for (size_t i = 0; i < 200; i++) {
        const int ii = i % 3 == 1, iii = i % 3 == 2;
        const double time = -std::log(double(x[3 * i])) * std::exp(-0.8 * ii - 1.6 * iii - 0.5 * (i % 2));
        text += std::to_string(ii) + "," + std::to_string(iii) + "," + (i % 2 ? "b=c" : "a") + "," +
                std::to_string(time) + ",1\n";
    }
    write_file(folder.file("t.csv"), text);
    ProgramResult result =
        succeed(program, {"survival", "train",   "--data",      folder.file("t.csv"), "--time",   "days",    "--event",
                          "died",     "--model", "linear",      "--test-fraction",    "0",        "--batch", "0",
                          "--epochs", "400",     "--optimizer", "adam:lr=0.05",       "--device", "cpu",     "--json"});
    std::vector<Event> coefficients = result.events("coefficient");
    double second = 0, third = 0, ward = 0;
    for (const Event &event : coefficients) {
        second = event.text("column") == "stage=II" ? event.number("coefficient") : second;
        third = event.text("column") == "stage=III" ? event.number("coefficient") : third;
        ward = event.text("column") == "ward=b=c" ? event.number("coefficient") : ward;
    }
    CHECK(second == Approx(0.8).margin(0.4));
    CHECK(third == Approx(1.6).margin(0.4));
    CHECK(ward == Approx(0.5).margin(0.35));
}

namespace
{

// Two rows for each patient, at one of two clinics; sicker patients die sooner, many are censored early.
std::string clinics(size_t patients, uint32_t seed)
{
    std::vector<float> x = uniform(4 * patients, 0.01f, 1, seed);
    std::string text = "patient,clinic,a,b,days,died\n";
    for (size_t i = 0; i < 2 * patients; i++) {
        const float *p = &x[4 * (i / 2)];
        text += "P" + std::to_string(i / 2) + (i / 2 % 3 ? ",north," : ",south,") + std::to_string(p[0]) + "," +
                std::to_string(p[1]) + "," + std::to_string(1 + int(900 * p[2] / (0.2f + p[0]))) + "," +
                (p[3] > 0.45f ? "1" : "0") + "\n";
    }
    return text;
}

} // namespace

TEST_CASE("a survival model remembers groups, sites and the censoring of its training rows")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    write_file(folder.file("t.csv"), clinics(80, 5));
    write_file(folder.file("other.csv"), clinics(40, 6));
    const std::string model = folder.file("m.safetensors");
    const Words columns = {"--time", "days", "--event", "died", "--device", "cpu", "--json"};
    const ProgramResult trained =
        succeed(program, with(with({"survival", "train", "--data", folder.file("t.csv"), "--model", "linear", "--group",
                                    "patient", "--site", "clinic", "--inputs", "a,b", "--save", model},
                                   columns),
                              {}));
    // The rows that were held out, whole patients, are found again without being told of patients.
    const Event told = trained.events("result").at(0);
    const ProgramResult again =
        succeed(program, {"survival", "eval", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json"});
    const Event found = again.events("result").at(0);
    CHECK(found.number("concordance") == Approx(told.number("test_concordance")).epsilon(1e-12));
    CHECK(again.output.find("north") != std::string::npos);

    // Of other rows, the weights are those of the training rows: scikit-survival's survival_train.
    const ProgramResult of_others =
        succeed(program, {"survival", "eval", model, "--data", folder.file("other.csv"), "--device", "cpu", "--json"});
    const ProgramResult risks = succeed(
        program, {"survival", "predict", model, "--data", folder.file("other.csv"), "--device", "cpu", "--json"});
    LoadedData train, others;
    auxo_data_options options = {};
    options.time_column = "days";
    options.event_column = "died";
    options.group_column = "patient";
    const char *inputs[] = {"a", "b"};
    options.input_columns = inputs;
    options.input_column_count = 2;
    train.require(folder.file("t.csv"), options);
    others.require(folder.file("other.csv"), options);
    auxo_dataset *held_out = nullptr;
    Error error;
    REQUIRE_OK(auxo_dataset_hold_out(&train.train, 0.2, 1, &held_out, error));
    std::vector<double> predicted, event_times;
    for (const Event &row : risks.events("row"))
        predicted.push_back(row.number("risk"));
    REQUIRE(predicted.size() == others.train->row_count);
    for (size_t i = 0; i < others.train->row_count; i++)
        if (others.train->events[i])
            event_times.push_back(others.train->times[i]);
    std::sort(event_times.begin(), event_times.end());
    const double tau = event_times[size_t(0.9 * double(event_times.size() - 1))];
    const auxo_survival_sample fit = auxo_survival_rows(train.train, nullptr);
    const auxo_survival_sample sample = auxo_survival_rows(others.train, predicted.data());
    auxo_concordance by_training, by_themselves;
    REQUIRE_OK(auxo_survival_concordance_ipcw(&fit, &sample, tau, &by_training, error));
    REQUIRE_OK(auxo_survival_concordance_ipcw(&sample, &sample, tau, &by_themselves, error));
    CHECK(by_training.index != Approx(by_themselves.index).epsilon(1e-6));
    CHECK(of_others.events("result").at(0).number("uno_concordance") == Approx(by_training.index).epsilon(1e-9));
    auxo_dataset_destroy(held_out);
}
