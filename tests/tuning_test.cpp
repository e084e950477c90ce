// tests/tuning_test.cpp: tuning files: reading, what is reported by line and ignored, the order of lookup, writing.
#include "auxo/bench.h"
#include "auxo/tune.h"
#include "support/plan_bench.hpp"

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace auxo_test;
using Catch::Matchers::Contains;

namespace
{

const auxo_tunable tile_tunables[] = {{"tile", 8, 3, {8, 16, 32}}, {"unroll", 1, 2, {1, 4}}};
std::vector<int32_t> prepared_with;

auxo_status prepare_and_note(void *, const auxo_op *, const int32_t *parameters, void **, auxo_error *)
{
    prepared_with = {parameters[0], parameters[1]};
    return AUXO_OK;
}

// A device whose sum has the variants "plain" (the default) and "tiled" with two parameters.
struct TunedBench : PlanBench {
    std::filesystem::path folder;

    TunedBench()
    {
        char name[] = "auxo-tuning-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        folder = name;
        std::filesystem::create_directory(folder / "extra");
        cache_dir = folder.string();
        auxo_kernel tiled = fake.variants[AUXO_OP_ADD][0];
        tiled.variant = "tiled";
        tiled.tunables = tile_tunables;
        tiled.tunable_count = 2;
        tiled.prepare = prepare_and_note;
        tiled.release = nullptr;
        fake.variants[AUXO_OP_ADD].push_back(tiled);
        fake.refresh();
        prepared_with.clear();
    }
    ~TunedBench()
    {
        std::filesystem::remove_all(folder);
    }
    void write_user(const std::string &text)
    {
        std::ofstream(folder / "user.tune") << text;
    }
    void write_extra(const std::string &text)
    {
        std::ofstream(folder / "extra" / "a.tune") << text;
        tuning_dir = (folder / "extra").string();
    }
    // Variant and reason of a sum over `count` elements.
    std::string choice(int64_t count = 1000, auxo_dtype dtype = AUXO_DTYPE_F32)
    {
        if (!runtime)
            start();
        new_plan();
        auxo_tensor a = buffer_1d(count);
        a.dtype = dtype;
        REQUIRE(add(add_op(a, a, a)) == AUXO_OK);
        REQUIRE(compile() == AUXO_OK);
        auxo_plan_op_info info = auxo_plan_op_info_at(plan, 0);
        std::string text = std::string(info.variant) + ": " + info.reason;
        for (int32_t value : prepared_with)
            text += " " + std::to_string(value);
        return text;
    }
};

auxo_op gemm(int64_t m, int64_t n, int64_t k, bool trans_a, bool trans_b)
{
    auxo_op op = make(AUXO_OP_GEMM);
    op.tensors[AUXO_GEMM_A] = auxo_tensor_2d(nullptr, 0, AUXO_DTYPE_F32, trans_a ? k : m, trans_a ? m : k);
    op.tensors[AUXO_GEMM_B] = auxo_tensor_2d(nullptr, 0, AUXO_DTYPE_F32, trans_b ? n : k, trans_b ? k : n);
    op.tensors[AUXO_GEMM_C] = auxo_tensor_2d(nullptr, 0, AUXO_DTYPE_F32, m, n);
    op.params.gemm.trans_a = trans_a;
    op.params.gemm.trans_b = trans_b;
    return op;
}

std::string shape_class(const auxo_op &op, bool exact)
{
    char text[96];
    auxo_tuning_shape_class(&op, exact, text, sizeof text);
    return text;
}

} // namespace

TEST_CASE("shape classes round dims up and keep what changes the kernel")
{
    CHECK(shape_class(gemm(1000, 5, 1, false, true), false) == "m1024n8k1:nt");
    CHECK(shape_class(gemm(1000, 5, 1, true, false), true) == "=m1000n5k1:tn");
    CHECK(shape_class(gemm(0, 1025, 0, false, false), false) == "m0n2048k0:nn");
    auxo_op conv = make(AUXO_OP_CONV2D_BACKWARD_DATA);
    int64_t x[] = {100, 3, 28, 28}, w[] = {6, 3, 5, 5};
    conv.tensors[AUXO_CONV2D_BD_DX] = auxo_tensor_make(nullptr, 0, AUXO_DTYPE_F32, 4, x);
    conv.tensors[AUXO_CONV2D_BD_W] = auxo_tensor_make(nullptr, 0, AUXO_DTYPE_F32, 4, w);
    conv.params.conv2d.stride_h = conv.params.conv2d.stride_w = 2;
    conv.params.conv2d.dilation_h = conv.params.conv2d.dilation_w = conv.params.conv2d.groups = 1;
    CHECK(shape_class(conv, false) == "n128c4h32w32k8:r5s5u2v2");
    CHECK(shape_class(conv, true) == "=n100c3h28w28k6:r5s5u2v2");
    conv.tensors[AUXO_CONV2D_BD_DX].dtype = AUXO_DTYPE_BF16;
    CHECK(shape_class(conv, false) == "n128c4h32w32k8:r5s5u2v2:bf16");
    char small[8];
    auxo_op large = gemm(1000, 1000, 1000, false, false);
    auxo_tuning_shape_class(&large, false, small, sizeof small);
    CHECK(std::string(small).size() < sizeof small);
}

