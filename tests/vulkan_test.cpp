// tests/vulkan_test.cpp: what is particular to the Vulkan backend: order of writes and work, many small buffers, the
// pipeline cache on disk, operands whose rows are or are not aligned, and silence of the validation layer.
//
// All cases skip visibly where there is no Vulkan device.
#include "support/support.hpp"

#include "auxo/plan.h"
#include "auxo/verify.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <memory>
#include <unistd.h>

using auxo_test::Device;
using auxo_test::Error;

namespace
{

const char *selector = "vulkan:0";

// The first Vulkan device of a fresh runtime; absent: a warning, and `device` stays empty.
struct Vulkan {
    auxo_test::Runtime runtime;
    std::unique_ptr<Device> device;
    Vulkan()
    {
        const std::vector<std::string> devices = auxo_test::test_devices(runtime);
        if (std::find(devices.begin(), devices.end(), selector) != devices.end())
            device = std::make_unique<Device>(runtime, selector);
        else
            WARN("skipped: no Vulkan device among those to test");
    }
};

auxo_op add_op(const auxo_tensor &a, const auxo_tensor &b, const auxo_tensor &y)
{
    auxo_op op = {};
    op.kind = AUXO_OP_ADD;
    op.tensors[AUXO_ADD_A] = a;
    op.tensors[AUXO_ADD_B] = b;
    op.tensors[AUXO_ADD_Y] = y;
    op.params.add.alpha = 1;
    op.params.add.beta = 1;
    return op;
}

std::vector<std::string> files_in(const std::string &folder, const std::string &start)
{
    std::vector<std::string> names;
    DIR *dir = opendir(folder.c_str());
    REQUIRE(dir != nullptr);
    while (const dirent *entry = readdir(dir))
        if (std::string(entry->d_name).compare(0, start.size(), start) == 0)
            names.push_back(folder + "/" + entry->d_name);
    closedir(dir);
    return names;
}

// Opens the device with `cache_dir`, runs one op, closes it.
void run_with_cache(const std::string &cache_dir)
{
    Error error;
    auxo_runtime_options options = {};
    options.backends = auxo_builtin_backends(&options.backend_count);
    options.cache_dir = cache_dir.c_str();
    auxo_runtime *runtime = nullptr;
    REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_buffer *buffer = nullptr;
    REQUIRE_OK(auxo_device_open(runtime, selector, &device, error));
    REQUIRE_OK(auxo_queue_create(device, &queue, error));
    REQUIRE_OK(auxo_buffer_create(device, 64, &buffer, error));
    auxo_op op = {};
    op.kind = AUXO_OP_FILL;
    op.tensors[AUXO_FILL_Y] = auxo_tensor_1d(buffer, 0, AUXO_DTYPE_F32, 16);
    op.params.fill.value = 3;
    REQUIRE_OK(auxo_op_run(queue, &op, error));
    float value = 0;
    REQUIRE_OK(auxo_buffer_read(queue, buffer, 60, &value, sizeof value, error));
    CHECK(value == 3);
    auxo_buffer_destroy(buffer);
    auxo_queue_destroy(queue);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
}

} // namespace

TEST_CASE("vulkan: writes and work keep their order", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    const int64_t count = 5000; // more than one command buffer of work in all
    auxo_tensor sum = device.f32(std::vector<float>(count, 0.0f), {count});
    auxo_tensor part = device.empty(AUXO_DTYPE_F32, {count});
    for (int step = 1; step <= 300; step++) {
        device.upload(part, std::vector<float>(count, static_cast<float>(step)).data());
        device.run(add_op(sum, part, sum));
    }
    auxo_test::check_close(device.download_f32(sum), std::vector<float>(count, 45150.0f), 0, 0);
}

TEST_CASE("vulkan: an upload of many megabytes behind queued work arrives whole", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    const int64_t count = 7000001;
    const std::vector<float> values = auxo_test::uniform(static_cast<size_t>(count), -1, 1, 5);
    auxo_tensor a = device.empty(AUXO_DTYPE_F32, {count}), b = device.empty(AUXO_DTYPE_F32, {count});
    auxo_op fill = {};
    fill.kind = AUXO_OP_FILL;
    fill.tensors[AUXO_FILL_Y] = b;
    Error error;
    REQUIRE_OK(auxo_op_run(device.queue, &fill, error));
    REQUIRE_OK(auxo_buffer_write(device.queue, a.buffer, 0, values.data(), values.size() * 4, error));
    REQUIRE_OK(auxo_buffer_copy(device.queue, a.buffer, 0, b.buffer, 0, values.size() * 4, error));
    auxo_test::check_close(device.download_f32(b), values, 0, 0);
}

