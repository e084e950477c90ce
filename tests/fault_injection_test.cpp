// tests/fault_injection_test.cpp: every op, every kind of fault: the self-test before a kernel's first use catches it
// and says what it was. The device is the reference under another name, whose kernels damage their results or fail.
#include "support/fake_backend.hpp"
#include "support/support.hpp"

#include <cmath>
#include <cstring>

extern "C" {
#include "known_answer.h"
}

using auxo_test::FakeBackend;

namespace
{

enum class Fault {
    none,
    wrong_value,
    nan,
    nothing_written,
    lost_in_kernel,
    lost_in_wait,
    prepare,
    write,
    read,
    memory
};

// Kernels and transfers get no user data, hence a variable of this file.
Fault fault = Fault::none;

// The last element of an f32 output; others have a bit flipped.
void spoil_output(const auxo_op *op, bool with_nan)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    for (size_t i = count; i-- > 0;) {
        const auxo_tensor &tensor = op->tensors[i];
        if (!(slots[i].access & AUXO_SLOT_WRITE) || !auxo_tensor_is_present(&tensor) ||
            auxo_tensor_element_count(&tensor) == 0)
            continue;
        uint8_t *at = static_cast<uint8_t *>(auxo_tensor_handle(&tensor)) + tensor.offset_bytes;
        if (tensor.dtype != AUXO_DTYPE_F32) {
            at[auxo_dtype_size_bytes(tensor.dtype) - 1] ^= 0x40;
        } else {
            float value;
            std::memcpy(&value, at, sizeof value);
            value = with_nan ? std::nanf("") : std::isfinite(value) ? 0.3f * std::fabs(value) + 2 : 0;
            std::memcpy(at, &value, sizeof value);
        }
    }
}

auxo_status faulty_enqueue(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (fault == Fault::nothing_written)
        return AUXO_OK;
    if (fault == Fault::lost_in_kernel)
        return auxo_error_set(error, AUXO_DEVICE_LOST, "the driver ended the device");
    auxo_status status = FakeBackend::run_inner(queue, op, error);
    if (fault == Fault::wrong_value || fault == Fault::nan)
        spoil_output(op, fault == Fault::nan);
    return status;
}

auxo_status faulty_prepare(void *, const auxo_op *, const int32_t *, void **, auxo_error *error)
{
    return fault == Fault::prepare ? auxo_error_set(error, AUXO_DRIVER, "the kernel does not compile") : AUXO_OK;
}

auxo_status (*inner_write)(void *, void *, uint64_t, const void *, uint64_t, auxo_error *) = nullptr;
auxo_status (*inner_read)(void *, void *, uint64_t, void *, uint64_t, auxo_error *) = nullptr;

auxo_status faulty_write(void *queue, void *buffer, uint64_t offset, const void *data, uint64_t size, auxo_error *error)
{
    if (fault == Fault::write)
        return auxo_error_set(error, AUXO_DRIVER, "the transfer failed");
    return inner_write(queue, buffer, offset, data, size, error);
}

auxo_status faulty_read(void *queue, void *buffer, uint64_t offset, void *data, uint64_t size, auxo_error *error)
{
    if (fault == Fault::read)
        return auxo_error_set(error, AUXO_DRIVER, "the transfer failed");
    return inner_read(queue, buffer, offset, data, size, error);
}

struct FaultyDevice {
    FakeBackend fake;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_kernel kernel = {};
    auxo_test::Error error;

    FaultyDevice()
    {
        inner_write = fake.spi.buffer_write;
        inner_read = fake.spi.buffer_read;
        fake.spi.buffer_write = faulty_write;
        fake.spi.buffer_read = faulty_read;
        kernel.variant = "faulty";
        kernel.prepare = faulty_prepare;
        kernel.enqueue = faulty_enqueue;
        const auxo_backend *backends[] = {&fake.spi, auxo_test::find_builtin("reference")};
        auxo_runtime_options options = {};
        options.backends = backends;
        options.backend_count = 2;
        REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
        REQUIRE_OK(auxo_device_open(runtime, "fake", &device, error));
    }
    ~FaultyDevice()
    {
        auxo_device_close(device);
        auxo_runtime_destroy(runtime);
        CHECK(fake.live_buffers == 0);
        fault = Fault::none;
    }
    // What the self-test of one op says under a fault. A lost device takes no more work, so every op has its own.
    auxo_status prove(auxo_op_kind kind, Fault injected)
    {
        fault = injected;
        fake.wait_fault = injected == Fault::lost_in_wait ? AUXO_DEVICE_LOST : AUXO_OK;
        fake.memory_limit_bytes = injected == Fault::memory ? 0 : UINT64_MAX;
        error = auxo_test::Error();
        auxo_status status = auxo__known_answer(device, kind, AUXO_DTYPE_F32, &kernel, nullptr, error);
        fault = Fault::none;
        return status;
    }
};

void check_every_op(Fault injected, auxo_status wanted, const char *part)
{
    for (int number = 0; number < AUXO_OP_COUNT; number++) {
        const auto kind = static_cast<auxo_op_kind>(number);
        INFO(auxo_op_noun(kind));
        FaultyDevice faulty;
        CHECK(faulty.prove(kind, Fault::none) == AUXO_OK);
        CHECK(faulty.prove(kind, injected) == wanted);
        const std::string message = faulty.error.message;
        CHECK_THAT(message, Catch::Matchers::Contains(part));
        CHECK(message.find('\n') == std::string::npos);
    }
}

} // namespace

TEST_CASE("the self-test of every op finds a wrong value, and names the op")
{
    check_every_op(Fault::wrong_value, AUXO_WRONG_RESULT, "expected");
}

TEST_CASE("the self-test of every op finds a NaN")
{
    check_every_op(Fault::nan, AUXO_WRONG_RESULT, "expected");
}

TEST_CASE("the self-test of every op finds a kernel that writes nothing")
{
    check_every_op(Fault::nothing_written, AUXO_WRONG_RESULT, "expected");
}

TEST_CASE("the self-test of every op tells a lost device as one, not as a wrong kernel")
{
    SECTION("in the kernel")
    {
        check_every_op(Fault::lost_in_kernel, AUXO_DEVICE_LOST, "the driver ended the device");
    }
    SECTION("while waiting")
    {
        check_every_op(Fault::lost_in_wait, AUXO_DEVICE_LOST, "injected wait fault");
    }
}

TEST_CASE("the self-test of every op tells failed transfers, compilers and memory for what they are")
{
    SECTION("to the device")
    {
        check_every_op(Fault::write, AUXO_DRIVER, "the transfer failed");
    }
    SECTION("from the device")
    {
        check_every_op(Fault::read, AUXO_DRIVER, "the transfer failed");
    }
    SECTION("compiler")
    {
        check_every_op(Fault::prepare, AUXO_DRIVER, "the kernel does not compile");
    }
    SECTION("memory")
    {
        check_every_op(Fault::memory, AUXO_OUT_OF_DEVICE_MEMORY, "memory is full");
    }
}