TEST_CASE("lookup goes from device to vendor to default, and from exact to rounded to any")
{
    TunedBench bench;
    SECTION("nothing is said")
    {
        CHECK(bench.choice() == "plain: default");
    }
    SECTION("default section")
    {
        bench.write_user("default\nadd any variant=tiled\n");
        CHECK(bench.choice() == "tiled: tuned default 8 1");
    }
    SECTION("vendor over default")
    {
        bench.write_user("default\nadd a1024 variant=tiled\nvendor \"fakes inc.\"\nadd any variant=tiled tile=16\n");
        CHECK(bench.choice() == "tiled: tuned for this vendor 16 1");
    }
    SECTION("device over vendor")
    {
        bench.write_user("vendor \"Fakes Inc.\"\nadd =a1000 variant=tiled\n"
                         "device \"Fake*\"\nadd any variant=tiled tile=32 unroll=4\n");
        CHECK(bench.choice() == "tiled: tuned for this device 32 4");
    }
    SECTION("closest class")
    {
        bench.write_user("default\nadd any variant=tiled tile=8\nadd =a1000 variant=tiled tile=32\n"
                         "add a1024 variant=tiled tile=16\n");
        CHECK(bench.choice(1000) == "tiled: tuned default 32 1");
        CHECK(bench.choice(1001) == "tiled: tuned default 16 1");
        CHECK(bench.choice(2000) == "tiled: tuned default 8 1");
    }
    SECTION("the user's file over the extra folder")
    {
        bench.write_extra("default\nadd =a1000 variant=tiled tile=32\n");
        CHECK(bench.choice() == "tiled: tuned default 32 1");
        bench.write_user("default\nadd any variant=tiled tile=16\n");
        auxo_tuning_reload(bench.device);
        CHECK(bench.choice() == "tiled: tuned default 16 1");
    }
    SECTION("another backend, device or vendor says nothing here")
    {
        bench.write_user("backend other\ndefault\nadd any variant=tiled\nbackend fake\ndevice \"Else\"\n"
                         "add any variant=tiled\nvendor \"Else\"\nadd any variant=tiled\n");
        CHECK(bench.choice() == "plain: default");
        CHECK(bench.log.empty());
    }
    SECTION("tuned parameters that do not compile give way to the variant's own")
    {
        bench.fake.variants[AUXO_OP_ADD].erase(bench.fake.variants[AUXO_OP_ADD].begin());
        bench.fake.variants[AUXO_OP_ADD][0].prepare = [](void *, const auxo_op *, const int32_t *parameters, void **,
                                                         auxo_error *error) {
            return parameters[0] == 32 ? auxo_error_set(error, AUXO_DRIVER, "too many registers") : AUXO_OK;
        };
        bench.fake.refresh();
        bench.write_user("default\nadd any variant=tiled tile=32\n");
        CHECK(bench.choice() == "tiled: default; failed to prepare: tiled");
        REQUIRE(bench.log.size() == 1);
        CHECK_THAT(bench.log[0], Contains("too many registers"));
    }
    SECTION("a tuned variant that cannot do the op is passed over, with the reason")
    {
        bench.fake.variants[AUXO_OP_ADD][1].supports = [](void *, const auxo_op *) { return false; };
        bench.write_user("default\nadd any variant=tiled\n");
        CHECK(bench.choice() == "plain: default; tuned variant cannot do this op: tiled");
    }
    SECTION("the closest line of those whose variant can do the op counts then")
    {
        bench.fake.variants[AUXO_OP_ADD][1].supports = [](void *, const auxo_op *) { return false; };
        bench.write_user("default\nadd any variant=plain\ndevice \"Fake*\"\nadd any variant=tiled\n");
        CHECK(bench.choice() == "plain: tuned default; tuned variant cannot do this op: tiled");
    }
    SECTION("all ops of a 16-bit format, before all ops")
    {
        for (auxo_kernel &kernel : bench.fake.variants[AUXO_OP_ADD])
            kernel.half_formats = AUXO_HALF_FORMATS_ALL;
        bench.fake.refresh();
        bench.write_user("default\nadd any:bf16 variant=tiled tile=32\nadd any variant=tiled tile=16\n");
        CHECK(bench.choice() == "tiled: tuned default 16 1");
        CHECK(bench.choice(1000, AUXO_DTYPE_F16) == "tiled: tuned default 16 1");
        CHECK(bench.choice(1000, AUXO_DTYPE_BF16) == "tiled: tuned default 32 1");
    }
}

