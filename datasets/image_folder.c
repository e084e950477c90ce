/* image_folder.c: a folder of images, one subfolder per class: DIR/<class>/<image>, or DIR/train and DIR/test with
 * classes in each.
 *
 * Classes and files are taken in alphabetical order; hidden files are passed over, anything else must decode. Rows
 * alternate between the classes, so that a limit takes from all of them. All images must have one size.
 */
#include "bytes.h"
#include "dataset.h"
#include "image.h"
#include "loaders.h"
#include "source.h"
#include "text.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
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
        else if (is_folder(path) == want_folders && !append_name(list, entry->d_name))
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

static auxo_status list_split(image_split *split, auxo_error *error)
{
    auxo_status status = list_folder(split->folder, true, &split->classes, error);
    if (status != AUXO_OK)
        return status;
    if (split->classes.count < 2 || split->classes.count > MAX_CLASSES)
        return auxo_error_set(error, AUXO_FORMAT, "%s: %zu class folders; at least two are needed", split->folder,
                              split->classes.count);
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

static auxo_status read_image(const image_split *split, size_t class_index, size_t file_index, auxo__image *image,
                              char path[AUXO__PATH_SIZE], auxo_error *error)
{
    char folder[AUXO__PATH_SIZE];
    if (!join_path(folder, split->folder, split->classes.names[class_index]) ||
        !join_path(path, folder, split->files[class_index].names[file_index]))
        return auxo_error_set(error, AUXO_IO, "%.300s: a path in it is too long", split->folder);
    uint8_t *bytes = NULL;
    size_t size = 0;
    auxo_status status = auxo__bytes_read(path, &bytes, &size, error);
    if (status == AUXO_OK)
        status = auxo__image_decode(path, bytes, size, image, error);
    free(bytes);
    return status;
}

/* Reads one image into its row; the first one decides the size and makes the data set. */
static auxo_status add_image(const image_split *split, const char *name, size_t class_index, size_t file_index,
                             size_t row, size_t row_count, auxo_dataset **dataset, auxo_error *error)
{
    char path[AUXO__PATH_SIZE];
    auxo__image image;
    auxo_status status = read_image(split, class_index, file_index, &image, path, error);
    if (status != AUXO_OK)
        return status;
    if (!*dataset) {
        auxo__dataset_shape shape = {.row_count = row_count,
                                     .channels = image.channels,
                                     .height = image.height,
                                     .width = image.width,
                                     .feature_type = AUXO_FEATURES_U8,
                                     .target_type = AUXO_TARGET_CLASS,
                                     .target_count = (uint32_t)split->classes.count};
        status = auxo__dataset_create(name, &shape, dataset, error);
    }
    if (status == AUXO_OK && ((*dataset)->channels != image.channels || (*dataset)->height != image.height ||
                              (*dataset)->width != image.width))
        status = auxo_error_set(error, AUXO_FORMAT,
                                "%s: %u x %u x %u (channels, height, width), but the first is %d x %d x %d", path,
                                image.channels, image.height, image.width, (int)(*dataset)->channels,
                                (int)(*dataset)->height, (int)(*dataset)->width);
    if (status == AUXO_OK) {
        size_t row_bytes = auxo__dataset_row_bytes(*dataset);
        memcpy((uint8_t *)(*dataset)->features + row * row_bytes, image.pixels, row_bytes);
        (*dataset)->labels[row] = (uint32_t)class_index;
    }
    free(image.pixels);
    return status;
}

static auxo_status read_split(const image_split *split, const char *name, size_t limit, auxo_dataset **dataset,
                              auxo_error *error)
{
    size_t row_count = auxo__limited(split->row_count, limit), row = 0;
    auxo_status status = AUXO_OK;
    for (size_t file_index = 0; row < row_count && status == AUXO_OK; file_index++)
        for (size_t i = 0; i < split->classes.count && row < row_count && status == AUXO_OK; i++)
            if (file_index < split->files[i].count)
                status = add_image(split, name, i, file_index, row++, row_count, dataset, error);
    if (status != AUXO_OK)
        return status;
    (*dataset)->target_names = auxo__names_copy((const char *const *)split->classes.names, split->classes.count);
    if (!(*dataset)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for class names", split->folder);
    return AUXO_OK;
}

static auxo_status load_folder(const char *folder, const char *name, size_t limit, auxo_dataset **dataset,
                               auxo_error *error)
{
    image_split split = {.folder = folder};
    auxo_status status = list_split(&split, error);
    if (status == AUXO_OK)
        status = read_split(&split, name, limit, dataset, error);
    image_split_deinit(&split);
    return status;
}

static auxo_status check_same_kind(const char *path, const auxo_dataset *train, const auxo_dataset *test,
                                   auxo_error *error)
{
    bool same = train->class_count == test->class_count && train->channels == test->channels &&
                train->height == test->height && train->width == test->width;
    for (uint32_t i = 0; same && i < train->class_count; i++)
        same = strcmp(train->target_names[i], test->target_names[i]) == 0;
    return same ? AUXO_OK
                : auxo_error_set(error, AUXO_FORMAT, "%s: train and test differ in their classes or image size", path);
}

auxo_status auxo__load_image_folder(const char *path, const auxo_data_options *options, auxo_dataset **train,
                                    auxo_dataset **test, auxo_error *error)
{
    char train_path[AUXO__PATH_SIZE], test_path[AUXO__PATH_SIZE];
    size_t length = strlen(path), start = length;
    while (start > 0 && path[start - 1] == '/')
        start--;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (!join_path(train_path, path, "train") || !join_path(test_path, path, "test"))
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%.300s: the path is too long", path);
    if (!is_folder(train_path))
        return load_folder(path, path + start, options->limit, train, error);
    auxo_status status = load_folder(train_path, path + start, options->limit, train, error);
    if (status == AUXO_OK && is_folder(test_path)) {
        status = load_folder(test_path, path + start, options->limit, test, error);
        if (status == AUXO_OK)
            status = check_same_kind(path, *train, *test, error);
    }
    return status;
}
