// tests/fuzz/fuzz_device.hpp: the reference backend's device, opened once, for readers that fill models.
#pragma once

#include "auxo/device.h"

#include <cstdlib>

inline auxo_runtime *fuzz_runtime()
{
    static auxo_runtime *runtime = [] {
        auxo_runtime_options options = {};
        auxo_runtime *made = nullptr;
        options.backends = auxo_builtin_backends(&options.backend_count);
        options.thread_count = 1;
        if (auxo_runtime_create(&options, &made, nullptr) != AUXO_OK)
            std::abort();
        return made;
    }();
    return runtime;
}

inline auxo_device *fuzz_device()
{
    static auxo_device *device = [] {
        auxo_device *made = nullptr;
        if (auxo_device_open(fuzz_runtime(), "reference", &made, nullptr) != AUXO_OK)
            std::abort();
        return made;
    }();
    return device;
}
