// tests/strangers_table_test.cpp: tables as people have them: odd cells, marks and delimiters, columns of small spread,
// long lists. Every kind with several inputs made here.
#include "support/data_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

using namespace auxo_test;

namespace
{

std::vector<std::string> levels_of(const auxo_column &column)
{
    return std::vector<std::string>(column.levels, column.levels + column.level_count);
}

// A column y of `rows` numbers with one odd cell at data row `at` (from 0), beside a column a.
std::string with_odd_cell(const std::string &cell, int rows, int at)
{
    std::string text = "a,y\n";
    for (int i = 0; i < rows; i++)
        text += std::to_string(i) + "," + (i == at ? cell : std::to_string(3 * i)) + "\n";
    return text;
}

auxo_status load(LoadedData &data, TempFolder &folder, const std::string &name, const std::string &text,
                 auxo_data_options options = {})
{
    write_file(folder.file(name), text);
    return data.load(folder.file(name), options);
}

} // namespace

TEST_CASE("a first line that says the delimiter is no header")
{
    for (const char *start : {"sep=;\n", "sep=;\r\n", "\xef\xbb\xbfsep=;\n"}) {
        for (const char *rows : {"a;b,c\n1;x\n2;y\n", "a;b,c\n1;x\n2;y\nz;x\n3;w\n4;w\n"}) { // the second is read twice
            LoadedTable table;
            Error &error = table.error;
            const std::string text = std::string(start) + rows;
            if (text.find("z;x") == std::string::npos) {
                REQUIRE_OK(table.read("t.csv", text));
                REQUIRE(table.table->column_count == 2);
                CHECK(std::string(table.table->columns[1].name) == "b,c");
                CHECK(table.table->row_count == 2);
                CHECK(table.table->lines[0] == 3);
            } else {
                CHECK(table.read("t.csv", text) == AUXO_FORMAT);
                check_message(table.error, "t.csv:5: column 1 (a): 'z'");
            }
        }
    }
    LoadedTable none; // a column of that name
    Error &error = none.error;
    REQUIRE_OK(none.read("t.csv", "sep=,y\n1,2\n"));
    CHECK(std::string(none.table->columns[0].name) == "sep=");
}

TEST_CASE("levels, codes and gaps of a text column are the same wherever its first word stands")
{
    // The first words: at once, after gaps, after numbers, after both; with a level that is a number or meant as one.
    const std::vector<std::string> starts[] = {{"b"}, {"", "NA"}, {"7", "12"}, {"", "7", "NA", "12"}, {"12", "1,200"}};
    for (const std::vector<std::string> &start : starts) {
        std::vector<std::string> cells = start;
        for (int i = 0; i < 300; i++)
            cells.push_back(i % 7 == 3 ? "" : i % 5 == 1 ? "12" : i % 11 == 2 ? "null" : i % 2 ? "word \"b\"" : "a");
        std::string text = "k,y\n";
        for (const std::string &cell : cells) {
            std::string quoted;
            for (const char c : cell)
                quoted += c == '"' ? "\"\"" : std::string(1, c);
            text += "\"" + quoted + "\",1\n";
        }
        LoadedTable table;
        Error &error = table.error;
        REQUIRE_OK(table.read("t.csv", text));
        const auxo_column &column = table.table->columns[0];
        REQUIRE(column.type == AUXO_COLUMN_CATEGORICAL);
        REQUIRE(table.table->row_count == cells.size());
        const std::vector<std::string> levels = levels_of(column);
        CHECK(std::is_sorted(levels.begin(), levels.end()));
        size_t missing = 0;
        for (size_t row = 0; row < cells.size(); row++) {
            const bool gap = cells[row].empty() || cells[row] == "NA";
            missing += gap;
            if (gap)
                CHECK(column.codes[row] == AUXO_LEVEL_MISSING);
            else
                CHECK(levels.at(column.codes[row]) == cells[row]);
        }
        CHECK(column.missing_count == missing);
    }
}

