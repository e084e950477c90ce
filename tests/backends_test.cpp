// tests/backends_test.cpp: backends and readers as plugins: which are found, what is said of the others, what the
// library needs and what it exports.
#include "support/program.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <sstream>

namespace fs = std::filesystem;
using namespace auxo_test;

namespace
{

std::string output_of(const std::string &command)
{
    TempFolder folder;
    const std::string path = folder.file("output");
    REQUIRE(std::system((command + " >" + path).c_str()) == 0);
    return read_whole_file(path);
}

std::string without_comments(const std::string &text)
{
    static const std::regex comment("/\\*[^*]*\\*+(?:[^/*][^*]*\\*+)*/");
    return std::regex_replace(text, comment, " ");
}

// Lets a program run with a copy of the library, in `folder`, beside which are no plugins.
void without_plugins(TempFolder &folder, Program &program)
{
    fs::copy(AUXO_LIBRARY, folder.path);
    const std::string soname = fs::path(AUXO_LIBRARY).filename().string();
    std::string needed = output_of("readelf -d " AUXO_PROGRAM);
    std::smatch found;
    REQUIRE(std::regex_search(needed, found, std::regex("\\[(libauxo\\.so[^\\]]*)\\]")));
    if (found[1] != soname)
        fs::create_symlink(soname, folder.file(found[1]));
    program.set_environment("LD_LIBRARY_PATH", folder.path);
    program.set_environment("LD_PRELOAD", folder.path + "/" + soname);
}

} // namespace

TEST_CASE("the library exports what its headers declare, and nothing else")
{
    std::set<std::string> declared, exported;
    // A name, then its arguments, a dimension or a semicolon, after AUXO_API.
    static const std::regex declaration("AUXO_API[^;(]*?\\b(auxo_[a-z0-9_]+)\\s*[(;[]");
    for (const auto &entry : fs::directory_iterator(AUXO_SOURCE_DIR "/include/auxo")) {
        const std::string text = without_comments(read_whole_file(entry.path().string()));
        for (std::sregex_iterator match(text.begin(), text.end(), declaration), end; match != end; ++match)
            declared.insert((*match)[1]);
    }
    declared.erase("auxo_backend_entry"); // what plugins export
    std::istringstream lines(output_of("nm -D --defined-only " AUXO_LIBRARY));
    for (std::string address, kind, name; lines >> address >> kind >> name;)
        exported.insert(name.substr(0, name.find('@')));
    for (const std::string &name : exported) {
        INFO(name);
        CHECK(declared.count(name) == 1);
    }
    for (const std::string &name : declared) {
        INFO(name);
        CHECK(exported.count(name) == 1);
    }
    CHECK(declared.size() > 100);
}

TEST_CASE("every function of the public headers says AUXO_API")
{
    // At the start of a line, a type and a function's name.
    static const std::regex bare("\\n(?!AUXO_API|typedef|static|#|/| )[a-z][A-Za-z0-9_ *]*\\bauxo_[a-z0-9_]+\\(");
    for (const auto &entry : fs::directory_iterator(AUXO_SOURCE_DIR "/include/auxo")) {
        INFO(entry.path());
        const std::string text = without_comments(read_whole_file(entry.path().string()));
        std::smatch found;
        const bool has_bare = std::regex_search(text, found, bare);
        INFO((has_bare ? found.str() : ""));
        CHECK_FALSE(has_bare);
    }
}

TEST_CASE("the library needs no driver's loader and no reader's library")
{
    const std::string needed = output_of("readelf -d " AUXO_LIBRARY);
    for (const char *name : {"libOpenCL", "libvulkan", "libclblast", "libopenblas", "libmpi", "libpng", "libturbojpeg",
                             "libwebp", "libmatio"}) {
        INFO(name);
        CHECK(needed.find(name) == std::string::npos);
    }
}

TEST_CASE("the version of headers, library and program is one")
{
    CHECK(std::string(auxo_version()) == AUXO_VERSION);
    CHECK(std::string(AUXO_VERSION) == std::to_string(AUXO_VERSION_MAJOR) + "." + std::to_string(AUXO_VERSION_MINOR) +
                                           "." + std::to_string(AUXO_VERSION_PATCH));
    Program program(AUXO_PROGRAM);
    CHECK(program.run({"version", "--json"}).events("result").at(0).text("version") == AUXO_VERSION);
}

