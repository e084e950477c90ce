// tests/support/program.cpp: starting the built program, collecting what it prints.
#include "support/program.hpp"

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace auxo_test
{

Words with(Words words, const Words &more)
{
    words.insert(words.end(), more.begin(), more.end());
    return words;
}

void check_one_line(const ProgramResult &result, const std::string &part, int exit_code)
{
    INFO(result.errors);
    CHECK(result.exit_code == exit_code);
    const Words lines = result.error_lines();
    CHECK(std::count_if(lines.begin(), lines.end(),
                        [](const std::string &line) { return line.rfind("auxo: note: ", 0) != 0; }) == 1);
    CHECK(result.errors.find(part) != std::string::npos);
}

void check_fails(Program &program, const Words &arguments, const std::string &part)
{
    check_one_line(program.run(arguments), part);
}

std::string read_whole_file(const std::string &path)
{
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
}

bool same_bytes(const std::string &one, const std::string &other)
{
    const std::string bytes = read_whole_file(one);
    return !bytes.empty() && bytes == read_whole_file(other);
}

bool file_exists(const std::string &path)
{
    struct stat info;
    return stat(path.c_str(), &info) == 0;
}

static std::vector<std::string> lines_of(const std::string &text)
{
    std::vector<std::string> lines;
    std::stringstream stream(text);
    for (std::string line; std::getline(stream, line);)
        lines.push_back(line);
    return lines;
}

// ---- events ---------------------------------------------------------------------------------------------------------

Event::Event(const std::string &line) : object(cJSON_Parse(line.c_str()), cJSON_Delete)
{
    INFO("line: " << line);
    REQUIRE(cJSON_IsObject(object.get()));
    REQUIRE(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(object.get(), "event")));
}

std::string Event::name() const
{
    return text("event");
}

bool Event::has(const std::string &field) const
{
    return cJSON_HasObjectItem(object.get(), field.c_str());
}

bool Event::is_null(const std::string &field) const
{
    return cJSON_IsNull(cJSON_GetObjectItemCaseSensitive(object.get(), field.c_str()));
}

double Event::number(const std::string &field) const
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object.get(), field.c_str());
    INFO("field " << field);
    REQUIRE(cJSON_IsNumber(item));
    return item->valuedouble;
}

std::string Event::text(const std::string &field) const
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object.get(), field.c_str());
    INFO("field " << field);
    REQUIRE(cJSON_IsString(item));
    return item->valuestring;
}

std::vector<std::string> ProgramResult::error_lines() const
{
    return lines_of(errors);
}

std::vector<Event> ProgramResult::events() const
{
    std::vector<Event> found;
    for (const std::string &line : lines_of(output))
        found.emplace_back(line);
    return found;
}

std::vector<Event> ProgramResult::events(const std::string &name) const
{
    std::vector<Event> found;
    for (const Event &event : events())
        if (event.name() == name)
            found.push_back(event);
    return found;
}

// ---- processes ------------------------------------------------------------------------------------------------------

// The texts as a NULL-ended array for posix_spawn.
static std::vector<char *> pointers(std::vector<std::string> &texts)
{
    std::vector<char *> result;
    for (std::string &text : texts)
        result.push_back(&text[0]);
    result.push_back(nullptr);
    return result;
}

Program::Program(std::string program_path) : path(std::move(program_path))
{
    set_environment("AUXO_CACHE_DIR", folder.file("cache"));
    set_environment("HOME", folder.path);
}

Program::~Program()
{
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, nullptr, 0);
    }
}

void Program::set_environment(const std::string &name, const std::string &value)
{
    environment.push_back(name);
    environment.push_back(value);
}

void Program::set_file_size_limit(size_t bytes)
{
    file_size_limit = bytes;
}

void Program::set_address_space_limit(size_t bytes)
{
    address_space_limit = bytes;
}

void Program::set_output_path(const std::string &new_path)
{
    output_path = new_path;
}

// posix_spawn, not fork: the libraries of this process have threads and fork handlers of their own.
void Program::start(const Words &arguments)
{
    Words words = {path};
    std::string limits;
    if (file_size_limit > 0)
        limits += "trap '' XFSZ; ulimit -f " + std::to_string(file_size_limit / 512) + "; ";
    if (address_space_limit > 0)
        limits += "ulimit -v " + std::to_string(address_space_limit / 1024) + "; ";
    if (!limits.empty())
        words = {"/bin/sh", "-c", limits + "exec \"$0\" \"$@\"", path};
    words.insert(words.end(), arguments.begin(), arguments.end());
    Words variables;
    for (char **variable = environ; *variable; variable++)
        variables.push_back(*variable);
    for (size_t i = 0; i < environment.size(); i += 2) {
        const std::string start = environment[i] + "=";
        variables.erase(std::remove_if(variables.begin(), variables.end(),
                                       [&](const std::string &other) { return other.rfind(start, 0) == 0; }),
                        variables.end());
        variables.push_back(start + environment[i + 1]);
    }
    std::vector<char *> word_pointers = pointers(words), variable_pointers = pointers(variables);
    const std::string output = output_path.empty() ? folder.file("output") : output_path;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC;
    posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, output.c_str(), flags, 0666);
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, folder.file("errors").c_str(), flags, 0666);
    int failed =
        posix_spawn(&child, word_pointers[0], &actions, nullptr, word_pointers.data(), variable_pointers.data());
    posix_spawn_file_actions_destroy(&actions);
    REQUIRE(failed == 0);
}

ProgramResult Program::wait()
{
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    child = -1;
    ProgramResult result;
    result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (output_path.empty())
        result.output = read_whole_file(folder.file("output"));
    result.errors = read_whole_file(folder.file("errors"));
    return result;
}

ProgramResult Program::run(const Words &arguments)
{
    start(arguments);
    return wait();
}

bool Program::wait_for_output(const std::string &text)
{
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(120);
    while (std::chrono::steady_clock::now() < deadline) {
        siginfo_t ended = {};
        bool running = waitid(P_PID, id_t(child), &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid == 0;
        if (read_whole_file(folder.file("output")).find(text) != std::string::npos)
            return true;
        if (!running)
            return false;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return false;
}

size_t Program::watch_private_memory()
{
    size_t peak = 0;
    for (siginfo_t ended = {};;) {
        std::ifstream status("/proc/" + std::to_string(child) + "/status");
        for (std::string line; std::getline(status, line);)
            if (line.rfind("RssAnon:", 0) == 0)
                peak = std::max(peak, size_t(std::stoul(line.substr(8))) * 1024);
        if (waitid(P_PID, id_t(child), &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid != 0)
            return peak;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
}

void Program::send_signal(int number)
{
    REQUIRE(child > 0); // kill(-1) would reach every process
    kill(child, number);
}

} // namespace auxo_test