TEST_CASE("a hundred thousand numbers after one odd cell are refused by that cell, or read as text when told so")
{
    std::string text = "k,y\n-,1\n";
    for (int i = 0; i < 100000; i++)
        text += std::to_string(i) + ",1\n";
    LoadedTable table;
    CHECK(table.read("t.csv", text) == AUXO_FORMAT);
    CHECK(std::string(table.error.message).find("t.csv:2: column 1 (k): '-'") != std::string::npos);
    const char *names[] = {"k"};
    auxo_table_format format = {};
    format.categorical_columns = names;
    format.categorical_column_count = 1;
    LoadedTable as_text;
    Error &error = as_text.error;
    REQUIRE_OK(as_text.read("t.csv", text, &format));
    CHECK(as_text.table->columns[0].level_count == 100001);
}

TEST_CASE("a column of numbers with one odd cell is refused by line, column and cell, wherever it stands")
{
    const char *cells[] = {"NULL",
                           "N/A",
                           "inf",
                           "-Infinity",
                           "1e400",
                           "0x1F",
                           "\"1,200\"",
                           "$5.00",
                           "\xe2\x88\x92"
                           "5",
                           "12%",
                           "none",
                           "1.2.3",
                           "5 kg",
                           "\"1,5\"",
                           "--",
                           "#N/A",
                           "1e39",
                           "\xe2\x82\xac"
                           "7",
                           "(42)",
                           "abc"};
    for (const char *cell : cells)
        for (int at : {0, 1, 17, 28}) {
            INFO(cell << " in row " << at + 1);
            LoadedTable table;
            CHECK(table.read("t.csv", with_odd_cell(cell, 29, at)) == AUXO_FORMAT);
            std::string shown = cell;
            if (shown[0] == '"')
                shown = shown.substr(1, shown.size() - 2);
            check_message(table.error, "t.csv:" + std::to_string(at + 2) + ": column 2 (y): '" + shown + "' is not");
            check_message(table.error, "28 of 29 values");
        }
}

TEST_CASE("missing texts, thousands marks and decimal commas are read as told")
{
    LoadedTable table;
    Error &error = table.error;
    const char *missing[] = {"NULL", "-999"};
    auxo_table_format format = {};
    format.missing_texts = missing;
    format.missing_text_count = 2;
    REQUIRE_OK(table.read("t.csv", "y,z\nNULL,1\n5,-999\n6,2\n", &format));
    CHECK(std::isnan(table.table->columns[0].numbers[0]));
    CHECK(std::isnan(table.table->columns[1].numbers[1]));
    CHECK(table.table->columns[1].missing_count == 1);

    auxo_table_format grouped = {};
    grouped.thousands = ',';
    REQUIRE_OK(table.read("t.csv", "y\n\"1,200\"\n\"12,345,678.25\"\n999\n\"-1,000\"\n\"1,000e3\"\n", &grouped));
    CHECK(table.table->columns[0].numbers[0] == 1200);
    CHECK(table.table->columns[0].numbers[1] == 12345678.25);
    CHECK(table.table->columns[0].numbers[3] == -1000);
    CHECK(table.table->columns[0].numbers[4] == 1000000);
    for (const char *cell : {"\"1,20\"", "\"1,2345\"", "\",200\"", "\"1200,000\"", "\"1,,200\"", "\"1.5,000\""}) {
        INFO(cell);
        CHECK(table.read("t.csv", with_odd_cell(cell, 9, 0), &grouped) == AUXO_FORMAT);
    }

    auxo_table_format german = {};
    german.decimal = ',';
    german.thousands = '.';
    REQUIRE_OK(table.read("t.csv", "a;b\n1,5;1.234,25\n-0,25;7\n", &german));
    CHECK(table.table->columns[0].numbers[0] == 1.5);
    CHECK(table.table->columns[1].numbers[0] == 1234.25);
    CHECK(std::string(table.table->note).find("delimiter ;") != std::string::npos);
    german.thousands = ',';
    CHECK(table.read("t.csv", "a\n1\n", &german) == AUXO_INVALID_ARGUMENT);
}

