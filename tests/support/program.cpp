// tests/support/program.cpp: starting the built program, collecting what it prints.
#include "support/program.hpp"

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace auxo_test
{

std::string read_whole_file(const std::string &path)
{
    std::ifstream stream(path, std::ios::binary);
    std::stringstream text;
    text << stream.rdbuf();
    return text.str();
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

void Program::set_output_path(const std::string &new_path)
{
    output_path = new_path;
}

void Program::start(const Words &arguments)
{
    std::string output = output_path.empty() ? folder.file("output") : output_path, errors = folder.file("errors");
    std::vector<char *> words = {const_cast<char *>(path.c_str())};
    for (const std::string &word : arguments)
        words.push_back(const_cast<char *>(word.c_str()));
    words.push_back(nullptr);
    if (output_path.empty())
        unlink(output.c_str()); /* wait_for_output must not see what an earlier run printed */
    child = fork();
    REQUIRE(child >= 0);
    if (child > 0)
        return;
    int output_file = open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int errors_file = open(errors.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    dup2(output_file, STDOUT_FILENO);
    dup2(errors_file, STDERR_FILENO);
    for (size_t i = 0; i < environment.size(); i += 2)
        setenv(environment[i].c_str(), environment[i + 1].c_str(), 1);
    if (file_size_limit > 0) {
        rlimit limit = {file_size_limit, file_size_limit};
        setrlimit(RLIMIT_FSIZE, &limit);
        signal(SIGXFSZ, SIG_IGN);
    }
    execv(words[0], words.data());
    _exit(127);
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

void Program::send_signal(int number)
{
    kill(child, number);
}

} // namespace auxo_test
