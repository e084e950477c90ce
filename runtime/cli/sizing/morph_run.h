/* runtime/cli/sizing/morph_run.h: the records of one `auxo morph`, shared by the command, its checkpoints and its
 * report. */
#ifndef CLI_MORPH_RUN_H
#define CLI_MORPH_RUN_H

#include "sizing_job.h"

enum { MORPH_STRENGTHS_MAX = 16, MORPH_WIDTHS_MAX = 24 };

/* One training of one loop. */
typedef struct morph_training {
    uint32_t loop; /* index of the strength (and start) it belongs to */
    auxo_morph_record record;
    uint32_t width_count, widths[MORPH_WIDTHS_MAX]; /* of the hidden layers that were trained */
} morph_training;

/* The state during a training, every few steps. */
typedef struct morph_moment {
    uint32_t loop, iteration;
    uint64_t step;
    double train_loss, alive_cost, regularizer;
    uint32_t width_count, alive[MORPH_WIDTHS_MAX];
} morph_moment;

/* A loop: one strength, one start. */
typedef struct morph_plan {
    double strength;
    const char *model;
} morph_plan;

typedef struct morph_run {
    train_job job;
    auxo_morph_loop_options options;
    auxo_budget budget; /* limit 0 until the first loop has found its own */
    uint32_t plan_count, current;
    morph_plan plans[MORPH_STRENGTHS_MAX];
    char models[1024]; /* texts of the plans */
    size_t training_count, moment_count;
    morph_training *trainings;
    morph_moment *moments;
    auxo_morph_loop *loop;
    auxo_model *best;  /* of the loops before the current one */
    double best_score; /* validation accuracy, or minus the loss */
    auxo_evaluation test;
    uint32_t broken_count; /* loops that broke down */
    char broke_down[512];  /* the last loop that broke down; "" if none did */
} morph_run;

/* Names of the layers behind `widths`; returns how many there are. */
uint32_t morph_hidden_layers(const auxo_model_desc *desc, uint32_t *layers);

/* Pareto fronts, costs and widths over iterations (Fig. 5.1 to 5.5), the best network drawn. */
auxo_status morph_report_write(const morph_run *run, const auxo_model *best, const char *path, auxo_error *error);

#endif
