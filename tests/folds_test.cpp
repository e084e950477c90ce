// Folds: every row in exactly one, classes and groups kept; a run over folds that is stopped and resumed.
#include "support/models.hpp"
#include "support/program.hpp"
#include "support/support.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <set>
#include <string>
#include <vector>

using namespace auxo_test;

TEST_CASE("folds part the rows: each in one fold, classes in proportion")
{
    Error error;
    Data data = Data::classes(103, 1, 2, 2, 3, 4);
    std::set<size_t> seen;
    for (uint32_t fold = 0; fold < 5; fold++) {
        auxo_dataset *part = nullptr, *rest = nullptr;
        REQUIRE_OK(auxo_dataset_fold(data.get(), 5, fold, 7, &part, &rest, error));
        CHECK(part->row_count + rest->row_count == 103);
        CHECK((part->row_count == 20 || part->row_count == 21));
        std::vector<size_t> in_part(3), in_all(3);
        for (size_t i = 0; i < part->row_count; i++) {
            CHECK(seen.insert(auxo_dataset_row_number(part, i)).second);
            in_part[part->labels[i]]++;
        }
        for (size_t i = 0; i < 103; i++)
            in_all[data.get()->labels[i]]++;
        for (int c = 0; c < 3; c++) {
            CHECK(in_part[c] >= in_all[c] / 5);
            CHECK(in_part[c] <= in_all[c] / 5 + 1);
        }
        auxo_dataset_destroy(part);
        auxo_dataset_destroy(rest);
    }
    CHECK(seen.size() == 103);
    auxo_dataset *part = nullptr, *rest = nullptr;
    CHECK(auxo_dataset_fold(data.get(), 1, 0, 7, &part, &rest, error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_dataset_fold(data.get(), 5, 5, 7, &part, &rest, error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_dataset_fold(data.get(), 104, 0, 7, &part, &rest, error) == AUXO_INVALID_ARGUMENT);
}

TEST_CASE("rows of one group stay in one fold")
{
    Error error;
    Data data = Data::classes(60, 1, 2, 2, 3, 4);
    auxo_dataset set = *data.get();
    std::vector<uint32_t> groups;
    for (uint32_t i = 0; i < 60; i++)
        groups.push_back(i % 12);
    set.groups = groups.data();
    std::vector<int> fold_of(12, -1);
    for (uint32_t fold = 0; fold < 4; fold++) {
        auxo_dataset *part = nullptr, *rest = nullptr;
        REQUIRE_OK(auxo_dataset_fold(&set, 4, fold, 7, &part, &rest, error));
        CHECK(part->row_count == 15);
        for (size_t i = 0; i < part->row_count; i++) {
            int &known = fold_of[part->groups[i]];
            CHECK((known == -1 || known == static_cast<int>(fold)));
            known = static_cast<int>(fold);
        }
        auxo_dataset_destroy(part);
        auxo_dataset_destroy(rest);
    }
}

TEST_CASE("folds: killed in the second fold and resumed, the result is that of an uninterrupted run")
{
    Program program(AUXO_PROGRAM);
    TempFolder folder;
    const std::vector<std::string> words = {"train", "--limit", "300", "--model",  "mlp:8", "--epochs",
                                            "4",     "--folds", "3",   "--device", "cpu",   "--json"};
    auto with = [](std::vector<std::string> all, const std::vector<std::string> &more) {
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    ProgramResult whole = program.run(words);
    REQUIRE(whole.exit_code == 0);
    REQUIRE(whole.events("fold").size() == 3);
    CHECK(whole.events("epoch").size() == 12);
    const std::vector<std::string> kept = {"--checkpoint", folder.file("folds.st"), "--resume"};
    program.start(with(words, kept));
    program.wait_for_output("folds.st\""); // the outer checkpoint, after the first fold
    program.send_signal(SIGKILL);
    program.wait();
    ProgramResult rest = program.run(with(words, kept));
    REQUIRE(rest.exit_code == 0);
    CHECK(rest.events("fold").size() == 2);
    const std::string mean = "\"test_loss\":";
    auto loss = [&](const ProgramResult &result) {
        const std::string text = result.output.substr(result.output.rfind("\"event\":\"result\""));
        return text.substr(text.find(mean), text.find(',', text.find(mean)) - text.find(mean));
    };
    CHECK(loss(rest) == loss(whole));
    ProgramResult refused = program.run(with(words, {"--save", folder.file("m.safetensors")}));
    CHECK(refused.exit_code == 2);
    CHECK(refused.errors.find("--save") != std::string::npos);
}
