/* runtime/cli/cli_arrays.c: predictions kept for a file of NumPy's: "row", and "class", "probability" and
 * "probabilities", or "values", in a .npz archive; of these the last alone in a .npy file.
 */
#include "cli_arrays.h"

#include <stdlib.h>
#include <string.h>

bool cli_arrays_wanted(const char *path)
{
    const char *dot = path ? strrchr(path, '.') : NULL;
    return dot && (strcmp(dot, ".npy") == 0 || strcmp(dot, ".npz") == 0);
}

auxo_status cli_arrays_init(cli_arrays *arrays, const cli_outputs *outputs, auxo_error *error)
{
    const size_t rows = outputs->dataset->row_count;
    *arrays = (cli_arrays){.row_count = rows, .column_count = outputs->column_count};
    arrays->rows = calloc(rows + 1, sizeof *arrays->rows);
    arrays->values = calloc(rows * outputs->column_count + 1, sizeof *arrays->values);
    if (outputs->kind == AUXO_TARGET_CLASS) {
        arrays->classes = calloc(rows + 1, sizeof *arrays->classes);
        arrays->probabilities = calloc(rows + 1, sizeof *arrays->probabilities);
    }
    if (arrays->rows && arrays->values &&
        (outputs->kind != AUXO_TARGET_CLASS || (arrays->classes && arrays->probabilities)))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "out of memory for the predictions of %zu rows", rows);
}

void cli_arrays_add(cli_arrays *arrays, const cli_outputs *outputs)
{
    const size_t columns = outputs->column_count;
    for (size_t i = 0; i < outputs->count; i++) {
        const size_t row = outputs->first + i;
        const float *scores = outputs->values + i * columns;
        double *values = arrays->values + row * columns;
        arrays->rows[row] = auxo_dataset_row_number(outputs->dataset, row);
        if (arrays->classes) {
            cli_softmax(scores, columns, values);
            arrays->classes[row] = cli_argmax(scores, columns);
            arrays->probabilities[row] = values[arrays->classes[row]];
        } else {
            for (size_t c = 0; c < columns; c++)
                values[c] = cli_output_value(outputs, i, c);
        }
    }
}

auxo_status cli_arrays_write(const cli_arrays *arrays, const char *path, auxo_error *error)
{
    static const char *const of_classes[] = {"row", "class", "probability", "probabilities"};
    static const char *const of_numbers[] = {"row", "values"};
    const uint64_t rows = arrays->row_count;
    const auxo_array row = {.values = arrays->rows, .element = AUXO_ELEMENT_U64, .rank = 1, .dims = {rows}};
    const auxo_array class = {.values = arrays->classes, .element = AUXO_ELEMENT_U64, .rank = 1, .dims = {rows}};
    const auxo_array best = {.values = arrays->probabilities, .element = AUXO_ELEMENT_F64, .rank = 1, .dims = {rows}};
    const auxo_array values = {
        .values = arrays->values, .element = AUXO_ELEMENT_F64, .rank = 2, .dims = {rows, arrays->column_count}};
    const auxo_array classes[] = {row, class, best, values}, numbers[] = {row, values};
    if (strcmp(strrchr(path, '.'), ".npy") == 0)
        return auxo_arrays_write(path, NULL, &values, 1, error);
    return arrays->classes ? auxo_arrays_write(path, of_classes, classes, 4, error)
                           : auxo_arrays_write(path, of_numbers, numbers, 2, error);
}

void cli_arrays_deinit(cli_arrays *arrays)
{
    free(arrays->rows);
    free(arrays->classes);
    free(arrays->probabilities);
    free(arrays->values);
    *arrays = (cli_arrays){0};
}
