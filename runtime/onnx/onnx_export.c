/* onnx_export.c: a whole model as a graph: what it does to its data, its layers, and what its outputs mean.
 */
#include "auxo/onnx.h"

#include "auxo/train.h"
#include "onnx_layers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATOR_SET = 17, ML_OPERATOR_SET = 3 };
static const char ml_domain[] = "ai.onnx.ml";

typedef struct export_state {
    onnx_graph *graph;
    auxo_model *model;
    const auxo_data_schema *schema; /* NULL: it knows nothing of its data */
    const auxo_step_function *hazard;
    bool uses_ml;
} export_state;

/* ---- inputs ------------------------------------------------------------------------------------------------------ */

/* A scalar, or a row that is added to every row. */
static const char *row_constant(onnx_graph *graph, const char *name, const float *values, int64_t count, bool is_image)
{
    const int64_t image[4] = {1, count, 1, 1}, row[2] = {1, count};
    return onnx_constant(graph, name, ONNX_FLOAT, is_image ? 4 : 2, is_image ? image : row, values);
}

/* (value - means) inverse_stds of each channel. */
static onnx_flow standardise(export_state *state, onnx_flow value)
{
    const auxo_preprocessing *preprocessing = auxo_model_preprocessing(state->model);
    if (preprocessing->channel_count == 0)
        return value;
    onnx_graph *graph = state->graph;
    const int64_t count = preprocessing->channel_count;
    const char *means = row_constant(graph, "input.mean", preprocessing->means, count, value.is_image);
    const char *scales = row_constant(graph, "input.inverse_std", preprocessing->inverse_stds, count, value.is_image);
    const char *centred = onnx_node(graph, "Sub", "input.centred", value.name, means, NULL);
    return (onnx_flow){onnx_node(graph, "Mul", "input.standardised", centred, scales, NULL), value.is_image};
}

/* What fills gaps; features without gaps in the training rows have a number there, too. */
static const char *fill_gaps(export_state *state, const char *value, size_t feature, const char *prefix)
{
    const auxo_data_schema *schema = state->schema;
    if (schema->missing != AUXO_MISSING_MEAN || !schema->missing_values)
        return value;
    onnx_graph *graph = state->graph;
    const char *filling = onnx_constant(graph, onnx_text(graph, "%s.filling", prefix), ONNX_FLOAT, 0, NULL,
                                        &schema->missing_values[feature]);
    const char *is_gap = onnx_node(graph, "IsNaN", onnx_text(graph, "%s.is_missing", prefix), value, NULL);
    return onnx_node(graph, "Where", onnx_text(graph, "%s.filled", prefix), is_gap, filling, value, NULL);
}

/* The levels of a text column as features. Where gaps are filled, empty text is one level more, whose features are the
 * shares of the others. */
static const char *add_levels(export_state *state, const auxo_schema_input *input, const char *name, const char *prefix)
{
    onnx_graph *graph = state->graph;
    const auxo_data_schema *schema = state->schema;
    const bool fills = schema->missing == AUXO_MISSING_MEAN && schema->missing_values;
    const size_t count = input->level_count;
    const char **levels = onnx_alloc(graph, sizeof *levels * (count + 1));
    float *rows = onnx_alloc(graph, sizeof *rows * (count + 1) * count);
    if (!levels || !rows)
        return name;
    for (size_t i = 0; i < count; i++) {
        levels[i] = input->levels[i];
        rows[i * count + i] = 1;
        rows[count * count + i] = fills ? schema->missing_values[input->first_feature + i] : 0;
    }
    levels[count] = "";
    state->uses_ml = true;
    const char *hot = onnx_node_of(graph, ml_domain, "OneHotEncoder", onnx_text(graph, "%s.hot", prefix), name);
    onnx_set_texts(graph, "cats_strings", levels, count + fills);
    onnx_set_int(graph, "zeros", 0); /* an unknown level is an error */
    const char *flat = onnx_node(graph, "Flatten", onnx_text(graph, "%s.levels", prefix), hot, NULL);
    onnx_set_int(graph, "axis", 1);
    if (!fills)
        return flat;
    const int64_t dims[2] = {(int64_t)count + 1, (int64_t)count};
    const char *table = onnx_constant(graph, onnx_text(graph, "%s.filling", prefix), ONNX_FLOAT, 2, dims, rows);
    return onnx_node(graph, "MatMul", onnx_text(graph, "%s.filled", prefix), flat, table, NULL);
}

