// tests/table_test.cpp: CSV and ARFF tables: what is read, what is refused and with which words, and the data sets
// made.
#include "support/data_files.hpp"

#include <cmath>

using namespace auxo_test;

namespace
{

// Reads text that must be refused and checks the message.
void check_refused(const std::string &file_name, const std::string &text, const std::string &message)
{
    INFO(text);
    LoadedTable table;
    CHECK(table.read(file_name, text) == AUXO_FORMAT);
    CHECK(table.table == nullptr);
    check_message(table.error, message);
}

std::vector<float> features_of(const auxo_dataset &set)
{
    const auto *values = static_cast<const float *>(set.features);
    return std::vector<float>(values, values + set.row_count * size_t(set.channels));
}

std::vector<std::string> names_of(char **names, size_t count)
{
    return std::vector<std::string>(names, names + count);
}

using Names = std::vector<std::string>;
using Floats = std::vector<float>;

} // namespace

TEST_CASE("CSV: quotes, line ends, blank lines, a byte order mark, and types")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "\xef\xbb\xbfname, x ,\"the \"\"y\"\"\"\r\n"
                                   "\"a,b\",1.5,\"  -2e3\"\r\n\r\n"
                                   "\"two\nlines\",.25,+7.\n"
                                   "plain,NA,?"));
    REQUIRE(table.table->row_count == 3);
    REQUIRE(table.table->column_count == 3);
    const auxo_column &name = table.table->columns[0], &x = table.table->columns[1], &y = table.table->columns[2];
    CHECK(std::string(x.name) == "x");
    CHECK(std::string(y.name) == "the \"y\"");
    REQUIRE(name.type == AUXO_COLUMN_CATEGORICAL);
    CHECK(names_of(name.levels, name.level_count) == Names{"a,b", "plain", "two\nlines"});
    CHECK(name.codes[0] == 0);
    CHECK(name.codes[1] == 2);
    REQUIRE(x.type == AUXO_COLUMN_NUMERIC);
    CHECK(x.numbers[0] == 1.5);
    CHECK(x.numbers[1] == 0.25);
    CHECK(std::isnan(x.numbers[2]));
    CHECK(x.missing_count == 1);
    CHECK(y.numbers[0] == -2000);
    CHECK(y.numbers[1] == 7);
    CHECK(y.missing_count == 1);
    CHECK(table.table->lines[0] == 2);
    CHECK(table.table->lines[1] == 4);
    CHECK(table.table->lines[2] == 6);
}

TEST_CASE("CSV: other delimiters and columns read as text by option")
{
    LoadedTable table;
    Error &error = table.error;
    const char *categorical[] = {"grade"};
    auxo_table_format options = {};
    options.delimiter = ';';
    options.categorical_columns = categorical;
    options.categorical_column_count = 1;
    REQUIRE_OK(table.read("t.csv", "grade;x\n3;1.5\n1;2\n", &options));
    CHECK(table.table->columns[0].type == AUXO_COLUMN_CATEGORICAL);
    categorical[0] = "grades";
    CHECK(table.read("t.csv", "grade;x\n3;1\n", &options) == AUXO_NOT_FOUND);
    check_message(table.error, "no column named 'grades'");
}

