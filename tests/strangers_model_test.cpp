// tests/strangers_model_test.cpp: a trained model on other people's files: columns in another order or missing, levels
// and classes that are few or unknown, no labels, dropped rows, held-out rows, names with odd signs.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <cmath>
#include <filesystem>
#include <sstream>

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

struct Table {
    std::vector<std::string> names;
    std::vector<std::vector<std::string>> rows;
    // The named columns in that order.
    std::string text(const std::vector<std::string> &order) const
    {
        std::string text;
        for (size_t i = 0; i < order.size(); i++)
            text += (i ? "," : "") + order[i];
        text += "\n";
        for (const auto &row : rows) {
            for (size_t i = 0; i < order.size(); i++)
                for (size_t c = 0; c < names.size(); c++)
                    if (names[c] == order[i])
                        text += (i ? "," : "") + row[c];
            text += "\n";
        }
        return text;
    }
};

// length, mass, age, tree and cost = 3 length - mass + age^2 + a value for each tree.
Table forest(size_t count, uint32_t seed)
{
    const char *trees[] = {"oak", "pine", "ash"};
    std::vector<float> x = uniform(3 * count, -2, 2, seed);
    std::vector<uint32_t> kind = integers(count, 3, seed + 1);
    Table table{{"length", "mass", "age", "tree", "cost"}, {}};
    for (size_t i = 0; i < count; i++) {
        double cost = 3 * x[3 * i] - x[3 * i + 1] + x[3 * i + 2] * x[3 * i + 2] + 2.0 * kind[i];
        table.rows.push_back({std::to_string(x[3 * i]), std::to_string(x[3 * i + 1]), std::to_string(x[3 * i + 2]),
                              trees[kind[i]], std::to_string(cost)});
    }
    return table;
}

std::vector<std::string> lines_of(const std::string &text)
{
    std::vector<std::string> lines;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

} // namespace

TEST_CASE("a model finds its columns, levels and held-out rows in other files")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Table table = forest(300, 5);
    const std::string model = folder.file("m.safetensors"), train = folder.file("train.csv");
    write_file(train, table.text({"length", "mass", "age", "tree", "cost"}));
    write_file(folder.file("order.csv"), table.text({"tree", "cost", "age", "mass", "length"}));
    write_file(folder.file("bare.csv"), table.text({"age", "tree", "length", "mass"}));
    succeed(program,
            {"train", "--data", train, "--epochs", "8", "--device", "cpu", "--save", model, "--targets", "cost"});

    ProgramResult own = succeed(program, {"eval", model, "--data", train, "--device", "cpu", "--json"});
    ProgramResult other =
        succeed(program, {"eval", model, "--data", folder.file("order.csv"), "--device", "cpu", "--json"});
    CHECK(own.events("result")[0].number("rows") == 60);
    CHECK(other.events("target")[0].number("r2") == own.events("target")[0].number("r2"));
    CHECK(own.events("result")[0].text("loss_kind").find("own units") != std::string::npos);
    for (const char *part : {"heldout", "test", "train", "all"}) {
        ProgramResult rows =
            succeed(program, {"eval", model, "--data", train, "--device", "cpu", "--json", "--split", part});
        const std::string name = part;
        CHECK(rows.events("result")[0].number("rows") == (name == "all" ? 300 : name == "train" ? 240 : 60));
    }

    const std::string all = succeed(program, {"predict", model, "--data", train, "--device", "cpu"}).output;
    CHECK(lines_of(all).size() == 301);
    CHECK(lines_of(all)[1].substr(0, 2) == "1,");
    CHECK(succeed(program, {"predict", model, "--data", folder.file("bare.csv"), "--device", "cpu"}).output == all);
    CHECK(succeed(program, {"predict", model, "--data", folder.file("order.csv"), "--device", "cpu"}).output == all);

    Table one = table, unknown = table, fewer = table;
    one.rows.erase(std::remove_if(one.rows.begin(), one.rows.end(), [](const auto &row) { return row[3] != "pine"; }),
                   one.rows.end());
    write_file(folder.file("one.csv"), one.text({"length", "mass", "age", "tree", "cost"}));
    std::vector<std::string> kept;
    for (size_t i = 0; i < table.rows.size(); i++)
        if (table.rows[i][3] == "pine")
            kept.push_back(lines_of(all)[i + 1].substr(lines_of(all)[i + 1].find(',')));
    std::vector<std::string> got =
        lines_of(succeed(program, {"predict", model, "--data", folder.file("one.csv"), "--device", "cpu"}).output);
    REQUIRE(got.size() == kept.size() + 1);
    for (size_t i = 0; i < kept.size(); i++)
        CHECK(got[i + 1] == std::to_string(i + 1) + kept[i]);

    unknown.rows[6][3] = "birch";
    write_file(folder.file("unknown.csv"), unknown.text({"length", "mass", "age", "tree", "cost"}));
    Words eval_unknown = {"eval", model, "--data", folder.file("unknown.csv"), "--device", "cpu"};
    check_fails(program, eval_unknown, "unknown.csv:8: column 4 (tree): 'birch' is no level the model knows (row 7)");
    succeed(program, with(eval_unknown, {"--unknown-levels", "missing"}));
    write_file(folder.file("fewer.csv"), fewer.text({"length", "age", "tree", "cost"}));
    check_fails(program, {"eval", model, "--data", folder.file("fewer.csv"), "--device", "cpu"},
                "the model's input 'mass' is missing");
    check_fails(program, {"eval", model, "--data", folder.file("bare.csv"), "--device", "cpu"},
                "no column named 'cost'");
    check_fails(program, {"eval", model, "--data", train, "--targets", "mass", "--device", "cpu"}, "not the model's");
}

