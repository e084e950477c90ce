/* survival_times.h: drawing survival and censoring times (internal to this folder). */
#ifndef AUXO_DATASETS_SURVIVAL_TIMES_H
#define AUXO_DATASETS_SURVIVAL_TIMES_H

#include "random.h"

/* A Weibull time: S(t) = exp(-ln 2 (t / median)^shape exp(log_risk)). */
double auxo__survival_draw(auxo__random *random, double log_risk, double median_time, double shape);
/* The mean of the exponential censoring times that censors an expected share `rate` in [0, 1) of `times`;
 * HUGE_VAL for rate 0. */
double auxo__censoring_mean(const double *times, size_t count, double rate);
/* Censors `time`: draws a censoring time; *event receives 1 when the event came first. Returns the observed time. */
double auxo__survival_censor(auxo__random *random, double time, double censoring_mean, uint32_t *event);

#endif
