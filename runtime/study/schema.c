/* schema.c: Optuna's relational schema, version 12, revision v3.2.0.a: the tables exactly as Optuna's own storage
 * creates them in SQLite, and the check of those that a file has.
 */
#include "study_internal.h"

#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 12 };
static const char REVISION[] = "v3.2.0.a";

/* In the order in which Optuna creates them. */
static const char *const tables[] = {
    ("CREATE TABLE studies (\n"
     "\tstudy_id INTEGER NOT NULL, \n"
     "\tstudy_name VARCHAR(512) NOT NULL, \n"
     "\tPRIMARY KEY (study_id)\n"
     ");"),
    "CREATE UNIQUE INDEX ix_studies_study_name ON studies (study_name);",
    ("CREATE TABLE version_info (\n"
     "\tversion_info_id INTEGER NOT NULL, \n"
     "\tschema_version INTEGER, \n"
     "\tlibrary_version VARCHAR(256), \n"
     "\tPRIMARY KEY (version_info_id), \n"
     "\tCHECK (version_info_id=1)\n"
     ");"),
    ("CREATE TABLE study_directions (\n"
     "\tstudy_direction_id INTEGER NOT NULL, \n"
     "\tdirection VARCHAR(8) NOT NULL, \n"
     "\tstudy_id INTEGER NOT NULL, \n"
     "\tobjective INTEGER NOT NULL, \n"
     "\tPRIMARY KEY (study_direction_id), \n"
     "\tUNIQUE (study_id, objective), \n"
     "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
     ");"),
    ("CREATE TABLE study_user_attributes (\n"
     "\tstudy_user_attribute_id INTEGER NOT NULL, \n"
     "\tstudy_id INTEGER, \n"
     "\t\"key\" VARCHAR(512), \n"
     "\tvalue_json TEXT, \n"
     "\tPRIMARY KEY (study_user_attribute_id), \n"
     "\tUNIQUE (study_id, \"key\"), \n"
     "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
     ");"),
    ("CREATE TABLE study_system_attributes (\n"
     "\tstudy_system_attribute_id INTEGER NOT NULL, \n"
     "\tstudy_id INTEGER, \n"
     "\t\"key\" VARCHAR(512), \n"
     "\tvalue_json TEXT, \n"
     "\tPRIMARY KEY (study_system_attribute_id), \n"
     "\tUNIQUE (study_id, \"key\"), \n"
     "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
     ");"),
    ("CREATE TABLE trials (\n"
     "\ttrial_id INTEGER NOT NULL, \n"
     "\tnumber INTEGER, \n"
     "\tstudy_id INTEGER, \n"
     "\tstate VARCHAR(8) NOT NULL, \n"
     "\tdatetime_start DATETIME, \n"
     "\tdatetime_complete DATETIME, \n"
     "\tPRIMARY KEY (trial_id), \n"
     "\tFOREIGN KEY(study_id) REFERENCES studies (study_id)\n"
     ");"),
    "CREATE INDEX ix_trials_study_id ON trials (study_id);",
    ("CREATE TABLE trial_user_attributes (\n"
     "\ttrial_user_attribute_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER, \n"
     "\t\"key\" VARCHAR(512), \n"
     "\tvalue_json TEXT, \n"
     "\tPRIMARY KEY (trial_user_attribute_id), \n"
     "\tUNIQUE (trial_id, \"key\"), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE trial_system_attributes (\n"
     "\ttrial_system_attribute_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER, \n"
     "\t\"key\" VARCHAR(512), \n"
     "\tvalue_json TEXT, \n"
     "\tPRIMARY KEY (trial_system_attribute_id), \n"
     "\tUNIQUE (trial_id, \"key\"), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE trial_params (\n"
     "\tparam_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER, \n"
     "\tparam_name VARCHAR(512), \n"
     "\tparam_value FLOAT, \n"
     "\tdistribution_json TEXT, \n"
     "\tPRIMARY KEY (param_id), \n"
     "\tUNIQUE (trial_id, param_name), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE trial_values (\n"
     "\ttrial_value_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER NOT NULL, \n"
     "\tobjective INTEGER NOT NULL, \n"
     "\tvalue FLOAT, \n"
     "\tvalue_type VARCHAR(7) NOT NULL, \n"
     "\tPRIMARY KEY (trial_value_id), \n"
     "\tUNIQUE (trial_id, objective), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE trial_intermediate_values (\n"
     "\ttrial_intermediate_value_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER NOT NULL, \n"
     "\tstep INTEGER NOT NULL, \n"
     "\tintermediate_value FLOAT, \n"
     "\tintermediate_value_type VARCHAR(7) NOT NULL, \n"
     "\tPRIMARY KEY (trial_intermediate_value_id), \n"
     "\tUNIQUE (trial_id, step), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE trial_heartbeats (\n"
     "\ttrial_heartbeat_id INTEGER NOT NULL, \n"
     "\ttrial_id INTEGER NOT NULL, \n"
     "\theartbeat DATETIME NOT NULL, \n"
     "\tPRIMARY KEY (trial_heartbeat_id), \n"
     "\tUNIQUE (trial_id), \n"
     "\tFOREIGN KEY(trial_id) REFERENCES trials (trial_id)\n"
     ");"),
    ("CREATE TABLE alembic_version (\n"
     "\tversion_num VARCHAR(32) NOT NULL, \n"
     "\tCONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)\n"
     ");"),
};

