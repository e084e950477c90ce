// tests/support/runs.hpp: runs of every method through the C interface, small enough to be repeated many times.
#ifndef AUXO_TEST_RUNS_HPP
#define AUXO_TEST_RUNS_HPP

#include "auxo/run.h"
#include "support/support.hpp"

#include <map>
#include <string>
#include <utility>
#include <vector>

namespace auxo_test
{

// Settings by name, in the order in which they are set.
using Values = std::vector<std::pair<std::string, std::string>>;
Values with(Values values, const Values &more);

// The smallest work of every method; `folder` gets the table that survival reads.
Values small_values(const std::string &method, const TempFolder &folder);
// The names of the methods that have checkpoints.
std::vector<std::string> resumable_methods();

// Owned settings.
class Settings
{
  public:
    Settings(const std::string &method, const Values &values);
    ~Settings();
    Settings(const Settings &) = delete;
    Settings &operator=(const Settings &) = delete;
    operator const auxo_settings *() const;
    auxo_settings *settings = nullptr;
};

// A run and what it told.
class Run
{
  public:
    Run(Runtime &runtime, const std::string &method, const Values &values);
    ~Run();
    Run(const Run &) = delete;
    Run &operator=(const Run &) = delete;
    // Steps until it is done or has made `most` steps; true if done. Fails the test after an error.
    bool steps(size_t most = SIZE_MAX);
    // One step; true if it was stopped on the way.
    bool stopped_step(bool *done);
    // The step that finds the stop flag set, and has to say so.
    void interrupt();
    void save();
    void finish();
    std::string result() const; // without what depends on time

    auxo_status status; // of the opening
    Error error;
    auxo_run *run = nullptr;
    std::map<std::string, size_t> told; // events by name
    std::string stop_at;                // sets the stop flag at each event of this name
  private:
    static void listen(void *user, const auxo_event *event);
    volatile int stop = 0;
};

// The result of a whole run of these settings.
std::string whole_result(Runtime &runtime, const std::string &method, const Values &values);

} // namespace auxo_test

#endif
