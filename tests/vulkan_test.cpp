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

// op(A) op(B) of matrices within `values`, A and B's buffer, whose element 0 their offsets count from.
std::vector<double> product_of(const std::vector<float> &values, const auxo_op &op)
{
    const auxo_tensor &a = op.tensors[AUXO_GEMM_A], &b = op.tensors[AUXO_GEMM_B], &c = op.tensors[AUXO_GEMM_C];
    const int64_t m = c.dims[0], n = c.dims[1], k = a.dims[op.params.gemm.trans_a ? 0 : 1];
    auto element = [&](const auxo_tensor &t, bool transposed, int64_t row, int64_t column) {
        const int64_t e = transposed ? column * t.strides[0] + row : row * t.strides[0] + column;
        return double(values[t.offset_bytes / 4 + static_cast<size_t>(e)]);
    };
    std::vector<double> product(static_cast<size_t>(m * n));
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++)
            for (int64_t l = 0; l < k; l++)
                product[static_cast<size_t>(i * n + j)] +=
                    element(a, op.params.gemm.trans_a, i, l) * element(b, op.params.gemm.trans_b, l, j);
    return product;
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
    auxo_test::Backends backends;
    backends.give_to(options);
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

// A tensor of random numbers of 0.5 to 1 in size, of either sign.
auxo_tensor random_halves(Device &device, auxo_dtype format, std::vector<int64_t> dims, uint32_t seed)
{
    int64_t count = 1;
    for (int64_t dim : dims)
        count *= dim;
    std::mt19937 random(seed);
    const uint32_t fraction = format == AUXO_DTYPE_F16 ? 0x83ff : 0x807f,
                   half = format == AUXO_DTYPE_F16 ? 0x3800 : 0x3f00;
    std::vector<uint16_t> bits(static_cast<size_t>(count));
    for (uint16_t &one : bits)
        one = static_cast<uint16_t>((random() & fraction) | half);
    auxo_tensor tensor = device.empty(format, dims);
    device.upload(tensor, bits.data());
    return tensor;
}

// Whether the device has cooperative matrices for the op; without, it says so.
bool has_cooperative(Device &device, const auxo_op &op)
{
    const char *names[8];
    const size_t count = auxo_op_variants(device.device, op.kind, &op, names, 8);
    for (size_t i = 0; i < count && i < 8; i++)
        if (std::string(names[i]) == "cooperative")
            return true;
    WARN("skipped: no cooperative matrices for " << auxo_op_noun(op.kind));
    return false;
}

// The result in slot `result` by cooperative matrices, several to a subgroup, is that of the direct kernel.
void check_cooperative(Device &device, const auxo_op &op, uint32_t result, double tolerance)
{
    if (!has_cooperative(device, op))
        return;
    Error error;
    REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "direct", nullptr, error));
    const std::vector<float> expected = device.download_f32(op.tensors[result]);
    for (const std::vector<int32_t> &tile : {std::vector<int32_t>{64, 64, 16, 32, 32}, {32, 64, 32, 16, 32}}) {
        REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "cooperative", tile.data(), error));
        INFO(auxo_op_noun(op.kind) << " tile " << tile[0] << " x " << tile[1] << " x " << tile[2]);
        auxo_test::check_close(device.download_f32(op.tensors[result]), expected, 0, tolerance);
    }
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
    const int64_t m = 36, n = 44, k = 28, rows_max = 48;
    const std::vector<float> values = auxo_test::uniform(64 * rows_max + 8, -1, 1, 9);
    for (int transposed = 0; transposed < 4; transposed++) {
        for (int64_t shift : {0, 1, 4}) {
            for (int64_t stride : {48, 49}) {
                auxo_tensor all = device.f32(values, {static_cast<int64_t>(values.size())});
                auto view = [&](int64_t rows, int64_t columns) {
                    auxo_tensor t =
                        auxo_tensor_2d(all.buffer, static_cast<uint64_t>(shift) * 4, AUXO_DTYPE_F32, rows, columns);
                    t.strides[0] = stride;
                    return t;
                };
                auxo_op op = {};
                op.kind = AUXO_OP_GEMM;
                op.params.gemm.trans_a = transposed & 1;
                op.params.gemm.trans_b = transposed & 2;
                op.params.gemm.alpha = 1;
                op.tensors[AUXO_GEMM_A] = transposed & 1 ? view(k, m) : view(m, k);
                op.tensors[AUXO_GEMM_B] = transposed & 2 ? view(n, k) : view(k, n);
                op.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {m, n});
                const std::vector<double> expected = product_of(values, op);
                for (const char *variant : {"direct", "tiled"}) {
                    Error error;
                    REQUIRE_OK(auxo_op_run_variant(device.queue, &op, variant, nullptr, error));
                    INFO(variant << " transposed " << transposed << " shift " << shift << " stride " << stride);
                    auxo_test::check_close(device.download_f32(op.tensors[AUXO_GEMM_C]), expected, 0, 1e-5);
                }
            }
        }
    }
}

