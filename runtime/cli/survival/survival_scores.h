/* runtime/cli/survival/survival_scores.h: scores of a saved survival model, printed and as events. */
#ifndef CLI_SURVIVAL_SCORES_H
#define CLI_SURVIVAL_SCORES_H

#include "auxo/survival.h"
#include "cli_model.h"
#include "cli_text.h"

/* Prints them, and adds them to a result event. */
void survival_scores_print(const auxo_survival_scores *scores, cli_output *output, cJSON *result);
void survival_site_scores_print(const auxo_survival_site_scores *scores, cli_output *output, cJSON *result);

#endif
