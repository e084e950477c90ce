/* auxo/run.h: what a user starts, stops, resumes, compares and reports: a run of a method, its settings, its events.
 *
 * A method (train, autosize, morph, resbuild, multiscale, search, survival, sweep ...) is described by tables: its
 * settings, from which options, configuration files, manuals and the comparison on resume follow, and its events, from
 * which JSON lines, terminal lines, CSV and the HTML report follow. A run is opened fresh or from its checkpoint,
 * stepped until it is done or told to stop, and finished. After any step it can be saved, and what is restored goes on
 * to the same bits on the same device. Threading: one thread at a time per run.
 */
#ifndef AUXO_RUN_H
#define AUXO_RUN_H

#include "auxo/data.h"
#include "auxo/device.h"
#include "auxo/model.h"
#include "auxo/table.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- files ------------------------------------------------------------------------------------------------------- */
/* What the library itself writes with: the path holds all of the old content or all of the new, at any moment; a link
 * stays a link; what is no regular file is written to, never replaced. Errors: IO. */
AUXO_API auxo_status auxo_file_write(const char *path, const void *data, size_t size_bytes, auxo_error *error);
/* Fails (IO, beginning with `what`) if a file could not be written at `path` (NULL: fine), so that hours of work are
 * not lost at their end. Creates nothing. */
AUXO_API auxo_status auxo_file_check_writable(const char *what, const char *path, auxo_error *error);

/* ---- settings ---------------------------------------------------------------------------------------------------- */
typedef enum auxo_setting_type {
    AUXO_SETTING_FLAG,    /* yes or no */
    AUXO_SETTING_TEXT,    /* anything but nothing */
    AUXO_SETTING_INTEGER, /* a whole number >= 0 */
    AUXO_SETTING_REAL,    /* a finite number */
    AUXO_SETTING_SECONDS, /* 90, 90s, 1.5m, 2h */
    AUXO_SETTING_CHOICE   /* one of argument's values: "first|second|none" */
} auxo_setting_type;

/* What a setting means to a run that is resumed. */
typedef enum auxo_setting_role {
    AUXO_SETTING_SHAPES, /* it shapes the numbers: another value is refused */
    AUXO_SETTING_GROWS,  /* how far to go: may differ on resume */
    AUXO_SETTING_ADAPTS, /* it shapes the numbers, but another value may be given on resume, which a note then tells;
                          * where none is given, that of the checkpoint stays */
    AUXO_SETTING_DATA,   /* where rows come from: may differ as long as the rows are the same */
    AUXO_SETTING_FREE    /* where results go and how they are shown */
} auxo_setting_role;

typedef struct auxo_setting_value {
    const char *setting, *value; /* of a flag: "yes" or "no" */
} auxo_setting_value;

/* A named set of values, chosen by a CHOICE setting; what is given as well wins over it. */
enum { AUXO_PRESET_VALUES_MAX = 16 };
typedef struct auxo_preset {
    const char *name, *help;
    auxo_setting_value values[AUXO_PRESET_VALUES_MAX]; /* ends at setting NULL */
} auxo_preset;

typedef struct auxo_setting {
    const char *name;
    auxo_setting_type type;
    const char *argument;       /* how help names the value: "N", "FILE"; CHOICE: the values; FLAG: NULL */
    const char *initial;        /* the default, as text; NULL: none */
    const char *help;           /* sentence without a full stop */
    double minimum, maximum;    /* INTEGER, REAL, SECONDS; both 0: no limits; maximum 0 with minimum > 0: none */
    const auxo_preset *presets; /* CHOICE: one per choice, in the same order; NULL: the choice sets nothing else */
    auxo_setting_role role;
    bool ends_schedule; /* GROWS: it says where a falling learning rate ends, and then shapes the run after all */
    /* The one form of texts that mean the same ("momentum" and "momentum:lr=0.01"); NULL: the text as it is. */
    auxo_status (*canonical)(const char *text, char *canonical, size_t size, auxo_error *error);
} auxo_setting;

/* The end of every table of settings. */
#define AUXO_SETTINGS_END                                                                                              \
    {                                                                                                                  \
        0                                                                                                              \
    }

typedef struct auxo_method auxo_method;
typedef struct auxo_settings auxo_settings;

