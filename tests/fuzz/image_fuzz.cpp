// tests/fuzz/image_fuzz.cpp: PNG, JPEG, WebP, PGM and PPM files, as they are and brought to a small size.
#include "auxo/schema.h"

#include <cstdint>

extern "C" {
#include "image.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auxo__readers readers = {};
    auxo__image image;
    auxo_error error = {};
    if (auxo__image_decode(&readers, "fuzz", data, size, &image, &error) != AUXO_OK)
        return 0;
    auxo_picture_rule rule = {};
    rule.height = 5;
    rule.width = 9;
    rule.fit = auxo_picture_fit(size % 3);
    rule.colour = auxo_picture_colour(size / 3 % 3);
    if (uint64_t(image.height) * image.width < 1u << 13)
        auxo__image_apply("fuzz", &rule, &image, &error);
    auxo__image_deinit(&image);
    return 0;
}
