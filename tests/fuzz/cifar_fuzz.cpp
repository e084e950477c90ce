// tests/fuzz/cifar_fuzz.cpp: CIFAR batches: sizes and labels, with one or two label bytes.
#include "auxo/data.h"

extern "C" {
#include "cifar.h"
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    size_t label_bytes = 1 + (data[0] & 1), record_count = 0;
    auxo_error error = {};
    if (auxo__cifar_check("batch", data + 1, size - 1, label_bytes, 100, &record_count, &error) == AUXO_OK &&
        record_count * (label_bytes + AUXO__CIFAR_PIXEL_BYTES) != size - 1)
        __builtin_trap();
    return 0;
}
