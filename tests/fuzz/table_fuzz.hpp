// tests/fuzz/table_fuzz.hpp: reads bytes as a table and makes data sets of what was read, once per kind of target.
#pragma once

#include "auxo/table.h"

#include <cstring>
#include <vector>

extern "C" {
#include "cells.h"
}

inline void make_dataset(const auxo_table *table, const auxo_table_roles &roles)
{
    auxo_dataset *dataset = nullptr;
    auxo_error error = {};
    if (auxo_table_dataset(table, "fuzz", &roles, &dataset, &error) == AUXO_OK)
        auxo_dataset_destroy(dataset);
}

inline void fuzz_table(const uint8_t *data, size_t size, bool is_arff)
{
    std::vector<char> text(data, data + size);
    text.push_back('\0');
    auxo_table_format options = {};
    auxo_table *table = nullptr;
    auxo_error error = {};
    if (auxo__table_parse("fuzz", text.data(), size, is_arff, &options, &table, &error) != AUXO_OK)
        return;
    std::vector<const char *> names;
    for (size_t i = 0; i < table->column_count; i++)
        names.push_back(table->columns[i].name);
    auxo_table_roles roles = {};
    make_dataset(table, roles);
    roles.drop_missing = true;
    roles.target_columns = names.data() + names.size() - 1;
    roles.target_column_count = 1;
    make_dataset(table, roles);
    if (names.size() >= 5) {
        auxo_table_roles survival = {};
        survival.drop_missing = true;
        survival.time_column = names[0];
        survival.event_column = names[1];
        survival.group_column = names[2];
        survival.site_column = names[3];
        make_dataset(table, survival);
    }
    auxo_table_destroy(table);
}
