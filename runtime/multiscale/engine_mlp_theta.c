/* runtime/multiscale/engine_mlp_theta.c: derivatives of the fused engine's loss with respect to theta.
 *
 * On weights, theta multiplies a unit's incoming weights and bias: dL/dtheta = <W, dL/dW> + <b, dL/db> over its row.
 * On outputs, a hidden unit's theta multiplies its column in the next layer's weights, so the same products over that
 * column; an output unit's multiplies its row if the output is linear, else sum_k y dL/dy. Second derivatives are
 * v_i' H v_j with v the scaled weights of a node, plus, on outputs, <W, dL/dW> where two thetas scale the same weight.
 */
#include "engine_mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static uint64_t bias_offset(const engine_mlp *engine, uint32_t layer)
{
    return auxo_mlp_layer_offset(&engine->mlp, layer) + (uint64_t)engine->widths[layer] * engine->widths[layer + 1];
}

static double row_product(const engine_mlp *engine, uint32_t layer, uint32_t unit)
{
    uint32_t inputs = engine->widths[layer];
    uint64_t row = auxo_mlp_layer_offset(&engine->mlp, layer) + (uint64_t)unit * inputs;
    double sum = 0;
    for (uint64_t e = row; e < row + inputs; e++)
        sum += (double)engine->weights[e] * (double)engine->gradients[e];
    if (engine->mlp.has_bias) {
        uint64_t b = bias_offset(engine, layer) + unit;
        sum += (double)engine->weights[b] * (double)engine->gradients[b];
    }
    return sum;
}

static double column_product(const engine_mlp *engine, uint32_t layer, uint32_t column)
{
    uint32_t inputs = engine->widths[layer], units = engine->widths[layer + 1];
    uint64_t start = auxo_mlp_layer_offset(&engine->mlp, layer);
    double sum = 0;
    for (uint32_t r = 0; r < units; r++) {
        uint64_t e = start + (uint64_t)r * inputs + column;
        sum += (double)engine->weights[e] * (double)engine->gradients[e];
    }
    return sum;
}

static bool output_is_linear(const engine_mlp *engine)
{
    return engine->activations[engine->mlp.layer_count - 1] == AUXO_ACTIVATION_IDENTITY;
}

/* sum over rows of y dL/dy for every output unit, for outputs that are not linear. */
static auxo_status output_products(engine_mlp *engine, double *values, auxo_error *error)
{
    uint32_t outputs = engine->widths[engine->mlp.layer_count];
    int64_t rows = engine->train.row_count;
    size_t count = (size_t)rows * outputs;
    float *predictions = malloc(count * sizeof *predictions), *targets = malloc(count * sizeof *targets);
    auxo_buffer *buffer = NULL;
    auxo_status status = AUXO_OK;
    if (!predictions || !targets)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "output sensitivities: out of memory");
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, count * sizeof(float), &buffer, error);
    auxo_op op = {.kind = AUXO_OP_MLP_FORWARD};
    op.params.mlp = (auxo_mlp_params){.mlp = engine->mlp, .end_layer = engine->mlp.layer_count};
    op.tensors[AUXO_MLP_FORWARD_X] = auxo__engine_mlp_rows(engine->train.features, rows, engine->widths[0]);
    op.tensors[AUXO_MLP_FORWARD_PARAMS] =
        auxo_tensor_1d(auxo_model_weights(engine->model), 0, AUXO_DTYPE_F32, (int64_t)engine->weight_count);
    op.tensors[AUXO_MLP_FORWARD_Y] = auxo__engine_mlp_rows(buffer, rows, outputs);
    if (status == AUXO_OK)
        status = auxo_op_run(engine->queue, &op, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, buffer, 0, predictions, count * sizeof(float), error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, engine->train.targets, 0, targets, count * sizeof(float), error);
    if (status == AUXO_OK) {
        memset(values, 0, outputs * sizeof *values);
        for (size_t e = 0; e < count; e++)
            values[e % outputs] +=
                (double)predictions[e] * 2 * ((double)predictions[e] - (double)targets[e]) / (double)count;
    }
    auxo_buffer_destroy(buffer);
    free(predictions);
    free(targets);
    return status;
}

