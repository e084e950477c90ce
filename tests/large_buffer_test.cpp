// tests/large_buffer_test.cpp: ops on tensors beyond 134,217,728 bytes, the most that one storage buffer binding can
// address on some Vulkan drivers. Results are compared at sample positions, among them both sides of that limit.
#include "support/support.hpp"

#include "auxo/plan.h"

#include <cmath>

using auxo_test::Device;
using auxo_test::for_each_device;

namespace
{

const int64_t limit_bytes = 134217728;
const int64_t count = limit_bytes / 4 + 5000003; // f32 elements: 154 MB

const std::vector<int64_t> positions = {
    0, 1, 4097, limit_bytes / 4 - 1, limit_bytes / 4, limit_bytes / 4 + 1, count / 2, count - 2, count - 1};

float sample(Device &device, const auxo_tensor &tensor, int64_t element)
{
    float value = 0;
    auxo_test::Error error;
    REQUIRE_OK(auxo_buffer_read(device.queue, tensor.buffer, tensor.offset_bytes + static_cast<uint64_t>(element) * 4,
                                &value, sizeof value, error));
    return value;
}

// false, with a warning, where the device says that it cannot hold such a tensor at all
bool fits(Device &device, int64_t bytes)
{
    const auxo_device_info *info = auxo_device_get_info(device.device);
    if (info->max_allocation_bytes >= static_cast<uint64_t>(bytes))
        return true;
    WARN("skipped on " << device.selector << ": the largest allocation is " << info->max_allocation_bytes);
    return false;
}

// Small whole numbers, so that sums are exact.
float pattern(int64_t element)
{
    return static_cast<float>(element % 1021);
}

auxo_tensor upload_pattern(Device &device)
{
    std::vector<float> values(static_cast<size_t>(count));
    for (int64_t i = 0; i < count; i++)
        values[static_cast<size_t>(i)] = pattern(i);
    return device.f32(values, {count});
}

} // namespace

TEST_CASE("fill, add and copy reach past 128 MiB", "[large]")
{
    for_each_device([](Device &device) {
        if (!fits(device, count * 4))
            return;
        auxo_tensor a = upload_pattern(device), b = device.empty(AUXO_DTYPE_F32, {count});
        auxo_op fill = {};
        fill.kind = AUXO_OP_FILL;
        fill.params.fill.value = 0.5f;
        fill.tensors[AUXO_FILL_Y] = b;
        device.run(fill);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == 0.5f);

        auxo_op add = {};
        add.kind = AUXO_OP_ADD;
        add.params.add = {2, -1};
        add.tensors[AUXO_ADD_A] = a;
        add.tensors[AUXO_ADD_B] = b;
        add.tensors[AUXO_ADD_Y] = b;
        device.run(add);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == 2 * pattern(position) - 0.5f);

        auxo_op copy = {};
        copy.kind = AUXO_OP_COPY;
        copy.params.copy.scale = 1;
        copy.tensors[AUXO_COPY_X] = a;
        copy.tensors[AUXO_COPY_Y] = b;
        device.run(copy);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == pattern(position));
    });
}

TEST_CASE("activation, scale, dropout and an optimizer's step reach past 128 MiB", "[large]")
{
    for_each_device([](Device &device) {
        if (!fits(device, count * 4))
            return;
        auxo_tensor a = upload_pattern(device), b = device.empty(AUXO_DTYPE_F32, {count});
        auxo_op relu = {};
        relu.kind = AUXO_OP_ACTIVATION_FORWARD;
        relu.params.activation.activation = AUXO_ACTIVATION_RELU;
        relu.tensors[AUXO_ACTIVATION_X] = a;
        relu.tensors[AUXO_ACTIVATION_Y] = b;
        device.run(relu);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == pattern(position));

        const int64_t dims[3] = {1, 1, count};
        auxo_op scale = {};
        scale.kind = AUXO_OP_SCALE;
        scale.tensors[AUXO_SCALE_X] = auxo_tensor_make(a.buffer, 0, AUXO_DTYPE_F32, 3, dims);
        scale.tensors[AUXO_SCALE_SCALE] = device.f32({2}, {1});
        scale.tensors[AUXO_SCALE_Y] = auxo_tensor_make(b.buffer, 0, AUXO_DTYPE_F32, 3, dims);
        device.run(scale);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == 2 * pattern(position));

        auxo_op dropout = {};
        dropout.kind = AUXO_OP_DROPOUT;
        dropout.params.dropout = {0.5f, 7, 0};
        dropout.tensors[AUXO_DROPOUT_X] = a;
        dropout.tensors[AUXO_DROPOUT_Y] = b;
        device.run(dropout);
        for (int64_t position : positions) {
            const float value = sample(device, b, position);
            CHECK((value == 0 || value == 2 * pattern(position)));
        }

        auxo_op step = {};
        step.kind = AUXO_OP_OPTIMIZER_STEP;
        step.params.optimizer_step.kind = AUXO_OPTIMIZER_SGD;
        step.tensors[AUXO_OPTIMIZER_PARAMS] = b;
        step.tensors[AUXO_OPTIMIZER_GRADS] = a;
        step.tensors[AUXO_OPTIMIZER_HYPER] = device.f32({0.5f, 0, 0, 0, 0, 1, 0, 0}, {AUXO_HYPER_COUNT});
        device.run(relu); // b = a
        device.run(step);
        for (int64_t position : positions)
            CHECK(sample(device, b, position) == 0.5f * pattern(position));
    });
}

