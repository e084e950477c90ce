// tests/support/run.cpp: running one op on a test device.
#include "support/support.hpp"

#include "auxo/plan.h"

namespace auxo_test
{

bool Device::has_kernel(const auxo_op &op) const
{
    return auxo_op_variants(device, op.kind, &op, nullptr, 0) > 0;
}

void Device::run(const auxo_op &op)
{
    Error error;
    REQUIRE_OK(auxo_op_run(queue, &op, error));
    REQUIRE_OK(auxo_queue_wait(queue, error));
}

} // namespace auxo_test