auxo_status auxo__engine_mlp_unit_sensitivities(multiscale_engine *base, auxo_theta_placement theta_on, double *values,
                                                auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    auxo_status status = AUXO_OK;
    uint32_t last = engine->mlp.layer_count - 1;
    for (uint32_t l = 0; l <= last; l++) {
        double *layer_values = values + engine->tree->unit_offsets[l];
        if (theta_on == AUXO_THETA_ON_OUTPUTS && l == last && !output_is_linear(engine)) {
            status = output_products(engine, layer_values, error);
            break;
        }
        for (uint32_t u = 0; u < engine->widths[l + 1]; u++)
            layer_values[u] = theta_on == AUXO_THETA_ON_OUTPUTS && l < last ? column_product(engine, l + 1, u)
                                                                            : row_product(engine, l, u);
    }
    return status;
}

static bool inside_one_layer(const engine_mlp *engine, const auxo_tree_node *node)
{
    return node->layer_end - node->layer_begin == 1 &&
           node->unit_end - node->unit_begin < engine->tree->unit_counts[node->layer_begin];
}

static auxo_status ensure_mask_capacity(engine_mlp *engine, uint32_t mask_count, auxo_error *error)
{
    if (mask_count <= engine->mask_capacity)
        return AUXO_OK;
    auxo_buffer_destroy(engine->first_layers);
    auxo_buffer_destroy(engine->theta);
    auxo_buffer_destroy(engine->losses);
    engine->first_layers = engine->theta = engine->losses = NULL;
    engine->mask_capacity = 0;
    uint64_t units = engine->tree->unit_offsets[engine->tree->layer_count];
    auxo_status status =
        auxo_buffer_create(engine->device, mask_count * sizeof(uint32_t), &engine->first_layers, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, mask_count * units * sizeof(float), &engine->theta, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, mask_count * 2 * sizeof(float), &engine->losses, error);
    if (status == AUXO_OK)
        engine->mask_capacity = mask_count;
    return status;
}

/* Writes the mask's factors into its row of THETA and returns the first layer that they touch. */
static uint32_t expand_mask(const engine_mlp *engine, const theta_mask *mask, bool by_unit, float *row, uint32_t groups)
{
    uint32_t first = engine->mlp.layer_count - 1;
    for (uint32_t g = 0; g < groups; g++)
        row[g] = 1;
    for (uint32_t i = 0; i < mask->node_count; i++) {
        const auxo_tree_node *node = mask->nodes[i];
        const uint32_t *offsets = engine->tree->unit_offsets;
        uint32_t begin = node->layer_begin, end = node->layer_end;
        if (by_unit) {
            bool whole = !inside_one_layer(engine, node);
            end = whole ? offsets[end] : offsets[begin] + node->unit_end;
            begin = whole ? offsets[begin] : offsets[begin] + node->unit_begin;
        }
        for (uint32_t g = begin; g < end; g++)
            row[g] = (float)mask->factors[i];
        if (node->layer_begin < first)
            first = node->layer_begin;
    }
    return first;
}

static auxo_status run_theta_eval(engine_mlp *engine, const regression_set *set, auxo_theta_placement theta_on,
                                  uint32_t mask_count, bool by_unit, uint32_t groups, auxo_error *error)
{
    uint32_t units = engine->tree->unit_offsets[engine->tree->layer_count];
    auxo_op op = {.kind = AUXO_OP_THETA_EVAL};
    op.params.mlp = (auxo_mlp_params){.mlp = engine->mlp,
                                      .end_layer = engine->mlp.layer_count,
                                      .theta_on_outputs = theta_on == AUXO_THETA_ON_OUTPUTS};
    uint32_t outputs = engine->widths[engine->mlp.layer_count];
    op.tensors[AUXO_THETA_EVAL_X] = auxo__engine_mlp_rows(set->features, set->row_count, engine->widths[0]);
    op.tensors[AUXO_THETA_EVAL_TARGET] = auxo__engine_mlp_rows(set->targets, set->row_count, outputs);
    op.tensors[AUXO_THETA_EVAL_PARAMS] =
        auxo_tensor_1d(auxo_model_weights(engine->model), 0, AUXO_DTYPE_F32, (int64_t)engine->weight_count);
    op.tensors[AUXO_THETA_EVAL_THETA] = auxo_tensor_2d(engine->theta, 0, AUXO_DTYPE_F32, mask_count, groups);
    op.tensors[AUXO_THETA_EVAL_UNIT_GROUP] =
        auxo_tensor_1d(by_unit ? engine->unit_of_unit : engine->layer_of_unit, 0, AUXO_DTYPE_U32, units);
    op.tensors[AUXO_THETA_EVAL_FIRST_LAYER] = auxo_tensor_1d(engine->first_layers, 0, AUXO_DTYPE_U32, mask_count);
    op.tensors[AUXO_THETA_EVAL_LOSS] = auxo_tensor_2d(engine->losses, 0, AUXO_DTYPE_F32, mask_count, 2);
    return auxo_op_run(engine->queue, &op, error);
}

