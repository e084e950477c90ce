/* table_roles.h: the layout of a table that becomes a data set: shared by the table_*.c files. */
#ifndef AUXO_DATASETS_TABLE_ROLES_H
#define AUXO_DATASETS_TABLE_ROLES_H

#include "auxo/table.h"
#include "dataset.h"

typedef enum column_role {
    ROLE_NONE,
    ROLE_INPUT,
    ROLE_DROPPED,
    ROLE_TARGET,
    ROLE_TIME,
    ROLE_EVENT,
    ROLE_GROUP,
    ROLE_SITE
} column_role;

#define NO_COLUMN SIZE_MAX
enum { AUXO__INPUT_LEVELS_MAX = 256 }; /* of text: one feature each */

/* A column of the table that is an input: one feature, or one for each level. */
typedef struct input_source {
    size_t column;
    size_t first_feature, width;
    bool category;
    bool constant;       /* number: the same in all kept rows, or missing in all of them */
    double offset;       /* number: subtracted in double, before f32 */
    float *narrowed;     /* number of a table that is used up: its values minus the offset; owned; NULL: in the table */
    uint32_t *level_map; /* category: the feature of each level of the table, UINT32_MAX: none; owned, NULL: the same */
} input_source;

typedef struct table_layout {
    const auxo_table *table;
    auxo_table *used_up; /* the same; NULL: it stays as it is */
    uint8_t *roles;      /* (column_count) column_role */
    size_t *targets;     /* (target_count) columns */
    size_t target_count;
    double *target_offsets;          /* (target_count) */
    uint32_t *class_map;             /* as level_map, for the classes of a model; NULL: the same */
    size_t time, event, group, site; /* columns, or NO_COLUMN */
    input_source *inputs;            /* (input_count) */
    size_t input_count, feature_count;
    uint32_t *rows; /* (row_count) rows of the table that are kept */
    size_t row_count;
} table_layout;

/* What the model that `roles` names, or the roles themselves, say about labels. */
bool auxo__labels_ignored(const auxo_table_roles *roles);
/* The inputs and targets of a model's schema in this table, instead of those of the roles. Errors: NOT_FOUND for a
 * missing column; FORMAT for another kind of column, or an unknown level with its first row. */
auxo_status auxo__layout_by_schema(table_layout *layout, const auxo_table_roles *roles, auxo_error *error);
/* After rows are chosen: refuses levels and classes that the model does not know. *unknown: how many cells hold one. */
auxo_status auxo__layout_check_levels(const table_layout *layout, const auxo_table_roles *roles, size_t *unknown,
                                      auxo_error *error);
auxo_status auxo__assign_role(table_layout *layout, const char *name, column_role role, size_t *index,
                              auxo_error *error);
/* auxo_table_dataset that uses the table's inputs up: they take half the memory while the data set is filled. */
auxo_status auxo__table_dataset_using_up(auxo_table *table, const char *name, const auxo_table_roles *roles,
                                         auxo_dataset **dataset, auxo_error *error);
bool auxo__value_missing(const auxo_table *table, size_t column, size_t row);
/* The shape of the data set that a finished layout makes. */
auxo__dataset_shape auxo__table_shape(const table_layout *layout, const auxo_table_roles *roles);
/* What a model will know of the targets. */
auxo_status auxo__table_describe_targets(const table_layout *layout, const auxo_table_roles *roles,
                                         auxo_data_schema *schema, auxo_error *error);
/* Fills labels, targets, or times and events, then groups and sites. Errors: as auxo_table_dataset. */
auxo_status auxo__table_fill_targets(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                                     auxo_error *error);
/* What the user should know of how the table was read; `unknown` cells hold levels that the model does not know. */
void auxo__table_note(const table_layout *layout, const auxo_table_roles *roles, size_t unknown, auxo_dataset *dataset);

#endif
