/* proposals.c: lists of proposals and their costs, and the table of moves.
 */
#include "adapt_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct move_entry {
    const char *noun;
    auxo__move_kind kind;
    const auxo__move *own, *paper; /* paper NULL: the works have none of their own */
} move_entry;

#define PAPER_TRAIN NULL
#define PAPER_BLOCK &auxo__paper_block
#define PAPER_UNITS NULL
#define PAPER_WIDEN &auxo__paper_widen
#define PAPER_NARROW &auxo__paper_narrow
#define PAPER_INSERT &auxo__paper_insert
#define PAPER_REMOVE &auxo__paper_remove
#define PAPER_PENALTY NULL
#define PAPER_BRAKE NULL

static const move_entry entries[AUXO_ADAPT_MOVE_COUNT] = {
#define ENTRY(name, noun, kind) {#noun, AUXO__MOVE_##kind, &auxo__move_##noun, PAPER_##name},
    AUXO_ADAPT_MOVE_TABLE(ENTRY)
#undef ENTRY
};

const auxo__move *auxo__move_of(const auxo_adapt *adapt, auxo_adapt_move move)
{
    const bool papers = adapt->options.rules == AUXO_ADAPT_RULES_PAPERS && entries[move].paper;
    return papers ? entries[move].paper : entries[move].own;
}

const char *auxo_adapt_move_noun(auxo_adapt_move move)
{
    return (unsigned)move < AUXO_ADAPT_MOVE_COUNT ? entries[move].noun : "unknown";
}

auxo__move_kind auxo__move_kind_of(auxo_adapt_move move)
{
    return entries[move].kind;
}

bool auxo__move_is_edit(auxo_adapt_move move)
{
    return entries[move].kind == AUXO__MOVE_GROW || entries[move].kind == AUXO__MOVE_SHRINK;
}

bool auxo__move_trains(auxo_adapt_move move)
{
    return entries[move].kind == AUXO__MOVE_TRAINS || entries[move].kind == AUXO__MOVE_PART;
}

auxo_status auxo_adapt_moves_parse(const char *text, uint32_t *moves, auxo_error *error)
{
    *moves = 0;
    for (const char *word = text; word;) {
        const char *comma = strchr(word, ',');
        const size_t length = comma ? (size_t)(comma - word) : strlen(word);
        int found = -1;
        for (int m = 0; m < AUXO_ADAPT_MOVE_COUNT && found < 0; m++)
            if (strlen(entries[m].noun) == length && strncmp(entries[m].noun, word, length) == 0)
                found = m;
        if (found < 0)
            return auxo_error_set(error, AUXO_INVALID_ARGUMENT,
                                  "moves: \"%.*s\" is none of train, block, units, widen, narrow, insert, remove, "
                                  "penalty, brake",
                                  (int)(length < 40 ? length : 40), word);
        *moves |= 1u << found;
        word = comma ? comma + 1 : NULL;
    }
    return AUXO_OK;
}

static void proposal_deinit(auxo__proposal *proposal)
{
    free(proposal->kept);
    auxo_model_desc_deinit(&proposal->desc);
    *proposal = (auxo__proposal){0};
}

void auxo__proposals_deinit(auxo__proposals *proposals)
{
    for (size_t i = 0; i < proposals->count; i++)
        proposal_deinit(&proposals->items[i]);
    free(proposals->items);
    *proposals = (auxo__proposals){0};
}

/* ---- costs ------------------------------------------------------------------------------------------------------- */

static double work_of(const auxo_model_desc *desc)
{
    return auxo__training_work(desc, 0, desc->layer_count);
}

double auxo__cost_plain(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    (void)adapt;
    (void)proposal;
    return 1;
}

double auxo__cost_of_range(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    const auxo_model_desc *desc = auxo_model_get_desc(adapt->model);
    return auxo__training_work(desc, proposal->layer, proposal->layer_end) / work_of(desc);
}

double auxo__cost_of_structure(const auxo_adapt *adapt, const auxo__proposal *proposal)
{
    return proposal->desc.layer_count > 0 ? work_of(&proposal->desc) / work_of(auxo_model_get_desc(adapt->model)) : 1;
}

/* ---- lists ------------------------------------------------------------------------------------------------------- */

auxo_status auxo__proposals_add(const auxo_adapt *adapt, auxo__proposals *proposals, auxo__proposal *proposal,
                                auxo_error *error)
{
    proposal->cost = auxo__move_of(adapt, proposal->move)->cost(adapt, proposal);
    const size_t used = strlen(proposal->why);
    if (proposal->cost != 1)
        snprintf(proposal->why + used, sizeof proposal->why - used, "%sfor %.1f %% of the work", used > 0 ? " " : "",
                 100 * proposal->cost);
    if (proposals->count == proposals->capacity) {
        const size_t capacity = proposals->capacity ? 2 * proposals->capacity : 32;
        auxo__proposal *items = realloc(proposals->items, capacity * sizeof *items);
        if (!items) {
            proposal_deinit(proposal);
            return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "list of moves: out of memory");
        }
        proposals->items = items;
        proposals->capacity = capacity;
    }
    proposals->items[proposals->count++] = *proposal;
    return AUXO_OK;
}
