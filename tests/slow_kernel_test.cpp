// tests/slow_kernel_test.cpp: every op: the tuner names a variant that is far too slow and leaves it out, and takes a
// right one. The device is the reference under another name; the clock is this test's, so that slow costs no time.
#include "support/fake_backend.hpp"
#include "support/support.hpp"

#include <catch2/catch.hpp>

extern "C" {
#include "known_answer.h"
#include "tune_internal.h"

double __real_auxo__now_seconds(void);
double __wrap_auxo__now_seconds(void);
}

using auxo_test::FakeBackend;

namespace
{

// Kernels get no user data, hence variables of this file.
double slept_seconds = 0;          // by slow kernels, on the tuner's clock
const auxo_op *searched = nullptr; // the op that is tuned now: slow ones are slow on it alone, not on known answers
size_t slow_runs = 0;

bool is_searched(const auxo_op *op)
{
    if (!searched || op->kind != searched->kind)
        return false;
    for (int i = 0; i < AUXO_OP_SLOTS_MAX; i++)
        if (op->tensors[i].buffer != searched->tensors[i].buffer)
            return false;
    return true;
}

auxo_status slow_enqueue(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (is_searched(op)) {
        slept_seconds += 1.5;
        slow_runs++;
    }
    return FakeBackend::run_inner(queue, op, error);
}

auxo_status right_enqueue(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    return FakeBackend::run_inner(queue, op, error);
}

struct Tuned {
    auxo_status status = AUXO_OK;
    std::string best;
    std::vector<std::string> refused; // "op variant: why"
    size_t tried = 0;
};

void listen(void *user, const auxo_tune_event *event)
{
    if (event->kind == AUXO_TUNE_REFUSED)
        static_cast<Tuned *>(user)->refused.push_back(std::string(event->entry->op) + " " + event->entry->variant +
                                                      ": " + event->message);
}

// A device of the reference's kernels, and of each op a slow variant and another right one.
struct SlowDevice {
    FakeBackend fake;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_test::Error error;

    SlowDevice()
    {
        for (int kind = 0; kind < AUXO_OP_COUNT; kind++) {
            auxo_kernel slow = {}, same = {};
            slow.variant = "slow";
            slow.enqueue = slow_enqueue;
            same.variant = "same";
            same.enqueue = right_enqueue;
            fake.variants[kind].push_back(slow);
            fake.variants[kind].push_back(same);
        }
        fake.refresh();
        const auxo_backend *backends[] = {&fake.spi, auxo_test::find_builtin("reference")};
        auxo_runtime_options options = {};
        options.backends = backends;
        options.backend_count = 2;
        REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
        REQUIRE_OK(auxo_device_open(runtime, "fake", &device, error));
        REQUIRE_OK(auxo_queue_create(device, &queue, error));
    }
    ~SlowDevice()
    {
        auxo_queue_destroy(queue);
        auxo_device_close(device);
        auxo_runtime_destroy(runtime);
    }
    Tuned tune(const auxo_op *op)
    {
        Tuned tuned;
        auxo__tuner tuner = {};
        tuner.device = device;
        tuner.queue = queue;
        tuner.options.listen = listen;
        tuner.options.listen_user = &tuned;
        tuner.end = tuner.deadline = auxo__now_seconds() + 3;
        auxo__tune_result found = {};
        found.first_seconds = found.best_seconds = INFINITY;
        searched = op;
        tuned.status = auxo__tune_search(&tuner, op, &found, error);
        searched = nullptr;
        tuned.tried = found.tried;
        if (std::isfinite(found.best_seconds))
            tuned.best = found.best.variant;
        return tuned;
    }
};

SlowDevice *tuning_device = nullptr;
std::unique_ptr<Tuned> first_case;

// Runs as a kernel in a known answer of its op: at that moment op, buffers and parameters are whole and right, and the
// tuner is given them. What it leaves in the buffers makes the known answer wrong, which nobody asks.
auxo_status tune_this(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (!first_case && auxo__op_half_format(op) == AUXO_DTYPE_F32)
        first_case = std::make_unique<Tuned>(tuning_device->tune(op));
    return FakeBackend::run_inner(queue, op, error);
}

} // namespace

double __wrap_auxo__now_seconds(void)
{
    return __real_auxo__now_seconds() + slept_seconds;
}

TEST_CASE("a slow kernel of any op is left out by name, and another is taken")
{
    SlowDevice slow;
    tuning_device = &slow;
    auxo_kernel probe = {};
    probe.variant = "probe";
    probe.enqueue = tune_this;
    for (int number = 0; number < AUXO_OP_COUNT; number++) {
        const auto kind = static_cast<auxo_op_kind>(number);
        const std::string noun = auxo_op_noun(kind);
        INFO(noun);
        slow_runs = 0;
        first_case.reset();
        auxo_test::Error ignored;
        auxo__known_answer(slow.device, kind, AUXO_DTYPE_F32, &probe, nullptr, ignored);
        REQUIRE(first_case);
        INFO(slow.error.message);
        CHECK(first_case->status == AUXO_OK);
        CHECK(first_case->tried == 3);
        CHECK(slow_runs > 0);
        REQUIRE(first_case->refused.size() == 1);
        CHECK_THAT(first_case->refused[0], Catch::Matchers::Contains(noun + " slow: one run took") &&
                                               Catch::Matchers::Contains("over the limit"));
        CHECK((first_case->best == "plain" || first_case->best == "same"));
    }
}
