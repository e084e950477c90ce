// tests/image_fit_test.cpp: pictures that shrink a hundredfold and more, and long thin ones: the same as the definition
// of the filter says, place by place.
#include "support/support.hpp"

#include "auxo/schema.h"

#include <cmath>
#include <vector>

extern "C" {
#include "image.h"
}

namespace
{

// The triangle filter over `values`, whose ends go on for ever.
double filtered(const std::vector<double> &values, double at, double support)
{
    double sum = 0, weights = 0;
    for (long i = std::lround(std::ceil(at - support)); i <= std::lround(std::floor(at + support)); i++) {
        const double weight = 1 - std::fabs(double(i) - at) / support;
        const long inside = std::min(std::max(i, 0l), long(values.size()) - 1);
        sum += weight * values[size_t(inside)];
        weights += weight;
    }
    return sum / weights;
}

double value_of(uint32_t y, uint32_t x)
{
    return double((y * 7 + x * 31) % 256);
}

void check_fit(auxo_picture_fit fit, uint32_t height, uint32_t width, uint16_t out_height, uint16_t out_width)
{
    INFO(height << " x " << width << " to " << out_height << " x " << out_width);
    auxo_test::Error error;
    auxo__image image = {};
    image.height = height;
    image.width = width;
    image.channels = 1;
    REQUIRE_OK(auxo__image_allocate("test", false, size_t(height) * width, 1, &image, error));
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            image.pixels[size_t(y) * width + x] = uint8_t(value_of(y, x));
    auxo_picture_rule rule = {};
    rule.height = out_height;
    rule.width = out_width;
    rule.fit = fit;
    REQUIRE_OK(auxo__image_apply("test", &rule, &image, error));
    double scale_y = double(out_height) / height, scale_x = double(out_width) / width, shift_y = 0, shift_x = 0;
    if (fit != AUXO_FIT_STRETCH) {
        scale_y = scale_x = fit == AUXO_FIT_CROP ? std::max(scale_y, scale_x) : std::min(scale_y, scale_x);
        shift_y = 0.5 * (out_height - scale_y * height);
        shift_x = 0.5 * (out_width - scale_x * width);
    }
    for (uint32_t y = 0; y < out_height; y++)
        for (uint32_t x = 0; x < out_width; x++) {
            const double in_y = (y + 0.5 - shift_y) / scale_y, in_x = (x + 0.5 - shift_x) / scale_x;
            double wanted = 0; // the padding is black
            if (in_y >= 0 && in_y <= height && in_x >= 0 && in_x <= width) {
                std::vector<double> column, row(width);
                for (uint32_t i = 0; i < height; i++) {
                    for (uint32_t j = 0; j < width; j++)
                        row[j] = value_of(i, j);
                    column.push_back(filtered(row, in_x - 0.5, std::max(1.0, 1 / scale_x)));
                }
                wanted = filtered(column, in_y - 0.5, std::max(1.0, 1 / scale_y));
            }
            INFO(y << ", " << x);
            CHECK(std::fabs(image.pixels[size_t(y) * out_width + x] - wanted) <= 0.51);
        }
    auxo__image_deinit(&image);
}

} // namespace

TEST_CASE("pictures of any shape shrink as the filter is defined, long thin ones too")
{
    for (auxo_picture_fit fit : {AUXO_FIT_STRETCH, AUXO_FIT_CROP, AUXO_FIT_PAD}) {
        INFO(fit);
        check_fit(fit, 900, 1, 5, 9);
        check_fit(fit, 1, 900, 9, 5);
        check_fit(fit, 700, 3, 3, 3);
        check_fit(fit, 40, 30, 5, 9);
        check_fit(fit, 3, 2, 9, 5);
    }
}
