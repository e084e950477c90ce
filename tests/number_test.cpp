// tests/number_test.cpp: numbers as text: read to the nearest double, and the same under every locale.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include "auxo/report.h"

#include <cfloat>
#include <clocale>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace auxo_test;

namespace
{

// A locale that writes "1,5", made for the test where the machine has none; back to "C" at the end.
class CommaLocale
{
  public:
    CommaLocale()
    {
        for (const char *name : {"de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"})
            if (!active && setlocale(LC_ALL, name))
                active = writes_comma();
        std::string make = "localedef -i de_DE -f UTF-8 '" + folder.file("xx_DE.UTF-8") + "' >/dev/null 2>&1";
        if (!active && std::system(make.c_str()) == 0) {
            setenv("LOCPATH", folder.path.c_str(), 1);
            active = setlocale(LC_ALL, "xx_DE.UTF-8") && writes_comma();
        }
        if (!active)
            WARN("skipped: no locale with a decimal comma, and localedef cannot make one");
    }
    ~CommaLocale()
    {
        setlocale(LC_ALL, "C");
        unsetenv("LOCPATH");
    }
    bool active = false;

  private:
    static bool writes_comma()
    {
        char text[16];
        snprintf(text, sizeof text, "%.1f", 1.5);
        return std::string(text) == "1,5";
    }
    TempFolder folder;
};

} // namespace

TEST_CASE("numbers of a table are the nearest doubles")
{
    std::string text = "x,y\n";
    std::vector<std::string> cells = {"0",
                                      "-0",
                                      "1e22",
                                      "1e23",
                                      "123456789012345678",
                                      "9007199254740993",
                                      "0.1",
                                      "1e-22",
                                      "1e-23",
                                      "3.4028234663852886e38",
                                      "1.17549435e-38",
                                      "0.000000000000000000000000000000000000001",
                                      "100000000000000000000000000000000000000",
                                      "00000000000000000000000000000000000000000000001.5",
                                      "1.00000000000000000000000000000000000000000001",
                                      "+7.",
                                      ".5",
                                      "5E-1",
                                      "1e-400",
                                      "2.2250738585072011e-308",
                                      "16777217.0000000001"};
    for (uint32_t i = 0; i < 2000; i++) {
        char cell[64];
        double value = std::ldexp(double(integers(1, 1u << 30, i)[0]) + 0.37 * i, int(i % 120) - 80);
        snprintf(cell, sizeof cell, i % 3 == 0 ? "%.17g" : i % 3 == 1 ? "%.7g" : "%.25f", value);
        cells.push_back(cell);
    }
    // 17 to 19 digits, and neighbours of what lies half-way between two doubles.
    for (uint32_t i = 0; i < 30000; i++) {
        char cell[64];
        uint64_t digits = uint64_t(integers(1, 1u << 30, i)[0]) * 6364136223846793005u + i;
        digits %= i % 3 == 0 ? 100000000000000000u : i % 3 == 1 ? 1000000000000000000u : 10000000000000000000u;
        if (i % 5 == 0) /* 54 bits, the last of them set */
            digits = ((uint64_t(1) << 53) + digits % (uint64_t(1) << 53)) | 1;
        snprintf(cell, sizeof cell, "%llue%d", static_cast<unsigned long long>(digits), int(i % 47) - 29);
        cells.push_back(cell);
    }
    // Of one to nine digits, with the point at every place and at none.
    for (int digits = 1; digits <= 9; digits++)
        for (int point = -1; point <= digits; point++)
            for (const char *sign : {"", "-", "+"}) {
                std::string cell = sign;
                for (int i = 0; i < digits; i++) {
                    cell += i == point ? "." : "";
                    cell += char('0' + (7 * i + 3 * digits + point + 10) % 10);
                }
                cells.push_back(cell + (point == digits ? "." : ""));
            }
    for (const std::string &cell : cells)
        text += cell + ",1\n";
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", text));
    REQUIRE(table.table->row_count == cells.size());
    for (size_t i = 0; i < cells.size(); i++) {
        INFO(cells[i]);
        CHECK(table.table->columns[0].numbers[i] == std::strtod(cells[i].c_str(), nullptr));
    }
}

