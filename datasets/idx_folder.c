/* idx_folder.c: IDX files of the user's own, as MNIST's and EMNIST's are called: NAME-images-idx3-ubyte beside
 * NAME-labels-idx1-ubyte, perhaps packed, "train" in the name of one and "test" or "t10k" in that of another.
 *
 * Labels may be any bytes; they are numbered in ascending order. EMNIST (Cohen et al. 2017) stores pictures with rows
 * and columns exchanged, and says in NAME-mapping.txt which characters a label stands for. Format: idx.c.
 */
#include "bytes.h"
#include "dataset.h"
#include "idx.h"
#include "loaders.h"
#include "schema.h"
#include "source.h"
#include "text.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LABELS = 256 };

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_images_file(const char *name)
{
    const char *at = strstr(name, "images");
    return at && (strstr(at, "idx3-ubyte") || strstr(at, "idx4-ubyte"));
}

/* The images file that `name` is, or that the folder `name` has: 0 for none, 1, or more. */
static size_t find_images(const char *name, char path[AUXO__PATH_SIZE])
{
    size_t found = 0;
    bool has_train = false;
    struct stat info;
    if (stat(name, &info) == 0 && S_ISREG(info.st_mode) && is_images_file(file_name(name)))
        return snprintf(path, AUXO__PATH_SIZE, "%s", name) < AUXO__PATH_SIZE;
    DIR *folder = opendir(name);
    const struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        const bool train = strstr(entry->d_name, "train") != NULL;
        if (!is_images_file(entry->d_name) || (has_train && !train))
            continue;
        found = train && !has_train ? 1 : found + 1;
        has_train = has_train || train;
        if (snprintf(path, AUXO__PATH_SIZE, "%s/%s", name, entry->d_name) >= AUXO__PATH_SIZE)
            found = 0;
    }
    if (folder)
        closedir(folder);
    return found;
}

bool auxo__is_idx_path(const char *name)
{
    char path[AUXO__PATH_SIZE];
    return find_images(name, path) > 0;
}

/* `path` with the last `from` in its file name replaced, whatever it is packed with; false: there is no such file. */
static bool sibling(const char *path, const char *from, const char *to, char found[AUXO__PATH_SIZE])
{
    static const char *const packed[] = {"", ".gz", ".xz"};
    const char *at = strstr(file_name(path), from);
    if (!at)
        return false;
    char plain[AUXO__PATH_SIZE];
    const int length = snprintf(plain, sizeof plain, "%.*s%s%s", (int)(at - path), path, to, at + strlen(from));
    if (length <= 3 || length >= (int)sizeof plain)
        return false;
    if (strcmp(plain + length - 3, ".gz") == 0 || strcmp(plain + length - 3, ".xz") == 0)
        plain[length - 3] = '\0';
    for (size_t i = 0; i < sizeof packed / sizeof *packed; i++)
        if (snprintf(found, AUXO__PATH_SIZE, "%s%s", plain, packed[i]) < AUXO__PATH_SIZE && access(found, R_OK) == 0)
            return true;
    return false;
}

static bool find_labels(const char *images, char labels[AUXO__PATH_SIZE])
{
    return sibling(images, "images-idx3", "labels-idx1", labels) ||
           sibling(images, "images.idx3", "labels.idx1", labels) ||
           sibling(images, "images-idx4", "labels-idx1", labels);
}

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* Which labels there are, as classes. */
typedef struct label_numbers {
    bool used[LABELS];
    uint32_t number[LABELS];
    char *names[LABELS]; /* of classes */
    uint32_t count;
} label_numbers;

/* The characters that a label stands for, by EMNIST's mapping: lines of a label and codes of characters. */
static void read_mapping(const char *images, char names[LABELS][8])
{
    char path[AUXO__PATH_SIZE];
    uint8_t *text = NULL;
    size_t size = 0;
    if (!sibling(images, "train-images-idx3-ubyte", "mapping.txt", path) ||
        auxo__bytes_read(path, &text, &size, NULL) != AUXO_OK)
        return;
    for (char *line = strtok((char *)text, "\n"); line; line = strtok(NULL, "\n")) {
        unsigned label = 0, code = 0;
        int used = 0, more = 0;
        if (sscanf(line, "%u%n", &label, &used) != 1 || label >= LABELS)
            continue;
        size_t length = 0;
        for (; length < 7 && sscanf(line + used, "%u%n", &code, &more) == 1; used += more)
            if (code > 32 && code < 127)
                names[label][length++] = (char)code;
        names[label][length] = '\0';
    }
    free(text);
}

/* By a model's classes, which know their names. */
static auxo_status number_known(const char *images, char names[LABELS][8], const auxo_data_schema *schema,
                                label_numbers *numbers, auxo_error *error)
{
    for (uint32_t label = 0; label < LABELS; label++) {
        uint32_t number = 0;
        while (number < schema->class_count && strcmp(schema->classes[number], names[label]) != 0)
            number++;
        if (numbers->used[label] && number == schema->class_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: '%s' is no class the model knows", images, names[label]);
        numbers->number[label] = number;
    }
    for (uint32_t i = 0; i < schema->class_count && i < LABELS; i++)
        if (!(numbers->names[numbers->count++] = auxo__text_duplicate(schema->classes[i])))
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", images);
    return AUXO_OK;
}

static auxo_status number_labels(const char *images, const auxo__idx *labels, const auxo_data_schema *schema,
                                 label_numbers *numbers, auxo_error *error)
{
    char names[LABELS][8] = {{0}};
    read_mapping(images, names);
    for (size_t i = 0; i < labels->sizes[0]; i++)
        numbers->used[labels->values[i]] = true;
    for (uint32_t label = 0; label < LABELS; label++)
        if (!names[label][0])
            snprintf(names[label], sizeof names[label], "%u", label);
    if (schema && schema->classes)
        return number_known(images, names, schema, numbers, error);
    for (uint32_t label = 0; label < LABELS; label++) {
        if (!numbers->used[label])
            continue;
        numbers->number[label] = numbers->count;
        if (!(numbers->names[numbers->count++] = auxo__text_duplicate(names[label])))
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", images);
    }
    return AUXO_OK;
}

/* ---- one pair of files ------------------------------------------------------------------------------------------- */

static void transpose(const uint8_t *from, size_t height, size_t width, uint8_t *to)
{
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++)
            to[y * width + x] = from[x * height + y];
}

