// tests/cli_survival_test.cpp: auxo survival, auxo sweep and braked multi-scale runs as a user meets them: resumed
// runs, gaps in tables, sites, published coefficients, images, one clear line for bad input.
#include "support/data_files.hpp"
#include "support/program.hpp"

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>
#include <map>
#include <unistd.h>

using namespace auxo_test;

namespace
{

ProgramResult succeed(Program &program, const Words &arguments)
{
    ProgramResult result = program.run(arguments);
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    return result;
}

std::string simulate(Program &program, TempFolder &folder, const Words &more)
{
    std::string path = folder.file("simulated.csv");
    program.set_output_path(path);
    REQUIRE(program.run(with({"survival", "simulate"}, more)).exit_code == 0);
    program.set_output_path("");
    return path;
}

// Of a multi-scale run: the first number of the brake's memory in its checkpoint.
bool brake_fired(const std::string &checkpoint)
{
    const std::string bytes = read_whole_file(checkpoint);
    uint64_t header_bytes = 0;
    REQUIRE(bytes.size() > sizeof header_bytes);
    std::memcpy(&header_bytes, bytes.data(), sizeof header_bytes);
    std::unique_ptr<cJSON, void (*)(cJSON *)> header(
        cJSON_ParseWithLength(bytes.data() + sizeof header_bytes, header_bytes), cJSON_Delete);
    const cJSON *brake = cJSON_GetObjectItem(header.get(), "optimizer/brake");
    const cJSON *begin = cJSON_GetArrayItem(cJSON_GetObjectItem(brake, "data_offsets"), 0);
    REQUIRE(cJSON_IsNumber(begin));
    double fired = -1;
    std::memcpy(&fired, bytes.data() + sizeof header_bytes + header_bytes + static_cast<size_t>(begin->valuedouble),
                sizeof fired);
    REQUIRE((fired == 0 || fired == 1));
    return fired == 1;
}

const Words labels = {"--time", "time", "--event", "event", "--device", "cpu"};

} // namespace

TEST_CASE("survival train: killed and resumed, it ends with the bits of an uninterrupted run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    Words words = with({"survival", "train", "--data", simulate(program, folder, {"--rows", "600", "--columns", "4"}),
                        "--batch", "32", "--epochs", "60", "--json", "--optimizer",
                        "phs:lr=0.05,mass=1,friction=0.4,goal_kind=remaining,goal=0.97,watch=epoch,brake=8"},
                       labels);
    Words saved = {"--save", folder.file("whole.safetensors")};
    ProgramResult whole = succeed(program, with(words, saved));
    REQUIRE(whole.events("epoch").size() == 60);
    const Words checkpoint = {"--checkpoint", folder.file("run.safetensors"), "--resume", "--save",
                              folder.file("parts.safetensors")};
    for (int kill = 1; kill <= 2; kill++) {
        program.start(with(words, checkpoint));
        program.wait_for_output("\"epoch\":" + std::to_string(20 * kill) + ",");
        program.send_signal(SIGKILL);
        program.wait();
    }
    ProgramResult rest = succeed(program, with(words, checkpoint));
    CHECK(rest.events("epoch").size() < 45);
    CHECK(same_bytes(folder.file("parts.safetensors"), folder.file("whole.safetensors")));
    CHECK(rest.events("result")[0].number("test_concordance") == whole.events("result")[0].number("test_concordance"));
    // A norm that no gradient reaches changes nothing, a small one every step.
    Words few = with(words, {"--validation", "0"});
    std::replace(few.begin(), few.end(), std::string("60"), std::string("3"));
    const double loss = succeed(program, few).events("epoch")[2].number("train_loss");
    CHECK(succeed(program, with(few, {"--clip", "1e9"})).events("epoch")[2].number("train_loss") == loss);
    CHECK(succeed(program, with(few, {"--clip", "1e-3"})).events("epoch")[2].number("train_loss") > loss);
    check_fails(program, with(with(words, checkpoint), {"--ties", "breslow"}), "ties was efron and is breslow");
    check_fails(program, with(words, {"--resume"}), "--resume needs a checkpoint");
}

