// tests/support/numeric.hpp: derivatives by central differences in double precision, the measure of analytic gradients.
#ifndef AUXO_TEST_NUMERIC_HPP
#define AUXO_TEST_NUMERIC_HPP

#include "support/support.hpp"

#include <functional>
#include <vector>

namespace auxo_test
{

using Vector = std::vector<double>;
using Function = std::function<double(const Vector &)>;

Vector widen(const std::vector<float> &values);
// (f(x + h) - f(x - h)) / 2h for each element; with h = 1e-6 good to about 1e-9.
Vector numeric_gradient(const Function &f, Vector at, double h = 1e-6);
// Checks every element to within `relative` of the largest |expected|.
void check_gradient(const std::vector<float> &got, const Vector &expected, double relative = 2e-6);

} // namespace auxo_test

#endif
