/* catalog.c: the table of named data sets and auxo_dataset_load.
 *
 * A data set is one row of CATALOG: name, folder (NULL: generated), licence, home, loader, summary. A name that ends
 * in .csv or .arff is a table's path, and so is any other file (read as CSV); any other name with a slash is the path
 * of a folder of images.
 */
#include "dataset.h"
#include "file.h"
#include "loaders.h"
#include "schema.h"
#include "source.h"
#include "suggest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

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
      auxo__load_cifar_100, "photographs, 32x32 colour, 100 fine classes, 50,000 + 10,000")                            \
    X("svhn", "svhn", "non-commercial use (as published)", "http://ufldl.stanford.edu/housenumbers/", auxo__load_svhn, \
      "street view house numbers, 32x32 colour, 10 classes, 73,257 + 26,032")                                          \
    X("small-norb", "small-norb", "research use (as published)", "https://cs.nyu.edu/~ylclab/data/norb-v1.0-small/",   \
      auxo__load_small_norb, "stereo pairs of toys, 96x96 grey, 5 classes, 24,300 + 24,300")                           \
    X("reactor", NULL, "Apache-2.0 (generated)", "", auxo__load_reactor,                                               \
      "generated stirred-tank reactor: 4 inputs, 2 real targets, 10,000 rows")                                         \
    X("puzzle15", NULL, "Apache-2.0 (generated)", "", auxo__load_puzzle15,                                             \
      "generated 15-puzzle boards, one-hot, target: exact moves to the goal")                                          \
    X("puzzle15-80", NULL, "Apache-2.0 (generated)", "", auxo__load_puzzle15_80,                                       \
      "the same from longer walks, up to 80 moves, as many as any board needs")                                        \
    X("korf100", "puzzle15-korf100", "not stated (cite Korf 1985)", "https://doi.org/10.1016/0004-3702(85)90084-0",    \
      auxo__load_korf100, "Korf's 100 hard 15-puzzle boards, as puzzle15")                                             \
    X("ccpp", "uci-ccpp", "CC BY 4.0 (UCI)", "https://archive.ics.uci.edu/dataset/294/combined+cycle+power+plant",     \
      auxo__load_ccpp, "power plant: 4 inputs, 1 real target, 9,568 rows")                                             \
    X("aep", "uci-appliances-energy", "CC BY 4.0 (UCI)",                                                               \
      "https://archive.ics.uci.edu/dataset/374/appliances+energy+prediction", auxo__load_aep,                          \
      "appliances energy: 24 inputs, 2 real targets, 19,735 rows")                                                     \
    X("tf", "uci-temperature-forecast", "CC BY 4.0 (UCI)",                                                             \
      "https://archive.ics.uci.edu/dataset/514/bias+correction+of+numerical+prediction+model+temperature+forecast",    \
      auxo__load_tf, "temperature forecast: 21 inputs, 2 real targets, 7,588 complete rows")                           \
    X("metabric", "survival", "MIT (DeepSurv); the study's own terms", "https://github.com/jaredleekatzman/DeepSurv",  \
      auxo__load_metabric, "survival, breast cancer: 9 inputs, 1,523 + 381 rows")                                      \
    X("support", "survival", "MIT (DeepSurv); the study's own terms", "https://github.com/jaredleekatzman/DeepSurv",   \
      auxo__load_support, "survival, seriously ill patients: 14 inputs, 7,098 + 1,775 rows")                           \
    X("gbsg", "survival", "MIT (DeepSurv); the study's own terms", "https://github.com/jaredleekatzman/DeepSurv",      \
      auxo__load_gbsg, "survival, breast cancer: 7 inputs, 1,546 (Rotterdam) + 686 (GBSG) rows")                       \
    X("whas", "survival", "MIT (DeepSurv); the study's own terms", "https://github.com/jaredleekatzman/DeepSurv",      \
      auxo__load_whas, "survival, heart attack: 6 inputs, 1,310 + 328 rows")                                           \
    X("gbsg2", "survival", "GPL-3 (scikit-survival); the study's own terms",                                           \
      "https://github.com/sebp/scikit-survival", auxo__load_gbsg2, "survival, breast cancer: 8 columns, 686 rows")     \
    X("flchain", "survival", "GPL-3 (scikit-survival); the study's own terms",                                         \
      "https://github.com/sebp/scikit-survival", auxo__load_flchain,                                                   \
      "survival, free light chain: complete rows of 7,874")                                                            \
    X("gse7390", "survival", "GPL-3 (scikit-survival); the study's own terms",                                         \
      "https://github.com/sebp/scikit-survival", auxo__load_gse7390,                                                   \
      "survival, breast cancer genes: time to metastasis, 198 rows")                                                   \
    X("bmt", "survival", "GPL-3 (scikit-survival); the study's own terms", "https://github.com/sebp/scikit-survival",  \
      auxo__load_bmt, "survival, bone marrow transplant (relapse), 35 rows")                                           \
    X("cgvhd", "survival", "GPL-3 (scikit-survival); the study's own terms",                                           \
      "https://github.com/sebp/scikit-survival", auxo__load_cgvhd, "survival, transplant patients, 100 rows")          \
    X("survival-sim", NULL, "Apache-2.0 (generated)", "", auxo__load_survival_sim,                                     \
      "simulated survival: linear risk, 10 inputs, 30 % censored")                                                     \
    X("survival-sim-nonlinear", NULL, "Apache-2.0 (generated)", "", auxo__load_survival_sim_nonlinear,                 \
      "simulated survival: Gaussian risk, Weibull times")                                                              \
    X("survival-sim-sites", NULL, "Apache-2.0 (generated)", "", auxo__load_survival_sim_sites,                         \
      "simulated survival: two sites, the second shifted and scaled")                                                  \
    X("glyphs-survival", NULL, "Apache-2.0 (generated)", "", auxo__load_glyphs_survival,                               \
      "glyphs with survival labels by risk group")                                                                     \
    X("mnist-survival", "mnist", "not stated (commonly CC BY-SA 3.0)", "http://yann.lecun.com/exdb/mnist/",            \
      auxo__load_mnist_survival, "mnist with simulated survival labels by risk group")                                 \
    X("fashion-survival", "fashion-mnist", "MIT", "https://github.com/zalandoresearch/fashion-mnist",                  \
      auxo__load_fashion_survival, "fashion-mnist with simulated survival labels by risk group")

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

