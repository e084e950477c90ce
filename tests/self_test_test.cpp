// tests/self_test_test.cpp: the known-answer test before a kernel variant is first used: a wrong one is found, named
// and passed over; passes are remembered per device, driver and library version.
#include "support/plan_bench.hpp"

#include <cstdio>
#include <fstream>
#include <sstream>
#include <unistd.h>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

uint64_t wrong_runs = 0;

// Right but for the first element of the output.
auxo_status enqueue_wrong(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    wrong_runs++;
    auxo_status status = FakeBackend::run_inner(queue, op, error);
    const auxo_tensor &y = op->tensors[AUXO_ADD_Y];
    if (auxo_tensor_element_count(&y) > 0) {
        float *first = reinterpret_cast<float *>(static_cast<char *>(y.buffer->handle) + y.offset_bytes);
        *first += 1;
    }
    return status;
}

auxo_kernel wrong_variant(const FakeBackend &fake, auxo_op_kind kind)
{
    auxo_kernel kernel = fake.variants[kind][0];
    kernel.variant = "wrong";
    kernel.prepare = nullptr;
    kernel.release = nullptr;
    kernel.enqueue = enqueue_wrong;
    return kernel;
}

// A folder that is gone at the end.
struct Folder {
    std::string path;
    Folder()
    {
        char name[] = "auxo-self-test-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        path = name;
    }
    ~Folder()
    {
        std::remove(file().c_str());
        std::remove(path.c_str());
    }
    std::string file() const
    {
        return path + "/self-test-fake-Fake_One.txt";
    }
    std::string content() const
    {
        std::ifstream stream(file());
        std::stringstream text;
        text << stream.rdbuf();
        return text.str();
    }
};

// Compiles a plan of one sum with self-tests; returns how many kernels were enqueued for testing.
uint64_t tests_needed(const std::string &cache_dir, const char *driver = "fake 1.0")
{
    PlanBench bench;
    bench.cache_dir = cache_dir;
    bench.self_test = true;
    bench.fake.devices[0].driver = driver;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(add_op(a, a, a)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    return bench.fake.enqueue_count;
}

} // namespace

