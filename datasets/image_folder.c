/* image_folder.c: a folder of images, one subfolder per class: DIR/<class>/<image>, or DIR/train and DIR/test with
 * classes in each.
 *
 * Classes and files are taken in alphabetical order; hidden files are passed over, anything else must decode. Rows
 * alternate between the classes, so that a limit takes from all of them. With a model's schema classes keep its
 * numbers, and to predict, pictures may lie in one folder without classes, or one picture be named. Reading:
 * pictures.c.
 */
#include "dataset.h"
#include "file.h"
#include "loaders.h"
#include "pictures.h"
#include "source.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CLASSES = 65536 };

typedef struct name_list {
    char **names;
    size_t count;
} name_list;

static void name_list_deinit(name_list *list)
{
    auxo__names_destroy(list->names, list->count);
    list->names = NULL;
    list->count = 0;
}

static bool join_path(char path[AUXO__PATH_SIZE], const char *folder, const char *name)
{
    int length = snprintf(path, AUXO__PATH_SIZE, "%s/%s", folder, name);
    return length > 0 && length < AUXO__PATH_SIZE;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

static bool append_name(name_list *list, const char *name)
{
    char **names = realloc(list->names, (list->count + 1) * sizeof *names);
    if (!names)
        return false;
    list->names = names;
    names[list->count] = auxo__text_duplicate(name);
    if (!names[list->count])
        return false;
    list->count++;
    return true;
}

/* The names in a folder, sorted, without hidden ones: subfolders only, or everything else only. */
static auxo_status list_folder(const char *folder, bool want_folders, name_list *list, auxo_error *error)
{
    DIR *stream = opendir(folder);
    if (!stream)
        return auxo_error_set(error, AUXO_IO, "%s: %s", folder, strerror(errno));
    auxo_status status = AUXO_OK;
    char path[AUXO__PATH_SIZE];
    for (struct dirent *entry; status == AUXO_OK && (entry = readdir(stream));) {
        if (entry->d_name[0] == '.')
            continue;
        if (!join_path(path, folder, entry->d_name))
            status = auxo_error_set(error, AUXO_IO, "%.300s: a path in it is too long", folder);
        else if (auxo__is_folder(path) == want_folders && !append_name(list, entry->d_name))
            status = auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its list of files", folder);
    }
    closedir(stream);
    if (status == AUXO_OK && list->count > 0)
        qsort(list->names, list->count, sizeof *list->names, compare_names);
    return status;
}

/* The images of one split. Invariant: files has class_count lists. */
typedef struct image_split {
    const char *folder;
    name_list classes;
    name_list *files; /* per class */
    size_t row_count;
} image_split;

static void image_split_deinit(image_split *split)
{
    for (size_t i = 0; split->files && i < split->classes.count; i++)
        name_list_deinit(&split->files[i]);
    free(split->files);
    name_list_deinit(&split->classes);
}

/* Pictures that lie in the folder itself, as one class without a name. */
static auxo_status list_flat(image_split *split, auxo_error *error)
{
    split->files = calloc(1, sizeof *split->files);
    if (!split->files || !append_name(&split->classes, ""))
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its files", split->folder);
    auxo_status status = list_folder(split->folder, false, &split->files[0], error);
    split->row_count = split->files[0].count;
    if (status == AUXO_OK && split->row_count == 0)
        status = auxo_error_set(error, AUXO_FORMAT, "%s: no pictures in this folder", split->folder);
    return status;
}

static auxo_status list_split(image_split *split, size_t least_classes, bool flat_allowed, auxo_error *error)
{
    auxo_status status = list_folder(split->folder, true, &split->classes, error);
    if (status != AUXO_OK)
        return status;
    if (split->classes.count == 0 && flat_allowed)
        return list_flat(split, error);
    if (split->classes.count < least_classes || split->classes.count > MAX_CLASSES)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu class folders; at least %s needed", split->folder,
                              split->classes.count, least_classes == 2 ? "two are" : "one is");
    split->files = calloc(split->classes.count, sizeof *split->files);
    if (!split->files)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its classes", split->folder);
    for (size_t i = 0; i < split->classes.count && status == AUXO_OK; i++) {
        char path[AUXO__PATH_SIZE];
        if (!join_path(path, split->folder, split->classes.names[i]))
            return auxo_error_set(error, AUXO_IO, "%.300s: a path in it is too long", split->folder);
        status = list_folder(path, false, &split->files[i], error);
        if (status == AUXO_OK && split->files[i].count == 0)
            status = auxo_error_set(error, AUXO_FORMAT, "%s: no images in this class folder", path);
        split->row_count += split->files[i].count;
    }
    return status;
}

