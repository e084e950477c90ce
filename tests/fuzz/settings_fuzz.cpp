// tests/fuzz/settings_fuzz.cpp: settings as texts: up to four lines of "name=value", set one after the other for one
// method, and the languages of their values: optimisers, schedules, lists, genomes, numbers.
#include "auxo/run.h"
#include "auxo/train.h"

#include <cstdint>
#include <string>

extern "C" {
#include "genetic.h"
}

namespace
{

void parse_value(const char *text)
{
    auxo_error error = {};
    auxo_optimizer_config config = {};
    auxo_optimizer_config_parse(text, &config, &error);
    auxo_list list = {};
    auxo_list_parse("fuzz", text, &list, &error);
    auxo_list_deinit(&list);
    auxo__net_genome genome;
    auxo__net_parse(text, &genome, &error);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t count = 0;
    const auxo_method *const *methods = auxo_methods(&count);
    auxo_error error = {};
    auxo_settings *settings = nullptr;
    if (auxo_settings_create(methods[data[0] % count], &settings, &error) != AUXO_OK)
        return 0;
    std::string text(data + 1, data + size);
    size_t lines = 0;
    for (size_t begin = 0; begin < text.size() && lines++ < 4;) {
        size_t end = text.find('\n', begin);
        std::string line = text.substr(begin, end == std::string::npos ? end : end - begin);
        size_t mark = line.find('=');
        if (mark != std::string::npos) {
            std::string name = line.substr(0, mark), value = line.substr(mark + 1);
            if (auxo_settings_set(settings, name.c_str(), value.c_str(), &error) == AUXO_OK)
                auxo_settings_real(settings, name.c_str());
            parse_value(value.c_str());
        }
        begin = end == std::string::npos ? text.size() : end + 1;
    }
    auxo_settings_destroy(settings);
    return 0;
}