TEST_CASE("CSV: what does not parse is refused with line and column")
{
    check_refused("t.csv", "a,b\n1,2\n3\n", "t.csv:3: 1 fields, but the header names 2 columns");
    check_refused("t.csv", "a,b\n1,2,3\n", "t.csv:2: 3 fields, but the header names 2 columns");
    check_refused("t.csv", "a,b\n1,2\n1,x\n",
                  "t.csv:3: column 2 (b): 'x' is not a finite number, but 1 of 2 values are");
    check_refused("t.csv", "a,b\n1,2\n1,inf\n", "column 2 (b): 'inf'");
    check_refused("t.csv", "a,b\n1,2\n1,0x10\n", "'0x10' is not");
    check_refused("t.csv", "a,b\n1,2\n1,1e999\n", "'1e999' is not a finite number");
    check_refused("t.csv", "a,b\n1,2\n1,1.2.3\n", "'1.2.3' is not");
    check_refused("t.csv", "a,b\n1,\"2\n", "t.csv:2: column 2: the quoted field never ends");
    check_refused("t.csv", "a,b\n\"1\"x,2\n", "t.csv:2: column 1: text after the closing quote");
    check_refused("t.csv", "a,b\n1x\"y,2\n", "t.csv:2: column 1: a quote inside an unquoted field");
    check_refused("t.csv", "a,b,a\n1,2,3\n", "two columns are named 'a'");
    check_refused("t.csv", "1,2\n3,4\n", "first line holds only numbers");
    check_refused("t.csv", "5.1,setosa\n4.9,virginica\n", "looks like a row (5.1, ..); it must name the columns");
    check_refused("t.csv", "5,setosa\n4,setosa\n4,virginica\n", "looks like a row");
    check_refused("t.csv", "a,b\n", "a header, but no rows");
    check_refused("t.csv", "", "empty");
    check_refused("t.csv", "\n \n", "empty");
    check_refused("t.csv", std::string("a,b\n1,\0", 7), "zero byte at offset 6");
}

TEST_CASE("CSV: numbers may name columns where the first line is no row")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "country,2019,2020\nItaly,1.5,2\nPeru,1,2.5\n", nullptr));
    CHECK(table.table->row_count == 2);
    REQUIRE_OK(table.read("t.csv", "5,setosa,w\n4,a,2\n4,b,3\n", nullptr));
    CHECK(std::string(table.table->columns[1].name) == "setosa");
}

TEST_CASE("CSV: fields with spaces and tabs between them")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.txt", "  a   b  \"the name\" \r\n 1  -2.5  \"x  y\"\t\r\n\n3\t4 z  \n5 6 z", nullptr));
    REQUIRE(table.table->column_count == 3);
    REQUIRE(table.table->row_count == 3);
    CHECK(std::string(table.table->columns[2].name) == "the name");
    CHECK(table.table->columns[1].numbers[0] == -2.5);
    CHECK(table.table->columns[1].numbers[1] == 4);
    CHECK(std::string(table.table->columns[2].levels[0]) == "x  y");
    CHECK(table.table->columns[2].codes[2] == 1);
    CHECK(std::string(table.table->note) == "read with delimiter space");
    /* one column whose name has a space is no table of two */
    REQUIRE_OK(table.read("t.csv", "the name\n1\n2\n", nullptr));
    CHECK(table.table->column_count == 1);
    auxo_table_format options = {};
    options.delimiter = ' ';
    CHECK(table.read("t.txt", "a b\n1 2\n3 4 5\n", &options) == AUXO_FORMAT);
    check_message(table.error, "t.txt:3: 3 fields, but the header names 2 columns");
    CHECK(table.read("t.txt", "a b\n1 2\n3  \n", &options) == AUXO_FORMAT);
    check_message(table.error, "t.txt:3: 1 fields");
}