TEST_CASE("survival train: missing inputs are refused, dropped, or filled with training means")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string text = "a,kind,time,event\n";
    for (int i = 0; i < 80; i++) {
        std::string a = i % 10 == 3 ? "" : std::to_string(i % 7);
        std::string kind = i % 10 == 6 ? "NA" : i % 2 ? "red" : "blue";
        text += a + "," + kind + "," + std::to_string(1 + (i * 7) % 31) + "," + (i % 3 ? "1" : "0") + "\n";
    }
    std::string table = folder.file("gaps.csv"), model = folder.file("m.safetensors");
    write_file(table, text);
    Words words =
        with({"survival", "train", "--data", table, "--epochs", "3", "--test-fraction", "0", "--json"}, labels);
    check_fails(program, words, "gaps.csv:5: column 1 (a): missing value");
    ProgramResult dropped = succeed(program, with(words, {"--missing", "drop"}));
    CHECK(dropped.errors.find("16 of 80 rows dropped") != std::string::npos);
    ProgramResult filled = succeed(program, with(words, {"--missing", "mean", "--save", model}));
    CHECK(filled.errors.find("24 missing values") != std::string::npos); // 8 of a, 8 in each of two columns of kind
    // Other rows: in the model's column order, without the level "blue", with a gap, without labels.
    write_file(folder.file("new.csv"), std::string("kind,a\nred,1\nred,\nNA,2\n"));
    ProgramResult predicted = succeed(program, {"survival", "predict", model, "--data", folder.file("new.csv"),
                                                "--missing", "mean", "--device", "cpu", "--json"});
    REQUIRE(predicted.events("row").size() == 3);
    CHECK(std::isfinite(predicted.events("row")[1].number("risk")));
    write_file(folder.file("other.csv"), std::string("kind,b\nred,1\n"));
    check_fails(program, {"survival", "predict", model, "--data", folder.file("other.csv"), "--device", "cpu"},
                "the model's input 'a' is missing");
}

TEST_CASE("survival train: a shifted second site spoils the naive merge, standardised sites do not")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string table =
        simulate(program, folder,
                 {"--rows", "1600", "--columns", "3", "--sites", "2", "--site-shift", "1.5", "--site-scale", "1"});
    Words words = with({"survival",        "train",
                        "--data",          table,
                        "--site",          "site",
                        "--test-fraction", "0.5",
                        "--train-site",    "1",
                        "--model",         "linear",
                        "--batch",         "0",
                        "--epochs",        "150",
                        "--optimizer",     "adam:lr=0.05",
                        "--report",        folder.file("sites.html"),
                        "--json"},
                       labels);
    ProgramResult plain = succeed(program, words);
    Event result = plain.events("result")[0];
    CHECK(result.number("standardized_concordance") > result.number("naive_concordance") + 0.05);
    CHECK(result.number("site_gap") > 1);
    CHECK(plain.events("coefficient").size() == 3);
    std::string report = read_whole_file(folder.file("sites.html"));
    for (const char *part : {"Survival by thirds", "Calibration", "dynamic AUC", "Risk scores by site", "merged"})
        CHECK(report.find(part) != std::string::npos);
    check_fails(program, with(words, {"--train-site", "3"}), "--train-site 3");
}

TEST_CASE("survival train: rows of one patient stay on one side of a split")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    std::string table = simulate(program, folder, {"--rows", "300", "--columns", "2", "--rows-per-patient", "3"});
    ProgramResult grouped =
        succeed(program, with({"survival", "train", "--data", table, "--group", "patient", "--inputs", "x0,x1",
                               "--epochs", "2", "--save", folder.file("m.safetensors"), "--json"},
                              labels));
    ProgramResult rows = succeed(program, with({"survival", "predict", folder.file("m.safetensors"), "--data", table,
                                                "--group", "patient", "--split", "test", "--json"},
                                               labels));
    CHECK(rows.events("row").size() % 3 == 0);
    CHECK(rows.events("row").size() >= 57); // a fifth of 300, to whole patients, by event
    CHECK(rows.events("row").size() <= 66);
    CHECK(succeed(program, {"survival", "predict", folder.file("m.safetensors"), "--data", table, "--json"})
              .events("row")
              .size() == 300);
}

