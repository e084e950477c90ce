/* conv2d_bias.h: DBIAS of a convolution, the sum of DY over images and positions. */
#ifndef AUXO_CPU_CONV2D_BIAS_H
#define AUXO_CPU_CONV2D_BIAS_H

#include "vec_half.h"

/* Of channel k of DY (images, channels, positions): each image's plane in vector lanes, the images in double. */
CPU_INLINE float conv_bias_gradient(const auxo_dtype type, const void *dy, int64_t images, int64_t channels,
                                    int64_t positions, int64_t k)
{
    double sum = 0;
    for (int64_t image = 0; image < images; ++image) {
        const int64_t first = (image * channels + k) * positions, end = first + positions;
        vf lanes = vf_set1(0);
        int64_t i = first;
        for (; i + VEC_LANES <= end; i += VEC_LANES)
            lanes += vf_load_as(type, dy, i);
        if (i < end)
            lanes += vf_load_partial_as(type, dy, i, end - i);
        sum += (double)vf_sum(lanes);
    }
    return (float)sum;
}

#endif