TEST_CASE("CSV: columns without a name are no inputs, and what was read is said")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", ",a,c,k,s,y,\n0,1,7,u,only,2,\n1,2,7,v,only,3,\n2,3,7,w,only,5,\n", nullptr));
    CHECK(table.table->columns[0].unnamed);
    CHECK(std::string(table.table->columns[6].name) == "column 7");
    auxo_table_roles roles = {};
    const char *targets[] = {"y"}, *inputs[] = {"column 1", "a"};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    auxo_dataset *data = nullptr;
    REQUIRE_OK(auxo_table_dataset(table.table, "t", &roles, &data, error));
    CHECK(auxo_dataset_schema(data)->input_count == 4);
    CHECK(std::string(data->note) ==
          "text read as categories: k (3), s (1); constant inputs: c, s (1); without a name, "
          "and passed over: column 1, column 7");
    auxo_dataset_destroy(data);
    // Text of too many values is refused, or left out where data are only shown.
    std::string long_text = "name,a,y\n";
    for (int i = 0; i < 300; i++)
        long_text += "n" + std::to_string(i) + "," + std::to_string(i % 4) + "," + std::to_string(i) + "\n";
    LoadedTable wide;
    REQUIRE(wide.read("t.csv", long_text, nullptr) == AUXO_OK);
    CHECK(auxo_table_dataset(wide.table, "t", &roles, &data, error) == AUXO_INVALID_ARGUMENT);
    check_message(error, "column 'name' is text with 300 different values, too many for an input; name it in drop");
    roles.leave_out_names = true;
    REQUIRE_OK(auxo_table_dataset(wide.table, "t", &roles, &data, error));
    CHECK(auxo_dataset_schema(data)->input_count == 1);
    CHECK(std::string(data->note) == "left out, of too many values for inputs: name (300)");
    auxo_dataset_destroy(data);
    roles.input_columns = inputs;
    roles.input_column_count = 2;
    REQUIRE_OK(auxo_table_dataset(table.table, "t", &roles, &data, error));
    CHECK(auxo_dataset_schema(data)->input_count == 2);
    auxo_dataset_destroy(data);
}

TEST_CASE("CSV: packed tables are read, cut-off ones refused")
{
    TempFolder folder;
    Error error;
    Bytes packed = gzip(bytes_of("a,b\n1,2\n3,4\n"));
    write_file(folder.file("t.csv.gz"), packed);
    auxo_table *table = nullptr;
    REQUIRE_OK(auxo_table_read(folder.file("t.csv.gz").c_str(), nullptr, &table, error));
    CHECK(table->row_count == 2);
    auxo_table_destroy(table);
    packed.resize(packed.size() - 9);
    write_file(folder.file("t.csv.gz"), packed);
    CHECK(auxo_table_read(folder.file("t.csv.gz").c_str(), nullptr, &table, error) == AUXO_FORMAT);
    check_message(error, "truncated gzip");
    CHECK(auxo_table_read(folder.file("none.csv").c_str(), nullptr, &table, error) == AUXO_NOT_FOUND);
    check_message(error, "none.csv");
}

TEST_CASE("ARFF: attributes of every kind, comments, quotes, missing values")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.arff", "% a comment\n@RELATION 'my data'\n\n"
                                    "@attribute 'the age' NUMERIC\n@attribute grade {'well done', poor,\"x,y\"}\n"
                                    "@attribute note string\n@attribute r\treal\n@DATA\n"
                                    "1, 'well done', 'it\\'s', 2\n% between\n?, poor, ?, -1e-3\n3,\"x,y\",b,4"));
    REQUIRE(table.table->row_count == 3);
    const auxo_column *columns = table.table->columns;
    CHECK(std::string(columns[0].name) == "the age");
    CHECK(columns[0].missing_count == 1);
    CHECK(names_of(columns[1].levels, columns[1].level_count) == Names{"well done", "poor", "x,y"});
    CHECK(columns[1].codes[2] == 2);
    CHECK(names_of(columns[2].levels, columns[2].level_count) == Names{"b", "it's"});
    CHECK(columns[2].codes[1] == AUXO_LEVEL_MISSING);
    CHECK(columns[3].numbers[1] == -1e-3);
}

