/* Finds a network within a budget of FLOPs, is stopped half-way, goes on from its checkpoint, and leaves a model and a
 * report. Usage: size_under_budget [DEVICE] */
#include "auxo/auxo.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const values[][2] = {{"limit", "2000"},      {"model", "conv:8-16"},
                                        {"lambda", "1e-7"},     {"optimizer", "adam:lr=0.005"},
                                        {"iterations", "1"},    {"epochs", "2"},
                                        {"final-epochs", "4"},  {"budget-flops", "4e5"},
                                        {"resume", "yes"},      {"checkpoint", "run.safetensors"},
                                        {"report", "run.html"}, {"save", "model.safetensors"}};

static void listen(void *user, const auxo_event *event)
{
    char *line = NULL;
    (void)user;
    if (auxo_event_line(event, &line, NULL) == AUXO_OK && line)
        puts(line);
    free(line);
}

int main(int argc, char **argv)
{
    volatile int stop = 0;
    auxo_backends *backends = NULL;
    auxo_runtime_options runtime = {0};
    auxo_run_options options = {.listener = listen, .stop = &stop};
    auxo_settings *settings = NULL;
    auxo_error error = {0};
    const auxo_method *method = auxo_method_find("morph");
    auxo_status status = auxo_backends_load(&backends, &error);
    if (status == AUXO_OK)
        runtime.backends = auxo_backends_list(backends, &runtime.backend_count);
    if (status == AUXO_OK)
        status = auxo_runtime_create(&runtime, &options.runtime, &error);
    if (status == AUXO_OK)
        status = auxo_settings_create(method, &settings, &error);
    if (status == AUXO_OK)
        status = auxo_settings_set(settings, "device", argc > 1 ? argv[1] : "auto", &error);
    for (size_t i = 0; i < sizeof values / sizeof *values && status == AUXO_OK; i++)
        status = auxo_settings_set(settings, values[i][0], values[i][1], &error);
    for (int life = 1; life <= 2 && (status == AUXO_OK || status == AUXO_INTERRUPTED); life++) {
        auxo_run *run = NULL;
        stop = 0;
        status = auxo_run_open(method, settings, &options, &run, &error);
        for (bool done = false; status == AUXO_OK && !done; stop = life == 1 && auxo_run_progress(run) >= 0.5)
            status = auxo_run_step(run, &done, &error); /* interrupted: the state is saved */
        status = status == AUXO_OK ? auxo_run_finish(run, &error) : status;
        auxo_run_close(run);
    }
    if (status != AUXO_OK)
        fprintf(stderr, "%s\n", error.message);
    auxo_settings_destroy(settings);
    auxo_runtime_destroy(options.runtime);
    auxo_backends_unload(backends);
    return status != AUXO_OK;
}
