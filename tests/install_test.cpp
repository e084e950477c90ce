// tests/install_test.cpp: what `cmake --install` leaves behind is complete: the README's C example builds against it
// through pkg-config, as C and as C++, and through find_package, and runs; the program finds its library.
#include "support/program.hpp"

#include <cstdlib>
#include <fstream>

using auxo_test::TempFolder;

namespace
{
// The first ```c block of the README.
std::string readme_example()
{
    std::string text = auxo_test::read_whole_file(AUXO_SOURCE_DIR "/README.md");
    size_t begin = text.find("```c\n");
    REQUIRE(begin != std::string::npos);
    size_t end = text.find("```", begin + 5);
    return text.substr(begin + 5, end - begin - 5);
}

void write_text(const std::string &path, const std::string &text)
{
    std::ofstream(path) << text;
}

// Runs a shell command; shows what it printed if it fails.
void require_command(const TempFolder &folder, const std::string &command)
{
    const std::string log = folder.file("log");
    int result = std::system(("(" + command + ") >" + log + " 2>&1").c_str());
    INFO(command << "\n" << auxo_test::read_whole_file(log));
    REQUIRE(result == 0);
}
} // namespace

TEST_CASE("the installed package builds and runs the example of the README")
{
    TempFolder folder;
    const std::string prefix = folder.file("moved"), example = folder.file("example.c");
    // The tree may lie elsewhere than where it was installed to.
    require_command(folder, "cmake --install " AUXO_BUILD_DIR " --prefix " + folder.file("prefix") + " && mv " +
                                folder.file("prefix") + " " + prefix);
    write_text(example, readme_example());
    const std::string libraries = "$(dirname $(find " + prefix + " -name auxo.pc))";
    const std::string environment = "export AUXO_CACHE_DIR=" + folder.file("cache") + " PKG_CONFIG_PATH=" + libraries +
                                    " LD_LIBRARY_PATH=" + libraries + "/..; cd " + folder.path + "; ";
    const std::string warnings = " -Wall -Wextra -Wpedantic -Werror ";
    const std::string package = "pkg-config --cflags --libs auxo";
    require_command(folder, environment + "cc -std=c11" + warnings + example + " $(" + package + ") -o as_c && ./as_c");
    write_text(folder.file("CMakeLists.txt"), "cmake_minimum_required(VERSION 3.18)\nproject(consumer C)\n"
                                              "find_package(auxo 0.1 REQUIRED)\nadd_executable(consumer example.c)\n"
                                              "target_link_libraries(consumer PRIVATE auxo::auxo)\n");
    require_command(folder, environment + "cmake -S . -B out -DCMAKE_PREFIX_PATH=" + prefix +
                                " && cmake --build out && out/consumer");
    // What the program does with kernels, a program of the user's can do as well.
    require_command(folder, environment + "cc -std=c11" + warnings +
                                AUXO_SOURCE_DIR "/tests/examples/tune_and_bench.c $(" + package +
                                ") -o tune_and_bench && ./tune_and_bench cpu out.tune && grep -q '^gemm ' out.tune");
    require_command(folder, environment + "cc -std=c11" + warnings +
                                AUXO_SOURCE_DIR "/tests/examples/train_on_arrays.c $(" + package +
                                ") -o train_on_arrays && ./train_on_arrays cpu && test -s circle.safetensors");
    // So it is with runs: sized under a budget, stopped half-way, resumed; the network that is left is within it.
    require_command(folder, environment + "cc -std=c11" + warnings +
                                AUXO_SOURCE_DIR "/tests/examples/size_under_budget.c $(" + package +
                                ") -o size_under_budget && ./size_under_budget cpu >sizing && grep -q '<svg' run.html");
    const std::string told = auxo_test::read_whole_file(folder.file("sizing"));
    INFO(told);
    CHECK(told.find("iteration 1") < told.find("final after 1")); // before and after the stop, neither twice
    CHECK(told.find("iteration 1", told.find("iteration 1") + 1) == std::string::npos);
    require_command(folder, "unset LD_LIBRARY_PATH; " + prefix + "/bin/auxo model show " +
                                folder.file("model.safetensors") + " --json >" + folder.file("shown"));
    const std::string shown = auxo_test::read_whole_file(folder.file("shown"));
    CHECK(std::stod(shown.substr(shown.rfind("\"flops\":") + 8)) <= 4e5);
    require_command(folder, "unset LD_LIBRARY_PATH; " + prefix + "/bin/auxo --version");
    // The installed library finds the installed plugins, as many as the build has.
    require_command(folder, "unset LD_LIBRARY_PATH AUXO_BACKEND_PATH; test \"$(" + prefix +
                                "/bin/auxo version)\" = \"$(" + AUXO_PROGRAM + " version)\"");
    require_command(folder, "test -s " + prefix + "/share/man/man1/auxo.1 && test -s " + prefix +
                                "/share/bash-completion/completions/auxo");
}
