// batch_norm_parts.glsl: a channel in parts, each for one workgroup, which has term_begin() .. term_end() of it; its
// partial results are at part_index(). Parameters: those of batch_norm.glsl, `terms` (= outer * inner), `parts` and
// `part_terms`.
#include "batch_norm.glsl"

uint part;

// False for workgroups past the last.
bool take_part()
{
    channel = group_index() / p.parts;
    part = group_index() - channel * p.parts;
    return channel < p.channels;
}

uint term_begin()
{
    return part * p.part_terms;
}

uint term_end()
{
    return min(term_begin() + p.part_terms, p.terms);
}

uint part_index()
{
    return channel * p.parts + part;
}
