// float_float.glsl: sums kept as an unevaluated pair hi + lo (Dekker 1971; Knuth's two-sum), about 48 bits.
//
// `precise` keeps compilers from reassociating. Infinities and NaN stay in hi, with lo = 0.

bool is_finite(float x)
{
    return (floatBitsToUint(x) & 0x7f800000u) != 0x7f800000u;
}

vec2 two_sum(float a, float b)
{
    precise float s = a + b;
    precise float t = s - a;
    precise float e = (a - (s - t)) + (b - t);
    return vec2(s, is_finite(s) ? e : 0.0);
}

vec2 two_product(float a, float b)
{
    precise float p = a * b;
    precise float ca = 4097.0 * a, cb = 4097.0 * b;
    precise float ah = ca - (ca - a), bh = cb - (cb - b);
    precise float al = a - ah, bl = b - bh;
    precise float e = ((ah * bh - p) + ah * bl + al * bh) + al * bl;
    return vec2(p, is_finite(e) && is_finite(p) ? e : 0.0);
}

vec2 ff_add(vec2 a, vec2 b)
{
    const vec2 s = two_sum(a.x, b.x);
    precise float e = s.y + (a.y + b.y);
    return two_sum(s.x, e);
}

vec2 ff_add(vec2 a, float b)
{
    const vec2 s = two_sum(a.x, b);
    precise float e = s.y + a.y;
    return two_sum(s.x, e);
}

vec2 ff_multiply(vec2 a, vec2 b)
{
    const vec2 p = two_product(a.x, b.x);
    precise float e = p.y + (a.x * b.y + a.y * b.x);
    return is_finite(p.x) ? two_sum(p.x, e) : vec2(p.x, 0.0);
}

vec2 ff_divide(vec2 a, vec2 b)
{
    precise float q = a.x / b.x;
    if (!is_finite(q))
        return vec2(q, 0.0);
    const vec2 p = ff_multiply(vec2(q, 0.0), b);
    precise float r = ((a.x - p.x) - p.y) + a.y;
    return two_sum(q, r / b.x);
}
