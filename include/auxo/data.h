/* auxo/data.h: data sets in host memory: found, read, generated, split, described.
 *
 * A dataset is a table of samples: features (u8 images or f32 columns) and either class labels, real targets or
 * survival labels. Readers refuse what does not parse, naming file and position; they never guess.
 */
#ifndef AUXO_DATA_H
#define AUXO_DATA_H

#include "auxo/arrays.h"
#include "auxo/schema.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct auxo_mapped_rows auxo_mapped_rows; /* rows that stay in a file */

typedef struct auxo_dataset {
    char name[64];
    size_t row_count;
    int64_t channels, height, width; /* images; tables: channels = columns, height = width = 1 */
    auxo_feature_type feature_type;
    void *features; /* (row_count, channels, height, width) */
    auxo_target_type target_type;
    uint32_t class_count;  /* TARGET_CLASS */
    uint32_t *labels;      /* (row_count), TARGET_CLASS */
    uint32_t target_count; /* TARGET_REAL: columns */
    float *targets;        /* (row_count, target_count), TARGET_REAL; minus schema->target_offsets */
    double *times;         /* (row_count), TARGET_SURVIVAL */
    uint32_t *events;      /* (row_count), TARGET_SURVIVAL; 1 = event, 0 = censored */
    char **feature_names;  /* channels entries, or NULL */
    char **target_names;   /* target_count or class_count entries, or NULL */
    uint32_t *groups;      /* (row_count) patient or group numbers, or NULL */
    uint32_t *sites;       /* (row_count) source numbers, or NULL */
    char **site_names;     /* (site_count) what the numbers stand for, or NULL */
    uint32_t site_count;
    uint32_t
        *row_numbers; /* (row_count) where each row stands in the file or set it came from, from 1; NULL: in order */
    char **row_names; /* (row_count) the file of each picture, or NULL */
    auxo_mapped_rows *mapped; /* not NULL: rows lie in a file, and features, labels, targets and all that has one entry
                               * a row are NULL; auxo_dataset_read gives them */
    auxo_data_schema *schema; /* what a model trained on it will know; NULL for sets made by hand */
    size_t known_rows;        /* loaded with a model's schema: as many rows as that was made of, or 0 */
    uint64_t known_hash;      /* the content hash of the first known_rows, before gaps were filled */
    char note[512];           /* what the reader chose, left out, and why; one line for the user; "" if nothing */
} auxo_dataset;

AUXO_API void auxo_dataset_destroy(auxo_dataset *dataset); /* frees everything, the struct too */

/* What a numeric target column of a table means: measured numbers, or the numbers of classes. */
typedef enum auxo_target_kind { AUXO_TARGET_KIND_AUTO, AUXO_TARGET_KIND_CLASS, AUXO_TARGET_KIND_REAL } auxo_target_kind;

/* How the text of a CSV file is written. All zero: comma or what the header shows, a point, nothing else. */
typedef struct auxo_table_format {
    char delimiter;                   /* 0: the one of , ; tab | that the header has most of, or space */
    char decimal;                     /* 0: a point */
    char thousands;                   /* between groups of three digits; 0: none */
    char comment;                     /* lines that begin with it are passed over; 0: none */
    bool no_header;                   /* the first line is a row; columns are called x1, x2, .. */
    const char *const *missing_texts; /* cells that are missing values, besides empty, NA, NaN and ? */
    size_t missing_text_count;
    const char *const *categorical_columns; /* read as text although they are numbers */
    size_t categorical_column_count;
} auxo_table_format;

