// tests/report_test.cpp: reports are complete, escaped, self-contained files, whatever values they are given.
#include "auxo/report.h"
#include <catch2/catch.hpp>

#include <cmath>
#include <cstdio>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

namespace
{
std::string temporary_path(const char *name)
{
    return "/tmp/auxo-report-test-" + std::to_string(getpid()) + "-" + name;
}

std::string read_file(const std::string &path)
{
    std::ifstream stream(path);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

size_t occurrences(const std::string &text, const std::string &part)
{
    size_t count = 0;
    for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size()))
        count++;
    return count;
}

// Builds a report with `fill`, writes it, and returns the file's text.
template <typename Fill> std::string build(const char *title, Fill fill)
{
    auxo_report *report = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_report_create(title, &report, &error) == AUXO_OK);
    fill(report);
    std::string path = temporary_path("page.html");
    INFO(error.message);
    REQUIRE(auxo_report_write(report, path.c_str(), &error) == AUXO_OK);
    auxo_report_destroy(report);
    std::string text = read_file(path);
    unlink(path.c_str());
    // Every element that is opened is closed, and nothing is fetched or run.
    for (const char *tag : {"svg", "figure", "table", "g", "text", "p", "pre", "h2"}) {
        INFO(tag);
        size_t opened =
            occurrences(text, std::string("<") + tag + ">") + occurrences(text, std::string("<") + tag + " ");
        CHECK(opened == occurrences(text, std::string("</") + tag + ">"));
    }
    CHECK(occurrences(text, "<script") == 0);
    CHECK(occurrences(text, "http") == 0);
    CHECK(occurrences(text, "nan") == 0);
    CHECK(occurrences(text, "inf") == 0);
    return text;
}
} // namespace

TEST_CASE("report escapes every text")
{
    std::string text = build("a < b & \"c\"", [](auxo_report *report) {
        const char *headings[] = {"<b>", "value"};
        auxo_report_section(report, "one <two>");
        auxo_report_text(report, "x%s", "<img src=y>");
        auxo_report_code(report, "if (a < b && c > d)");
        auxo_report_table_begin(report, headings, 2);
        auxo_report_table_rowf(report, "%s|%.2f", "<i>", 1.5);
        auxo_report_table_end(report);
    });
    CHECK(occurrences(text, "<img") == 0);
    CHECK(occurrences(text, "<b>") == 0);
    CHECK(occurrences(text, "<i>") == 0);
    CHECK(occurrences(text, "a &lt; b &amp; &quot;c&quot;") == 2);
    CHECK(occurrences(text, "<td class=\"n\">1.50</td>") == 1);
}

TEST_CASE("report charts take empty, constant, huge and not finite values")
{
    double inf = std::numeric_limits<double>::infinity();
    std::vector<double> x = {1, 2, 3, 4, 5}, y = {1, NAN, inf, -inf, 1e300}, same = {7, 7, 7, 7, 7},
                        low = {0, 0, 0, NAN, 0};
    build("charts", [&](auxo_report *report) {
        for (auxo_mark mark :
             {AUXO_MARK_LINE, AUXO_MARK_POINTS, AUXO_MARK_LINE_POINTS, AUXO_MARK_STEPS, AUXO_MARK_AREA}) {
            for (bool log_scale : {false, true}) {
                auxo_series series[3] = {};
                series[0].name = "odd";
                series[0].mark = mark;
                series[0].count = 5;
                series[0].x = x.data();
                series[0].y = y.data();
                series[1].name = "constant";
                series[1].mark = mark;
                series[1].count = 5;
                series[1].y = same.data();
                series[1].low = low.data();
                series[1].high = same.data();
                series[2].name = "empty";
                series[2].mark = mark;
                auxo_rule rules[2] = {{true, 2.5, "brake"}, {false, -1, "goal"}};
                auxo_chart chart = {};
                chart.title = "chart";
                chart.x_log = chart.y_log = log_scale;
                chart.series = series;
                chart.series_count = 3;
                chart.rules = rules;
                chart.rule_count = 2;
                auxo_report_chart(report, &chart);
            }
        }
        auxo_chart nothing = {};
        auxo_report_chart(report, &nothing);
    });
}