TEST_CASE("a line that cannot be used is named by file and line, ignored, and the default is used")
{
    struct Bad {
        const char *line, *expected;
    };
    const Bad bad[] = {
        {"add any variant=tiled tile=9", "tile=9 is not one of the values"},
        {"add any variant=tiled speed=9", "no parameter 'speed'"},
        {"add any variant=fast", "no variant 'fast'"},
        {"adds any variant=tiled", "adds"},
        {"add any tile=8", "no variant="},
        {"add any variant=tiled tile", "name=value"},
        {"add any variant=tiled tile=", "name=value"},
        {"add any variant=tiled tile=8x", "not an integer"},
        {"add any variant=tiled tile=99999999999", "not an integer"},
        {"add variant=tiled", "shape class"},
        {"add", "shape class"},
        {"add any variant=t\"x", "illegal characters"},
        {"device Fake One", "quotes"},
        {"device \"Fake One", "quotes"},
        {"device \"\"", "quotes"},
        {"vendor \"Fakes Inc.\" x", "after the section's name"},
        {"default x", "after the section's name"},
        {"backend", "one name"},
        {"backend a b", "one name"},
    };
    for (const Bad &one : bad) {
        INFO(one.line);
        TunedBench bench;
        bench.write_user(std::string("# comment\n\ndefault # more\n") + one.line + "\n");
        CHECK(bench.choice() == "plain: default");
        REQUIRE(bench.log.size() == 1);
        CHECK_THAT(bench.log[0], Contains("user.tune:4: ") && Contains(one.expected) && Contains("ignored"));
    }
    TunedBench bench;
    bench.write_user("add any variant=tiled\n\x01\xff\n" + std::string(5000, 'x') + " any variant=tiled\r\n");
    CHECK(bench.choice() == "plain: default");
    CHECK(bench.log.size() == 3);
}

TEST_CASE("entries after a broken section line belong to no section")
{
    TunedBench bench;
    bench.write_user("default\ndevice Broken\nadd any variant=tiled\n");
    CHECK(bench.choice() == "plain: default");
    CHECK(bench.log.size() == 2);
}

TEST_CASE("damaged files never do harm, and what is kept of them survives writing and reading")
{
    const std::string good = "backend fake\ndevice \"Fake One\" # x\nadd a1024 variant=tiled tile=16 unroll=4\n"
                             "gemm =m5n5k5:nn variant=plain\nvendor \"Fakes Inc.\"\nadd any variant=plain\ndefault\n"
                             "fill any variant=plain tile=-2147483648\n";
    TunedBench bench;
    std::mt19937 random(7);
    const std::string path = (bench.folder / "user.tune").string(), copy_path = (bench.folder / "copy.tune").string();
    for (int round = 0; round < 300; round++) {
        std::string text = good;
        for (unsigned edit = 0; edit < random() % 8; edit++) {
            size_t at = random() % text.size();
            switch (random() % 4) {
            case 0:
                text[at] = static_cast<char>(random());
                break;
            case 1:
                text.erase(at, random() % 20);
                break;
            case 2:
                text.insert(at, text.substr(random() % text.size(), random() % 30));
                break;
            default:
                text.insert(at, 1, "\n\" =#\r\t"[random() % 7]);
            }
            if (text.empty())
                text = "x";
        }
        bench.write_user(text);
        auxo_tuning *read = nullptr, *again = nullptr;
        if (auxo_tuning_load(path.c_str(), nullptr, nullptr, &read, nullptr) ||
            auxo_tuning_save(read, copy_path.c_str(), nullptr) ||
            auxo_tuning_load(copy_path.c_str(), nullptr, nullptr, &again, nullptr))
            FAIL("round " << round);
        if (auxo_tuning_count(read) != auxo_tuning_count(again))
            FAIL("round " << round << ": " << text);
        auxo_tuning_destroy(read);
        auxo_tuning_destroy(again);
    }
    bench.choice();
}