typedef struct auxo_data_options {
    const char *data_dir;           /* --data-dir; NULL: AUXO_DATA_DIR, then ~/.cache/auxo */
    uint64_t seed;                  /* generators */
    size_t limit;                   /* at most this many rows per split; 0: all */
    size_t generated_count;         /* rows a generator makes for training; 0: its default; test gets a fifth */
    const auxo_data_schema *schema; /* of a trained model: rows come in its form, whatever the order of columns */
    bool ignore_labels;             /* with schema: read inputs only; TARGET_NONE */
    bool unknown_levels_missing;    /* with schema: an unknown level counts as missing instead of refusing it */
    bool prefer_classes; /* tables: under AUTO a target column of numbers holds classes, as a loss of them says */
    auxo_target_kind target_kind;    /* tables */
    const auxo_table_format *format; /* CSV: how the file is written; NULL: detected */
    auxo_picture_rule pictures;      /* folders and lists of pictures */
    const char *picture_column;      /* tables: the column of paths of pictures, which are the inputs; NULL: none */
    bool drop_missing;               /* CSV/ARFF: drop rows with missing values instead of refusing */
    bool keep_missing;               /* CSV/ARFF: missing inputs become NaN, to be filled; before drop_missing */
    bool to_show; /* tables: text of too many values for an input, and rows without a target, are left out and noted */
    const char *const *input_columns; /* CSV: names; NULL: all that are not targets */
    size_t input_column_count;
    const char *const *dropped_columns; /* tables: names that are no inputs, though all others are; NULL: none */
    size_t dropped_column_count;
    const char *const *target_columns; /* CSV: names; NULL: the last */
    size_t target_column_count;
    const char *time_column, *event_column; /* tables: survival data instead of targets; both or neither */
    const char *event_level;                /* the text that means an event; NULL: 1, true, yes, dead, event */
    const char *group_column, *site_column; /* tables: as auxo_table_roles; NULL: none */
    bool allow_missing_files; /* CIFAR: go on without a training batch that is not there; the note names it */
    const char *labels_file;  /* .npy: the file of labels or targets; NULL: found by the name of the inputs' file */
    bool map;                 /* packed sets and arrays of classes or real targets: rows stay in the file, or in the
                               * caller's memory */
    const auxo_arrays *arrays, *test_arrays; /* rows in memory, instead of what `name` says; test_arrays may be NULL */
} auxo_data_options;

/* Loads a data set by name ("fashion-mnist", "glyphs", "ccpp", "reactor"), a table by the path of its .csv or .arff
 * file (any other file is read as CSV, or as a picture by a model of pictures that predicts), a packed set (.auxo),
 * NumPy arrays (.npy, .npz), or a folder of images (PNG, PGM, PPM; one subfolder per class,
 * perhaps below train/ and test/) by a path with a slash. With options->arrays it makes a set of those, and name may be
 * NULL. Sets without a test split of their own come with *test NULL.
 * Ownership: the caller's. Errors: NOT_FOUND lists the folders searched and the nearest names; FORMAT names file and
 * position. */
AUXO_API auxo_status auxo_dataset_load(const char *name, const auxo_data_options *options, auxo_dataset **train,
                                       auxo_dataset **test, auxo_error *error);

typedef struct auxo_dataset_entry {
    const char *name, *summary, *licence, *url;
    bool generated;
    const char *folder; /* below the data folder; NULL when generated */
} auxo_dataset_entry;
/* Every named data set; *count entries; static. */
AUXO_API const auxo_dataset_entry *auxo_dataset_catalog(size_t *count);
/* Writes the existing folder of a named real set to `path`. Errors: NOT_FOUND lists the folders searched. */
AUXO_API auxo_status auxo_dataset_locate(const char *name, const auxo_data_options *options, char *path,
                                         size_t path_size, auxo_error *error);

/* Splits off `fraction` of the rows, drawn with `seed`; rows of one group (groups != NULL) stay together.
 * *part receives the fraction, *rest the others; both new. stratified: keeps class proportions. Errors:
 * INVALID_ARGUMENT for a fraction that leaves one of them without rows, as where all rows are of one group. */
AUXO_API auxo_status auxo_dataset_split(const auxo_dataset *dataset, double fraction, uint64_t seed, bool stratified,
                                        auxo_dataset **part, auxo_dataset **rest, auxo_error *error);
