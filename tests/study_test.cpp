// tests/study_test.cpp: studies as files: what is written is read, workers share them, the dead lose their trials once,
// and what is no such file is named.
#include "support/program.hpp"

extern "C" {
#include "study_internal.h"
}

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <set>

using namespace auxo_test;

namespace
{

struct Close {
    void operator()(auxo_study *study) const
    {
        auxo_study_close(study);
    }
};
using Study = std::unique_ptr<auxo_study, Close>;

Study open_study(const std::string &path, auxo_study_options options = {})
{
    Error error;
    auxo_study *study = nullptr;
    options.create = !options.read_only;
    REQUIRE_OK(auxo_study_open(path.c_str(), &options, &study, error));
    return Study(study);
}

std::string refusal(const std::string &path, auxo_status expected, auxo_study_options options = {})
{
    Error error;
    auxo_study *study = nullptr;
    CHECK(auxo_study_open(path.c_str(), &options, &study, error) == expected);
    CHECK(study == nullptr);
    return error.text();
}

// A space of one parameter of each kind.
struct Space {
    auxo_space space = {};
    Space()
    {
        Error error;
        char relu[] = "\"relu\"", tanh[] = "\"tanh\"";
        char *choices[] = {relu, tanh};
        auxo_parameter p = {};
        p.parent = -1;
        std::strcpy(p.name, "lr");
        p.kind = AUXO_PARAMETER_REAL;
        p.low = 1e-4;
        p.high = 1;
        p.log = true;
        REQUIRE_OK(auxo_space_add(&space, &p, error));
        p = {};
        p.parent = -1;
        std::strcpy(p.name, "layers");
        p.kind = AUXO_PARAMETER_INTEGER;
        p.low = 1;
        p.high = 9;
        p.step = 2;
        REQUIRE_OK(auxo_space_add(&space, &p, error));
        p = {};
        p.parent = 1;
        p.parent_low = 3;
        p.parent_high = 9;
        std::strcpy(p.name, "activation");
        p.kind = AUXO_PARAMETER_CHOICE;
        p.choices = choices;
        p.choice_count = 2;
        REQUIRE_OK(auxo_space_add(&space, &p, error));
    }
    ~Space()
    {
        auxo_space_deinit(&space);
    }
};

int64_t add(auxo_study *study, const auxo_space &space, std::vector<double> values, bool waiting = false)
{
    Error error;
    int64_t id = 0;
    REQUIRE_OK(auxo_study_add_trial(study, &space, values.data(), waiting, &id, error));
    return id;
}

void finish(auxo_study *study, int64_t id, double value)
{
    Error error;
    bool kept = false;
    REQUIRE_OK(auxo_study_end_trial(study, id, AUXO_TRIAL_COMPLETE, value, &kept, error));
    CHECK(kept);
}

std::vector<auxo_trial> trials_of(auxo_study *study)
{
    Error error;
    size_t count = 0;
    REQUIRE_OK(auxo_study_refresh(study, error));
    const auxo_trial *trials = auxo_study_trials(study, &count);
    return {trials, trials + count};
}

void execute(const std::string &path, const std::string &sql)
{
    sqlite3 *database = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &database) == SQLITE_OK);
    CHECK(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(database);
}

const double none = std::nan("");

} // namespace