/* All settings at their defaults. Ownership: the caller's. */
AUXO_API auxo_status auxo_settings_create(const auxo_method *method, auxo_settings **settings, auxo_error *error);
/* The same for tables of a caller's own (a NULL-ended list); `defaults` (ended by setting NULL; may be NULL) stand in
 * for the tables' own. Tables and defaults are borrowed. */
AUXO_API auxo_status auxo_settings_create_from(const auxo_setting *const *tables, const auxo_setting_value *defaults,
                                               auxo_settings **settings, auxo_error *error);
AUXO_API auxo_status auxo_settings_copy(const auxo_settings *settings, auxo_settings **copy, auxo_error *error);
AUXO_API void auxo_settings_destroy(auxo_settings *settings);
/* Sets one by its name. value NULL: as if it had never been given. Errors: INVALID_ARGUMENT names the setting (or the
 * nearest name), the value, and what would be right. */
AUXO_API auxo_status auxo_settings_set(auxo_settings *settings, const char *name, const char *value, auxo_error *error);
/* Sets all that a JSON object {"name": value, ...} holds; "method" is passed over. Settings given before keep their
 * values: a file stands below the command line. Errors: FORMAT, INVALID_ARGUMENT name the file and the setting. */
AUXO_API auxo_status auxo_settings_load(auxo_settings *settings, const char *path, auxo_error *error);
/* Rows in memory, instead of what "data" says, which becomes their name. Borrowed, by copies of the settings too; see
 * auxo/arrays.h. test NULL: no test split of their own; train NULL: none any more. */
AUXO_API auxo_status auxo_settings_set_arrays(auxo_settings *settings, const auxo_arrays *train,
                                              const auxo_arrays *test, auxo_error *error);
/* The method that such a file names with "method"; *method NULL: it names none. Errors: FORMAT; NOT_FOUND: there is no
 * such method. */
AUXO_API auxo_status auxo_settings_file_method(const char *path, const auxo_method **method, auxo_error *error);

/* The getters cannot fail: values were checked when set. A name that is in no table is a programming error; it reads as
 * not given. */
AUXO_API bool auxo_settings_given(const auxo_settings *settings, const char *name); /* set, or set by a preset */
AUXO_API bool auxo_settings_flag(const auxo_settings *settings, const char *name);
AUXO_API const char *auxo_settings_text(const auxo_settings *settings,
                                        const char *name); /* NULL without value and default */
AUXO_API uint64_t auxo_settings_integer(const auxo_settings *settings,
                                        const char *name);                             /* 0 without value and default */
AUXO_API double auxo_settings_real(const auxo_settings *settings, const char *name);   /* REAL and SECONDS */
AUXO_API size_t auxo_settings_choice(const auxo_settings *settings, const char *name); /* position among the choices */
/* The description of a setting; NULL if there is none of that name. */
AUXO_API const auxo_setting *auxo_settings_find(const auxo_settings *settings, const char *name);
AUXO_API const auxo_setting *const *auxo_settings_tables(const auxo_settings *settings);

/* ---- data by settings -------------------------------------------------------------------------------------------- */
AUXO_API extern const auxo_setting auxo_data_settings[]; /* data, data-dir, limit, inputs, targets, ... */

/* What a saved model changes: rows come in the form it knows. Zeroed: nothing. */
typedef struct auxo_data_request {
    const char *name;               /* instead of the setting "data" and its arrays */
    uint64_t seed;                  /* of what generates rows */
    const auxo_data_schema *schema; /* NULL: rows as they are */
    bool ignore_labels, unknown_levels_missing;
    bool keep_gaps; /* unless told to drop; and text of too many values is left out: to show data, not to train on it */
    bool map;       /* as auxo_data_options.map */
} auxo_data_request;
/* Loads by the settings of auxo_data_settings; *test is NULL where the set has no test split. Ownership: the caller's.
 */
AUXO_API auxo_status auxo_settings_load_data(const auxo_settings *settings, const auxo_data_request *request,
                                             auxo_dataset **train, auxo_dataset **test, auxo_error *error);
/* Under missing = mean: fills the gaps of all parts with the means of `train`. validation, test may be NULL. *filled:
 * how many. */
AUXO_API auxo_status auxo_settings_impute(const auxo_settings *settings, auxo_dataset *train, auxo_dataset *validation,
                                          auxo_dataset *test, size_t *filled, auxo_error *error);