/* Fold number `fold` (from 0) of `folds`, drawn with `seed`: every row is in exactly one, rows of one group together,
 * classes and events in proportion. *part receives the fold, *rest the others; both new. */
AUXO_API auxo_status auxo_dataset_fold(const auxo_dataset *dataset, uint32_t folds, uint32_t fold, uint64_t seed,
                                       auxo_dataset **part, auxo_dataset **rest, auxo_error *error);
/* Holds out `fraction` of *rows for testing: *held_out receives them, *rows the others; classes and events keep their
 * proportions. Both schemas say so, so that auxo_dataset_held_out finds the same rows again. */
AUXO_API auxo_status auxo_dataset_hold_out(auxo_dataset **rows, double fraction, uint64_t seed, auxo_dataset **held_out,
                                           auxo_error *error);
/* Where `dataset` begins with the very rows that a model was trained and tested on by `schema`: splits them again into
 * *held_out and *trained_on. Else, or where nothing was held out, both are NULL. */
AUXO_API auxo_status auxo_dataset_held_out(const auxo_dataset *dataset, const auxo_data_schema *schema,
                                           auxo_dataset **held_out, auxo_dataset **trained_on, auxo_error *error);
/* Hash (XXH3) of the values of the first `row_count` rows: inputs, labels, targets, times and events. */
AUXO_API auxo_status auxo_dataset_content_hash(const auxo_dataset *dataset, size_t row_count, uint64_t *hash,
                                               auxo_error *error);
/* Outputs that a network for it needs: classes, target columns, or 1 risk; 0 without targets. */
AUXO_API uint32_t auxo_dataset_output_count(const auxo_dataset *dataset);
/* What a model trained on it should know; borrowed. NULL for sets made by hand. */
AUXO_API const auxo_data_schema *auxo_dataset_schema(const auxo_dataset *dataset);
/* The place of a row in its file or set, from 1. */
AUXO_API size_t auxo_dataset_row_number(const auxo_dataset *dataset, size_t row);
/* Fills the gaps (NaN) of a table's inputs with the means of the rows of `train`, in `train` and in `others` (entries
 * may be NULL), and notes them in the schema of `train`. *filled (may be NULL): how many. */
AUXO_API auxo_status auxo_dataset_impute(auxo_dataset *train, auxo_dataset *const *others, size_t other_count,
                                         size_t *filled, auxo_error *error);
/* Where rows are read to, row after row; NULL: not wanted. */
typedef struct auxo_row_block {
    void *features;   /* (count, channels, height, width), of the data set's feature_type */
    uint32_t *labels; /* (count), TARGET_CLASS */
    float *targets;   /* (count, target_count), TARGET_REAL */
} auxo_row_block;
/* Reads rows[0 .. count), or without `rows` those from `first` on, wherever they lie. From any thread. Errors:
 * INVALID_ARGUMENT for a row that is not there; FORMAT where the file has changed since it was packed. */
AUXO_API auxo_status auxo_dataset_read(const auxo_dataset *dataset, const uint32_t *rows, size_t first, size_t count,
                                       const auxo_row_block *block, auxo_error *error);
/* Adds to counts (class_count) the rows of each class, wherever they lie. */
AUXO_API auxo_status auxo_dataset_count_classes(const auxo_dataset *dataset, size_t *counts, auxo_error *error);
/* Rows that lie together in the file, a power of two; 0 for rows in memory. */
AUXO_API size_t auxo_dataset_block_rows(const auxo_dataset *dataset);
/* The given rows, in order, as a new data set in memory. */
AUXO_API auxo_status auxo_dataset_select(const auxo_dataset *dataset, const uint32_t *rows, size_t count,
                                         auxo_dataset **selected, auxo_error *error);
/* Mean and population standard deviation per channel (u8 scaled by 1/255 first), in the units of the file, missing
 * values left out; a constant column has exactly 0. Arrays of `channels`; of real targets: of `target_count`. */
AUXO_API auxo_status auxo_dataset_column_summary(const auxo_dataset *dataset, double *means, double *stds,
                                                 auxo_error *error);
