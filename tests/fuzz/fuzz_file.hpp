// tests/fuzz/fuzz_file.hpp: a file that lives in memory, for readers that take a path.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <sys/mman.h>
#include <unistd.h>

class FuzzFile
{
  public:
    // `suffix`: the end of its name, where readers go by that; the name is a link to the memory.
    explicit FuzzFile(const char *suffix = nullptr)
        : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(descriptor_))
    {
        if (descriptor_ < 0)
            std::abort();
        if (suffix) {
            link_ = "/dev/shm/auxo-fuzz-" + std::to_string(getpid()) + suffix;
            unlink(link_.c_str());
            if (symlink(("/proc/" + std::to_string(getpid()) + "/fd/" + std::to_string(descriptor_)).c_str(),
                        link_.c_str()) != 0)
                std::abort();
            path_ = link_;
        }
    }
    ~FuzzFile()
    {
        close(descriptor_);
        if (!link_.empty())
            unlink(link_.c_str());
    }
    FuzzFile(const FuzzFile &) = delete;
    FuzzFile &operator=(const FuzzFile &) = delete;

    // Its path; it holds these bytes alone.
    const char *hold(const void *bytes, size_t size)
    {
        if (ftruncate(descriptor_, 0) != 0 || pwrite(descriptor_, bytes, size, 0) != static_cast<ssize_t>(size))
            std::abort();
        return path_.c_str();
    }
    const char *path() const
    {
        return path_.c_str();
    }

  private:
    int descriptor_;
    std::string path_, link_;
};