TEST_CASE("a variant that computes wrongly is named, disabled, and the next one is used")
{
    PlanBench bench;
    bench.self_test = true;
    bench.fake.variants[AUXO_OP_ADD].insert(bench.fake.variants[AUXO_OP_ADD].begin(),
                                            wrong_variant(bench.fake, AUXO_OP_ADD));
    bench.fake.refresh();
    bench.start();
    auxo_tensor a = bench.buffer_1d(10), b = bench.buffer_1d(10);
    REQUIRE(bench.add(fill(a, 2)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, a, b)) == AUXO_OK);
    REQUIRE(bench.add(add_op(b, a, a)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    auxo_plan_op_info info = auxo_plan_op_info_at(bench.plan, 1);
    CHECK(std::string(info.variant) == "plain");
    CHECK(std::string(info.reason) == "default; failed self-test: wrong");
    REQUIRE(!bench.log.empty());
    CHECK_THAT(bench.log[0], Contains("fake:0") && Contains("add") && Contains("wrong"));
    REQUIRE(bench.run() == AUXO_OK);
    CHECK(bench.read(b) == std::vector<float>(10, 4));
    // The verdict is remembered: another plan does not test again.
    uint64_t runs = wrong_runs;
    bench.new_plan();
    REQUIRE(bench.add(add_op(a, a, b)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK(wrong_runs == runs);
    CHECK(std::string(auxo_plan_op_info_at(bench.plan, 0).variant) == "plain");
}

TEST_CASE("an op whose every variant computes wrongly is refused, or runs on the host where allowed")
{
    PlanBench bench;
    bench.self_test = true;
    bench.fake.variants[AUXO_OP_ADD] = {wrong_variant(bench.fake, AUXO_OP_ADD)};
    bench.fake.refresh();
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(add_op(a, a, a), "sum") == AUXO_OK);
    auxo_plan_options options = {};
    SECTION("refused")
    {
        CHECK(bench.compile() == AUXO_WRONG_RESULT);
        CHECK_THAT(bench.error.message,
                   Contains("sum") && Contains("add") && Contains("fake 1.0") && Contains("failed self-test: wrong"));
        auxo_op op = add_op(a, a, a);
        CHECK(auxo_op_run(bench.queue, &op, nullptr) == AUXO_WRONG_RESULT);
    }
    SECTION("on the host")
    {
        options.allow_host_fallback = true;
        REQUIRE(bench.compile(options) == AUXO_OK);
        CHECK(auxo_plan_host_fallback_count(bench.plan) == 1);
        CHECK_THAT(auxo_plan_op_info_at(bench.plan, 0).reason, Contains("failed self-test: wrong"));
    }
    SECTION("used when the caller insists")
    {
        bench.self_test = false;
        CHECK(bench.compile() == AUXO_OK);
    }
}

TEST_CASE("a variant with other tunable values is tested on its own")
{
    static const auxo_tunable tunables[] = {{"tile", 8, 2, {8, 16}}};
    PlanBench bench;
    bench.self_test = true;
    auxo_kernel &plain = bench.fake.variants[AUXO_OP_ADD][0];
    plain.tunables = tunables;
    plain.tunable_count = 1;
    bench.fake.refresh();
    Folder folder;
    bench.cache_dir = folder.path;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(add_op(a, a, a)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    CHECK_THAT(folder.content(), Contains("\nadd plain tile=8\n"));
}

TEST_CASE("passes are kept on disk for one device, driver and library version")
{
    Folder folder;
    uint64_t first = tests_needed(folder.path);
    CHECK(first > 0);
    CHECK_THAT(folder.content(), Contains("\ndriver fake 1.0\n") && Contains("\nadd plain -\n"));
    CHECK(tests_needed(folder.path) == 0);
    CHECK(tests_needed(folder.path, "fake 2.0") == first);
    CHECK_THAT(folder.content(), Contains("\ndriver fake 2.0\n"));
    CHECK(tests_needed(folder.path) == first);
    SECTION("a file that was cut off proves only its whole lines")
    {
        std::string text = folder.content();
        std::ofstream(folder.file()) << text.substr(0, text.size() - 1);
        CHECK(tests_needed(folder.path) == first);
    }
    SECTION("a file of something else proves nothing")
    {
        std::ofstream(folder.file()) << "add plain -\n";
        CHECK(tests_needed(folder.path) == first);
    }
    CHECK(tests_needed("") == first);
}

TEST_CASE("a device lost or out of memory during the self-test is not taken for a wrong kernel")
{
    PlanBench bench;
    bench.self_test = true;
    bench.start();
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(add_op(a, a, a)) == AUXO_OK);
    SECTION("lost")
    {
        bench.fake.enqueue_fault = AUXO_DEVICE_LOST;
        CHECK(bench.compile() == AUXO_DEVICE_LOST);
        bench.fake.enqueue_fault = AUXO_OK;
        CHECK(bench.run() == AUXO_INVALID_ARGUMENT);
    }
    SECTION("memory")
    {
        bench.fake.memory_limit_bytes = bench.fake.live_bytes;
        CHECK(bench.compile() == AUXO_OUT_OF_DEVICE_MEMORY);
        bench.fake.memory_limit_bytes = UINT64_MAX;
        bench.new_plan();
        REQUIRE(bench.add(add_op(a, a, a)) == AUXO_OK);
        CHECK(bench.compile() == AUXO_OK);
    }
}

TEST_CASE("without a reference backend kernels run untested, and that is logged once")
{
    PlanBench bench;
    bench.self_test = true;
    bench.start(false);
    auxo_tensor a = bench.buffer_1d(10);
    REQUIRE(bench.add(fill(a, 1)) == AUXO_OK);
    REQUIRE(bench.add(add_op(a, a, a)) == AUXO_OK);
    REQUIRE(bench.compile() == AUXO_OK);
    REQUIRE(bench.log.size() == 1);
    CHECK_THAT(bench.log[0], Contains("without self-test"));
}
