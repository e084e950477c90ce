/* table_sets.c: the named data sets that are tables. Tables given by path: table_path.c.
 *
 * A named set says which file, which columns are targets or survival labels, which are dropped, and whether rows with
 * missing values are left out (then the note counts them). UCI sets as in the multi-scale paper, section 7.2.
 */
#include "auxo/table.h"
#include "dataset.h"
#include "loaders.h"
#include "schema.h"
#include "source.h"
#include "table_roles.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_ROLE_COLUMNS = 8 };

typedef struct table_set {
    const char *name, *folder, *train_file, *test_file; /* test_file NULL: no test split of its own */
    const char *targets[MAX_ROLE_COLUMNS];              /* ends at the first NULL */
    const char *dropped[MAX_ROLE_COLUMNS];
    const char *time, *event, *event_level;
    bool drop_missing;
    const char *sample_column; /* NULL, or: rows at the end of the file that lack it are not samples */
} table_set;

static size_t count_names(const char *const *names)
{
    size_t count = 0;
    while (count < MAX_ROLE_COLUMNS && names[count])
        count++;
    return count;
}

/* Leaves out the rows at the end that lack a value in `column`; *count receives how many. */
static auxo_status cut_trailing_rows(auxo_table *table, const char *column, size_t *count, auxo_error *error)
{
    size_t index = 0;
    *count = 0;
    if (!column)
        return AUXO_OK;
    auxo_status status = auxo_table_find(table, column, &index, error);
    while (status == AUXO_OK && table->row_count > 1 && auxo__value_missing(table, index, table->row_count - 1)) {
        table->row_count--;
        (*count)++;
    }
    return status;
}

static auxo_status read_set_file(const table_set *set, const char *file, const auxo_data_options *options,
                                 auxo_dataset **dataset, auxo_error *error)
{
    char folder[AUXO__PATH_SIZE], path[AUXO__PATH_SIZE];
    auxo_table *table = NULL;
    auxo_status status = auxo__source_folder(options, set->folder, folder, sizeof folder, error);
    if (status == AUXO_OK)
        status = auxo__source_file(folder, file, path, sizeof path, error);
    if (status == AUXO_OK)
        status = auxo_table_read(path, NULL, &table, error);
    if (status != AUXO_OK)
        return status;
    size_t trailing_count = 0;
    status = cut_trailing_rows(table, set->sample_column, &trailing_count, error);
    auxo_table_roles roles = {.target_columns = set->targets,
                              .target_column_count = count_names(set->targets),
                              .dropped_columns = set->dropped,
                              .dropped_column_count = count_names(set->dropped),
                              .time_column = set->time,
                              .event_column = set->event,
                              .event_level = set->event_level,
                              .drop_missing = (set->drop_missing && !options->keep_missing) || options->drop_missing,
                              .keep_missing = options->keep_missing,
                              .schema = options->schema,
                              .ignore_labels = options->ignore_labels};
    if (status == AUXO_OK)
        status = auxo_table_dataset(table, set->name, &roles, dataset, error);
    auxo_table_destroy(table);
    if (status == AUXO_OK && trailing_count > 0)
        auxo__note_add((*dataset)->note, sizeof(*dataset)->note, "%zu rows without %s dropped at the end",
                       trailing_count, set->sample_column);
    return status == AUXO_OK ? auxo__limit_rows(dataset, options->limit, error) : status;
}

static auxo_status load_set(const table_set *set, const auxo_data_options *options, auxo_dataset **train,
                            auxo_dataset **test, auxo_error *error)
{
    auxo_status status = read_set_file(set, set->train_file, options, train, error);
    if (status == AUXO_OK && set->test_file)
        status = read_set_file(set, set->test_file, options, test, error);
    return status;
}

/* X(function, fields of table_set...) */
#define TABLE_SETS(X)                                                                                                  \
    X(auxo__load_ccpp, .name = "ccpp", .folder = "uci-ccpp", .train_file = "ccpp.csv", .targets = {"PE"})              \
    X(auxo__load_aep, .name = "aep", .folder = "uci-appliances-energy", .train_file = "energydata_complete.csv",       \
      .targets = {"Appliances", "lights"}, .dropped = {"date", "rv1", "rv2"})                                          \
    X(auxo__load_tf, .name = "tf", .folder = "uci-temperature-forecast", .train_file = "Bias_correction_ucl.csv",      \
      .targets = {"Next_Tmax", "Next_Tmin"}, .dropped = {"station", "Date"}, .drop_missing = true,                     \
      .sample_column = "station")                                                                                      \
    X(auxo__load_metabric, .name = "metabric", .folder = "survival", .train_file = "deepsurv_metabric_train.csv",      \
      .test_file = "deepsurv_metabric_test.csv", .time = "duration", .event = "event")                                 \
    X(auxo__load_support, .name = "support", .folder = "survival", .train_file = "deepsurv_support_train.csv",         \
      .test_file = "deepsurv_support_test.csv", .time = "duration", .event = "event")                                  \
    X(auxo__load_gbsg, .name = "gbsg", .folder = "survival", .train_file = "deepsurv_gbsg_train.csv",                  \
      .test_file = "deepsurv_gbsg_test.csv", .time = "duration", .event = "event")                                     \
    X(auxo__load_whas, .name = "whas", .folder = "survival", .train_file = "deepsurv_whas_train.csv",                  \
      .test_file = "deepsurv_whas_test.csv", .time = "duration", .event = "event")                                     \
    X(auxo__load_gbsg2, .name = "gbsg2", .folder = "survival", .train_file = "sksurv_GBSG2.arff", .time = "time",      \
      .event = "cens")                                                                                                 \
    X(auxo__load_flchain, .name = "flchain", .folder = "survival", .train_file = "sksurv_flchain.arff",                \
      .time = "futime", .event = "death", .event_level = "dead", .dropped = {"chapter"}, .drop_missing = true)         \
    X(auxo__load_gse7390, .name = "gse7390", .folder = "survival",                                                     \
      .train_file = "sksurv_breast_cancer_GSE7390-metastasis.arff", .time = "t.tdm", .event = "e.tdm",                 \
      .drop_missing = true)                                                                                            \
    X(auxo__load_bmt, .name = "bmt", .folder = "survival", .train_file = "sksurv_bmt.arff", .time = "ftime",           \
      .event = "status", .event_level = "1")                                                                           \
    X(auxo__load_cgvhd, .name = "cgvhd", .folder = "survival", .train_file = "sksurv_cgvhd.arff", .time = "survtime",  \
      .event = "stat", .dropped = {"reltime", "agvhtime", "cgvhtime", "rcens", "agvh", "cgvh", "stnum"})

#define DEFINE_LOADER(function, ...)                                                                                   \
    auxo_status function(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,                  \
                         auxo_error *error)                                                                            \
    {                                                                                                                  \
        static const table_set set = {__VA_ARGS__};                                                                    \
        return load_set(&set, options, train, test, error);                                                            \
    }
TABLE_SETS(DEFINE_LOADER)
