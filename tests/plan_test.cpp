// tests/plan_test.cpp: plans on a fake backend: memory reuse, views of temporaries, keep, empty ops, recording,
// profiles, host fallback, refusal, and faults in the middle of a run.
#include "auxo/plan.h"
#include "support/fake_backend.hpp"

#include <catch2/catch.hpp>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

using auxo_test::FakeBackend;
using auxo_test::find_builtin;
using Catch::Matchers::Contains;

namespace
{

struct Bench {
    FakeBackend fake;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_plan *plan = nullptr;
    std::vector<auxo_buffer *> buffers;
    std::vector<std::string> log;
    auxo_error error = {};

    void start(bool with_oracle = true)
    {
        const auxo_backend *backends[] = {&fake.spi, find_builtin("reference")};
        auxo_runtime_options options = {};
        options.backends = backends;
        options.backend_count = with_oracle ? 2 : 1;
        options.log = [](void *user, auxo_log_level, const char *message) {
            static_cast<Bench *>(user)->log.push_back(message);
        };
        options.log_user = this;
        REQUIRE(auxo_runtime_create(&options, &runtime, nullptr) == AUXO_OK);
        REQUIRE(auxo_device_open(runtime, "fake", &device, nullptr) == AUXO_OK);
        REQUIRE(auxo_queue_create(device, &queue, nullptr) == AUXO_OK);
        new_plan();
    }
    void new_plan()
    {
        auxo_plan_destroy(plan);
        REQUIRE(auxo_plan_create(device, &plan, nullptr) == AUXO_OK);
    }
    ~Bench()
    {
        auxo_plan_destroy(plan);
        for (auxo_buffer *buffer : buffers)
            auxo_buffer_destroy(buffer);
        auxo_queue_destroy(queue);
        auxo_device_close(device);
        auxo_runtime_destroy(runtime);
        CHECK(fake.live_buffers == 0);
        CHECK(fake.live_states == 0);
        CHECK(fake.live_recordings == 0);
    }
    auxo_tensor buffer_1d(int64_t count)
    {
        auxo_buffer *buffer = nullptr;
        REQUIRE(auxo_buffer_create(device, static_cast<uint64_t>(count) * 4, &buffer, nullptr) == AUXO_OK);
        buffers.push_back(buffer);
        return auxo_tensor_1d(buffer, 0, AUXO_DTYPE_F32, count);
    }
    auxo_tensor temp_1d(int64_t count)
    {
        return auxo_plan_temp(plan, AUXO_DTYPE_F32, 1, &count);
    }
    std::vector<float> read(const auxo_tensor &tensor)
    {
        std::vector<float> values(static_cast<size_t>(auxo_tensor_element_count(&tensor)));
        REQUIRE(auxo_buffer_read(queue, tensor.buffer, tensor.offset_bytes, values.data(), values.size() * 4,
                                 nullptr) == AUXO_OK);
        return values;
    }
    auxo_status add(const auxo_op &op, const char *label = nullptr)
    {
        error = {};
        return auxo_plan_add(plan, &op, label, &error);
    }
    auxo_status compile(auxo_plan_options options = {})
    {
        options.no_self_test = true;
        error = {};
        return auxo_plan_compile(plan, &options, &error);
    }
    auxo_status run(uint32_t repeat_count = 1)
    {
        error = {};
        return auxo_plan_run(plan, queue, repeat_count, &error);
    }
};

auxo_op make(auxo_op_kind kind)
{
    auxo_op op;
    std::memset(&op, 0, sizeof op);
    op.kind = kind;
    return op;
}

auxo_op fill(const auxo_tensor &y, float value)
{
    auxo_op op = make(AUXO_OP_FILL);
    op.tensors[AUXO_FILL_Y] = y;
    op.params.fill.value = value;
    return op;
}

auxo_op add_op(const auxo_tensor &a, const auxo_tensor &b, const auxo_tensor &y, float alpha = 1, float beta = 1)
{
    auxo_op op = make(AUXO_OP_ADD);
    op.tensors[AUXO_ADD_A] = a;
    op.tensors[AUXO_ADD_B] = b;
    op.tensors[AUXO_ADD_Y] = y;
    op.params.add = {alpha, beta};
    return op;
}

auxo_op copy(const auxo_tensor &x, const auxo_tensor &y)
{
    auxo_op op = make(AUXO_OP_COPY);
    op.tensors[AUXO_COPY_X] = x;
    op.tensors[AUXO_COPY_Y] = y;
    op.params.copy.scale = 1;
    return op;
}

auxo_op tanh_op(const auxo_tensor &x, const auxo_tensor &y)
{
    auxo_op op = make(AUXO_OP_ACTIVATION_FORWARD);
    op.tensors[AUXO_ACTIVATION_X] = x;
    op.tensors[AUXO_ACTIVATION_Y] = y;
    op.params.activation.activation = AUXO_ACTIVATION_TANH;
    return op;
}

} // namespace