TEST_CASE("vulkan: small buffers share memory without overlapping", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    struct Held {
        auxo_buffer *buffer;
        uint32_t mark;
        uint64_t words;
    };
    std::vector<Held> held;
    std::mt19937 random(3);
    Error error;
    for (uint32_t round = 0; round < 2000; round++) {
        if (held.size() > 200 || (held.size() > 20 && random() % 2 == 0)) {
            const size_t which = random() % held.size();
            std::vector<uint32_t> words(held[which].words);
            REQUIRE_OK(auxo_buffer_read(device.queue, held[which].buffer, 0, words.data(), words.size() * 4, error));
            REQUIRE(std::count(words.begin(), words.end(), held[which].mark) == static_cast<long>(words.size()));
            auxo_buffer_destroy(held[which].buffer);
            held.erase(held.begin() + static_cast<long>(which));
        }
        Held one = {nullptr, round, 1 + random() % 20000};
        REQUIRE_OK(auxo_buffer_create(device.device, one.words * 4, &one.buffer, error));
        const std::vector<uint32_t> words(one.words, one.mark);
        REQUIRE_OK(auxo_buffer_write(device.queue, one.buffer, 0, words.data(), words.size() * 4, error));
        held.push_back(one);
    }
    for (const Held &one : held)
        auxo_buffer_destroy(one.buffer);
}

TEST_CASE("vulkan: gemm reads aligned and unaligned rows alike", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    const int64_t m = 36, n = 44, k = 27, rows_max = 48;
    const std::vector<float> values = auxo_test::uniform(64 * rows_max + 8, -1, 1, 9);
    for (int transposed = 0; transposed < 4; transposed++) {
        for (int64_t shift : {0, 1, 4}) {
            for (int64_t stride : {48, 49}) {
                auxo_tensor all = device.f32(values, {static_cast<int64_t>(values.size())});
                auxo_op op = {};
                op.kind = AUXO_OP_GEMM;
                op.params.gemm.trans_a = transposed & 1;
                op.params.gemm.trans_b = transposed & 2;
                op.params.gemm.alpha = 1;
                auto view = [&](int64_t rows, int64_t columns) {
                    auxo_tensor t =
                        auxo_tensor_2d(all.buffer, static_cast<uint64_t>(shift) * 4, AUXO_DTYPE_F32, rows, columns);
                    t.strides[0] = stride;
                    return t;
                };
                op.tensors[AUXO_GEMM_A] = transposed & 1 ? view(k, m) : view(m, k);
                op.tensors[AUXO_GEMM_B] = transposed & 2 ? view(n, k) : view(k, n);
                op.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {m, n});
                Error error;
                REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "direct", nullptr, error));
                const std::vector<float> got = device.download_f32(op.tensors[AUXO_GEMM_C]);
                std::vector<double> expected(static_cast<size_t>(m * n));
                for (int64_t i = 0; i < m; i++)
                    for (int64_t j = 0; j < n; j++)
                        for (int64_t l = 0; l < k; l++)
                            expected[static_cast<size_t>(i * n + j)] +=
                                double(values[static_cast<size_t>(
                                    shift + (transposed & 1 ? l * stride + i : i * stride + l))]) *
                                double(values[static_cast<size_t>(shift +
                                                                  (transposed & 2 ? j * stride + l : l * stride + j))]);
                INFO("transposed " << transposed << " shift " << shift << " stride " << stride);
                auxo_test::check_close(got, expected, 0, 1e-5);
            }
        }
    }
}

TEST_CASE("vulkan: the pipeline cache is written whole, and a damaged one is survived", "[vulkan]")
{
    {
        Vulkan vulkan;
        if (!vulkan.device)
            return;
    }
    auxo_test::TempFolder folder;
    run_with_cache(folder.path);
    std::vector<std::string> files = files_in(folder.path, "vulkan-");
    REQUIRE(files.size() == 1); // no temporary file is left
    CHECK(files[0].find(".pipelines") == files[0].size() - 10);
    std::ofstream(files[0], std::ios::binary) << "not a pipeline cache";
    run_with_cache(folder.path);
    CHECK(truncate(files[0].c_str(), 0) == 0);
    run_with_cache(folder.path);
}

TEST_CASE("vulkan: the validation layer has nothing to say", "[vulkan]")
{
    const char *layer = "/usr/share/vulkan/explicit_layer.d/VkLayer_khronos_validation.json";
    if (access(layer, R_OK) != 0) {
        WARN("skipped: the validation layer is not installed (package vulkan-validationlayers)");
        return;
    }
    setenv("VK_INSTANCE_LAYERS", "VK_LAYER_KHRONOS_validation", 1);
    setenv("VK_LAYER_ENABLES", "VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT", 1);
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    auxo_verify_options options = {};
    options.quick = true;
    options.seed = 2;
    Error error;
    REQUIRE_OK(auxo_verify(vulkan.device->device, &options, nullptr, error));
    REQUIRE_OK(auxo_queue_wait(vulkan.device->queue, error));
    vulkan.device.reset(); // objects that outlive the device are reported now
    for (const std::string &line : vulkan.runtime.log_lines)
        CHECK(line.find("Vulkan validation") == std::string::npos);
}