TEST_CASE("report thins dense lines without losing their peaks")
{
    std::vector<double> y(100000, 0.0);
    y[54321] = 5;
    std::string text = build("dense", [&](auxo_report *report) {
        auxo_series series = {};
        series.count = y.size();
        series.y = y.data();
        auxo_chart chart = {};
        chart.series = &series;
        chart.series_count = 1;
        chart.y_min = 0;
        chart.y_max = 5;
        auxo_report_chart(report, &chart);
    });
    CHECK(text.size() < 60000);
    CHECK(occurrences(text, " 12.0L") == 1); // the top of the plot is reached once
}

TEST_CASE("report draws bars, histograms, heat maps, trees, rooflines and networks")
{
    const char *categories[] = {"a", "b<", "a rather long name of a category"};
    const char *names[] = {"cpu", "opencl"};
    double values[] = {1, 2, NAN, 4, 0, 6};
    std::vector<double> sample(1000);
    for (size_t i = 0; i < sample.size(); i++)
        sample[i] = std::sin(double(i));
    std::string text = build("figures", [&](auxo_report *report) {
        for (int form = 0; form < 6; form++) {
            auxo_bars bars = {};
            bars.title = "bars";
            bars.categories = categories;
            bars.category_count = 3;
            bars.names = names;
            bars.series_count = 2;
            bars.values = values;
            bars.stacked = form / 2 == 1;
            bars.value_log = form / 2 == 2;
            bars.horizontal = form % 2 == 1;
            auxo_report_bars(report, &bars);
        }
        auxo_values sets[2] = {{"sine", sample.data(), sample.size()}, {"none", nullptr, 0}};
        auxo_report_histogram(report, "histogram", "value", sets, 2, 0);
        auxo_heat_map map = {};
        map.row_count = 2;
        map.column_count = 3;
        map.values = values;
        auxo_report_heat_map(report, &map);
        map.diverging = true;
        auxo_report_heat_map(report, &map);
        auxo_heat_map empty = {};
        auxo_report_heat_map(report, &empty);
        auxo_tree_block blocks[] = {{0, 0, 3, 1.0, nullptr}, {1, 0, 1, 0.3, "l"}, {1, 1, 3, 0.7, "r"}};
        auxo_report_tree(report, "tree", "sensitivity", blocks, 3, 3, true);
        auxo_roofline_point point = {"gemm", 2e9, 12e6, 0.02};
        auxo_roofline roofline = {"cpu", 2e11, 2e10, &point, 1};
        auxo_report_roofline(report, &roofline);
        auxo_architecture_block layers[] = {{"input", nullptr, AUXO_BLOCK_INPUT, 1, 28, 28, -1},
                                            {"conv1", "5x5", AUXO_BLOCK_CONV, 6, 24, 24, -1},
                                            {"add", nullptr, AUXO_BLOCK_OTHER, 6, 24, 24, 0}};
        auxo_report_architecture(report, "network", layers, 3);
    });
    CHECK(occurrences(text, "50 % of the roof") == 1); // 100 of 200 GFLOP/s
    CHECK(occurrences(text, "class=\"skip\"") == 1);
}

TEST_CASE("report writing fails with the path and leaves nothing behind")
{
    auxo_report *report = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_report_create("page", &report, &error) == AUXO_OK);
    CHECK(auxo_report_write(report, "/dev/null/none/page.html", &error) == AUXO_IO);
    CHECK(std::string(error.message).find("/dev/null/none/page.html") != std::string::npos);
    auxo_report_destroy(report);
    auxo_report_destroy(nullptr);
}