TEST_CASE("survival predict: CSV and NumPy's arrays hold what the events tell")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::string table = simulate(program, folder, {"--rows", "60", "--columns", "2"});
    const std::string model = folder.file("m.safetensors");
    succeed(program, with({"survival", "train", "--data", table, "--epochs", "1", "--save", model}, labels));
    const Words words = {"survival", "predict", model, "--data", table, "--device", "cpu", "--at", "0.5,1"};
    const auto rows = succeed(program, with(words, {"--json"})).events("row");
    REQUIRE(rows.size() == 60);
    succeed(program, with(words, {"--out", folder.file("p.csv")}));
    CHECK(read_whole_file(folder.file("p.csv")) == succeed(program, words).output);
    succeed(program, with(words, {"--out", folder.file("p.npy")}));
    succeed(program, with(words, {"--out", folder.file("p.npz")}));
    const std::string risks = read_whole_file(folder.file("p.npy")), all = read_whole_file(folder.file("p.npz"));
    const size_t bytes = 60 * sizeof(double);
    REQUIRE(risks.size() > bytes);
    CHECK(risks.find("(60,)") < risks.size() - bytes);
    for (size_t i = 0; i < 60; i++) {
        double risk = 0;
        memcpy(&risk, risks.data() + risks.size() - bytes + i * sizeof risk, sizeof risk);
        CHECK(risk == Approx(rows[i].number("risk")).epsilon(1e-9));
    }
    // Not packed: an array's file lies in the archive as it is.
    CHECK(all.find(risks) != std::string::npos);
    const size_t times = all.find("times.npy"), survival = all.find("survival.npy");
    REQUIRE(times < survival);
    CHECK(all.find("row.npy") < times);
    CHECK(all.find("(60, 2,", survival) != std::string::npos);
    check_fails(program, with(words, {"--out", folder.file("none/p.npz")}), "--out: cannot write to folder");
}

TEST_CASE("survival train: a convolutional network learns risk groups of images")
{
    Program program(AUXO_PROGRAM);
    ProgramResult result = succeed(program, {"survival", "train", "--data", "glyphs-survival", "--limit", "600",
                                             "--model", "lenet5", "--epochs", "4", "--batch", "50", "--optimizer",
                                             "adam:lr=0.002", "--device", "cpu", "--json"});
    CHECK(result.events("result")[0].number("test_concordance") > 0.6);
}

TEST_CASE("linear Cox reproduces the published coefficients of the German Breast Cancer Study Group")
{
    // Everitt and Hothorn, A Handbook of Statistical Analyses Using R, survival analysis: coxph(Surv(time, cens) ~ .,
    // data = GBSG2), Efron ties. Their tgrade.L = 0.55130, tgrade.Q = -0.20109 are 0.63611 (II) and 0.77965 (III).
    const std::map<std::string, double> published = {
        {"horTh=yes", -0.34628}, {"age", -0.00946},      {"menostat=Post", 0.25844},
        {"tsize", 0.00780},      {"tgrade=II", 0.63611}, {"tgrade=III", 0.77965},
        {"pnodes", 0.04879},     {"progrec", -0.00222},  {"estrec", 0.00020}};
    std::string data = real_data_dir();
    if (data.empty())
        return;
    if (access((data + "/survival/sksurv_GBSG2.arff").c_str(), R_OK) != 0) {
        WARN("skipped: no GBSG2 table");
        return;
    }
    Program program(AUXO_PROGRAM);
    program.set_environment("AUXO_DATA_DIR", data);
    // By Newton's method; and by steps, which have to come to the same point.
    const Words words = {"survival",        "train", "--data",   "gbsg2", "--model", "linear",
                         "--test-fraction", "0",     "--device", "cpu",   "--json"};
    for (const Words &more : {Words{}, Words{"--batch", "0", "--epochs", "1500", "--optimizer", "adam:lr=0.01"}}) {
        INFO(more.size());
        ProgramResult result = succeed(program, with(words, more));
        std::map<std::string, Event> found;
        for (const Event &event : result.events("coefficient"))
            found.emplace(event.text("column"), event);
        CHECK(found.size() == published.size());
        for (const auto &entry : published) {
            INFO(entry.first);
            REQUIRE(found.count(entry.first) == 1);
            const Event &event = found.at(entry.first);
            CHECK(event.number("coefficient") == Approx(entry.second).epsilon(2e-3).margin(1e-5));
            CHECK(event.number("hazard_ratio") == Approx(std::exp(entry.second)).epsilon(2e-3));
            CHECK(event.is_null("standard_error") == !more.empty());
        }
        CHECK(result.events("result")[0].number("train_concordance") == Approx(0.69185).margin(5e-4));
        CHECK(result.events("reference").size() == 1);
    }
}