static auxo_status masked_losses(engine_mlp *engine, const regression_set *set, auxo_theta_placement theta_on,
                                 const theta_mask *masks, uint32_t mask_count, double *losses, auxo_error *error)
{
    bool by_unit = false;
    for (uint32_t p = 0; p < mask_count; p++)
        for (uint32_t i = 0; i < masks[p].node_count; i++)
            by_unit = by_unit || inside_one_layer(engine, masks[p].nodes[i]);
    uint32_t groups = by_unit ? engine->tree->unit_offsets[engine->tree->layer_count] : engine->tree->layer_count;
    float *theta = malloc((size_t)mask_count * groups * sizeof *theta);
    uint32_t *first = malloc(mask_count * sizeof *first);
    float *pairs = malloc(mask_count * 2 * sizeof *pairs);
    auxo_status status = ensure_mask_capacity(engine, mask_count, error);
    if (status == AUXO_OK && (!theta || !first || !pairs))
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "theta evaluation of %u masks: out of memory", mask_count);
    if (status != AUXO_OK)
        goto done;
    for (uint32_t p = 0; p < mask_count; p++)
        first[p] = expand_mask(engine, &masks[p], by_unit, theta + (size_t)p * groups, groups);
    status =
        auxo_buffer_write(engine->queue, engine->theta, 0, theta, (uint64_t)mask_count * groups * sizeof *theta, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(engine->queue, engine->first_layers, 0, first, mask_count * sizeof *first, error);
    if (status == AUXO_OK)
        status = run_theta_eval(engine, set, theta_on, mask_count, by_unit, groups, error);
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, engine->losses, 0, pairs, mask_count * 2 * sizeof *pairs, error);
    for (uint32_t p = 0; p < mask_count && status == AUXO_OK; p++)
        losses[p] = (double)pairs[2 * p] + (double)pairs[2 * p + 1];
done:
    free(theta);
    free(first);
    free(pairs);
    return status;
}

auxo_status auxo__engine_mlp_theta_losses(multiscale_engine *base, auxo_theta_placement theta_on,
                                          const theta_mask *masks, uint32_t mask_count, double *losses,
                                          auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    return masked_losses(engine, &engine->train, theta_on, masks, mask_count, losses, error);
}

auxo_status auxo__engine_mlp_loss(engine_mlp *engine, const regression_set *set, double *loss, auxo_error *error)
{
    const theta_mask none = {0, {NULL, NULL}, {1, 1}};
    return masked_losses(engine, set, AUXO_THETA_ON_WEIGHTS, &none, 1, loss, error);
}

static bool contains(const auxo_tree_node *node, uint32_t layer, uint32_t unit)
{
    if (layer < node->layer_begin || layer >= node->layer_end)
        return false;
    return node->layer_end - node->layer_begin > 1 || (unit >= node->unit_begin && unit < node->unit_end);
}

/* How many of the node's thetas multiply weight (layer, row, column); column UINT32_MAX is the bias. */
static int scale_count(const engine_mlp *engine, auxo_theta_placement theta_on, const auxo_tree_node *node,
                       uint32_t layer, uint32_t row, uint32_t column)
{
    if (theta_on == AUXO_THETA_ON_WEIGHTS)
        return contains(node, layer, row);
    bool by_row = layer == engine->mlp.layer_count - 1 && contains(node, layer, row);
    bool by_column = layer > 0 && column != UINT32_MAX && contains(node, layer - 1, column);
    return (int)by_row + (int)by_column;
}

/* Direction of the node: d(weights)/d(theta_node). */
static void fill_direction(const engine_mlp *engine, auxo_theta_placement theta_on, const auxo_tree_node *node,
                           float *direction)
{
    for (uint32_t l = 0; l < engine->mlp.layer_count; l++) {
        uint32_t inputs = engine->widths[l], units = engine->widths[l + 1];
        uint64_t start = auxo_mlp_layer_offset(&engine->mlp, l);
        for (uint32_t r = 0; r < units; r++) {
            for (uint32_t c = 0; c < inputs; c++) {
                uint64_t e = start + (uint64_t)r * inputs + c;
                direction[e] = engine->weights[e] * (float)scale_count(engine, theta_on, node, l, r, c);
            }
            if (engine->mlp.has_bias) {
                uint64_t b = bias_offset(engine, l) + r;
                direction[b] = engine->weights[b] * (float)scale_count(engine, theta_on, node, l, r, UINT32_MAX);
            }
        }
    }
}

