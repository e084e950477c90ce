/* proposals.c: lists of proposals, and the table of moves.
 */
#include "adapt_internal.h"

#include <stdlib.h>
#include <string.h>

typedef struct move_entry {
    const char *noun;
    bool is_edit;
} move_entry;

static const move_entry entries[AUXO_ADAPT_MOVE_COUNT] = {
#define ENTRY(name, noun, edit) {#noun, edit},
    AUXO_ADAPT_MOVE_TABLE(ENTRY)
#undef ENTRY
};

const auxo__move *const auxo__moves[AUXO_ADAPT_MOVE_COUNT] = {
#define ENTRY(name, noun, edit) &auxo__move_##noun,
    AUXO_ADAPT_MOVE_TABLE(ENTRY)
#undef ENTRY
};

const char *auxo_adapt_move_noun(auxo_adapt_move move)
{
    return (unsigned)move < AUXO_ADAPT_MOVE_COUNT ? entries[move].noun : "unknown";
}

bool auxo__move_is_edit(auxo_adapt_move move)
{
    return entries[move].is_edit;
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

auxo_status auxo__proposals_add(auxo__proposals *proposals, auxo__proposal *proposal, auxo_error *error)
{
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
