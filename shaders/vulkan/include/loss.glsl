// loss.glsl: how every loss ends: LOSS (hi, lo), and the optional STATS and HISTORY of auxo/ops.h.
//
// The including shader defines LOSS_SLOT: LOSS, STATS, HISTORY and COUNTER are bound from there on as the buffers
// loss, stats, history and counter. One invocation calls write_loss.

layout(std430, set = 0, binding = LOSS_SLOT) buffer loss_block
{
    float loss[];
};
layout(std430, set = 0, binding = LOSS_SLOT + 1) buffer stats_block
{
    float stats[];
};
layout(std430, set = 0, binding = LOSS_SLOT + 2) buffer history_block
{
    float history[];
};
layout(std430, set = 0, binding = LOSS_SLOT + 3) readonly buffer counter_block
{
    uint counter[];
};

struct loss_output {
    uint has_stats, history_length, has_counter;
    float rows;
};

// `at` are the elements at which the four tensors start.
void write_loss(uvec4 at, loss_output o, vec2 value, float right_count)
{
    loss[at.x] = value.x;
    loss[at.x + 1u] = is_finite(value.x) ? value.y : 0.0;
    if (o.has_stats != 0u) {
        const vec2 total = ff_multiply(value, vec2(o.rows, 0.0));
        stats[at.y] = ff_add(total, stats[at.y]).x;
        stats[at.y + 1u] += right_count;
        stats[at.y + 2u] += o.rows;
        stats[at.y + 3u] += 1.0;
    }
    if (o.history_length > 0u) {
        const uint step = o.has_counter != 0u ? counter[at.w] : 0u;
        history[at.z + (step - 1u) % o.history_length] = value.x;
    }
}