TEST_CASE("the delimiter is detected and said, comments and files without header are read as told")
{
    LoadedTable table;
    Error &error = table.error;
    const struct {
        const char *text, *note;
    } cases[] = {{"a;b;c\n1;2;3\n", "delimiter ;"},
                 {"a\tb\tc\n1\t2\t3\n", "delimiter tab"},
                 {"a|b|c\n1|2|3\n", "delimiter |"},
                 {"\"a;x\",b,c\n1,2,3\n", ""},
                 {"a,b,c\n1,2,3\n", ""},
                 {"\"x,y,z,w\";b;c\n1;2;3\n", "delimiter ;"}};
    for (const auto &one : cases) {
        INFO(one.text);
        REQUIRE_OK(table.read("t.csv", one.text));
        CHECK(table.table->column_count == 3);
        CHECK(table.table->columns[2].numbers[0] == 3);
        CHECK(std::string(table.table->note).find(one.note) != std::string::npos);
    }
    auxo_table_format format = {};
    format.comment = '#';
    REQUIRE_OK(table.read("t.csv", "# made by hand\na,b\n# 1,2\n3,4\n#\n5,6", &format));
    CHECK(table.table->row_count == 2);
    CHECK(table.table->lines[0] == 4);
    auxo_table_format bare = {};
    bare.no_header = true;
    REQUIRE_OK(table.read("t.csv", "1,red\n2,blue\n3,red\n", &bare));
    CHECK(table.table->row_count == 3);
    CHECK(std::string(table.table->columns[1].name) == "x2");
    CHECK(levels_of(table.table->columns[1]) == std::vector<std::string>{"blue", "red"});
    CHECK(table.table->columns[0].numbers[2] == 3);
    CHECK(table.read("t.csv", "1,2\n3\n", &bare) == AUXO_FORMAT);
    check_message(table.error, "t.csv:2: 1 fields, but the first line has 2 columns");
    CHECK(table.read("t.csv", std::string("\xff\xfe"
                                          "a\0,\0",
                                          6)) == AUXO_FORMAT);
    check_message(table.error, "UTF-16");
}

TEST_CASE("text columns keep their words, and numbers that are names become classes in the order of their values")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "ward,code\n A1 ,NULL\n2,x\nB7,none\nA1,y\n"));
    CHECK(levels_of(table.table->columns[0]) == std::vector<std::string>{"2", "A1", "B7"});
    CHECK(levels_of(table.table->columns[1]) == std::vector<std::string>{"NULL", "none", "x", "y"});

    TempFolder folder;
    LoadedData data;
    auxo_data_options options = {};
    options.target_kind = AUXO_TARGET_KIND_CLASS;
    std::string text = "a,b,label\n";
    const int classes[] = {10, 2, 5, 2, 10, 5, -1};
    for (int i = 0; i < 70; i++)
        text += std::to_string(i % 9) + ".5,1," + std::to_string(classes[i % 7]) + "\n";
    require_ok(load(data, folder, "n.csv", text, options), data.error, "load");
    REQUIRE(data.train->target_type == AUXO_TARGET_CLASS);
    REQUIRE(data.train->class_count == 4);
    CHECK(std::vector<std::string>(data.train->target_names, data.train->target_names + 4) ==
          std::vector<std::string>{"-1", "2", "5", "10"});
    CHECK(data.train->labels[0] == 3);
    options.target_kind = AUXO_TARGET_KIND_AUTO;
    require_ok(load(data, folder, "n.csv", text, options), data.error, "load");
    CHECK(data.train->target_type == AUXO_TARGET_REAL);
    CHECK(std::string(data.train->note).find("4 different whole values") != std::string::npos);
    options.target_kind = AUXO_TARGET_KIND_REAL;
    CHECK(load(data, folder, "w.csv", "a,b\n1,x\n2,y\n", options) == AUXO_FORMAT);
    check_message(data.error, "holds text ('x')");
}

