// tests/support/fake_backend.hpp: a backend for fault injection, implementing the SPI over host memory.
//
// Its devices, names and types are whatever a test sets; its kernels are the reference backend's, so that results are
// right unless a test asks for a fault. One FakeBackend may live at a time (the SPI has no place for a user pointer in
// every call).
#pragma once

#include "auxo/backend.h"

#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

namespace auxo_test
{

inline const auxo_backend *find_builtin(const char *name)
{
    size_t count = 0;
    const auxo_backend *const *all = auxo_builtin_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (std::strcmp(all[i]->name, name) == 0)
            return all[i];
    return nullptr;
}

struct FakeDeviceSpec {
    std::string name = "Fake One", vendor = "Fakes Inc.", driver = "fake 1.0";
    auxo_device_type type = AUXO_DEVICE_CPU;
    uint64_t max_allocation_bytes = 1u << 30, max_binding_bytes = 1u << 30;
    uint32_t features = 0;
};

class FakeBackend
{
  public:
    std::vector<FakeDeviceSpec> devices{FakeDeviceSpec{}};
    // Faults.
    auxo_status enqueue_fault = AUXO_OK; // every enqueue returns this
    auxo_status wait_fault = AUXO_OK;
    auxo_status open_fault = AUXO_OK;
    auxo_status enumerate_fault = AUXO_OK;
    uint64_t memory_limit_bytes = UINT64_MAX; // of all buffers together
    // Observations.
    uint64_t live_bytes = 0, live_buffers = 0, enqueue_count = 0, wait_count = 0, prepare_count = 0, live_states = 0;
    uint64_t flush_count = 0, replay_count = 0, record_count = 0, live_recordings = 0;

    explicit FakeBackend(const char *name = "fake") : name_(name)
    {
        current() = this;
        const auxo_backend *reference = find_builtin("reference");
        std::memset(&spi, 0, sizeof spi);
        spi.name = name_.c_str();
        spi.struct_size = sizeof spi;
        spi.abi_version = AUXO_BACKEND_ABI_VERSION;
        spi.enumerate = enumerate;
        spi.open = open;
        spi.close = close;
        spi.buffer_create = buffer_create;
        spi.buffer_destroy = buffer_destroy;
        spi.queue_create = queue_create;
        spi.queue_destroy = queue_destroy;
        spi.queue_wait = queue_wait;
        spi.buffer_write = buffer_write;
        spi.buffer_read = buffer_read;
        for (int kind = 0; kind < AUXO_OP_COUNT; kind++) {
            if (reference && reference->kernels[kind].count > 0) {
                auxo_kernel kernel = reference->kernels[kind].variants[0];
                inner_[kind] = kernel.enqueue;
                kernel.variant = "plain";
                kernel.enqueue = enqueue;
                kernel.prepare = prepare;
                kernel.release = release;
                variants[kind].push_back(kernel);
            }
        }
        refresh();
    }
    ~FakeBackend()
    {
        current() = nullptr;
    }
    FakeBackend(const FakeBackend &) = delete;
    FakeBackend &operator=(const FakeBackend &) = delete;

    // After changing `variants`.
    void refresh()
    {
        for (int kind = 0; kind < AUXO_OP_COUNT; kind++)
            lists_[kind] = {variants[kind].data(), variants[kind].size()};
        spi.kernels = lists_;
    }

    void enable_recording()
    {
        spi.record_begin = record_begin;
        spi.record_end = record_end;
        spi.record_replay = record_replay;
        spi.record_destroy = record_destroy;
        for (FakeDeviceSpec &device : devices)
            device.features |= AUXO_FEATURE_COMMAND_RECORDING;
    }

    // The plain kernel's body, for variants that tests build around it.
    static auxo_status run_inner(void *queue, const auxo_op *op, auxo_error *error)
    {
        return current()->inner_[op->kind](queue, op, nullptr, error);
    }

    static FakeBackend *&current()
    {
        static FakeBackend *instance = nullptr;
        return instance;
    }

    auxo_backend spi;
    std::vector<auxo_kernel> variants[AUXO_OP_COUNT];

  private:
    struct Recorded {
        const auxo_op *op;
        void *state;
    };
    std::string name_;
    auxo_kernel_list lists_[AUXO_OP_COUNT];
    auxo_status (*inner_[AUXO_OP_COUNT])(void *, const auxo_op *, void *, auxo_error *) = {};
    std::map<void *, uint64_t> sizes_;
    bool recording_ = false;
    std::vector<Recorded> recorded_;

