/* puzzle15.c: 15-puzzle boards with their exact distance to the goal: generated (`puzzle15`) and Korf's 100
 * (`korf100`).
 *
 * A sample is 256 inputs, one-hot tile by cell (input 16 c + t is 1 when cell c holds tile t), and one target: the
 * length of the shortest solution in moves. Generated boards come from random walks from the goal that never step
 * back, of a length drawn uniformly from 0 to 46, or to 80 (`puzzle15-80`), so distances spread widely; IDA* gives the
 * distance. No board needs more than 80 moves (Bruengger et al. 1999); those of walks of 80 need some 40 on average.
 */
#include "bytes.h"
#include "dataset.h"
#include "loaders.h"
#include "puzzle_solver.h"
#include "random.h"
#include "source.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELLS = AUXO__PUZZLE_CELLS, SIDE = AUXO__PUZZLE_SIDE, INPUTS = CELLS * CELLS, DEFAULT_COUNT = 5000 };
enum { SHORT_WALK = 46, LONG_WALK = 80, KORF_COUNT = 100 };

static void encode_board(const uint8_t board[CELLS], float inputs[INPUTS])
{
    memset(inputs, 0, INPUTS * sizeof *inputs);
    for (int cell = 0; cell < CELLS; cell++)
        inputs[cell * CELLS + board[cell]] = 1.0f;
}

static auxo_status create_boards(const char *name, size_t count, auxo_dataset **dataset, auxo_error *error)
{
    static const char *const target_names[1] = {"moves_to_goal"};
    auxo__dataset_shape shape = {.row_count = count,
                                 .channels = INPUTS,
                                 .height = 1,
                                 .width = 1,
                                 .feature_type = AUXO_FEATURES_F32,
                                 .target_type = AUXO_TARGET_REAL,
                                 .target_count = 1};
    auxo_status status = auxo__dataset_create(name, &shape, dataset, error);
    if (status != AUXO_OK)
        return status;
    (*dataset)->target_names = auxo__names_copy(target_names, 1);
    if (!(*dataset)->target_names)
        return auxo_error_set(error, AUXO_OUT_OF_MEMORY, "%s: no memory for names", name);
    return AUXO_OK;
}

/* Walks the blank at random from the goal, at most `longest` moves and never straight back. */
static void walk_board(uint8_t board[CELLS], uint32_t longest, auxo__random *random)
{
    static const int row_steps[4] = {-1, 1, 0, 0}, column_steps[4] = {0, 0, -1, 1};
    for (int i = 0; i < CELLS; i++)
        board[i] = (uint8_t)i;
    int blank = 0, last = -2;
    uint32_t length = auxo__random_below(random, longest + 1);
    for (uint32_t taken = 0; taken < length;) {
        int move = (int)auxo__random_below(random, 4);
        int row = blank / SIDE + row_steps[move], column = blank % SIDE + column_steps[move];
        if (move == (last ^ 1) || row < 0 || row >= SIDE || column < 0 || column >= SIDE)
            continue;
        int from = row * SIDE + column;
        board[blank] = board[from];
        board[from] = 0;
        blank = from;
        last = move;
        taken++;
    }
}

/* What is generated under a name. */
typedef struct board_kind {
    const char *name;
    uint32_t longest;
} board_kind;

static auxo_status make_split(const auxo__puzzle_solver *solver, const board_kind *kind,
                              const auxo_data_options *options, size_t count, uint32_t stream, auxo_dataset **dataset,
                              auxo_error *error)
{
    auxo_status status = create_boards(kind->name, auxo__limited(count, options->limit), dataset, error);
    for (size_t i = 0; status == AUXO_OK && i < (*dataset)->row_count; i++) {
        uint8_t board[CELLS];
        auxo__random random;
        auxo__random_init(&random, options->seed, stream, i);
        walk_board(board, kind->longest, &random);
        encode_board(board, (float *)(*dataset)->features + i * INPUTS);
        (*dataset)->targets[i] = (float)auxo__puzzle_distance(solver, board);
    }
    return status;
}