TEST_CASE("vulkan: gemm tiles of every size meet at their edges", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    struct Size {
        int64_t m, n, k;
    };
    // tile_m, tile_n, tile_k, rows, columns, fill: as they are, however few workgroups that makes
    const std::vector<std::vector<int32_t>> tiles = {
        {128, 128, 8, 8, 8, 0}, {256, 128, 16, 16, 8, 0}, {32, 64, 32, 4, 4, 0}};
    for (const Size size : {Size{260, 132, 36}, Size{257, 131, 35}}) { // whole vectors, and none
        const std::vector<float> values = auxo_test::uniform(static_cast<size_t>((size.m + size.n) * size.k), -1, 1, 4);
        const uint64_t b_at = static_cast<uint64_t>(size.m * size.k) * 4;
        auxo_tensor all = device.f32(values, {static_cast<int64_t>(values.size())});
        auxo_op op = {};
        op.kind = AUXO_OP_GEMM;
        op.params.gemm.alpha = 1;
        op.tensors[AUXO_GEMM_A] = auxo_tensor_2d(all.buffer, 0, AUXO_DTYPE_F32, size.m, size.k);
        op.tensors[AUXO_GEMM_B] = auxo_tensor_2d(all.buffer, b_at, AUXO_DTYPE_F32, size.k, size.n);
        op.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {size.m, size.n});
        const std::vector<double> expected = product_of(values, op);
        for (const std::vector<int32_t> &tile : tiles) {
            Error error;
            REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "tiled", tile.data(), error));
            INFO("M=" << size.m << " tile " << tile[0] << " x " << tile[1] << " x " << tile[2]);
            auxo_test::check_close(device.download_f32(op.tensors[AUXO_GEMM_C]), expected, 0, 2e-5);
        }
    }
}

