// tests/support/host_net.hpp: a model description run on the host in double precision, slowly and plainly: the oracle
// for forward passes, losses and, through central differences, gradients. Batch norm uses batch statistics. Dropout
// must be absent or have rate 0.
#ifndef AUXO_TEST_HOST_NET_HPP
#define AUXO_TEST_HOST_NET_HPP

#include "auxo/model.h"

#include <cstdint>
#include <vector>

namespace auxo_test
{

class HostNet
{
  public:
    // `desc` is finished and outlives this object.
    explicit HostNet(const auxo_model_desc &desc);
    uint64_t weight_count() const;
    // Output of the last layer, (batch, outputs), from flat weights in the model's layout.
    std::vector<double> forward(const std::vector<double> &weights, const std::vector<double> &input,
                                int64_t batch) const;
    // Mean softmax cross-entropy of the outputs.
    double cross_entropy(const std::vector<double> &weights, const std::vector<double> &input,
                         const std::vector<uint32_t> &labels) const;
    // Its gradient for the given weights, by central differences with step h.
    std::vector<double> gradient(const std::vector<double> &weights, const std::vector<double> &input,
                                 const std::vector<uint32_t> &labels, const std::vector<uint64_t> &indices,
                                 double h) const;

  private:
    const auxo_model_desc &desc;
    std::vector<uint64_t> offsets; // of each layer's first weight
    uint64_t count = 0;
};

} // namespace auxo_test

#endif
