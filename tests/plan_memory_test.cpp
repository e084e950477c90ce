// tests/plan_memory_test.cpp: where a plan's temporaries live: sharing by lifetime, views, kept ones, limits.
#include "support/plan_bench.hpp"

#include <random>

using namespace auxo_test;
using Catch::Matchers::Contains;

TEST_CASE("temporaries share memory only when their lifetimes do not meet")
{
    PlanBench bench;
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
    RandomProgram(PlanBench &bench, unsigned seed) : bench_(bench), random_(seed)
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
    PlanBench &bench_;
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
    // A new temporary with the elements of `a` in another order: an input that shared memory with its output would
    // be overwritten before it is read.
    void add_transposed(const auxo_tensor &a, size_t size)
    {
        const int64_t rows[SIZES] = {1, 8, 5, 20, 30};
        int64_t dims[2] = {rows[size], counts_[size] / rows[size]};
        int64_t flipped[2] = {dims[1], dims[0]};
        auxo_tensor y = auxo_tensor_reshape(new_temp(size), 2, flipped);
        std::swap(y.dims[0], y.dims[1]);
        std::swap(y.strides[0], y.strides[1]);
        must(copy(auxo_tensor_reshape(a, 2, dims), y));
    }
    void add_step()
    {
        size_t size = pick(SIZES);
        std::vector<auxo_tensor> &group = alive_[size];
        auxo_tensor a = group[pick(group.size())], b = group[pick(group.size())];
        switch (pick(6)) {
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
        case 4:
            add_transposed(a, size);
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
            PlanBench bench;
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
    PlanBench bench;
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
    PlanBench bench;
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
    PlanBench bench;
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