static auxo_status generate(const board_kind *kind, const auxo_data_options *options, auxo_dataset **train,
                            auxo_dataset **test, auxo_error *error)
{
    size_t count = options->generated_count ? options->generated_count : DEFAULT_COUNT;
    auxo__puzzle_solver *solver = NULL;
    auxo_status status = auxo__puzzle_solver_create(&solver, error);
    if (status == AUXO_OK)
        status = make_split(solver, kind, options, count, AUXO__STREAM_TRAIN, train, error);
    if (status == AUXO_OK)
        status = make_split(solver, kind, options, (count + 4) / 5, AUXO__STREAM_TEST, test, error);
    auxo__puzzle_solver_destroy(solver);
    return status;
}

auxo_status auxo__load_puzzle15(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                auxo_error *error)
{
    return generate(&(board_kind){"puzzle15", SHORT_WALK}, options, train, test, error);
}

auxo_status auxo__load_puzzle15_80(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                                   auxo_error *error)
{
    return generate(&(board_kind){"puzzle15-80", LONG_WALK}, options, train, test, error);
}

/* Reads `count` whole numbers from one line of text at *at, which moves behind the line; false if they are not there.
 */
static bool read_numbers(char **at, uint32_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        while (**at == ' ' || **at == '\t')
            (*at)++;
        if (!isdigit((unsigned char)**at))
            return false;
        numbers[i] = (uint32_t)strtoul(*at, at, 10);
    }
    char *line_end = strchr(*at, '\n');
    *at = line_end ? line_end + 1 : *at + strlen(*at);
    return true;
}

static void skip_lines(char **at, int count)
{
    for (int i = 0; i < count; i++) {
        char *line_end = strchr(*at, '\n');
        *at = line_end ? line_end + 1 : *at + strlen(*at);
    }
}

/* One instance: its number, 16 tiles and the distance, and further lines of node counts that are passed over. */
static auxo_status read_instance(const char *path, char **at, uint32_t number, auxo_dataset *dataset, auxo_error *error)
{
    uint32_t read_number = 0, values[CELLS + 1];
    uint8_t board[CELLS];
    while (isspace((unsigned char)**at))
        (*at)++;
    if (!read_numbers(at, &read_number, 1) || read_number != number || !read_numbers(at, values, CELLS + 1))
        return auxo_error_set(error, AUXO_FORMAT,
                              "%s: instance %u: expected its number on a line, then 16 tiles and a distance", path,
                              number);
    for (int i = 0; i < CELLS; i++)
        board[i] = (uint8_t)(values[i] < CELLS ? values[i] : CELLS);
    if (!auxo__puzzle_is_solvable(board))
        return auxo_error_set(error, AUXO_FORMAT, "%s: instance %u: not a solvable board of the tiles 0 to 15", path,
                              number);
    encode_board(board, (float *)dataset->features + (size_t)(number - 1) * INPUTS);
    dataset->targets[number - 1] = (float)values[CELLS];
    return AUXO_OK;
}

/* The circulating file gives 44 moves for instance 16; a solution of 42 exists and none shorter (IDA* with two
 * different bounds), so 42 is the exact distance. */
static void correct_instance_16(auxo_dataset *dataset)
{
    enum { ROW = 15, IN_FILE = 44, EXACT = 42 };
    if (dataset->row_count <= ROW || dataset->targets[ROW] != IN_FILE)
        return;
    dataset->targets[ROW] = EXACT;
    snprintf(dataset->note, sizeof dataset->note, "instance 16: the file says %d moves, %d is exact and used", IN_FILE,
             EXACT);
}

auxo_status auxo__load_korf100(const auxo_data_options *options, auxo_dataset **train, auxo_dataset **test,
                               auxo_error *error)
{
    enum { NODE_COUNT_LINES = 8 };
    char path[AUXO__PATH_SIZE];
    uint8_t *bytes = NULL;
    size_t size = 0;
    (void)test;
    auxo_status status = auxo__source_read(options, "puzzle15-korf100", "korf100.txt", path, sizeof path,
                                           (size_t)1 << 20, &bytes, &size, error);
    if (status == AUXO_OK)
        status = create_boards("korf100", auxo__limited(KORF_COUNT, options->limit), train, error);
    char *at = (char *)bytes;
    for (uint32_t number = 1; status == AUXO_OK && number <= (*train)->row_count; number++) {
        status = read_instance(path, &at, number, *train, error);
        skip_lines(&at, NODE_COUNT_LINES);
    }
    free(bytes);
    if (status == AUXO_OK)
        correct_instance_16(*train);
    return status;
}
