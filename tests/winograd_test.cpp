// tests/winograd_test.cpp: convolutions by Winograd where a backend has them as the variant "winograd": tiles of both
// sizes agree with sums in double precision, and how the tiles are cut into slices changes no bit.
#include "support/support.hpp"

#include "auxo/plan.h"

#include <cmath>
#include <cstring>
#include <map>

using auxo_test::Device;
using auxo_test::Error;

namespace
{

const auxo_kernel *winograd_of(const Device &device, auxo_op_kind kind)
{
    auxo_test::Backends backends;
    const auxo_backend *backend = backends.find(auxo_device_get_info(device.device)->backend);
    for (size_t k = 0; backend && k < backend->kernels[kind].count; ++k)
        if (std::strcmp(backend->kernels[kind].variants[k].variant, "winograd") == 0)
            return &backend->kernels[kind].variants[k];
    return nullptr;
}

// The kernel's initial parameters but for those named.
std::vector<int32_t> parameters_of(const auxo_kernel &kernel, const std::map<std::string, int32_t> &changes)
{
    std::vector<int32_t> parameters;
    size_t found = 0;
    for (size_t i = 0; i < kernel.tunable_count; ++i) {
        const auto change = changes.find(kernel.tunables[i].name);
        found += change != changes.end();
        parameters.push_back(change != changes.end() ? change->second : kernel.tunables[i].initial);
    }
    REQUIRE(found == changes.size());
    return parameters;
}

// X (n,c,h,w), W (k,c,3,3), Y (n,k,p,q), or DX, W, DY.
struct Shape {
    int64_t n, c, h, w, k;
    int32_t pad_h, pad_w;
    int64_t p() const
    {
        return h + 2 * pad_h - 2;
    }
    int64_t q() const
    {
        return w + 2 * pad_w - 2;
    }
};

std::vector<float> values_of(int64_t count, uint32_t seed)
{
    return auxo_test::uniform(static_cast<size_t>(count), -1, 1, seed);
}

// Calls body(element of X, element of W, element of Y) for every product.
template <typename Body> void for_each_product(const Shape &s, const Body &body)
{
    for (int64_t n = 0; n < s.n; ++n)
        for (int64_t k = 0; k < s.k; ++k)
            for (int64_t c = 0; c < s.c; ++c)
                for (int64_t tap = 0; tap < 9; ++tap)
                    for (int64_t i = 0; i < s.p(); ++i)
                        for (int64_t j = 0; j < s.q(); ++j) {
                            const int64_t y = i - s.pad_h + tap / 3, x = j - s.pad_w + tap % 3;
                            if (y >= 0 && y < s.h && x >= 0 && x < s.w)
                                body(((n * s.c + c) * s.h + y) * s.w + x, (k * s.c + c) * 9 + tap,
                                     ((n * s.k + k) * s.p() + i) * s.q() + j);
                        }
}

auxo_op conv_op(auxo_op_kind kind, const Shape &s)
{
    auxo_op op = {};
    op.kind = kind;
    op.params.conv2d = {1, 1, s.pad_h, s.pad_w, 1, 1, 1, AUXO_ACTIVATION_IDENTITY, 0};
    return op;
}

// Runs `op` with tiles of both sizes, in one slice and in several, and compares each with `expected`.
void check_slices(Device &device, auxo_op &op, const auxo_tensor &result, const std::vector<double> &expected)
{
    const auxo_kernel *kernel = winograd_of(device, op.kind);
    REQUIRE(kernel != nullptr);
    for (const int32_t tile : {2, 4}) {
        std::vector<float> whole;
        for (const int32_t slice : {256, 4}) {
            const std::vector<int32_t> parameters = parameters_of(*kernel, {{"tile", tile}, {"slice_mib", slice}});
            device.upload(result, std::vector<float>(expected.size(), NAN).data());
            Error error;
            INFO(device.selector << ' ' << auxo_op_noun(op.kind) << " tile " << tile << " slice " << slice);
            REQUIRE_OK(auxo_op_run_variant(device.queue, &op, "winograd", parameters.data(), error));
            const std::vector<float> got = device.download_f32(result);
            auxo_test::check_close(got, expected, 0, 1e-4);
            if (whole.empty())
                whole = got;
            CHECK(std::memcmp(whole.data(), got.data(), got.size() * sizeof(float)) == 0);
        }
    }
}

// More than 4 MiB of transformed tiles in each.
const Shape shapes[] = {{48, 19, 22, 31, 6, 1, 1}, {30, 17, 28, 28, 20, 0, 2}};

} // namespace

TEST_CASE("convolutions forward by Winograd are the same in one slice and in several", "[winograd]")
{
    auxo_test::for_each_device([](Device &device) {
        if (!winograd_of(device, AUXO_OP_CONV2D_FORWARD))
            return;
        for (const Shape &s : shapes) {
            const std::vector<float> x = values_of(s.n * s.c * s.h * s.w, 1), w = values_of(s.k * s.c * 9, 2);
            std::vector<double> expected(static_cast<size_t>(s.n * s.k * s.p() * s.q()));
            for_each_product(s, [&](int64_t at_x, int64_t at_w, int64_t at_y) {
                expected[static_cast<size_t>(at_y)] +=
                    static_cast<double>(x[static_cast<size_t>(at_x)]) * w[static_cast<size_t>(at_w)];
            });
            auxo_op op = conv_op(AUXO_OP_CONV2D_FORWARD, s);
            op.tensors[AUXO_CONV2D_X] = device.f32(x, {s.n, s.c, s.h, s.w});
            op.tensors[AUXO_CONV2D_W] = device.f32(w, {s.k, s.c, 3, 3});
            op.tensors[AUXO_CONV2D_Y] = device.empty(AUXO_DTYPE_F32, {s.n, s.k, s.p(), s.q()});
            check_slices(device, op, op.tensors[AUXO_CONV2D_Y], expected);
        }
    });
}

TEST_CASE("gradients by the input by Winograd are the same in one slice and in several", "[winograd]")
{
    auxo_test::for_each_device([](Device &device) {
        if (!winograd_of(device, AUXO_OP_CONV2D_BACKWARD_DATA))
            return;
        for (Shape s : shapes) {
            std::swap(s.c, s.k); // the sum is over the output channels
            const std::vector<float> dy = values_of(s.n * s.k * s.p() * s.q(), 3), w = values_of(s.k * s.c * 9, 4);
            std::vector<double> expected(static_cast<size_t>(s.n * s.c * s.h * s.w));
            for_each_product(s, [&](int64_t at_x, int64_t at_w, int64_t at_y) {
                expected[static_cast<size_t>(at_x)] +=
                    static_cast<double>(dy[static_cast<size_t>(at_y)]) * w[static_cast<size_t>(at_w)];
            });
            auxo_op op = conv_op(AUXO_OP_CONV2D_BACKWARD_DATA, s);
            op.tensors[AUXO_CONV2D_BD_DY] = device.f32(dy, {s.n, s.k, s.p(), s.q()});
            op.tensors[AUXO_CONV2D_BD_W] = device.f32(w, {s.k, s.c, 3, 3});
            op.tensors[AUXO_CONV2D_BD_DX] = device.empty(AUXO_DTYPE_F32, {s.n, s.c, s.h, s.w});
            check_slices(device, op, op.tensors[AUXO_CONV2D_BD_DX], expected);
        }
    });
}
