/* runtime/cli/survival/survival_scores.c: scores of a saved survival model, printed and as events. */
#include "survival_scores.h"

#include <math.h>
#include <stdio.h>

static void add_number(cJSON *event, const char *what, const char *name, double value)
{
    char key[64];
    snprintf(key, sizeof key, "%s%s%s", what, what[0] ? "_" : "", name);
    if (isfinite(value))
        auxo__tree_number(event, key, value);
    else
        auxo__tree_null(event, key);
}

void survival_scores_print(const auxo_survival_scores *scores, cli_output *output, cJSON *result)
{
    if (scores->undefined[0])
        cli_print(output, "scores cannot be had for all of the %zu rows: %s\n", scores->row_count, scores->undefined);
    cli_print(output, "C %.4f (95 %% %.4f to %.4f), %zu rows\n", scores->concordance.index, scores->low, scores->high,
              scores->row_count);
    add_number(result, "", "concordance", scores->concordance.index);
    add_number(result, "", "low", scores->low);
    add_number(result, "", "high", scores->high);
    add_number(result, "", "uno_concordance", scores->uno);
    add_number(result, "", "integrated_brier", scores->integrated_brier);
    cli_print(output, "  Uno's C %.4f  integrated Brier score %.4f\n", scores->uno, scores->integrated_brier);
    cJSON *list = auxo__tree_add(result, "dynamic_auc", cJSON_CreateArray());
    for (int k = 0; k < AUXO_SURVIVAL_TIMES; k++) {
        cli_print(output, "  AUC at time %.6g: %.4f (95 %% %.4f to %.4f)\n", scores->times[k], scores->areas[k],
                  scores->area_lows[k], scores->area_highs[k]);
        cJSON *item = list ? cJSON_CreateObject() : NULL;
        add_number(item, "", "time", scores->times[k]);
        add_number(item, "", "auc", scores->areas[k]);
        add_number(item, "", "low", scores->area_lows[k]);
        add_number(item, "", "high", scores->area_highs[k]);
        add_number(item, "", "brier", scores->briers[k]);
        if (list)
            auxo__tree_add(list, NULL, item);
    }
}

void survival_site_scores_print(const auxo_survival_site_scores *scores, cli_output *output, cJSON *result)
{
    if (scores->site_count == 0)
        return;
    cli_table *table = cli_table_create("rows of|>C|>AUROC|>mean risk|>deviation");
    cJSON *list = auxo__tree_add(result, "sites", cJSON_CreateArray());
    for (size_t s = 0; s < scores->site_count; s++) {
        cli_table_row(table, "%s|%.4f|%.4f|%.4f|%.4f", scores->names[s], scores->concordance[s], scores->auroc[s],
                      scores->means[s], scores->deviations[s]);
        cJSON *item = list ? cJSON_CreateObject() : NULL;
        add_number(item, "", "site", scores->sites[s] + 1);
        auxo__tree_text(item, "name", scores->names[s]);
        add_number(item, "", "concordance", scores->concordance[s]);
        add_number(item, "", "auroc", scores->auroc[s]);
        add_number(item, "", "mean_risk", scores->means[s]);
        add_number(item, "", "deviation", scores->deviations[s]);
        if (list)
            auxo__tree_add(list, NULL, item);
    }
    cli_table_row(table, "all, merged as they are|%.4f|%.4f||", scores->naive_concordance, scores->naive_auroc);
    cli_table_row(table, "all, standardised within sites|%.4f|%.4f||", scores->standardized_concordance,
                  scores->standardized_auroc);
    cli_table_print(output, table);
    cli_print(output, "the sites' mean risks are %.3f deviations apart\n", scores->gap);
    add_number(result, "naive", "concordance", scores->naive_concordance);
    add_number(result, "naive", "auroc", scores->naive_auroc);
    add_number(result, "standardized", "concordance", scores->standardized_concordance);
    add_number(result, "standardized", "auroc", scores->standardized_auroc);
    add_number(result, "", "site_gap", scores->gap);
}
