/* table_pictures.h: tables whose rows name pictures (internal to this folder). */
#ifndef AUXO_DATASETS_TABLE_PICTURES_H
#define AUXO_DATASETS_TABLE_PICTURES_H

#include "auxo/table.h"
#include "schema.h"

/* Makes a data set of the pictures that `column` names and the targets of `roles`. Changes the table. */
auxo_status auxo__table_pictures(auxo_table *table, const char *name, const char *column, const auxo_table_roles *roles,
                                 const auxo_picture_rule *rule, size_t limit, auxo_dataset **dataset,
                                 auxo_error *error);

#endif