TEST_CASE("study: what one object writes another reads, to the last bit")
{
    TempFolder folder;
    Error error;
    Space s;
    const std::string path = folder.file("s.db");
    auxo_study_options options = {};
    options.maximize = true;
    options.metric = "accuracy";
    Study study = open_study(path, options);
    const double lr = 0.1 + 1e-17 + 1.0 / 3;
    int64_t id = add(study.get(), s.space, {lr, 3, 1});
    REQUIRE_OK(auxo_study_report(study.get(), id, 1, 1.0 / 7, error));
    REQUIRE_OK(auxo_study_report(study.get(), id, 2, -INFINITY, error));
    REQUIRE_OK(auxo_study_report(study.get(), id, 3, none, error));
    REQUIRE_OK(auxo_study_set_trial_attribute(study.get(), id, "note", false, "{\"a\":1}", error));
    finish(study.get(), id, 2.0 / 7);
    id = add(study.get(), s.space, {1e-4, 1, none});
    finish(study.get(), id, INFINITY);
    Study other = open_study(path);
    CHECK(auxo_study_maximizes(other.get()));
    std::vector<auxo_trial> trials = trials_of(other.get());
    REQUIRE(trials.size() == 2);
    CHECK(trials[0].number == 0);
    CHECK(trials[0].state == AUXO_TRIAL_COMPLETE);
    CHECK(trials[0].value == 2.0 / 7);
    REQUIRE(trials[0].parameter_count == 3);
    CHECK(auxo_trial_parameter_value(&trials[0], "lr") == lr);
    CHECK(auxo_trial_parameter_value(&trials[0], "layers") == 3);
    CHECK(auxo_trial_parameter_value(&trials[0], "activation") == 1);
    REQUIRE(trials[0].report_count == 3);
    CHECK(trials[0].reports[0].value == 1.0 / 7);
    CHECK(trials[0].reports[1].value == -INFINITY);
    CHECK(std::isnan(trials[0].reports[2].value));
    CHECK(std::string(auxo_trial_attribute_json(&trials[0], "note", false)) == "{\"a\":1}");
    CHECK(auxo_trial_attribute_json(&trials[0], "note", true) == nullptr);
    CHECK(trials[1].value == INFINITY);
    CHECK(trials[1].parameter_count == 2);
    // What is not finite is no best value.
    CHECK(auxo_study_best(other.get())->number == 0);
    for (size_t i = 0; i < s.space.count; i++) {
        auxo_parameter read;
        REQUIRE_OK(auxo_parameter_parse(trials[0].parameters[i].distribution, &read, error));
        const auxo_parameter &wanted = s.space.items[i];
        CHECK(read.kind == wanted.kind);
        CHECK(read.low == wanted.low);
        CHECK(read.high == wanted.high);
        CHECK(read.step == wanted.step);
        CHECK(read.log == wanted.log);
        CHECK(read.choice_count == wanted.choice_count);
        auxo_parameter_deinit(&read);
    }
}

TEST_CASE("study: a trial goes to one worker, ends once, and is given back once")
{
    TempFolder folder;
    Error error;
    Space s;
    Study one = open_study(folder.file("s.db")), two = open_study(folder.file("s.db"));
    add(one.get(), s.space, {1e-3, 1, none}, true);
    int64_t first = 0, second = 0;
    REQUIRE_OK(auxo_study_take_waiting(one.get(), &first, error));
    REQUIRE_OK(auxo_study_take_waiting(two.get(), &second, error));
    CHECK(first != 0);
    CHECK(second == 0);
    // What was given back is another's; the first worker's result comes too late and is dropped.
    REQUIRE_OK(auxo_study_give_back(two.get(), first, error));
    REQUIRE_OK(auxo_study_give_back(two.get(), first, error));
    bool kept = true;
    REQUIRE_OK(auxo_study_end_trial(one.get(), first, AUXO_TRIAL_COMPLETE, 1, &kept, error));
    CHECK(!kept);
    std::vector<auxo_trial> trials = trials_of(two.get());
    REQUIRE(trials.size() == 2);
    CHECK(trials[0].state == AUXO_TRIAL_FAILED);
    CHECK(std::isnan(trials[0].value));
    CHECK(trials[1].state == AUXO_TRIAL_WAITING);
    CHECK(auxo_trial_parameter_value(&trials[1], "lr") == 1e-3);
    CHECK(std::string(auxo_trial_attribute_json(&trials[1], "retry_history", true)) == "[0]");
    // A worker that ends leaves what it had.
    REQUIRE_OK(auxo_study_take_waiting(two.get(), &second, error));
    two.reset();
    trials = trials_of(one.get());
    REQUIRE(trials.size() == 3);
    CHECK(std::string(auxo_trial_attribute_json(&trials[2], "retry_history", true)) == "[0,1]");
}

