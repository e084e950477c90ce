/* evolution.h: the population of hyperparameter evolution, shared by a search on its own and one with a study.
 */
#ifndef AUXO_SEARCH_EVOLUTION_H
#define AUXO_SEARCH_EVOLUTION_H

#include "search_internal.h"

typedef struct auxo__individual {
    auxo__genome genome;
    auxo_model *model;     /* owned; with a study NULL: it lies in the study's folder */
    auxo_moments *moments; /* of its optimiser; owned; NULL: they begin at 0, or lie with the model */
    /* With a study: the number of the trial whose model it is; -1: a fresh one, drawn by these two. */
    int64_t trial;
    uint32_t fresh_generation, fresh_number;
    uint32_t age;
    double quality, loss;
} auxo__individual;

typedef struct auxo__evolution {
    auxo__individual *members; /* room for pool_capacity */
    uint32_t count, pool_capacity;
    uint32_t generation; /* finished ones */
} auxo__evolution;

/* A fresh model of a genome, its weights drawn by generation and number. */
auxo_status auxo__evolution_fresh(auxo_search *search, const auxo__genome *genome, uint32_t generation, uint32_t number,
                                  auxo_model **model, auxo_error *error);
/* Index of the fittest; of equals the one with the lower loss, then the first. */
uint32_t auxo__evolution_fittest(const auxo_search *search, const auxo__individual *members, uint32_t count);
/* Adds everybody's offspring and the newcomers; first of all the first population. */
auxo_status auxo__evolution_pool(auxo_search *search, auxo__evolution *state, auxo_error *error);
/* Leaves the winners of `population` tournaments and drops the others. Who wins several stays in as many copies. */
auxo_status auxo__evolution_select(const auxo_search *search, auxo__evolution *state, uint32_t pool, auxo_error *error);
/* Frees what it owns. */
void auxo__individual_deinit(auxo__individual *member);
bool auxo__evolution_has_ended(const auxo_search *search, const auxo__evolution *state);

/* ---- evolution_study.c ---- */
auxo_status auxo__evolution_propose(auxo_search *search, double *values, auxo__next *next, auxo_error *error);
auxo_status auxo__evolution_evaluate(auxo_search *search, const double *values, auxo_search_record *record,
                                     auxo_error *error);

#endif
