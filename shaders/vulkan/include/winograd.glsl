// winograd.glsl: the transforms of F(4x4, 3x3) and F(2x2, 3x3) (Lavin and Gray 2016) along one axis.
//
//   out tile = A^T [ sum over channels of (G w G^T) * (B^T d B) ] A,   d: the patch under the tile
//
// TILE = 4 or 2 is defined before: the outputs of a tile along one axis; PATCH of the source lie under it.
#define PATCH (TILE + 2)

// B^T d
float[PATCH] winograd_source(float d[PATCH])
{
#if TILE == 4
    const float a = d[4] - 4.0 * d[2], b = d[3] - 4.0 * d[1], c = d[4] - d[2], e = 2.0 * (d[3] - d[1]);
    return float[PATCH](4.0 * d[0] - 5.0 * d[2] + d[4], a + b, a - b, c + e, c - e, 4.0 * d[1] - 5.0 * d[3] + d[5]);
#else
    return float[PATCH](d[0] - d[2], d[1] + d[2], d[2] - d[1], d[1] - d[3]);
#endif
}

// G w
float[PATCH] winograd_weights(float w[3])
{
#if TILE == 4
    const float a = (w[0] + w[2]) * (-1.0 / 6.0), b = w[1] * (1.0 / 6.0);
    const float c = w[0] * (1.0 / 24.0) + w[2] * (1.0 / 6.0), d = w[1] * (1.0 / 12.0);
    return float[PATCH](w[0] * 0.25, a - b, a + b, c + d, c - d, w[2]);
#else
    const float a = 0.5 * (w[0] + w[2]), b = 0.5 * w[1];
    return float[PATCH](w[0], a + b, a - b, w[2]);
#endif
}

// A^T m
float[TILE] winograd_target(float m[PATCH])
{
#if TILE == 4
    const float p = m[1] + m[2], q = m[1] - m[2], r = m[3] + m[4], s = m[3] - m[4];
    return float[TILE](m[0] + p + r, q + 2.0 * s, p + 4.0 * r, q + 8.0 * s + m[5]);
#else
    return float[TILE](m[0] + m[1] + m[2], m[1] - m[2] - m[3]);
#endif
}
