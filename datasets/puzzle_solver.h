/* puzzle_solver.h: exact distances of 15-puzzle boards to the goal (internal to this folder).
 *
 * A board is 16 tiles row by row, 0 the blank; the goal is 0, 1, .., 15.
 */
#ifndef AUXO_DATASETS_PUZZLE_SOLVER_H
#define AUXO_DATASETS_PUZZLE_SOLVER_H

#include "auxo/status.h"

#include <stdbool.h>
#include <stdint.h>

enum { AUXO__PUZZLE_CELLS = 16, AUXO__PUZZLE_SIDE = 4 };

/* The tables of the heuristic; about 0.7 MB, made in milliseconds. */
typedef struct auxo__puzzle_solver auxo__puzzle_solver;

auxo_status auxo__puzzle_solver_create(auxo__puzzle_solver **solver, auxo_error *error);
void auxo__puzzle_solver_destroy(auxo__puzzle_solver *solver);
/* Whether the tiles are a permutation of 0..15 from which the goal can be reached. */
bool auxo__puzzle_is_solvable(const uint8_t board[AUXO__PUZZLE_CELLS]);
/* A lower bound of the distance, with its parity: the walking distance. */
uint32_t auxo__puzzle_bound(const auxo__puzzle_solver *solver, const uint8_t board[AUXO__PUZZLE_CELLS]);
/* The exact number of moves to the goal of a solvable board. Takes microseconds to seconds, with the distance. */
uint32_t auxo__puzzle_distance(const auxo__puzzle_solver *solver, const uint8_t board[AUXO__PUZZLE_CELLS]);

#endif