    static auxo_status enumerate(const auxo_backend_host *, auxo_device_info *infos, size_t capacity, size_t *count,
                                 auxo_error *error)
    {
        FakeBackend *self = current();
        if (self->enumerate_fault)
            return auxo_error_set(error, self->enumerate_fault, "injected enumerate fault");
        *count = self->devices.size();
        for (size_t i = 0; i < capacity && i < self->devices.size(); i++) {
            const FakeDeviceSpec &spec = self->devices[i];
            std::strncpy(infos[i].name, spec.name.c_str(), sizeof infos[i].name - 1);
            std::strncpy(infos[i].vendor, spec.vendor.c_str(), sizeof infos[i].vendor - 1);
            std::strncpy(infos[i].driver, spec.driver.c_str(), sizeof infos[i].driver - 1);
            infos[i].type = spec.type;
            infos[i].max_allocation_bytes = spec.max_allocation_bytes;
            infos[i].max_binding_bytes = spec.max_binding_bytes;
            infos[i].features = spec.features;
        }
        return AUXO_OK;
    }
    static auxo_status open(const auxo_backend_host *, uint32_t, void **device, auxo_error *error)
    {
        if (current()->open_fault)
            return auxo_error_set(error, current()->open_fault, "injected open fault");
        *device = current();
        return AUXO_OK;
    }
    static void close(void *)
    {
    }
    static auxo_status buffer_create(void *, uint64_t size_bytes, void **buffer, auxo_error *error)
    {
        FakeBackend *self = current();
        if (self->live_bytes + size_bytes > self->memory_limit_bytes)
            return auxo_error_set(error, AUXO_OUT_OF_DEVICE_MEMORY, "injected: memory is full");
        *buffer = std::malloc(size_bytes);
        std::memset(*buffer, 0xA5, size_bytes); // leftovers must never matter
        self->sizes_[*buffer] = size_bytes;
        self->live_bytes += size_bytes;
        self->live_buffers++;
        return AUXO_OK;
    }
    static void buffer_destroy(void *, void *buffer)
    {
        FakeBackend *self = current();
        self->live_bytes -= self->sizes_[buffer];
        self->live_buffers--;
        self->sizes_.erase(buffer);
        std::free(buffer);
    }
    static auxo_status queue_create(void *, void **queue, auxo_error *)
    {
        *queue = current();
        return AUXO_OK;
    }
    static void queue_destroy(void *)
    {
    }
    static auxo_status queue_wait(void *, auxo_error *error)
    {
        current()->wait_count++;
        if (current()->wait_fault)
            return auxo_error_set(error, current()->wait_fault, "injected wait fault");
        return AUXO_OK;
    }
    static auxo_status buffer_write(void *, void *buffer, uint64_t offset, const void *data, uint64_t size,
                                    auxo_error *)
    {
        std::memcpy(static_cast<char *>(buffer) + offset, data, size);
        return AUXO_OK;
    }
    static auxo_status buffer_read(void *, void *buffer, uint64_t offset, void *data, uint64_t size, auxo_error *)
    {
        std::memcpy(data, static_cast<char *>(buffer) + offset, size);
        return AUXO_OK;
    }
    static auxo_status prepare(void *, const auxo_op *, const int32_t *, void **state, auxo_error *)
    {
        current()->prepare_count++;
        current()->live_states++;
        *state = std::malloc(1);
        return AUXO_OK;
    }
    static void release(void *, void *state)
    {
        current()->live_states--;
        std::free(state);
    }
    static auxo_status enqueue(void *queue, const auxo_op *op, void *state, auxo_error *error)
    {
        FakeBackend *self = current();
        self->enqueue_count++;
        if (self->enqueue_fault)
            return auxo_error_set(error, self->enqueue_fault, "injected enqueue fault");
        if (self->recording_) {
            self->recorded_.push_back({op, state});
            return AUXO_OK;
        }
        return run_inner(queue, op, error);
    }
    static auxo_status record_begin(void *, auxo_error *)
    {
        current()->recording_ = true;
        current()->recorded_.clear();
        return AUXO_OK;
    }
    static auxo_status record_end(void *, void **recording, auxo_error *)
    {
        FakeBackend *self = current();
        self->recording_ = false;
        self->record_count++;
        self->live_recordings++;
        *recording = new std::vector<Recorded>(self->recorded_);
        return AUXO_OK;
    }
    static auxo_status record_replay(void *queue, void *recording, auxo_error *error)
    {
        current()->replay_count++;
        for (const Recorded &one : *static_cast<std::vector<Recorded> *>(recording))
            if (auxo_status status = run_inner(queue, one.op, error))
                return status;
        return AUXO_OK;
    }
    static void record_destroy(void *, void *recording)
    {
        current()->live_recordings--;
        delete static_cast<std::vector<Recorded> *>(recording);
    }
};

} // namespace auxo_test