TEST_CASE("temporaries share memory only when their lifetimes do not meet")
{
    Bench bench;
    bench.start();
    auxo_tensor out = bench.buffer_1d(1000);
    auxo_tensor previous = bench.temp_1d(1000);
    REQUIRE(bench.add(fill(previous, 1)) == AUXO_OK);
    for (int i = 0; i < 20; i++) {
        auxo_tensor next = bench.temp_1d(1000);
        REQUIRE(bench.add(add_op(previous, previous, next)) == AUXO_OK);
        previous = next;
    }
    REQUIRE(bench.add(copy(previous, out)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(auxo_plan_arena_bytes(bench.plan) <= 2 * 4096); // a chain needs two at a time
    REQUIRE(bench.run() == AUXO_OK);
    CHECK(bench.read(out) == std::vector<float>(1000, 1048576)); // 2^20, exactly
}

namespace
{

// A random program of fills, sums, in-place ops, slices and reshapes over temporaries of five sizes.
class RandomProgram
{
  public:
    RandomProgram(Bench &bench, unsigned seed) : bench_(bench), random_(seed)
    {
        for (size_t size = 0; size < SIZES; size++)
            add_filled(size);
        for (int step = 0; step < 60; step++)
            add_step();
        out = bench.buffer_1d(4000);
        must(fill(out, 0));
        int64_t at = 0;
        for (size_t size = 0; size < SIZES; size++) {
            must(copy(alive_[size].back(), auxo_tensor_slice(out, 0, at, counts_[size])));
            at += counts_[size];
        }
    }
    auxo_tensor out;
    std::vector<auxo_tensor> temps;

  private:
    enum { SIZES = 5 };
    const int64_t counts_[SIZES] = {1, 64, 65, 600, 1200};
    Bench &bench_;
    std::mt19937 random_;
    std::vector<auxo_tensor> alive_[SIZES];

    size_t pick(size_t count)
    {
        return static_cast<size_t>(random_() % count);
    }
    void must(const auxo_op &op)
    {
        if (bench_.add(op))
            FAIL(bench_.error.message);
    }
    auxo_tensor new_temp(size_t size)
    {
        auxo_tensor temp = bench_.temp_1d(counts_[size]);
        alive_[size].push_back(temp);
        temps.push_back(temp);
        return temp;
    }
    void add_filled(size_t size)
    {
        auxo_tensor temp = new_temp(size);
        must(fill(temp, static_cast<float>(random_() % 100) / 64));
    }
    // Adds `a` into a slice of a large temporary, both seen as matrices.
    void add_into_slice(const auxo_tensor &a)
    {
        const std::vector<auxo_tensor> &large = alive_[SIZES - 1];
        int64_t count = a.dims[0];
        auxo_tensor target = large[pick(large.size())];
        int64_t start = static_cast<int64_t>(pick(static_cast<size_t>(target.dims[0] - count + 1)));
        if (target.temp_id == a.temp_id)
            return;
        int64_t dims[2] = {1, count};
        auxo_tensor part = auxo_tensor_reshape(auxo_tensor_slice(target, 0, start, count), 2, dims);
        must(add_op(part, auxo_tensor_reshape(a, 2, dims), part, 0.5f, 0.5f));
    }
    void add_step()
    {
        size_t size = pick(SIZES);
        std::vector<auxo_tensor> &group = alive_[size];
        auxo_tensor a = group[pick(group.size())], b = group[pick(group.size())];
        switch (pick(5)) {
        case 0:
            add_filled(size);
            break;
        case 1:
            must(add_op(a, b, new_temp(size), 0.5f, 0.25f));
            break;
        case 2:
            must(tanh_op(a, a));
            break;
        case 3:
            add_into_slice(a);
            break;
        default: // old ones die
            if (group.size() > 2)
                group.erase(group.begin());
        }
    }
};

} // namespace

// Run with shared memory, and again with every temporary kept so that nothing is shared: the bits must agree.
TEST_CASE("random plans compute the same with and without sharing memory")
{
    for (unsigned seed = 0; seed < 60; seed++) {
        std::vector<float> results[2];
        uint64_t arena_bytes[2] = {0, 0};
        for (int keep = 0; keep < 2; keep++) {
            Bench bench;
            if (seed % 3 == 0) // several arenas
                bench.fake.devices[0].max_binding_bytes = 6000;
            bench.start();
            RandomProgram program(bench, seed);
            for (const auxo_tensor &temp : program.temps)
                if (keep && auxo_plan_keep(bench.plan, &temp, nullptr))
                    FAIL("keep");
            REQUIRE(bench.compile() == AUXO_OK);
            REQUIRE(bench.run(2) == AUXO_OK);
            results[keep] = bench.read(program.out);
            arena_bytes[keep] = auxo_plan_arena_bytes(bench.plan);
        }
        INFO("seed " << seed);
        CHECK((results[0] == results[1]));
        CHECK(arena_bytes[0] <= arena_bytes[1]);
    }
}

TEST_CASE("a kept temporary can be read back through views of it")
{
    Bench bench;
    bench.start();
    auxo_tensor whole = bench.temp_1d(100), other = bench.temp_1d(100), late = bench.temp_1d(100);
    auxo_tensor left = auxo_tensor_slice(whole, 0, 0, 40), right = auxo_tensor_slice(whole, 0, 40, 60);
    REQUIRE(bench.add(fill(left, 1)) == AUXO_OK);
    REQUIRE(bench.add(fill(right, 2)) == AUXO_OK);
    REQUIRE(bench.add(fill(other, 3)) == AUXO_OK);
    REQUIRE(bench.add(add_op(other, other, late)) == AUXO_OK);
    REQUIRE(auxo_plan_keep(bench.plan, &whole, nullptr) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(auxo_plan_keep(bench.plan, &other, nullptr) == AUXO_INVALID_ARGUMENT);
    REQUIRE(bench.run() == AUXO_OK);
    auxo_tensor resolved = auxo_plan_resolve(bench.plan, &right);
    REQUIRE(resolved.buffer != nullptr);
    CHECK(resolved.temp_id == 0);
    CHECK(bench.read(resolved) == std::vector<float>(60, 2));
    std::vector<float> expected(40, 1);
    expected.resize(100, 2);
    CHECK(bench.read(auxo_plan_resolve(bench.plan, &whole)) == expected);
}

TEST_CASE("a kept temporary carries its value into the next run")
{
    Bench bench;
    bench.start();
    auxo_tensor sum = bench.temp_1d(8), one = bench.temp_1d(8);
    REQUIRE(auxo_plan_keep(bench.plan, &sum, nullptr) == AUXO_OK);
    REQUIRE(bench.add(fill(one, 1)) == AUXO_OK);
    REQUIRE(bench.add(add_op(sum, one, sum)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    auxo_tensor resolved = auxo_plan_resolve(bench.plan, &sum);
    std::vector<float> zeros(8, 0);
    REQUIRE(auxo_buffer_write(bench.queue, resolved.buffer, resolved.offset_bytes, zeros.data(), 32, nullptr) ==
            AUXO_OK);
    REQUIRE(bench.run(5) == AUXO_OK);
    CHECK(bench.read(resolved) == std::vector<float>(8, 5));
}

TEST_CASE("temporaries larger than one binding or one allocation are split or refused")
{
    Bench bench;
    bench.fake.devices[0].max_binding_bytes = 1000;
    bench.fake.devices[0].max_allocation_bytes = 4000;
    bench.start();
    auxo_tensor out = bench.buffer_1d(1);
    SECTION("split over several buffers, one larger than a binding")
    {
        std::vector<auxo_tensor> temps;
        for (int64_t count : {200, 900, 200, 100, 250})
            temps.push_back(bench.temp_1d(count));
        for (const auxo_tensor &temp : temps)
            REQUIRE(bench.add(fill(temp, 1)) == AUXO_OK);
        for (const auxo_tensor &temp : temps)
            REQUIRE(bench.add(copy(auxo_tensor_slice(temp, 0, 50, 1), out)) == AUXO_OK);
        REQUIRE(bench.compile() == AUXO_OK);
        CHECK(auxo_plan_arena_bytes(bench.plan) >= 4 * (200 + 900 + 200 + 100 + 250));
        REQUIRE(bench.run() == AUXO_OK);
        CHECK(bench.read(out)[0] == 1);
    }
    SECTION("larger than an allocation")
    {
        auxo_tensor temp = bench.temp_1d(1001);
        REQUIRE(bench.add(fill(temp, 1)) == AUXO_OK);
        CHECK(bench.compile() == AUXO_OUT_OF_DEVICE_MEMORY);
        CHECK_THAT(bench.error.message, Contains("4004 bytes"));
        CHECK(bench.run() == AUXO_INVALID_ARGUMENT);
    }
    SECTION("memory is full")
    {
        bench.fake.memory_limit_bytes = 100;
        auxo_tensor temp = bench.temp_1d(500);
        REQUIRE(bench.add(fill(temp, 1)) == AUXO_OK);
        CHECK(bench.compile() == AUXO_OUT_OF_DEVICE_MEMORY);
        CHECK_THAT(bench.error.message, Contains("2000 bytes") && Contains("fake:0"));
        bench.fake.memory_limit_bytes = UINT64_MAX;
        bench.new_plan();
        temp = bench.temp_1d(500);
        REQUIRE(bench.add(fill(temp, 1)) == AUXO_OK);
        CHECK(bench.compile() == AUXO_OK);
    }
}

TEST_CASE("wrong use of temporaries is told")
{
    Bench bench;
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

TEST_CASE("an op that writes nothing is skipped; one with a defined effect is not")
{
    Bench bench;
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
    Bench bench;
    bench.start();
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(bench.run(3) == AUXO_OK);
    CHECK(auxo_plan_op_count(bench.plan) == 0);
    CHECK(auxo_plan_arena_bytes(bench.plan) == 0);
}

TEST_CASE("a plan tells its ops, labels, kernels and cost")
{
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
    Bench bench;
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
