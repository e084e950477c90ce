// tests/support/mpirun.cpp: see mpirun.hpp.
#include "support/mpirun.hpp"

#include <csignal>
#include <filesystem>
#include <fstream>

namespace auxo_test
{

static std::string find_mpirun()
{
    for (const char *path : {"/usr/bin/mpirun", "/usr/local/bin/mpirun"})
        if (file_exists(path))
            return path;
    return "";
}

bool have_mpirun()
{
    const std::filesystem::path library = AUXO_LIBRARY;
    if (find_mpirun().empty()) {
        WARN("skipped: mpirun is not installed");
        return false;
    }
    if (!std::filesystem::exists(library.parent_path() / "libauxo_mpi.so")) {
        WARN("skipped: built without libauxo_mpi.so");
        return false;
    }
    return true;
}

MpiRun::MpiRun(const std::string &program_path, int rank_count)
    : Program(find_mpirun()), program(program_path), ranks(rank_count)
{
    set_environment("ASAN_OPTIONS", "detect_leaks=0"); // MPI itself leaves some memory behind
}

void MpiRun::only_for_rank(int rank, const Words &words)
{
    special_rank = rank;
    special_words = words;
}

Words MpiRun::wrap(const Words &arguments)
{
    std::string more;
    for (const std::string &word : special_words)
        more += " '" + word + "'";
    std::ofstream script(scratch.file("rank.sh"));
#if defined(__SANITIZE_ADDRESS__)
    script << "export ASAN_OPTIONS=detect_leaks=0\n"; // Open MPI keeps what it has allocated until the process ends
#endif
    script << "rank=$OMPI_COMM_WORLD_RANK\n"
           << "echo $$ > '" << scratch.path << "/process-'$rank\n"
           << "if [ \"$rank\" = " << special_rank << " ]; then set -- \"$@\"" << more << "; fi\n"
           << "exec '" << program << "' \"$@\"\n";
    script.close();
    return with(
        {"--oversubscribe", "--allow-run-as-root", "-n", std::to_string(ranks), "/bin/sh", scratch.file("rank.sh")},
        arguments);
}

ProgramResult MpiRun::run(const Words &arguments)
{
    return Program::run(wrap(arguments));
}

void MpiRun::start(const Words &arguments)
{
    Program::start(wrap(arguments));
}

void MpiRun::signal_rank(int rank, int number)
{
    pid_t process = 0;
    std::ifstream(scratch.file("process-" + std::to_string(rank))) >> process;
    REQUIRE(process > 0);
    CHECK(kill(process, number) == 0);
}

std::vector<std::string> MpiRun::own_lines(const ProgramResult &result) const
{
    std::vector<std::string> lines;
    for (const std::string &line : result.error_lines())
        if (line.rfind("auxo: ", 0) == 0)
            lines.push_back(line);
    return lines;
}

} // namespace auxo_test
