// cox.glsl: what the shaders of the Cox partial likelihood share: sums of exponentials, stretches and their scans.
//
// Positions are those of ORDER (ascending time); equal times form a group. An invocation owns `run` positions, a
// workgroup a block of them. What a stretch of positions holds is read in one direction, first to last or last to
// first: two sums over the part of the group that is open where the reading stops, and the sum over the groups that
// closed on the way. Stretches follow one another associatively, so lanes and blocks are scanned, and no invocation
// walks a group that others own. A boundary belongs to the position behind it, the first of a group.
// Sums of exponentials are pairs (m, s) meaning s e^m, so that m - h stays exact for large |h|.

// Which sums of a group count when it closes: nobody asks, the first, both.
#define CLOSE_NOTHING 0u
#define CLOSE_X 1u
#define CLOSE_BOTH 2u

#define NOTHING vec2(uintBitsToFloat(0xff800000u), 0.0)
#define NO_STRETCH stretch(NOTHING, NOTHING, NOTHING, 0u, 0u)

#define MARK_EVENT 1u
#define MARK_FIRST 2u // of its group

struct row {
    float h;
    uint marks;
};

struct stretch {
    vec2 x, y;    // of the open group
    vec2 closed;  // of the closed ones
    uint count;   // events of the open group
    uint borders; // whether a group begins in it
};

// Of a lane or a block: what comes before it, read first to last, and what comes after it, read last to first.
struct sides {
    stretch before, after;
};

// s1 e^m1 + s2 e^m2
vec2 plus(vec2 a, vec2 b)
{
    const bool swap = a.x < b.x;
    const vec2 large = swap ? b : a, small = swap ? a : b;
    if (small.y == 0.0)
        return large;
    return vec2(large.x, large.y + small.y * exp_accurate(small.x - large.x));
}

stretch close_group(stretch s, uint closing)
{
    if (closing != CLOSE_NOTHING)
        s.closed = plus(s.closed, s.x);
    if (closing == CLOSE_BOTH)
        s.closed = plus(s.closed, s.y);
    return stretch(NOTHING, NOTHING, s.closed, 0u, 1u);
}

// a, and then b.
stretch follow(stretch a, stretch b, uint closing)
{
    if (b.borders == 0u)
        return stretch(plus(a.x, b.x), plus(a.y, b.y), a.closed, a.count + b.count, a.borders);
    if (closing != CLOSE_NOTHING)
        b.closed = plus(close_group(a, closing).closed, b.closed);
    return b;
}

#ifdef COX_SCAN
shared vec2 scan_x[GROUP_SIZE], scan_y[GROUP_SIZE], scan_closed[GROUP_SIZE];
shared uvec2 scan_marks[GROUP_SIZE];

void put_stretch(uint at, stretch s, uint closing)
{
    scan_x[at] = s.x;
    scan_y[at] = s.y;
    if (closing != CLOSE_NOTHING)
        scan_closed[at] = s.closed;
    scan_marks[at] = uvec2(s.count, s.borders);
}

stretch get_stretch(uint at, uint closing)
{
    return stretch(scan_x[at], scan_y[at], closing != CLOSE_NOTHING ? scan_closed[at] : NOTHING, scan_marks[at].x,
                   scan_marks[at].y);
}

// The stretches of the workgroup's lanes that are read before this lane's, as one; `all`: those of all lanes.
stretch scan_stretches(stretch own, bool from_last, uint closing, out stretch all)
{
    const uint at = from_last ? GROUP_SIZE - 1u - lane_index() : lane_index();
    put_stretch(at, own, closing);
    barrier();
    for (uint step = 1u; step < GROUP_SIZE; step *= 2u) {
        stretch earlier = NO_STRETCH;
        if (at >= step)
            earlier = get_stretch(at - step, closing);
        barrier();
        if (at >= step) {
            own = follow(earlier, own, closing);
            put_stretch(at, own, closing);
        }
        barrier();
    }
    all = get_stretch(GROUP_SIZE - 1u, closing);
    stretch before = NO_STRETCH;
    if (at > 0u)
        before = get_stretch(at - 1u, closing);
    barrier();
    return before;
}

// Scans both ways: what this lane has beside it within its workgroup; `all`: the workgroup's own stretches.
sides scan_sides(sides own, uvec2 closing, out sides all)
{
    sides beside;
    beside.before = scan_stretches(own.before, false, closing.x, all.before);
    beside.after = scan_stretches(own.after, true, closing.y, all.after);
    return beside;
}
#endif

// How groups close in the two directions: exponentials by the later ones, inverse denominators by the earlier ones.
#define EXPONENTIALS_CLOSE uvec2(CLOSE_NOTHING, CLOSE_BOTH)
#define INVERSES_CLOSE uvec2(CLOSE_X, CLOSE_NOTHING)

// What this lane has beside it, from what its block has and what the lane has within the block.
sides follow_sides(sides block, sides lane, uvec2 closing)
{
    return sides(follow(block.before, lane.before, closing.x), follow(block.after, lane.after, closing.y));
}
