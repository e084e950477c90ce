// tests/fuzz/study_fuzz.cpp: databases as studies. Each line is a row: a letter for its table, then its cells, parted
// by tabs; the rows are put into an empty study in memory and read: trials, distributions, reports, attributes; and
// what is made of them: shares of parameters, pruning, proposals, the report's pictures. An input that begins with '!'
// changes bytes of a whole database instead, three to a change (where, in two bytes, and what), which is then opened as
// a file.
#include "fuzz_file.hpp"

#include "auxo/report.h"

#include <algorithm>
#include <cstring>
#include <vector>

extern "C" {
#include "study_internal.h"
}

namespace
{

void look_at(auxo_study *study, bool draws)
{
    auxo_error error = {};
    size_t count = 0;
    const auxo_trial *trials = auxo_study_trials(study, &count);
    auxo_importance *shares = nullptr;
    size_t share_count = 0;
    if (auxo_study_importance(study, &shares, &share_count, &error) == AUXO_OK)
        std::free(shares);
    auxo_study_best(study);
    auxo_space space = {};
    for (size_t i = 0; i < count; i++) {
        bool pruned = false;
        for (auxo_pruner_kind kind : {AUXO_PRUNER_MEDIAN, AUXO_PRUNER_HALVING}) {
            auxo_pruner pruner;
            auxo_pruner_init(kind, &pruner);
            pruner.startup = 1;
            auxo_pruner_judge(&pruner, trials, count, &trials[i], study->maximizes, &pruned, &error);
        }
        if (const char *worker = auxo_trial_attribute_json(&trials[i], "worker", false))
            auxo__worker_is_gone(worker);
        for (size_t p = 0; p < trials[i].parameter_count && space.count < 8; p++) {
            auxo_parameter parameter;
            if (auxo_parameter_parse(trials[i].parameters[p].distribution, &parameter, &error) != AUXO_OK)
                continue;
            std::snprintf(parameter.name, sizeof parameter.name, "%s", trials[i].parameters[p].name);
            char text[64], *json = nullptr;
            auxo_parameter_text(&parameter, trials[i].parameters[p].value, text, sizeof text);
            if (auxo_parameter_print(&parameter, &json, &error) == AUXO_OK)
                std::free(json);
            auxo_space_add(&space, &parameter, &error);
            auxo_parameter_deinit(&parameter);
        }
    }
    auxo_sampler sampler;
    auxo_sampler_init(AUXO_SAMPLER_TPE, 1, &sampler);
    sampler.startup = 1;
    sampler.candidates = 2;
    sampler.multivariate = count % 2;
    std::vector<double> values(space.count + 1);
    auxo_study_propose(study, &space, &sampler, count, values.data(), &error);
    auxo_space_deinit(&space);
    auxo_report *report = nullptr;
    if (draws && auxo_report_create("fuzz", &report, &error) == AUXO_OK)
        auxo_study_draw(study, report, &error);
    auxo_report_destroy(report);
}

// ---- SQLite's memory -----------------------------------------------------------------------------------------------

// SQLite is not instrumented: its memory comes from lists of sizes of powers of two, since the sanitizer's would be
// most of the time. The size stands before each piece.
struct Pool {
    static void *take(int size)
    {
        int kind = 5;
        while ((1 << kind) < size)
            kind++;
        void *&first = lists()[kind];
        char *piece = static_cast<char *>(first);
        if (piece)
            std::memcpy(&first, piece, sizeof first);
        else if (!(piece = static_cast<char *>(std::malloc(16 + (size_t(1) << kind)))))
            return nullptr;
        else
            *reinterpret_cast<int *>(piece) = kind, piece += 16;
        return piece;
    }
    static int kind_of(void *piece)
    {
        return *reinterpret_cast<int *>(static_cast<char *>(piece) - 16);
    }
    static void give(void *piece)
    {
        if (!piece)
            return;
        void *&first = lists()[kind_of(piece)];
        std::memcpy(piece, &first, sizeof first);
        first = piece;
    }
    static void *resize(void *piece, int size)
    {
        void *other = take(size);
        if (other) {
            std::memcpy(other, piece, size_t(std::min(size, size_of(piece))));
            give(piece);
        }
        return other;
    }
    static int size_of(void *piece)
    {
        return piece ? 1 << kind_of(piece) : 0;
    }
    static void **lists()
    {
        static void *all[32];
        return all;
    }
    static int round_up(int size)
    {
        return size;
    }
    static int begin(void *)
    {
        return SQLITE_OK;
    }
    static void end(void *)
    {
    }
};

void set_memory()
{
    static const sqlite3_mem_methods methods = {Pool::take,     Pool::give,  Pool::resize, Pool::size_of,
                                                Pool::round_up, Pool::begin, Pool::end,    nullptr};
    if (sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_SINGLETHREAD) != SQLITE_OK ||
        sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0) != SQLITE_OK)
        std::abort();
}