/* <d2 weights / dtheta_i dtheta_j, gradient>: only weights between the last hidden layer and linear outputs are
 * multiplied by two thetas (one of the row, one of the column). */
static double shared_weight_term(const engine_mlp *engine, const auxo_tree_node *i, const auxo_tree_node *j)
{
    uint32_t last = engine->mlp.layer_count - 1;
    if (last == 0)
        return 0;
    uint32_t inputs = engine->widths[last];
    uint64_t start = auxo_mlp_layer_offset(&engine->mlp, last);
    double sum = 0;
    for (uint32_t r = 0; r < engine->widths[last + 1]; r++)
        for (uint32_t c = 0; c < inputs; c++) {
            uint64_t e = start + (uint64_t)r * inputs + c;
            int times =
                (contains(i, last, r) && contains(j, last - 1, c)) + (contains(j, last, r) && contains(i, last - 1, c));
            sum += times * (double)engine->weights[e] * (double)engine->gradients[e];
        }
    return sum;
}

static auxo_status run_hvp(engine_mlp *engine, const float *directions, uint32_t count, float *products,
                           auxo_error *error)
{
    uint64_t size_bytes = count * engine->weight_count * sizeof(float);
    auxo_buffer *v = NULL, *hv = NULL;
    auxo_status status = auxo_buffer_create(engine->device, size_bytes, &v, error);
    if (status == AUXO_OK)
        status = auxo_buffer_create(engine->device, size_bytes, &hv, error);
    if (status == AUXO_OK)
        status = auxo_buffer_write(engine->queue, v, 0, directions, size_bytes, error);
    if (status == AUXO_OK) {
        int64_t weights = (int64_t)engine->weight_count;
        uint32_t outputs = engine->widths[engine->mlp.layer_count];
        auxo_op op = {.kind = AUXO_OP_MLP_HVP};
        op.params.mlp = (auxo_mlp_params){
            .mlp = engine->mlp, .end_layer = engine->mlp.layer_count, .train_end = engine->mlp.layer_count};
        const regression_set *set = &engine->train;
        op.tensors[AUXO_MLP_HVP_X] = auxo__engine_mlp_rows(set->features, set->row_count, engine->widths[0]);
        op.tensors[AUXO_MLP_HVP_TARGET] = auxo__engine_mlp_rows(set->targets, set->row_count, outputs);
        op.tensors[AUXO_MLP_HVP_PARAMS] = auxo_tensor_1d(auxo_model_weights(engine->model), 0, AUXO_DTYPE_F32, weights);
        op.tensors[AUXO_MLP_HVP_V] = auxo_tensor_2d(v, 0, AUXO_DTYPE_F32, count, weights);
        op.tensors[AUXO_MLP_HVP_HV] = auxo_tensor_2d(hv, 0, AUXO_DTYPE_F32, count, weights);
        status = auxo_op_run(engine->queue, &op, error);
    }
    if (status == AUXO_OK)
        status = auxo_buffer_read(engine->queue, hv, 0, products, size_bytes, error);
    auxo_buffer_destroy(v);
    auxo_buffer_destroy(hv);
    return status;
}

auxo_status auxo__engine_mlp_second_derivatives(multiscale_engine *base, auxo_theta_placement theta_on,
                                                const auxo_tree_node *const *nodes, uint32_t count, double *matrix,
                                                auxo_error *error)
{
    engine_mlp *engine = (engine_mlp *)base;
    bool on_outputs = theta_on == AUXO_THETA_ON_OUTPUTS;
    if (on_outputs && !output_is_linear(engine))
        return auxo_error_set(error, AUXO_UNSUPPORTED,
                              "exact second order with theta on outputs needs a linear output layer; use central "
                              "differences");
    auxo_status status = AUXO_OK;
    const uint64_t weights = engine->weight_count;
    float *directions = calloc(count * weights + 1, sizeof *directions);
    float *products = calloc(count * weights + 1, sizeof *products);
    if (!directions || !products)
        status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "second derivatives of %u nodes: out of memory", count);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        fill_direction(engine, theta_on, nodes[i], directions + i * weights);
    if (status == AUXO_OK)
        status = run_hvp(engine, directions, count, products, error);
    for (uint32_t i = 0; i < count && status == AUXO_OK; i++)
        for (uint32_t j = 0; j < count; j++) {
            double sum = on_outputs ? shared_weight_term(engine, nodes[i], nodes[j]) : 0;
            for (uint64_t e = 0; e < weights; e++)
                sum += (double)directions[i * weights + e] * (double)products[j * weights + e];
            matrix[i * count + j] = sum;
        }
    free(directions);
    free(products);
    return status;
}
