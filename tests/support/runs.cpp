// tests/support/runs.cpp: see runs.hpp.
#include "support/runs.hpp"

#include "support/data_files.hpp"

#include <cjson/cJSON.h>
#include <memory>

namespace auxo_test
{

Values with(Values values, const Values &more)
{
    values.insert(values.end(), more.begin(), more.end());
    return values;
}

static std::string survival_table(const TempFolder &folder)
{
    const std::string path = folder.file("survival.csv");
    std::string text = "age,marker,stage,time,event\n";
    const std::vector<uint32_t> values = integers(400, 1000, 5);
    for (size_t i = 0; i < 100; i++) {
        const uint32_t *v = &values[4 * i];
        text += std::to_string(40 + v[0] % 40) + "," + std::to_string(0.01 * v[1]) + "," +
                (v[2] % 3 ? v[2] % 3 == 1 ? "I" : "II" : "III") + "," + std::to_string(1 + (v[3] + v[0]) % 50) + "," +
                (v[3] % 4 ? "1" : "0") + "\n";
    }
    write_file(path, text);
    return path;
}

Values small_values(const std::string &method, const TempFolder &folder)
{
    const Values device = {{"device", "cpu"}, {"seed", "3"}};
    const Values glyphs = with(device, {{"limit", "64"}});
    const Values multiscale =
        with(device, {{"preset", "table5"}, {"limit", "60"}, {"epochs", "2"}, {"inner-tolerance", "0"}});
    if (method == "train")
        return with(glyphs, {{"model", "mlp:784-8-10"}, {"batch", "16"}, {"epochs", "3"}, {"validation", "0.25"}});
    if (method == "sweep")
        return with(glyphs, {{"model", "mlp:784-10"}, {"epochs", "2"}, {"seeds", "2"}, {"optimizers", "sgd;adam"}});
    if (method == "autosize")
        return with(glyphs, {{"model", "autosize-mlp:12-8-6-5-4"},
                             {"batch", "32"},
                             {"growth-minimum", "3"},
                             {"dynamic-epochs", "2"},
                             {"static-epochs", "2"},
                             {"validation", "0.25"}});
    if (method == "morph")
        return with(glyphs, {{"model", "conv:4-6"},
                             {"batch", "16"},
                             {"lambda", "1e-7"},
                             {"epochs", "1"},
                             {"final-epochs", "1"},
                             {"iterations", "1"}});
    if (method == "resbuild")
        return with(glyphs, {{"model", "conv:4:3:2"},
                             {"preset", "small"},
                             {"batch", "32"},
                             {"budget-flops", "3e5"},
                             {"insertions", "1"},
                             {"cycles", "1"},
                             {"epochs", "1"}});
    if (method == "adapt")
        return with(glyphs, {{"model", "conv:4:3:2"},
                             {"batch", "32"},
                             {"validation", "0.25"},
                             {"cycles", "4"},
                             {"cycle-steps", "2"},
                             {"rest", "0"},
                             {"budget-flops", "1e6"},
                             {"growth-drive", "1"}});
    if (method == "search")
        return with(glyphs, {{"model", "autosize-mlp"}, {"max-epochs", "2"}, {"patience", "2"}, {"evaluations", "3"}});
    if (method == "survival train")
        return with(device, {{"data", survival_table(folder)},
                             {"time", "time"},
                             {"event", "event"},
                             {"epochs", "4"},
                             {"batch", "20"},
                             {"checkpoint-every", "1"},
                             {"validation", "0.25"}});
    if (method == "multiscale compare")
        return with(multiscale, {{"iterations", "2"}, {"seeds", "1"}, {"model", "mlp:4-3-2"}, {"equal-time", "no"}});
    if (method == "multiscale train")
        return with(multiscale, {{"iterations", "4"}, {"checkpoint-every", "1"}});
    if (method == "multiscale sensitivity")
        return multiscale;
    FAIL("no small settings are known for the method " << method);
    return {};
}

std::vector<std::string> resumable_methods()
{
    std::vector<std::string> names;
    size_t count = 0;
    const auxo_method *const *methods = auxo_methods(&count);
    for (size_t i = 0; i < count; i++) {
        const std::string name = auxo_method_describe(methods[i]).name;
        Settings settings(name, {});
        if (auxo_settings_find(settings, "resume"))
            names.push_back(name);
    }
    REQUIRE(names.size() >= 9);
    return names;
}

Settings::Settings(const std::string &method, const Values &values)
{
    Error error;
    REQUIRE(auxo_method_find(method.c_str()) != nullptr);
    REQUIRE_OK(auxo_settings_create(auxo_method_find(method.c_str()), &settings, error));
    for (const auto &value : values)
        REQUIRE_OK(auxo_settings_set(settings, value.first.c_str(), value.second.c_str(), error));
}

Settings::~Settings()
{
    auxo_settings_destroy(settings);
}

Settings::operator const auxo_settings *() const
{
    return settings;
}

Run::Run(Runtime &runtime, const std::string &method, const Values &values)
{
    Settings settings(method, values);
    auxo_run_options options;
    auxo_run_options_init(&options);
    options.runtime = runtime;
    options.listener = listen;
    options.listener_user = this;
    options.stop = &stop;
    status = auxo_run_open(auxo_method_find(method.c_str()), settings, &options, &run, error);
}

Run::~Run()
{
    auxo_run_close(run);
}

void Run::listen(void *user, const auxo_event *event)
{
    Run *run = static_cast<Run *>(user);
    run->told[event->type->name]++;
    run->stop = run->stop || run->stop_at == event->type->name;
}

bool Run::steps(size_t most)
{
    require_ok(status, error, "auxo_run_open");
    bool done = false;
    for (size_t i = 0; i < most && !done; i++)
        REQUIRE_OK(auxo_run_step(run, &done, error));
    return done;
}

bool Run::stopped_step(bool *done)
{
    require_ok(status, error, "auxo_run_open");
    const auxo_status stepped = auxo_run_step(run, done, error);
    if (stepped == AUXO_INTERRUPTED) {
        CHECK_FALSE(*done);
        CHECK(error.text().find("interrupted; resume continues from ") == 0);
    } else {
        require_ok(stepped, error, "auxo_run_step");
    }
    return stepped == AUXO_INTERRUPTED;
}

void Run::interrupt()
{
    bool done = false;
    stop = 1;
    REQUIRE(stopped_step(&done));
    stop = 0;
}

void Run::save()
{
    REQUIRE_OK(auxo_run_save(run, error));
}

void Run::finish()
{
    REQUIRE_OK(auxo_run_finish(run, error));
    CHECK(told["result"] == 1);
}

static void remove_times(cJSON *item)
{
    for (cJSON *child = item->child, *next; child; child = next) {
        next = child->next;
        const std::string name = child->string ? child->string : "";
        bool timed = false;
        for (const char *part : {"seconds", "per_second", "bytes", "images", "time_", "_ms"})
            timed = timed || name.find(part) != std::string::npos;
        if (timed)
            cJSON_Delete(cJSON_DetachItemViaPointer(item, child));
        else
            remove_times(child);
    }
}

std::string Run::result() const
{
    REQUIRE(auxo_run_result(run) != nullptr);
    std::unique_ptr<cJSON, void (*)(cJSON *)> root(cJSON_Parse(auxo_run_result(run)), cJSON_Delete);
    REQUIRE(root);
    remove_times(root.get());
    std::unique_ptr<char, void (*)(void *)> text(cJSON_PrintUnformatted(root.get()), cJSON_free);
    return text.get();
}

std::string whole_result(Runtime &runtime, const std::string &method, const Values &values)
{
    Run run(runtime, method, values);
    REQUIRE(run.steps());
    run.finish();
    return run.result();
}

} // namespace auxo_test