static auxo_status find_entry(const char *name, size_t *index, auxo_error *error)
{
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        if (strcmp(name, ENTRIES[i].name) == 0) {
            *index = i;
            return AUXO_OK;
        }
    const char *names[ENTRY_COUNT];
    for (size_t i = 0; i < ENTRY_COUNT; i++)
        names[i] = ENTRIES[i].name;
    char nearest[128];
    auxo__suggest(name, names, ENTRY_COUNT, nearest, sizeof nearest);
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

/* Whether `name` is the path of a table: it ends like one, perhaps packed. */
static bool is_table_path(const char *name)
{
    static const char *const endings[] = {".csv",    ".tsv",     ".txt",    ".arff",   ".csv.gz", ".tsv.gz",
                                          ".txt.gz", ".arff.gz", ".csv.xz", ".tsv.xz", ".txt.xz", ".arff.xz"};
    size_t length = strlen(name);
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t ending_length = strlen(endings[i]);
        if (length > ending_length && strcasecmp(name + length - ending_length, endings[i]) == 0)
            return true;
    }
    return false;
}

/* A named set has its own columns and kinds: what changes them is refused rather than passed over. */
static auxo_status check_named_options(const char *name, const auxo_data_options *options, auxo_error *error)
{
    const char *setting = options->input_columns                                 ? "inputs"
                          : options->target_columns                              ? "targets"
                          : options->target_kind != AUXO_TARGET_KIND_AUTO        ? "target-kind"
                          : options->picture_column                              ? "images"
                          : options->pictures.height || options->pictures.colour ? "resize and colour"
                                                                                 : NULL;
    return setting ? auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s is a named data set; %s does not apply to it",
                                    name, setting)
                   : AUXO_OK;
}

