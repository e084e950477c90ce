/* runtime/sizing/latency.c: how long one inference of a network takes on a device, and which products take the time.
 *
 * The total is measured on a plan without a profile, since timing every op slows it down; the profile of a second plan
 * only says how the total is spread. Time of layers without products (batch norm, activation, pooling) is charged to
 * all products in proportion, because it shrinks with their channels too.
 */
#include "auxo/sizing.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UPS = 3, RUNS = 15 };

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return 1e9 * (double)now.tv_sec + (double)now.tv_nsec;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static auxo_status build_plan(auxo_model *model, const auxo_tensor *input, bool profile, auxo_plan **plan,
                              auxo_error *error)
{
    const auxo_plan_options options = {.profile = profile};
    const auxo_forward forward = {.input = *input, .counter = auxo_tensor_none()};
    auxo_status status = auxo_plan_create(auxo_model_device(model), plan, error);
    if (status != AUXO_OK)
        return status;
    auxo_activations_destroy(auxo_model_add_forward(model, *plan, &forward));
    return auxo_plan_compile(*plan, &options, error);
}

static auxo_status run_once(auxo_model *model, auxo_plan *plan, double *ns, auxo_error *error)
{
    double start = now_ns();
    auxo_status status = auxo_plan_run(plan, auxo_model_queue(model), 1, error);
    if (status == AUXO_OK)
        status = auxo_queue_wait(auxo_model_queue(model), error);
    *ns = now_ns() - start;
    return status;
}

static auxo_status time_plan(auxo_model *model, auxo_plan *plan, double *median, auxo_error *error)
{
    double times[RUNS];
    auxo_status status = AUXO_OK;
    for (int i = 0; i < WARM_UPS + RUNS && status == AUXO_OK; i++)
        status = run_once(model, plan, &times[i < WARM_UPS ? 0 : i - WARM_UPS], error);
    qsort(times, RUNS, sizeof *times, compare_doubles);
    *median = times[RUNS / 2];
    return status;
}

/* Sums the profile by product; ops are labelled "<layer>.forward". */
static void spread(const auxo_model_desc *desc, const auxo_plan *plan, double total, double *layer_ns)
{
    double sum = 0;
    uint32_t product_count = 0;
    memset(layer_ns, 0, desc->layer_count * sizeof *layer_ns);
    for (size_t i = 0; i < auxo_plan_op_count(plan); i++) {
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, i);
        char name[AUXO_LAYER_NAME_BYTES] = "";
        const char *end = strrchr(info.label, '.');
        size_t length = end ? (size_t)(end - info.label) : strlen(info.label);
        memcpy(name, info.label, length < sizeof name ? length : sizeof name - 1);
        uint32_t layer = auxo_model_desc_find(desc, name);
        bool product = layer < desc->layer_count &&
                       (desc->layers[layer].kind == AUXO_LAYER_CONV2D || desc->layers[layer].kind == AUXO_LAYER_DENSE);
        if (product)
            layer_ns[layer] += (double)info.total_ns;
    }
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        product_count += desc->layers[l].kind == AUXO_LAYER_CONV2D || desc->layers[l].kind == AUXO_LAYER_DENSE;
        sum += layer_ns[l];
    }
    for (uint32_t l = 0; l < desc->layer_count; l++) {
        bool product = desc->layers[l].kind == AUXO_LAYER_CONV2D || desc->layers[l].kind == AUXO_LAYER_DENSE;
        /* A clock too coarse to see any op leaves equal shares. */
        layer_ns[l] = sum > 0 ? layer_ns[l] * total / sum : product ? total / product_count : 0;
    }
}

auxo_status auxo_latency_measure(auxo_device *device, const auxo_model_desc *desc, uint32_t batch, double *layer_ns,
                                 double *total_ns, auxo_error *error)
{
    const int64_t *dims = desc->layers[0].output_dims;
    int64_t input_dims[] = {batch ? batch : 1, dims[0], dims[1], dims[2]};
    uint64_t size_bytes = (uint64_t)(input_dims[0] * dims[0] * dims[1] * dims[2]) * sizeof(float);
    auxo_model *model = NULL;
    auxo_buffer *buffer = NULL;
    auxo_plan *plain = NULL, *profiled = NULL;
    auxo_status status = auxo_model_create(device, desc, 1, &model, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(device, size_bytes, &buffer, error);
    if (status == AUXO_OK)
        status = auxo_buffer_zero(auxo_model_queue(model), buffer, 0, size_bytes, error);
    auxo_tensor input = auxo_tensor_make(buffer, 0, AUXO_DTYPE_F32, 4, input_dims);
    if (status == AUXO_OK)
        status = build_plan(model, &input, false, &plain, error);
    if (status == AUXO_OK)
        status = build_plan(model, &input, true, &profiled, error);
    if (status == AUXO_OK)
        status = time_plan(model, plain, total_ns, error);
    double ignored;
    for (int i = 0; i < WARM_UPS && status == AUXO_OK; i++)
        status = run_once(model, profiled, &ignored, error);
    if (status == AUXO_OK)
        spread(desc, profiled, *total_ns, layer_ns);
    auxo_plan_destroy(plain);
    auxo_plan_destroy(profiled);
    auxo_buffer_destroy(buffer);
    auxo_model_destroy(model);
    return status;
}
