// tests/cox_fit_test.cpp: Cox's partial likelihood by Newton's method against other packages, and the columns that no
// data can tell a coefficient of.
#include "auxo/survival.h"
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <cmath>

using namespace auxo_test;

namespace
{

enum { ROWS = 120, COLUMNS = 5 };

// age, marker, treat, stage II, stage III, with many ties, a quarter of the rows censored: the same numbers as any
// 32-bit linear congruential generator gives.
struct Rows {
    std::vector<double> times, columns;
    std::vector<uint32_t> events, stages;
    Rows()
    {
        uint32_t state = 12345;
        for (int i = 0; i < ROWS; i++) {
            double u[6];
            for (double &value : u) {
                state = 1664525u * state + 1013904223u;
                value = state / 4294967296.0;
            }
            const double age = 40 + std::floor(40 * u[0]), marker = 0.25 * std::floor(9 * u[1]) - 1, treat = u[2] < 0.5;
            const uint32_t stage = static_cast<uint32_t>(3 * u[3]);
            const double risk =
                0.04 * (age - 60) + 0.5 * marker - 0.6 * treat + 0.7 * (stage == 1) + 1.2 * (stage == 2);
            const double time = std::min(40.0, 1 + std::floor(-12 * std::log(1 - u[4]) * std::exp(-risk)));
            columns.insert(columns.end(), {age, marker, treat, double(stage == 1), double(stage == 2)});
            times.push_back(time);
            events.push_back(u[5] < 0.75 && time < 40);
            stages.push_back(stage);
        }
    }
    auxo_survival_sample view() const
    {
        return {times.size(), times.data(), events.data(), nullptr};
    }
    // With one more column.
    std::vector<double> with(const std::function<double(int)> &more) const
    {
        std::vector<double> wide;
        for (int i = 0; i < ROWS; i++) {
            wide.insert(wide.end(), columns.begin() + i * COLUMNS, columns.begin() + (i + 1) * COLUMNS);
            wide.push_back(more(i));
        }
        return wide;
    }
};

struct Expected {
    auxo_cox_ties ties;
    const char *name;
    double coefficients[COLUMNS], errors[COLUMNS], log_likelihood;
};
// statsmodels 0.15 (PHReg) for both treatments of ties; lifelines 0.30 (CoxPHFitter) gives the same under Efron's.
const Expected expected[] = {
    {AUXO_COX_EFRON,
     "efron",
     {0.044890161, 0.570796714, -0.743730811, 0.368290035, 1.148370761},
     {0.010933269, 0.170788914, 0.232203788, 0.280797060, 0.273549921},
     -327.708109310},
    {AUXO_COX_BRESLOW,
     "breslow",
     {0.042879644, 0.555003323, -0.727938176, 0.355832173, 1.098621342},
     {0.010904723, 0.171127850, 0.231563498, 0.280289287, 0.273921093},
     -332.502000505},
};

struct Fit : auxo_cox_fit {
    Fit(const Rows &rows, const std::vector<double> &columns, auxo_cox_ties ties = AUXO_COX_EFRON) : auxo_cox_fit{}
    {
        Error error;
        const auxo_survival_sample sample = rows.view();
        REQUIRE_OK(auxo_cox_fit_linear(&sample, columns.data(), columns.size() / ROWS, ties, this, error));
    }
    ~Fit()
    {
        auxo_cox_fit_deinit(this);
    }
};

void check_known(const auxo_cox_fit &fit, const Expected &known)
{
    for (int c = 0; c < COLUMNS; c++) {
        INFO("column " << c);
        CHECK(fit.coefficients[c].state == AUXO_COEFFICIENT_FITTED);
        CHECK(fit.coefficients[c].value == Approx(known.coefficients[c]).epsilon(1e-7));
        CHECK(fit.coefficients[c].standard_error == Approx(known.errors[c]).epsilon(1e-7));
    }
}

} // namespace

TEST_CASE("linear Cox by Newton's method agrees with other packages, with Efron's and Breslow's ties")
{
    const Rows rows;
    for (const Expected &known : expected) {
        INFO(known.name);
        Fit fit(rows, rows.columns, known.ties);
        REQUIRE(fit.count == COLUMNS);
        check_known(fit, known);
        CHECK(fit.log_likelihood == Approx(known.log_likelihood).epsilon(1e-9));
        CHECK(fit.null_log_likelihood < fit.log_likelihood);
    }
}