TEST_CASE("columns of small spread keep their digits, a constant has deviation 0")
{
    TempFolder folder;
    LoadedData data;
    for (double base : {1650001000.0, -7.5e9, 48.137, 2e15}) {
        std::string text = "when,same,y\n";
        const double step = std::fabs(base) > 1e6 ? 1.0 : 1e-6;
        for (int i = 0; i < 1000; i++) {
            char line[96];
            snprintf(line, sizeof line, "%.17g,%.17g,%.17g\n", base + i * step, base / 3, 2 * base + i * step);
            text += line;
        }
        INFO(base);
        require_ok(load(data, folder, "t.csv", text), data.error, "load");
        double means[2], stds[2], target_mean, target_std;
        REQUIRE(auxo_dataset_column_summary(data.train, means, stds, nullptr) == AUXO_OK);
        REQUIRE(auxo_dataset_target_summary(data.train, &target_mean, &target_std, nullptr) == AUXO_OK);
        CHECK(means[0] == Approx(base + 499.5 * step).epsilon(1e-14));
        CHECK(stds[0] == Approx(288.6749902572095 * step).epsilon(1e-4));
        CHECK(stds[1] == 0);
        CHECK(means[1] == Approx(base / 3).epsilon(1e-14));
        CHECK(target_std == Approx(288.6749902572095 * step).epsilon(1e-4));
        float stored[2], scales[2];
        REQUIRE(auxo_dataset_channel_stats(data.train, stored, scales, nullptr) == AUXO_OK);
        CHECK(std::fabs(stored[0]) < step);
        CHECK(scales[1] == 1.0f);
    }
}

TEST_CASE("lists of columns have no limit, one row and one level are read")
{
    TempFolder folder;
    LoadedData data;
    std::string head, row;
    std::vector<std::string> names;
    for (int i = 0; i < 5000; i++) {
        names.push_back("a_rather_long_name_of_a_column_" + std::to_string(i));
        head += names.back() + ",";
        row += std::to_string(i) + ",";
    }
    std::vector<const char *> inputs;
    for (int i = 0; i < 4500; i++)
        inputs.push_back(names[size_t(4999 - i)].c_str());
    auxo_data_options options = {};
    options.input_columns = inputs.data();
    options.input_column_count = inputs.size();
    require_ok(load(data, folder, "wide.csv", head + "y\n" + row + "1\n", options), data.error, "load");
    CHECK(data.train->channels == 4500);
    CHECK(static_cast<const float *>(data.train->features)[4499] == 500);
    CHECK(load(data, folder, "none.csv", "a,y\n") == AUXO_FORMAT);
    check_message(data.error, "a header, but no rows");
}

TEST_CASE("columns written as numbers throughout in another way are refused, not made classes")
{
    for (const char *cell : {"1,5", "$5", "12%", "0xFF",
                             "\xe2\x88\x92"
                             "3"}) {
        LoadedTable table;
        std::string text = "a;y\n";
        for (int i = 0; i < 5; i++)
            text += std::to_string(i) + ";" + cell + "\n";
        INFO(cell);
        CHECK(table.read("t.csv", text) == AUXO_FORMAT);
        check_message(table.error, "t.csv:2: column 2 (y): '" + std::string(cell) + "' is meant as a number");
    }
}