TEST_CASE("study: the trials of workers that died are given back, those of the living are not")
{
    TempFolder folder;
    Error error;
    Space s;
    auxo_study_options options = {};
    options.silent_seconds = 1;
    Study dead = open_study(folder.file("s.db")), living = open_study(folder.file("s.db"), options);
    const int64_t id = add(dead.get(), s.space, {1e-3, 1, none});
    REQUIRE_OK(auxo_study_lock(living.get(), error));
    REQUIRE_OK(auxo_study_unlock(living.get(), true, error));
    CHECK(trials_of(living.get()).size() == 1);
    SECTION("a process of this machine that is gone")
    {
        // The process of that number began at another moment.
        execute(
            folder.file("s.db"),
            "UPDATE trial_user_attributes SET value_json = json_set(value_json, '$.began', 1) WHERE key = 'worker'");
    }
    SECTION("one of another machine that is silent")
    {
        execute(folder.file("s.db"), "UPDATE trial_user_attributes SET value_json = json_set(value_json, '$.machine', "
                                     "'elsewhere') WHERE key = 'worker'; UPDATE trial_heartbeats SET heartbeat = "
                                     "'2026-01-01 00:00:00'");
    }
    for (int i = 0; i < 2; i++) { // the second time there is nothing to give back
        REQUIRE_OK(auxo_study_lock(living.get(), error));
        REQUIRE_OK(auxo_study_unlock(living.get(), true, error));
    }
    std::vector<auxo_trial> trials = trials_of(living.get());
    REQUIRE(trials.size() == 2);
    CHECK(trials[0].id == id);
    CHECK(trials[0].state == AUXO_TRIAL_FAILED);
    CHECK(trials[1].state == AUXO_TRIAL_WAITING);
}

TEST_CASE("study: a heartbeat comes while a trial runs")
{
    TempFolder folder;
    Space s;
    auxo_study_options options = {};
    options.beat_seconds = 0.02;
    Study study = open_study(folder.file("s.db"), options);
    add(study.get(), s.space, {1e-3, 1, none});
    execute(folder.file("s.db"), "UPDATE trial_heartbeats SET heartbeat = '2026-01-01 00:00:00'");
    Error error;
    int64_t fresh = 0;
    const double until = 20;
    for (double waited = 0; !fresh && waited < until; waited += 0.02) {
        REQUIRE_OK(auxo__database_integer(&study->database, &fresh, 0, error,
                                          "SELECT COUNT(*) FROM trial_heartbeats WHERE heartbeat > '2026-01-02'", ""));
        sqlite3_sleep(20);
    }
    CHECK(fresh == 1);
}

TEST_CASE("study: what was done under a lock that is not kept has not happened")
{
    TempFolder folder;
    Error error;
    Space s;
    Study study = open_study(folder.file("s.db"));
    REQUIRE_OK(auxo_study_lock(study.get(), error));
    add(study.get(), s.space, {1e-3, 1, none});
    REQUIRE_OK(auxo_study_set_attribute(study.get(), "a", true, "1", error));
    REQUIRE_OK(auxo_study_unlock(study.get(), false, error));
    Study other = open_study(folder.file("s.db"));
    char *json = nullptr;
    CHECK(trials_of(other.get()).empty());
    REQUIRE_OK(auxo_study_get_attribute(other.get(), "a", true, &json, error));
    CHECK(json == nullptr);
}

TEST_CASE("study: a rolled back lock leaves no trace in memory: what it gave back is given back by the next")
{
    TempFolder folder;
    Error error;
    Space s;
    Study dead = open_study(folder.file("s.db")), living = open_study(folder.file("s.db"));
    add(dead.get(), s.space, {1e-3, 1, none});
    execute(folder.file("s.db"),
            "UPDATE trial_user_attributes SET value_json = json_set(value_json, '$.began', 1) WHERE key = 'worker'");
    REQUIRE_OK(auxo_study_lock(living.get(), error));
    REQUIRE_OK(auxo_study_unlock(living.get(), false, error));
    CHECK(trials_of(living.get()).size() == 1);
    REQUIRE_OK(auxo_study_lock(living.get(), error));
    REQUIRE_OK(auxo_study_unlock(living.get(), true, error));
    std::vector<auxo_trial> trials = trials_of(living.get());
    REQUIRE(trials.size() == 2);
    CHECK(trials[0].state == AUXO_TRIAL_FAILED);
    CHECK(trials[1].state == AUXO_TRIAL_WAITING);
}

