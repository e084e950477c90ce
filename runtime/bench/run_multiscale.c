/* run_multiscale.c: what an epoch, a sensitivity and a selection of multi-scale training cost.
 *
 * Networks 5 wide, as in the multi-scale paper, on the reactor's points. Each cost is set beside the one it should be
 * judged by: layers beside the whole network, sensitivities beside a gradient, perturbed losses beside forward passes.
 */
#include "auxo/multiscale.h"
#include "bench_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { EPOCHS_PER_CALL = 20, SELECTION_LAYERS_MIN = 8 };

typedef struct multiscale_bench {
    const auxo_bench_multiscale_options *options;
    auxo_device *device;
    auxo_dataset *data;
    double seconds; /* per case */
} multiscale_bench;

/* A network and what is measured on it. */
typedef struct subject {
    auxo_model *model;
    auxo_multiscale *multiscale;
    uint32_t layer_count, layer_begin, layer_end;
    auxo_difference difference;
    double *values; /* (nodes) */
} subject;

static auxo_status build_model(auxo_device *device, uint32_t layer_count, auxo_model **model, auxo_error *error)
{
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    uint32_t index = 0;
    auxo_layer input = {.name = "input", .kind = AUXO_LAYER_INPUT, .output_dims = {4, 1, 1}};
    auxo_status status = auxo_model_desc_add(&desc, &input, &index, error);
    for (uint32_t l = 1; l <= layer_count && status == AUXO_OK; l++) {
        auxo_layer dense = {.kind = AUXO_LAYER_DENSE,
                            .input_count = 1,
                            .inputs = {index},
                            .units = l < layer_count ? 5 : 2,
                            .bias = true,
                            .activation = l < layer_count ? AUXO_ACTIVATION_TANH : AUXO_ACTIVATION_IDENTITY};
        snprintf(dense.name, sizeof dense.name, "dense%u", l);
        status = auxo_model_desc_add(&desc, &dense, &index, error);
    }
    if (status == AUXO_OK)
        status = auxo_model_desc_finish(&desc, error);
    if (status == AUXO_OK)
        status = auxo_model_create(device, &desc, 1, model, error);
    auxo_model_desc_deinit(&desc);
    return status;
}

static void close_subject(subject *s)
{
    auxo_multiscale_destroy(s->multiscale);
    auxo_model_destroy(s->model);
    free(s->values);
    *s = (subject){0};
}

static auxo_status open_subject(multiscale_bench *bench, const auxo_dataset *data, uint32_t layer_count,
                                const auxo_multiscale_options *options, subject *s, auxo_error *error)
{
    *s = (subject){.layer_count = layer_count, .layer_end = layer_count};
    auxo_status status = build_model(bench->device, layer_count, &s->model, error);
    if (status == AUXO_OK)
        status = auxo_multiscale_create(s->model, data, NULL, options, &s->multiscale, error);
    if (status == AUXO_OK) {
        s->values = calloc(auxo_multiscale_tree(s->multiscale)->node_count, sizeof *s->values);
        if (!s->values)
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "benchmark: out of memory");
    }
    if (status != AUXO_OK)
        close_subject(s);
    return status;
}

static auxo_status work_forward(void *user, uint32_t count, auxo_error *error)
{
    subject *s = user;
    double loss, none;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_multiscale_evaluate(s->multiscale, &loss, &none, error);
    return status;
}

static auxo_status work_gradient(void *user, uint32_t count, auxo_error *error)
{
    subject *s = user;
    double loss, gradient_max;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_multiscale_gradient_norm(s->multiscale, &loss, &gradient_max, error);
    return status;
}

static auxo_status work_sensitivities(void *user, uint32_t count, auxo_error *error)
{
    subject *s = user;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_multiscale_sensitivities(s->multiscale, s->difference, 1e-3, s->values, error);
    return status;
}

