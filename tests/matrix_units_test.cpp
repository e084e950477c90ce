// matrix_units_test.cpp: the products of shaders/opencl/gemm_matrix.cl, with the matrix units of Intel's extension in
// plain code (a build of the backend for this test), as no device of a build machine has them.
#include "support/program.hpp"

#include <catch2/catch.hpp>

using namespace auxo_test;

TEST_CASE("opencl: products on matrix units of 8 and of 16 lanes are those of the reference")
{
    Program program(AUXO_PROGRAM);
    for (const std::string lanes : {"8", "16"}) {
        program.set_environment("AUXO_BACKEND_PATH", AUXO_BUILD_DIR "/tests/matrix_units/" + lanes);
        const ProgramResult result =
            program.run({"verify", "--device", "opencl:0", "--op", "gemm", "--variant", "matrix", "--json"});
        INFO(lanes << " lanes: " << result.errors);
        REQUIRE(result.exit_code == 0);
        const Event ended = result.events("result").at(0);
        CHECK(ended.number("failed") == 0);
        CHECK(ended.number("passed") >= 38); // every case in f16 and in bf16
    }
}
