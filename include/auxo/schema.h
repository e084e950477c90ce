/* auxo/schema.h: what a model knows of the data it was trained on.
 *
 * The inputs by name, order and kind, the levels of text, the numbering of the classes, what happens to missing values
 * and pictures of another size, and which rows were held out. A trained model carries it (auxo_model_set_data_schema),
 * files carry it with the model, and auxo_data_options.schema makes the loader bring other data into the same form.
 */
#ifndef AUXO_SCHEMA_H
#define AUXO_SCHEMA_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum auxo_feature_type { AUXO_FEATURES_U8, AUXO_FEATURES_F32 } auxo_feature_type;
typedef enum auxo_target_type {
    AUXO_TARGET_CLASS,
    AUXO_TARGET_REAL,
    AUXO_TARGET_SURVIVAL,
    AUXO_TARGET_NONE /* inputs only: to predict */
} auxo_target_type;
typedef enum auxo_input_kind { AUXO_INPUT_NUMBER, AUXO_INPUT_CATEGORY } auxo_input_kind;
typedef enum auxo_missing_rule { AUXO_MISSING_REFUSE, AUXO_MISSING_DROP, AUXO_MISSING_MEAN } auxo_missing_rule;
typedef enum auxo_picture_fit { AUXO_FIT_STRETCH, AUXO_FIT_CROP, AUXO_FIT_PAD } auxo_picture_fit;
typedef enum auxo_picture_colour { AUXO_COLOUR_AS_IS, AUXO_COLOUR_GREY, AUXO_COLOUR_RGB } auxo_picture_colour;

/* How picture files become rows of one size. All zero: as they are, all of one size and kind. */
typedef struct auxo_picture_rule {
    uint32_t height, width; /* 0: as they are */
    auxo_picture_fit fit;   /* where the shape differs: stretch, cut the longer side, or pad the shorter one */
    auxo_picture_colour colour;
    uint8_t padding[3]; /* red, green, blue */
} auxo_picture_rule;

/* One column of a table that is an input. */
typedef struct auxo_schema_input {
    char *name;
    auxo_input_kind kind;
    char **levels; /* (level_count) CATEGORY: a feature of 0 and 1 for each, in this order */
    size_t level_count;
    double offset; /* NUMBER: the feature is the value minus this, so that f32 holds columns of small spread */
    size_t first_feature;
} auxo_schema_input;

typedef struct auxo_data_schema {
    int64_t channels, height, width; /* of a row */
    auxo_feature_type feature_type;
    /* Tables; with picture_column the columns that stand beside the picture, whose channels follow the picture's own
     * (first_feature counts from there). NULL for pictures alone and generated sets. */
    auxo_schema_input *inputs;
    size_t input_count;
    auxo_picture_rule pictures;
    char *picture_column; /* of the table that named the pictures; NULL: none */
    auxo_target_type target_type;
    char **targets; /* REAL: the columns; CLASS: the column, or none; SURVIVAL: time and event; may be NULL */
    size_t target_count;
    double *target_offsets; /* (target_count) REAL: as auxo_schema_input.offset; NULL: zeros */
    char **classes;         /* (class_count) names in the order of their numbers; may be NULL */
    uint32_t class_count;
    char *group_column,
        *site_column;  /* of a table: rows that were kept together, and where they came from; may be NULL */
    char *event_level; /* SURVIVAL: the text that means an event; may be NULL */
    auxo_missing_rule missing;
    float *missing_values; /* (channels) MEAN: what fills the gaps of each feature; NULL until known */
    double split_fraction; /* of the rows that were held out; 0: none */
    uint64_t split_seed;
    size_t row_count;      /* before that split */
    uint64_t content_hash; /* of those rows; 0: unknown */
} auxo_data_schema;

AUXO_API void
auxo_data_schema_destroy(auxo_data_schema *schema); /* frees everything, the struct too; NULL is allowed */
AUXO_API auxo_status auxo_data_schema_copy(const auxo_data_schema *schema, auxo_data_schema **copy, auxo_error *error);
/* JSON both ways; *text is allocated with malloc. Errors of parsing: FORMAT. */
AUXO_API auxo_status auxo_data_schema_describe(const auxo_data_schema *schema, char **text, auxo_error *error);
AUXO_API auxo_status auxo_data_schema_parse(const char *text, auxo_data_schema **schema, auxo_error *error);
/* The input that a feature belongs to, and its level there (0 for a number); NULL without inputs. */
AUXO_API const auxo_schema_input *auxo_data_schema_input(const auxo_data_schema *schema, size_t feature, size_t *level);

#ifdef __cplusplus
}
#endif
#endif
