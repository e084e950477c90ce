// tests/support/numeric.cpp: see numeric.hpp.
#include "support/numeric.hpp"

#include <algorithm>
#include <cmath>

namespace auxo_test
{

Vector widen(const std::vector<float> &values)
{
    return Vector(values.begin(), values.end());
}

Vector numeric_gradient(const Function &f, Vector at, double h)
{
    Vector gradient(at.size());
    for (size_t i = 0; i < at.size(); i++) {
        double saved = at[i];
        at[i] = saved + h;
        double above = f(at);
        at[i] = saved - h;
        double below = f(at);
        at[i] = saved;
        gradient[i] = (above - below) / (2 * h);
    }
    return gradient;
}

void check_gradient(const std::vector<float> &got, const Vector &expected, double relative)
{
    double largest = 1e-3;
    for (double value : expected)
        largest = std::max(largest, std::fabs(value));
    check_close(got, expected, 0, relative * largest + 1e-8);
}

} // namespace auxo_test