/* A list of texts: a,b,"c,d" (a quoted item may hold commas, and "" for a quote). */
typedef struct auxo_list {
    char **items;
    size_t count;
    char *text; /* what the items point into */
} auxo_list;
/* `text` NULL: an empty list. Ownership: deinit it, also after a failure. Errors: INVALID_ARGUMENT names the setting.
 */
AUXO_API auxo_status auxo_list_parse(const char *setting, const char *text, auxo_list *list, auxo_error *error);
AUXO_API void auxo_list_deinit(auxo_list *list);

/* Which columns say what happened when, in survival data: entries for a table of settings. */
#define AUXO_OUTCOME_SETTINGS                                                                                          \
    {.name = "time",                                                                                                   \
     .type = AUXO_SETTING_TEXT,                                                                                        \
     .argument = "COLUMN",                                                                                             \
     .help = "Column of times to the event or to censoring",                                                           \
     .role = AUXO_SETTING_DATA},                                                                                       \
        {.name = "event",                                                                                              \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "COLUMN",                                                                                         \
         .help = "Column that says whether the event happened (1, true, yes, dead, event)",                            \
         .role = AUXO_SETTING_DATA},                                                                                   \
    {                                                                                                                  \
        .name = "event-level", .type = AUXO_SETTING_TEXT, .argument = "TEXT",                                          \
        .help = "The text of the event column that means an event", .role = AUXO_SETTING_DATA                          \
    }

/* How a CSV file is written: entries for a table of settings, and what they say. */
#define AUXO_TABLE_FORMAT_SETTINGS                                                                                     \
    {.name = "categorical",                                                                                            \
     .type = AUXO_SETTING_TEXT,                                                                                        \
     .argument = "A,B,...",                                                                                            \
     .help = "Table columns of numbers whose values are only names: one input for each value",                         \
     .role = AUXO_SETTING_DATA},                                                                                       \
        {.name = "na-values",                                                                                          \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "A,B,...",                                                                                        \
         .help = "Cells that are missing values, besides empty ones, NA, NaN and ?",                                   \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "delimiter",                                                                                          \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "C",                                                                                              \
         .help =                                                                                                       \
             "What separates the fields of a CSV file: one character, or tab or space (default: the one of , ; tab | " \
             "that the header has most of; space where it has none)",                                                  \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "decimal",                                                                                            \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "C",                                                                                              \
         .help = "Decimal mark of numbers in a CSV file (default: .)",                                                 \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "thousands",                                                                                          \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "C",                                                                                              \
         .help = "Mark between groups of three digits in a CSV file (default: none)",                                  \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "comment",                                                                                            \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "C",                                                                                              \
         .help = "Lines of a CSV file that begin with this character are passed over",                                 \
         .role = AUXO_SETTING_DATA},                                                                                   \
    {                                                                                                                  \
        .name = "no-header", .type = AUXO_SETTING_FLAG,                                                                \
        .help = "The first line of a CSV file is a row; the columns are called x1, x2, ...", .role = AUXO_SETTING_DATA \
    }

typedef struct auxo_table_format_settings {
    auxo_table_format format; /* points into the lists */
    auxo_list categorical, missing;
} auxo_table_format_settings;
/* Ownership: deinit it, also after a failure. */
AUXO_API auxo_status auxo_table_format_read(const auxo_settings *settings, auxo_table_format_settings *read,
                                            auxo_error *error);
AUXO_API void auxo_table_format_deinit(auxo_table_format_settings *format);

/* How pictures that a table names become inputs: entries for a table of settings, and what all but "images" say. */
#define AUXO_PICTURE_SETTINGS                                                                                          \
    {.name = "images",                                                                                                 \
     .type = AUXO_SETTING_TEXT,                                                                                        \
     .argument = "COLUMN",                                                                                             \
     .help = "The table column that holds paths of pictures, beside the table or absolute; they are the inputs, and "  \
             "columns that inputs names stand beside them, each value a channel that is the same at every pixel",      \
     .role = AUXO_SETTING_DATA},                                                                                       \
        {.name = "resize",                                                                                             \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "HxW",                                                                                            \
         .help = "Bring every picture to this size (default: all must have one size)",                                 \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "fit",                                                                                                \
         .type = AUXO_SETTING_CHOICE,                                                                                  \
         .argument = "stretch|crop|pad",                                                                               \
         .initial = "stretch",                                                                                         \
         .help =                                                                                                       \
             "With resize, a picture of another shape: stretched, its longer side cut, or its shorter side padded",    \
         .role = AUXO_SETTING_DATA},                                                                                   \
        {.name = "padding",                                                                                            \
         .type = AUXO_SETTING_TEXT,                                                                                    \
         .argument = "RRGGBB",                                                                                         \
         .initial = "000000",                                                                                          \
         .help = "The colour that fit pad pads with, in hexadecimal",                                                  \
         .role = AUXO_SETTING_DATA},                                                                                   \
    {                                                                                                                  \
        .name = "colour", .type = AUXO_SETTING_CHOICE, .argument = "as-is|grey|rgb", .initial = "as-is",               \
        .help = "Read pictures as grey or as red, green and blue, whatever they are", .role = AUXO_SETTING_DATA        \
    }