TEST_CASE("a file that is not as it was written gives no entries, and says so")
{
    TunedBench bench;
    const std::string path = (bench.folder / "user.tune").string();
    bench.write_user("backend fake\ndevice \"Fake One\"\nadd a1024 variant=tiled tile=16 unroll=4\n");
    auxo_tuning *tuning = nullptr;
    REQUIRE(auxo_tuning_load(path.c_str(), nullptr, nullptr, &tuning, nullptr) == AUXO_OK);
    REQUIRE(auxo_tuning_count(tuning) == 1);
    REQUIRE(auxo_tuning_save(tuning, path.c_str(), nullptr) == AUXO_OK);
    auxo_tuning_destroy(tuning);
    std::ifstream stream(path);
    const std::string good((std::istreambuf_iterator<char>(stream)), std::istreambuf_iterator<char>());
    auto entries = [&](const std::string &text, std::vector<std::string> &told) {
        bench.write_user(text);
        auto log = [](void *user, auxo_log_level, const char *message) {
            static_cast<std::vector<std::string> *>(user)->push_back(message);
        };
        REQUIRE(auxo_tuning_load(path.c_str(), log, &told, &tuning, nullptr) == AUXO_OK);
        const size_t count = auxo_tuning_count(tuning);
        auxo_tuning_destroy(tuning);
        return count;
    };
    std::vector<std::string> told;
    CHECK(entries(good, told) == 1);
    CHECK(told.empty());
    for (size_t at = 0; at < good.size(); at++) {
        std::string damaged = good;
        damaged[at] ^= 1;
        told.clear();
        // A first line that is no longer the program's is a comment, and the checksum behind it still tells.
        INFO("byte " << at);
        CHECK(entries(damaged, told) == 0);
        CHECK(told.size() == 1);
    }
    for (size_t length = 1; length + 1 < good.size(); length++) {
        told.clear();
        CHECK(entries(good.substr(0, length), told) == 0);
    }
    // By hand: without its first and last line.
    const size_t first = good.find('\n') + 1, last = good.rfind("# checksum");
    told.clear();
    CHECK(entries(good.substr(first, last - first), told) == 1);
    CHECK(told.empty());
}

TEST_CASE("what is set is written, read back and found again")
{
    TunedBench bench;
    bench.start();
    auxo_tensor a = bench.buffer_1d(1000);
    auxo_op op = add_op(a, a, a);
    char path[512];
    REQUIRE(auxo_tuning_user_path(bench.runtime, path, sizeof path, nullptr) == AUXO_OK);
    auxo_tuning *tuning = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_tuning_load(path, nullptr, nullptr, &tuning, &error) == AUXO_OK); // there is none yet
    CHECK(auxo_tuning_count(tuning) == 0);
    auxo_tuning_entry entry = {}, found = {};
    CHECK(auxo_tuning_lookup(bench.device, &op, &found, &error) == AUXO_NOT_FOUND);
    int32_t parameters[] = {16, 4};
    CHECK(auxo_tuning_entry_make(bench.device, &op, "none", parameters, nullptr, &entry, &error) == AUXO_NOT_FOUND);
    REQUIRE(auxo_tuning_entry_make(bench.device, &op, "tiled", parameters, nullptr, &entry, &error) == AUXO_OK);
    REQUIRE(auxo_tuning_set(tuning, &entry, &error) == AUXO_OK);
    REQUIRE(auxo_tuning_set(tuning, &entry, &error) == AUXO_OK);
    CHECK(auxo_tuning_count(tuning) == 1);
    REQUIRE(auxo_tuning_entry_make(bench.device, &op, "plain", nullptr, "any", &entry, &error) == AUXO_OK);
    REQUIRE(auxo_tuning_set(tuning, &entry, &error) == AUXO_OK);
    std::strcpy(entry.variant, "two words");
    CHECK(auxo_tuning_set(tuning, &entry, &error) == AUXO_INVALID_ARGUMENT);
    REQUIRE(auxo_tuning_save(tuning, path, &error) == AUXO_OK);
    auxo_tuning_destroy(tuning);

    std::ifstream stream(path);
    std::stringstream text;
    text << stream.rdbuf();
    CHECK_THAT(text.str(), Contains("backend fake\n\ndevice \"Fake One\"\n"
                                    "add a1024 variant=tiled tile=16 unroll=4\nadd any variant=plain\n"));
    CHECK(std::distance(std::filesystem::directory_iterator(bench.folder), {}) == 2); // no temporary file is left
    auxo_tuning_reload(bench.device);
    REQUIRE(auxo_tuning_lookup(bench.device, &op, &found, &error) == AUXO_OK);
    CHECK(std::string(found.variant) == "tiled");
    CHECK(found.parameters[0].value == 16);
    CHECK(bench.choice(1000) == "tiled: tuned for this device 16 4");
    CHECK(bench.log.empty());
}

