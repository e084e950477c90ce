/* catalog.c: the table of named data sets and auxo_dataset_load.
 *
 * A data set is one row of CATALOG: name, folder (NULL: generated), licence, home, loader, summary. What is not in
 * the table and looks like a file is read as a table.
 */
#include "loaders.h"
#include "source.h"
#include "suggest.h"

#include <stdlib.h>
#include <string.h>

/* X(name, folder, licence, url, loader, summary) */
#define CATALOG(X)                                                                                                     \
    X("glyphs", NULL, "Apache-2.0 (generated)", "", auxo__load_glyphs,                                                 \
      "generated digits, 28x28 grey, 10 classes; needs no files")                                                      \
    X("mnist", "mnist", "not stated (commonly CC BY-SA 3.0)", "http://yann.lecun.com/exdb/mnist/", auxo__load_mnist,   \
      "handwritten digits, 28x28 grey, 10 classes, 60,000 + 10,000")                                                   \
    X("fashion-mnist", "fashion-mnist", "MIT", "https://github.com/zalandoresearch/fashion-mnist",                     \
      auxo__load_fashion_mnist, "clothes, 28x28 grey, 10 classes, 60,000 + 10,000")                                    \
    X("cifar-10", "cifar-10", "not stated (cite Krizhevsky 2009)", "https://www.cs.toronto.edu/~kriz/cifar.html",      \
      auxo__load_cifar_10, "photographs, 32x32 colour, 10 classes, 50,000 + 10,000")                                   \
    X("cifar-100", "cifar-100", "not stated (cite Krizhevsky 2009)", "https://www.cs.toronto.edu/~kriz/cifar.html",    \
      auxo__load_cifar_100, "photographs, 32x32 colour, 100 fine classes, 50,000 + 10,000")

static const auxo_dataset_entry ENTRIES[] = {
#define CATALOG_ENTRY(name_, folder_, licence_, url_, loader_, summary_)                                               \
    {.name = (name_),                                                                                                  \
     .summary = (summary_),                                                                                            \
     .licence = (licence_),                                                                                            \
     .url = (url_),                                                                                                    \
     .generated = sizeof(url_) == 1,                                                                                   \
     .folder = (folder_)},
    CATALOG(CATALOG_ENTRY)
#undef CATALOG_ENTRY
};

static auxo__loader *const LOADERS[] = {
#define CATALOG_LOADER(name_, folder_, licence_, url_, loader_, summary_) loader_,
    CATALOG(CATALOG_LOADER)
#undef CATALOG_LOADER
};

enum { ENTRY_COUNT = sizeof ENTRIES / sizeof ENTRIES[0] };

const auxo_dataset_entry *auxo_dataset_catalog(size_t *count)
{
    *count = ENTRY_COUNT;
    return ENTRIES;
}

static const char *entry_name(const void *context, size_t index)
{
    (void)context;
    return ENTRIES[index].name;
}

static auxo_status find_entry(const char *name, size_t *index, auxo_error *error)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (strcmp(name, ENTRIES[i].name) == 0) {
            *index = i;
            return AUXO_OK;
        }
    char nearest[128];
    auxo__suggest(name, entry_name, NULL, ENTRY_COUNT, nearest, sizeof nearest);
    return auxo_error_set(error, AUXO_NOT_FOUND, "no data set named '%s'%s; `auxo data list` shows all", name, nearest);
}

auxo_status auxo_dataset_locate(const char *name, const auxo_data_options *options, char *path, size_t path_size,
                                auxo_error *error)
{
    size_t index = 0;
    auxo_status status = find_entry(name, &index, error);
    if (status != AUXO_OK)
        return status;
    if (!ENTRIES[index].folder)
        return auxo_error_set(error, AUXO_NOT_FOUND, "%s is generated and has no files", name);
    return auxo__source_folder(options, ENTRIES[index].folder, path, path_size, error);
}

auxo_status auxo_dataset_load(const char *name, const auxo_data_options *options, auxo_dataset **train,
                              auxo_dataset **test, auxo_error *error)
{
    static const auxo_data_options defaults = {0};
    if (!name || !train || !test)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_dataset_load: null argument");
    *train = *test = NULL;
    size_t index = 0;
    auxo_status status = find_entry(name, &index, error);
    if (status == AUXO_OK)
        status = LOADERS[index](options ? options : &defaults, train, test, error);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(*train);
        auxo_dataset_destroy(*test);
        *train = *test = NULL;
    }
    return status;
}
