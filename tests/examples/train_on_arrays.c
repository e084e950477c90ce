/* Trains on numbers in the program's own memory, asks the model for what it learnt, and saves it.
 * Usage: train_on_arrays [DEVICE] */
#include "auxo/auxo.h"

#include <stdio.h>

enum { ROWS = 512, COLUMNS = 2 };

static const char *const values[][2] = {{"model", "mlp:16-16:relu:he_uniform"},
                                        {"epochs", "40"},
                                        {"batch", "32"},
                                        {"optimizer", "adam:lr=0.01"},
                                        {"save", "circle.safetensors"}};

/* Points of a grid over [-1, 1]^2: inside the circle or not. */
static void fill(float *inputs, unsigned char *labels)
{
    for (int i = 0; i < ROWS; i++) {
        const float x = (float)(i % 32) / 16 - 1, y = (float)(i / 32) / 8 - 1;
        inputs[2 * i] = x;
        inputs[2 * i + 1] = y;
        labels[i] = x * x + y * y < 0.5f;
    }
}

/* Steps to the end, and says what the model makes of its own rows. */
static auxo_status train(const auxo_method *method, const auxo_settings *settings, const auxo_run_options *options,
                         const auxo_data_options *rows, auxo_error *error)
{
    static float outputs[ROWS][2];
    auxo_run *run = NULL;
    auxo_dataset *data = NULL, *none = NULL;
    size_t inside = 0;
    auxo_status status = auxo_run_open(method, settings, options, &run, error);
    if (status == AUXO_OK)
        status = auxo_run_complete(run, error);
    if (status == AUXO_OK)
        status = auxo_dataset_load(NULL, rows, &data, &none, error);
    if (status == AUXO_OK)
        status = auxo_model_predict(auxo_run_model(run), data, 0, true, &outputs[0][0], error);
    for (size_t i = 0; status == AUXO_OK && i < ROWS; i++)
        inside += outputs[i][1] > outputs[i][0];
    if (status == AUXO_OK)
        printf("%zu of %d points are inside\n%s\n", inside, ROWS, auxo_run_result(run));
    auxo_dataset_destroy(data);
    auxo_run_close(run);
    return status;
}

int main(int argc, char **argv)
{
    static float inputs[ROWS * COLUMNS];
    static unsigned char labels[ROWS];
    const auxo_arrays arrays = {
        .name = "circle",
        .inputs = {.values = inputs, .element = AUXO_ELEMENT_F32, .rank = 2, .dims = {ROWS, COLUMNS}},
        .labels = {.values = labels, .element = AUXO_ELEMENT_U8, .rank = 1, .dims = {ROWS}}};
    const auxo_data_options rows = {.arrays = &arrays, .map = true};
    auxo_backends *backends = NULL;
    auxo_runtime_options runtime = {0};
    auxo_run_options options = {0};
    auxo_settings *settings = NULL;
    auxo_error error = {0};
    const auxo_method *method = auxo_method_find("train");
    fill(inputs, labels);
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
    if (status == AUXO_OK)
        status = auxo_settings_set_arrays(settings, &arrays, NULL, &error);
    if (status == AUXO_OK)
        status = train(method, settings, &options, &rows, &error);
    if (status != AUXO_OK)
        fprintf(stderr, "%s\n", error.message);
    auxo_settings_destroy(settings);
    auxo_runtime_destroy(options.runtime);
    auxo_backends_unload(backends);
    return status != AUXO_OK;
}