/* One column of a table as the features that it becomes. */
static const char *add_column(export_state *state, const auxo_schema_input *input, size_t index)
{
    onnx_graph *graph = state->graph;
    const int64_t dims[2] = {-1, 1};
    const char *prefix = onnx_text(graph, "column%zu", index);
    const bool is_text = input->kind == AUXO_INPUT_CATEGORY;
    const char *name = onnx_text(graph, "%s", input->name);
    onnx_value(graph, true, name, is_text ? ONNX_STRING : ONNX_DOUBLE, 2, dims);
    if (is_text)
        return add_levels(state, input, name, prefix);
    const char *offset =
        onnx_constant(graph, onnx_text(graph, "%s.offset", prefix), ONNX_DOUBLE, 0, NULL, &input->offset);
    const char *less = onnx_node(graph, "Sub", onnx_text(graph, "%s.less", prefix), name, offset, NULL);
    const char *value = onnx_node(graph, "Cast", onnx_text(graph, "%s.value", prefix), less, NULL);
    onnx_set_int(graph, "to", ONNX_FLOAT);
    return fill_gaps(state, value, input->first_feature, prefix);
}

static onnx_flow add_table(export_state *state)
{
    const auxo_data_schema *schema = state->schema;
    const char *joined = NULL;
    for (size_t i = 0; i < schema->input_count; i++) {
        const char *column = add_column(state, &schema->inputs[i], i);
        if (i == 0) {
            joined = column;
            continue;
        }
        joined = onnx_node(state->graph, "Concat", onnx_text(state->graph, "columns%zu", i), joined, column, NULL);
        onnx_set_int(state->graph, "axis", 1);
    }
    return (onnx_flow){joined, false};
}

/* The output of layer 0: the data as the network sees it. */
static onnx_flow add_input(export_state *state)
{
    const int64_t *shape = auxo_model_get_desc(state->model)->layers[0].output_dims;
    const bool is_image = shape[1] * shape[2] > 1;
    const int64_t dims[4] = {-1, shape[0], shape[1], shape[2]};
    onnx_flow value;
    if (state->schema && state->schema->input_count > 0) {
        value = add_table(state);
    } else {
        onnx_value(state->graph, true, "input", ONNX_FLOAT, is_image ? 4 : 2, dims);
        value = (onnx_flow){"input", is_image};
        if (state->schema && state->schema->feature_type == AUXO_FEATURES_U8) {
            const float scale = 1.0f / 255;
            const char *constant = onnx_constant(state->graph, "input.scale", ONNX_FLOAT, 0, NULL, &scale);
            value.name = onnx_node(state->graph, "Mul", "input.scaled", "input", constant, NULL);
        }
    }
    return standardise(state, value);
}

/* ---- outputs ----------------------------------------------------------------------------------------------------- */

/* A name that no column has. */
static const char *output_name(export_state *state, const char *wanted)
{
    for (size_t i = 0; state->schema && i < state->schema->input_count; i++)
        if (strcmp(state->schema->inputs[i].name, wanted) == 0)
            return onnx_text(state->graph, "predicted_%s", wanted);
    return wanted;
}