/* The library version under which Optuna knows this schema first in this form. */
static const char LIBRARY[] = "4.0.0";

static auxo_status create_tables(auxo__database *database, auxo_error *error)
{
    auxo_status status = AUXO_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == AUXO_OK; i++)
        status = auxo__database_script(database, tables[i], error);
    if (status == AUXO_OK)
        status = auxo__database_run(database, error, "INSERT INTO version_info VALUES (1, ?, ?)", "it",
                                    (int64_t)SCHEMA_VERSION, LIBRARY);
    if (status == AUXO_OK)
        status = auxo__database_run(database, error, "INSERT INTO alembic_version VALUES (?)", "t", REVISION);
    return status;
}

static auxo_status count_tables(auxo__database *database, const char *name, int64_t *count, auxo_error *error)
{
    return auxo__database_integer(
        database, count, 0, error,
        "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND (?1 IS NULL OR name = ?1)", "t", name);
}

static auxo_status check_version(auxo__database *database, auxo_error *error)
{
    int64_t version = 0, known = 0, revisions = 0;
    auxo_status status =
        auxo__database_integer(database, &version, 0, error, "SELECT schema_version FROM version_info", "");
    if (status == AUXO_OK)
        status = count_tables(database, "alembic_version", &revisions, error);
    if (status == AUXO_OK && revisions)
        status = auxo__database_integer(database, &known, 0, error,
                                        "SELECT COUNT(*) FROM alembic_version WHERE version_num = ?", "t", REVISION);
    if (status != AUXO_OK || (version == SCHEMA_VERSION && known == 1))
        return status;
    if (version > SCHEMA_VERSION)
        return auxo_error_set(error, AUXO_FORMAT,
                              "study: %s has schema version %lld, newer than the %d that this Auxo reads; take a newer "
                              "Auxo",
                              database->path, (long long)version, SCHEMA_VERSION);
    return auxo_error_set(error, AUXO_FORMAT,
                          "study: %s has schema version %lld of another revision than %s; `optuna storage upgrade "
                          "--storage sqlite:///%s` brings it up to date",
                          database->path, (long long)version, REVISION, database->path);
}

/* Two processes may find the same empty file: the second waits for the lock and then sees the tables. */
auxo_status auxo__schema_open(auxo__database *database, bool create, auxo_error *error)
{
    int64_t all = 0, version_tables = 0;
    auxo_status status = count_tables(database, "version_info", &version_tables, error);
    if (status == AUXO_OK && version_tables == 0 && create) {
        status = auxo__database_script(database, "BEGIN IMMEDIATE", error);
        if (status != AUXO_OK)
            return status;
        status = count_tables(database, NULL, &all, error);
        if (status == AUXO_OK && all == 0)
            status = create_tables(database, error);
        if (status == AUXO_OK)
            status = auxo__database_script(database, "COMMIT", error);
        else
            auxo__database_rollback(database);
        if (status == AUXO_OK)
            status = count_tables(database, "version_info", &version_tables, error);
    }
    if (status == AUXO_OK && version_tables == 0)
        return auxo_error_set(error, AUXO_FORMAT, "study: %s is a database of something else; give another file",
                              database->path);
    return status == AUXO_OK ? check_version(database, error) : status;
}
