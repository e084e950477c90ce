// tests/verify_test.cpp: the conformance suite finds wrong kernels. A backend made from the reference does every op
// right and then damages its result in one way; verify must name every op as failing.
#include "support/support.hpp"

#include "auxo/verify.h"

#include <cmath>
#include <cstring>

namespace
{

enum class Damage { none, nothing_written, one_element, last_element, past_the_end, input };

// What the kernels do after (or instead of) the reference. Kernels get no user data, hence a variable of this file.
Damage damage = Damage::none;

const auxo_backend *reference_backend()
{
    size_t count = 0;
    const auxo_backend *const *backends = auxo_builtin_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (std::strcmp(backends[i]->name, "reference") == 0)
            return backends[i];
    FAIL("no reference backend in this build");
    return nullptr;
}

uint8_t *element_at(const auxo_tensor &tensor, int64_t element)
{
    int64_t offset = 0;
    for (uint32_t axis = tensor.rank; axis-- > 0;) {
        offset += element % tensor.dims[axis] * tensor.strides[axis];
        element /= tensor.dims[axis];
    }
    return static_cast<uint8_t *>(auxo_tensor_handle(&tensor)) + tensor.offset_bytes +
           static_cast<uint64_t>(offset) * auxo_dtype_size_bytes(tensor.dtype);
}

// A change that no bound forgives: f32 becomes 0.3 |x| + 2, others flip a high bit.
void spoil(const auxo_tensor &tensor, int64_t element)
{
    uint8_t *at = element_at(tensor, element);
    if (tensor.dtype == AUXO_DTYPE_F32) {
        float value;
        std::memcpy(&value, at, sizeof value);
        value = std::isfinite(value) ? 0.3f * std::fabs(value) + 2 : 0;
        std::memcpy(at, &value, sizeof value);
    } else {
        at[auxo_dtype_size_bytes(tensor.dtype) - 1] ^= 0x40;
    }
}

// Whether the op also writes the memory of slot `i` (in place).
bool is_output(const auxo_op &op, const auxo_slot_info *slots, size_t count, size_t i)
{
    for (size_t other = 0; other < count; other++)
        if ((slots[other].access & AUXO_SLOT_WRITE) && op.tensors[other].buffer == op.tensors[i].buffer &&
            op.tensors[other].offset_bytes == op.tensors[i].offset_bytes)
            return true;
    return false;
}

// The first tensor that the op writes (or only reads) and that is not empty. Gradients of layers that are not trained
// and the like are written by no one, so outputs that are also inputs come last.
const auxo_tensor *pick(const auxo_op &op, bool written)
{
    size_t count = 0;
    const auxo_slot_info *slots = auxo_op_slots(op.kind, &count);
    const auxo_tensor *found = nullptr;
    for (size_t i = count; i-- > 0;) {
        bool matches = is_output(op, slots, count, i) == written;
        if (!matches || !auxo_tensor_is_present(&op.tensors[i]) || !auxo_tensor_element_count(&op.tensors[i]))
            continue;
        if (!found || slots[i].access != AUXO_SLOT_READ_WRITE)
            found = &op.tensors[i];
    }
    return found;
}

auxo_status damaged_enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
{
    if (damage == Damage::nothing_written)
        return AUXO_OK;
    auxo_status status = reference_backend()->kernels[op->kind].variants[0].enqueue(queue, op, state, error);
    const auxo_tensor *output = pick(*op, true), *input = pick(*op, false);
    if (damage == Damage::one_element && output)
        spoil(*output, 0);
    if (damage == Damage::last_element && output)
        spoil(*output, auxo_tensor_element_count(output) - 1);
    if (damage == Damage::past_the_end && output)
        element_at(*output, auxo_tensor_element_count(output) - 1)[auxo_dtype_size_bytes(output->dtype)] ^= 1;
    if (damage == Damage::input && input)
        *element_at(*input, 0) ^= 1;
    return status;
}

auxo_status decline(void *, const auxo_op *, const int32_t *, void **, auxo_error *error)
{
    return auxo_error_set(error, AUXO_UNSUPPORTED, "the driver runs groups of 32");
}

// The reference under another name, with damaged kernels.
struct DamagedBackend {
    std::vector<auxo_kernel> kernels;
    std::vector<auxo_kernel_list> lists;
    auxo_backend backend;

    // Of every op a kernel that is declined when it is prepared; alone, or before the right one.
    void decline_first(bool alone)
    {
        std::vector<auxo_kernel> all;
        for (size_t i = 0; i < AUXO_OP_COUNT; i++) {
            auxo_kernel declining = kernels[i];
            declining.variant = "declining";
            declining.prepare = decline;
            all.push_back(declining);
            all.push_back(kernels[i]);
        }
        kernels = all;
        for (size_t i = 0; i < AUXO_OP_COUNT; i++)
            lists[i] = {&kernels[2 * i], alone ? 1u : 2u};
    }

