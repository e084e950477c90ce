// tests/layout_test.cpp: promises of the source tree itself: public headers stand alone in C11 and C++17, includes
// never point upwards, driver headers stay in their backend's folder, runtime code names no backend.
#include "support/support.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <sstream>

namespace fs = std::filesystem;

namespace
{
const fs::path source = AUXO_SOURCE_DIR;

// Source files below `folder`, sorted.
std::vector<fs::path> files_below(const fs::path &folder)
{
    std::vector<fs::path> files;
    for (const auto &entry : fs::recursive_directory_iterator(folder)) {
        std::string extension = entry.path().extension().string();
        if (entry.is_regular_file() && (extension == ".c" || extension == ".h" || extension == ".cpp"))
            files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string read(const fs::path &path)
{
    std::ifstream stream(path);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

// Names between quotes or brackets of all #include lines.
std::vector<std::string> includes_of(const fs::path &path)
{
    static const std::regex pattern("#\\s*include\\s*[\"<]([^\">]+)[\">]");
    std::string text = read(path);
    std::vector<std::string> names;
    for (std::sregex_iterator match(text.begin(), text.end(), pattern), end; match != end; ++match)
        names.push_back((*match)[1]);
    return names;
}

// The text without comments; string literals stay.
std::string without_comments(const std::string &text)
{
    static const std::regex comment("/\\*[^*]*\\*+(?:[^/*][^*]*\\*+)*/|//[^\n]*");
    return std::regex_replace(text, comment, " ");
}

// Lower layers first; a folder may include itself and those before it (same number: not each other).
struct Layer {
    const char *folder;
    int height;
};
const Layer layers[] = {
    {"runtime/base", -1},    {"runtime/cluster", 0},  {"runtime/device", 0}, {"runtime/ops", 1},
    {"runtime/plan", 2},     {"runtime/model", 3},    {"datasets", 1},       {"runtime/train", 4},
    {"runtime/report", 0},   {"runtime/study", 2},    {"runtime/run", 6},    {"runtime/multiscale", 7},
    {"runtime/sizing", 7},   {"runtime/survival", 7}, {"runtime/adapt", 8},  {"runtime/search", 9},
    {"runtime/methods", 10}, {"runtime/bench", 10},   {"runtime/tune", 11},  {"runtime/cli", 12}};
} // namespace

TEST_CASE("every public header compiles alone, as C11 and as C++17, without warnings")
{
    const std::string include = "-I" + (source / "include").string();
    for (const auto &entry : fs::directory_iterator(source / "include/auxo")) {
        // With one declaration, as a file of macros alone is no C.
        const std::string header =
            "'#include \"auxo/" + entry.path().filename().string() + "\"\nextern int auxo_unit;'";
        INFO(header);
        const std::string flags = " -Wall -Wextra -Wpedantic -Werror -fsyntax-only " + include + " -";
        CHECK(std::system(("printf " + header + " | cc -x c -std=c11" + flags).c_str()) == 0);
        CHECK(std::system(("printf " + header + " | c++ -x c++ -std=c++17" + flags).c_str()) == 0);
    }
}

TEST_CASE("no layer includes a header of a higher one")
{
    for (const Layer &layer : layers) {
        if (!fs::exists(source / layer.folder))
            continue;
        for (const fs::path &file : files_below(source / layer.folder)) {
            for (const std::string &name : includes_of(file)) {
                if (name.rfind("auxo/", 0) == 0 || fs::exists(source / layer.folder / name))
                    continue;
                for (const Layer &other : layers) {
                    INFO(file << " includes " << name << " of " << other.folder);
                    if (fs::exists(source / other.folder / name))
                        CHECK(other.height < layer.height);
                }
            }
        }
    }
}

TEST_CASE("public headers of higher layers are not used below them")
{
    const std::pair<const char *, int> headers[] = {
        {"auxo/ops.h", 0},      {"auxo/plan.h", 2},       {"auxo/model.h", 3}, {"auxo/train.h", 4},
        {"auxo/cluster.h", 0},  {"auxo/study.h", 2},      {"auxo/run.h", 6},   {"auxo/sizing.h", 6},
        {"auxo/survival.h", 6}, {"auxo/multiscale.h", 6}, {"auxo/adapt.h", 8}, {"auxo/search.h", 9},
        {"auxo/bench.h", 10}};
    for (const Layer &layer : layers) {
        if (!fs::exists(source / layer.folder))
            continue;
        for (const fs::path &file : files_below(source / layer.folder)) {
            for (const std::string &name : includes_of(file))
                for (const auto &header : headers) {
                    INFO(file << " includes " << name);
                    if (name == header.first)
                        CHECK(header.second <= layer.height);
                }
        }
    }
}

TEST_CASE("driver headers and backends' names stay in their folder")
{
    const std::pair<const char *, const char *> drivers[] = {
        {"CL/", "backends/opencl"}, {"clblast", "backends/opencl"}, {"vulkan/", "backends/vulkan"},
        {"cblas", "backends/cpu"},  {"openblas", "backends/cpu"},   {"dnnl", "backends/cpu"},
        {"mpi.h", "backends/mpi"}};
    for (const char *top : {"runtime", "backends", "datasets", "include"}) {
        for (const fs::path &file : files_below(source / top)) {
            const std::string relative = fs::relative(file, source).string();
            for (const std::string &name : includes_of(file))
                for (const auto &driver : drivers) {
                    INFO(relative << " includes " << name);
                    if (name.rfind(driver.first, 0) == 0)
                        CHECK(relative.rfind(driver.second, 0) == 0);
                }
        }
    }
    // The program's help may show examples; the library decides nothing by a backend's name.
    static const std::regex named("\"(cpu|opencl|vulkan)[\":]");
    for (const Layer &layer : layers) {
        if (!fs::exists(source / layer.folder) || std::string(layer.folder) == "runtime/cli")
            continue;
        for (const fs::path &file : files_below(source / layer.folder)) {
            INFO(file);
            CHECK(!std::regex_search(without_comments(read(file)), named));
        }
    }
}

TEST_CASE("every source file says at its top what it is")
{
    for (const char *top : {"runtime", "backends", "datasets", "include", "tests"}) {
        for (const fs::path &file : files_below(source / top)) {
            INFO(file);
            std::string text = read(file);
            CHECK((text.rfind("/*", 0) == 0 || text.rfind("//", 0) == 0));
        }
    }
}

TEST_CASE("the library ends no process and prints nothing")
{
    static const std::regex call("[^a-zA-Z_.>](exit|abort|_exit|printf|puts|putchar|perror)\\s*\\(");
    for (const Layer &layer : layers) {
        if (!fs::exists(source / layer.folder) || std::string(layer.folder) == "runtime/cli")
            continue;
        for (const fs::path &file : files_below(source / layer.folder)) {
            INFO(file);
            CHECK(!std::regex_search(without_comments(read(file)), call));
        }
    }
}