// ---- rows ----------------------------------------------------------------------------------------------------------

struct Table {
    char letter;
    const char *sql;
};
const Table tables[] = {
    {'s', "INSERT INTO study_system_attributes (study_id, \"key\", value_json) VALUES (1, ?, ?)"},
    {'u', "INSERT INTO study_user_attributes (study_id, \"key\", value_json) VALUES (1, ?, ?)"},
    {'t', "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete) "
          "VALUES (?, ?, 1, ?, ?, ?)"},
    {'p', "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json) VALUES (?, ?, ?, ?)"},
    {'v', "INSERT INTO trial_values (trial_id, objective, value, value_type) VALUES (?, 0, ?, ?)"},
    {'r', "INSERT INTO trial_intermediate_values (trial_id, step, intermediate_value, intermediate_value_type) "
          "VALUES (?, ?, ?, ?)"},
    {'a', "INSERT INTO trial_user_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?)"},
    {'b', "INSERT INTO trial_system_attributes (trial_id, \"key\", value_json) VALUES (?, ?, ?)"},
};
enum { TABLES = sizeof tables / sizeof *tables };

struct Memory {
    auxo__database database = {};
    sqlite3_stmt *insert[TABLES] = {};

    Memory()
    {
        auxo_error error = {};
        if (auxo__database_open(&database, ":memory:", true, false, 1, &error) != AUXO_OK ||
            auxo__database_script(&database, "PRAGMA page_size = 512", &error) != AUXO_OK ||
            auxo__schema_open(&database, true, &error) != AUXO_OK ||
            auxo__database_script(&database,
                                  "INSERT INTO studies VALUES (1, 'fuzz');"
                                  "INSERT INTO study_directions VALUES (1, 'MINIMIZE', 1, 0)",
                                  &error) != AUXO_OK)
            std::abort();
        for (int i = 0; i < TABLES; i++)
            if (sqlite3_prepare_v2(database.handle, tables[i].sql, -1, &insert[i], nullptr) != SQLITE_OK)
                std::abort();
    }

    void add(const char *line, const char *end)
    {
        int place = 0;
        while (place < TABLES && tables[place].letter != *line)
            place++;
        if (place == TABLES)
            return;
        sqlite3_stmt *row = insert[place];
        sqlite3_reset(row);
        sqlite3_clear_bindings(row);
        int cell = 1;
        for (const char *at = line + 1; at < end && cell <= sqlite3_bind_parameter_count(row); cell++) {
            at++; // the tab
            const char *tab = at < end ? static_cast<const char *>(std::memchr(at, '\t', size_t(end - at))) : nullptr;
            const char *stop = tab ? tab : end;
            if (at <= stop)
                sqlite3_bind_text(row, cell, at, int(stop - at), SQLITE_TRANSIENT);
            at = stop;
        }
        sqlite3_step(row);
        sqlite3_reset(row);
    }
};