static auxo_status make_set(const char *path, const auxo__idx *images, bool labelled, const label_numbers *numbers,
                            const auxo_data_options *options, auxo_dataset **set, auxo_error *error)
{
    const bool turned = strstr(file_name(path), "emnist") != NULL && images->rank == 3;
    const uint32_t *sizes = images->sizes + images->rank - 2;
    const auxo__dataset_shape shape = {.row_count = auxo__limited(images->sizes[0], options->limit),
                                       .channels = images->rank == 4 ? images->sizes[1] : 1,
                                       .height = turned ? sizes[1] : sizes[0],
                                       .width = turned ? sizes[0] : sizes[1],
                                       .feature_type = AUXO_FEATURES_U8,
                                       .target_type = labelled ? AUXO_TARGET_CLASS : AUXO_TARGET_NONE,
                                       .target_count = numbers->count};
    if (shape.row_count == 0 || shape.channels < 1 || shape.height < 1 || shape.width < 1)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %u pictures of %u x %u", path, images->sizes[0], sizes[0],
                              sizes[1]);
    const auxo_status status = auxo__dataset_create(file_name(path), &shape, set, error);
    if (status != AUXO_OK)
        return status;
    const size_t bytes = auxo__dataset_row_bytes(*set);
    for (size_t i = 0; turned && i < shape.row_count; i++)
        transpose(images->values + i * bytes, (size_t)shape.height, (size_t)shape.width,
                  (uint8_t *)(*set)->features + i * bytes);
    if (!turned)
        memcpy((*set)->features, images->values, shape.row_count * bytes);
    if (turned)
        auxo__note_add((*set)->note, sizeof(*set)->note, "pictures are turned back: EMNIST exchanges rows and columns");
    return AUXO_OK;
}

static auxo_status set_labels(const char *path, const auxo__idx *labels, const label_numbers *numbers,
                              auxo_dataset *set, auxo_error *error)
{
    for (size_t i = 0; i < set->row_count; i++) {
        if (!numbers->used[labels->values[i]])
            return auxo_error_set(error, AUXO_FORMAT, "%s: label %u of picture %zu occurs in no training row", path,
                                  labels->values[i], i + 1);
        set->labels[i] = numbers->number[labels->values[i]];
    }
    set->target_names = auxo__names_copy((const char *const *)numbers->names, numbers->count);
    return set->target_names ? AUXO_OK : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: out of memory", path);
}

/* numbers: found in these labels where there are none yet. */
static auxo_status load_pair(const char *path, const auxo_data_options *options, label_numbers *numbers,
                             auxo_dataset **set, auxo_error *error)
{
    char labels_path[AUXO__PATH_SIZE];
    uint8_t *image_bytes = NULL, *label_bytes = NULL;
    size_t image_size = 0, label_size = 0;
    auxo__idx images = {0}, labels = {0};
    const bool labelled = !options->ignore_labels;
    auxo_status status = auxo__bytes_read(path, &image_bytes, &image_size, error);
    if (status == AUXO_OK)
        status =
            auxo__idx_parse(path, image_bytes, image_size, strstr(file_name(path), "idx4") ? 4 : 3, &images, error);
    if (status == AUXO_OK && labelled && !find_labels(path, labels_path))
        status = auxo_error_set(error, AUXO_NOT_FOUND, "%s has no file of labels (labels-idx1-ubyte) beside it", path);
    if (status == AUXO_OK && labelled)
        status = auxo__bytes_read(labels_path, &label_bytes, &label_size, error);
    if (status == AUXO_OK && labelled)
        status = auxo__idx_parse(labels_path, label_bytes, label_size, 1, &labels, error);
    if (status == AUXO_OK && labelled && labels.sizes[0] != images.sizes[0])
        status = auxo_error_set(error, AUXO_FORMAT, "%s has %u pictures, but %s %u labels", path, images.sizes[0],
                                labels_path, labels.sizes[0]);
    if (status == AUXO_OK && labelled && numbers->count == 0)
        status = number_labels(path, &labels, options->schema, numbers, error);
    if (status == AUXO_OK)
        status = make_set(path, &images, labelled, numbers, options, set, error);
    if (status == AUXO_OK && labelled)
        status = set_labels(labels_path, &labels, numbers, *set, error);
    free(image_bytes);
    free(label_bytes);
    return status;
}

auxo_status auxo__load_idx_folder(const char *name, const auxo_data_options *options, auxo_dataset **train,
                                  auxo_dataset **test, auxo_error *error)
{
    char path[AUXO__PATH_SIZE], test_path[AUXO__PATH_SIZE];
    label_numbers numbers = {0};
    if (find_images(name, path) > 1)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s has several files of training pictures; give the path of one, for example %s", name,
                              path);
    auxo_status status = load_pair(path, options, &numbers, train, error);
    if (status == AUXO_OK && (sibling(path, "train", "t10k", test_path) || sibling(path, "train", "test", test_path)))
        status = load_pair(test_path, options, &numbers, test, error);
    for (uint32_t i = 0; i < numbers.count; i++)
        free(numbers.names[i]);
    return status;
}
