/* table_roles.h: the layout of a table that becomes a data set: shared by table_dataset.c and table_targets.c. */
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

/* A result column: a numeric column, or one level of a text column (SIZE_MAX: a level this table does not have). */
typedef struct feature_source {
    size_t column, level;
} feature_source;

typedef struct table_layout {
    const auxo_table *table;
    uint8_t *roles;                  /* (column_count) column_role */
    size_t *targets;                 /* (roles->target_column_count) columns */
    size_t time, event, group, site; /* columns, or NO_COLUMN */
    feature_source *features;        /* (feature_count) */
    size_t feature_count;
    uint32_t *rows; /* (row_count) rows of the table that are kept */
    size_t row_count;
} table_layout;

bool auxo__value_missing(const auxo_table *table, size_t column, size_t row);
/* The shape of the data set that a finished layout makes. */
auxo__dataset_shape auxo__table_shape(const table_layout *layout, const auxo_table_roles *roles);
/* Fills labels, targets, or times and events, then groups and sites. Errors: as auxo_table_dataset. */
auxo_status auxo__table_fill_targets(const table_layout *layout, const auxo_table_roles *roles, auxo_dataset *dataset,
                                     auxo_error *error);

#endif