/* The rows of a split: classes in turn, so that a limit takes from all of them, or in the order of names. */
static auxo_status list_rows(const image_split *split, bool in_turn, size_t limit, name_list *paths, uint32_t *labels,
                             auxo_error *error)
{
    size_t row_count = auxo__limited(split->row_count, limit), longest = 0;
    char path[AUXO__PATH_SIZE];
    for (size_t i = 0; i < split->classes.count; i++)
        longest = split->files[i].count > longest ? split->files[i].count : longest;
    size_t outer_count = in_turn ? longest : split->classes.count,
           inner_count = in_turn ? split->classes.count : longest;
    for (size_t outer = 0; outer < outer_count; outer++)
        for (size_t inner = 0; inner < inner_count && paths->count < row_count; inner++) {
            size_t file = in_turn ? outer : inner, class_index = in_turn ? inner : outer;
            if (file >= split->files[class_index].count)
                continue;
            const char *folder = split->classes.names[class_index];
            const char *name = split->files[class_index].names[file];
            if (!*folder ? snprintf(path, sizeof path, "%s", name) >= AUXO__PATH_SIZE : !join_path(path, folder, name))
                return auxo_error_set(error, AUXO_IO, "%.300s: a path in it is too long", split->folder);
            labels[paths->count] = (uint32_t)class_index;
            if (!append_name(paths, path))
                return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its list of files", split->folder);
        }
    return AUXO_OK;
}

/* The number that a model gives to each class folder; NULL names: their own order. */
static auxo_status number_classes(const image_split *split, const auxo_data_schema *schema, uint32_t *numbers,
                                  auxo_error *error)
{
    for (size_t i = 0; i < split->classes.count; i++) {
        uint32_t number = 0;
        while (schema && schema->classes && number < schema->class_count &&
               strcmp(schema->classes[number], split->classes.names[i]) != 0)
            number++;
        numbers[i] = schema && schema->classes ? number : (uint32_t)i;
        if (schema && schema->classes && number == schema->class_count)
            return auxo_error_set(error, AUXO_FORMAT, "%s: '%.60s' is no class that the model knows", split->folder,
                                  split->classes.names[i]);
    }
    return AUXO_OK;
}

static auxo_status set_labels(const image_split *split, const auxo_data_schema *schema, const uint32_t *folders,
                              auxo_dataset *dataset, auxo_error *error)
{
    uint32_t *numbers = auxo__array(split->classes.count, sizeof *numbers);
    if (!numbers)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its classes", split->folder);
    auxo_status status = number_classes(split, schema, numbers, error);
    for (size_t row = 0; row < dataset->row_count && status == AUXO_OK; row++)
        dataset->labels[row] = numbers[folders[row]];
    free(numbers);
    if (status != AUXO_OK)
        return status;
    bool known = schema && schema->classes;
    dataset->target_names =
        auxo__names_copy((const char *const *)(known ? schema->classes : split->classes.names), dataset->class_count);
    return dataset->target_names
               ? AUXO_OK
               : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for class names", split->folder);
}

