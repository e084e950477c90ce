// tests/plan_test.cpp: plans on a fake backend: wrong use, empty ops, recording, profiles, host fallback, refusal,
// faults in the middle of a run, and single ops. Memory is in plan_memory_test.cpp.
#include "support/plan_bench.hpp"

using namespace auxo_test;
using Catch::Matchers::Contains;

TEST_CASE("wrong use of temporaries is told")
{
    PlanBench bench;
    bench.start();
    auxo_tensor out = bench.buffer_1d(10);
    auxo_tensor temp = bench.temp_1d(10);
    SECTION("read before written")
    {
        REQUIRE(bench.add(copy(temp, out), "early") == AUXO_OK);
        CHECK(bench.compile() == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(bench.error.message, Contains("early") && Contains("temporary 1"));
    }
    SECTION("of another plan")
    {
        temp.temp_id = 2;
        CHECK(bench.add(fill(temp, 1), "stranger") == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(bench.error.message, Contains("stranger") && Contains("fill"));
    }
    SECTION("a view that leaves it")
    {
        temp.offset_bytes = 4;
        CHECK(bench.add(fill(temp, 1)) == AUXO_INVALID_ARGUMENT);
        CHECK_THAT(bench.error.message, Contains("temporary 1"));
    }
    SECTION("impossible dims")
    {
        int64_t dims[] = {INT64_MAX / 2, 16};
        auxo_tensor huge = auxo_plan_temp(bench.plan, AUXO_DTYPE_F32, 2, dims);
        CHECK(!auxo_tensor_is_present(&huge));
        CHECK(bench.add(fill(temp, 1)) == AUXO_INVALID_ARGUMENT);
        CHECK(bench.compile() == AUXO_INVALID_ARGUMENT);
    }
    SECTION("ops after compile, run before compile")
    {
        CHECK(bench.run() == AUXO_INVALID_ARGUMENT);
        REQUIRE(bench.compile() == AUXO_OK);
        CHECK(bench.compile() == AUXO_INVALID_ARGUMENT);
        CHECK(bench.add(fill(out, 1)) == AUXO_INVALID_ARGUMENT);
        CHECK(bench.run() == AUXO_OK);
    }
}

TEST_CASE("an op that writes nothing is skipped, one with a defined effect is not")
{
    PlanBench bench;
    bench.start();
    auxo_tensor out = bench.buffer_1d(3);
    auxo_tensor nothing = bench.temp_1d(0);
    REQUIRE(bench.add(fill(nothing, 1)) == AUXO_OK);
    REQUIRE(bench.add(add_op(nothing, nothing, nothing)) == AUXO_OK);
    auxo_op reduce = make(AUXO_OP_REDUCE);
    int64_t dims[] = {0, 3, 4};
    reduce.tensors[AUXO_REDUCE_X] = auxo_plan_temp(bench.plan, AUXO_DTYPE_F32, 3, dims);
    reduce.tensors[AUXO_REDUCE_Y] = out;
    reduce.params.reduce.kind = AUXO_REDUCE_SUM;
    INFO(bench.error.message);
    REQUIRE(bench.add(reduce) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    REQUIRE(bench.run() == AUXO_OK);
    CHECK(bench.read(out) == std::vector<float>(3, 0));
    CHECK(bench.fake.enqueue_count == 1);
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 0).reason) == "empty: nothing to compute");
}

TEST_CASE("an empty plan compiles and runs")
{
    PlanBench bench;
    bench.start();
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(bench.run(3) == AUXO_OK);
    CHECK(auxo_plan_op_count(bench.plan) == 0);
    CHECK(auxo_plan_arena_bytes(bench.plan) == 0);
}

TEST_CASE("a plan tells its ops, labels, kernels and cost")
{
    PlanBench bench;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10), b = bench.buffer_1d(10);
    char label[] = "sum";
    REQUIRE(bench.add(add_op(a, a, b), label) == AUXO_OK);
    label[0] = '?'; // the plan has its own copy
    REQUIRE(bench.add(fill(a, 0)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    REQUIRE(auxo_plan_op_count(bench.plan) == 2);
    auxo_plan_op_info info = auxo_plan_op_info_at(bench.plan, 0);
    CHECK(std::string(info.label) == "sum");
    CHECK(info.kind == AUXO_OP_ADD);
    CHECK(std::string(info.variant) == "plain");
    CHECK(std::string(info.reason) == "default");
    CHECK(info.route == AUXO_ROUTE_NATIVE);
    CHECK(info.bytes == 120);
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 1).label) == "fill");
    CHECK(auxo_plan_flops(bench.plan) == info.flops + auxo_plan_op_info_at(bench.plan, 1).flops);
    CHECK(auxo_plan_op(bench.plan, 1)->kind == AUXO_OP_FILL);
}

