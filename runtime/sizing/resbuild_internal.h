/* runtime/sizing/resbuild_internal.h: ResBuilder's state, shared by resbuild.c (structure), resbuild_train.c (the three
 * trainings) and resbuild_state.c (checkpoints).
 */
#ifndef AUXO_RESBUILD_INTERNAL_H
#define AUXO_RESBUILD_INTERNAL_H

#include "auxo/sizing.h"

struct auxo_resbuild {
    auxo_device *device;
    const auxo_dataset *train, *validation;
    auxo_resbuild_options options;
    auxo_model *current;   /* the regularised model that goes on */
    auxo_moments *moments; /* of its optimiser; NULL: they begin at 0 */
    auxo_model *best;
    bool best_is_within; /* the budget */
    double best_accuracy, last_accuracy;
    uint32_t number, inserted, cycle; /* architectures made; insertions and MorphNet steps among them */
    char **visited;
    size_t visited_count;
    auxo_edit_log log; /* epoch: the architecture's number */
};

/* Notes an architecture as trained; *is_new is false if it was before. */
auxo_status auxo__resbuild_visit(auxo_resbuild *resbuild, const auxo_model_desc *desc, bool *is_new, auxo_error *error);
/* Trains one way and fills in the record's accuracy; keeps the best model. */
auxo_status auxo__resbuild_train(auxo_resbuild *resbuild, int training, auxo_architecture_record *record,
                                 auxo_error *error);
/* Mean cross-entropy of the current model on the validation set. */
auxo_status auxo__resbuild_loss(const auxo_resbuild *resbuild, double *loss, auxo_error *error);
/* MorphNet on the current model with the run's options. */
auxo_status auxo__resbuild_morph(const auxo_resbuild *resbuild, auxo_morph **morph, auxo_error *error);

#endif
