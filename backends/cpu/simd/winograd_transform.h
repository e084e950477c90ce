/* winograd_transform.h: the three transforms of F(4x4, 3x3), one vector lane per tile or per pair of channels. */
#ifndef AUXO_CPU_WINOGRAD_TRANSFORM_H
#define AUXO_CPU_WINOGRAD_TRANSFORM_H

#include "vec.h"

/* B^T d */
CPU_INLINE void winograd_source(const vf d[6], vf t[6])
{
    vf a = d[4] - 4.0f * d[2];
    vf b = d[3] - 4.0f * d[1];
    vf c = d[4] - d[2];
    vf e = 2.0f * (d[3] - d[1]);
    t[0] = 4.0f * d[0] - 5.0f * d[2] + d[4];
    t[1] = a + b;
    t[2] = a - b;
    t[3] = c + e;
    t[4] = c - e;
    t[5] = 4.0f * d[1] - 5.0f * d[3] + d[5];
}

/* G w */
CPU_INLINE void winograd_weights(const vf w[3], vf u[6])
{
    vf a = (w[0] + w[2]) * (-1.0f / 6);
    vf b = w[1] * (1.0f / 6);
    vf c = w[0] * (1.0f / 24) + w[2] * (1.0f / 6);
    vf d = w[1] * (1.0f / 12);
    u[0] = w[0] * 0.25f;
    u[1] = a - b;
    u[2] = a + b;
    u[3] = c + d;
    u[4] = c - d;
    u[5] = w[2];
}

/* A^T m */
CPU_INLINE void winograd_out(const vf m[6], vf y[4])
{
    vf p = m[1] + m[2];
    vf q = m[1] - m[2];
    vf r = m[3] + m[4];
    vf s = m[3] - m[4];
    y[0] = m[0] + p + r;
    y[1] = q + 2.0f * s;
    y[2] = p + 4.0f * r;
    y[3] = q + 8.0f * s + m[5];
}

#endif