/* What every loaded set carries: a schema, with the hash by which its rows are known again. */
static auxo_status finish_schema(const auxo_data_options *options, auxo_dataset *dataset, auxo_error *error)
{
    if (!dataset)
        return AUXO_OK;
    if (options->schema && (!dataset->schema || !options->schema->inputs || options->schema->picture_column)) {
        auxo_status status = auxo__schema_check_fields(options->schema, dataset, error);
        if (status != AUXO_OK)
            return status;
    }
    if (!dataset->schema)
        dataset->schema = auxo__schema_of_fields(dataset);
    if (dataset->schema && dataset->row_names)
        dataset->schema->pictures = options->schema ? options->schema->pictures : options->pictures;
    if (!dataset->schema)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for its description", dataset->name);
    dataset->schema->row_count = dataset->row_count;
    /* Rows of which the hash is not known are read once for it. */
    auxo_status status = auxo_dataset_content_hash(dataset, dataset->row_count, &dataset->schema->content_hash, error);
    if (status == AUXO_OK && options->schema && dataset->row_count >= options->schema->row_count) {
        dataset->known_rows = options->schema->row_count;
        dataset->known_hash = dataset->schema->content_hash;
        if (dataset->known_rows < dataset->row_count)
            status = auxo_dataset_content_hash(dataset, dataset->known_rows, &dataset->known_hash, error);
    }
    if (status != AUXO_OK)
        return status;
    dataset->schema->split_fraction = 0;
    dataset->schema->split_seed = 0;
    if (options->schema && options->schema->missing_values && dataset->channels == options->schema->channels) {
        size_t filled = 0;
        status = auxo_dataset_fill_missing(dataset, options->schema->missing_values, &filled, error);
        if (status != AUXO_OK)
            return status;
        if (filled > 0)
            auxo__note_add(dataset->note, sizeof dataset->note,
                           "%zu missing values replaced by the means that the model was trained with", filled);
    }
    return AUXO_OK;
}

/* What is for tables only. */
static auxo_status check_table_options(const char *name, const auxo_data_options *options, auxo_error *error)
{
    const bool other = options->arrays || auxo__is_packed_path(name) || auxo__is_numpy_path(name);
    if (!options->dropped_columns || (!other && (is_table_path(name) || auxo__is_regular_file(name))))
        return AUXO_OK;
    return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s is no table of columns; drop does not apply to it",
                          options->arrays ? "an array" : name);
}

/* A file whose name says nothing: a picture for a model of pictures, else a table. */
static auxo_status load_file(const char *name, const auxo_data_options *options, auxo_dataset **train,
                             auxo_error *error)
{
    const auxo_data_schema *schema = options->schema;
    return schema && !schema->inputs && !schema->picture_column && schema->height * schema->width > 1
               ? auxo__load_picture(name, options, train, error)
               : auxo__load_table_path(name, options, train, error);
}

static auxo_status load_any(const char *name, const auxo_data_options *options, auxo_dataset **train,
                            auxo_dataset **test, auxo_error *error)
{
    size_t index = 0;
    if (check_table_options(name, options, error) != AUXO_OK)
        return AUXO_INVALID_ARGUMENT;
    if (options->arrays)
        return auxo__load_arrays(options, train, test, error);
    if (auxo__is_packed_path(name))
        return auxo__load_packed(name, options, train, test, error);
    if (auxo__is_numpy_path(name))
        return auxo__load_numpy(name, options, train, test, error);
    if (is_table_path(name))
        return auxo__load_table_path(name, options, train, error);
    if ((strchr(name, '/') || !auxo__is_folder(name)) && auxo__is_idx_path(name))
        return auxo__load_idx_folder(name, options, train, test, error);
    if (strchr(name, '/') && auxo__is_regular_file(name))
        return load_file(name, options, train, error);
    if (strchr(name, '/'))
        return auxo__load_image_folder(name, options, train, test, error);
    auxo_status status = find_entry(name, &index, error);
    if (status != AUXO_OK && auxo__is_regular_file(name))
        return load_file(name, options, train, error);
    if (status != AUXO_OK && auxo__is_folder(name) && auxo__is_idx_path(name))
        return auxo__load_idx_folder(name, options, train, test, error);
    if (status != AUXO_OK && auxo__is_folder(name))
        return auxo__load_image_folder(name, options, train, test, error);
    if (status == AUXO_OK)
        status = check_named_options(name, options, error);
    if (status == AUXO_OK)
        status = LOADERS[index](options, train, test, error);
    if (status == AUXO_OK) {
        snprintf((*train)->name, sizeof(*train)->name, "%s", name);
        if (*test)
            snprintf((*test)->name, sizeof(*test)->name, "%s", name);
    }
    return status;
}

auxo_status auxo_dataset_load(const char *name, const auxo_data_options *options, auxo_dataset **train,
                              auxo_dataset **test, auxo_error *error)
{
    static const auxo_data_options defaults = {0};
    options = options ? options : &defaults;
    if ((!name && !options->arrays) || !train || !test)
        return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "auxo_dataset_load: null argument");
    *train = *test = NULL;
    auxo_status status = load_any(name, options, train, test, error);
    if (status == AUXO_OK)
        status = finish_schema(options, *train, error);
    if (status == AUXO_OK)
        status = finish_schema(options, *test, error);
    if (status != AUXO_OK) {
        auxo_dataset_destroy(*train);
        auxo_dataset_destroy(*test);
        *train = *test = NULL;
    }
    return status;
}