TEST_CASE("ARFF: what does not parse is refused with line and column")
{
    const std::string head = "@relation r\n@attribute a numeric\n@attribute b {yes,no}\n@data\n";
    check_refused("t.arff", head + "1,yes\n2\n", "t.arff:6: 1 values, but there are 2 attributes");
    check_refused("t.arff", head + "1,yes,3\n", "t.arff:5: 3 values, but there are 2 attributes");
    check_refused("t.arff", head + "x,yes\n", "t.arff:5: column 1 (a): 'x' is not a finite number");
    check_refused("t.arff", head + "1,yess\n", "'yess' is not a declared value; did you mean 'yes'?");
    check_refused("t.arff", head + "1,'yes\n", "t.arff:5: column 2: a quote that does not end");
    check_refused("t.arff", head + "{2 1}\n", "'2' is no attribute's index; there are 2, from 0");
    check_refused("t.arff", head + "{0 1\n", "no closing brace");
    check_refused("t.arff", head + "{0 1} , {5}\n", "instance weights");
    check_refused("t.arff", head, "no rows after @data");
    check_refused("t.arff", "@relation r\n@data\n1\n", "@data without any @attribute");
    check_refused("t.arff", "@relation r\n@attribute a numeric\n", "no @data line");
    check_refused("t.arff", "@attribute a relational\n@data\n1\n", "unknown type 'relational'");
    check_refused("t.arff", "@attribute a {x,y\n@data\nx\n", "no closing brace");
    check_refused("t.arff", "@attribute\n@data\nx\n", "needs a name");
    check_refused("t.arff", "hello\n", "is not @relation, @attribute or @data");
}

TEST_CASE("a table becomes a regression set, text becomes 0 and 1 columns")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "id,colour,x,y1,y2\n1,red,5,10,1\n2,blue,6,20,2\n3,red,7,30,3\n"));
    const char *targets[] = {"y2", "y1"}, *dropped[] = {"id"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 2;
    roles.dropped_columns = dropped;
    roles.dropped_column_count = 1;
    REQUIRE_OK(table.make(roles));
    const auxo_dataset &set = *table.dataset;
    CHECK(set.target_type == AUXO_TARGET_REAL);
    CHECK(names_of(set.feature_names, 3) == Names{"colour=blue", "colour=red", "x"});
    CHECK(features_of(set) == Floats{0, 1, 5, 1, 0, 6, 0, 1, 7});
    CHECK(Floats(set.targets, set.targets + 6) == Floats{1, 10, 2, 20, 3, 30});
    CHECK(names_of(set.target_names, 2) == Names{"y2", "y1"});

    const char *inputs[] = {"x"};
    roles.input_columns = inputs;
    roles.input_column_count = 1;
    REQUIRE_OK(table.make(roles));
    CHECK(features_of(*table.dataset) == Floats{5, 6, 7});
}

TEST_CASE("a text target makes classes, one class only is refused")
{
    LoadedTable table;
    Error &error = table.error;
    const char *targets[] = {"kind"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    REQUIRE_OK(table.read("t.csv", "x,kind\n1,cat\n2,ant\n3,cat\n"));
    REQUIRE_OK(table.make(roles));
    CHECK(table.dataset->target_type == AUXO_TARGET_CLASS);
    CHECK(table.dataset->class_count == 2);
    CHECK(table.dataset->labels[0] == 1);
    CHECK(names_of(table.dataset->target_names, 2) == Names{"ant", "cat"});
    REQUIRE_OK(table.read("t.csv", "x,kind\n1,cat\n2,cat\n"));
    CHECK(table.make(roles) == AUXO_FORMAT);
    check_message(table.error, "one class only ('cat')");
}

TEST_CASE("roles: unknown columns, columns in two roles, no inputs, too many levels")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "weight,height,y\n1,2,3\n"));
    const char *targets[] = {"hieght"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    CHECK(table.make(roles) == AUXO_NOT_FOUND);
    check_message(table.error, "no column named 'hieght'; did you mean 'height'?");
    targets[0] = "y";
    roles.group_column = "y";
    CHECK(table.make(roles) == AUXO_INVALID_ARGUMENT);
    check_message(table.error, "column 'y' is named as a target and as the group");
    roles.group_column = nullptr;
    const char *dropped[] = {"weight", "height"};
    roles.dropped_columns = dropped;
    roles.dropped_column_count = 2;
    CHECK(table.make(roles) == AUXO_INVALID_ARGUMENT);
    check_message(table.error, "no input columns are left");

    std::string text = "word,y\n";
    for (int i = 0; i < 300; i++)
        text += "w" + std::to_string(i) + ",1\n";
    REQUIRE_OK(table.read("t.csv", text));
    roles.dropped_column_count = 0;
    CHECK(table.make(roles) == AUXO_INVALID_ARGUMENT);
    check_message(table.error, "300 different values");
}

