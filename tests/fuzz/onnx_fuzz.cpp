// tests/fuzz/onnx_fuzz.cpp: ONNX files: the protocol buffer, the nodes, and the model that is made of them.
#include "fuzz_device.hpp"
#include "fuzz_file.hpp"

#include "auxo/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    static auxo_device *device = [] {
        auxo_device *opened = nullptr;
        if (auxo_device_open(fuzz_runtime(), "reference", &opened, nullptr) != AUXO_OK)
            std::abort();
        return opened;
    }();
    auxo_error error = {};
    auxo_model *model = nullptr;
    if (auxo_onnx_import(device, file.hold(data, size), &model, &error) == AUXO_OK)
        auxo_model_destroy(model);
    return 0;
}