static auxo_status read_split(const image_split *split, const char *name, const auxo_data_options *options,
                              auxo_dataset **dataset, auxo_error *error)
{
    const auxo_data_schema *schema = options->schema;
    bool labelled = !(schema && options->ignore_labels);
    bool known = schema && schema->classes;
    name_list paths = {0};
    uint32_t *labels = auxo__array(split->row_count, sizeof *labels);
    auxo_status status = labels ? list_rows(split, labelled, options->limit, &paths, labels, error)
                                : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for labels", split->folder);
    const auxo__picture_list list = {.folder = split->folder,
                                     .paths = paths.names,
                                     .count = paths.count,
                                     .rule = schema ? &schema->pictures : &options->pictures,
                                     .target_type = labelled ? AUXO_TARGET_CLASS : AUXO_TARGET_NONE,
                                     .target_count = known ? schema->class_count : (uint32_t)split->classes.count};
    if (status == AUXO_OK)
        status = auxo__pictures_read(name, &list, dataset, error);
    if (status == AUXO_OK && labelled)
        status = set_labels(split, schema, labels, *dataset, error);
    name_list_deinit(&paths);
    free(labels);
    return status;
}

static auxo_status load_folder(const char *folder, const char *name, const auxo_data_options *options,
                               auxo_dataset **dataset, auxo_error *error)
{
    image_split split = {.folder = folder};
    bool flat_allowed = options->schema && options->ignore_labels;
    auxo_status status = list_split(&split, options->schema ? 1 : 2, flat_allowed, error);
    if (status == AUXO_OK)
        status = read_split(&split, name, options, dataset, error);
    image_split_deinit(&split);
    return status;
}

static auxo_status check_same_kind(const char *path, const auxo_dataset *train, const auxo_dataset *test,
                                   auxo_error *error)
{
    bool same = train->target_type == test->target_type && train->class_count == test->class_count &&
                train->channels == test->channels && train->height == test->height && train->width == test->width;
    for (uint32_t i = 0; same && train->target_names && i < train->class_count; i++)
        same = strcmp(train->target_names[i], test->target_names[i]) == 0;
    return same ? AUXO_OK
                : auxo_error_set(error, AUXO_FORMAT, "%s: train and test differ in their classes or image size", path);
}

/* `path` without slashes at its end, in `folder`; *name: its last part. */
static bool trim_path(const char *path, char folder[AUXO__PATH_SIZE], const char **name)
{
    const int length = snprintf(folder, AUXO__PATH_SIZE, "%s", path);
    if (length < 1 || length >= AUXO__PATH_SIZE)
        return false;
    for (size_t end = (size_t)length; end > 1 && folder[end - 1] == '/'; end--)
        folder[end - 1] = '\0';
    const char *slash = strrchr(folder, '/');
    *name = slash && slash[1] ? slash + 1 : folder;
    return true;
}

auxo_status auxo__load_image_folder(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                    auxo_dataset **test, auxo_error *error)
{
    char folder[AUXO__PATH_SIZE], train_path[AUXO__PATH_SIZE], test_path[AUXO__PATH_SIZE];
    const char *name = path;
    if (!trim_path(path, folder, &name) || !join_path(train_path, folder, "train") ||
        !join_path(test_path, folder, "test"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%.300s: the path is too long", path);
    if (!auxo__is_folder(train_path))
        return load_folder(folder, name, options, train, error);
    auxo_status status = load_folder(train_path, name, options, train, error);
    if (status == AUXO_OK && auxo__is_folder(test_path)) {
        status = load_folder(test_path, name, options, test, error);
        if (status == AUXO_OK)
            status = check_same_kind(folder, *train, *test, error);
    }
    return status;
}

auxo_status auxo__load_picture(const char *path, const auxo_data_options *options, auxo_dataset **dataset,
                               auxo_error *error)
{
    char folder[AUXO__PATH_SIZE];
    const char *name = path;
    if (!trim_path(path, folder, &name))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%.300s: the path is too long", path);
    if (!options->ignore_labels)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                              "%s: one picture without a class can be predicted, not measured or trained on", path);
    const bool here = name == folder;
    if (!here)
        folder[name - folder - 1] = '\0';
    image_split split = {.folder = here ? "." : *folder ? folder : "/", .row_count = 1};
    split.files = calloc(1, sizeof *split.files);
    auxo_status status = split.files && append_name(&split.classes, "") && append_name(&split.files[0], name)
                             ? AUXO_OK
                             : auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its name", path);
    if (status == AUXO_OK)
        status = read_split(&split, name, options, dataset, error);
    image_split_deinit(&split);
    return status;
}
