/* morph_method.h: the records of one run of "morph", shared by the method, its checkpoints and its report.
 */
#ifndef AUXO_SIZING_MORPH_METHOD_H
#define AUXO_SIZING_MORPH_METHOD_H

#include "budget_settings.h"

enum { AUXO__MORPH_LOOPS_MAX = 16, AUXO__MORPH_WIDTHS_MAX = 24 };

/* One training of one loop: the "training" event. */
typedef struct auxo__morph_training {
    uint32_t loop; /* index of the strength (and start) it belongs to */
    const char *start;
    double lambda;
    uint32_t iteration;
    bool is_final;
    char widths_text[AUXO__MORPH_WIDTHS_MAX * 8];
    double cost, alive_cost, train_loss, validation_loss, validation_accuracy, kappa, regularizer, seconds;
    uint64_t weights;
    double width_values[AUXO__MORPH_WIDTHS_MAX];
    auxo_numbers widths; /* of the hidden layers that were trained */
    char when[32], cost_text[48], alive_text[64];
} auxo__morph_training;

/* A loop: one strength, one start. */
typedef struct auxo__morph_plan {
    double strength;
    const char *model;
} auxo__morph_plan;

typedef struct auxo__morph_state {
    auxo_run *run;
    auxo__task_data data;
    auxo_train_options training;
    char optimizer_text[256];
    auxo_morph_loop_options options;
    auxo_budget budget; /* limit 0 until the first loop has found its own */
    uint32_t plan_count, current;
    auxo__morph_plan plans[AUXO__MORPH_LOOPS_MAX];
    char models[1024]; /* texts of the plans */
    auxo_morph_loop *loop;
    auxo_model *best;  /* of the loops before the current one */
    double best_score; /* validation accuracy, or minus the loss */
    auxo_evaluation test;
    uint64_t training_count;
    uint32_t broken_count;      /* loops that broke down */
    char broke_down[512];       /* the last loop that broke down; "" if none did */
    auxo_status refresh_status; /* of the events sent while training */
} auxo__morph_state;

/* Names of the layers behind `widths`; returns how many there are. */
uint32_t auxo__morph_hidden_layers(const auxo_model_desc *desc, uint32_t *layers);
/* Pareto fronts, costs and widths over iterations (Fig. 5.1 to 5.5), the best network drawn. */
auxo_status auxo__morph_report(auxo_run *run, void *state, auxo_report *report, auxo_error *error);

extern const auxo_setting auxo__morph_settings[]; /* morph_settings.c */
/* The state's plans, budget and options as the settings say, its data and training being there; what hears of refreshes
 * is the caller's to set afterwards. Errors: INVALID_ARGUMENT names the setting. */
auxo_status auxo__morph_read_settings(auxo_run *run, auxo__morph_state *state, auxo_error *error);

#endif
