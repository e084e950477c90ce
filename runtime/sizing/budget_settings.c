/* budget_settings.c: see budget_settings.h.
 */
#include "budget_settings.h"

#include <math.h>
#include <stdio.h>

const auxo_setting auxo__budget_settings[] = {
    {.name = "budget-flops",
     .type = AUXO_SETTING_REAL,
     .argument = "N",
     .help = "Budget: FLOPs of the convolutions and matrix products of one row's forward pass",
     .minimum = 1,
     .maximum = 1e18},
    {.name = "budget-params",
     .type = AUXO_SETTING_REAL,
     .argument = "N",
     .help = "Budget: weights of convolutions and matrix products; for adapt all that is trained, biases and batch "
             "norms too",
     .minimum = 1,
     .maximum = 1e15},
    {.name = "budget-latency",
     .type = AUXO_SETTING_REAL,
     .argument = "MS",
     .help = "Budget: milliseconds of one inference, measured on the device",
     .minimum = 1e-6,
     .maximum = 1e9},
    {.name = "latency-batch",
     .type = AUXO_SETTING_INTEGER,
     .argument = "N",
     .initial = "1",
     .help = "Rows of the inference that budget-latency measures",
     .minimum = 1,
     .maximum = 65536},
    AUXO_SETTINGS_END,
};

auxo_status auxo__budget_read(const auxo_settings *settings, double limit, auxo_budget *budget, auxo_error *error)
{
    static const char *const names[] = {"budget-flops", "budget-params", "budget-latency"};
    const double scales[] = {1, 1, 1e6};
    int given = -1;
    for (int i = 0; i < 3; i++) {
        if (!auxo_settings_given(settings, names[i]))
            continue;
        if (given >= 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT, "%s and %s: give one budget", names[given], names[i]);
        given = i;
    }
    *budget = (auxo_budget){.resource = given < 0 ? AUXO_RESOURCE_FLOPS : (auxo_resource)given,
                            .limit = given < 0 ? limit : scales[given] * auxo_settings_real(settings, names[given]),
                            .batch = (uint32_t)auxo_settings_integer(settings, "latency-batch")};
    return AUXO_OK;
}

const char *auxo__budget_unit(const auxo_budget *budget, double *divisor)
{
    static const char *const units[] = {"FLOPs", "weights", "ms"};
    *divisor = budget->resource == AUXO_RESOURCE_LATENCY ? 1e6 : 1;
    return units[budget->resource];
}

const char *auxo__budget_format(char *text, size_t size, const auxo_budget *budget, double cost)
{
    double divisor;
    const char *unit = auxo__budget_unit(budget, &divisor);
    snprintf(text, size, "%.4g %s", cost / divisor, unit);
    return text;
}

auxo_status auxo__evaluate_on_test(const auxo__task_data *data, const auxo_train_options *options, auxo_model *model,
                                   auxo_evaluation *evaluation, auxo_error *error)
{
    auxo_train_options own = *options;
    auxo_trainer *trainer = NULL;
    *evaluation = (auxo_evaluation){NAN, NAN, 0};
    if (!data->test)
        return AUXO_OK;
    own.stop = NULL; /* an interrupted run still reports what it has */
    auxo_status status = auxo_trainer_create(model, data->test, NULL, &own, &trainer, error);
    if (status == AUXO_OK)
        status = auxo_trainer_evaluate(trainer, data->test, evaluation, error);
    auxo_trainer_destroy(trainer);
    return status;
}
