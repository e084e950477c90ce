// tests/fuzz/checkpoint_fuzz.cpp: checkpoints of runs: what they say of method and settings, history, the state of a
// trainer, the best epoch; read into one small run of "train" that was opened once and takes no step.
#include "archive_fuzz.hpp"
#include "fuzz_device.hpp"

#include <string>

extern "C" {
#include "checkpoint.h"
}

namespace
{

void set(auxo_settings *settings, const char *name, const char *value)
{
    auxo_error error = {};
    if (auxo_settings_set(settings, name, value, &error) != AUXO_OK) {
        std::fprintf(stderr, "%s\n", error.message);
        std::abort();
    }
}

// The corpus was written by this run: auxo train --data /dev/shm/auxo-fuzz-rows.csv --targets class --model mlp:2-3-2
// --optimizer adam --batch 4 --validation 0.25 --epochs 4 --device reference --checkpoint FILE
auxo_run *open_run()
{
    static const char path[] = "/dev/shm/auxo-fuzz-rows.csv";
    std::string rows = "a,b,class\n";
    for (int i = 0; i < 16; i++)
        rows += std::to_string(i * 7 % 16) + "," + std::to_string(i * 5 % 11) + (i % 2 ? ",yes\n" : ",no\n");
    auxo_error error = {};
    auxo_settings *settings = nullptr;
    auxo_run_options options;
    auxo_run_options_init(&options);
    options.runtime = fuzz_runtime();
    auxo_run *run = nullptr;
    const auxo_method *method = auxo_method_find("train");
    if (auxo_file_write(path, rows.data(), rows.size(), &error) != AUXO_OK ||
        auxo_settings_create(method, &settings, &error) != AUXO_OK)
        std::abort();
    set(settings, "data", path);
    set(settings, "targets", "class");
    set(settings, "model", "mlp:2-3-2");
    set(settings, "optimizer", "adam");
    set(settings, "batch", "4");
    set(settings, "validation", "0.25");
    set(settings, "epochs", "4");
    set(settings, "device", "reference");
    if (auxo_run_open(method, settings, &options, &run, &error) != AUXO_OK) {
        std::fprintf(stderr, "%s\n", error.message);
        std::abort();
    }
    auxo_settings_destroy(settings);
    return run;
}

// As a run is that has just begun.
void renew(auxo_run *run, const auxo_settings *settings)
{
    auxo_error error = {};
    auxo__history_deinit(&run->history);
    auxo_settings_destroy(run->settings);
    run->settings = nullptr;
    for (size_t i = 0; i < run->note_count; i++)
        std::free(run->notes[i]);
    run->note_count = 0;
    run->data_differs = nullptr;
    run->best.epoch = 0;
    if (auxo__history_init(&run->history, run->method->info.events, &error) != AUXO_OK ||
        auxo_settings_copy(settings, &run->settings, &error) != AUXO_OK)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static auxo_run *run = open_run();
    static auxo_settings *settings = [] {
        auxo_settings *kept = nullptr;
        if (auxo_settings_copy(run->settings, &kept, nullptr) != AUXO_OK)
            std::abort();
        return kept;
    }();
    fuzz::Archive archive = fuzz::read_archive(data, size);
    if (!archive)
        return 0;
    auxo_error error = {};
    auxo__archive *given = archive.release();
    renew(run, settings);
    if (auxo__checkpoint_accept(run, "fuzz", &given, &error) == AUXO_OK)
        auxo__checkpoint_restore(run, given, &error);
    auxo__archive_destroy(given);
    return 0;
}
