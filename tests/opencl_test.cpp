// tests/opencl_test.cpp: what is particular to the OpenCL backend: the program cache on disk, order of small writes,
// refusal of buffers that the device cannot hold, and agreement of kernels shaped for CPUs and for GPUs.
//
// All cases skip visibly where there is no OpenCL device.
#include "support/support.hpp"

#include "auxo/plan.h"

#include <algorithm>
#include <cstring>
#include <dirent.h>
#include <fstream>
#include <memory>

using auxo_test::Device;
using auxo_test::Error;

namespace
{

const char *selector = "opencl:0";

// The first OpenCL device of a fresh runtime; absent: a warning, and `device` stays empty.
struct OpenCL {
    auxo_test::Runtime runtime;
    std::unique_ptr<Device> device;
    OpenCL()
    {
        const std::vector<std::string> devices = auxo_test::test_devices(runtime);
        if (std::find(devices.begin(), devices.end(), selector) != devices.end())
            device = std::make_unique<Device>(runtime, selector);
        else
            WARN("skipped: no OpenCL device among those to test");
    }
};

std::vector<std::string> cache_files(const std::string &folder)
{
    std::vector<std::string> names;
    DIR *dir = opendir(folder.c_str());
    REQUIRE(dir != nullptr);
    while (const dirent *entry = readdir(dir))
        if (std::strncmp(entry->d_name, "opencl-", 7) == 0 && std::strstr(entry->d_name, ".bin"))
            names.push_back(folder + "/" + entry->d_name);
    closedir(dir);
    return names;
}

std::string read_file(const std::string &path)
{
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void write_file(const std::string &path, const std::string &bytes)
{
    std::ofstream(path, std::ios::binary) << bytes;
}

void count_damaged(void *user, auxo_log_level level, const char *message)
{
    if (level == AUXO_LOG_WARNING && std::strstr(message, "damaged"))
        ++*static_cast<int *>(user);
}

// Opens the device with `cache_dir`, fills a tensor, checks it, closes the device. Returns how many damaged cache
// files were reported.
int fill_with_cache(const std::string &cache_dir)
{
    Error error;
    int damaged = 0;
    auxo_runtime_options options = {};
    auxo_test::Backends backends;
    backends.give_to(options);
    options.cache_dir = cache_dir.c_str();
    options.log = count_damaged;
    options.log_user = &damaged;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_buffer *buffer = nullptr;
    REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
    REQUIRE_OK(auxo_device_open(runtime, selector, &device, error));
    REQUIRE_OK(auxo_queue_create(device, &queue, error));
    REQUIRE_OK(auxo_buffer_create(device, 400, &buffer, error));
    auxo_op op = {};
    op.kind = AUXO_OP_FILL;
    op.params.fill.value = 2.5f;
    op.tensors[AUXO_FILL_Y] = auxo_tensor_1d(buffer, 0, AUXO_DTYPE_F32, 100);
    REQUIRE_OK(auxo_op_run(queue, &op, error));
    std::vector<float> values(100);
    REQUIRE_OK(auxo_buffer_read(queue, buffer, 0, values.data(), 400, error));
    CHECK(values == std::vector<float>(100, 2.5f));
    auxo_buffer_destroy(buffer);
    auxo_queue_destroy(queue);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
    return damaged;
}

} // namespace

TEST_CASE("compiled OpenCL programs are kept on disk, and damaged files replaced", "[opencl]")
{
    // A driver with a warm cache of its own builds too fast for binaries to be worth keeping; PoCL reads this once.
    static auxo_test::TempFolder driver_cache; // as long as the driver: to the end of the program
    auxo_test::TempFolder cache;
    setenv("POCL_CACHE_DIR", driver_cache.path.c_str(), 1);
    OpenCL opencl;
    if (!opencl.device)
        return;
    CHECK(fill_with_cache(cache.path) == 0);
    const std::vector<std::string> files = cache_files(cache.path); /* the op's own and those of its self-test */
    REQUIRE(!files.empty());
    std::vector<std::string> whole;
    for (const std::string &file : files)
        whole.push_back(read_file(file));
    CHECK(fill_with_cache(cache.path) == 0);

    for (const int damage : {0, 1, 2}) {
        for (size_t i = 0; i < files.size(); i++) {
            std::string bytes = whole[i];
            if (damage == 0)
                bytes.clear();
            else if (damage == 1)
                bytes.resize(bytes.size() / 2);
            else
                bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
            write_file(files[i], bytes);
        }
        CHECK(fill_with_cache(cache.path) >= 1);
        CHECK(fill_with_cache(cache.path) == 0);
    }
}

TEST_CASE("small OpenCL writes arrive in order and copy their data at once", "[opencl]")
{
    OpenCL opencl;
    if (!opencl.device)
        return;
    Error error;
    const auxo_tensor target = opencl.device->empty(AUXO_DTYPE_U32, {1000});
    uint32_t value = 0;
    for (uint32_t round = 0; round < 3; ++round)
        for (uint32_t i = 0; i < 1000; ++i) {
            value = 10 * i + round;
            REQUIRE_OK(auxo_buffer_write(opencl.device->queue, target.buffer, 4 * i, &value, 4, error));
        }
    value = 12345; /* the writes must not look at it any more */
    const std::vector<uint32_t> got = opencl.device->download_u32(target);
    for (uint32_t i = 0; i < 1000; ++i)
        REQUIRE(got[i] == 10 * i + 2);
}

TEST_CASE("an OpenCL buffer beyond the device's limit is refused with its size", "[opencl]")
{
    OpenCL opencl;
    if (!opencl.device)
        return;
    Error error;
    auxo_buffer *buffer = nullptr;
    const uint64_t limit = auxo_device_get_info(opencl.device->device)->max_allocation_bytes;
    CHECK(auxo_buffer_create(opencl.device->device, limit + 4, &buffer, error) == AUXO_OUT_OF_DEVICE_MEMORY);
    CHECK(error.text().find(std::to_string(limit + 4)) != std::string::npos);
    CHECK(auxo_buffer_create(opencl.device->device, 64, &buffer, nullptr) == AUXO_OK);
    auxo_buffer_destroy(buffer);
}

TEST_CASE("OpenCL gemm variants agree on a product of several tiles and blocks", "[opencl]")
{
    OpenCL opencl;
    if (!opencl.device)
        return;
    const int64_t m = 77, n = 141, k = 531;
    Device &device = *opencl.device;
    auxo_op op = {};
    op.kind = AUXO_OP_GEMM;
    op.params.gemm.alpha = 1.5f;
    op.params.gemm.beta = -0.5f;
    op.params.gemm.trans_a = true;
    op.params.gemm.activation = AUXO_ACTIVATION_TANH;
    op.tensors[AUXO_GEMM_A] = device.f32(auxo_test::uniform(static_cast<size_t>(m * k), -0.1f, 0.1f, 1), {k, m});
    op.tensors[AUXO_GEMM_B] = device.f32(auxo_test::uniform(static_cast<size_t>(k * n), -0.1f, 0.1f, 2), {k, n});
    op.tensors[AUXO_GEMM_BIAS] = device.f32(auxo_test::uniform(static_cast<size_t>(n), -1, 1, 3), {n});
    const std::vector<float> start = auxo_test::uniform(static_cast<size_t>(m * n), -1, 1, 4);
    const char *names[8];
    size_t count = auxo_op_variants(device.device, AUXO_OP_GEMM, nullptr, names, 8);
    std::vector<float> first;
    for (size_t i = 0; i < std::min<size_t>(count, 8); ++i) {
        if (std::strcmp(names[i], "clblast") == 0) /* takes large products only on CPU drivers */
            continue;
        Error error;
        op.tensors[AUXO_GEMM_C] = device.f32(start, {m, n});
        const auxo_status status = auxo_op_run_variant(device.queue, &op, names[i], nullptr, error);
        if (status == AUXO_UNSUPPORTED)
            continue;
        INFO(names[i]);
        REQUIRE_OK(status);
        const std::vector<float> got = device.download_f32(op.tensors[AUXO_GEMM_C]);
        if (first.empty())
            first = got;
        else
            auxo_test::check_close(got, first, 1e-5, 1e-5);
    }
    REQUIRE(!first.empty());
    // tiled with the last step of the sum behind the loop: tile_m, tile_n, tile_k, threads_m, threads_n, tail_apart
    const int32_t tail_apart[] = {64, 64, 8, 8, 8, 1};
    Error error;
    op.tensors[AUXO_GEMM_C] = device.f32(start, {m, n});
    REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "tiled", tail_apart, error));
    auxo_test::check_close(device.download_f32(op.tensors[AUXO_GEMM_C]), first, 1e-5, 1e-5);
}