/* EPOCHS_PER_CALL epochs of gradient descent on the layers of the subject. */
static auxo_status work_epochs(void *user, uint32_t count, auxo_error *error)
{
    subject *s = user;
    auxo_multiscale_iteration result;
    auxo_status status = AUXO_OK;
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        status = auxo_multiscale_train_layers(s->multiscale, s->layer_begin, s->layer_end, &result, error);
    return status;
}

/* Tells a cost, of which there are `per` in what was timed. */
static void report_case(multiscale_bench *bench, uint32_t layer_count, const char *name, const auxo_bench_time *time,
                        double per, double ratio, const char *beside)
{
    auxo_bench_multiscale_case done = {
        .layer_count = layer_count, .name = name, .time = *time, .ratio = ratio, .beside = beside};
    done.time.median /= per;
    done.time.low /= per;
    done.time.high /= per;
    done.time.best /= per;
    if (bench->options->on_case)
        bench->options->on_case(bench->options->user, &done);
}

static auxo_status measure_epochs(multiscale_bench *bench, subject *s, auxo_error *error)
{
    auxo_bench_time whole;
    auxo_status status = auxo_bench_measure(work_epochs, s, bench->seconds, &whole, error);
    if (status != AUXO_OK)
        return status;
    report_case(bench, s->layer_count, "epoch, all layers", &whole, EPOCHS_PER_CALL, 0, "");
    uint32_t layers[] = {0, s->layer_count / 4, s->layer_count / 2, s->layer_count * 3 / 4, s->layer_count - 1};
    for (size_t i = 0; i < sizeof layers / sizeof layers[0] && status == AUXO_OK; i++) {
        auxo_bench_time time;
        char name[48];
        s->layer_begin = layers[i];
        s->layer_end = layers[i] + 1;
        status = auxo_bench_measure(work_epochs, s, bench->seconds, &time, error);
        snprintf(name, sizeof name, "epoch, layer %u", layers[i] + 1);
        if (status == AUXO_OK)
            report_case(bench, s->layer_count, name, &time, EPOCHS_PER_CALL, time.median / whole.median,
                        "epoch of all layers");
    }
    s->layer_begin = 0;
    s->layer_end = s->layer_count;
    return status;
}

static auxo_status measure_network(multiscale_bench *bench, uint32_t layer_count, auxo_error *error)
{
    auxo_multiscale_options options;
    auxo_multiscale_options_init(&options);
    options.epochs = EPOCHS_PER_CALL;
    options.optimizer.hyper[AUXO_HYPER_LR] = 1e-4f;
    subject s;
    auxo_status status = open_subject(bench, bench->data, layer_count, &options, &s, error);
    if (status != AUXO_OK)
        return status;
    auxo_bench_time forward, gradient, exact, central;
    double masks = 2.0 * auxo_multiscale_tree(s.multiscale)->node_count;
    status = auxo_bench_measure(work_forward, &s, bench->seconds, &forward, error);
    if (status == AUXO_OK)
        status = auxo_bench_measure(work_gradient, &s, bench->seconds, &gradient, error);
    if (status == AUXO_OK) {
        report_case(bench, layer_count, "forward", &forward, 1, 0, "");
        report_case(bench, layer_count, "gradient", &gradient, 1, gradient.median / forward.median, "forward");
        status = auxo_bench_measure(work_sensitivities, &s, bench->seconds, &exact, error);
    }
    if (status == AUXO_OK) {
        report_case(bench, layer_count, "exact sensitivities of the tree", &exact, 1, exact.median / gradient.median,
                    "gradient");
        s.difference = AUXO_DIFFERENCE_CENTRAL;
        status = auxo_bench_measure(work_sensitivities, &s, bench->seconds, &central, error);
    }
    if (status == AUXO_OK) {
        report_case(bench, layer_count, "central differences of the tree", &central, 1,
                    central.median / (masks * forward.median), "masks x forward");
        status = measure_epochs(bench, &s, error);
    }
    close_subject(&s);
    return status;
}