TEST_CASE("a file that cannot be written is told and the old one stays")
{
    TunedBench bench;
    bench.write_user("default\nadd any variant=tiled\n");
    auxo_tuning *tuning = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_tuning_create(&tuning, &error) == AUXO_OK);
    CHECK(auxo_tuning_save(tuning, (bench.folder / "no" / "such" / "x.tune").c_str(), &error) == AUXO_IO);
    CHECK_THAT(error.message, Contains("x.tune"));
    CHECK(auxo_tuning_save(tuning, (bench.folder / "extra").c_str(), &error) == AUXO_IO); // a folder
    auxo_tuning_destroy(tuning);
    CHECK(bench.choice() == "tiled: tuned default 8 1");
}

TEST_CASE("tuners of several processes that share a file keep each other's entries")
{
    const int process_count = 4, entry_count = 25;
    char name[] = "auxo-merge-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    const std::string path = std::string(name) + "/user.tune";
    std::vector<pid_t> children;
    for (int p = 0; p < process_count; p++) {
        pid_t child = fork();
        if (child == 0) {
            bool all = true;
            for (int i = 0; i < entry_count; i++) {
                auxo_tuning_entry entry = {};
                entry.scope = AUXO_TUNING_DEFAULT;
                std::snprintf(entry.op, sizeof entry.op, "gemm");
                std::snprintf(entry.shape_class, sizeof entry.shape_class, "p%di%d", p, i);
                std::snprintf(entry.variant, sizeof entry.variant, "tiled");
                all = all && auxo_tuning_merge(path.c_str(), &entry, 1, nullptr, nullptr, nullptr) == AUXO_OK;
            }
            _exit(all ? 0 : 1);
        }
        children.push_back(child);
    }
    for (pid_t child : children) {
        int ended = -1;
        REQUIRE(waitpid(child, &ended, 0) == child);
        CHECK(ended == 0);
    }
    auxo_tuning *tuning = nullptr;
    REQUIRE(auxo_tuning_load(path.c_str(), nullptr, nullptr, &tuning, nullptr) == AUXO_OK);
    CHECK(auxo_tuning_count(tuning) == process_count * entry_count);
    auxo_tuning_destroy(tuning);
    std::filesystem::remove_all(name);
}

namespace
{
int slow_runs = 0, obvious_runs = 0;

// Longer than the budget of the test below, on its shape alone.
auxo_status run_slowly(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    if (op->tensors[AUXO_GEMM_C].dims[0] == 48) {
        slow_runs++;
        std::this_thread::sleep_for(std::chrono::milliseconds(60));
    }
    return FakeBackend::run_inner(queue, op, error);
}

auxo_status run_obviously(void *queue, const auxo_op *op, void *, auxo_error *error)
{
    obvious_runs++;
    return FakeBackend::run_inner(queue, op, error);
}
} // namespace

TEST_CASE("the tuner repeats no long run past its budget and never tries a last resort")
{
    PlanBench bench;
    auxo_kernel plain = bench.fake.variants[AUXO_OP_GEMM][0];
    plain.prepare = nullptr;
    plain.release = nullptr;
    auxo_kernel slow = plain, other = plain, obvious = plain;
    slow.variant = "slow";
    slow.enqueue = run_slowly;
    other.variant = "other";
    other.enqueue = run_slowly;
    obvious.variant = "obvious";
    obvious.enqueue = run_obviously;
    obvious.is_last_resort = true;
    bench.fake.variants[AUXO_OP_GEMM] = {slow, other, obvious};
    bench.fake.refresh();
    bench.start();
    char name[] = "auxo-budget-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    const std::string path = std::string(name) + "/user.tune";
    auxo_bench_case shape = {};
    shape.name = "gemm";
    shape.kind = AUXO_OP_GEMM;
    shape.dims[0] = shape.dims[1] = shape.dims[2] = 48;
    auxo_tune_options options = {};
    options.cases = &shape;
    options.case_count = 1;
    options.budget_seconds = 0.05;
    options.path = path.c_str();
    auxo_tune_summary summary = {};
    auxo_error error = {};
    slow_runs = obvious_runs = 0;
    INFO(error.message);
    REQUIRE(auxo_tune(bench.device, &options, &summary, &error) == AUXO_OK);
    CHECK(summary.done == 1);
    CHECK(slow_runs <= 2); // checked and timed, once
    CHECK(obvious_runs == 0);
    std::filesystem::remove_all(name);
}
