// tests/run_test.cpp: what every method promises of its runs, asked of all of them by their tables: what a resume
// refuses and accepts, finished runs, runs that are stopped after each step, data compared by content.
#include "support/data_files.hpp"
#include "support/program.hpp"
#include "support/runs.hpp"

#include <algorithm>
#include <cstring>

using namespace auxo_test;

namespace
{

// Another value than the one in force, made from the table; "" if there is none to be had.
std::string other_value(const auxo_setting &setting, const auxo_settings *settings)
{
    const char *text = auxo_settings_text(settings, setting.name);
    const bool limited = setting.maximum > setting.minimum;
    switch (setting.type) {
    case AUXO_SETTING_FLAG:
        return text ? "no" : "yes";
    case AUXO_SETTING_INTEGER: {
        const uint64_t value = auxo_settings_integer(settings, setting.name);
        if (!text)
            return std::to_string(static_cast<uint64_t>(std::max(setting.minimum, 50.0)));
        return std::to_string(limited && static_cast<double>(value) + 1 > setting.maximum ? value - 1 : value + 1);
    }
    case AUXO_SETTING_REAL:
    case AUXO_SETTING_SECONDS: {
        const double value = auxo_settings_real(settings, setting.name);
        const double high = limited ? setting.maximum : std::max(2 * value, setting.minimum + 1000);
        return std::to_string(text && value > setting.minimum ? (value + setting.minimum) / 2
                                                              : setting.minimum + (high - setting.minimum) / 4);
    }
    case AUXO_SETTING_CHOICE: {
        std::string choices = setting.argument;
        const std::string first = choices.substr(0, choices.find('|'));
        if (!text || first != text)
            return first;
        return choices.find('|') == std::string::npos
                   ? ""
                   : choices.substr(first.size() + 1, choices.find('|', first.size() + 1) - first.size() - 1);
    }
    case AUXO_SETTING_TEXT:
        if (std::strcmp(setting.name, "optimizer") == 0)
            return "rmsprop:lr=0.0123";
        return std::strcmp(setting.name, "model") == 0 ? "mlp:784-9-10" : "another";
    }
    return "";
}

// Whether the message begins by naming this setting, or one that the setting is a preset of.
bool names(const std::string &message, const auxo_setting &setting, const std::string &value)
{
    auto was = [&](const std::string &name) { return message.find(" " + name + " was ") != std::string::npos; };
    bool named = was(setting.name);
    for (const auxo_preset *preset = setting.presets; preset && preset->name; preset++) {
        for (const auxo_setting_value *sets = preset->values; sets->setting; sets++)
            named = named || was(sets->setting);
        if (value == preset->name)
            break;
    }
    return named;
}

const auxo_setting *next_setting(const auxo_settings *settings, size_t index)
{
    for (const auxo_setting *const *table = auxo_settings_tables(settings); *table; table++)
        for (const auxo_setting *setting = *table; setting->name; setting++)
            if (index-- == 0)
                return setting;
    return nullptr;
}

} // namespace

TEST_CASE("resume: every setting that shapes a run is refused by name, every one that grows is accepted")
{
    Runtime runtime;
    for (const std::string &method : resumable_methods()) {
        TempFolder folder;
        const Values first = with(small_values(method, folder), {{"checkpoint", folder.file("c")}});
        {
            Run run(runtime, method, first);
            run.steps(1);
            run.save();
        }
        const Values again = with(first, {{"resume", "yes"}});
        Settings settings(method, again);
        size_t refused = 0, accepted = 0;
        for (size_t i = 0; const auxo_setting *setting = next_setting(settings, i); i++) {
            if (setting->role != AUXO_SETTING_SHAPES && setting->role != AUXO_SETTING_GROWS)
                continue;
            const std::string value = other_value(*setting, settings);
            INFO(method << ": " << setting->name << " = " << value);
            REQUIRE_FALSE(value.empty());
            Run run(runtime, method, with(again, {{setting->name, value}}));
            INFO(run.error.text());
            if (setting->role == AUXO_SETTING_GROWS) {
                CHECK(run.status == AUXO_OK);
                accepted++;
            } else {
                CHECK(run.status == AUXO_INVALID_ARGUMENT);
                CHECK(run.error.text().find("resume: " + folder.file("c")) == 0);
                CHECK(names(run.error.text(), *setting, value));
                CHECK(run.error.text().find('\n') == std::string::npos);
                refused++;
            }
        }
        INFO(method);
        CHECK(refused >= 3);
        CHECK(accepted >= 1);
        Run same(runtime, method, again);
        INFO(same.error.text());
        CHECK(same.status == AUXO_OK);
    }
}