TEST_CASE("linear Cox: a column that data cannot tell of is named, and the others keep their coefficients")
{
    const Rows rows;
    const struct {
        const char *what;
        std::function<double(int)> column;
        auxo_coefficient_state state;
    } cases[] = {
        {"constant", [](int) { return 7.0; }, AUXO_COEFFICIENT_CONSTANT},
        {"a multiple", [&](int i) { return -3 * rows.columns[i * COLUMNS + 1]; }, AUXO_COEFFICIENT_COLLINEAR},
        {"a sum", [&](int i) { return rows.columns[i * COLUMNS] / 7 + 2 * rows.columns[i * COLUMNS + 2] + 0.1; },
         AUXO_COEFFICIENT_COLLINEAR},
        {"the third level", [&](int i) { return double(rows.stages[i] == 0); }, AUXO_COEFFICIENT_COLLINEAR},
    };
    for (const auto &one : cases) {
        INFO(one.what);
        Fit fit(rows, rows.with(one.column));
        REQUIRE(fit.count == COLUMNS + 1);
        CHECK(fit.coefficients[COLUMNS].state == one.state);
        check_known(fit, expected[0]);
    }
}

TEST_CASE("linear Cox: a column that separates the events completely has no finite coefficient")
{
    const Rows rows;
    // Nobody with the mark ever has the event.
    Fit never(rows, rows.with([&](int i) { return rows.events[i] ? 0.0 : 1.0; }));
    CHECK(never.coefficients[COLUMNS].state == AUXO_COEFFICIENT_INFINITE);
    for (int c = 0; c < COLUMNS; c++)
        CHECK(never.coefficients[c].state == AUXO_COEFFICIENT_FITTED);
    // The order of the times itself.
    Fit order(rows, rows.with([&](int i) { return -rows.times[i]; }));
    CHECK(order.coefficients[COLUMNS].state == AUXO_COEFFICIENT_INFINITE);
}

TEST_CASE("survival train with the linear model tells the coefficients of columns and levels")
{
    const Rows rows;
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    const char *const levels[] = {"I", "II", "III"};
    std::string text = "age,marker,treat,stage,same,months,died\n";
    for (int i = 0; i < ROWS; i++) {
        const double *x = &rows.columns[i * COLUMNS];
        text += std::to_string(x[0]) + "," + std::to_string(x[1]) + "," + std::to_string(x[2]) + "," +
                levels[rows.stages[i]] + ",5," + std::to_string(rows.times[i]) + "," + std::to_string(rows.events[i]) +
                "\n";
    }
    write_file(folder.file("rows.csv"), text);
    for (const Expected &known : expected) {
        INFO(known.name);
        ProgramResult result = program.run({"survival", "train", "--data", folder.file("rows.csv"), "--time", "months",
                                            "--event", "died", "--model", "linear", "--ties", known.name,
                                            "--test-fraction", "0", "--device", "cpu", "--json"});
        INFO(result.errors);
        REQUIRE(result.exit_code == 0);
        size_t found = 0;
        for (const Event &event : result.events("coefficient")) {
            INFO(event.text("column"));
            if (event.text("column") == "same") {
                CHECK(event.is_null("coefficient"));
                CHECK(event.text("not_identified").find("does not vary") != std::string::npos);
                continue;
            }
            const char *const names[COLUMNS] = {"age", "marker", "treat", "stage=II", "stage=III"};
            for (int c = 0; c < COLUMNS; c++)
                if (event.text("column") == names[c]) {
                    const double value = known.coefficients[c], z = value / known.errors[c];
                    found++;
                    CHECK(event.number("coefficient") == Approx(value).epsilon(1e-6));
                    CHECK(event.number("standard_error") == Approx(known.errors[c]).epsilon(1e-6));
                    CHECK(event.number("hazard_ratio") == Approx(std::exp(value)).epsilon(1e-6));
                    CHECK(event.number("z") == Approx(z).epsilon(1e-5));
                    CHECK(event.number("p") == Approx(std::erfc(std::fabs(z) / std::sqrt(2.0))).epsilon(1e-4));
                    CHECK_FALSE(event.has("not_identified"));
                }
        }
        CHECK(found == COLUMNS);
        REQUIRE(result.events("reference").size() == 1);
        CHECK(result.events("reference")[0].text("levels") == "stage=I");
    }
}