/* The selections of iterations whose one epoch of training is not timed. */
static auxo_status median_selection(subject *s, double seconds, auxo_bench_time *time, auxo_error *error)
{
    enum { SAMPLES_MAX = 51, SAMPLES_MIN = 25 };
    double samples[SAMPLES_MAX], spent = 0;
    size_t count = 0;
    for (int i = -1; i < SAMPLES_MAX && (i < SAMPLES_MIN || spent < seconds); i++) {
        auxo_multiscale_iteration iteration;
        auxo_status status = auxo_multiscale_iterate(s->multiscale, &iteration, error);
        if (status != AUXO_OK)
            return status;
        if (i < 0)
            continue; /* plans are made */
        size_t at = count++;
        for (; at > 0 && samples[at - 1] > iteration.selection_seconds; at--)
            samples[at] = samples[at - 1];
        samples[at] = iteration.selection_seconds;
        spent += iteration.selection_seconds;
    }
    *time = (auxo_bench_time){
        .median = samples[count / 2], .low = samples[count / 4], .high = samples[count - 1 - count / 4]};
    return AUXO_OK;
}

static auxo_status measure_selection(multiscale_bench *bench, const auxo_dataset *few, uint32_t layer_count,
                                     auxo_difference difference, auxo_error *error)
{
    auxo_multiscale_options options;
    auxo_multiscale_options_init(&options);
    options.epochs = 1;
    options.difference = difference;
    options.optimizer.hyper[AUXO_HYPER_LR] = 1e-6f;
    options.check_every = UINT32_MAX;
    subject s;
    auxo_bench_time forward, selection;
    auxo_status status = open_subject(bench, few, layer_count, &options, &s, error);
    if (status != AUXO_OK)
        return status;
    status = auxo_bench_measure(work_forward, &s, bench->seconds / 3, &forward, error);
    if (status == AUXO_OK)
        status = median_selection(&s, bench->seconds, &selection, error);
    if (status == AUXO_OK)
        report_case(bench, layer_count,
                    difference == AUXO_DIFFERENCE_EXACT ? "selection, exact" : "selection, central differences",
                    &selection, 1, selection.median / (forward.median * log2(layer_count)), "log2(layers) x forward");
    close_subject(&s);
    return status;
}

static auxo_status run_cases(multiscale_bench *bench, auxo_error *error)
{
    static const uint32_t layer_counts[] = {8, 21, 51};
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof layer_counts / sizeof layer_counts[0] && status == AUXO_OK; i++)
        status = measure_network(bench, layer_counts[i], error);
    uint64_t most = bench->options->selection_layers;
    auxo_dataset *few = NULL, *none = NULL;
    auxo_data_options options = {.seed = 1, .generated_count = AUXO_BENCH_SELECTION_ROWS};
    if (status == AUXO_OK && most >= SELECTION_LAYERS_MIN)
        status = auxo_dataset_load("reactor", &options, &few, &none, error);
    for (uint32_t layers = SELECTION_LAYERS_MIN; layers <= most && status == AUXO_OK; layers *= 2) {
        status = measure_selection(bench, few, layers, AUXO_DIFFERENCE_EXACT, error);
        if (status == AUXO_OK)
            status = measure_selection(bench, few, layers, AUXO_DIFFERENCE_CENTRAL, error);
    }
    auxo_dataset_destroy(few);
    auxo_dataset_destroy(none);
    return status;
}

auxo_status auxo_bench_multiscale(auxo_device *device, const auxo_bench_multiscale_options *options, auxo_error *error)
{
    multiscale_bench bench = {.options = options, .device = device, .seconds = options->seconds};
    auxo_dataset *none = NULL;
    auxo_data_options data = {.seed = 1, .generated_count = options->rows};
    auxo_status status = auxo_dataset_load("reactor", &data, &bench.data, &none, error);
    if (status == AUXO_OK)
        status = run_cases(&bench, error);
    auxo_dataset_destroy(bench.data);
    auxo_dataset_destroy(none);
    return status;
}
