/* survival_events.h: how "survival train" tells its results.
 */
#ifndef AUXO_SURVIVAL_EVENTS_H
#define AUXO_SURVIVAL_EVENTS_H

#include "method.h"
#include "survival_internal.h"

extern const auxo_event_type auxo__survival_epoch_event;       /* of auxo__survival_epoch */
extern const auxo_event_type auxo__survival_coefficient_event; /* sent by auxo__survival_tell_linear */
extern const auxo_event_type auxo__survival_reference_event;   /* likewise */
extern const auxo_event_type auxo__survival_line_event;        /* likewise */
extern const auxo_event_type auxo__survival_result_event;      /* sent by auxo__survival_tell_result */

typedef struct auxo__survival_epoch {
    uint32_t epoch;
    uint64_t of;
    double train_loss, validation; /* Harrell's C of the validation rows */
    bool braked;
} auxo__survival_epoch;

/* What a trained model is worth. */
typedef struct auxo__survival_outcome {
    double *train_raw, *test_raw;     /* risks as the model gives them */
    double *train_risks, *test_risks; /* the same, or standardised within sites */
    auxo_survival_scores train, test;
    auxo_survival_site_scores sites;
} auxo__survival_outcome;

auxo_status auxo__survival_tell_linear(auxo_run *run, const auxo__linear *linear, const auxo_dataset *dataset,
                                       auxo_error *error);
void auxo__survival_linear_report(auxo_report *report, const auxo__linear *linear, const auxo_dataset *dataset);
/* has_test: whether there are scores of test rows. */
auxo_status auxo__survival_tell_result(auxo_run *run, const auxo__survival_outcome *outcome, bool has_test,
                                       uint64_t weights, auxo_error *error);

extern const auxo_setting auxo__survival_train_settings[]; /* survival_train_settings.c */

#endif