AUXO_API auxo_status auxo_picture_rule_read(const auxo_settings *settings, auxo_picture_rule *rule, auxo_error *error);

/* ---- events ------------------------------------------------------------------------------------------------------ */
typedef enum auxo_field_type {
    AUXO_FIELD_BOOL,    /* bool */
    AUXO_FIELD_U32,     /* uint32_t */
    AUXO_FIELD_U64,     /* uint64_t */
    AUXO_FIELD_REAL,    /* double; NaN: does not apply */
    AUXO_FIELD_FLOAT,   /* float */
    AUXO_FIELD_TEXT,    /* const char *; NULL: does not apply */
    AUXO_FIELD_CHARS,   /* char[]; "": does not apply */
    AUXO_FIELD_NUMBERS, /* auxo_numbers */
    AUXO_FIELD_RECORDS, /* auxo_records */
    AUXO_FIELD_JSON     /* const char *: a JSON value as it is; NULL: left out */
} auxo_field_type;

typedef struct auxo_numbers {
    const double *values;
    size_t count;
} auxo_numbers;

struct auxo_event_type;
typedef struct auxo_records {
    const void *items; /* count records of `type`, `stride` bytes apart */
    size_t count, stride;
    const struct auxo_event_type *type;
} auxo_records;

/* How much of an event who sees. */
enum {
    AUXO_EVENT_KEPT = 1,      /* its numbers become history: CSV, charts, checkpoints */
    AUXO_EVENT_TRANSIENT = 2, /* progress: on terminals it has one line that changes */
    AUXO_EVENT_LINE_ONLY = 4  /* a line for people; no JSON */
};
/* Where a field is seen. */
enum {
    AUXO_FIELD_OPTIONAL = 1, /* left out instead of null */
    AUXO_FIELD_LINE_ONLY = 2 /* for the line; never in JSON, CSV or history */
};

typedef struct auxo_field {
    const char *name; /* as in JSON */
    auxo_field_type type;
    size_t offset; /* within the record */
    uint32_t flags;
} auxo_field;

typedef struct auxo_event_type {
    const char *name;         /* "epoch" */
    const auxo_field *fields; /* ends at name NULL */
    /* The line for people. {field} or {field:format} stands for a value; formats are those of printf (".5f"), "count"
     * (1,234), "bytes", "duration", "percent" (of a fraction), "none" (nothing: to make a [part]
     * depend on it). A part in [brackets] is left
     * out if a field in it does not apply, is false, or is 0. NULL: no line. */
    const char *line;
    uint32_t flags;
} auxo_event_type;

typedef struct auxo_event {
    const auxo_event_type *type;
    const void *record;
} auxo_event;

/* Called for each event, in the thread that steps the run; what the event points to is borrowed until it returns. */
typedef void auxo_listener(void *user, const auxo_event *event);

/* {"event":"<name>",...}. Numbers that are not finite become null. Errors: OUT_OF_MEMORY. Ownership: free(*text). */
AUXO_API auxo_status auxo_event_json(const auxo_event *event, char **text, auxo_error *error);
/* Its line for people, without a newline at its end; *text NULL if it has none. Ownership: free(*text). */
AUXO_API auxo_status auxo_event_line(const auxo_event *event, char **text, auxo_error *error);

/* ---- methods ----------------------------------------------------------------------------------------------------- */
/* Every method, in the order of help; *count entries; static. */
AUXO_API const auxo_method *const *auxo_methods(size_t *count);
/* By its name ("train", "multiscale train"); NULL if there is none. */
AUXO_API const auxo_method *auxo_method_find(const char *name);