TEST_CASE("a profiled plan gives the same result and counts every op")
{
    PlanBench bench;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10), b = bench.buffer_1d(10);
    REQUIRE(bench.add(fill(a, 2)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, a, b)) == AUXO_OK);
    auxo_plan_options options = {};
    options.profile = true;
    REQUIRE(bench.compile(options) == AUXO_OK);
    REQUIRE(bench.run(7) == AUXO_OK);
    CHECK(bench.read(b) == std::vector<float>(10, 4));
    for (size_t i = 0; i < 2; i++) {
        CHECK(auxo_plan_op_info_at(bench.plan, i).run_count == 7);
        CHECK(auxo_plan_op_info_at(bench.plan, i).total_ns > 0);
    }
}

TEST_CASE("a backend that records is asked once per queue and replayed")
{
    PlanBench bench;
    bench.fake.enable_recording();
    bench.start();
    auxo_tensor a = bench.buffer_1d(10), one = bench.buffer_1d(10);
    std::vector<float> ones(10, 1), zeros(10, 0);
    REQUIRE(auxo_buffer_write(bench.queue, a.buffer, 0, zeros.data(), 40, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_write(bench.queue, one.buffer, 0, ones.data(), 40, nullptr) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, one, a)) == AUXO_OK);
    SECTION("recorded")
    {
        REQUIRE(bench.compile() == AUXO_OK);
        REQUIRE(bench.run(3) == AUXO_OK);
        REQUIRE(bench.run(2) == AUXO_OK);
        CHECK(bench.fake.record_count == 1);
        CHECK(bench.fake.replay_count == 5);
        CHECK(bench.read(a) == std::vector<float>(10, 5));
        auxo_queue *second = nullptr;
        REQUIRE(auxo_queue_create(bench.device, &second, nullptr) == AUXO_OK);
        REQUIRE(auxo_plan_run(bench.plan, second, 1, nullptr) == AUXO_OK);
        CHECK(bench.fake.record_count == 2);
        CHECK(bench.fake.live_recordings == 1);
        auxo_queue_destroy(second);
        CHECK(bench.read(a) == std::vector<float>(10, 6));
    }
    SECTION("not when profiled")
    {
        auxo_plan_options options = {};
        options.profile = true;
        REQUIRE(bench.compile(options) == AUXO_OK);
        REQUIRE(bench.run(3) == AUXO_OK);
        CHECK(bench.fake.record_count == 0);
        CHECK(bench.read(a) == std::vector<float>(10, 3));
    }
    SECTION("a fault while recording leaves recording mode")
    {
        REQUIRE(bench.compile() == AUXO_OK);
        bench.fake.enqueue_fault = AUXO_DRIVER;
        CHECK(bench.run() == AUXO_DRIVER);
        CHECK_THAT(bench.error.message, Contains("recording") && Contains("add"));
        bench.fake.enqueue_fault = AUXO_OK;
        REQUIRE(bench.run() == AUXO_OK);
        CHECK(bench.read(a) == std::vector<float>(10, 1));
    }
    SECTION("a backend that declines runs unrecorded")
    {
        REQUIRE(bench.compile() == AUXO_OK);
        bench.fake.spi.record_begin = [](void *, auxo_error *error) {
            return auxo_error_set(error, AUXO_UNSUPPORTED, "not these ops");
        };
        REQUIRE(bench.run(2) == AUXO_OK);
        CHECK(bench.fake.replay_count == 0);
        CHECK(bench.read(a) == std::vector<float>(10, 2));
        REQUIRE(bench.log.size() == 1);
        CHECK_THAT(bench.log[0], Contains("not these ops"));
    }
}

