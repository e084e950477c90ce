/* runtime/multiscale/tree.c: the binary tree over weight layers, and the walk that selects one of them.
 *
 * Paper sec. 4.1 (bisection), Table 2 lines 75-96 (walk), eqs (18)-(22) and (37). Owns no numbers of the network: it
 * turns values per node into a choice.
 */
#include "multiscale_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct tree_builder {
    auxo_tree *tree;
    bool split_units;
    uint32_t level_limit;
} tree_builder;

/* Appends the node and its subtree; returns the node's index. The array is big enough for a full tree. */
static int32_t add_node(tree_builder *builder, int32_t parent, uint32_t depth, uint32_t layer_begin, uint32_t layer_end,
                        uint32_t unit_begin, uint32_t unit_end)
{
    auxo_tree *tree = builder->tree;
    int32_t index = (int32_t)tree->node_count++;
    auxo_tree_node *node = &tree->nodes[index];
    *node = (auxo_tree_node){layer_begin, layer_end, unit_begin, unit_end, parent, -1, -1, depth};
    if (depth > tree->depth)
        tree->depth = depth;
    if (builder->level_limit && depth >= builder->level_limit)
        return index;
    uint32_t layers = layer_end - layer_begin, units = unit_end - unit_begin;
    int32_t left = -1, right = -1;
    if (layers > 1) {
        uint32_t middle = layer_begin + layers / 2;
        uint32_t left_units = middle - layer_begin == 1 ? tree->unit_counts[layer_begin] : 0;
        uint32_t right_units = layer_end - middle == 1 ? tree->unit_counts[middle] : 0;
        left = add_node(builder, index, depth + 1, layer_begin, middle, 0, left_units);
        right = add_node(builder, index, depth + 1, middle, layer_end, 0, right_units);
    } else if (builder->split_units && units > 1) {
        uint32_t middle = unit_begin + units / 2;
        left = add_node(builder, index, depth + 1, layer_begin, layer_end, unit_begin, middle);
        right = add_node(builder, index, depth + 1, layer_begin, layer_end, middle, unit_end);
    }
    node->left = left;
    node->right = right;
    return index;
}

static auxo_status allocate_tree(uint32_t layer_count, const uint32_t *unit_counts, bool split_units, auxo_tree **out,
                                 auxo_error *error)
{
    auxo_tree *tree = calloc(1, sizeof *tree);
    if (tree) {
        tree->layer_count = layer_count;
        tree->unit_counts = malloc(layer_count * sizeof *tree->unit_counts);
        tree->unit_offsets = malloc((layer_count + 1) * sizeof *tree->unit_offsets);
    }
    if (!tree || !tree->unit_counts || !tree->unit_offsets) {
        auxo_tree_destroy(tree);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tree of %u layers: out of memory", layer_count);
    }
    memcpy(tree->unit_counts, unit_counts, layer_count * sizeof *unit_counts);
    tree->unit_offsets[0] = 0;
    for (uint32_t l = 0; l < layer_count; l++)
        tree->unit_offsets[l + 1] = tree->unit_offsets[l] + unit_counts[l];
    /* A full binary tree has 2 leaves - 1 nodes. */
    size_t leaves = split_units ? tree->unit_offsets[layer_count] : layer_count;
    tree->nodes = calloc(2 * leaves, sizeof *tree->nodes);
    if (!tree->nodes) {
        auxo_tree_destroy(tree);
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "tree of %zu leaves: out of memory", leaves);
    }
    *out = tree;
    return AUXO_OK;
}

auxo_status auxo_tree_create(uint32_t layer_count, const uint32_t *unit_counts, bool split_units, uint32_t level_limit,
                             auxo_tree **out, auxo_error *error)
{
    if (layer_count == 0)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "the model has no layer with weights; multi-scale training needs at least one");
    for (uint32_t l = 0; l < layer_count; l++)
        if (unit_counts[l] == 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "weight layer %u has no units", l);
    auxo_tree *tree = NULL;
    auxo_status status = allocate_tree(layer_count, unit_counts, split_units, &tree, error);
    if (status != AUXO_OK)
        return status;
    tree_builder builder = {tree, split_units, level_limit};
    add_node(&builder, -1, 0, 0, layer_count, 0, layer_count == 1 ? unit_counts[0] : 0);
    if (level_limit > tree->depth) {
        uint32_t depth = tree->depth;
        auxo_tree_destroy(tree);
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%u tree levels were asked for, but the tree of %u layers is only %u deep", level_limit,
                              layer_count, depth);
    }
    *out = tree;
    return AUXO_OK;
}

void auxo_tree_destroy(auxo_tree *tree)
{
    if (!tree)
        return;
    free(tree->unit_counts);
    free(tree->unit_offsets);
    free(tree->nodes);
    free(tree);
}

double auxo_branch_probability(double left, double right)
{
    double l = fabs(left), r = fabs(right);
    if (isinf(l) && isinf(r))
        return 0.5;
    if (isinf(l) || isinf(r))
        return isinf(l) ? 1.0 : 0.0;
    return l + r > 0 ? l / (l + r) : 0.5;
}

auxo_status auxo__tree_walk(const auxo_tree *tree, bool greedy, const tree_walk *walk, uint32_t *selected,
                            auxo_error *error)
{
    uint32_t index = 0, inside = 0; /* levels below a layer */
    for (uint32_t k = 0; tree->nodes[index].left >= 0; k++) {
        if (tree->nodes[index].layer_end - tree->nodes[index].layer_begin == 1 && inside++ >= walk->unit_levels)
            break;
        double left_value = 0, right_value = 0;
        auxo_status status = walk->branch(walk->user, index, &left_value, &right_value, error);
        if (status != AUXO_OK)
            return status;
        double probability = auxo_branch_probability(left_value, right_value);
        bool left = greedy ? probability >= 0.5 : probability >= walk->draw(walk->user, k);
        index = (uint32_t)(left ? tree->nodes[index].left : tree->nodes[index].right);
    }
    *selected = index;
    return AUXO_OK;
}

typedef struct value_walk {
    const auxo_tree *tree;
    const double *values;
    double (*draw)(void *user, uint32_t k);
    void *user;
} value_walk;

static auxo_status value_branch(void *user, uint32_t node, double *left, double *right, auxo_error *error)
{
    const value_walk *walk = user;
    (void)error;
    *left = walk->values[walk->tree->nodes[node].left];
    *right = walk->values[walk->tree->nodes[node].right];
    return AUXO_OK;
}

static double value_draw(void *user, uint32_t k)
{
    const value_walk *walk = user;
    return walk->draw(walk->user, k);
}

uint32_t auxo_tree_select(const auxo_tree *tree, const double *values, bool greedy,
                          double (*draw)(void *user, uint32_t k), void *user)
{
    value_walk given = {tree, values, draw, user};
    tree_walk walk = {value_branch, value_draw, &given, UINT32_MAX};
    uint32_t selected = 0;
    auxo__tree_walk(tree, greedy, &walk, &selected, NULL); /* value_branch cannot fail */
    return selected;
}
