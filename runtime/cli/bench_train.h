/* runtime/cli/bench_train.h: a trainer on generated digits, the subject of training benchmarks and of tuning a model.
 */
#ifndef BENCH_TRAIN_H
#define BENCH_TRAIN_H

#include "cli_model.h"

typedef struct bench_training {
    auxo_dataset *train, *test;
    auxo_model *model;
    auxo_trainer *trainer;
} bench_training;

/* Ownership: close it, also after a failure. */
auxo_status bench_training_open(auxo_device *device, const char *model_name, uint32_t batch, const volatile int *stop,
                                bench_training *t, auxo_error *error);
void bench_training_close(bench_training *t);

#endif
