// tests/support/mpirun.hpp: the built program as several ranks of a job under mpirun.
#ifndef AUXO_TEST_MPIRUN_HPP
#define AUXO_TEST_MPIRUN_HPP

#include "support/program.hpp"

namespace auxo_test
{

// Whether mpirun and libauxo_mpi.so are there; else warns that the test is skipped.
bool have_mpirun();

// A program in so many ranks on this machine.
class MpiRun : public Program
{
  public:
    MpiRun(const std::string &program, int ranks);
    ProgramResult run(const Words &arguments);
    void start(const Words &arguments);
    // Further words for one rank alone, behind the others; empty: for none.
    void only_for_rank(int rank, const Words &words);
    // To the process of a rank, which must run.
    void signal_rank(int rank, int number);
    // The lines of errors that are the program's, not mpirun's.
    std::vector<std::string> own_lines(const ProgramResult &result) const;

  private:
    Words wrap(const Words &arguments);
    std::string program;
    int ranks, special_rank = -1;
    Words special_words;
    TempFolder scratch; // for the script that starts a rank, and the number of its process
};

} // namespace auxo_test

#endif
