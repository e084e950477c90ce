/* puzzle_solver.c: IDA* (Korf 1985) with the walking-distance heuristic (Takahashi 2001).
 *
 * Walking distance relaxes the puzzle to "how many tiles of goal row j are in row i" (and the same for columns): 24,964
 * states in which a move takes any tile of a neighbouring row into the blank's row. Its exact distances come from one
 * breadth-first search; the vertical and the horizontal one add up to a consistent lower bound, updated per move.
 */
#include "puzzle_solver.h"

#include <stdlib.h>
#include <string.h>

enum {
    SIDE = AUXO__PUZZLE_SIDE,
    CELLS = AUXO__PUZZLE_CELLS,
    STATES = 24964,
    HASH_SIZE = 65536,
    NONE = 65535,
    BACK = 0, /* the blank moves to the row above (or the column to the left) */
    FORTH = 1 /* the blank moves to the row below (or the column to the right) */
};

struct auxo__puzzle_solver {
    uint64_t keys[STATES]; /* 3 bits per count[row][goal row], then the blank's row */
    uint8_t distances[STATES];
    uint16_t next[STATES][2][SIDE]; /* after the blank went BACK or FORTH in exchange for a tile of that goal row */
    uint16_t slots[HASH_SIZE];      /* index into keys, or NONE; linear probing */
    uint16_t state_count;
};

static uint64_t count_unit(int row, int goal_row)
{
    return (uint64_t)1 << (3 * (row * SIDE + goal_row));
}

static uint64_t blank_bits(int row)
{
    return (uint64_t)row << 48;
}

static uint32_t hash_key(uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 48);
}

/* The state with that key; adds it, at `distance`, when it is new. */
static uint16_t intern_state(auxo__puzzle_solver *solver, uint64_t key, uint8_t distance)
{
    uint32_t slot = hash_key(key);
    while (solver->slots[slot] != NONE) {
        if (solver->keys[solver->slots[slot]] == key)
            return solver->slots[slot];
        slot = (slot + 1) % HASH_SIZE;
    }
    uint16_t state = solver->state_count++;
    solver->keys[state] = key;
    solver->distances[state] = distance;
    solver->slots[slot] = state;
    return state;
}

static uint16_t find_state(const auxo__puzzle_solver *solver, uint64_t key)
{
    uint32_t slot = hash_key(key);
    while (solver->keys[solver->slots[slot]] != key)
        slot = (slot + 1) % HASH_SIZE;
    return solver->slots[slot];
}

static void expand_state(auxo__puzzle_solver *solver, uint16_t state)
{
    uint64_t key = solver->keys[state];
    int blank = (int)(key >> 48);
    for (int direction = BACK; direction <= FORTH; direction++) {
        int from = blank + (direction == BACK ? -1 : 1);
        for (int goal = 0; goal < SIDE; goal++) {
            solver->next[state][direction][goal] = NONE;
            if (from < 0 || from >= SIDE || (key / count_unit(from, goal)) % 8 == 0)
                continue;
            uint64_t moved = key - count_unit(from, goal) + count_unit(blank, goal) - blank_bits(blank);
            solver->next[state][direction][goal] =
                intern_state(solver, moved + blank_bits(from), (uint8_t)(solver->distances[state] + 1));
        }
    }
}

auxo_status auxo__puzzle_solver_create(auxo__puzzle_solver **solver, auxo_error *error)
{
    auxo__puzzle_solver *made = calloc(1, sizeof *made);
    if (!made)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "15-puzzle: no memory for the solver's tables");
    memset(made->slots, 0xff, sizeof made->slots);
    uint64_t goal = 0; /* 4 tiles in every row but the first, where the blank is */
    for (int row = 0; row < SIDE; row++)
        goal += (uint64_t)(row == 0 ? SIDE - 1 : SIDE) * count_unit(row, row);
    intern_state(made, goal, 0);
    for (uint16_t state = 0; state < made->state_count; state++) /* the list is its own queue */
        expand_state(made, state);
    *solver = made;
    return AUXO_OK;
}