typedef struct auxo_method_info {
    const char *name, *summary, *description, *examples; /* paragraphs are parted by empty lines */
    const auxo_setting *const *settings;                 /* NULL-ended list of tables */
    const auxo_setting_value *defaults;   /* that differ from the tables'; ended by setting NULL, or NULL */
    const auxo_event_type *const *events; /* NULL-ended */
    const char *operand;                  /* the setting that a bare word on a command line means; NULL: none */
} auxo_method_info;
AUXO_API auxo_method_info auxo_method_describe(const auxo_method *method);

/* ---- runs -------------------------------------------------------------------------------------------------------- */
typedef struct auxo_run auxo_run;

typedef struct auxo_run_options {
    auxo_runtime *runtime;   /* borrowed until the run is closed */
    auxo_listener *listener; /* may be NULL */
    void *listener_user;
    const volatile int *stop; /* != 0: finish the step, save, return INTERRUPTED; may be NULL */
    const char *command;      /* how the run was started, for its report; NULL: the settings say it */
    /* The job that this process is one rank of: borrowed until the run is closed; NULL: none. Every rank opens the same
     * run with auxo_cluster_stop(cluster) as `stop`; rank 0 alone writes files and has a result. */
    struct auxo_cluster *cluster;
    bool look_only; /* with a study: no trial of its own; a step says done, and finish tells what is known */
} auxo_run_options;
AUXO_API void auxo_run_options_init(auxo_run_options *options);

/* Opens device, data and models by the settings (copied); with `resume` and a checkpoint that exists, from there.
 * Holds the checkpoint's lock until it is closed. Errors: what a setting asks for and cannot be had; INVALID_ARGUMENT
 * names a setting that the checkpoint was made with another value of; IO names the process that uses the checkpoint. */
AUXO_API auxo_status auxo_run_open(const auxo_method *method, const auxo_settings *settings,
                                   const auxo_run_options *options, auxo_run **run, auxo_error *error);
/* At most one epoch or one edit, then a checkpoint where one is due. *done: there is nothing left to do. Errors:
 * INTERRUPTED after a stop, the state then is saved; NOT_FINITE and others keep the last checkpoint. */
AUXO_API auxo_status auxo_run_step(auxo_run *run, bool *done, auxo_error *error);
/* Writes the checkpoint now; does nothing without one, or if it has this state already. */
AUXO_API auxo_status auxo_run_save(auxo_run *run, auxo_error *error);
/* Measures the result, writes what `save`, `report` and `csv` ask for, and sends the "result" event. */
AUXO_API auxo_status auxo_run_finish(auxo_run *run, auxo_error *error);
/* Steps until done, then finishes. */
AUXO_API auxo_status auxo_run_complete(auxo_run *run, auxo_error *error);
/* NULL is allowed. */
AUXO_API void auxo_run_close(auxo_run *run);

/* Share of the work that is done, 0 to 1; NaN if unknown. */
AUXO_API double auxo_run_progress(const auxo_run *run);
/* How many "epoch" events are still to come; 0: none, or the method does not know. */
AUXO_API uint64_t auxo_run_epochs(const auxo_run *run);
/* The model that the run trains now, or its best; borrowed until the next step; NULL if there is none yet. */
AUXO_API auxo_model *auxo_run_model(auxo_run *run);
AUXO_API auxo_device *auxo_run_device(auxo_run *run); /* borrowed */
/* Writes that model, of the best epoch where "keep" says so, with all that the run knows of its data: what "save" does
 * at the end, at any moment between two steps. Errors: IO; INVALID_ARGUMENT: there is no model. */
AUXO_API auxo_status auxo_run_save_model(auxo_run *run, const char *path, auxo_error *error);
/* Its HTML report as it stands, as "report" would write it after a finish. Ownership: free(*text). */
AUXO_API auxo_status auxo_run_report(auxo_run *run, char **text, auxo_error *error);
/* The result event's JSON after a finish; borrowed. */
AUXO_API const char *auxo_run_result(const auxo_run *run);
/* Numbers of an event that is kept: all values of `field` so far, *count entries, borrowed until the next step; NULL if
 * there is no such field. */
AUXO_API const double *auxo_run_history(const auxo_run *run, const char *event, const char *field, size_t *count);

#ifdef __cplusplus
}
#endif
#endif
