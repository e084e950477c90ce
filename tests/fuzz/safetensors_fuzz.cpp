// tests/fuzz/safetensors_fuzz.cpp: safetensors files: the whole file, its header alone, and what can be asked of them.
#include "archive_fuzz.hpp"
#include "fuzz_file.hpp"

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
    auxo_error error = {};
    if (size % 64 == 1) { // the header alone is read from a file
        static FuzzFile file;
        auxo__safetensors *header = nullptr;
        if (auxo__safetensors_read_header(file.hold(data, size), &header, &error) == AUXO_OK)
            auxo__safetensors_free(header);
    }
    const fuzz::Archive archive = fuzz::read_archive(data, size);
    if (!archive)
        return 0;
    auxo__archive_text(archive.get(), "", "auxo.run");
    auxo__archive_has_model(archive.get(), "");
    auxo__safetensors_visit(auxo__archive_file(archive.get()), look, archive.get());
    return 0;
}