void auxo__puzzle_solver_destroy(auxo__puzzle_solver *solver)
{
    free(solver);
}

bool auxo__puzzle_is_solvable(const uint8_t board[CELLS])
{
    uint32_t seen = 0, inversions = 0, blank_row = 0;
    for (int i = 0; i < CELLS; i++) {
        if (board[i] >= CELLS)
            return false;
        seen |= 1u << board[i];
        if (board[i] == 0)
            blank_row = (uint32_t)i / SIDE;
        for (int j = i + 1; j < CELLS && board[i] != 0; j++)
            inversions += board[j] != 0 && board[j] < board[i];
    }
    return seen == 0xffff && (inversions + blank_row) % 2 == 0;
}

/* The walking-distance states of a board: by rows, or by columns. */
static uint16_t board_state(const auxo__puzzle_solver *solver, const uint8_t board[CELLS], bool by_columns)
{
    uint64_t key = 0;
    for (int i = 0; i < CELLS; i++) {
        int line = by_columns ? i % SIDE : i / SIDE;
        int goal_line = by_columns ? board[i] % SIDE : board[i] / SIDE;
        key += board[i] == 0 ? blank_bits(line) : count_unit(line, goal_line);
    }
    return find_state(solver, key);
}

uint32_t auxo__puzzle_bound(const auxo__puzzle_solver *solver, const uint8_t board[CELLS])
{
    return (uint32_t)solver->distances[board_state(solver, board, false)] +
           solver->distances[board_state(solver, board, true)];
}

/* One depth-first search; board and blank are restored on return. */
typedef struct search {
    const auxo__puzzle_solver *solver;
    uint8_t board[CELLS];
} search;

/* Moves of the blank: step in cells, whether across columns, direction for the walking distance. */
static const struct blank_move {
    int step;
    bool across;
    int direction;
} MOVES[4] = {{-SIDE, false, BACK}, {SIDE, false, FORTH}, {-1, true, BACK}, {1, true, FORTH}};

static bool can_move(int blank, const struct blank_move *move)
{
    int line = move->across ? blank % SIDE : blank / SIDE;
    return move->direction == BACK ? line > 0 : line < SIDE - 1;
}

/* Whether the goal is reached within `budget` more moves. */
static bool deepen(search *state, int blank, uint16_t rows, uint16_t columns, int last_move, int budget)
{
    const auxo__puzzle_solver *solver = state->solver;
    if (rows == 0 && columns == 0) { /* all tiles in their goal row and column */
        return true;
    }
    for (int i = 0; i < 4; i++) {
        const struct blank_move *move = &MOVES[i];
        if (i == (last_move ^ 1) || !can_move(blank, move)) /* never undo the last move */
            continue;
        int from = blank + move->step;
        uint8_t tile = state->board[from];
        uint16_t next_rows = rows, next_columns = columns;
        if (move->across)
            next_columns = solver->next[columns][move->direction][tile % SIDE];
        else
            next_rows = solver->next[rows][move->direction][tile / SIDE];
        if (solver->distances[next_rows] + solver->distances[next_columns] > budget - 1)
            continue;
        state->board[blank] = tile;
        bool found = deepen(state, from, next_rows, next_columns, i, budget - 1);
        state->board[from] = tile;
        if (found)
            return true;
    }
    return false;
}

uint32_t auxo__puzzle_distance(const auxo__puzzle_solver *solver, const uint8_t board[CELLS])
{
    search state = {.solver = solver};
    memcpy(state.board, board, CELLS);
    int blank = 0;
    while (blank < CELLS - 1 && board[blank] != 0)
        blank++;
    uint16_t rows = board_state(solver, board, false), columns = board_state(solver, board, true);
    int budget = solver->distances[rows] + solver->distances[columns];
    while (!deepen(&state, blank, rows, columns, -2, budget))
        budget += 2; /* the parity of the distance is that of the bound */
    return (uint32_t)budget;
}