TEST_CASE("a backend that cannot be loaded is named with the reason, and the others work")
{
    TempFolder folder;
    std::ofstream(folder.file("libauxo_backend_broken.so")) << "no library";
    std::ofstream(folder.file("libother.so")) << "no backend";
    Program program(AUXO_PROGRAM);
    program.set_environment("AUXO_BACKEND_PATH", folder.path + ":" AUXO_OLD_PLUGIN_FOLDER ":/dev/null/none");
    ProgramResult result = program.run({"devices", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    std::map<std::string, std::string> missing;
    for (const Event &event : result.events("missing"))
        missing[event.text("backend")] = event.text("reason");
    CHECK(missing.count("other") == 0);
    REQUIRE(missing.count("broken") == 1);
    CHECK(missing["broken"].find("libauxo_backend_broken.so") != std::string::npos);
    REQUIRE(missing.count("old") == 1);
    CHECK(missing["old"].find("another version of auxo/backend.h") != std::string::npos);
    bool cpu = false;
    for (const Event &event : result.events("device"))
        cpu = cpu || event.text("selector") == "cpu";
    CHECK(cpu);
    check_one_line(program.run({"train", "--device", "broken:0"}), "backend 'broken' is not available: ");
    CHECK(program.run({"devices"}).output.find("backend old is not available: ") != std::string::npos);
}

TEST_CASE("a library without its plugins says which backends it lacks")
{
    TempFolder folder;
    Program program(AUXO_PROGRAM);
    without_plugins(folder, program);
    ProgramResult result = program.run({"devices", "--json"});
    INFO(result.errors);
    REQUIRE(result.exit_code == 0);
    std::set<std::string> missing;
    for (const Event &event : result.events("missing")) {
        missing.insert(event.text("backend"));
        CHECK(event.text("reason").find("libauxo_backend_" + event.text("backend") + ".so is neither beside") == 0);
    }
    CHECK(missing == std::set<std::string>{"opencl", "vulkan"});
}

TEST_CASE("a file whose reader is missing or cannot be loaded is refused with the names of what it needs")
{
    TempFolder folder, other;
    Program program(AUXO_PROGRAM);
    without_plugins(folder, program);
    const struct {
        const char *reader, *head, *files, *package;
    } formats[] = {{"png", "\x89PNG\r\n\x1a\n", "PNG pictures", "auxo-reader-images"},
                   {"jpeg", "\xff\xd8\xff\xe0", "JPEG pictures", "auxo-reader-images"},
                   {"webp", "RIFF....WEBP", "WebP pictures", "auxo-reader-images"}};
    for (const auto &format : formats) {
        const std::string pictures = folder.file(format.reader),
                          library = "libauxo_reader_" + std::string(format.reader);
        for (const char *name : {"/a", "/b"}) {
            fs::create_directories(pictures + name);
            std::ofstream(pictures + name + "/x") << format.head;
        }
        const Words words = {"train", "--data", pictures, "--device", "cpu"};
        check_one_line(program.run(words), pictures + "/a/x: " + format.files + " are read by " + library +
                                               ".so, which is neither beside the library nor in a folder of "
                                               "AUXO_BACKEND_PATH (Debian: " +
                                               format.package);
        std::ofstream(other.file(library + ".so")) << "no library";
    }
    program.set_environment("AUXO_BACKEND_PATH", other.path);
    check_one_line(program.run({"train", "--data", folder.file("png"), "--device", "cpu"}),
                   "libauxo_reader_png.so, which cannot be loaded: ");
    fs::create_directories(folder.file("svhn"));
    std::ofstream(folder.file("svhn/train_32x32.mat")) << "MATLAB";
    program.set_environment("AUXO_DATA_DIR", folder.path);
    check_one_line(program.run({"train", "--data", "svhn", "--device", "cpu"}), "MATLAB files are read by ");
    // Everything else works.
    CHECK(program.run({"train", "--limit", "100", "--epochs", "1", "--device", "cpu"}).exit_code == 0);
}

TEST_CASE("a driver that cannot write its cache is told by its code and name")
{
    Program program(AUXO_PROGRAM);
    bool has_pocl = false;
    for (const Event &event : program.run({"devices", "--json"}).events("device"))
        has_pocl = has_pocl || event.text("driver").find("PoCL") != std::string::npos;
    if (!has_pocl) {
        WARN("skipped: PoCL is not installed");
        return;
    }
    program.set_environment("POCL_CACHE_DIR", "/dev/null/none");
    check_one_line(program.run({"verify", "--device", "opencl:0", "--op", "fill"}),
                   "CL_DEVICE_NOT_FOUND (-1) from \"Portable Computing Language\"");
}
