// tests/random_test.cpp: random numbers against the published Philox4x32-10 known answers (Random123, kat_vectors) and
// an independent implementation, and the moments of the distributions made from them.
#include "support/support.hpp"

#include <array>
#include <cmath>

using auxo_test::Device;
using auxo_test::for_each_device;

namespace
{

using Words = std::array<uint32_t, 4>;

// Salmon et al. 2011, table 2 and section 4.3
Words philox4x32_10(Words counter, std::array<uint32_t, 2> key)
{
    for (int round = 0; round < 10; round++) {
        const uint64_t a = static_cast<uint64_t>(0xD2511F53u) * counter[0];
        const uint64_t b = static_cast<uint64_t>(0xCD9E8D57u) * counter[2];
        counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
                   static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
        key[0] += 0x9E3779B9u;
        key[1] += 0xBB67AE85u;
    }
    return counter;
}

auxo_op make_fill(Device &device, auxo_random_kind kind, int64_t n, float a, float b, uint64_t seed, uint32_t stream)
{
    auxo_op op = {};
    op.kind = AUXO_OP_RANDOM_FILL;
    op.params.random_fill = {kind, a, b, seed, stream};
    op.tensors[AUXO_RANDOM_FILL_Y] = device.empty(kind == AUXO_RANDOM_BITS ? AUXO_DTYPE_U32 : AUXO_DTYPE_F32, {n});
    return op;
}

} // namespace

TEST_CASE("the test's Philox4x32-10 gives the published known answers", "[random]")
{
    CHECK(philox4x32_10({0, 0, 0, 0}, {0, 0}) == Words{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
    CHECK(philox4x32_10({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu}) ==
          Words{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
    CHECK(philox4x32_10({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
          Words{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("random_fill bits are Philox4x32-10 words", "[random]")
{
    for_each_device(
        [](Device &device) {
            auxo_op zero = make_fill(device, AUXO_RANDOM_BITS, 4, 0, 0, 0, 0);
            device.run(zero);
            CHECK(device.download_u32(zero.tensors[AUXO_RANDOM_FILL_Y]) ==
                  std::vector<uint32_t>{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});

            const uint64_t seed = 0x299f31d0a4093822u;
            auxo_op op = make_fill(device, AUXO_RANDOM_BITS, 1003, 0, 0, seed, 0x13198a2eu);
            op.tensors[AUXO_RANDOM_FILL_COUNTER] = device.u32({0x03707344u, 1, 2, 3}, {4});
            device.run(op);
            std::vector<uint32_t> expected;
            for (uint32_t quad = 0; quad * 4 < 1003; quad++)
                for (uint32_t word : philox4x32_10({quad, 0, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}))
                    expected.push_back(word);
            expected.resize(1003);
            CHECK(device.download_u32(op.tensors[AUXO_RANDOM_FILL_Y]) == expected);
        },
        true);
}

TEST_CASE("random_fill distributions have the right moments", "[random]")
{
    for_each_device(
        [](Device &device) {
            const int64_t n = 40000;
            struct {
                auxo_random_kind kind;
                float a, b;
                double mean, variance;
            } const distributions[] = {{AUXO_RANDOM_UNIFORM, -1, 3, 1, 16.0 / 12},
                                       {AUXO_RANDOM_NORMAL, 2, 0.5f, 2, 0.25},
                                       {AUXO_RANDOM_BERNOULLI, 0.3f, 0, 0.3, 0.21}};
            for (const auto &wanted : distributions) {
                auxo_op op = make_fill(device, wanted.kind, n, wanted.a, wanted.b, 42, 7);
                device.run(op);
                double mean = 0, square = 0;
                for (float value : device.download_f32(op.tensors[AUXO_RANDOM_FILL_Y])) {
                    mean += static_cast<double>(value) / n;
                    square += static_cast<double>(value) * static_cast<double>(value) / n;
                }
                // five standard errors of the mean; the variance to a few per cent
                CHECK(mean == Approx(wanted.mean).margin(5 * std::sqrt(wanted.variance / n)));
                CHECK(square - mean * mean == Approx(wanted.variance).epsilon(0.04));
            }
        },
        true);
}