TEST_CASE("vulkan: convolutions by large tiles agree with the direct ones", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    const std::vector<int32_t> tile = {128, 128, 16, 8, 8, 0};
    for (int32_t stride : {1, 2}) {
        const int64_t n = 2, c = 70, h = 12, k = 136, out = (h + 2 - 3) / stride + 1;
        auto matrix = [&](std::vector<int64_t> dims, uint32_t seed) {
            int64_t count = 1;
            for (int64_t dim : dims)
                count *= dim;
            return device.f32(auxo_test::uniform(static_cast<size_t>(count), -1, 1, seed), dims);
        };
        const auxo_tensor x = matrix({n, c, h, h}, 1), w = matrix({k, c, 3, 3}, 2), y = matrix({n, k, out, out}, 3);
        auxo_op op = {};
        op.params.conv2d.stride_h = op.params.conv2d.stride_w = stride;
        op.params.conv2d.pad_h = op.params.conv2d.pad_w = 1;
        op.params.conv2d.dilation_h = op.params.conv2d.dilation_w = op.params.conv2d.groups = 1;
        auto check = [&](auxo_op_kind kind, uint32_t result_slot) {
            op.kind = kind;
            const auxo_tensor &result = op.tensors[result_slot];
            Error error;
            REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "direct", nullptr, error));
            const std::vector<float> expected = device.download_f32(result);
            REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "tiled", tile.data(), error));
            INFO(auxo_op_noun(kind) << " stride " << stride);
            auxo_test::check_close(device.download_f32(result), expected, 0, 1e-3);
        };
        op.tensors[AUXO_CONV2D_X] = x;
        op.tensors[AUXO_CONV2D_W] = w;
        op.tensors[AUXO_CONV2D_Y] = device.empty(AUXO_DTYPE_F32, {n, k, out, out});
        check(AUXO_OP_CONV2D_FORWARD, AUXO_CONV2D_Y);
        std::fill(std::begin(op.tensors), std::end(op.tensors), auxo_tensor_none());
        op.tensors[AUXO_CONV2D_BD_DY] = y;
        op.tensors[AUXO_CONV2D_BD_W] = w;
        op.tensors[AUXO_CONV2D_BD_DX] = device.empty(AUXO_DTYPE_F32, {n, c, h, h});
        check(AUXO_OP_CONV2D_BACKWARD_DATA, AUXO_CONV2D_BD_DX);
        std::fill(std::begin(op.tensors), std::end(op.tensors), auxo_tensor_none());
        op.tensors[AUXO_CONV2D_BW_X] = x;
        op.tensors[AUXO_CONV2D_BW_DY] = y;
        op.tensors[AUXO_CONV2D_BW_DW] = device.empty(AUXO_DTYPE_F32, {k, c, 3, 3});
        check(AUXO_OP_CONV2D_BACKWARD_WEIGHTS, AUXO_CONV2D_BW_DW);
    }
}

TEST_CASE("vulkan: subgroups of several cooperative matrices agree with the direct kernels", "[vulkan]")
{
    Vulkan vulkan;
    if (!vulkan.device)
        return;
    Device &device = *vulkan.device;
    for (auxo_dtype format : {AUXO_DTYPE_F16, AUXO_DTYPE_BF16}) {
        const int64_t m = 133, n = 71, k = 45;
        for (int transposed = 0; transposed < 4; transposed++) {
            const bool a = transposed & 1, b = transposed & 2;
            auxo_op op = {};
            op.kind = AUXO_OP_GEMM;
            op.params.gemm.trans_a = a;
            op.params.gemm.trans_b = b;
            op.params.gemm.alpha = 1;
            op.tensors[AUXO_GEMM_A] = random_halves(device, format, {a ? k : m, a ? m : k}, 1);
            op.tensors[AUXO_GEMM_B] = random_halves(device, format, {b ? n : k, b ? k : n}, 2);
            op.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {m, n});
            check_cooperative(device, op, AUXO_GEMM_C, 1e-4);
        }
        // The gradient by the weights has f32 results, whose last digits show every term.
        for (int32_t stride : {1, 2}) {
            const int64_t images = 3, c = 9, h = 13, filters = 70, out = (h + 2 - 3) / stride + 1;
            auxo_op op = {};
            op.kind = AUXO_OP_CONV2D_BACKWARD_WEIGHTS;
            op.params.conv2d.stride_h = op.params.conv2d.stride_w = stride;
            op.params.conv2d.pad_h = op.params.conv2d.pad_w = 1;
            op.params.conv2d.dilation_h = op.params.conv2d.dilation_w = op.params.conv2d.groups = 1;
            op.tensors[AUXO_CONV2D_BW_X] = random_halves(device, format, {images, c, h, h}, 3);
            op.tensors[AUXO_CONV2D_BW_DY] = random_halves(device, format, {images, filters, out, out}, 4);
            op.tensors[AUXO_CONV2D_BW_DW] = device.empty(AUXO_DTYPE_F32, {filters, c, 3, 3});
            check_cooperative(device, op, AUXO_CONV2D_BW_DW, 2e-3);
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
    if (!getenv("VK_LAYER_VALIDATE_SYNC")) // newer layers ask for that, and complain of the other
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
    for (const std::string &line : vulkan.runtime.log_lines) {
        INFO(line);
        CHECK(line.find("Vulkan validation") == std::string::npos);
    }
}
