/* numpy.c: NumPy's files as data sets: which array of an archive, or which file beside another, is what. What the
 * arrays mean: array_set.c. Reading: npy.c, npz.c.
 */
#include "array_set.h"
#include "loaders.h"
#include "schema.h"
#include "source.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool ends_with(const char *name, const char *ending)
{
    const size_t length = strlen(name), end = strlen(ending);
    return length > end && strcasecmp(name + length - end, ending) == 0;
}

bool auxo__is_numpy_path(const char *name)
{
    return ends_with(name, ".npy") || ends_with(name, ".npz");
}

static auxo_status make_set(const char *path, const auxo__npy *inputs, const auxo__npy *labels,
                            const auxo_data_options *options, auxo_dataset **made, auxo_error *error)
{
    const char *slash = strrchr(path, '/');
    const auxo__array_source source = {.name = slash ? slash + 1 : path, .inputs = inputs, .labels = labels};
    return auxo__array_set(&source, options, made, error);
}

/* ---- archives ---------------------------------------------------------------------------------------------------- */

#define COUNT(names) (sizeof(names) / sizeof *(names))

static auxo_status load_archive(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                auxo_dataset **test, auxo_error *error)
{
    static const char *const input_names[] = {"x_train", "X_train", "x", "X", "data", "images", "features", "inputs"};
    static const char *const label_names[] = {"y_train", "Y_train", "y", "Y", "labels", "targets", "target", "label"};
    static const char *const test_input_names[] = {"x_test", "X_test"}, *const test_label_names[] = {"y_test",
                                                                                                     "Y_test"};
    auxo__mapping *archive = NULL;
    auxo__npy arrays[4] = {{0}};
    auxo_status status = auxo__mapping_open(path, &archive, error);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, input_names, COUNT(input_names), &arrays[0], error);
    if (status == AUXO_OK && !arrays[0].file)
        status = auxo_error_set(error, AUXO_NOT_FOUND,
                                "%s has no array called X (or x_train, x, data, images, features, inputs)", path);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, label_names, COUNT(label_names), &arrays[1], error);
    if (status == AUXO_OK)
        status = auxo__npz_open(archive, test_input_names, COUNT(test_input_names), &arrays[2], error);
    if (status == AUXO_OK && arrays[2].file)
        status = auxo__npz_open(archive, test_label_names, COUNT(test_label_names), &arrays[3], error);
    if (status == AUXO_OK)
        status = make_set(path, &arrays[0], &arrays[1], options, train, error);
    if (status == AUXO_OK && arrays[2].file) {
        const auxo_data_options form = auxo__array_form(*train, options);
        status = make_set(path, &arrays[2], &arrays[3], &form, test, error);
    }
    for (size_t i = 0; i < COUNT(arrays); i++)
        auxo__npy_deinit(&arrays[i]);
    auxo__mapping_release(archive);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* `path` with the first `from` in its file name replaced; false: it has none, or there is no such file. */
static bool sibling(const char *path, const char *from, const char *to, bool at_start, char *found)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *at = at_start ? (strncmp(name, from, strlen(from)) == 0 ? name : NULL) : strstr(name, from);
    if (!at)
        return false;
    const int length = snprintf(found, AUXO__PATH_SIZE, "%.*s%s%s", (int)(at - path), path, to, at + strlen(from));
    return length > 0 && length < AUXO__PATH_SIZE && access(found, R_OK) == 0;
}

/* X.npy has y.npy beside it, images.npy labels.npy. */
static bool find_labels(const char *path, char *found)
{
    static const char *const inputs[] = {"images", "features", "inputs", "data"};
    static const char *const labels[] = {"labels", "targets", "y"};
    if (sibling(path, "X", "y", true, found) || sibling(path, "x", "y", true, found))
        return true;
    for (size_t i = 0; i < COUNT(inputs); i++)
        for (size_t k = 0; k < COUNT(labels); k++)
            if (sibling(path, inputs[i], labels[k], false, found))
                return true;
    return false;
}

static auxo_status load_pair(const char *path, const char *labels_path, const auxo_data_options *options,
                             auxo_dataset **set, auxo_error *error)
{
    auxo__npy inputs = {0}, labels = {0};
    auxo_status status = auxo__npy_open(path, &inputs, error);
    if (status == AUXO_OK && labels_path && !options->ignore_labels)
        status = auxo__npy_open(labels_path, &labels, error);
    if (status == AUXO_OK)
        status = make_set(path, &inputs, &labels, options, set, error);
    if (status == AUXO_OK && labels_path && !options->ignore_labels)
        auxo__note_add((*set)->note, sizeof(*set)->note, "labels: %s", labels_path);
    auxo__npy_deinit(&inputs);
    auxo__npy_deinit(&labels);
    return status;
}

auxo_status auxo__load_numpy(const char *path, const auxo_data_options *options, auxo_dataset **train,
                             auxo_dataset **test, auxo_error *error)
{
    char labels[AUXO__PATH_SIZE], test_inputs[AUXO__PATH_SIZE], test_labels[AUXO__PATH_SIZE];
    if (options->input_columns || options->target_columns || options->drop_missing)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: inputs, targets and missing drop are for tables, not for arrays", path);
    if (ends_with(path, ".npz"))
        return load_archive(path, options, train, test, error);
    const char *given = options->labels_file;
    const bool found = !given && find_labels(path, labels);
    auxo_status status = load_pair(path, given ? given : found ? labels : NULL, options, train, error);
    if (status != AUXO_OK || given || !sibling(path, "train", "test", false, test_inputs))
        return status;
    const bool has_labels = find_labels(test_inputs, test_labels);
    const auxo_data_options form = auxo__array_form(*train, options);
    return load_pair(test_inputs, has_labels ? test_labels : NULL, &form, test, error);
}
