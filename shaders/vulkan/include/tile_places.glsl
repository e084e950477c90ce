// tile_places.glsl: which element of the tiles of A and B an invocation brings with its load number `load`, one at a time:
// row and term of A, column and term of B. The including shader defines A_ALONG_K and B_ALONG_N (neighbours in memory lie
// along k, along n) and the extents of tiled.glsl.

uint a_row(uint load)
{
    return A_ALONG_K ? lane_index() / TILE_K + load * (GROUP_SIZE / TILE_K) : lane_index() % TILE_M;
}

uint a_term(uint load)
{
    return A_ALONG_K ? lane_index() % TILE_K : lane_index() / TILE_M + load * (GROUP_SIZE / TILE_M);
}

uint b_column(uint load)
{
    return B_ALONG_N ? lane_index() % TILE_N : lane_index() / TILE_K + load * (GROUP_SIZE / TILE_K);
}

uint b_term(uint load)
{
    return B_ALONG_N ? lane_index() / TILE_N + load * (GROUP_SIZE / TILE_N) : lane_index() % TILE_K;
}
