// half_test.cpp: f16 and bf16: every pattern of bits there and back, rounding to nearest even, the format's limits;
// that ops refuse mixed formats and devices refuse what they have no kernel for; model files in 16 bits.
#include "support/fake_backend.hpp"
#include "support/models.hpp"

extern "C" {
#include "cpu_half.h"
#include "device_internal.h"
#include "half.h"
#include "known_answer.h"
#include "safetensors.h"
#include "verify_case.h"
}

#include <cfloat>
#include <cmath>
#include <cstring>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

double to_double(auxo_dtype format, uint16_t bits)
{
    return format == AUXO_DTYPE_BF16 ? auxo__bf16_to_double(bits) : auxo__half_to_double(bits);
}

uint16_t from_double(auxo_dtype format, double value)
{
    return format == AUXO_DTYPE_BF16 ? auxo__bf16_from_double(value) : auxo__half_from_double(value);
}

const auxo_dtype formats[] = {AUXO_DTYPE_F16, AUXO_DTYPE_BF16};

} // namespace

TEST_CASE("every 16-bit number widens exactly and comes back, in double and in f32")
{
    for (auxo_dtype format : formats) {
        size_t wrong = 0, nans = 0;
        for (uint32_t i = 0; i < 65536; i++) {
            const auto bits = static_cast<uint16_t>(i);
            const double value = to_double(format, bits);
            const float wide = cpu_half_widen(format, bits);
            if (std::isnan(value)) {
                nans++;
                wrong += !std::isnan(wide) || !std::isnan(to_double(format, from_double(format, value))) ||
                         !std::isnan(cpu_half_widen(format, cpu_half_narrow(format, wide)));
                continue;
            }
            wrong += static_cast<double>(wide) != value || from_double(format, value) != bits ||
                     cpu_half_narrow(format, wide) != bits;
        }
        INFO(auxo_dtype_text(format));
        CHECK(wrong == 0);
        CHECK(nans == (format == AUXO_DTYPE_F16 ? 2 * 1023 : 2 * 127));
    }
}

TEST_CASE("narrowing takes the nearest number, the even one between two")
{
    for (auxo_dtype format : formats) {
        size_t wrong = 0;
        const uint32_t infinity = format == AUXO_DTYPE_F16 ? 0x7c00 : 0x7f80;
        for (uint32_t i = 0; i + 1 < infinity; i++) {
            const auto low = static_cast<uint16_t>(i), high = static_cast<uint16_t>(i + 1);
            const double a = to_double(format, low), b = to_double(format, high), middle = (a + b) / 2;
            const uint16_t even = i % 2 ? high : low;
            const auto between = static_cast<float>(middle); // exact: 24 bits hold one bit more than both formats
            wrong += cpu_half_narrow(format, between) != even || from_double(format, middle) != even;
            wrong += cpu_half_narrow(format, std::nextafterf(between, 0)) != low ||
                     cpu_half_narrow(format, std::nextafterf(between, FLT_MAX)) != high;
            wrong += from_double(format, std::nextafter(middle, 0)) != low ||
                     from_double(format, std::nextafter(middle, DBL_MAX)) != high;
        }
        INFO(auxo_dtype_text(format));
        CHECK(wrong == 0);
    }
    CHECK(cpu_half_narrow(AUXO_DTYPE_F16, 65519.0f) == 0x7bff);
    CHECK(cpu_half_narrow(AUXO_DTYPE_F16, 65520.0f) == 0x7c00);
    CHECK(cpu_half_narrow(AUXO_DTYPE_BF16, FLT_MAX) == 0x7f80);
    CHECK(cpu_half_narrow(AUXO_DTYPE_BF16, -INFINITY) == 0xff80);
}

