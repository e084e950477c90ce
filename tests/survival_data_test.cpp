// tests/survival_data_test.cpp: survival data: the columns of tables, the simulator, and labels on images.
#include "support/data_files.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

using namespace auxo_test;

namespace
{

auxo_table_roles survival_roles()
{
    auxo_table_roles roles = {};
    roles.time_column = "t";
    roles.event_column = "e";
    return roles;
}

void check_refused(const std::string &text, const auxo_table_roles &roles, auxo_status status,
                   const std::string &message)
{
    INFO(text);
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", text));
    CHECK(table.make(roles) == status);
    CHECK(table.dataset == nullptr);
    check_message(table.error, message);
}

auxo_survival_simulation simulation(size_t rows)
{
    auxo_survival_simulation made = {};
    made.row_count = rows;
    made.column_count = 5;
    made.median_time = 2;
    made.weibull_shape = 1;
    made.site_count = 1;
    made.site_scale = 1;
    return made;
}

class Simulated
{
  public:
    explicit Simulated(const auxo_survival_simulation &given)
    {
        REQUIRE_OK(auxo_survival_simulate(&given, &set, error));
        x = static_cast<const float *>(set->features);
    }
    ~Simulated()
    {
        auxo_dataset_destroy(set);
    }
    Simulated(const Simulated &) = delete;
    Simulated &operator=(const Simulated &) = delete;
    double event_share() const
    {
        return std::accumulate(set->events, set->events + set->row_count, 0.0) / double(set->row_count);
    }
    auxo_dataset *set = nullptr;
    const float *x = nullptr;
    Error error;
};

} // namespace

TEST_CASE("survival columns: times, events as numbers or words, groups and sites")
{
    LoadedTable table;
    Error &error = table.error;
    auxo_table_roles roles = survival_roles();
    roles.group_column = "patient";
    roles.site_column = "site";
    REQUIRE_OK(table.read("t.csv", "t,x,e,patient,site\n5,1,alive,70,A\n3.5,2,dead,9,B\n0,3,alive,70,A\n"));
    REQUIRE_OK(table.make(roles));
    const auxo_dataset &set = *table.dataset;
    CHECK(set.target_type == AUXO_TARGET_SURVIVAL);
    CHECK(set.channels == 1);
    CHECK(set.times[1] == 3.5f);
    CHECK(std::vector<uint32_t>(set.events, set.events + 3) == std::vector<uint32_t>{0, 1, 0});
    CHECK(std::vector<uint32_t>(set.groups, set.groups + 3) == std::vector<uint32_t>{1, 0, 1});
    CHECK(std::vector<uint32_t>(set.sites, set.sites + 3) == std::vector<uint32_t>{0, 1, 0});
}

TEST_CASE("survival columns: the value that means an event can be named")
{
    LoadedTable table;
    Error &error = table.error;
    auxo_table_roles roles = survival_roles();
    roles.event_level = "2";
    REQUIRE_OK(table.read("t.csv", "t,x,e\n5,1,0\n3,2,1\n1,3,2\n"));
    REQUIRE_OK(table.make(roles));
    CHECK(std::vector<uint32_t>(table.dataset->events, table.dataset->events + 3) == std::vector<uint32_t>{0, 0, 1});
    roles.event_level = "relapse";
    CHECK(table.make(roles) == AUXO_NOT_FOUND);
    check_message(table.error, "never has the event value 'relapse'");
    REQUIRE_OK(table.read("t.csv", "t,x,e\n5,1,relapse\n3,2,none\n"));
    REQUIRE_OK(table.make(roles));
    CHECK(table.dataset->events[0] == 1);
}

TEST_CASE("survival columns: bad times and events are refused in one line")
{
    auxo_table_roles roles = survival_roles();
    check_refused("t,x,e\n1,1,1\n-2,1,0\n", roles, AUXO_FORMAT, "t.csv:3: column 1 (t): a time is negative");
    check_refused("t,x,e\n1,1,1\nNaN,1,0\n", roles, AUXO_FORMAT, "t.csv:3: column 1 (t): missing value");
    check_refused("t,x,e\nlong,1,1\n", roles, AUXO_FORMAT, "column 1 (t) holds text ('long'), but is the time");
    check_refused("t,x,e\n1,1,1\n2,1,2\n", roles, AUXO_FORMAT, "t.csv:3: column 3 (e): an event is neither 0");
    check_refused("t,x,e\n1,1,maybe\n", roles, AUXO_FORMAT, "an event is neither 0");
    check_refused("t,x,e\n1,1,0\n2,1,0\n", roles, AUXO_FORMAT, "no events in column 'e'");
    roles.time_column = "time";
    check_refused("t,x,e\n1,1,0\n", roles, AUXO_NOT_FOUND, "no column named 'time'");
    roles.time_column = nullptr;
    check_refused("t,x,e\n1,1,0\n", roles, AUXO_INVALID_ARGUMENT, "needs both a time and an event column");
}

TEST_CASE("survival columns: a group at two sites is refused with both lines")
{
    auxo_table_roles roles = survival_roles();
    roles.group_column = "patient";
    roles.site_column = "site";
    check_refused("t,x,e,patient,site\n5,1,1,p1,A\n3,2,1,p2,B\n1,3,0,p1,B\n", roles, AUXO_FORMAT,
                  "t.csv:4: this row's group is at another site on line 2");
}