TEST_CASE("an op without a kernel is refused by name, or runs on the host where allowed, and is counted")
{
    PlanBench bench;
    bench.fake.variants[AUXO_OP_ADD].clear();
    bench.fake.refresh();
    bool with_oracle = GENERATE(true, false);
    bench.start(with_oracle);
    auxo_tensor a = bench.buffer_1d(10), b = bench.buffer_1d(10);
    REQUIRE(bench.add(fill(a, 2)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, a, b), "sum") == AUXO_OK);
    REQUIRE(bench.add(tanh_op(b, a)) == AUXO_OK);
    auxo_plan_options options = {};
    options.allow_host_fallback = GENERATE(false, true);
    auxo_status status = bench.compile(options);
    if (!options.allow_host_fallback) {
        CHECK(status == AUXO_UNSUPPORTED);
        CHECK_THAT(bench.error.message, Contains("sum") && Contains("add") && Contains("fake:0 (Fake One)"));
        CHECK(bench.log.empty());
    } else if (!with_oracle) {
        CHECK(status == AUXO_NOT_FOUND);
        CHECK_THAT(bench.error.message, Contains("reference backend"));
    } else {
        REQUIRE(status == AUXO_OK);
        CHECK(auxo_plan_host_fallback_count(bench.plan) == 1);
        auxo_plan_op_info info = auxo_plan_op_info_at(bench.plan, 1);
        CHECK(info.route == AUXO_ROUTE_HOST);
        CHECK(std::string(info.variant) == "reference");
        CHECK_THAT(info.reason, Contains("host fallback"));
        CHECK(bench.log.size() == 1);
        REQUIRE(bench.run(2) == AUXO_OK);
        CHECK(bench.read(b) == std::vector<float>(10, 4));
        CHECK(bench.read(a)[3] == Approx(0.99932930));
    }
}

TEST_CASE("the host route keeps what an op does not write")
{
    PlanBench bench;
    bench.fake.variants[AUXO_OP_COPY].clear();
    bench.fake.refresh();
    bench.start();
    auxo_tensor flat = bench.buffer_1d(12), source = bench.buffer_1d(4);
    std::vector<float> before(12, 9), values = {1, 2, 3, 4};
    REQUIRE(auxo_buffer_write(bench.queue, flat.buffer, 0, before.data(), 48, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_write(bench.queue, source.buffer, 0, values.data(), 16, nullptr) == AUXO_OK);
    int64_t wide[] = {4, 3}, narrow[] = {4, 1};
    auxo_tensor column = auxo_tensor_slice(auxo_tensor_reshape(flat, 2, wide), 1, 1, 1);
    REQUIRE(bench.add(copy(auxo_tensor_reshape(source, 2, narrow), column)) == AUXO_OK);
    auxo_plan_options options = {};
    options.allow_host_fallback = true;
    REQUIRE(bench.compile(options) == AUXO_OK);
    REQUIRE(bench.run() == AUXO_OK);
    CHECK(bench.read(flat) == std::vector<float>{9, 1, 9, 9, 2, 9, 9, 3, 9, 9, 4, 9});
}

TEST_CASE("a variant that does not support the op, or fails to prepare, is passed over and named")
{
    PlanBench bench;
    auxo_kernel plain = bench.fake.variants[AUXO_OP_ADD][0];
    auxo_kernel picky = plain, broken = plain;
    picky.variant = "picky";
    picky.supports = [](void *, const auxo_op *op) { return op->tensors[0].dims[0] % 8 == 0; };
    broken.variant = "broken";
    broken.prepare = [](void *, const auxo_op *, const int32_t *, void **, auxo_error *error) {
        return auxo_error_set(error, AUXO_DRIVER, "compiler crashed");
    };
    bench.fake.variants[AUXO_OP_ADD] = {picky, broken, plain};
    bench.fake.refresh();
    bench.start();
    auxo_tensor a = bench.buffer_1d(10), b = bench.buffer_1d(10);
    auxo_tensor a8 = auxo_tensor_slice(a, 0, 0, 8), b8 = auxo_tensor_slice(b, 0, 0, 8);
    REQUIRE(bench.add(add_op(a, a, b)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a8, a8, b8)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 0).variant) == "plain");
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 0).reason) == "default; failed to prepare: broken");
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 1).variant) == "picky");
    REQUIRE(bench.log.size() == 1);
    CHECK_THAT(bench.log[0], Contains("broken") && Contains("compiler crashed"));
}

TEST_CASE("a device lost in the middle of a run is named and sticky")
{
    PlanBench bench;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(fill(a, 2), "first") == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    bench.fake.enqueue_fault = AUXO_DEVICE_LOST;
    CHECK(bench.run() == AUXO_DEVICE_LOST);
    CHECK_THAT(bench.error.message, Contains("first") && Contains("plain") && Contains("injected enqueue fault"));
    bench.fake.enqueue_fault = AUXO_OK;
    uint64_t enqueued = bench.fake.enqueue_count;
    CHECK(bench.run() == AUXO_DEVICE_LOST);
    CHECK(bench.fake.enqueue_count == enqueued);
    auxo_plan *plan = nullptr;
    CHECK(auxo_plan_create(bench.device, &plan, nullptr) == AUXO_DEVICE_LOST);
    auxo_op op = fill(a, 1);
    CHECK(auxo_op_run(bench.queue, &op, nullptr) == AUXO_DEVICE_LOST);
}