TEST_CASE("16-bit slots of one op have one format, and no op is in place across types")
{
    Runtime runtime;
    Device device(runtime, "reference");
    auxo_error error = {};
    auxo_op op = {};
    op.kind = AUXO_OP_ADD;
    op.params.add = {1, 1};
    op.tensors[AUXO_ADD_A] = device.empty(AUXO_DTYPE_F16, {5});
    op.tensors[AUXO_ADD_B] = device.empty(AUXO_DTYPE_BF16, {5});
    op.tensors[AUXO_ADD_Y] = device.empty(AUXO_DTYPE_F16, {5});
    CHECK(auxo_op_check(&op, &error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Contains("A is f16") && Contains("B is bf16"));
    op.tensors[AUXO_ADD_B] = op.tensors[AUXO_ADD_A];
    CHECK(auxo_op_check(&op, &error) == AUXO_OK);

    auxo_op scale = {};
    scale.kind = AUXO_OP_SCALE;
    scale.tensors[AUXO_SCALE_X] = device.empty(AUXO_DTYPE_F32, {1, 1, 4});
    scale.tensors[AUXO_SCALE_SCALE] = device.empty(AUXO_DTYPE_F32, {1});
    scale.tensors[AUXO_SCALE_Y] = scale.tensors[AUXO_SCALE_X];
    scale.tensors[AUXO_SCALE_Y].dtype = AUXO_DTYPE_F16;
    CHECK(auxo_op_check(&scale, &error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Contains("overlaps"));
    scale.tensors[AUXO_SCALE_Y] = device.empty(AUXO_DTYPE_F16, {1, 1, 4});
    CHECK(auxo_op_check(&scale, &error) == AUXO_OK);

    auxo_op gemm = {};
    gemm.kind = AUXO_OP_GEMM;
    gemm.params.gemm.alpha = 1;
    gemm.tensors[AUXO_GEMM_A] = device.empty(AUXO_DTYPE_BF16, {2, 3});
    gemm.tensors[AUXO_GEMM_B] = device.empty(AUXO_DTYPE_BF16, {3, 4});
    gemm.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F16, {2, 4});
    CHECK(auxo_op_check(&gemm, &error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Contains("C is f16") && Contains("bf16"));
    gemm.tensors[AUXO_GEMM_C] = device.empty(AUXO_DTYPE_F32, {2, 4});
    CHECK(auxo_op_check(&gemm, &error) == AUXO_OK);
    gemm.tensors[AUXO_GEMM_BIAS] = device.empty(AUXO_DTYPE_BF16, {4});
    CHECK(auxo_op_check(&gemm, &error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Contains("BIAS is bf16") && Contains("f32"));
}

TEST_CASE("tensors of 16 bits are written to files, and read as they are or as f32")
{
    TempFolder folder;
    Error error;
    const std::string path = folder.file("half.safetensors");
    const int64_t dims[] = {2, 3};
    const uint16_t f16[] = {0x3c00, 0xc000, 0x0001, 0x7bff, 0x8000, 0x3555};
    const uint16_t bf16[] = {0x3f80, 0xc000, 0x0001, 0x7f7f, 0x8000, 0x3eab};
    const auxo__tensor_entry entries[] = {{"a", AUXO__F16, 2, dims, f16}, {"b", AUXO__BF16, 2, dims, bf16}};
    REQUIRE(auxo__safetensors_write(path.c_str(), entries, 2, nullptr, 0, true, error) == AUXO_OK);
    auxo__safetensors *file = nullptr;
    REQUIRE(auxo__safetensors_read(path.c_str(), &file, error) == AUXO_OK);
    uint16_t bits[6];
    float wide[6];
    REQUIRE(auxo__safetensors_copy(file, "", "a", AUXO__F16, 2, dims, bits, error) == AUXO_OK);
    CHECK(std::memcmp(bits, f16, sizeof bits) == 0);
    REQUIRE(auxo__safetensors_copy(file, "", "a", AUXO__F32, 2, dims, wide, error) == AUXO_OK);
    CHECK((wide[0] == 1 && wide[1] == -2 && wide[2] == 0x1p-24f && wide[3] == 65504));
    REQUIRE(auxo__safetensors_copy(file, "", "b", AUXO__F32, 2, dims, wide, error) == AUXO_OK);
    CHECK((wide[0] == 1 && wide[1] == -2 && wide[2] == 0x1p-133f && wide[3] == 0x1.fep127f));
    CHECK(auxo__safetensors_copy(file, "", "a", AUXO__F64, 2, dims, wide, error) == AUXO_FORMAT);
    CHECK_THAT(error.text(), Contains("\"a\"") && Contains("F16"));
    auxo__safetensors_free(file);
}

TEST_CASE("a device without kernels for a 16-bit format refuses it in one line, or hands it to the host")
{
    FakeBackend fake;
    for (auto &variants : fake.variants)
        for (auxo_kernel &kernel : variants)
            kernel.half_formats = AUXO_HALF_FORMAT(F16);
    fake.refresh();
    const auxo_backend *backends[] = {&fake.spi, find_builtin("reference")};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 2;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_buffer *buffer = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_runtime_create(&options, &runtime, &error) == AUXO_OK);
    REQUIRE(auxo_device_open(runtime, "fake", &device, &error) == AUXO_OK);
    REQUIRE(auxo_queue_create(device, &queue, &error) == AUXO_OK);
    REQUIRE(auxo_buffer_create(device, 64, &buffer, &error) == AUXO_OK);
    for (auxo_dtype format : formats) {
        auxo_op op = {};
        op.kind = AUXO_OP_ACTIVATION_FORWARD;
        op.params.activation.activation = AUXO_ACTIVATION_RELU;
        op.tensors[AUXO_ACTIVATION_X] = op.tensors[AUXO_ACTIVATION_Y] = auxo_tensor_1d(buffer, 0, format, 4);
        const uint16_t one_and_minus_one[] = {from_double(format, 1), from_double(format, -1), 0, 0};
        REQUIRE(auxo_buffer_write(queue, buffer, 0, one_and_minus_one, 8, &error) == AUXO_OK);
        const bool taken = format == AUXO_DTYPE_F16;
        CHECK(auxo_op_takes_format(device, op.kind, format) == taken);
        CHECK(auxo_op_run(queue, &op, &error) == (taken ? AUXO_OK : AUXO_UNSUPPORTED));
        if (!taken)
            CHECK_THAT(error.message, Contains("activation_forward") && Contains("fake") && Contains("bf16") &&
                                          Contains("use f32") && !Contains("\n"));
        auxo_plan *plan = nullptr;
        auxo_plan_options plan_options = {};
        plan_options.allow_host_fallback = true;
        REQUIRE(auxo_plan_create(device, &plan, &error) == AUXO_OK);
        auxo_plan_add(plan, &op, "relu");
        REQUIRE(auxo_plan_compile(plan, &plan_options, &error) == AUXO_OK);
        REQUIRE(auxo_plan_run(plan, queue, 1, &error) == AUXO_OK);
        uint16_t values[4];
        REQUIRE(auxo_buffer_read(queue, buffer, 0, values, 8, &error) == AUXO_OK);
        CHECK((to_double(format, values[0]) == 1 && to_double(format, values[1]) == 0));
        auxo_plan_destroy(plan);
    }
    auxo_buffer_destroy(buffer);
    auxo_queue_destroy(queue);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
}

namespace
{

// Whether the kernel takes any case of its op in the format.
bool takes_a_case(const auxo_device *device, auxo_op_kind kind, const auxo_kernel &kernel, auxo_dtype format)
{
    const auxo__suite *suite = auxo__op_suite(kind);
    bool taken = false;
    for (size_t i = 0; i < suite->half_count && !taken; i++) {
        auxo__case tested;
        Error error;
        REQUIRE_OK(auxo__case_init(&tested, kind, auxo__suite_half_index(suite, i, format), 0, error));
        taken = auxo__kernel_takes(device, &kernel, &tested.op);
        auxo__case_deinit(&tested);
    }
    return taken;
}

} // namespace

TEST_CASE("no kernel of the cpu works in 16 bits without known answers that it takes")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    for (int number = 0; number < AUXO_OP_COUNT; number++) {
        const auto kind = static_cast<auxo_op_kind>(number);
        const auxo_kernel_list kernels = auxo__device_kernels(device.device, kind);
        for (size_t i = 0; i < kernels.count; i++)
            for (auxo_dtype format : {AUXO_DTYPE_F16, AUXO_DTYPE_BF16}) {
                if (!(kernels.variants[i].half_formats & 1u << format) ||
                    !takes_a_case(device.device, kind, kernels.variants[i], format))
                    continue;
                INFO(auxo_op_noun(kind) << " " << kernels.variants[i].variant << " " << auxo_dtype_text(format));
                Error error;
                CHECK(auxo__known_answer(device.device, kind, format, &kernels.variants[i], nullptr, error) == AUXO_OK);
            }
    }
}