TEST_CASE("short texts that are nearly numbers are none")
{
    // One byte of a number is another one: next to the digits, with the highest bit set, a second point, a sign.
    const std::string numbers[] = {"1", "12", "1.5", "1234567", "123.5678", "12345678", "-1234.67"};
    for (const std::string &number : numbers)
        for (size_t at = 0; at < number.size(); at++)
            for (const char odd : {'/', ':', '.', '-', '+', 'e', 'p', '\x10', '\x1a', '\xb0', '\xb5', '\xfa', '\xff'}) {
                std::string cell = number;
                cell[at] = odd;
                char *end = nullptr;
                const double value = std::strtod(cell.c_str(), &end);
                const bool is_number = *end == '\0' && std::fabs(value) <= FLT_MAX;
                LoadedTable table;
                Error &error = table.error;
                REQUIRE_OK(table.read("t.csv", "x,y\n" + cell + ",1\n" + (is_number ? "2,1\n" : "word,1\n")));
                INFO(cell);
                REQUIRE((table.table->columns[0].type == AUXO_COLUMN_NUMERIC) == is_number);
                if (is_number)
                    CHECK(table.table->columns[0].numbers[0] == value);
            }
}

TEST_CASE("tables, settings, models and messages do not depend on the locale")
{
    CommaLocale locale;
    if (!locale.active)
        return;
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "x,y\n1.5,0.123456789012345678\n2.25,1e-3\n"));
    CHECK(table.table->columns[0].numbers[0] == 1.5);
    CHECK(table.table->columns[1].numbers[0] == 0x1.f9add3746f65fp-4);
    CHECK(table.table->columns[1].numbers[1] == 1e-3);
    REQUIRE_OK(table.read("t.arff", "@relation r\n@attribute a numeric\n@data\n1.75\n"));
    CHECK(table.table->columns[0].numbers[0] == 1.75);

    auxo_optimizer_config config;
    REQUIRE_OK(auxo_optimizer_config_parse("adam:lr=0.0025", &config, error));
    CHECK(config.hyper[AUXO_HYPER_LR] == 0.0025f);
    char text[256];
    auxo_optimizer_config_format(&config, text, sizeof text);
    CHECK(std::string(text).find("lr=0.0025") != std::string::npos);
    CHECK(auxo_optimizer_config_parse("adam:lr=-1.5", &config, error) == AUXO_INVALID_ARGUMENT);

    auxo_model_desc desc;
    REQUIRE_OK(auxo_model_desc_from_json(R"({"name":"n","layers":[{"kind":"input","shape":[4]},
        {"kind":"dropout","rate":0.25},{"kind":"dense","units":2}]})",
                                         &desc, error));
    CHECK(desc.layers[1].rate == 0.25f);
    char *json = nullptr;
    REQUIRE_OK(auxo_model_desc_to_json(&desc, &json, error));
    CHECK(std::strstr(json, "0.25"));
    free(json);
    auxo_model_desc_deinit(&desc);

    auxo_dataset *part = nullptr, *rest = nullptr;
    REQUIRE_OK(table.read("t.csv", "x,y\n1.5,1\n2.5,2\n"));
    const char *targets[] = {"y"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    REQUIRE_OK(table.make(roles));
    CHECK(auxo_dataset_split(table.dataset, 1.5, 1, false, &part, &rest, error) == AUXO_INVALID_ARGUMENT);
    check_message(table.error, "a fraction of 1.5;");
}

TEST_CASE("a report's pictures do not depend on the locale")
{
    CommaLocale locale;
    if (!locale.active)
        return;
    Error error;
    TempFolder folder;
    auxo_report *report = nullptr;
    REQUIRE_OK(auxo_report_create("title", &report, error));
    const double x[] = {0, 0.5, 1.25}, y[] = {0.125, 0.75, 0.5};
    auxo_series series = {};
    series.name = "s";
    series.count = 3;
    series.x = x;
    series.y = y;
    auxo_chart chart = {};
    chart.title = "c";
    chart.series = &series;
    chart.series_count = 1;
    auxo_report_chart(report, &chart);
    REQUIRE_OK(auxo_report_write(report, folder.file("with.html").c_str(), error));
    setlocale(LC_ALL, "C");
    REQUIRE_OK(auxo_report_write(report, folder.file("without.html").c_str(), error));
    auxo_report_destroy(report);
    const std::string with_comma = read_whole_file(folder.file("with.html"));
    CHECK(with_comma == read_whole_file(folder.file("without.html")));
    CHECK(with_comma.find("0,5") == std::string::npos);
}
