// tests/device_test.cpp: selectors, buffers, the sticky device-lost rule, and the defaults for optional SPI slots.
// Everything runs on a fake backend, so that what a driver would say is known.
#include "auxo/device.h"
#include "auxo/tensor.h"
#include "support/fake_backend.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using auxo_test::FakeBackend;
using auxo_test::FakeDeviceSpec;
using Catch::Matchers::Contains;

namespace
{

// A backend of given devices whose devices open but do nothing else; for selector tests over several backends.
struct ListedBackend {
    auxo_backend spi;
    std::vector<auxo_device_info> infos;
};

std::vector<ListedBackend *> &listed()
{
    static std::vector<ListedBackend *> all;
    return all;
}

template <int Number>
auxo_status enumerate_listed(const auxo_backend_host *, auxo_device_info *infos, size_t capacity, size_t *count,
                             auxo_error *)
{
    const std::vector<auxo_device_info> &all = listed()[Number]->infos;
    *count = all.size();
    for (size_t i = 0; i < all.size() && i < capacity; i++)
        infos[i] = all[i];
    return AUXO_OK;
}

auxo_device_info device_named(const char *name, const char *vendor, auxo_device_type type)
{
    auxo_device_info info;
    std::memset(&info, 0, sizeof info);
    std::strcpy(info.name, name);
    std::strcpy(info.vendor, vendor);
    info.type = type;
    return info;
}

// A machine with a host backend, two driver backends and the oracle.
struct Machine {
    FakeBackend fake{"cpu"};
    ListedBackend alpha, beta, oracle;
    std::vector<const auxo_backend *> backends;
    auxo_runtime *runtime = nullptr;
    std::vector<std::string> log;

    Machine()
    {
        fake.devices[0].name = "Some Processor";
        fake.spi.flags = AUXO_BACKEND_HOST;
        listed() = {&alpha, &beta, &oracle};
        init(alpha, "alpha", enumerate_listed<0>);
        init(beta, "beta", enumerate_listed<1>);
        init(oracle, "oracle", enumerate_listed<2>);
        oracle.spi.flags = AUXO_BACKEND_ORACLE;
        oracle.infos = {device_named("plain", "", AUXO_DEVICE_DISCRETE_GPU)};
        backends = {&fake.spi, &alpha.spi, &beta.spi, &oracle.spi};
    }
    ~Machine()
    {
        auxo_runtime_destroy(runtime);
    }
    void init(ListedBackend &backend, const char *name, decltype(auxo_backend::enumerate) enumerate)
    {
        backend.spi = fake.spi;
        backend.spi.name = name;
        backend.spi.flags = 0;
        backend.spi.enumerate = enumerate;
    }
    void start()
    {
        auxo_runtime_options options = {};
        options.backends = backends.data();
        options.backend_count = backends.size();
        options.log = [](void *user, auxo_log_level, const char *message) {
            static_cast<Machine *>(user)->log.push_back(message);
        };
        options.log_user = this;
        REQUIRE(auxo_runtime_create(&options, &runtime, nullptr) == AUXO_OK);
    }
    // The selector of the device that `selector` opens, or the error message.
    std::string open(const char *selector, auxo_status expected = AUXO_OK)
    {
        if (!runtime)
            start();
        auxo_error error = {};
        auxo_device *device = nullptr;
        auxo_status status = auxo_device_open(runtime, selector, &device, &error);
        INFO(error.message);
        CHECK(status == expected);
        std::string result = device ? auxo_device_get_info(device)->selector : error.message;
        CHECK((device != nullptr) == (status == AUXO_OK));
        auxo_device_close(device);
        return result;
    }
};

// One fake device, opened, with a queue.
struct Opened {
    FakeBackend fake;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;