TEST_CASE("single ops: checked, run by default or by variant")
{
    PlanBench bench;
    auxo_kernel other = bench.fake.variants[AUXO_OP_FILL][0];
    other.variant = "other";
    other.supports = [](void *, const auxo_op *op) { return op->tensors[0].dims[0] == 10; };
    bench.fake.variants[AUXO_OP_FILL].push_back(other);
    bench.fake.refresh();
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    auxo_error error = {};
    auxo_op op = fill(a, 3);
    REQUIRE(auxo_op_run_variant(bench.queue, &op, "other", nullptr, &error) == AUXO_OK);
    CHECK(bench.read(a) == std::vector<float>(10, 3));
    CHECK(auxo_op_run_variant(bench.queue, &op, "third", nullptr, &error) == AUXO_NOT_FOUND);
    CHECK_THAT(error.message, Contains("third") && Contains("fill"));
    op.tensors[0] = auxo_tensor_slice(a, 0, 0, 5);
    CHECK(auxo_op_run_variant(bench.queue, &op, "other", nullptr, &error) == AUXO_UNSUPPORTED);
    const char *names[4] = {};
    CHECK(auxo_op_variants(bench.device, AUXO_OP_FILL, nullptr, names, 4) == 2);
    CHECK(auxo_op_variants(bench.device, AUXO_OP_FILL, &op, names, 4) == 1);
    CHECK(std::string(names[0]) == "plain");
    op.tensors[0] = bench.temp_1d(4);
    CHECK(auxo_op_run(bench.queue, &op, &error) == AUXO_INVALID_ARGUMENT);
    CHECK_THAT(error.message, Contains("temporary"));
    auxo_op bad = add_op(a, a, auxo_tensor_slice(a, 0, 0, 5));
    CHECK(auxo_op_run(bench.queue, &bad, &error) == AUXO_INVALID_ARGUMENT);
    auxo_op nothing = fill(auxo_tensor_slice(a, 0, 0, 0), 1);
    CHECK(auxo_op_run(bench.queue, &nothing, &error) == AUXO_OK);
}

TEST_CASE("an op whose tensor is beyond the binding limit is refused with the limit")
{
    PlanBench bench;
    bench.fake.devices[0].max_binding_bytes = 1024;
    bench.fake.variants[AUXO_OP_ADD][0].supports = [](void *, const auxo_op *op) {
        return auxo_tensor_element_count(&op->tensors[AUXO_ADD_Y]) * 4 <= 1024;
    };
    bench.fake.refresh();
    bench.start();
    const auxo_tensor a = bench.buffer_1d(300), b = bench.buffer_1d(300), y = bench.buffer_1d(300);
    REQUIRE(bench.add(add_op(a, b, y), "sum") == AUXO_OK);
    CHECK(bench.compile() == AUXO_UNSUPPORTED);
    CHECK_THAT(bench.error.message, Contains("A has 1200 bytes, more than the 1024 that one binding of device fake"));
    CHECK_THAT(bench.error.message, Contains("sum"));
}

namespace
{
volatile int stop_now = 0;

auxo_status prepare_and_stop(void *, const auxo_op *, const int32_t *, void **, auxo_error *)
{
    stop_now = 1;
    return AUXO_OK;
}
} // namespace

TEST_CASE("a request to stop ends compiling before the next kernel")
{
    PlanBench bench;
    bench.fake.variants[AUXO_OP_FILL][0].prepare = prepare_and_stop;
    bench.fake.variants[AUXO_OP_FILL][0].release = nullptr;
    bench.fake.refresh();
    bench.start();
    const auxo_tensor a = bench.buffer_1d(8), b = bench.buffer_1d(8), y = bench.buffer_1d(8);
    REQUIRE(bench.add(fill(a, 1)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, b, y)) == AUXO_OK);
    stop_now = 0;
    auxo_plan_options options = {};
    options.stop = &stop_now;
    CHECK(bench.compile(options) == AUXO_INTERRUPTED);
    CHECK(bench.fake.prepare_count == 0);
    bench.new_plan();
    CHECK(bench.fake.live_states == 0);
}