TEST_CASE("small sets are held out by at least a row, and too small ones refused")
{
    TempFolder folder;
    Error error;
    for (const char *text : {"a,y\n1,2\n3,5\n", "a,y\n1,u\n2,v\n3,w\n4,u\n5,v\n6,w\n"}) {
        LoadedData data;
        require_ok(load(data, folder, "t.csv", text), data.error, "load");
        auxo_dataset *held_out = nullptr;
        const size_t rows = data.train->row_count;
        REQUIRE_OK(auxo_dataset_hold_out(&data.train, 0.2, 1, &held_out, error));
        CHECK(held_out->row_count >= 1);
        CHECK(held_out->row_count + data.train->row_count == rows);
        auxo_dataset_destroy(held_out);
    }
    LoadedData one;
    require_ok(load(one, folder, "t.csv", "a,y\n1,2\n"), one.error, "load");
    auxo_dataset *held_out = nullptr;
    CHECK(auxo_dataset_hold_out(&one.train, 0.2, 1, &held_out, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "t.csv has 1 row");
}

TEST_CASE("a long file read in pieces is the same as one read whole")
{
    // Quoted fields with line ends, escaped quotes and CRLF lie across every border of the pieces.
    std::string text = "id,note,x\r\n";
    std::vector<uint32_t> draws = integers(60000, 1000, 9);
    for (uint32_t i = 0; i < 60000; i++) {
        const uint32_t d = draws[i];
        text += std::to_string(i) + ",";
        if (d % 5 == 0)
            text += "\"line " + std::to_string(d % 7) + "\nand \"\"more\"\", \"";
        else
            text += std::string(d % 90, char('a' + d % 3));
        text += "," + (d % 11 ? std::to_string(d * 0.25) : "") + (d % 2 ? "\r\n" : "\n");
        if (d % 97 == 0)
            text += "\n";
    }
    REQUIRE(text.size() > 3u << 20);
    TempFolder folder;
    write_file(folder.file("t.csv"), text);
    write_file(folder.file("t.csv.gz"), gzip(bytes_of(text)));
    Error error;
    auxo_table *pieces = nullptr, *whole = nullptr;
    REQUIRE_OK(auxo_table_read(folder.file("t.csv").c_str(), nullptr, &pieces, error));
    REQUIRE_OK(auxo_table_read(folder.file("t.csv.gz").c_str(), nullptr, &whole, error));
    REQUIRE(pieces->row_count == 60000);
    REQUIRE(whole->row_count == 60000);
    CHECK(std::equal(pieces->lines, pieces->lines + 60000, whole->lines));
    CHECK(levels_of(pieces->columns[1]) == levels_of(whole->columns[1]));
    CHECK(std::equal(pieces->columns[1].codes, pieces->columns[1].codes + 60000, whole->columns[1].codes));
    bool same = true;
    for (uint32_t i = 0; i < 60000; i++) {
        const uint32_t d = draws[i];
        const double x = pieces->columns[2].numbers[i];
        same = same && pieces->columns[0].numbers[i] == i && (d % 11 ? x == d * 0.25 : std::isnan(x));
        const char *note = d % 5 == 0 || d % 90 ? pieces->columns[1].levels[pieces->columns[1].codes[i]] : "";
        if (d % 5 == 0)
            same = same && note == "line " + std::to_string(d % 7) + "\nand \"more\", ";
    }
    CHECK(same);
    auxo_table_destroy(pieces);
    auxo_table_destroy(whole);
}

TEST_CASE("ARFF: a byte order mark, tabs, sparse rows, dates, classes that are numbers")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.arff",
                          "\xef\xbb\xbf@RELATION r\n@ATTRIBUTE a NUMERIC\n@ATTRIBUTE 'b c' {low,'very high'}\n"
                          "@ATTRIBUTE d DATE \"yyyy-MM-dd\"\n@DATA\n1.5\tlow\t2020-01-02\n?\t'very high'\t"
                          "2021-03-04\n2,low,2020-01-02\n"));
    REQUIRE(table.table->row_count == 3);
    CHECK(table.table->columns[1].codes[1] == 1);
    CHECK(table.table->columns[0].missing_count == 1);
    CHECK(levels_of(table.table->columns[2]) == std::vector<std::string>{"2020-01-02", "2021-03-04"});
    REQUIRE_OK(table.read("s.arff", "@relation s\n@attribute a numeric\n@attribute k {x,y,z}\n@attribute y numeric\n"
                                    "@data\n{0 3, 2 1}\n{1 z,2 2.5}\n{}\n{ 1 y }\n"));
    REQUIRE(table.table->row_count == 4);
    const auxo_column *columns = table.table->columns;
    CHECK(columns[0].numbers[0] == 3);
    CHECK(columns[0].numbers[1] == 0);
    CHECK(columns[1].codes[0] == 0);
    CHECK(columns[1].codes[1] == 2);
    CHECK(columns[1].codes[3] == 1);
    CHECK(columns[2].numbers[1] == 2.5);
    CHECK(columns[2].numbers[2] == 0);
    TempFolder folder;
    LoadedData data;
    auxo_data_options options = {};
    options.target_kind = AUXO_TARGET_KIND_CLASS;
    require_ok(load(data, folder, "c.arff",
                    "@relation c\n@attribute a numeric\n@attribute c numeric\n@data\n1,7\n2,3\n", options),
               data.error, "load");
    CHECK(data.train->target_type == AUXO_TARGET_CLASS);
    CHECK(std::string(data.train->target_names[0]) == "3");
}