    void start()
    {
        const auxo_backend *backends[] = {&fake.spi};
        auxo_runtime_options options = {};
        options.backends = backends;
        options.backend_count = 1;
        auxo_error error = {};
        INFO(error.message);
        REQUIRE(auxo_runtime_create(&options, &runtime, &error) == AUXO_OK);
        REQUIRE(auxo_device_open(runtime, "fake", &device, &error) == AUXO_OK);
        REQUIRE(auxo_queue_create(device, &queue, &error) == AUXO_OK);
    }
    ~Opened()
    {
        auxo_queue_destroy(queue);
        auxo_device_close(device);
        auxo_runtime_destroy(runtime);
        CHECK(fake.live_buffers == 0);
    }
};

} // namespace

TEST_CASE("error messages are one line, fit, and carry their context")
{
    auxo_error error = {};
    CHECK(auxo_error_set(nullptr, AUXO_IO, "ignored") == AUXO_IO);
    CHECK(auxo_error_set(&error, AUXO_FORMAT, "a\nb\tc %d\n", 3) == AUXO_FORMAT);
    CHECK(std::string(error.message) == "a b c 3");
    CHECK(auxo_error_wrap(&error, AUXO_IO, "file %s", "x.csv") == AUXO_FORMAT);
    CHECK(std::string(error.message) == "file x.csv: a b c 3");
    std::string accents;
    for (int i = 0; i < 600; i++)
        accents += "\xC3\xA9";
    auxo_error_set(&error, AUXO_IO, "%s", accents.c_str());
    std::string cut = error.message;
    CHECK(cut.size() < sizeof error.message);
    CHECK(cut.size() % 2 == 0); // whole characters
    auxo_error empty = {};
    CHECK(auxo_error_wrap(&empty, AUXO_DEVICE_LOST, "step") == AUXO_DEVICE_LOST);
    CHECK(std::string(empty.message) == "step: device lost");
}

TEST_CASE("a device is opened by backend, number, or part of its name or vendor")
{
    Machine machine;
    machine.alpha.infos = {device_named("Radeon RX 6800", "AMD", AUXO_DEVICE_DISCRETE_GPU),
                           device_named("Arc A770", "Intel", AUXO_DEVICE_DISCRETE_GPU),
                           device_named("Iris Xe", "Intel", AUXO_DEVICE_INTEGRATED_GPU)};
    machine.beta.infos = {device_named("Radeon RX 6800 (open driver)", "AMD", AUXO_DEVICE_DISCRETE_GPU)};
    CHECK(machine.open("cpu") == "cpu");
    CHECK(machine.open("cpu:0") == "cpu");
    CHECK(machine.open("CPU") == "cpu");
    CHECK(machine.open("alpha:1") == "alpha:1");
    CHECK(machine.open("alpha:radeon") == "alpha:0");
    CHECK(machine.open("alpha:IRIS") == "alpha:2");
    CHECK(machine.open("alpha:amd") == "alpha:0");
    CHECK(machine.open("beta") == "beta:0");
    CHECK(machine.open("oracle") == "oracle:0");
    CHECK(machine.open("auto") == "alpha:0");
}

TEST_CASE("a selector that names nothing says what exists")
{
    Machine machine;
    machine.alpha.infos = {device_named("Radeon RX 6800", "AMD", AUXO_DEVICE_DISCRETE_GPU)};
    CHECK_THAT(machine.open("alpha:7", AUXO_NOT_FOUND), Contains("alpha:0 (Radeon RX 6800)"));
    CHECK_THAT(machine.open("alpha:99999999999999999999", AUXO_NOT_FOUND), Contains("alpha:0"));
    CHECK_THAT(machine.open("alpha:geforce", AUXO_NOT_FOUND), Contains("alpha:0"));
    CHECK_THAT(machine.open("beta", AUXO_NOT_FOUND), Contains("beta") && Contains("cpu (Some Processor)"));
    CHECK_THAT(machine.open("alhpa:0", AUXO_NOT_FOUND), Contains("did you mean 'alpha'"));
    CHECK_THAT(machine.open("quantum", AUXO_NOT_FOUND), Contains("cpu (Some Processor)") && !Contains("did you mean"));
    machine.open("", AUXO_INVALID_ARGUMENT);
    machine.open(nullptr, AUXO_INVALID_ARGUMENT);
    machine.open("alpha:", AUXO_INVALID_ARGUMENT);
    machine.open(":0", AUXO_NOT_FOUND);
    machine.open(std::string(3000, 'x').c_str(), AUXO_NOT_FOUND);
    machine.open("alpha:0:0", AUXO_NOT_FOUND);
}

