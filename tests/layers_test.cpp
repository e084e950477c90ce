// tests/layers_test.cpp: the source tree keeps its layers: includes point downwards only, driver and library headers
// stay in their backend's folder, the runtime names no backend, and the library never prints or exits.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace
{

const fs::path root = AUXO_SOURCE_DIR;

struct Source {
    std::string path; // from the root, with '/'
    std::string text;
    std::string code;                  // without comments
    std::vector<std::string> included; // as written, without quotes or brackets

    std::string folder() const
    {
        return path.substr(0, path.rfind('/'));
    }
};

bool starts_with(const std::string &text, const std::string &start)
{
    return text.compare(0, start.size(), start) == 0;
}

std::string without_comments(const std::string &text)
{
    std::string code;
    enum { CODE, LINE, BLOCK, TEXT, CHARACTER } state = CODE;
    for (size_t i = 0; i < text.size(); i++) {
        char c = text[i], next = i + 1 < text.size() ? text[i + 1] : '\0';
        if (state == LINE) {
            if (c == '\n')
                state = CODE;
        } else if (state == BLOCK) {
            if (c == '*' && next == '/') {
                state = CODE;
                i++;
            }
            continue;
        } else if (state == CODE && c == '/' && (next == '/' || next == '*')) {
            state = next == '/' ? LINE : BLOCK;
            continue;
        } else if (state == CODE && (c == '"' || c == '\'')) {
            state = c == '"' ? TEXT : CHARACTER;
        } else if ((state == TEXT || state == CHARACTER) && c == '\\') {
            code += c;
            i++;
        } else if ((state == TEXT && c == '"') || (state == CHARACTER && c == '\'')) {
            state = CODE;
        }
        if (state != LINE)
            code += text[i];
    }
    return code;
}

std::vector<std::string> includes_of(const std::string &code)
{
    std::vector<std::string> found;
    std::istringstream lines(code);
    for (std::string line; std::getline(lines, line);) {
        size_t hash = line.find_first_not_of(" \t");
        if (hash == std::string::npos || line.compare(hash, 8, "#include") != 0)
            continue;
        size_t open = line.find_first_of("\"<", hash + 8);
        size_t close = line.find_first_of("\">", open + 1);
        if (open != std::string::npos && close != std::string::npos)
            found.push_back(line.substr(open + 1, close - open - 1));
    }
    return found;
}

// All C sources and headers of the given top-level folders.
const std::vector<Source> &sources()
{
    static std::vector<Source> all;
    if (!all.empty())
        return all;
    for (const char *top : {"include", "runtime", "backends", "datasets"}) {
        for (const fs::directory_entry &entry : fs::recursive_directory_iterator(root / top)) {
            std::string extension = entry.path().extension().string();
            if (!entry.is_regular_file() || (extension != ".c" && extension != ".h"))
                continue;
            std::ifstream stream(entry.path(), std::ios::binary);
            std::stringstream text;
            text << stream.rdbuf();
            Source source;
            source.path = fs::relative(entry.path(), root).generic_string();
            source.text = text.str();
            source.code = without_comments(source.text);
            source.included = includes_of(source.code);
            all.push_back(source);
        }
    }
    return all;
}

// What each layer may use, itself included. The cli may use everything.
const std::map<std::string, std::set<std::string>> &allowed()
{
    static std::map<std::string, std::set<std::string>> table;
    if (table.empty()) {
        // Every layer and what stands directly below it.
        const std::pair<const char *, std::vector<const char *>> below[] = {
            {"base", {}},
            {"cluster", {"base"}},
            {"device", {"base"}},
            {"ops", {"device"}},
            {"plan", {"ops"}},
            {"model", {"plan"}},
            {"data", {"device"}},
            {"train", {"model", "data", "cluster"}},
            {"report", {"device"}},
            {"study", {"report", "data", "cluster"}},
            {"run", {"train", "study"}},
            {"multiscale", {"run"}},
            {"sizing", {"run"}},
            {"survival", {"run"}},
            {"adapt", {"multiscale", "sizing", "survival"}},
            {"search", {"adapt"}},
            {"methods", {"search", "survival"}},
            {"bench", {"search", "survival"}},
            {"tune", {"bench"}},
        };
        for (const auto &layer : below) {
            table[layer.first].insert(layer.first);
            for (const char *lower : layer.second)
                table[layer.first].insert(table[lower].begin(), table[lower].end());
        }
    }
    return table;
}

// The layer of a public header. ops.h is the vocabulary of the SPI, so the lowest layer sees it.
std::string layer_of_header(const std::string &name)
{
    static const std::map<std::string, std::string> table = {
        {"status.h", "base"}, {"export.h", "base"},  {"format.h", "base"},    {"version.h", "base"},
        {"schema.h", "data"}, {"arrays.h", "data"},  {"device.h", "device"},  {"tensor.h", "device"},
        {"ops.h", "device"},  {"kinds.h", "device"}, {"backend.h", "device"}, {"tune.h", "device"},
        {"verify.h", "ops"},  {"table.h", "data"},   {"metrics.h", "run"},    {"transport.h", "cluster"},
        {"reader.h", "data"}};
    auto found = table.find(name);
    return found != table.end() ? found->second : name.substr(0, name.rfind('.'));
}

// The layer that a file belongs to; "" for the cli, the umbrella header and files outside the layers.
std::string layer_of(const Source &source)
{
    std::string layer;
    if (starts_with(source.path, "include/auxo/"))
        layer = layer_of_header(fs::path(source.path).filename().string());
    else if (starts_with(source.path, "runtime/"))
        layer = source.path.substr(8, source.path.find('/', 8) - 8);
    else if (starts_with(source.path, "datasets/"))
        layer = "data";
    return allowed().count(layer) ? layer : "";
}

// The layers that have a private header of this name.
std::set<std::string> owners_of(const std::string &header)
{
    std::set<std::string> owners;
    for (const Source &source : sources())
        if (!starts_with(source.path, "include/") && !starts_with(source.path, "backends/") &&
            fs::path(source.path).filename() == header)
            owners.insert(layer_of(source));
    return owners;
}

// Whether `word` occurs in `text` with no letter, digit or underscore beside it.
bool has_word(const std::string &text, const std::string &word)
{
    auto inside = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_'; };
    for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
        bool left = at > 0 && inside(text[at - 1]);
        bool right = at + word.size() < text.size() && inside(text[at + word.size()]);
        if (!left && !right)
            return true;
    }
    return false;
}