TEST_CASE("survival: bad input is one clear line")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    auto fails = [&](const std::string &text, const Words &more, const std::string &message) {
        std::string table = folder.file("bad.csv");
        write_file(table, text);
        check_fails(program, with(with({"survival", "train", "--data", table, "--test-fraction", "0"}, more), labels),
                    message);
    };
    const std::string good = "x,time,event,site,patient\n1,2,1,a,1\n2,3,0,a,1\n3,4,1,b,2\n4,5,1,b,2\n";
    fails("x,time,event\n1,2,1\n2,-3,0\n", {}, "bad.csv:3: column 2 (time): a time is negative");
    fails("x,time,event\n1,2,1\n2,nan,0\n", {}, "bad.csv:3: column 2 (time)");
    fails("x,time,event\n1,2,0\n2,3,0\n", {}, "every row is censored");
    fails("x,time,event\n1,2,1\n2,3,7\n", {}, "neither 0 (censored) nor 1");
    fails("x,time,event,site,patient\n1,2,1,a,1\n2,3,0,b,1\n", {"--site", "site", "--group", "patient"}, "bad.csv:3");
    fails(good, {"--site", "sitee"}, "did you mean 'site'");
    fails(good, {"--inputs", "x,y"}, "'y'");
    fails(good, {"--site", "site", "--model", "linear", "--train-site", "9"}, "--train-site 9");
    fails(good, {"--inputs", "x", "--model", "mlp:4-3-1"}, "inputs");
    check_fails(program, {"survival", "train", "--data", "glyphs", "--device", "cpu"}, "no survival times");
    check_fails(program, {"survival", "eval", folder.file("none.safetensors")}, "none.safetensors");
}

TEST_CASE("sweep: every optimiser and seed once, kept in a file, infeasible rows named")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words words = {"sweep",
                         "--data",
                         "glyphs",
                         "--limit",
                         "256",
                         "--model",
                         "mlp:784-10",
                         "--device",
                         "cpu",
                         "--epochs",
                         "2",
                         "--seeds",
                         "2",
                         "--json",
                         "--out",
                         folder.file("sweep.csv"),
                         "--optimizers",
                         "sgd:lr=0.05;phs:lr=0.1,mass=10,friction=1,goal=100,watch=epoch;phs:lr=1e6,friction=0"};
    ProgramResult first = succeed(program, with(words, {"--report", folder.file("sweep.html")}));
    CHECK(first.events("row").size() == 3);
    CHECK(first.events("row")[1].number("braked_epoch") == 1);
    CHECK(first.events("result")[0].number("runs") == 6);
    CHECK(read_whole_file(folder.file("sweep.html")).find("<svg") != std::string::npos);
    ProgramResult again = succeed(program, words);
    CHECK(again.events("epoch").empty());
    CHECK(again.events("row")[0].number("final_mean") == Approx(first.events("row")[0].number("final_mean")));
    check_fails(program, with(words, {"--batch", "32"}), "sweep.csv");
    ProgramResult table = succeed(program, {"sweep", "--preset", "phs-table-3.2", "--rows", "13,15", "--data", "glyphs",
                                            "--limit", "64", "--device", "cpu", "--json"});
    REQUIRE(table.events("row").size() == 2);
    CHECK(table.events("row")[0].text("refusal").find("multiply the momentum by -4") != std::string::npos);
    CHECK(table.events("row")[0].is_null("final_mean"));
    check_fails(program, {"sweep"}, "either a preset or optimizers");
    check_fails(program, {"sweep", "--optimizers", "sgd;phs:lr=1,friction=9"}, "unstable");
}

TEST_CASE("multiscale train: a brake that fired stays over a resume, one that did not fires as in a whole run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const Words words = {"multiscale",
                         "train",
                         "--preset",
                         "table5",
                         "--limit",
                         "300",
                         "--epochs",
                         "10",
                         "--device",
                         "cpu",
                         "--inner-tolerance",
                         "0",
                         "--json",
                         "--optimizer",
                         "phs:lr=0.1,mass=1,friction=0.5,goal_kind=remaining,goal=0.97,watch=epoch,brake=6"};
    succeed(program, with(words, {"--iterations", "12", "--save", folder.file("whole")}));
    const Words checkpoint = {"--checkpoint", folder.file("run"), "--checkpoint-every", "1", "--resume"};
    bool fired = false;
    for (const char *iterations : {"2", "6", "12"}) {
        succeed(program, with(with(words, {"--iterations", iterations, "--save", folder.file("parts")}), checkpoint));
        fired = brake_fired(folder.file("run"));
    }
    CHECK(fired);
    CHECK(same_bytes(folder.file("whole"), folder.file("parts")));
}
