/* reactor.c: the generated chemical process of the multi-scale papers: `reactor`, 4 inputs, 2 outputs.
 *
 * A continuous stirred tank, steady, A -> B of first order with Arrhenius rate k = k0 exp(-E / (R T)); residence time
 * tau = V / F; outlet C_B = C_A0 k tau / (1 + k tau); productivity P = F C_B. The papers give the structure only; the
 * constants and ranges below are ours (the textbook values k0 = 7.2e10 / min, E / R = 8750 K). Inputs are uniform in
 * their ranges; both outputs carry independent relative Gaussian noise.
 */
#include "dataset.h"
#include "loaders.h"
#include "random.h"

#include <math.h>

enum { INPUTS = 4, OUTPUTS = 2, DEFAULT_COUNT = 10000 };

static const double RATE_CONSTANT_PER_MIN = 7.2e10;
static const double ACTIVATION_KELVIN = 8750.0; /* E / R */
static const double RELATIVE_NOISE = 0.01;      /* standard deviation of the measurement, relative to the value */

static const struct range {
    const char *name; /* with its unit */
    double low, high;
} RANGES[INPUTS] = {
    {"flow_l_per_min", 10.0, 100.0},
    {"volume_l", 50.0, 500.0},
    {"temperature_k", 300.0, 400.0},
    {"feed_a_mol_per_l", 0.5, 5.0},
};

static void draw_sample(float inputs[INPUTS], float outputs[OUTPUTS], uint64_t seed, uint32_t stream, uint64_t sample)
{
    auxo__random random;
    auxo__random_init(&random, seed, stream, sample);
    double values[INPUTS];
    for (int i = 0; i < INPUTS; i++) {
        values[i] = auxo__random_uniform(&random, RANGES[i].low, RANGES[i].high);
        inputs[i] = (float)values[i];
    }
    double flow = values[0], volume = values[1], temperature = values[2], feed = values[3];
    double rate = RATE_CONSTANT_PER_MIN * exp(-ACTIVATION_KELVIN / temperature);
    double extent = rate * volume / flow; /* k tau */
    double product = feed * extent / (1.0 + extent);
    outputs[0] = (float)(product * (1.0 + RELATIVE_NOISE * auxo__random_normal(&random)));
    outputs[1] = (float)(flow * product * (1.0 + RELATIVE_NOISE * auxo__random_normal(&random)));
}

static auxo_status make_split(const auxo_data_options *options, size_t count, uint32_t stream, auxo_dataset **dataset,
                              auxo_error *error)
{
    static const char *const output_names[OUTPUTS] = {"outlet_b_mol_per_l", "productivity_mol_per_min"};
    const char *const input_names[INPUTS] = {RANGES[0].name, RANGES[1].name, RANGES[2].name, RANGES[3].name};
    auxo__dataset_shape shape = {.row_count = auxo__limited(count, options->limit),
                                 .channels = INPUTS,
                                 .height = 1,
                                 .width = 1,
                                 .feature_type = AUXO_FEATURES_F32,
                                 .target_type = AUXO_TARGET_REAL,
                                 .target_count = OUTPUTS};
    auxo_status status = auxo__dataset_create("reactor", &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    for (size_t i = 0; i < shape.row_count; i++)
        draw_sample((float *)(*dataset)->features + i * INPUTS, (*dataset)->targets + i * OUTPUTS, options->seed,
                    stream, i);
    (*dataset)->feature_names = auxo__names_copy(input_names, INPUTS);
    (*dataset)->target_names = auxo__names_copy(output_names, OUTPUTS);
    if (!(*dataset)->feature_names || !(*dataset)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "reactor: no memory for column names");
    return AUXO_OK;
}

auxo_status auxo__load_reactor(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                               auxo_error *error)
{
    size_t count = options->generated_count ? options->generated_count : DEFAULT_COUNT;
    auxo_status status = make_split(options, count, AUXO__STREAM_TRAIN, train, error);
    if (status == AUXO_OK)
        status = make_split(options, (count + 4) / 5, AUXO__STREAM_TEST, test, error);
    return status;
}
