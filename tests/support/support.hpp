// tests/support/support.hpp: what the test programs share: a runtime with a cache folder of its own, the devices to
// test on, host data to and from the device, and comparison with a bound.
//
// Devices: cpu and the first opencl and vulkan device; AUXO_TEST_DEVICES="cpu,opencl:1" or "all" changes that. A
// backend that is absent is skipped with a warning, unless AUXO_REQUIRE_DEVICES="cpu,opencl,vulkan" names it.
#ifndef AUXO_TEST_SUPPORT_HPP
#define AUXO_TEST_SUPPORT_HPP

#include "auxo/backend.h"
#include "auxo/device.h"
#include "auxo/ops.h"

#include <catch2/catch.hpp>

#include <functional>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

namespace auxo_test
{

// An auxo_error that starts empty and passes as the last argument of any call.
struct Error : auxo_error {
    Error();
    operator auxo_error *();
    std::string text() const;
};

// Fails the test with the message of `error` unless `status` is OK.
void require_ok(auxo_status status, const Error &error, const char *what);
// REQUIRE_OK(auxo_queue_wait(queue, error)): needs an auxo_test::Error named `error` in scope.
#define REQUIRE_OK(...) auxo_test::require_ok((__VA_ARGS__), error, #__VA_ARGS__)

// A temporary folder, removed with all it holds.
class TempFolder
{
  public:
    TempFolder();
    ~TempFolder();
    TempFolder(const TempFolder &) = delete;
    TempFolder &operator=(const TempFolder &) = delete;
    std::string path; // without a trailing slash
    std::string file(const std::string &name) const;
};

// All backends that there are, plugins included.
class Backends
{
  public:
    Backends();
    ~Backends();
    Backends(const Backends &) = delete;
    Backends &operator=(const Backends &) = delete;
    void give_to(auxo_runtime_options &options) const;
    const auxo_backend *find(const std::string &name) const; // nullptr if there is none

  private:
    auxo_backends *backends = nullptr;
};

// All backends, with a cache in a temporary folder. Warnings and errors of the library go to stderr.
class Runtime
{
  public:
    Runtime();
    ~Runtime();
    Runtime(const Runtime &) = delete;
    Runtime &operator=(const Runtime &) = delete;
    operator auxo_runtime *() const;
    std::vector<std::string> log_lines; // every line that the library logged

  private:
    TempFolder cache;
    auxo_runtime *runtime = nullptr;
};

// An open device with one queue, and the buffers made through it.
class Device
{
  public:
    Device(Runtime &runtime, const std::string &selector);
    ~Device();
    Device(const Device &) = delete;
    Device &operator=(const Device &) = delete;

    std::string selector;
    auxo_device *device = nullptr;
    auxo_queue *queue = nullptr;

    // A contiguous tensor in a buffer of its own, which lives as long as this object.
    auxo_tensor empty(auxo_dtype dtype, const std::vector<int64_t> &dims);
    auxo_tensor f32(const std::vector<float> &values, const std::vector<int64_t> &dims);
    auxo_tensor u32(const std::vector<uint32_t> &values, const std::vector<int64_t> &dims);
    void upload(const auxo_tensor &tensor, const void *data);
    std::vector<float> download_f32(const auxo_tensor &tensor);
    std::vector<uint32_t> download_u32(const auxo_tensor &tensor);
    // Runs one op with the preferred variant that supports it, and waits. Fails the test if there is none.
    void run(const auxo_op &op);
    bool has_kernel(const auxo_op &op) const;

  private:
    std::vector<auxo_buffer *> buffers;
};

// The selectors to test on, as described above.
std::vector<std::string> test_devices(Runtime &runtime);
// Calls `body` once per device to test on, each opened afresh. `with_reference` adds the reference backend.
void for_each_device(const std::function<void(Device &)> &body, bool with_reference = false);

// Seeded values.
std::vector<float> uniform(size_t count, float low, float high, uint32_t seed);
std::vector<uint32_t> integers(size_t count, uint32_t bound, uint32_t seed); // in [0, bound)

// Checks |got - expected| <= absolute + relative |expected| everywhere, NaN equal to NaN; reports the worst element.
void check_close(const std::vector<float> &got, const std::vector<float> &expected, double relative, double absolute);
void check_close(const std::vector<float> &got, const std::vector<double> &expected, double relative, double absolute);

} // namespace auxo_test

#endif
