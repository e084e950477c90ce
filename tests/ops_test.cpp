// tests/ops_test.cpp: every kernel variant of every op on every device present, against the reference.
//
// One TEST_CASE per op, so that `ctest -R gemm` runs that op alone. Bounds and cases are the library's own
// (auxo/verify.h), the same that `auxo verify` runs.
#include "support/support.hpp"

#include "auxo/plan.h"
#include "auxo/verify.h"

#include <cstring>
#include <map>

namespace
{

struct Counts {
    std::vector<std::string> failures;
    std::map<std::string, bool> case_passes; // by case: whether some variant passed it
};

void count_result(void *user, const auxo_verify_result *result)
{
    auto *counts = static_cast<Counts *>(user);
    if (result->outcome == AUXO_VERIFY_FAILED)
        counts->failures.push_back(std::string(result->variant) + ": " + result->case_text + ": " + result->message);
    counts->case_passes[result->case_text] |= result->outcome == AUXO_VERIFY_PASSED;
}

// Whether the device does the op in the format that the case is in: f32, or a 16-bit one, in which a device has the op
// for all cases or for none.
bool has_format(auxo_test::Device &device, const char *noun, const std::string &case_text)
{
    auxo_op_kind kind;
    auxo_dtype format = AUXO_DTYPE_F32;
    REQUIRE(auxo_op_find(noun, &kind, nullptr) == AUXO_OK);
    for (auxo_dtype half : {AUXO_DTYPE_F16, AUXO_DTYPE_BF16})
        if ((" " + case_text).find(std::string(" ") + auxo_dtype_text(half)) != std::string::npos)
            format = half;
    return format == AUXO_DTYPE_F32 || auxo_op_takes_format(device.device, kind, format);
}

void verify_op(auxo_test::Device &device, const char *noun)
{
    Counts counts;
    auxo_verify_options options = {};
    options.op = noun;
    options.seed = 1;
    options.callback = count_result;
    options.user = &counts;
    auxo_verify_summary summary = {};
    auxo_test::Error error;
    auxo_status status = auxo_verify(device.device, &options, &summary, error);
    for (const std::string &failure : counts.failures)
        UNSCOPED_INFO(failure);
    INFO(error.message);
    CHECK(status == AUXO_OK);
    if (summary.ops_without_kernel)
        WARN(noun << " has no kernel on " << device.selector);
    else
        for (const auto &[case_text, passes] : counts.case_passes) {
            INFO("no variant takes the valid case " << case_text);
            CHECK((passes || !has_format(device, noun, case_text)));
        }
}

} // namespace

#define OP_TEST(kind, noun)                                                                                            \
    TEST_CASE(#noun " agrees with the reference on every device", "[ops]")                                             \
    {                                                                                                                  \
        auxo_test::for_each_device([](auxo_test::Device &device) { verify_op(device, #noun); }, true);                 \
    }
AUXO_OP_TABLE(OP_TEST)

TEST_CASE("every kind of optimiser has a case", "[ops]")
{
    auxo_test::Runtime runtime;
    auxo_test::Device device(runtime, "reference");
    auxo_test::Error error;
    Counts counts;
    auxo_verify_options options = {};
    options.op = "optimizer_step";
    options.callback = count_result;
    options.user = &counts;
    CHECK(auxo_verify(device.device, &options, nullptr, error) == AUXO_OK);
#define NOUN(name, noun, states, flops) #noun,
    for (const char *noun : {AUXO_OPTIMIZER_TABLE(NOUN)}) {
#undef NOUN
        INFO(noun);
        const auto found = counts.case_passes.lower_bound(noun + std::string(" n="));
        CHECK((found != counts.case_passes.end() && found->first.find(noun + std::string(" n=")) == 0));
    }
}

TEST_CASE("verify names an unknown op, its nearest noun, and an unknown variant", "[ops]")
{
    auxo_test::Runtime runtime;
    auxo_test::Device device(runtime, "reference");
    auxo_test::Error error;
    auxo_verify_options options = {};
    options.op = "gem";
    CHECK(auxo_verify(device.device, &options, nullptr, error) == AUXO_NOT_FOUND);
    CHECK(std::strstr(error.message, "gemm") != nullptr);
    options.op = "fill";
    options.variant = "no-such-variant";
    CHECK(auxo_verify(device.device, &options, nullptr, error) == AUXO_NOT_FOUND);
    CHECK(std::strstr(error.message, "no-such-variant") != nullptr);
}
