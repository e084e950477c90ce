// tests/fuzz/image_fuzz.cpp: PNG, PGM and PPM files.
#include "auxo/status.h"

#include <cstdint>
#include <cstdlib>

extern "C" {
#include "image.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    auxo__image image;
    auxo_error error = {};
    if (auxo__image_decode("fuzz", data, size, &image, &error) == AUXO_OK)
        std::free(image.pixels);
    return 0;
}
