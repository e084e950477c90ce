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
    FuzzFile() : descriptor_(memfd_create("fuzz", MFD_CLOEXEC)), path_("/proc/self/fd/" + std::to_string(descriptor_))
    {
        if (descriptor_ < 0)
            std::abort();
    }
    ~FuzzFile()
    {
        close(descriptor_);
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
    std::string path_;
};