AUXO_API auxo_status auxo_dataset_target_summary(const auxo_dataset *dataset, double *means, double *stds,
                                                 auxo_error *error);
/* Mean and 1/std per channel of the features as stored (u8 scaled by 1/255 first); std 0 gives 1. Arrays of
 * `channels`. */
AUXO_API auxo_status auxo_dataset_channel_stats(const auxo_dataset *dataset, float *means, float *inverse_stds,
                                                auxo_error *error);
/* Puts values[column] where an input of a table is NaN (or, where rows lie in a file, whenever it is read); *filled
 * (may be NULL): how many were. values (channels): the means of the training rows, for test rows too. */
AUXO_API auxo_status auxo_dataset_fill_missing(auxo_dataset *dataset, const float *values, size_t *filled,
                                               auxo_error *error);
/* Mean and 1/std of the columns of real targets. */
AUXO_API auxo_status auxo_dataset_target_stats(const auxo_dataset *dataset, float *means, float *inverse_stds,
                                               auxo_error *error);
/* ---- packed sets -------------------------------------------------------------------------------------------------
 * A file of rows as they lie in memory, in shards with a hash each, that knows all that the reader knew: names, kinds,
 * levels, classes, shape, the rule for missing values. It is loaded by its path (.auxo), and with auxo_data_options.map
 * its rows stay in the file: sets larger than memory. Names of picture files are not kept. */
typedef struct auxo_packer auxo_packer;
/* The file appears complete or not at all. */
AUXO_API auxo_status auxo_packer_create(const char *path, auxo_packer **packer, auxo_error *error);
/* Adds loaded rows (in memory); all training rows, then test rows, in as many parts as wanted. Errors: FORMAT for a
 * part that is not of the form of the first. */
AUXO_API auxo_status auxo_packer_add(auxo_packer *packer, const auxo_dataset *part, bool test, auxo_error *error);
/* Ends the packer, whatever is returned. *size_bytes may be NULL. */
AUXO_API auxo_status auxo_packer_finish(auxo_packer *packer, uint64_t *size_bytes, auxo_error *error);
AUXO_API void auxo_packer_destroy(auxo_packer *packer); /* without a file; NULL is allowed */

/* log relative risk of a simulated subject with covariates x: LINEAR x0 + 2 x1; GAUSSIAN log(5) exp(-2 (x0^2 + x1^2))
 * (the two shapes of DeepSurv's simulation, Katzman et al. 2018). */
typedef enum auxo_risk { AUXO_RISK_LINEAR, AUXO_RISK_GAUSSIAN } auxo_risk;

typedef struct auxo_survival_simulation {
    size_t row_count;
    uint32_t column_count; /* at least 2; uniform in [-1, 1]; those after the second do not matter */
    auxo_risk risk;
    double median_time;            /* baseline median survival time, > 0 */
    double weibull_shape;          /* > 0; 1: exponential baseline */
    double censoring_rate;         /* expected share of censored rows, [0, 1); exponential censoring times */
    uint32_t site_count;           /* 1 or 2 */
    double site_shift, site_scale; /* at the second site, x is recorded as scale x + shift; risks are unchanged */
    uint32_t
        rows_per_group; /* rows of one patient: same time and event, covariates recorded with noise; 0 or 1: none */
    uint64_t seed;
    uint32_t stream; /* independent draws of one seed: 1 train, 2 test */
} auxo_survival_simulation;

/* Simulates survival data; rows do not depend on row_count. Ownership: the caller's. Errors: INVALID_ARGUMENT. */
AUXO_API auxo_status auxo_survival_simulate(const auxo_survival_simulation *simulation, auxo_dataset **dataset,
                                            auxo_error *error);
/* A permutation of 0..count-1: Fisher-Yates on Philox (seed, stream). */
AUXO_API void auxo_shuffle(uint32_t *order, size_t count, uint64_t seed, uint32_t stream);

#ifdef __cplusplus
}
#endif
#endif