TEST_CASE("resume: a value written otherwise is the same value")
{
    Runtime runtime;
    TempFolder folder;
    const Values first =
        with(small_values("train", folder), {{"checkpoint", folder.file("c")}, {"optimizer", "adam"}, {"lr", "0.01"}});
    Run(runtime, "train", first).steps(1);
    const Values again = with(first, {{"resume", "yes"}});
    for (const std::pair<std::string, std::string> &same : Values{{"lr", "1e-2"},
                                                                  {"optimizer", "adam:lr=0.001"},
                                                                  {"validation", "0.250"},
                                                                  {"standardize", "yes"},
                                                                  {"warmup", "0"}}) {
        if (same.first == "warmup")
            continue;
        Settings known("train", {});
        if (!auxo_settings_find(known, same.first.c_str()))
            continue;
        INFO(same.first);
        Run run(runtime, "train", with(again, {same}));
        INFO(run.error.text());
        CHECK(run.status == AUXO_OK);
    }
    Run run(runtime, "train", with(again, {{"lr", "0.0100001"}}));
    CHECK(run.status == AUXO_INVALID_ARGUMENT);
    CHECK(run.error.text().find("lr was 0.01 and is 0.0100001") != std::string::npos);
}

TEST_CASE("resume: another last epoch of a falling learning rate is refused, unless it is rescheduled")
{
    Runtime runtime;
    for (const char *schedule : {"linear", "cosine"}) {
        TempFolder folder;
        const Values first =
            with(small_values("train", folder), {{"checkpoint", folder.file("c")}, {"lr-schedule", schedule}});
        Run(runtime, "train", first).steps(1);
        const Values longer = with(first, {{"resume", "yes"}, {"epochs", "5"}});
        Run refused(runtime, "train", longer);
        CHECK(refused.status == AUXO_INVALID_ARGUMENT);
        CHECK(refused.error.text().find("epochs was 3 and is 5: the learning rate falls") != std::string::npos);
        Run anew(runtime, "train", with(longer, {{"reschedule", "yes"}}));
        CHECK(anew.steps());
    }
}

TEST_CASE("resume: a finished run gives its result again and does no step")
{
    Runtime runtime;
    for (const std::string &method : resumable_methods()) {
        INFO(method);
        TempFolder folder;
        const Values values = with(small_values(method, folder), {{"checkpoint", folder.file("c")}});
        std::map<std::string, size_t> first_told;
        std::string first;
        {
            Run run(runtime, method, values);
            run.steps();
            run.finish();
            first = run.result();
            first_told = run.told;
        }
        const std::string before = read_whole_file(folder.file("c"));
        Run run(runtime, method, with(values, {{"resume", "yes"}}));
        require_ok(run.status, run.error, "resume");
        const std::map<std::string, size_t> told_open = run.told;
        CHECK(run.steps(1));
        for (const auto &event : run.told) {
            INFO(event.first);
            auto already = told_open.find(event.first);
            CHECK(event.second == (already == told_open.end() ? 0 : already->second));
        }
        run.finish();
        CHECK(run.result() == first);
        CHECK((read_whole_file(folder.file("c")) == before));
        CHECK(first_told.size() > 1);
    }
}

TEST_CASE("resume: a run that may go further ends as one that was to go so far from the start")
{
    Runtime runtime;
    const struct {
        const char *method, *setting, *less, *more;
    } cases[] = {{"train", "epochs", "1", "3"},
                 {"train", "steps", "2", "7"},
                 {"survival train", "epochs", "2", "5"},
                 {"autosize", "static-epochs", "1", "3"},
                 {"search", "evaluations", "1", "4"},
                 {"multiscale train", "iterations", "2", "5"},
                 {"multiscale train", "starts", "1", "3"},
                 {"multiscale compare", "seeds", "1", "2"},
                 {"sweep", "seeds", "1", "3"}};
    for (const auto &one : cases) {
        INFO(one.method << ": " << one.setting);
        TempFolder folder;
        const Values values = small_values(one.method, folder);
        const std::string whole = whole_result(runtime, one.method, with(values, {{one.setting, one.more}}));
        const Values kept = with(values, {{"checkpoint", folder.file("c")}});
        whole_result(runtime, one.method, with(kept, {{one.setting, one.less}}));
        CHECK(whole_result(runtime, one.method, with(kept, {{one.setting, one.more}, {"resume", "yes"}})) == whole);
    }
}