static void add_label(export_state *state, const char *probabilities)
{
    onnx_graph *graph = state->graph;
    const auxo_data_schema *schema = state->schema;
    const int64_t rows = -1;
    const bool has_names = schema->classes != NULL && schema->class_count > 0;
    const char *name = output_name(state, "label");
    const char *number = onnx_node(graph, "ArgMax", has_names ? "label.number" : name, probabilities, NULL);
    onnx_set_int(graph, "axis", 1);
    onnx_set_int(graph, "keepdims", 0);
    onnx_value(graph, false, name, has_names ? ONNX_STRING : ONNX_INT64, 1, &rows);
    if (!has_names)
        return;
    int64_t *keys = onnx_alloc(graph, sizeof *keys * schema->class_count);
    for (uint32_t i = 0; keys && i < schema->class_count; i++)
        keys[i] = i;
    state->uses_ml = true;
    onnx_node_of(graph, ml_domain, "LabelEncoder", name, number);
    if (keys)
        onnx_set_ints(graph, "keys_int64s", keys, schema->class_count);
    onnx_set_texts(graph, "values_strings", (const char *const *)schema->classes, schema->class_count);
}

static void add_classes(export_state *state, const char *output, int64_t count)
{
    const int64_t dims[2] = {-1, count};
    const char *logits = onnx_node(state->graph, "Identity", output_name(state, "logits"), output, NULL);
    onnx_value(state->graph, false, logits, ONNX_FLOAT, 2, dims);
    const char *name = output_name(state, "probabilities");
    onnx_node(state->graph, "Softmax", name, output, NULL);
    onnx_set_int(state->graph, "axis", 1);
    onnx_value(state->graph, false, name, ONNX_FLOAT, 2, dims);
    add_label(state, name);
}

/* Targets in their own units: output / inverse_std + mean + offset. */
static void add_targets(export_state *state, const char *output, int64_t count)
{
    onnx_graph *graph = state->graph;
    const auxo_preprocessing *preprocessing = auxo_model_preprocessing(state->model);
    const int64_t dims[2] = {-1, count}, row[2] = {1, count};
    const double *offsets = state->schema ? state->schema->target_offsets : NULL;
    bool has_offset = false;
    for (int64_t i = 0; offsets && i < count; i++)
        has_offset = has_offset || offsets[i] != 0;
    const char *value = output;
    if (preprocessing->target_count > 0) {
        value = onnx_node(graph, "Div", "output.scaled", value,
                          row_constant(graph, "output.inverse_std", preprocessing->target_inverse_stds, count, false),
                          NULL);
        value = onnx_node(graph, "Add", "output.centred", value,
                          row_constant(graph, "output.mean", preprocessing->target_means, count, false), NULL);
    }
    const char *name = output_name(state, "output");
    if (has_offset) {
        value = onnx_node(graph, "Cast", "output.wide", value, NULL);
        onnx_set_int(graph, "to", ONNX_DOUBLE);
        onnx_node(graph, "Add", name, value, onnx_constant(graph, "output.offset", ONNX_DOUBLE, 2, row, offsets), NULL);
    } else {
        onnx_node(graph, "Identity", name, value, NULL);
    }
    onnx_value(graph, false, name, has_offset ? ONNX_DOUBLE : ONNX_FLOAT, 2, dims);
}

/* S(t | x) = exp(-H0(t) exp(risk)). */
static void add_risk(export_state *state, const char *output)
{
    onnx_graph *graph = state->graph;
    const int64_t dims[2] = {-1, 1};
    const char *risk = onnx_node(graph, "Identity", output_name(state, "risk"), output, NULL);
    onnx_value(graph, false, risk, ONNX_FLOAT, 2, dims);
    if (!state->hazard || state->hazard->count == 0)
        return;
    const int64_t count = (int64_t)state->hazard->count, row[2] = {1, count}, curves[2] = {-1, count};
    double *falling = onnx_alloc(graph, sizeof *falling * state->hazard->count);
    for (size_t i = 0; falling && i < state->hazard->count; i++)
        falling[i] = -state->hazard->values[i];
    if (!falling)
        return;
    const char *hazard = onnx_constant(graph, "hazard.negative", ONNX_DOUBLE, 2, row, falling);
    const char *times = onnx_constant(graph, "hazard.times", ONNX_DOUBLE, 1, &count, state->hazard->times);
    const char *wide = onnx_node(graph, "Cast", "risk.wide", risk, NULL);
    onnx_set_int(graph, "to", ONNX_DOUBLE);
    const char *relative = onnx_node(graph, "Exp", "risk.relative", wide, NULL);
    const char *exponent = onnx_node(graph, "Mul", "survival.exponent", relative, hazard, NULL);
    const char *survival = onnx_node(graph, "Exp", output_name(state, "survival"), exponent, NULL);
    onnx_value(graph, false, survival, ONNX_DOUBLE, 2, curves);
    const char *list = onnx_node(graph, "Identity", output_name(state, "times"), times, NULL);
    onnx_value(graph, false, list, ONNX_DOUBLE, 1, &count);
}

