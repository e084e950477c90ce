/* conv2d_pointwise.h: gathered products with one tap and step 1: a plain matrix product for each image. */
#ifndef AUXO_CPU_CONV2D_POINTWISE_H
#define AUXO_CPU_CONV2D_POINTWISE_H

#include "conv2d_gather.h"

#define conv_pointwise_fits CPU_NAME(cpu_conv_pointwise_fits)
#define conv_pointwise_run CPU_NAME(cpu_conv_pointwise_run)
bool conv_pointwise_fits(const conv_problem *problem);
void conv_pointwise_run(const conv_problem *problem, const cpu_work *work);

#endif