TEST_CASE("stopped after each step and resumed, a run ends with the bits of an uninterrupted one")
{
    Runtime runtime;
    std::vector<std::pair<std::string, Values>> runs = {
        {"train", {{"optimizer", "adam"}, {"augment", "shift=1"}, {"lr-schedule", "cosine"}, {"patience", "1"}}},
        {"train", {{"optimizer", "phs:lr=0.1,mass=1,friction=0.5,goal_kind=remaining,goal=0.9,watch=epoch,brake=6"}}},
        {"autosize", {{"optimizer", "adam:lr=0.01"}, {"alpha", "1e-2"}}},
        {"search", {{"method", "grid"}, {"networks", "dynamic"}}},
        {"search", {{"method", "growth"}}},
        {"search",
         {{"method", "evolution"},
          {"population", "2"},
          {"newcomers", "1"},
          {"generations", "3"},
          {"evaluations", "20"}}},
        {"search", {{"method", "genetic"}, {"population", "3"}, {"keep", "2"}, {"units", "4,9"}}},
        {"train", {{"folds", "3"}}},
        {"multiscale train", {{"starts", "3"}}},
        {"multiscale train", {{"order", "second"}, {"optimizer", "adam:lr=0.01"}}},
    };
    for (const std::string &method : resumable_methods())
        runs.push_back({method, {}});
    for (const auto &one : runs) {
        const std::string &method = one.first;
        INFO(method << (one.second.empty() ? "" : " " + one.second[0].first + " " + one.second[0].second));
        TempFolder folder;
        Values values = with(small_values(method, folder), one.second);
        const bool folds = !one.second.empty() && one.second[0].first == "folds"; // many models: none to save
        const bool saves = !folds && auxo_settings_find(Settings(method, {}), "save") != nullptr;
        const std::string whole_model = folder.file("whole"), parts_model = folder.file("parts");
        const std::string whole = whole_result(runtime, method, saves ? with(values, {{"save", whole_model}}) : values);
        values = with(values, {{"checkpoint", folder.file("c")}, {"resume", "yes"}});
        if (saves)
            values.push_back({"save", parts_model});
        bool done = false;
        size_t lives = 0;
        std::string parts;
        for (; !done; lives++) {
            REQUIRE(lives < 100);
            Run run(runtime, method, values);
            done = run.steps(1);
            if (!done) {
                run.interrupt();
                continue;
            }
            run.finish();
            parts = run.result();
        }
        CHECK(lives >= 2);
        CHECK(parts == whole);
        if (saves)
            CHECK(same_bytes(whole_model, parts_model));
    }
}

TEST_CASE("stopped after every batch and resumed, a run ends with the bits of an uninterrupted one")
{
    Runtime runtime;
    for (const std::string method : {"train", "autosize"}) {
        INFO(method);
        TempFolder folder;
        const Values values = with(small_values(method, folder), {{"log-every", "1"}});
        const std::string whole = whole_result(runtime, method, with(values, {{"save", folder.file("whole")}}));
        const Values kept =
            with(values, {{"checkpoint", folder.file("c")}, {"resume", "yes"}, {"save", folder.file("parts")}});
        size_t stops = 0;
        for (bool done = false; !done;) {
            REQUIRE(stops < 300);
            Run run(runtime, method, kept);
            run.stop_at = "step";
            bool stopped = false;
            while (!done && !stopped)
                stopped = run.stopped_step(&done);
            stops += stopped;
            if (!done)
                continue;
            run.finish();
            CHECK(run.result() == whole);
        }
        CHECK(stops >= 4);
        CHECK(same_bytes(folder.file("whole"), folder.file("parts")));
    }
}