static void add_output(export_state *state, onnx_flow flow)
{
    const auxo_model_desc *desc = auxo_model_get_desc(state->model);
    const int64_t *shape = desc->layers[desc->layer_count - 1].output_dims;
    const int64_t count = shape[0] * shape[1] * shape[2];
    const char *output = onnx_flat(state->graph, flow).name;
    switch (state->schema ? state->schema->target_type : AUXO_TARGET_NONE) {
    case AUXO_TARGET_CLASS:
        add_classes(state, output, count);
        break;
    case AUXO_TARGET_SURVIVAL:
        add_risk(state, output);
        break;
    default:
        add_targets(state, output, count);
    }
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static auxo_status add_metadata(export_state *state, auxo_error *error)
{
    char *description = NULL, *data = NULL;
    auxo_status status = auxo_model_desc_to_json(auxo_model_get_desc(state->model), &description, error);
    if (status == AUXO_OK && state->schema)
        status = auxo_data_schema_describe(state->schema, &data, error);
    if (status == AUXO_OK) {
        onnx_metadata(state->graph, "auxo.model", description);
        if (data)
            onnx_metadata(state->graph, "auxo.data", data);
        for (uint32_t i = 0; state->schema && state->schema->classes && i < state->schema->class_count; i++)
            onnx_metadata(state->graph, onnx_text(state->graph, "class.%u", i), state->schema->classes[i]);
    }
    free(description);
    free(data);
    return status;
}

static auxo_status build(export_state *state, auxo_error *error)
{
    const uint64_t weight_count = auxo_model_weight_count(state->model);
    float *weights = malloc((weight_count + auxo_model_statistic_count(state->model) + 1) * sizeof *weights);
    if (!weights)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "onnx: out of memory for %llu weights",
                              (unsigned long long)weight_count);
    auxo_status status = auxo_model_read_weights(state->model, weights, weights + weight_count, error);
    if (status == AUXO_OK) {
        const onnx_flow input = add_input(state);
        add_output(state, onnx_add_layers(state->graph, state->model, weights, weights + weight_count, input));
        onnx_opset(state->graph, "", OPERATOR_SET);
        if (state->uses_ml)
            onnx_opset(state->graph, ml_domain, ML_OPERATOR_SET);
        status = add_metadata(state, error);
    }
    free(weights);
    return status;
}

auxo_status auxo_onnx_export(auxo_model *model, const auxo_step_function *hazard, const char *path, auxo_error *error)
{
    auxo_data_schema *schema = NULL;
    auxo_status status = auxo_model_data_schema(model, &schema, error);
    if (status != AUXO_OK)
        return status;
    onnx_graph graph;
    onnx_graph_init(&graph, auxo_model_get_desc(model)->name);
    export_state state = {.graph = &graph, .model = model, .schema = schema, .hazard = hazard};
    status = build(&state, error);
    if (status == AUXO_OK)
        status = onnx_graph_write(&graph, path, error);
    onnx_graph_deinit(&graph);
    auxo_data_schema_destroy(schema);
    return status;
}
