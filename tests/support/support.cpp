// tests/support/support.cpp: see support.hpp.
#include "support/support.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <sstream>

#include <unistd.h>

namespace auxo_test
{

Error::Error() : auxo_error()
{
}

Error::operator auxo_error *()
{
    return this;
}

std::string Error::text() const
{
    return message;
}

void require_ok(auxo_status status, const Error &error, const char *what)
{
    INFO(what << ": " << auxo_status_text(status) << ": " << error.message);
    REQUIRE(status == AUXO_OK);
}

TempFolder::TempFolder()
{
    std::string pattern = (std::filesystem::temp_directory_path() / "auxo-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path = pattern;
}

TempFolder::~TempFolder()
{
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
}

std::string TempFolder::file(const std::string &name) const
{
    return path + "/" + name;
}

static void record_log(void *user, auxo_log_level level, const char *message)
{
    static_cast<Runtime *>(user)->log_lines.push_back(message);
    if (level >= AUXO_LOG_WARNING)
        std::fprintf(stderr, "auxo: %s\n", message);
}

Backends::Backends()
{
    Error error;
    REQUIRE_OK(auxo_backends_load(&backends, error));
}

Backends::~Backends()
{
    auxo_backends_unload(backends);
}

void Backends::give_to(auxo_runtime_options &options) const
{
    options.backends = auxo_backends_list(backends, &options.backend_count);
    options.missing = auxo_backends_missing(backends, &options.missing_count);
}

const auxo_backend *Backends::find(const std::string &name) const
{
    size_t count = 0;
    const auxo_backend *const *list = auxo_backends_list(backends, &count);
    for (size_t i = 0; i < count; i++)
        if (name == list[i]->name)
            return list[i];
    return nullptr;
}

Runtime::Runtime()
{
    auxo_runtime_options options = {};
    Backends backends;
    backends.give_to(options);
    options.log = record_log;
    options.log_user = this;
    options.cache_dir = cache.path.c_str();
    Error error;
    REQUIRE_OK(auxo_runtime_create(&options, &runtime, error));
}

Runtime::~Runtime()
{
    auxo_runtime_destroy(runtime);
}

Runtime::operator auxo_runtime *() const
{
    return runtime;
}

Device::Device(Runtime &runtime, const std::string &selector_) : selector(selector_)
{
    Error error;
    REQUIRE_OK(auxo_device_open(runtime, selector.c_str(), &device, error));
    REQUIRE_OK(auxo_queue_create(device, &queue, error));
}

Device::~Device()
{
    auxo_queue_destroy(queue);
    for (auxo_buffer *buffer : buffers)
        auxo_buffer_destroy(buffer);
    auxo_device_close(device);
}

auxo_tensor Device::empty(auxo_dtype dtype, const std::vector<int64_t> &dims)
{
    uint64_t bytes = auxo_dtype_size_bytes(dtype);
    for (int64_t dim : dims)
        bytes *= static_cast<uint64_t>(dim);
    auxo_buffer *buffer = nullptr;
    Error error;
    REQUIRE_OK(auxo_buffer_create(device, (bytes + 3) / 4 * 4, &buffer, error));
    buffers.push_back(buffer);
    return auxo_tensor_make(buffer, 0, dtype, static_cast<uint32_t>(dims.size()), dims.data());
}

static uint64_t size_bytes(const auxo_tensor &tensor)
{
    return static_cast<uint64_t>(auxo_tensor_element_count(&tensor)) * auxo_dtype_size_bytes(tensor.dtype);
}

void Device::upload(const auxo_tensor &tensor, const void *data)
{
    Error error;
    REQUIRE(auxo_tensor_is_contiguous(&tensor));
    if (size_bytes(tensor))
        REQUIRE_OK(auxo_buffer_write(queue, tensor.buffer, tensor.offset_bytes, data, size_bytes(tensor), error));
}

auxo_tensor Device::f32(const std::vector<float> &values, const std::vector<int64_t> &dims)
{
    auxo_tensor tensor = empty(AUXO_DTYPE_F32, dims);
    REQUIRE(static_cast<size_t>(auxo_tensor_element_count(&tensor)) == values.size());
    upload(tensor, values.data());
    return tensor;
}

auxo_tensor Device::u32(const std::vector<uint32_t> &values, const std::vector<int64_t> &dims)
{
    auxo_tensor tensor = empty(AUXO_DTYPE_U32, dims);
    REQUIRE(static_cast<size_t>(auxo_tensor_element_count(&tensor)) == values.size());
    upload(tensor, values.data());
    return tensor;
}

template <class T> static std::vector<T> download(auxo_queue *queue, const auxo_tensor &tensor)
{
    Error error;
    REQUIRE(auxo_tensor_is_contiguous(&tensor));
    REQUIRE(auxo_dtype_size_bytes(tensor.dtype) == sizeof(T));
    std::vector<T> values(static_cast<size_t>(auxo_tensor_element_count(&tensor)));
    if (!values.empty())
        REQUIRE_OK(
            auxo_buffer_read(queue, tensor.buffer, tensor.offset_bytes, values.data(), size_bytes(tensor), error));
    return values;
}

std::vector<float> Device::download_f32(const auxo_tensor &tensor)
{
    return download<float>(queue, tensor);
}

std::vector<uint32_t> Device::download_u32(const auxo_tensor &tensor)
{
    return download<uint32_t>(queue, tensor);
}

std::vector<float> uniform(size_t count, float low, float high, uint32_t seed)
{
    std::mt19937 generator(seed);
    std::vector<float> values(count);
    for (float &value : values)
        value = low + (high - low) * static_cast<float>(generator() >> 8) * 0x1p-24f;
    return values;
}

std::vector<uint32_t> integers(size_t count, uint32_t bound, uint32_t seed)
{
    std::mt19937 generator(seed);
    std::vector<uint32_t> values(count);
    for (uint32_t &value : values)
        value = static_cast<uint32_t>(generator() % bound);
    return values;
}

void check_close(const std::vector<float> &got, const std::vector<double> &expected, double relative, double absolute)
{
    REQUIRE(got.size() == expected.size());
    size_t worst = 0;
    double worst_excess = -1;
    for (size_t i = 0; i < got.size(); i++) {
        double value = static_cast<double>(got[i]);
        if (std::isnan(value) && std::isnan(expected[i]))
            continue;
        double excess =
            value == expected[i] ? -1 : std::fabs(value - expected[i]) - absolute - relative * std::fabs(expected[i]);
        if (std::isnan(excess) || excess > worst_excess) {
            worst = i;
            worst_excess = std::isnan(excess) ? INFINITY : excess;
        }
    }
    if (worst_excess > 0)
        FAIL_CHECK("element " << worst << " is " << got[worst] << ", but " << expected[worst] << " was expected (of "
                              << got.size() << " elements; bound " << absolute << " + " << relative << " |expected|)");
    else
        SUCCEED();
}

void check_close(const std::vector<float> &got, const std::vector<float> &expected, double relative, double absolute)
{
    check_close(got, std::vector<double>(expected.begin(), expected.end()), relative, absolute);
}

static std::set<std::string> list_from_environment(const char *name)
{
    std::set<std::string> entries;
    const char *value = std::getenv(name);
    std::stringstream stream(value ? value : "");
    for (std::string entry; std::getline(stream, entry, ',');)
        if (!entry.empty())
            entries.insert(entry);
    return entries;
}

std::vector<std::string> test_devices(Runtime &runtime)
{
    const std::set<std::string> chosen = list_from_environment("AUXO_TEST_DEVICES");
    const std::set<std::string> required = list_from_environment("AUXO_REQUIRE_DEVICES");
    auxo_device_info *infos = nullptr;
    size_t count = 0;
    Error error;
    REQUIRE_OK(auxo_device_list(runtime, &infos, &count, error));
    std::vector<std::string> selectors;
    std::set<std::string> seen;
    for (size_t i = 0; i < count; i++) {
        const std::string backend = infos[i].backend, selector = infos[i].selector;
        bool first = seen.insert(backend).second;
        if (chosen.count("all") ? backend != "reference"
                                : (chosen.empty() ? first && backend != "reference" : chosen.count(selector) > 0))
            selectors.push_back(selector);
    }
    auxo_device_list_free(infos);
    for (const std::string &name : chosen)
        if (name != "all" && std::find(selectors.begin(), selectors.end(), name) == selectors.end())
            FAIL("AUXO_TEST_DEVICES names " << name << ", but no such device is present");
    for (const char *backend : {"cpu", "opencl", "vulkan"}) {
        if (seen.count(backend) || !chosen.empty())
            continue;
        if (required.count(backend))
            FAIL_CHECK("no " << backend << " device is present, but AUXO_REQUIRE_DEVICES names it");
        else
            WARN("skipped " << backend << ": no such device is present");
    }
    return selectors;
}

void for_each_device(const std::function<void(Device &)> &body, bool with_reference)
{
    Runtime runtime;
    std::vector<std::string> selectors = test_devices(runtime);
    if (with_reference)
        selectors.push_back("reference");
    for (const std::string &selector : selectors) {
        Device device(runtime, selector);
        INFO("device " << selector << " (" << auxo_device_get_info(device.device)->name << ")");
        body(device);
    }
}

} // namespace auxo_test