std::string lower(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
    return text;
}

} // namespace

TEST_CASE("the tree is where this test looks")
{
    CHECK(sources().size() > 50);
    CHECK(without_comments("a /* \"b */ \"/*c*/\" // d\n'\"' e") == "a  \"/*c*/\" \n'\"' e");
}

TEST_CASE("a layer includes only itself and lower layers")
{
    for (const Source &source : sources()) {
        std::string layer = layer_of(source);
        if (layer.empty())
            continue;
        const std::set<std::string> &may_use = allowed().at(layer);
        for (const std::string &header : source.included) {
            INFO(source.path << " includes " << header);
            if (starts_with(header, "auxo/")) {
                CHECK(may_use.count(layer_of_header(header.substr(5))) == 1);
                continue;
            }
            std::set<std::string> owners = owners_of(header);
            bool permitted = owners.empty() || std::any_of(owners.begin(), owners.end(), [&](const std::string &owner) {
                                 return may_use.count(owner) == 1;
                             });
            CHECK(permitted);
        }
    }
}

TEST_CASE("backends see only the public headers and backends/common, not the runtime and not each other")
{
    for (const Source &source : sources()) {
        if (!starts_with(source.path, "backends/"))
            continue;
        std::string own = source.path.substr(0, source.path.find('/', 9));
        for (const std::string &header : source.included) {
            INFO(source.path << " includes " << header);
            CHECK(header.find("..") == std::string::npos);
            bool in_own = false, elsewhere = false;
            for (const Source &other : sources()) {
                if (fs::path(other.path).filename() != header)
                    continue;
                in_own |= starts_with(other.path, own + "/") || starts_with(other.path, "backends/common/");
                elsewhere |= !starts_with(other.path, "include/");
            }
            CHECK((in_own || !elsewhere));
        }
    }
}

TEST_CASE("headers of drivers and of mathematical libraries stay in the backends")
{
    for (const Source &source : sources()) {
        if (starts_with(source.path, "backends/"))
            continue;
        for (const std::string &header : source.included) {
            INFO(source.path << " includes " << header);
            std::string name = lower(header);
            CHECK(!starts_with(name, "cl/"));
            for (const char *foreign : {"vulkan", "clblast", "cblas", "openblas", "dnnl", "omp.h", "mpi.h"})
                CHECK(name.find(foreign) == std::string::npos);
        }
    }
    for (const Source &source : sources()) {
        bool opencl = starts_with(source.path, "backends/opencl/"),
             vulkan = starts_with(source.path, "backends/vulkan/");
        for (const std::string &header : source.included) {
            INFO(source.path << " includes " << header);
            CHECK((opencl || !starts_with(header, "CL/")));
            CHECK((vulkan || !starts_with(header, "vulkan/")));
        }
    }
}

TEST_CASE("the runtime names no backend")
{
    for (const Source &source : sources()) {
        if (!starts_with(source.path, "include/") &&
            (!starts_with(source.path, "runtime/") || layer_of(source).empty()))
            continue;
        // The help of methods shows examples.
        if (allowed().count(layer_of(source)) && allowed().at(layer_of(source)).count("run"))
            continue;
        std::string code = lower(source.code);
        INFO(source.path);
        for (const char *name : {"opencl", "vulkan", "pocl", "llvmpipe", "clblast", "openblas"})
            CHECK(code.find(name) == std::string::npos);
    }
}

TEST_CASE("the library never prints, exits or aborts")
{
    for (const Source &source : sources()) {
        if (starts_with(source.path, "runtime/cli/") || starts_with(source.path, "include/"))
            continue;
        INFO(source.path);
        for (const char *name : {"printf", "vprintf", "puts", "putchar", "perror", "exit", "_Exit", "_exit", "abort",
                                 "quick_exit", "stdout", "stderr"})
            CHECK(!has_word(source.code, name));
    }
}

TEST_CASE("every file says what it owns, and stays readable")
{
    for (const Source &source : sources()) {
        INFO(source.path);
        CHECK((starts_with(source.text, "/*") || starts_with(source.text, "//")));
        CHECK(std::count(source.text.begin(), source.text.end(), '\n') <= 600);
        CHECK(source.text.find('\t') == std::string::npos);
        for (const char *mark : {"TODO", "FIXME", "XXX"})
            CHECK(!has_word(source.text, mark));
        CHECK(source.text.find("#if 0") == std::string::npos);
    }
}