TEST_CASE("the simulator censors the share asked for")
{
    for (double rate : {0.0, 0.25, 0.7})
        for (auxo_risk risk : {AUXO_RISK_LINEAR, AUXO_RISK_GAUSSIAN}) {
            auxo_survival_simulation given = simulation(20000);
            given.censoring_rate = rate;
            given.risk = risk;
            given.weibull_shape = risk == AUXO_RISK_LINEAR ? 1 : 2;
            Simulated data(given);
            CHECK(std::fabs(1 - data.event_share() - rate) < 0.025);
        }
}

TEST_CASE("simulated times follow the hazard: the cumulative hazard at each time is a unit exponential")
{
    for (double shape : {1.0, 1.7}) {
        auxo_survival_simulation given = simulation(20000);
        given.weibull_shape = shape;
        Simulated data(given);
        double sum = 0, sum_of_squares = 0;
        for (size_t i = 0; i < 20000; i++) {
            double risk = std::exp(data.x[5 * i] + 2 * data.x[5 * i + 1]);
            double hazard = std::log(2.0) * std::pow(data.set->times[i] / 2.0, shape) * risk;
            sum += hazard;
            sum_of_squares += hazard * hazard;
        }
        CHECK(sum / 20000 == Approx(1).margin(0.03));
        CHECK(sum_of_squares / 20000 == Approx(2).margin(0.2));
    }
}

TEST_CASE("the second site records covariates scaled and shifted, with the same times")
{
    auxo_survival_simulation given = simulation(4000);
    Simulated one(given);
    given.site_count = 2;
    given.site_shift = 3;
    given.site_scale = 2;
    Simulated two(given);
    CHECK(one.set->sites == nullptr);
    double sums[2] = {0, 0};
    size_t counts[2] = {0, 0};
    for (size_t i = 0; i < 4000; i++) {
        REQUIRE(two.set->sites[i] < 2);
        sums[two.set->sites[i]] += double(two.x[5 * i]);
        counts[two.set->sites[i]]++;
    }
    CHECK(std::fabs(double(counts[1]) - 2000) < 160);
    CHECK(sums[0] / double(counts[0]) == Approx(0).margin(0.06));
    CHECK(sums[1] / double(counts[1]) == Approx(3).margin(0.12));
}

TEST_CASE("rows of one simulated patient share time, event and site")
{
    auxo_survival_simulation given = simulation(100);
    given.rows_per_group = 3;
    given.site_count = 2;
    given.censoring_rate = 0.5;
    Simulated data(given);
    for (size_t i = 0; i < 99; i++) {
        CHECK(data.set->groups[i] == i / 3);
        if (i % 3 == 0)
            continue;
        CHECK(data.set->times[i] == data.set->times[i - 1]);
        CHECK(data.set->sites[i] == data.set->sites[i - 1]);
        CHECK(data.x[5 * i] != data.x[5 * i - 5]);
    }
}

TEST_CASE("the simulator refuses settings without meaning")
{
    auxo_dataset *set = nullptr;
    Error error;
    auto refused = [&](void (*change)(auxo_survival_simulation &)) {
        auxo_survival_simulation given = simulation(10);
        change(given);
        return auxo_survival_simulate(&given, &set, error) == AUXO_INVALID_ARGUMENT && set == nullptr;
    };
    CHECK(refused([](auxo_survival_simulation &s) { s.censoring_rate = 1; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.censoring_rate = NAN; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.column_count = 1; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.site_count = 3; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.median_time = 0; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.weibull_shape = -1; }));
    CHECK(refused([](auxo_survival_simulation &s) { s.site_scale = 0; }));
}

TEST_CASE("survival labels on images: four risk groups, in order of their times")
{
    auxo_data_options options = {};
    options.generated_count = 4000;
    LoadedData images, survival;
    images.require("glyphs", options);
    survival.require("glyphs-survival", options);
    const auxo_dataset &set = *survival.train;
    CHECK(set.target_type == AUXO_TARGET_SURVIVAL);
    CHECK(set.labels == nullptr);
    CHECK(std::equal(static_cast<uint8_t *>(set.features), static_cast<uint8_t *>(set.features) + 4000 * 784,
                     static_cast<uint8_t *>(images.train->features)));
    double events = 0, sums[10] = {}, event_counts[10] = {};
    for (size_t i = 0; i < 4000; i++) {
        events += set.events[i];
        sums[images.train->labels[i]] += double(set.times[i]);
        event_counts[images.train->labels[i]] += set.events[i];
    }
    CHECK(events / 4000 == Approx(0.7).margin(0.04));
    // Events per time estimate the hazard ln 2 / 100 exp(risk); risks are 0 to 3.
    for (int digit = 0; digit < 10; digit++) {
        double risk = std::log(event_counts[digit] / sums[digit] * 100 / std::log(2.0));
        CHECK(std::fabs(risk - std::round(risk)) < 0.25);
        CHECK(std::round(risk) >= 0);
        CHECK(std::round(risk) <= 3);
    }
}
