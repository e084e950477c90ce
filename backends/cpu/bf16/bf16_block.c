/* bf16_block.c: the block product by matrix tiles, or by dot products of pairs. */
#include "bf16_block.h"

/* The intrinsics of tiles say nothing of the memory that they read and write. */
CPU_INLINE void memory_barrier(void)
{
    __asm__ volatile("" ::: "memory");
}

#if defined(__AMX_BF16__)

/* Tiles 0 to 3: sums; 4 and 5: rows of A; 6 and 7: columns of B. */
void bf16_begin(void)
{
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t row_bytes[16];
        uint8_t rows[16];
    } shape = {.palette = 1};
    for (int tile = 0; tile < 8; ++tile) {
        shape.row_bytes[tile] = BF16_TILE * sizeof(float);
        shape.rows[tile] = BF16_TILE;
    }
    memory_barrier();
    _tile_loadconfig(&shape);
}

void bf16_end(void)
{
    _tile_release();
}

enum { SUM_STRIDE = BF16_BLOCK * sizeof(float), A_STRIDE = BF16_STEP * sizeof(uint16_t) };

CPU_INLINE void load_sums(const int row_tiles, const int column_tiles, bool first, float *c)
{
    if (first) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        return;
    }
    _tile_loadd(0, c, SUM_STRIDE);
    if (column_tiles > 1)
        _tile_loadd(1, c + BF16_TILE, SUM_STRIDE);
    if (row_tiles > 1)
        _tile_loadd(2, c + BF16_TILE * BF16_BLOCK, SUM_STRIDE);
    if (row_tiles > 1 && column_tiles > 1)
        _tile_loadd(3, c + BF16_TILE * BF16_BLOCK + BF16_TILE, SUM_STRIDE);
}

CPU_INLINE void store_sums(const int row_tiles, const int column_tiles, float *c)
{
    _tile_stored(0, c, SUM_STRIDE);
    if (column_tiles > 1)
        _tile_stored(1, c + BF16_TILE, SUM_STRIDE);
    if (row_tiles > 1)
        _tile_stored(2, c + BF16_TILE * BF16_BLOCK, SUM_STRIDE);
    if (row_tiles > 1 && column_tiles > 1)
        _tile_stored(3, c + BF16_TILE * BF16_BLOCK + BF16_TILE, SUM_STRIDE);
}

CPU_INLINE void run_tiles(const int row_tiles, const int column_tiles, const bool by_offsets, const bf16_product *p)
{
    const size_t b_bytes = (size_t)p->b_stride * sizeof(uint32_t);
    const uint16_t *a = p->a;
    const uint32_t *b = p->b;
    load_sums(row_tiles, column_tiles, p->first, p->c);
    for (int64_t step = 0; step < p->steps; ++step, a += BF16_A_STEP) {
        if (by_offsets)
            b = p->b + p->b_offsets[step];
        _tile_loadd(6, b, b_bytes);
        _tile_loadd(4, a, A_STRIDE);
        _tile_dpbf16ps(0, 4, 6);
        if (row_tiles > 1) {
            _tile_loadd(5, a + BF16_TILE * BF16_STEP, A_STRIDE);
            _tile_dpbf16ps(2, 5, 6);
        }
        if (column_tiles > 1) {
            _tile_loadd(7, b + BF16_TILE, b_bytes);
            _tile_dpbf16ps(1, 4, 7);
            if (row_tiles > 1)
                _tile_dpbf16ps(3, 5, 7);
        }
        b += BF16_PAIRS * p->b_stride;
    }
    store_sums(row_tiles, column_tiles, p->c);
}

#else

void bf16_begin(void)
{
}
void bf16_end(void)
{
}

/* Rows whose sums fit the registers beside two vectors of B. */
enum { STRIP_ROWS = 8 };

CPU_INLINE void run_strip(const int column_tiles, const bool by_offsets, const bf16_product *p, const uint16_t *a,
                          float *c)
{
    __m512 sums[STRIP_ROWS][2];
#pragma GCC unroll 8
    for (int i = 0; i < STRIP_ROWS; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < column_tiles; ++v)
            sums[i][v] = p->first ? _mm512_setzero_ps() : _mm512_loadu_ps(c + i * BF16_BLOCK + v * BF16_TILE);
    const uint32_t *b = p->b;
    for (int64_t step = 0; step < p->steps; ++step, a += BF16_A_STEP) {
        if (by_offsets)
            b = p->b + p->b_offsets[step];
        for (int pair = 0; pair < BF16_PAIRS; ++pair, b += p->b_stride) {
            __m512bh columns[2];
#pragma GCC unroll 2
            for (int v = 0; v < column_tiles; ++v)
                columns[v] = (__m512bh)_mm512_loadu_si512(b + v * BF16_TILE);
#pragma GCC unroll 8
            for (int i = 0; i < STRIP_ROWS; ++i) {
                int32_t bits;
                memcpy(&bits, a + i * BF16_STEP + 2 * pair, sizeof bits);
                const __m512bh row = (__m512bh)_mm512_set1_epi32(bits);
#pragma GCC unroll 2
                for (int v = 0; v < column_tiles; ++v)
                    sums[i][v] = _mm512_dpbf16_ps(sums[i][v], row, columns[v]);
            }
        }
    }
#pragma GCC unroll 8
    for (int i = 0; i < STRIP_ROWS; ++i)
#pragma GCC unroll 2
        for (int v = 0; v < column_tiles; ++v)
            _mm512_storeu_ps(c + i * BF16_BLOCK + v * BF16_TILE, sums[i][v]);
}

CPU_INLINE void run_tiles(const int row_tiles, const int column_tiles, const bool by_offsets, const bf16_product *p)
{
    for (int row = 0; row < row_tiles * BF16_TILE; row += STRIP_ROWS)
        run_strip(column_tiles, by_offsets, p, p->a + row * BF16_STEP, p->c + row * BF16_BLOCK);
}

#endif

CPU_INLINE void run_any(const bool by_offsets, const bf16_product *p)
{
    if (p->row_tiles > 1 && p->column_tiles > 1)
        run_tiles(2, 2, by_offsets, p);
    else if (p->row_tiles > 1)
        run_tiles(2, 1, by_offsets, p);
    else if (p->column_tiles > 1)
        run_tiles(1, 2, by_offsets, p);
    else
        run_tiles(1, 1, by_offsets, p);
}

void bf16_block_run(const bf16_product *product)
{
    memory_barrier();
    if (product->b_offsets)
        run_any(true, product);
    else
        run_any(false, product);
    memory_barrier();
}