TEST_CASE("resume: other rows under the same name are refused, the same rows under another name are not")
{
    Runtime runtime;
    TempFolder folder;
    std::string table = "a,b,y\n";
    for (int i = 0; i < 60; i++)
        table += std::to_string(i % 7) + "," + std::to_string(i % 5) + "," + std::to_string(0.25 * (i % 9)) + "\n";
    const std::string path = folder.file("one.csv"), copy = folder.file("two.csv");
    write_file(path, table);
    write_file(copy, table);
    for (const char *method : {"train", "autosize", "multiscale train"}) {
        INFO(method);
        const bool tanh = std::strcmp(method, "multiscale train") == 0;
        const Values values = {{"data", path},
                               {"model", tanh                                ? "mlp:2-4-1"
                                         : std::strcmp(method, "train") == 0 ? "mlp:2-4-1"
                                                                             : "autosize-mlp:5-4-4-4-4"},
                               {"device", "cpu"},
                               {"checkpoint", folder.file(method)}};
        {
            Run run(runtime, method, values);
            run.steps(1);
            run.save();
        }
        const Values again = with(values, {{"resume", "yes"}});
        auto opened = [&](const Values &more, Error &error) {
            Run run(runtime, method, with(again, more));
            static_cast<auxo_error &>(error) = run.error;
            return run.status;
        };
        Error error;
        REQUIRE_OK(opened({{"data", copy}}, error));
        REQUIRE_OK(opened({}, error));
        std::string changed = table;
        changed.replace(changed.rfind("0.25"), 4, "0.75");
        write_file(path, changed);
        CHECK(opened({}, error) == AUXO_INVALID_ARGUMENT);
        CHECK(error.text().find("the rows of " + path + " are not those") != std::string::npos);
        CHECK(opened({{"data", copy}}, error) == AUXO_OK);
        write_file(path, table.substr(0, table.rfind('\n', table.size() - 2) + 1));
        CHECK(opened({}, error) == AUXO_INVALID_ARGUMENT);
        write_file(path, table);
        CHECK(opened({}, error) == AUXO_OK);
        CHECK(opened({{"limit", "50"}}, error) == AUXO_INVALID_ARGUMENT);
        CHECK(opened({{"limit", "60"}}, error) == AUXO_OK);
    }
}

TEST_CASE("a damaged checkpoint is refused in one line, and left as it is")
{
    Runtime runtime;
    for (const char *method : {"train", "search", "survival train"}) {
        TempFolder folder;
        const std::string path = folder.file("c");
        const Values values = with(small_values(method, folder), {{"checkpoint", path}});
        {
            Run run(runtime, method, values);
            run.steps(1);
            run.save();
        }
        const std::string good = read_whole_file(path);
        const Values again = with(values, {{"resume", "yes"}});
        auto refused = [&](const std::string &bytes) {
            write_file(path, bytes);
            Run run(runtime, method, again);
            INFO(method << ": " << run.error.text());
            CHECK(run.status == AUXO_FORMAT);
            CHECK(run.error.text().find("resume: ") == 0);
            CHECK(run.error.text().find(path) != std::string::npos);
            CHECK(run.error.text().find('\n') == std::string::npos);
            CHECK((read_whole_file(path) == bytes));
        };
        for (size_t length = 0; length < good.size(); length += 1 + length / 2)
            refused(good.substr(0, length));
        for (size_t at = 0; at < good.size(); at += 1 + at / 16) {
            INFO("byte " << at);
            std::string changed = good;
            changed[at] = static_cast<char>(changed[at] ^ 4);
            refused(changed);
        }
        refused("{\"version\": 1}");
        write_file(path, good);
        CHECK(Run(runtime, method, again).status == AUXO_OK);
    }
}

TEST_CASE("a checkpoint belongs to one run at a time, and to one method")
{
    Runtime runtime;
    TempFolder folder;
    const Values kept = {{"checkpoint", folder.file("c")}};
    const Values values = with(small_values("train", folder), kept);
    {
        Run first(runtime, "train", values);
        first.steps(1);
        Run second(runtime, "train", with(values, {{"resume", "yes"}}));
        CHECK(second.status == AUXO_IO);
        CHECK(second.error.text().find("is in use by process") != std::string::npos);
    }
    Run other(runtime, "autosize", with(with(small_values("autosize", folder), kept), {{"resume", "yes"}}));
    CHECK(other.status == AUXO_INVALID_ARGUMENT);
    CHECK(other.error.text().find("belongs to a run of \"train\", not of \"autosize\"") != std::string::npos);
    Run after(runtime, "train", with(values, {{"resume", "yes"}}));
    CHECK(after.status == AUXO_OK);
}
