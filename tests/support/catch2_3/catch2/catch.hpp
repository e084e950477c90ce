// tests/support/catch2_3/catch2/catch.hpp: Catch2 3 under the one header and the names of Catch2 2, which Debian 12
// has.
#pragma once

#include <catch2/catch_all.hpp>

using Catch::Approx;

namespace Catch
{
using Matchers::ContainsSubstring;
using Matchers::EndsWith;
using Matchers::StartsWith;
} // namespace Catch

// In version 3 the name is that of a matcher of ranges, which no test needs.
#define Contains ContainsSubstring