TEST_CASE("a selector that names several devices lists them")
{
    Machine machine;
    machine.alpha.infos = {device_named("Arc A770", "Intel", AUXO_DEVICE_DISCRETE_GPU),
                           device_named("Iris Xe", "Intel", AUXO_DEVICE_INTEGRATED_GPU),
                           device_named("Radeon", "AMD", AUXO_DEVICE_DISCRETE_GPU)};
    CHECK_THAT(machine.open("alpha:intel", AUXO_AMBIGUOUS),
               Contains("alpha:0 (Arc A770)") && Contains("alpha:1 (Iris Xe)") && !Contains("Radeon"));
    CHECK_THAT(machine.open("alpha", AUXO_AMBIGUOUS), Contains("alpha:2"));
}

TEST_CASE("auto takes a discrete GPU, then an integrated one, then the host, never a CPU-type driver or the oracle")
{
    Machine machine;
    machine.alpha.infos = {device_named("software", "X", AUXO_DEVICE_CPU)};
    machine.beta.infos = {device_named("accelerator", "Y", AUXO_DEVICE_ACCELERATOR)};
    SECTION("no GPU")
    {
        CHECK(machine.open("auto") == "cpu");
    }
    SECTION("integrated")
    {
        machine.beta.infos.push_back(device_named("small", "Y", AUXO_DEVICE_INTEGRATED_GPU));
        CHECK(machine.open("auto") == "beta:1");
    }
    SECTION("discrete wins over an earlier integrated one")
    {
        machine.alpha.infos.push_back(device_named("small", "Y", AUXO_DEVICE_INTEGRATED_GPU));
        machine.beta.infos.push_back(device_named("big", "Y", AUXO_DEVICE_DISCRETE_GPU));
        CHECK(machine.open("auto") == "beta:1");
    }
    SECTION("nothing that auto may take")
    {
        machine.backends = {&machine.alpha.spi, &machine.oracle.spi};
        CHECK_THAT(machine.open("auto", AUXO_NOT_FOUND), Contains("alpha:0 (software)"));
    }
    SECTION("a broken driver does not hide the others")
    {
        machine.fake.enumerate_fault = AUXO_DRIVER;
        machine.beta.infos = {device_named("big", "Y", AUXO_DEVICE_DISCRETE_GPU)};
        CHECK(machine.open("auto") == "beta:0");
        CHECK(machine.log.size() == 1);
        CHECK_THAT(machine.open("cpu", AUXO_DRIVER), Contains("injected enumerate fault"));
    }
}

TEST_CASE("the device list shows the selectors that work")
{
    Machine machine;
    machine.alpha.infos = {device_named("A", "V", AUXO_DEVICE_DISCRETE_GPU),
                           device_named("B", "V", AUXO_DEVICE_DISCRETE_GPU)};
    machine.start();
    auxo_device_info *infos = nullptr;
    size_t count = 0;
    REQUIRE(auxo_device_list(machine.runtime, &infos, &count, nullptr) == AUXO_OK);
    REQUIRE(count == 4);
    for (size_t i = 0; i < count; i++)
        CHECK(machine.open(infos[i].selector) == infos[i].selector);
    CHECK(std::string(infos[0].selector) == "cpu");
    CHECK(std::string(infos[2].selector) == "alpha:1");
    CHECK(infos[2].index == 1);
    CHECK(std::string(infos[2].backend) == "alpha");
    auxo_device_list_free(infos);
}

