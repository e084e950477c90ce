/* runtime/cli/bench/bench_options.h: what the commands of this folder share: options of training, lists of ops, and
 * events made of fields.
 */
#ifndef BENCH_OPTIONS_H
#define BENCH_OPTIONS_H

#include "auxo/bench.h"
#include "cli_model.h"

/* --input and --optimizer, for the option tables of "auxo bench" and "auxo tune". */
extern const cli_option bench_training_options[];
/* --model, --batch, --input and --optimizer. */
auxo_status bench_training_parse(const cli_arguments *arguments, auxo_bench_training *training, auxo_error *error);

/* Flags of the ops that --op names, comma separated; all unset without it. */
auxo_status bench_kinds_parse(const cli_arguments *arguments, bool kinds[AUXO_OP_COUNT], auxo_error *error);

/* An auxo_bench_field_function; `user` is the event, which may be NULL. */
void bench_add_field(void *event, const char *name, const char *text, double number);

#endif