TEST_CASE("an op that cannot be parted names the limit and how much of its tensor fits", "[large]")
{
    for_each_device([](Device &device) {
        const auxo_device_info *info = auxo_device_get_info(device.device);
        if (info->max_binding_bytes == 0 || info->max_binding_bytes > 2 * static_cast<uint64_t>(limit_bytes) ||
            !fits(device, count * 4))
            return;
        const int64_t rows = count / 1000;
        auxo_tensor x = device.empty(AUXO_DTYPE_F32, {rows, 1000});
        auxo_op softmax = {};
        softmax.kind = AUXO_OP_SOFTMAX;
        softmax.tensors[AUXO_SOFTMAX_X] = softmax.tensors[AUXO_SOFTMAX_Y] = x;
        auxo_test::Error error;
        CHECK(auxo_op_run(device.queue, &softmax, error) == AUXO_UNSUPPORTED);
        INFO(error.message);
        CHECK(error.text().find(std::to_string(info->max_binding_bytes)) != std::string::npos);
        CHECK(error.text().find("33553 of its " + std::to_string(rows) + " rows fit") != std::string::npos);
    });
}

TEST_CASE("a small view behind 128 MiB of one buffer is reached", "[large]")
{
    for_each_device([](Device &device) {
        if (!fits(device, count * 4))
            return;
        auxo_tensor whole = device.empty(AUXO_DTYPE_F32, {count});
        auxo_tensor tail = auxo_tensor_slice(whole, 0, count - 1003, 1003);
        auxo_op fill = {};
        fill.kind = AUXO_OP_FILL;
        fill.params.fill.value = 3;
        fill.tensors[AUXO_FILL_Y] = tail;
        device.run(fill);
        auxo_op scale = {};
        scale.kind = AUXO_OP_ADD;
        scale.params.add = {1, 1};
        scale.tensors[AUXO_ADD_A] = tail;
        scale.tensors[AUXO_ADD_B] = tail;
        scale.tensors[AUXO_ADD_Y] = auxo_tensor_slice(whole, 0, 17, 1003);
        device.run(scale);
        CHECK(device.download_f32(tail) == std::vector<float>(1003, 3));
        CHECK(device.download_f32(scale.tensors[AUXO_ADD_Y]) == std::vector<float>(1003, 6));
    });
}

TEST_CASE("gather_batch and reduce read past 128 MiB", "[large]")
{
    for_each_device([](Device &device) {
        if (!fits(device, count * 4))
            return;
        const int64_t row_size = 1009, rows = count / row_size;
        const int64_t dims[3] = {rows, 1, row_size};
        auxo_tensor data = upload_pattern(device);
        auxo_tensor table = auxo_tensor_make(data.buffer, 0, AUXO_DTYPE_F32, 3, dims);
        const std::vector<uint32_t> order = {static_cast<uint32_t>(rows - 1), 0,
                                             static_cast<uint32_t>(limit_bytes / 4 / row_size), 5};
        auxo_op gather = {};
        gather.kind = AUXO_OP_GATHER_BATCH;
        gather.params.gather_batch.scale = 1;
        gather.tensors[AUXO_GATHER_BATCH_DATA] = table;
        gather.tensors[AUXO_GATHER_BATCH_ORDER] = device.u32(order, {4});
        gather.tensors[AUXO_GATHER_BATCH_Y] = device.empty(AUXO_DTYPE_F32, {4, 1, row_size});
        device.run(gather);
        std::vector<float> got = device.download_f32(gather.tensors[AUXO_GATHER_BATCH_Y]);
        for (size_t b = 0; b < order.size(); b++)
            for (int64_t i = 0; i < row_size; i++)
                if (got[b * static_cast<size_t>(row_size) + static_cast<size_t>(i)] != pattern(order[b] * row_size + i))
                    FAIL("row " << order[b] << " element " << i);

        auxo_op reduce = {};
        reduce.kind = AUXO_OP_REDUCE;
        reduce.params.reduce.kind = AUXO_REDUCE_MEAN;
        const int64_t flat[3] = {1, 1, count};
        reduce.tensors[AUXO_REDUCE_X] = auxo_tensor_make(data.buffer, 0, AUXO_DTYPE_F32, 3, flat);
        reduce.tensors[AUXO_REDUCE_Y] = device.empty(AUXO_DTYPE_F32, {1});
        device.run(reduce);
        double mean = 0;
        for (int64_t i = 0; i < count; i++)
            mean += static_cast<double>(pattern(i)) / static_cast<double>(count);
        CHECK(static_cast<double>(device.download_f32(reduce.tensors[AUXO_REDUCE_Y])[0]) ==
              Approx(mean).epsilon(40 * 0x1p-24));
    });
}

TEST_CASE("gemm reads an operand of more than 128 MiB", "[large]")
{
    for_each_device([](Device &device) {
        if (!fits(device, count * 4))
            return;
        const int64_t k = 4001, m = count / k;
        auxo_tensor data = upload_pattern(device);
        auxo_op gemm = {};
        gemm.kind = AUXO_OP_GEMM;
        gemm.params.gemm.alpha = 1;
        gemm.tensors[AUXO_GEMM_A] = auxo_tensor_2d(data.buffer, 0, AUXO_DTYPE_F32, m, k);
        gemm.tensors[AUXO_GEMM_B] = device.f32(std::vector<float>(static_cast<size_t>(k), 1), {k, 1});
        gemm.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {m, 1});
        device.run(gemm);
        std::vector<float> got = device.download_f32(gemm.tensors[AUXO_GEMM_C]);
        for (int64_t row : {int64_t{0}, limit_bytes / 4 / k, limit_bytes / 4 / k + 1, m - 1}) {
            double sum = 0;
            for (int64_t i = 0; i < k; i++)
                sum += static_cast<double>(pattern(row * k + i));
            CHECK(static_cast<double>(got[static_cast<size_t>(row)]) == Approx(sum).epsilon(1e-5));
        }
    });
}