TEST_CASE("study: models that nobody names are removed when a worker begins, others stay")
{
    TempFolder folder;
    Error error;
    Space s;
    Study study = open_study(folder.file("s.db"));
    for (int i = 0; i < 3; i++) {
        const int64_t id = add(study.get(), s.space, {1e-3, 1, none});
        if (i == 1)
            REQUIRE_OK(
                auxo_study_set_trial_attribute(study.get(), id, "model", false, "\"trial-1.safetensors\"", error));
        if (i < 2)
            finish(study.get(), id, i);
    }
    std::filesystem::create_directory(folder.file("s.db.models"));
    const std::string names[] = {"trial-0.safetensors", "trial-1.safetensors", "trial-2.safetensors",
                                 "trial-7.safetensors", "mine.safetensors"};
    for (const std::string &name : names)
        std::ofstream(folder.file("s.db.models/" + name)) << "x";
    REQUIRE_OK(auxo_study_remove_strays(study.get(), error));
    CHECK(!file_exists(folder.file("s.db.models/" + names[0])));
    for (int i = 1; i < 5; i++) // named, running, of another study, somebody's own
        CHECK(file_exists(folder.file("s.db.models/" + names[i])));
}

TEST_CASE("study: files that are none, or of another version, are named")
{
    TempFolder folder;
    const std::string path = folder.file("s.db");
    CHECK(refusal(path, AUXO_NOT_FOUND).find("there is no file") != std::string::npos);
    auxo_study_options create = {};
    create.create = true;
    CHECK(refusal(folder.file("no/s.db"), AUXO_INVALID_ARGUMENT, create).find("study: ") == 0);
    std::ofstream(folder.file("text")) << std::string(4000, 'x');
    CHECK(refusal(folder.file("text"), AUXO_FORMAT, create).find("no SQLite database") != std::string::npos);
    execute(folder.file("other"), "CREATE TABLE people (name TEXT)");
    CHECK(refusal(folder.file("other"), AUXO_FORMAT, create).find("something else") != std::string::npos);
    open_study(path);
    SECTION("a newer schema")
    {
        execute(path, "UPDATE version_info SET schema_version = 13");
        CHECK(refusal(path, AUXO_FORMAT).find("newer than the 12") != std::string::npos);
    }
    SECTION("an older revision")
    {
        execute(path, "UPDATE alembic_version SET version_num = 'v3.0.0.a'");
        CHECK(refusal(path, AUXO_FORMAT).find("optuna storage upgrade") != std::string::npos);
    }
    SECTION("several studies")
    {
        auxo_study_options second = {};
        second.name = "two";
        open_study(path, second);
        CHECK(refusal(path, AUXO_AMBIGUOUS).find("auxo, two") != std::string::npos);
        second.name = "three";
        CHECK(refusal(path, AUXO_NOT_FOUND, second).find("no study \"three\"") != std::string::npos);
    }
    SECTION("several objectives")
    {
        execute(path, "INSERT INTO study_directions (direction, study_id, objective) VALUES ('MINIMIZE', 1, 1)");
        CHECK(refusal(path, AUXO_UNSUPPORTED).find("2 objectives") != std::string::npos);
    }
}