    DamagedBackend() : kernels(AUXO_OP_COUNT), lists(AUXO_OP_COUNT), backend(*reference_backend())
    {
        for (size_t i = 0; i < AUXO_OP_COUNT; i++) {
            kernels[i] = reference_backend()->kernels[i].variants[0];
            kernels[i].variant = "damaged";
            kernels[i].enqueue = damaged_enqueue;
            lists[i] = {&kernels[i], 1};
        }
        backend.name = "damaged";
        backend.flags = 0;
        backend.kernels = lists.data();
    }
};

// How the cases of one op ended.
struct Tally {
    size_t passed = 0, failed = 0, declined = 0;
};

void count_result(void *user, const auxo_verify_result *result)
{
    Tally &tally = (*static_cast<std::vector<Tally> *>(user))[result->kind];
    tally.passed += result->outcome == AUXO_VERIFY_PASSED;
    tally.failed += result->outcome == AUXO_VERIFY_FAILED;
    tally.declined += std::string(result->message) == "the driver runs groups of 32";
}

// Verifies all ops on the damaged backend; tallies by kind.
std::vector<Tally> verify_damaged(Damage kind, bool declines = false, bool alone = false)
{
    DamagedBackend damaged;
    if (declines)
        damaged.decline_first(alone);
    const auxo_backend *const backends[] = {&damaged.backend, reference_backend()};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 2;
    auxo_test::Error error;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
    REQUIRE_OK(auxo_device_open(runtime, "damaged", &device, error));
    std::vector<Tally> tallies(AUXO_OP_COUNT);
    auxo_verify_options verify = {};
    verify.quick = true;
    verify.callback = count_result;
    verify.user = &tallies;
    auxo_verify_summary summary = {};
    damage = kind;
    auxo_status status = auxo_verify(device, &verify, &summary, error);
    damage = Damage::none;
    CHECK(status == (kind == Damage::none && !alone ? AUXO_OK : AUXO_WRONG_RESULT));
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
    size_t failed = 0;
    for (const Tally &tally : tallies)
        failed += tally.failed;
    CHECK(summary.failed == failed);
    return tallies;
}

// No case of any op escapes the damage.
void check_every_case_fails(Damage kind)
{
    std::vector<Tally> tallies = verify_damaged(kind);
    for (size_t i = 0; i < AUXO_OP_COUNT; i++) {
        INFO(auxo_op_noun(static_cast<auxo_op_kind>(i)));
        CHECK(tallies[i].passed == 0);
        CHECK(tallies[i].failed > 0);
    }
}

} // namespace

TEST_CASE("verify passes a right backend under another name", "[verify]")
{
    for (const Tally &tally : verify_damaged(Damage::none)) {
        CHECK(tally.failed == 0);
        CHECK(tally.passed > 0);
    }
}

TEST_CASE("a variant that a driver declines is no failure where another runs the case, and one where none does",
          "[verify]")
{
    for (bool alone : {false, true})
        for (const Tally &tally : verify_damaged(Damage::none, true, alone)) {
            CHECK(tally.declined > 0);
            CHECK(tally.failed == (alone ? tally.declined : 0));
            CHECK((tally.passed > 0) == !alone);
        }
}

TEST_CASE("verify finds kernels that write nothing", "[verify]")
{
    std::vector<Tally> tallies = verify_damaged(Damage::nothing_written);
    // adding zeros to a counter is the one case where nothing is right
    for (size_t i = 0; i < AUXO_OP_COUNT; i++)
        CHECK(tallies[i].passed == (i == AUXO_OP_COUNTER_ADD ? 1 : 0));
}

TEST_CASE("verify finds kernels with one wrong element", "[verify]")
{
    check_every_case_fails(Damage::one_element);
}

TEST_CASE("verify finds kernels with a wrong last element", "[verify]")
{
    check_every_case_fails(Damage::last_element);
}

TEST_CASE("verify finds kernels that write past the end", "[verify]")
{
    check_every_case_fails(Damage::past_the_end);
}

TEST_CASE("verify finds kernels that change an input", "[verify]")
{
    std::vector<Tally> tallies = verify_damaged(Damage::input);
    for (size_t i = 0; i < AUXO_OP_COUNT; i++) {
        const auto kind = static_cast<auxo_op_kind>(i);
        size_t count = 0;
        const auxo_slot_info *slots = auxo_op_slots(kind, &count);
        bool always_reads = false;
        for (size_t slot = 0; slot < count; slot++)
            always_reads |= slots[slot].access == AUXO_SLOT_READ && !slots[slot].optional;
        INFO(auxo_op_noun(kind));
        // cases in place may have no input to change
        if (always_reads)
            CHECK(tallies[i].failed > 0);
    }
}