TEST_CASE("one-hot members are known by structure, whatever signs the names hold")
{
    TempFolder folder;
    LoadedData data;
    REQUIRE(load(data, folder, "t.csv",
                 "stage=II,stage,\"a|b\",\"<b>\tc</b>\",y\n1,II,2,3,1\n2,III,5,1,2\n3,II,2,2,3\n4,I,1,1,4\n") ==
            AUXO_OK);
    const auxo_data_schema *schema = auxo_dataset_schema(data.train);
    REQUIRE(schema->input_count == 4);
    REQUIRE(schema->channels == 6);
    size_t level = 9;
    CHECK(std::string(auxo_data_schema_input(schema, 0, &level)->name) == "stage=II");
    CHECK(auxo_data_schema_input(schema, 0, &level)->kind == AUXO_INPUT_NUMBER);
    CHECK(std::string(auxo_data_schema_input(schema, 2, &level)->name) == "stage");
    CHECK(auxo_data_schema_input(schema, 2, &level)->kind == AUXO_INPUT_CATEGORY);
    CHECK(level == 1);
    CHECK(std::string(auxo_data_schema_input(schema, 4, nullptr)->name) == "a|b");
    CHECK(auxo_data_schema_input(schema, 6, nullptr) == nullptr);

    Error error;
    char *text = nullptr;
    auxo_data_schema *read = nullptr;
    REQUIRE_OK(auxo_data_schema_describe(schema, &text, error));
    REQUIRE_OK(auxo_data_schema_parse(text, &read, error));
    char *again = nullptr;
    REQUIRE_OK(auxo_data_schema_describe(read, &again, error));
    CHECK(std::string(text) == again);
    CHECK(std::string(read->inputs[3].name) == "<b>\tc</b>");
    auxo_data_schema_destroy(read);
    std::string broken = text;
    broken.replace(broken.find("\"inputs\":["), 10, "\"inputs\":[5,");
    CHECK(auxo_data_schema_parse(broken.c_str(), &read, error) == AUXO_FORMAT);
    CHECK(auxo_data_schema_parse("{", &read, error) == AUXO_FORMAT);
    CHECK(auxo_data_schema_parse("{\"shape\":[0,1,1]}", &read, error) == AUXO_FORMAT);
    /* an object in the place of a list has more members than there are names */
    for (const char *key : {"targets", "classes"})
        CHECK(auxo_data_schema_parse(
                  ("{\"shape\":[1,1,1],\"" + std::string(key) + "\":{\"a\":\"x\",\"b\":\"y\",\"c\":\"z\",\"d\":\"w\"}}")
                      .c_str(),
                  &read, error) == AUXO_FORMAT);
    free(text);
    free(again);
}
