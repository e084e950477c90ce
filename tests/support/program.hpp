// tests/support/program.hpp: runs the built program as a user would: its exit code, what it printed, its JSON events.
#ifndef AUXO_TEST_PROGRAM_HPP
#define AUXO_TEST_PROGRAM_HPP

#include "support/support.hpp"

#include <cjson/cJSON.h>
#include <memory>
#include <string>
#include <sys/types.h>
#include <vector>

namespace auxo_test
{

// One JSON object that the program printed.
class Event
{
  public:
    explicit Event(const std::string &line);
    std::string name() const; // the field "event"
    bool has(const std::string &field) const;
    bool is_null(const std::string &field) const;
    double number(const std::string &field) const; // fails the test unless it is one
    std::string text(const std::string &field) const;

  private:
    std::shared_ptr<cJSON> object;
};

struct ProgramResult {
    int exit_code = -1; // -1: ended by a signal
    std::string output, errors;
    std::vector<std::string> error_lines() const;
    // All lines of standard output; fails the test if one is not a JSON object.
    std::vector<Event> events() const;
    // The events of that name.
    std::vector<Event> events(const std::string &name) const;
};

using Words = std::vector<std::string>;
// `words` and `more` after them.
Words with(Words words, const Words &more);

// One running program; its streams go to files of a temporary folder.
class Program
{
  public:
    explicit Program(std::string path);
    ~Program();
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;

    // NAME=VALUE for the next runs. AUXO_CACHE_DIR and HOME are set to a temporary folder.
    void set_environment(const std::string &name, const std::string &value);
    // Largest file that the next runs may write, in bytes; writing past it fails as on a full disk. 0: no limit.
    void set_file_size_limit(size_t bytes);
    // Largest address space of the next runs, in bytes. 0: no limit.
    void set_address_space_limit(size_t bytes);
    // Where standard output goes instead of a file of the temporary folder.
    void set_output_path(const std::string &path);

    ProgramResult run(const Words &arguments);
    void start(const Words &arguments);
    // Waits until standard output contains `text`; false if the program ends before, or after two minutes.
    bool wait_for_output(const std::string &text);
    void send_signal(int number);
    // The largest private memory (RssAnon) seen until the program ends, in bytes; wait() is still to be called.
    size_t watch_private_memory();
    ProgramResult wait();

  private:
    TempFolder folder;
    std::string path, output_path;
    Words environment;
    size_t file_size_limit = 0, address_space_limit = 0;
    pid_t child = -1;
};

// Bad usage or input (or another exit code), and one line of errors that holds `part`.
void check_one_line(const ProgramResult &result, const std::string &part, int exit_code = 2);
void check_fails(Program &program, const Words &arguments, const std::string &part);

std::string read_whole_file(const std::string &path);
// Whether both files hold the same bytes. Prints neither.
bool same_bytes(const std::string &one, const std::string &other);
bool file_exists(const std::string &path);

} // namespace auxo_test

#endif
