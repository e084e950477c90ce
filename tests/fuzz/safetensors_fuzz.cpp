// tests/fuzz/safetensors_fuzz.cpp: safetensors files: the whole file, its header alone, and what can be asked of them.
#include "fuzz_file.hpp"

#include <vector>

extern "C" {
#include "archive.h"
}

namespace
{

void ask(auxo__archive *archive, const char *name)
{
    double *values = nullptr;
    size_t count = 0;
    auxo_error error = {};
    if (auxo__archive_get_doubles(archive, "", name, &values, &count, &error) == AUXO_OK)
        std::free(values);
    float floats[4];
    auxo__archive_get_floats(archive, "", name, floats, 4, &error);
}

void look(void *user, const char *name)
{
    ask(static_cast<auxo__archive *>(user), name);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FuzzFile file;
    const char *path = file.hold(data, size);
    auxo_error error = {};
    auxo__safetensors *header = nullptr;
    if (auxo__safetensors_read_header(path, &header, &error) == AUXO_OK)
        auxo__safetensors_free(header);
    auxo__archive *archive = nullptr;
    if (auxo__archive_read(path, &archive, &error) != AUXO_OK)
        return 0;
    auxo__archive_text(archive, "", "auxo.run");
    auxo__archive_has_model(archive, "");
    auxo__safetensors_visit(auxo__archive_file(archive), look, archive);
    auxo__archive_destroy(archive);
    return 0;
}