TEST_CASE("study: a lock of another process, a full disk, and a file that cannot be written end in one line")
{
    TempFolder folder;
    Error error;
    Space s;
    auxo_study_options options = {};
    options.lock_seconds = 0.1;
    Study study = open_study(folder.file("s.db"), options);
    int64_t id = 0;
    const double values[] = {1e-3, 1, none};
    SECTION("locked")
    {
        Study holder = open_study(folder.file("s.db"));
        REQUIRE_OK(auxo_study_lock(holder.get(), error));
        CHECK(auxo_study_lock(study.get(), error) == AUXO_IO);
        CHECK(error.text().find("locked by another process for 0.1 s") != std::string::npos);
        REQUIRE_OK(auxo_study_unlock(holder.get(), true, error));
        REQUIRE_OK(auxo_study_lock(study.get(), error));
        REQUIRE_OK(auxo_study_unlock(study.get(), true, error));
    }
    SECTION("full")
    {
        finish(study.get(), add(study.get(), s.space, {1e-3, 1, none}), 0.5);
        REQUIRE_OK(auxo__database_script(&study->database, "PRAGMA max_page_count = 1", error));
        auxo_status status = AUXO_OK;
        for (int i = 0; i < 1000 && status == AUXO_OK; i++)
            status = auxo_study_add_trial(study.get(), &s.space, values, true, &id, error);
        CHECK(status == AUXO_IO);
        CHECK(error.text().find("is full") != std::string::npos);
        Study other = open_study(folder.file("s.db"));
        CHECK(auxo_study_best(other.get())->value == 0.5);
    }
    SECTION("not writable")
    {
        REQUIRE_OK(auxo__database_script(&study->database, "PRAGMA query_only = ON", error));
        CHECK(auxo_study_add_trial(study.get(), &s.space, values, true, &id, error) == AUXO_IO);
        CHECK(error.text().find("cannot be written") != std::string::npos);
    }
}

TEST_CASE("study: merging adds each trial once, and refuses another space")
{
    TempFolder folder;
    Error error;
    Space s;
    Study target = open_study(folder.file("a.db")), source = open_study(folder.file("b.db"));
    finish(target.get(), add(target.get(), s.space, {1e-3, 1, none}), 1);
    finish(source.get(), add(source.get(), s.space, {1e-2, 5, 0}), 2);
    add(source.get(), s.space, {1e-2, 7, 0}); // still running: not merged
    size_t added = 0;
    REQUIRE_OK(auxo_study_merge(target.get(), source.get(), &added, error));
    CHECK(added == 1);
    REQUIRE_OK(auxo_study_merge(target.get(), source.get(), &added, error));
    CHECK(added == 0);
    REQUIRE_OK(auxo_study_merge(source.get(), target.get(), &added, error));
    CHECK(added == 1);
    std::vector<auxo_trial> trials = trials_of(target.get());
    REQUIRE(trials.size() == 2);
    CHECK(trials[1].value == 2);
    CHECK(auxo_trial_parameter_value(&trials[1], "layers") == 5);
    Study other = open_study(folder.file("c.db"));
    s.space.items[0].high = 2;
    finish(other.get(), add(other.get(), s.space, {1.5, 1, none}), 3);
    CHECK(auxo_study_merge(target.get(), other.get(), &added, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("\"lr\" ranges over other values") != std::string::npos);
    CHECK(trials_of(target.get()).size() == 2);
}

TEST_CASE("study: importance is the share of variance that a parameter explains by itself")
{
    TempFolder folder;
    Error error;
    Space s;
    Study study = open_study(folder.file("s.db"));
    // The value is a function of lr alone, up to a little noise; layers change independently.
    for (int i = 0; i < 60; i++) {
        const double layers = 1 + 2 * (i * 7 % 5);
        const double lr = 1e-4 * std::pow(10, 4 * (i * 37 % 60) / 60.0);
        finish(study.get(), add(study.get(), s.space, {lr, layers, layers >= 3 ? i % 2 : none}),
               std::log10(lr) + 0.01 * (i % 3));
    }
    trials_of(study.get());
    auxo_importance *list = nullptr;
    size_t count = 0;
    REQUIRE_OK(auxo_study_importance(study.get(), &list, &count, error));
    REQUIRE(count == 3);
    CHECK(std::string(list[0].name) == "lr");
    CHECK(list[0].share > 0.9);
    CHECK(list[0].share <= 1);
    CHECK(list[1].share < 0.2);
    std::free(list);
}
