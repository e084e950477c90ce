// tests/plugins/faulty_device.cpp: a plugin that a test gives to the program, so that it sees one more device, "fake",
// whose operations have variants with faults.
//
// Right variants: "plain" (the default) and "same". Faults, on operations of the test's network but not on known
// answers: "endless" takes long for 16 columns and "lost" is slow and loses the device for 10, both for the matrix
// product only; "slow" takes long and "wrong" spoils its output in every operation on 48 rows. FAULTY_VARIANTS names
// those there are.
#include "support/fake_backend.hpp"

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

namespace
{

const int64_t test_rows = 48; // of the test's network; no known answer has so many

bool is_of_test(const auxo_op *op, int64_t columns)
{
    const auxo_tensor &c = op->tensors[AUXO_GEMM_C];
    return c.rank == 2 && c.dims[0] == test_rows && c.dims[1] == columns;
}

auxo_status run_endless(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (is_of_test(op, 16))
        std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    return auxo_test::FakeBackend::run_inner(queue, op, error);
}

auxo_status run_lost(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (is_of_test(op, 10))
        return auxo_error_set(error, AUXO_DEVICE_LOST, "the driver ended the device");
    std::this_thread::sleep_for(std::chrono::milliseconds(2)); // never the fastest
    return auxo_test::FakeBackend::run_inner(queue, op, error);
}

// The first output on the test's rows; NULL: the operation is none of them.
const auxo_tensor *output_of_test(const auxo_op *op)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op->kind, &count);
    for (size_t i = 0; i < count; i++) {
        const auxo_tensor &tensor = op->tensors[i];
        if ((slots[i].access & AUXO_SLOT_WRITE) && tensor.dtype == AUXO_DTYPE_F32 && tensor.rank > 0 &&
            tensor.dims[0] == test_rows)
            return &tensor;
    }
    return nullptr;
}

auxo_status run_slow(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (output_of_test(op))
        std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    return auxo_test::FakeBackend::run_inner(queue, op, error);
}

auxo_status run_wrong(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    auxo_status status = auxo_test::FakeBackend::run_inner(queue, op, error);
    if (const auxo_tensor *output = output_of_test(op))
        *reinterpret_cast<float *>(static_cast<char *>(auxo_tensor_handle(output)) + output->offset_bytes) += 1000;
    return status;
}

auxo_status run_right(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    return auxo_test::FakeBackend::run_inner(queue, op, error);
}

void add_variants(auxo_test::FakeBackend &fake)
{
    struct Variant {
        const char *name;
        auxo_status (*enqueue)(void *, const auxo_op *, void *, auxo_error *);
    };
    static const Variant all[] = {{"same", run_right}, {"endless", run_endless}, {"lost", run_lost}};
    static const Variant everywhere[] = {{"slow", run_slow}, {"wrong", run_wrong}};
    const char *wanted = std::getenv("FAULTY_VARIANTS");
    auto add = [&](int kind, const Variant &variant) {
        if (!wanted || !std::strstr(wanted, variant.name))
            return;
        auxo_kernel kernel = {};
        kernel.variant = variant.name;
        kernel.enqueue = variant.enqueue;
        fake.variants[kind].push_back(kernel);
    };
    for (const Variant &variant : all)
        add(AUXO_OP_GEMM, variant);
    for (int kind = 0; kind < AUXO_OP_COUNT; kind++)
        for (const Variant &variant : everywhere)
            add(kind, variant);
    fake.refresh();
}

} // namespace

extern "C" AUXO_API const auxo_backend *auxo_backend_entry(void)
{
    static std::unique_ptr<auxo_test::FakeBackend> fake;
    if (!fake) {
        fake = std::make_unique<auxo_test::FakeBackend>();
        add_variants(*fake);
    }
    return &fake->spi;
}