TEST_CASE("missing values are refused by row and column, or dropped and counted")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "a,b,c,y\n1,x,,1\n2,NA,,2\n,y,,3\n4,y,,4\n"));
    const char *targets[] = {"y"}, *dropped[] = {"c"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    roles.dropped_columns = dropped;
    roles.dropped_column_count = 1;
    CHECK(table.make(roles) == AUXO_FORMAT);
    check_message(table.error, "t.csv:3: column 2 (b): missing value; 1 rows lack one there");
    roles.drop_missing = true;
    REQUIRE_OK(table.make(roles));
    CHECK(table.dataset->row_count == 2);
    CHECK(Floats(table.dataset->targets, table.dataset->targets + 2) == Floats{1, 4});
    CHECK(std::string(table.dataset->note) == "2 of 4 rows dropped for missing values; text read as categories: b (2)");
    roles.dropped_column_count = 0;
    CHECK(table.make(roles) == AUXO_FORMAT);
    check_message(table.error, "every row has a missing value");
}

TEST_CASE("a table is matched to the inputs that a model knows")
{
    LoadedTable trained, table;
    Error &error = trained.error;
    REQUIRE_OK(trained.read("t.csv", "colour,x,y\nred,1,1\nblue,2,3\n"));
    const char *targets[] = {"y"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    REQUIRE_OK(trained.make(roles));
    auxo_table_roles known = {};
    known.schema = auxo_dataset_schema(trained.dataset);
    known.ignore_labels = true;
    require_ok(table.read("t.csv", "id,x,colour\n7,1,red\n8,2,red\n"), table.error, "read");
    require_ok(table.make(known), table.error, "make");
    CHECK(table.dataset->target_type == AUXO_TARGET_NONE);
    CHECK(features_of(*table.dataset) == Floats{0, 1, 1, 0, 1, 2});
    CHECK(names_of(table.dataset->feature_names, 3) == Names{"colour=blue", "colour=red", "x"});
    require_ok(table.read("t.csv", "x,colour\n1,red\n2,green\n"), table.error, "read");
    CHECK(table.make(known) == AUXO_FORMAT);
    check_message(table.error, "t.csv:3: column 2 (colour): 'green' is no level the model knows (row 2)");
    known.unknown_levels_missing = true;
    require_ok(table.make(known), table.error, "make");
    CHECK(features_of(*table.dataset) == Floats{0, 1, 1, 0, 0, 2});
    require_ok(table.read("t.csv", "colour\nred\nblue\n"), table.error, "read");
    CHECK(table.make(known) == AUXO_NOT_FOUND);
    check_message(table.error, "the model's input 'x' is missing");
    known.ignore_labels = false;
    require_ok(table.read("t.csv", "x,colour\n1,red\n2,blue\n"), table.error, "read");
    CHECK(table.make(known) == AUXO_NOT_FOUND);
    check_message(table.error, "no column named 'y'");
}

TEST_CASE("a CSV path loads as a data set, its last column the target")
{
    TempFolder folder;
    const std::string path = folder.file("my.csv");
    write_file(path, "a,b,y\n1,2,3\n4,5,6\n");
    LoadedData data;
    data.require(path, {});
    CHECK(std::string(data.train->name) == "my.csv");
    CHECK(data.test == nullptr);
    CHECK(features_of(*data.train) == Floats{1, 2, 4, 5});
    CHECK(data.train->targets[1] == 6);
    const char *inputs[] = {"y"}, *targets[] = {"a", "b"};
    auxo_data_options options = {};
    options.input_columns = inputs;
    options.input_column_count = 1;
    options.target_columns = targets;
    options.target_column_count = 2;
    options.limit = 1;
    data.require(path, options);
    CHECK(data.train->row_count == 1);
    CHECK(data.train->targets[1] == 2);
}
