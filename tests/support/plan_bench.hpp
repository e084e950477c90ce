// tests/support/plan_bench.hpp: a plan on a fake device, and short makers of ops, for tests of the layers device and
// plan.
#pragma once

#include "auxo/plan.h"
#include "support/fake_backend.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <vector>

namespace auxo_test
{

// A fake device with a queue and a plan; everything is destroyed, and checked for leaks, at the end.
struct PlanBench {
    FakeBackend fake;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_plan *plan = nullptr;
    std::vector<auxo_buffer *> buffers;
    std::vector<std::string> log;
    std::string cache_dir, tuning_dir; // "": none
    bool self_test = false;
    auxo_error error = {};

    void start(bool with_oracle = true)
    {
        const auxo_backend *backends[] = {&fake.spi, find_builtin("reference")};
        auxo_runtime_options options = {};
        options.backends = backends;
        options.backend_count = with_oracle ? 2 : 1;
        options.log = [](void *user, auxo_log_level, const char *message) {
            static_cast<PlanBench *>(user)->log.push_back(message);
        };
        options.log_user = this;
        options.cache_dir = cache_dir.empty() ? nullptr : cache_dir.c_str();
        options.tuning_dir = tuning_dir.empty() ? nullptr : tuning_dir.c_str();
        REQUIRE(auxo_runtime_create(&options, &runtime, nullptr) == AUXO_OK);
        REQUIRE(auxo_device_open(runtime, "fake", &device, nullptr) == AUXO_OK);
        REQUIRE(auxo_queue_create(device, &queue, nullptr) == AUXO_OK);
        new_plan();
    }
    void new_plan()
    {
        auxo_plan_destroy(plan);
        REQUIRE(auxo_plan_create(device, &plan, nullptr) == AUXO_OK);
    }
    ~PlanBench()
    {
        auxo_plan_destroy(plan);
        for (auxo_buffer *buffer : buffers)
            auxo_buffer_destroy(buffer);
        auxo_queue_destroy(queue);
        auxo_device_close(device);
        auxo_runtime_destroy(runtime);
        CHECK(fake.live_buffers == 0);
        CHECK(fake.live_states == 0);
        CHECK(fake.live_recordings == 0);
    }
    auxo_tensor buffer_1d(int64_t count)
    {
        auxo_buffer *buffer = nullptr;
        REQUIRE(auxo_buffer_create(device, static_cast<uint64_t>(count) * 4, &buffer, nullptr) == AUXO_OK);
        buffers.push_back(buffer);
        return auxo_tensor_1d(buffer, 0, AUXO_DTYPE_F32, count);
    }
    auxo_tensor temp_1d(int64_t count)
    {
        return auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, &count);
    }
    std::vector<float> read(const auxo_tensor &tensor)
    {
        std::vector<float> values(static_cast<size_t>(auxo_tensor_element_count(&tensor)));
        REQUIRE(auxo_buffer_read(queue, tensor.buffer, tensor.offset_bytes, values.data(), values.size() * 4,
                                 nullptr) == AUXO_OK);
        return values;
    }
    auxo_status add(const auxo_op &op, const char *label = nullptr)
    {
        error = {};
        auxo_plan_add(plan, &op, label);
        return auxo_plan_status(plan, &error);
    }
    auxo_status compile(auxo_plan_options options = {})
    {
        options.no_self_test = !self_test;
        error = {};
        return auxo_plan_compile(plan, &options, &error);
    }
    auxo_status run(uint32_t repeat_count = 1)
    {
        error = {};
        return auxo_plan_run(plan, queue, repeat_count, &error);
    }
};

inline auxo_op make(auxo_op_kind kind)
{
    auxo_op op;
    std::memset(&op, 0, sizeof op);
    op.kind = kind;
    return op;
}

inline auxo_op fill(const auxo_tensor &y, float value)
{
    auxo_op op = make(AUXO_OP_FILL);
    op.tensors[AUXO_FILL_Y] = y;
    op.params.fill.value = value;
    return op;
}

inline auxo_op add_op(const auxo_tensor &a, const auxo_tensor &b, const auxo_tensor &y, float alpha = 1, float beta = 1)
{
    auxo_op op = make(AUXO_OP_ADD);
    op.tensors[AUXO_ADD_A] = a;
    op.tensors[AUXO_ADD_B] = b;
    op.tensors[AUXO_ADD_Y] = y;
    op.params.add = {alpha, beta};
    return op;
}

inline auxo_op copy(const auxo_tensor &x, const auxo_tensor &y)
{
    auxo_op op = make(AUXO_OP_COPY);
    op.tensors[AUXO_COPY_X] = x;
    op.tensors[AUXO_COPY_Y] = y;
    op.params.copy.scale = 1;
    return op;
}

inline auxo_op tanh_op(const auxo_tensor &x, const auxo_tensor &y)
{
    auxo_op op = make(AUXO_OP_ACTIVATION_FORWARD);
    op.tensors[AUXO_ACTIVATION_X] = x;
    op.tensors[AUXO_ACTIVATION_Y] = y;
    op.params.activation.activation = AUXO_ACTIVATION_TANH;
    return op;
}

} // namespace auxo_test
