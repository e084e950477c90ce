/* runtime/cli/train/network_report.h: a network drawn in a report. */
#ifndef CLI_NETWORK_REPORT_H
#define CLI_NETWORK_REPORT_H

#include "auxo/model.h"
#include "auxo/report.h"

/* Boxes and skip connections of all layers that compute; activations and dropout are left out of long networks. */
void network_report_draw(auxo_report *report, const char *title, const auxo_model_desc *desc);

#endif