TEST_CASE("classes keep the model's numbers in files that hold few of them")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "x,y,label\n", one = text, odd = text;
    for (int i = 0; i < 120; i++) {
        const int kind = i % 3;
        std::string line = std::to_string(kind * 2 + 0.01 * (i % 7)) + "," + std::to_string(-kind) + ",";
        text += line + std::to_string(kind == 2 ? 5 : 2 * kind) + "\n";
        if (kind == 2)
            one += line + "5\n";
        odd += line + (i == 4 ? "7\n" : "2\n");
    }
    write_file(folder.file("t.csv"), text);
    write_file(folder.file("one.csv"), one);
    write_file(folder.file("odd.csv"), odd);
    const std::string model = folder.file("m.safetensors");
    succeed(program, {"train", "--data", folder.file("t.csv"), "--target-kind", "class", "--epochs", "60", "--batch",
                      "16", "--device", "cpu", "--save", model});
    ProgramResult all = succeed(program, {"eval", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json"});
    REQUIRE(all.events("class").size() == 3);
    CHECK(all.events("class")[1].text("name") == "2");
    CHECK(all.events("result")[0].number("accuracy") == 1);
    ProgramResult few =
        succeed(program, {"eval", model, "--data", folder.file("one.csv"), "--device", "cpu", "--json"});
    CHECK(few.events("result")[0].number("accuracy") == 1);
    CHECK(few.events("class")[2].number("rows") == 40);
    // A loss of classes says the same; measured numbers have none.
    const Words train = {"train", "--data", folder.file("t.csv"), "--epochs", "2", "--device", "cpu", "--json"};
    const ProgramResult by_loss = succeed(program, with(train, {"--loss", "cross_entropy"}));
    const ProgramResult by_kind = succeed(program, with(train, {"--target-kind", "class"}));
    CHECK(by_loss.events("result")[0].number("test_loss") == by_kind.events("result")[0].number("test_loss"));
    CHECK(by_loss.errors.find("is read as numbers") == std::string::npos);
    const ProgramResult both = program.run(with(train, {"--loss", "cross_entropy", "--target-kind", "real"}));
    CHECK(both.exit_code == 2);
    CHECK_THAT(both.errors, Catch::Contains("cross_entropy needs classes"));
    succeed(program, {"train", "--data", "glyphs", "--limit", "100", "--epochs", "1", "--loss", "cross_entropy",
                      "--device", "cpu"}); // a named set keeps its own
    check_fails(program, {"eval", model, "--data", folder.file("odd.csv"), "--device", "cpu"}, "'7' is no class");
    ProgramResult predicted =
        succeed(program, {"predict", model, "--data", folder.file("odd.csv"), "--device", "cpu", "--json"});
    CHECK(predicted.events("prediction")[2].text("name") == "5");
}

TEST_CASE("predictions name the data rows of the file, also after rows were dropped")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "a,b,y\n";
    for (int i = 1; i <= 40; i++)
        text +=
            std::to_string(i) + "," + (i % 4 == 1 ? "" : std::to_string(2 * i)) + "," + std::to_string(3 * i) + "\n";
    write_file(folder.file("t.csv"), text);
    const std::string model = folder.file("m.safetensors");
    Words train = {"train", "--data", folder.file("t.csv"), "--epochs", "2", "--device", "cpu", "--save", model};
    check_fails(program, train, "t.csv:2: column 2 (b): missing value; 10 rows lack one there");
    succeed(program, with(train, {"--drop-missing"}));
    ProgramResult result =
        succeed(program, {"predict", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json"});
    std::vector<Event> rows = result.events("prediction");
    REQUIRE(rows.size() == 30);
    const int expected[] = {2, 3, 4, 6, 7, 8, 10};
    for (size_t i = 0; i < 7; i++)
        CHECK(rows[i].number("row") == expected[i]);
    ProgramResult held = succeed(
        program, {"predict", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json", "--split", "heldout"});
    REQUIRE(held.events("prediction").size() == 6);
    for (const Event &row : held.events("prediction"))
        CHECK(int(row.number("row")) % 4 != 1);
    succeed(program, with(train, {"--missing", "mean"}));
    CHECK(succeed(program, {"predict", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json"})
              .events("prediction")
              .size() == 40);
}

TEST_CASE("rows held out are found again where gaps were filled with means, and where rows were added")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "id,a,kind,y\n";
    for (int i = 1; i <= 60; i++)
        text += "r" + std::to_string(i) + "," + (i % 4 == 1 ? "" : std::to_string(i % 7)) + "," +
                (i % 5 == 2 ? "" : std::string(1, char('u' + i % 3))) + "," + std::to_string(i % 9) + "\n";
    const std::string table = folder.file("t.csv"), model = folder.file("m.safetensors");
    write_file(table, text);
    const ProgramResult trained = succeed(program, {"train", "--data", table, "--drop", "id", "--missing", "mean",
                                                    "--epochs", "2", "--device", "cpu", "--save", model, "--json"});
    for (int added = 0; added < 2; added++) {
        const ProgramResult measured = succeed(program, {"eval", model, "--data", table, "--device", "cpu", "--json"});
        CHECK(measured.events("result")[0].number("rows") == 12);
        const double mse =
            trained.events("result")[0].number("test_rmse") * trained.events("result")[0].number("test_rmse");
        CHECK(measured.events("result")[0].number("loss") == Approx(mse).epsilon(1e-5));
        write_file(table, text += "r61,1,u,2\n");
    }
    write_file(table, text.replace(text.find("\nr2,2,"), 6, "\nr2,3,"));
    CHECK(succeed(program, {"eval", model, "--data", table, "--device", "cpu", "--json"})
              .events("result")[0]
              .number("rows") == 62);
}

TEST_CASE("columns are dropped by name, once, and from tables only")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "id,a,b,y\n";
    for (int i = 0; i < 40; i++)
        text += "row" + std::to_string(i) + "," + std::to_string(i % 5) + "," + std::to_string(i % 3) + "," +
                std::to_string(i) + "\n";
    const std::string table = folder.file("t.data"), model = folder.file("m.safetensors");
    write_file(table, text);
    const Words train = {"train", "--data", table, "--epochs", "1", "--device", "cpu", "--save", model};
    succeed(program, with(train, {"--drop", "id,b"}));
    const ProgramResult shown = succeed(program, {"model", "show", model, "--json"});
    CHECK(shown.events("layer")[0].text("output") == "1x1x1");
    succeed(program, {"predict", model, "--data", table, "--device", "cpu"});
    check_fails(program, with(train, {"--drop", "ib"}), "no column named 'ib'");
    check_fails(program, with(train, {"--drop", "a", "--inputs", "a,b"}), "column 'a' is named as");
    check_fails(program, with(train, {"--drop", "y"}), "column 'y' is named as");
    check_fails(program, {"train", "--data", "glyphs", "--drop", "x", "--device", "cpu"}, "drop does not apply to it");
    check_fails(program, {"predict", "--model", model}, "usage: auxo predict [OPTION]... FILE.safetensors");
    check_fails(program, {"autosize", "--epochs", "3"}, "did you mean --dynamic-epochs or --static-epochs?");
}

TEST_CASE("every method that sizes networks starts from a network that fits a table, or says why not")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "a,b,c,kind\n";
    for (int i = 0; i < 60; i++)
        text += std::to_string(i % 7) + "," + std::to_string(i % 5) + "," + std::to_string(i % 3) + "," +
                (i % 2 ? "u" : "v") + "\n";
    const std::string table = folder.file("t.csv");
    write_file(table, text);
    succeed(program, {"morph", "--data", table, "--epochs", "1", "--iterations", "1", "--device", "cpu"});
    succeed(program, {"multiscale", "train", "--data", table, "--iterations", "1", "--device", "cpu"});
    succeed(program, {"adapt", "--data", table, "--cycles", "2", "--device", "cpu"});
    check_fails(program, {"resbuild", "--data", table, "--device", "cpu"},
                "holds no pictures; resbuild inserts blocks");
}

TEST_CASE("R2 of a constant target is undefined and said so, outputs that are no numbers are refused by row")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    for (const char *constant : {"20.1", "0", "-3e8", "1650001000.25"}) {
        std::string text = "a,y\n";
        for (int i = 0; i < 50; i++)
            text += std::to_string((i * 37) % 11) + "," + constant + "\n";
        write_file(folder.file("t.csv"), text);
        const std::string model = folder.file("m.safetensors");
        succeed(program,
                {"train", "--data", folder.file("t.csv"), "--epochs", "2", "--device", "cpu", "--save", model});
        ProgramResult text_result =
            succeed(program, {"eval", model, "--data", folder.file("t.csv"), "--device", "cpu"});
        CHECK(text_result.output.find("undefined: the target is constant") != std::string::npos);
        ProgramResult result =
            succeed(program, {"eval", model, "--data", folder.file("t.csv"), "--device", "cpu", "--json"});
        CHECK(result.events("target")[0].is_null("r2"));
        ProgramResult info = succeed(program, {"data", "info", folder.file("t.csv"), "--json"});
        CHECK(info.events("target")[0].number("std") == 0);
    }
    std::string huge = "a,y\n1,2\n2,3\n3e38,1\n";
    write_file(folder.file("huge.csv"), huge);
    const std::string model = folder.file("m.safetensors");
    std::string text = "a,y\n";
    for (int i = 0; i < 50; i++)
        text += std::to_string(1e-30 * i) + "," + std::to_string(i) + "\n";
    for (int i = 0; i < 50; i++)
        text += std::to_string(i * 1e-6) + "," + std::to_string(i) + "\n";
    write_file(folder.file("t.csv"), text);
    succeed(program, {"train", "--data", folder.file("t.csv"), "--model", "mlp:1-1", "--epochs", "2", "--device", "cpu",
                      "--save", model});
    Words predict = {"predict", model, "--data", folder.file("huge.csv"), "--device", "cpu"};
    Words eval = predict;
    eval[0] = "eval";
    check_fails(program, predict, "row 3: output y of the model is");
    const ProgramResult refused = program.run(eval); // after a note on the rows
    CHECK(refused.exit_code == 2);
    CHECK(refused.error_lines().back().find("row 3: output y of the model is") != std::string::npos);
    succeed(program, with(predict, {"--allow-nan"}));
    succeed(program, with(eval, {"--allow-nan"}));
}

TEST_CASE("names with bars, quotes, tabs and tags are shown whole in tables, CSV, JSON and HTML")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "gene|x,grade=II,\"a \"\"quoted\"\", name\",<b>html</b>,\"tab\there\",\"y|z\"\n";
    std::vector<float> x = uniform(360, -1, 1, 3);
    for (size_t i = 0; i < 360; i++)
        text += std::to_string(x[i]) + (i % 6 == 5 ? "\n" : ",");
    write_file(folder.file("t.csv"), text);
    const std::string model = folder.file("m.safetensors"), report = folder.file("r.html");
    ProgramResult info = succeed(program, {"data", "info", folder.file("t.csv")});
    for (const char *name : {"gene|x ", "grade=II ", "a \"quoted\", name ", "<b>html</b> ", "tab\\there ", "y|z "})
        CHECK(info.output.find(name) != std::string::npos);
    for (const std::string &line : lines_of(info.output))
        if (line.rfind("gene|x", 0) == 0)
            CHECK(line.find("0.") != std::string::npos);
    ProgramResult events = succeed(program, {"data", "info", folder.file("t.csv"), "--json"});
    CHECK(events.events("column")[4].text("name") == "tab\there");
    succeed(program, {"train", "--data", folder.file("t.csv"), "--epochs", "2", "--device", "cpu", "--save", model,
                      "--report", report, "--inputs", "gene|x,grade=II,\"a \"\"quoted\"\", name\",<b>html</b>"});
    CHECK(read_whole_file(report).find("<b>html</b>") == std::string::npos);
    ProgramResult predicted = succeed(program, {"predict", model, "--data", folder.file("t.csv"), "--device", "cpu"});
    CHECK(lines_of(predicted.output)[0] == "row,y|z");
    ProgramResult evaluated = succeed(program, {"eval", model, "--data", folder.file("t.csv"), "--device", "cpu"});
    CHECK(evaluated.output.find("y|z ") != std::string::npos);
}

TEST_CASE("escape characters of columns and layers do not reach the terminal")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    write_file(folder.file("t.csv"), std::string("a\x1b[31mred,b\n1,2\n2,3\n3,4\n"));
    ProgramResult info = succeed(program, {"data", "info", folder.file("t.csv")});
    CHECK(info.output.find("red") != std::string::npos);
    CHECK(info.output.find('\x1b') == std::string::npos);
    write_file(folder.file("m.json"), std::string("{\"layers\":[{\"name\":\"in\",\"kind\":\"input\",\"shape\":[4]},"
                                                  "{\"name\":\"x\\u001b[31mred\",\"kind\":\"dense\",\"units\":2}]}"));
    for (const Words &wrong : {Words{"train", "--data", folder.file("t.csv"), "--targets", "\x1b[31mno"},
                               {"model", "show", "\x1b[31mno"},
                               {"model", "show", folder.file("m.json")}}) {
        const ProgramResult refused = program.run(wrong);
        INFO(refused.errors);
        CHECK(refused.exit_code == 2);
        CHECK(refused.errors.find("[31m") != std::string::npos);
        CHECK(refused.errors.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("a saved model is known by what it holds, whatever it is called; the list of data names files as well")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string model = folder.file("net.bin"), description = folder.file("net.txt");
    const Words train = {"train", "--data", "glyphs", "--limit", "50", "--epochs", "1", "--device", "cpu"};
    succeed(program, with(train, {"--model", "mlp:4", "--save", model}));
    CHECK_THAT(succeed(program, {"model", "show", model}).output, Catch::Contains("3,190 weights"));
    succeed(program, with(train, {"--model", model}));
    write_file(description, "no network");
    check_fails(program, {"model", "show", description}, "net.txt");
    const std::string list = succeed(program, {"data", "list"}).output;
    for (const char *kind : {".arff", "folder of images", "IDX", ".npy", ".auxo"})
        CHECK_THAT(list, Catch::Contains(kind));
}

TEST_CASE("what every method saves measures as the method said, also on columns in another order")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "when,kind,x,label\n", other = "x,label,extra,when,kind\n", real = "when,x,y\n",
                real_other = "y,x,when\n";
    double sum = 0;                 // of squares: 240 times the variance
    for (int i = 0; i < 240; i++) { // times of a clock, so that unscaled inputs show
        const std::string when = std::to_string(1650000000 + i * 37 % 240),
                          x = std::to_string(0.01 * (i * 17 % 100) + 500), kind = i % 3 ? "oak" : "ash",
                          label = (i * 17 % 100) + (i % 3 ? 0 : 30) > 60 ? "up" : "down";
        const double value = 0.03 * (i * 17 % 100 - 49.5) + 0.001 * (i * 37 % 240 - 119.5);
        const std::string y = std::to_string(9000 + value);
        sum += value * value;
        text += when + "," + kind + "," + x + "," + label + "\n";
        other += x + "," + label + ",0," + when + "," + kind + "\n";
        real += when + "," + x + "," + y + "\n";
        real_other += y + "," + x + "," + when + "\n";
    }
    write_file(folder.file("t.csv"), text);
    write_file(folder.file("other.csv"), other);
    write_file(folder.file("r.csv"), real);
    write_file(folder.file("r_other.csv"), real_other);
    const Words methods[] = {
        {"train", "--epochs", "20"},
        {"multiscale", "train", "--iterations", "8", "--epochs", "30", "--lr", "0.1"},
        {"multiscale", "train", "--order", "none", "--iterations", "5", "--backprop-epochs", "20", "--lr", "0.1"},
        {"autosize", "--dynamic-epochs", "3", "--static-epochs", "3"},
        {"adapt", "--cycles", "6", "--seed", "2"},
        {"search", "--evaluations", "2", "--max-epochs", "3"}};
    for (const Words &method : methods)
        for (const bool classes : {true, false}) {
            const std::string model = folder.file("m.safetensors");
            const Words data = {"--data", folder.file(classes ? "t.csv" : "r.csv"), "--device", "cpu", "--json"};
            if (!classes && method[0] == "search")
                continue;
            const ProgramResult run = succeed(program, with(with(method, data), {"--model", "mlp:8", "--save", model}));
            const double told = run.events("result")[0].number("test_loss");
            for (const char *file : {classes ? "t.csv" : "r.csv", classes ? "other.csv" : "r_other.csv"}) {
                INFO(method[0] << " " << file);
                const ProgramResult measured =
                    succeed(program, {"eval", model, "--data", folder.file(file), "--device", "cpu", "--json"});
                const Event result = measured.events("result")[0];
                if (classes)
                    CHECK(result.number("loss") == Approx(told).epsilon(1e-5));
                else
                    CHECK(result.number("loss") == Approx(told * sum / 240).epsilon(0.2)); // told in standardised units
            }
        }
    // Training goes on in the model's own order and scales.
    const std::string model = folder.file("m.safetensors");
    succeed(program, {"train", "--data", folder.file("t.csv"), "--model", "mlp:8", "--epochs", "20", "--device", "cpu",
                      "--save", model});
    const auto loss_on = [&](const char *file) {
        return succeed(program, {"train", "--data", folder.file(file), "--model", model, "--epochs", "1", "--lr",
                                 "1e-9", "--device", "cpu", "--json"})
            .events("result")[0]
            .number("test_loss");
    };
    CHECK(loss_on("other.csv") == loss_on("t.csv"));
    check_fails(program, {"train", "--data", folder.file("r.csv"), "--model", model, "--device", "cpu"}, "'label'");
    const ProgramResult head =
        program.run({"train", "--data", folder.file("other.csv"), "--model", model, "--reset", "dense2", "--inputs",
                     "x,when,kind", "--targets", "label", "--device", "cpu"});
    CHECK(head.exit_code == 2);
    CHECK_THAT(head.errors, Catch::Contains("its input 1 is 'x', but 'when' to the model"));
}

TEST_CASE("a single picture is predicted as it is in its folder, and refused to be measured")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    for (const char *kind : {"dark", "light"})
        for (int i = 0; i < 6; i++) {
            std::string pixels = "P5\n6 5\n255\n";
            for (int k = 0; k < 30; k++)
                pixels += char((kind[0] == 'd' ? 20 : 140) + (i * 7 + k * 3) % 90);
            std::filesystem::create_directories(folder.file(kind));
            write_file(folder.file(std::string(kind) + "/" + std::to_string(i) + ".pgm"), pixels);
        }
    const std::string model = folder.file("m.safetensors"), light = folder.file("light");
    succeed(program, {"train", "--data", folder.file("") + "/", "--model", "mlp:4", "--epochs", "2", "--device", "cpu",
                      "--save", model});
    const Words predict = {"predict", model, "--device", "cpu", "--json", "--data"};
    const Event whole = succeed(program, with(predict, {light})).events("prediction")[3];
    const std::vector<Event> one = succeed(program, with(predict, {light + "/3.pgm"})).events("prediction");
    REQUIRE(one.size() == 1);
    CHECK(one[0].number("probability") == whole.number("probability"));
    CHECK(one[0].text("file") == "3.pgm");
    check_fails(program, {"eval", model, "--device", "cpu", "--data", light + "/3.pgm"},
                "can be predicted, not measured");
}