void add_rows(Memory &memory, const char *text, size_t size)
{
    for (const char *at = text, *end = text + size; at < end;) {
        const char *line = static_cast<const char *>(std::memchr(at, '\n', size_t(end - at)));
        const char *stop = line ? line : end;
        if (stop > at)
            memory.add(at, stop);
        at = stop + 1;
    }
}

void read_rows(const char *text, size_t size)
{
    static Memory memory;
    auxo_error error = {};
    auxo__database_script(&memory.database, "BEGIN", nullptr);
    add_rows(memory, text, size);
    auxo_study study = {};
    study.database = memory.database;
    study.id = 1;
    study.maximizes = size % 2;
    if (auxo_study_refresh(&study, &error) == AUXO_OK)
        look_at(&study, size % 4 == 0);
    char *json = nullptr;
    for (const char *name : {"space", "auxo:space", "study:metric_names"})
        for (bool system : {false, true})
            if (auxo_study_get_attribute(&study, name, system, &json, &error) == AUXO_OK)
                std::free(json);
    for (size_t i = 0; i < study.count; i++)
        auxo__kept_trial_deinit(&study.kept[i]);
    std::free(study.kept);
    std::free(study.trials);
    auxo__database_rollback(&memory.database);
}

void open_changed(const std::vector<uint8_t> &whole, const uint8_t *changes, size_t size)
{
    static FuzzFile file;
    std::vector<uint8_t> bytes = whole;
    for (size_t i = 0; i + 3 <= size; i += 3)
        bytes[(changes[i] | changes[i + 1] << 8) % bytes.size()] = changes[i + 2];
    if (size % 3 == 2) // cut off
        bytes.resize(bytes.size() * changes[size - 1] / 256);
    auxo_error error = {};
    const char *path = file.hold(bytes.data(), bytes.size());
    char **names = nullptr;
    size_t count = 0;
    if (auxo_study_names(path, &names, &count, &error) == AUXO_OK) {
        for (size_t i = 0; i < count; i++)
            std::free(names[i]);
        std::free(names);
    }
    auxo_study_options options = {};
    options.read_only = true;
    auxo_study *study = nullptr;
    if (auxo_study_open(path, &options, &study, &error) != AUXO_OK)
        return;
    look_at(study, true);
    auxo_study_close(study);
}

// A study of two trials as a file.
std::vector<uint8_t> whole_file()
{
    static const char rows[] =
        "t\t1\t0\tCOMPLETE\t2026-11-30 23:30:36.183856\t2026-11-30 23:30:36.905695\n"
        "t\t2\t1\tRUNNING\t2026-11-30 23:30:36.909570\n"
        "p\t1\tlr\t0.25\t{\"name\":\"FloatDistribution\",\"attributes\":{\"step\":null,\"low\":0.01,\"high\":1,\"log\":"
        "true}}\n"
        "p\t2\tlr\t0.5\t{\"name\":\"FloatDistribution\",\"attributes\":{\"step\":null,\"low\":0.01,\"high\":1,\"log\":"
        "true}}\n"
        "p\t2\tact\t1\t{\"name\":\"CategoricalDistribution\",\"attributes\":{\"choices\":[\"relu\",\"elu\"]}}\n"
        "v\t1\t0.5\tFINITE\nr\t1\t1\t0.75\tFINITE\nr\t2\t1\t0\tINF_POS\n"
        "a\t2\tworker\t{\"machine\":\"x\",\"process\":1,\"began\":2}\n";
    static Memory memory;
    add_rows(memory, rows, sizeof rows - 1);
    sqlite3_int64 size = 0;
    unsigned char *bytes = sqlite3_serialize(memory.database.handle, "main", &size, 0);
    if (!bytes)
        std::abort();
    std::vector<uint8_t> file(bytes, bytes + size);
    sqlite3_free(bytes);
    return file;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const std::vector<uint8_t> whole = (set_memory(), whole_file());
    if (size > 0 && data[0] == '!')
        open_changed(whole, data + 1, size - 1);
    else
        read_rows(reinterpret_cast<const char *>(data), size);
    return 0;
}