TEST_CASE("a backend of another version, or without a required slot, is refused by name")
{
    FakeBackend fake;
    const auxo_backend *backends[] = {&fake.spi, &fake.spi};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 1;
    auxo_runtime *runtime = nullptr;
    auxo_error error = {};
    SECTION("version")
    {
        fake.spi.abi_version = 999;
    }
    SECTION("struct size")
    {
        fake.spi.struct_size = 8;
    }
    SECTION("required slot")
    {
        fake.spi.queue_wait = nullptr;
    }
    SECTION("half a group")
    {
        fake.spi.record_begin = [](void *, auxo_error *) { return AUXO_OK; };
    }
    SECTION("twice")
    {
        options.backend_count = 2;
    }
    CHECK(auxo_runtime_create(&options, &runtime, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(runtime == nullptr);
    CHECK_THAT(error.message, Contains("fake"));
}

TEST_CASE("buffers: bounds, empty ones, copy and zero without device support")
{
    Opened opened;
    opened.start();
    auxo_buffer *a = nullptr, *b = nullptr, *empty = nullptr;
    const uint64_t size = (2u << 20) + 12; // more than one block of the host path
    REQUIRE(auxo_buffer_create(opened.device, size, &a, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_create(opened.device, size, &b, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_create(opened.device, 0, &empty, nullptr) == AUXO_OK);
    CHECK(auxo_buffer_size_bytes(empty) == 0);
    CHECK(empty->handle != nullptr);

    std::vector<unsigned char> data(size), back(size);
    for (size_t i = 0; i < size; i++)
        data[i] = static_cast<unsigned char>(i * 7);
    REQUIRE(auxo_buffer_write(opened.queue, a, 0, data.data(), size, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_copy(opened.queue, a, 4, b, 0, size - 4, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_zero(opened.queue, b, 8, size - 16, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_read(opened.queue, b, 0, back.data(), size - 4, nullptr) == AUXO_OK);
    CHECK(std::memcmp(back.data(), data.data() + 4, 8) == 0);
    CHECK(std::count(back.begin() + 8, back.begin() + 8 + size - 16, 0) == static_cast<long>(size - 16));
    CHECK(std::memcmp(back.data() + size - 8, data.data() + size - 4, 4) == 0);

    auxo_error error = {};
    unsigned char byte = 0;
    CHECK(auxo_buffer_write(opened.queue, a, size, &byte, 1, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_buffer_read(opened.queue, a, UINT64_MAX, &byte, 2, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_buffer_read(opened.queue, a, 1, &byte, UINT64_MAX, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_buffer_zero(opened.queue, a, 2, 4, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_buffer_copy(opened.queue, a, 0, a, 8, 16, &error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_buffer_copy(opened.queue, a, 0, a, 16, 16, &error) == AUXO_OK);
    CHECK(auxo_buffer_write(opened.queue, empty, 0, &byte, 0, &error) == AUXO_OK);
    CHECK(auxo_buffer_write(opened.queue, empty, 0, &byte, 1, &error) == AUXO_INVALID_ARGUMENT);
    auxo_buffer_destroy(a);
    auxo_buffer_destroy(b);
    auxo_buffer_destroy(empty);
    auxo_buffer_destroy(nullptr);
}

TEST_CASE("out of device memory is told and nothing is lost")
{
    Opened opened;
    opened.fake.memory_limit_bytes = 1000;
    opened.fake.devices[0].max_allocation_bytes = 2000;
    opened.start();
    auxo_buffer *a = nullptr, *b = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_buffer_create(opened.device, 800, &a, &error) == AUXO_OK);
    CHECK(auxo_buffer_create(opened.device, 400, &b, &error) == AUXO_OUT_OF_DEVICE_MEMORY);
    CHECK(b == nullptr);
    CHECK_THAT(error.message, Contains("400 bytes") && Contains("fake:0"));
    CHECK(auxo_buffer_create(opened.device, 4000, &b, &error) == AUXO_OUT_OF_DEVICE_MEMORY);
    CHECK_THAT(error.message, Contains("2000"));
    CHECK(auxo_buffer_create(opened.device, 100, &b, &error) == AUXO_OK);
    auxo_buffer_destroy(a);
    auxo_buffer_destroy(b);
}

TEST_CASE("device lost is sticky and destroying still works")
{
    Opened opened;
    opened.start();
    auxo_buffer *buffer = nullptr, *other = nullptr;
    auxo_event *event = nullptr;
    auxo_queue *second = nullptr;
    REQUIRE(auxo_buffer_create(opened.device, 16, &buffer, nullptr) == AUXO_OK);
    REQUIRE(auxo_event_create(opened.device, &event, nullptr) == AUXO_OK);
    uint32_t word = 1;
    REQUIRE(auxo_buffer_write(opened.queue, buffer, 0, &word, 4, nullptr) == AUXO_OK);
    opened.fake.wait_fault = AUXO_DEVICE_LOST;
    auxo_error error = {};
    CHECK(auxo_queue_wait(opened.queue, &error) == AUXO_DEVICE_LOST);
    opened.fake.wait_fault = AUXO_OK;
    uint64_t waits = opened.fake.wait_count;
    CHECK(auxo_queue_wait(opened.queue, &error) == AUXO_DEVICE_LOST);
    CHECK_THAT(error.message, Contains("fake:0") && Contains("injected wait fault"));
    CHECK(auxo_buffer_write(opened.queue, buffer, 0, &word, 4, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_buffer_read(opened.queue, buffer, 0, &word, 4, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_buffer_zero(opened.queue, buffer, 0, 4, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_buffer_copy(opened.queue, buffer, 0, buffer, 8, 4, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_buffer_create(opened.device, 16, &other, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_queue_create(opened.device, &second, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_event_record(opened.queue, event, nullptr) == AUXO_DEVICE_LOST);
    CHECK(auxo_event_wait(event, nullptr) == AUXO_DEVICE_LOST);
    CHECK(opened.fake.wait_count == waits); // nothing reached the backend
    auxo_event_destroy(event);
    auxo_buffer_destroy(buffer);
}

TEST_CASE("destroying a buffer waits for work that may use it")
{
    Opened opened;
    opened.start();
    auxo_buffer *buffer = nullptr;
    REQUIRE(auxo_buffer_create(opened.device, 16, &buffer, nullptr) == AUXO_OK);
    uint32_t word = 1;
    REQUIRE(auxo_buffer_write(opened.queue, buffer, 0, &word, 4, nullptr) == AUXO_OK);
    uint64_t waits = opened.fake.wait_count;
    auxo_buffer_destroy(buffer);
    CHECK(opened.fake.wait_count == waits + 1);
}

TEST_CASE("events without backend support: recording waits, there is no device time")
{
    Opened opened;
    opened.start();
    auxo_event *start = nullptr, *stop = nullptr;
    REQUIRE(auxo_event_create(opened.device, &start, nullptr) == AUXO_OK);
    REQUIRE(auxo_event_create(opened.device, &stop, nullptr) == AUXO_OK);
    uint64_t waits = opened.fake.wait_count;
    CHECK(auxo_event_record(opened.queue, start, nullptr) == AUXO_OK);
    CHECK(opened.fake.wait_count == waits + 1);
    CHECK(auxo_event_wait(start, nullptr) == AUXO_OK);
    uint64_t elapsed_ns = 7;
    CHECK(auxo_event_elapsed_ns(start, stop, &elapsed_ns, nullptr) == AUXO_UNSUPPORTED);
    auxo_event_destroy(start);
    auxo_event_destroy(stop);
}

TEST_CASE("tensor views: contiguity, reshape, slices")
{
    int64_t dims[] = {4, 6, 2};
    auxo_tensor whole = auxo_tensor_make(nullptr, 8, AUXO_DTYPE_F32, 3, dims);
    CHECK(auxo_tensor_element_count(&whole) == 48);
    CHECK(auxo_tensor_is_contiguous(&whole));
    CHECK(whole.strides[0] == 12);
    auxo_tensor rows = auxo_tensor_slice(whole, 0, 1, 2);
    CHECK(rows.offset_bytes == 8 + 12 * 4);
    CHECK(auxo_tensor_is_contiguous(&rows));
    auxo_tensor columns = auxo_tensor_slice(whole, 1, 2, 3);
    CHECK(columns.offset_bytes == 8 + 4 * 4);
    CHECK(!auxo_tensor_is_contiguous(&columns));
    auxo_tensor one_row = auxo_tensor_slice(columns, 0, 3, 1);
    CHECK(auxo_tensor_is_contiguous(&one_row));
    auxo_tensor none = auxo_tensor_slice(whole, 0, 4, 0);
    CHECK(auxo_tensor_element_count(&none) == 0);
    CHECK(auxo_tensor_is_contiguous(&none));
    int64_t flat[] = {48};
    auxo_tensor line = auxo_tensor_reshape(whole, 1, flat);
    CHECK(line.rank == 1);
    CHECK(line.strides[0] == 1);
    auxo_tensor absent = auxo_tensor_none();
    CHECK(!auxo_tensor_is_present(&absent));
}

TEST_CASE("a forked process is refused the devices it inherited, and may drop them")
{
    FakeBackend fake;
    const auxo_backend *backends[] = {&fake.spi};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 1;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;
    auxo_buffer *buffer = nullptr;
    REQUIRE(auxo_runtime_create(&options, &runtime, nullptr) == AUXO_OK);
    REQUIRE(auxo_device_open(runtime, "fake", &device, nullptr) == AUXO_OK);
    REQUIRE(auxo_queue_create(device, &queue, nullptr) == AUXO_OK);
    REQUIRE(auxo_buffer_create(device, 64, &buffer, nullptr) == AUXO_OK);
    const pid_t child = fork();
    if (child == 0) {
        auxo_error error = {};
        const char data[4] = {0, 0, 0, 0};
        int wrong = auxo_buffer_write(queue, buffer, 0, data, 4, &error) != AUXO_INVALID_ARGUMENT;
        wrong += std::strstr(error.message, "was opened by process") == nullptr;
        auxo_buffer *other = nullptr;
        wrong += auxo_buffer_create(device, 64, &other, &error) != AUXO_INVALID_ARGUMENT;
        const uint64_t live = fake.live_buffers;
        auxo_buffer_destroy(buffer);
        auxo_queue_destroy(queue);
        auxo_device_close(device);
        wrong += fake.live_buffers != live; // the backend was not asked
        wrong += auxo_device_open(runtime, "fake", &device, &error) != AUXO_OK;
        _exit(wrong);
    }
    int ended = -1;
    REQUIRE(waitpid(child, &ended, 0) == child);
    CHECK(ended == 0);
    const char data[4] = {1, 2, 3, 4};
    CHECK(auxo_buffer_write(queue, buffer, 0, data, 4, nullptr) == AUXO_OK);
    auxo_buffer_destroy(buffer);
    auxo_queue_destroy(queue);
    auxo_device_close(device);
    auxo_runtime_destroy(runtime);
}

TEST_CASE("a backend without devices gives the reason that it logs")
{
    FakeBackend fake;
    auxo_backend silent = fake.spi;
    silent.enumerate = [](const auxo_backend_host *host, auxo_device_info *, size_t, size_t *count, auxo_error *) {
        *count = 0;
        if (host->log)
            host->log(host->log_user, AUXO_LOG_INFO, "fake: no device: CL_OUT_OF_HOST_MEMORY (-6)");
        return AUXO_OK;
    };
    const auxo_backend *backends[] = {&silent};
    auxo_runtime_options options = {};
    options.backends = backends;
    options.backend_count = 1;
    auxo_runtime *runtime = nullptr;
    auxo_device *device = nullptr;
    auxo_error error = {};
    REQUIRE(auxo_runtime_create(&options, &runtime, nullptr) == AUXO_OK);
    CHECK(auxo_device_open(runtime, "fake:0", &device, &error) == AUXO_NOT_FOUND);
    CHECK_THAT(error.message, Contains("finds no device: fake: no device: CL_OUT_OF_HOST_MEMORY (-6)"));
    auxo_runtime_destroy(runtime);
}
