/* runtime/cli/bench/bench_train.h: a trainer on generated images, the subject of training benchmarks and of tuning a
 * model.
 */
#ifndef BENCH_TRAIN_H
#define BENCH_TRAIN_H

#include "cli_model.h"

typedef struct bench_training {
    auxo_dataset *train;
    auxo_model *model;
    auxo_trainer *trainer;
} bench_training;

/* What is trained: --model, --batch, --input and --optimizer. */
typedef struct bench_training_options {
    const char *model, *optimizer;
    uint32_t batch;
    int64_t input[3]; /* channels, height, width */
    bool profile;     /* time every op; set after parsing */
} bench_training_options;

/* --input and --optimizer, for the option tables of "auxo bench" and "auxo tune". */
extern const cli_option bench_training_cli_options[];
auxo_status bench_training_parse(const cli_arguments *arguments, bench_training_options *options, auxo_error *error);

/* Ownership: close it, also after a failure. */
auxo_status bench_training_open(auxo_device *device, const bench_training_options *options, const volatile int *stop,
                                bench_training *t, auxo_error *error);
void bench_training_close(bench_training *t);

#endif
