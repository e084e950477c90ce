// tests/ops_check_test.cpp: auxo_op_check accepts valid ops and names op, slot and the disagreeing values of others;
// names, slots, costs and layouts of ops.
#include "support/support.hpp"

#include <cmath>
#include <cstring>

namespace
{

// Lays tensors one after another in one large buffer, so that valid ops never overlap.
class Layout
{
  public:
    Layout() : device(runtime, "reference"), memory(device.empty(AUXO_DTYPE_U8, {1 << 20}))
    {
    }
    auxo_tensor tensor(auxo_dtype dtype, const std::vector<int64_t> &dims)
    {
        auxo_tensor made = auxo_tensor_make(memory.buffer, end, dtype, static_cast<uint32_t>(dims.size()), dims.data());
        end += (static_cast<uint64_t>(auxo_tensor_element_count(&made)) * auxo_dtype_size_bytes(dtype) + 15) / 16 * 16;
        return made;
    }
    auxo_tensor f32(const std::vector<int64_t> &dims)
    {
        return tensor(AUXO_DTYPE_F32, dims);
    }
    auxo_tensor u32(const std::vector<int64_t> &dims)
    {
        return tensor(AUXO_DTYPE_U32, dims);
    }
    auxo_buffer *buffer() const
    {
        return memory.buffer;
    }
    auxo_test::Runtime runtime;

  private:
    auxo_test::Device device;
    auxo_tensor memory;
    uint64_t end = 0;
};

using Slots = std::vector<auxo_tensor>;

auxo_op make_op(auxo_op_kind kind, const Slots &tensors)
{
    auxo_op op = {};
    op.kind = kind;
    for (size_t i = 0; i < tensors.size(); i++)
        op.tensors[i] = tensors[i];
    return op;
}

void check_valid(const auxo_op &op)
{
    auxo_test::Error error;
    auxo_status status = auxo_op_check(&op, error);
    INFO(error.message);
    CHECK(status == AUXO_OK);
}

// The message starts with the noun and holds every part.
void check_refused(const auxo_op &op, const std::vector<const char *> &parts)
{
    auxo_test::Error error;
    CHECK(auxo_op_check(&op, error) == AUXO_INVALID_ARGUMENT);
    INFO(error.message);
    CHECK(error.text().find(auxo_op_noun(op.kind)) == 0);
    for (const char *part : parts)
        CHECK(error.text().find(part) != std::string::npos);
    CHECK(error.text().find('\n') == std::string::npos);
}

auxo_op make_gemm(Layout &layout, int64_t m, int64_t n, int64_t k)
{
    auxo_op op = make_op(AUXO_OP_GEMM, {layout.f32({m, k}), layout.f32({k, n}), layout.f32({m, n})});
    op.params.gemm.alpha = 1;
    return op;
}

auxo_op make_conv(Layout &layout)
{
    auxo_op op = make_op(AUXO_OP_CONV2D_FORWARD, {layout.f32({2, 4, 8, 8}), layout.f32({6, 2, 3, 3}),
                                                  layout.f32({2, 6, 4, 4}), layout.f32({6})});
    op.params.conv2d = {2, 2, 1, 1, 1, 1, 2, AUXO_ACTIVATION_IDENTITY, 0};
    return op;
}

} // namespace

TEST_CASE("names: every op and activation is found by its noun", "[check]")
{
    auxo_test::Error error;
    for (int kind = 0; kind < AUXO_OP_COUNT; kind++) {
        auxo_op_kind found = AUXO_OP_COUNT;
        CHECK(auxo_op_find(auxo_op_noun(static_cast<auxo_op_kind>(kind)), &found, error) == AUXO_OK);
        CHECK(found == kind);
        size_t count = 0;
        const auxo_slot_info *slots = auxo_op_slots(static_cast<auxo_op_kind>(kind), &count);
        REQUIRE(count > 0);
        CHECK(count <= AUXO_OP_SLOTS_MAX);
        bool writes = false;
        for (size_t i = 0; i < count; i++)
            writes |= (slots[i].access & AUXO_SLOT_WRITE) != 0;
        CHECK(writes);
        CHECK_FALSE(slots[0].optional);
    }
    for (int i = 0; i < AUXO_ACTIVATION_COUNT; i++) {
        auxo_activation found = AUXO_ACTIVATION_COUNT;
        CHECK(auxo_activation_find(auxo_activation_noun(static_cast<auxo_activation>(i)), &found, error) == AUXO_OK);
        CHECK(found == i);
    }
    auxo_op_kind kind = AUXO_OP_COUNT;
    CHECK(auxo_op_find("con2d_forward", &kind, error) == AUXO_NOT_FOUND);
    CHECK(error.text().find("\"conv2d_forward\"") != std::string::npos);
    CHECK(auxo_op_find(nullptr, &kind, error) == AUXO_NOT_FOUND);
    CHECK(auxo_op_find(std::string(1000, 'x').c_str(), &kind, error) == AUXO_NOT_FOUND);
    auxo_activation activation = AUXO_ACTIVATION_COUNT;
    CHECK(auxo_activation_find("leaky-relu", &activation, error) == AUXO_NOT_FOUND);
    CHECK(error.text().find("\"leaky_relu\"") != std::string::npos);
}

TEST_CASE("check: presence, dtype, rank, memory and devices", "[check]")
{
    Layout layout;
    auxo_op op = make_op(AUXO_OP_ADD, {layout.f32({3, 4}), layout.f32({3, 4}), layout.f32({3, 4})});
    check_valid(op);

    auxo_op changed = op;
    changed.tensors[AUXO_ADD_B] = auxo_tensor_none();
    check_refused(changed, {"B is absent"});

    changed = op;
    changed.tensors[5] = layout.f32({1});
    check_refused(changed, {"tensor 5", "3 slots"});

    changed = op;
    changed.tensors[AUXO_ADD_B] = layout.u32({3, 4});
    check_refused(changed, {"B is u32", "f32"});

    changed = op;
    changed.tensors[AUXO_ADD_B] = layout.f32({3, 5});
    check_refused(changed, {"B dim 1 is 5", "A dim 1 is 4"});

    changed = op;
    changed.tensors[AUXO_ADD_B] = layout.f32({12});
    check_refused(changed, {"B has rank 1", "A has rank 2"});

    changed = op;
    changed.tensors[AUXO_ADD_Y].offset_bytes = (1 << 20) - 44;
    check_refused(changed, {"Y ends at byte 1048580", "1048576 bytes"});

    changed = op;
    changed.tensors[AUXO_ADD_A].offset_bytes += 2;
    check_refused(changed, {"A starts at byte 2", "4-byte"});

    changed = op;
    changed.tensors[AUXO_ADD_A].strides[0] = 5;
    check_refused(changed, {"A is strided"});

    changed = op;
    changed.tensors[AUXO_ADD_A].dims[0] = -1;
    check_refused(changed, {"A dim 0 is -1"});

    changed = op;
    changed.tensors[AUXO_ADD_A].dims[0] = INT64_MAX / 2;
    check_refused(changed, {"A has more elements"});

    changed = op;
    changed.tensors[AUXO_ADD_A].rank = 7;
    check_refused(changed, {"A has rank 7"});

    changed = op;
    changed.tensors[AUXO_ADD_A].buffer = nullptr;
    check_refused(changed, {"A has neither a buffer"});
    changed.tensors[AUXO_ADD_A].temp_id = 3;
    check_valid(changed);

    auxo_test::Device other(layout.runtime, "reference");
    changed = op;
    changed.tensors[AUXO_ADD_B] = other.empty(AUXO_DTYPE_F32, {3, 4});
    check_refused(changed, {"B is on another device"});

    changed = op;
    changed.kind = static_cast<auxo_op_kind>(9999);
    auxo_test::Error error;
    CHECK(auxo_op_check(&changed, error) == AUXO_INVALID_ARGUMENT);
    CHECK(error.text().find("9999") != std::string::npos);
}

TEST_CASE("check: overlap of outputs, in place, and temporaries", "[check]")
{
    Layout layout;
    auxo_op op = make_op(AUXO_OP_ADD, {layout.f32({64}), layout.f32({64}), layout.f32({64})});
    auxo_op changed = op;
    changed.tensors[AUXO_ADD_Y] = op.tensors[AUXO_ADD_B];
    check_valid(changed);
    changed.tensors[AUXO_ADD_Y].offset_bytes += 4;
    check_refused(changed, {"Y may replace B only in place"});
    changed = op;
    changed.tensors[AUXO_ADD_B] = op.tensors[AUXO_ADD_A];
    check_valid(changed); // inputs may be the same

    auxo_op mse = make_op(AUXO_OP_MSE, {layout.f32({5, 2}), layout.f32({5, 2}), layout.f32({2})});
    check_valid(mse);
    mse.tensors[AUXO_MSE_DPREDICTION] = mse.tensors[AUXO_MSE_PREDICTION];
    check_refused(mse, {"DPREDICTION", "overlaps PREDICTION"});

    for (auxo_tensor &tensor : op.tensors)
        if (auxo_tensor_is_present(&tensor)) {
            tensor.buffer = nullptr;
            tensor.temp_id = 1;
        }
    op.tensors[AUXO_ADD_A].temp_id = 2;
    op.tensors[AUXO_ADD_B].temp_id = 3;
    check_valid(op);
    op.tensors[AUXO_ADD_B].temp_id = 1;
    op.tensors[AUXO_ADD_B].offset_bytes = op.tensors[AUXO_ADD_Y].offset_bytes + 8;
    check_refused(op, {"Y may replace B only in place"});
}

TEST_CASE("check: gemm", "[check]")
{
    Layout layout;
    auxo_op op = make_gemm(layout, 4, 5, 6);
    check_valid(op);
    auxo_op changed = op;
    changed.params.gemm.trans_a = true;
    check_refused(changed, {"op(B) has 6 rows", "op(A) has 4 columns"});
    changed = op;
    changed.tensors[AUXO_GEMM_BIAS] = layout.f32({4});
    check_refused(changed, {"BIAS dim 0 is 4", "column count of C is 5"});
    changed.params.gemm.bias_per_row = true;
    check_valid(changed);
    changed = op;
    changed.tensors[AUXO_GEMM_B].dtype = AUXO_DTYPE_F16;
    check_refused(changed, {"A is f32", "B is f16"});
    changed = op;
    changed.tensors[AUXO_GEMM_A].strides[0] = 5;
    check_refused(changed, {"A has row stride 5", "6 elements"});
    changed = op;
    changed.tensors[AUXO_GEMM_A].strides[1] = 2;
    check_refused(changed, {"A has innermost stride 2"});
    changed = op;
    changed.params.gemm.activation = AUXO_ACTIVATION_LEAKY_RELU;
    changed.params.gemm.slope = 1.5f;
    check_refused(changed, {"slope", "1.5"});

    auxo_op batched = make_op(AUXO_OP_GEMM, {layout.f32({3, 4, 6}), layout.f32({3, 6, 5}), layout.f32({3, 4, 5})});
    check_valid(batched);
    changed = batched;
    changed.tensors[AUXO_GEMM_A].strides[0] = 0;
    check_valid(changed);
    changed = batched;
    changed.tensors[AUXO_GEMM_C].strides[0] = 19;
    check_refused(changed, {"C has batch stride 19", "20"});
    changed = batched;
    changed.tensors[AUXO_GEMM_B].dims[0] = 2;
    check_refused(changed, {"B has a batch of 2", "C has 3"});
}

TEST_CASE("check: convolution and pooling", "[check]")
{
    Layout layout;
    auxo_op op = make_conv(layout);
    check_valid(op);
    auxo_op changed = op;
    changed.tensors[AUXO_CONV2D_Y] = layout.f32({2, 6, 5, 4});
    check_refused(changed, {"Y dim 2 is 5", "gives 4"});
    changed = op;
    changed.params.conv2d.groups = 3;
    check_refused(changed, {"X has 4 channels", "3 groups"});
    changed = op;
    changed.params.conv2d.groups = 1;
    check_refused(changed, {"W dim 1 is 2", "channels / groups is 4"});
    changed = op;
    changed.params.conv2d.stride_w = 0;
    check_refused(changed, {"width has stride 0"});
    changed = op;
    changed.params.conv2d.pad_h = -1;
    check_refused(changed, {"height padding is -1"});
    changed = op;
    changed.params.conv2d.pad_w = 1 << 30;
    check_refused(changed, {"width 8 with padding 1073741824 is 2147483656", "at most 2147483647"});
    changed = op;
    changed.tensors[AUXO_CONV2D_BIAS] = layout.f32({5});
    check_refused(changed, {"BIAS dim 0 is 5", "W dim 0 is 6"});

    auxo_op pool = make_op(AUXO_OP_POOL2D_FORWARD, {layout.f32({2, 3, 6, 6}), layout.f32({2, 3, 3, 3})});
    pool.params.pool2d = {AUXO_POOL_AVERAGE, 2, 2, 2, 2, 0, 0};
    check_valid(pool);
    pool.tensors[AUXO_POOL2D_INDEX] = layout.u32({2, 3, 3, 3});
    check_refused(pool, {"INDEX must be absent"});
    pool.params.pool2d.kind = AUXO_POOL_MAX;
    check_refused(pool, {"INDEX is u32", "must be u8", "window of 2x2"});
    pool.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U8;
    check_valid(pool);
    changed = pool;
    changed.params.pool2d = {AUXO_POOL_MAX, 16, 16, 1, 1, 7, 7}; // 256 elements: the most that u8 numbers
    changed.tensors[AUXO_POOL2D_Y] = layout.f32({2, 3, 5, 5});
    changed.tensors[AUXO_POOL2D_INDEX] = layout.f32({2, 3, 5, 5});
    changed.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U8;
    check_valid(changed);
    changed.params.pool2d = {AUXO_POOL_MAX, 17, 16, 1, 1, 8, 7};
    changed.tensors[AUXO_POOL2D_Y] = layout.f32({2, 3, 6, 5});
    changed.tensors[AUXO_POOL2D_INDEX] = layout.f32({2, 3, 6, 5});
    changed.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U8;
    check_refused(changed, {"INDEX is u8", "must be u32", "window of 17x16"});
    changed.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U32;
    check_valid(changed);
    changed.params.pool2d = {AUXO_POOL_MAX, 65536, 65536, 1, 1, 65535, 65535};
    changed.tensors[AUXO_POOL2D_X] = layout.f32({0, 3, 6, 6});
    changed.tensors[AUXO_POOL2D_Y] = layout.f32({0, 3, 65541, 65541});
    changed.tensors[AUXO_POOL2D_INDEX] = layout.f32({0, 3, 65541, 65541});
    changed.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U32;
    check_refused(changed, {"65536x65536", "more than 4294967295"});
    pool.params.pool2d.pad_h = 2;
    check_refused(pool, {"padding 2x0", "window 2x2"});
    pool.tensors[AUXO_POOL2D_X] = layout.f32({2, 3, 0, 6});
    pool.tensors[AUXO_POOL2D_Y] = pool.tensors[AUXO_POOL2D_INDEX] = layout.f32({2, 3, 2, 3});
    pool.tensors[AUXO_POOL2D_INDEX].dtype = AUXO_DTYPE_U8;
    pool.params.pool2d = {AUXO_POOL_MAX, 3, 2, 1, 2, 2, 0};
    check_refused(pool, {"X is of 0 x 6", "no window has an element"});
    auxo_op backward = make_op(AUXO_OP_POOL2D_BACKWARD, {layout.f32({2, 3, 3, 3}), layout.f32({2, 3, 6, 6})});
    backward.params.pool2d = {AUXO_POOL_MAX, 2, 2, 2, 2, 0, 0};
    check_refused(backward, {"INDEX must be present"});
}

TEST_CASE("check: parameters and conditional slots", "[check]")
{
    Layout layout;
    auxo_op dropout = make_op(AUXO_OP_DROPOUT, {layout.f32({9}), layout.f32({9})});
    dropout.params.dropout.rate = 1;
    check_refused(dropout, {"rate is 1"});
    dropout.params.dropout.rate = NAN;
    check_refused(dropout, {"rate is nan"});

    auxo_op mse = make_op(AUXO_OP_MSE, {layout.f32({5, 2}), layout.f32({5, 2}), layout.f32({2})});
    mse.tensors[AUXO_MSE_HISTORY] = layout.f32({10});
    check_refused(mse, {"COUNTER must be present"});
    mse.tensors[AUXO_MSE_COUNTER] = layout.u32({4});
    check_valid(mse);

    auxo_op norm = make_op(AUXO_OP_BATCH_NORM_FORWARD, {layout.f32({4, 3, 2}), layout.f32({3}), layout.f32({3}),
                                                        layout.f32({3}), layout.f32({3}), layout.f32({4, 3, 2})});
    norm.params.batch_norm = {true, 1e-5f, 0.1f, AUXO_ACTIVATION_IDENTITY, 0};
    check_refused(norm, {"SAVED_MEAN must be present in training"});
    norm.params.batch_norm.training = false;
    check_valid(norm);

    auxo_op step = make_op(AUXO_OP_OPTIMIZER_STEP, {layout.f32({7}), layout.f32({7}), layout.f32({7}),
                                                    auxo_tensor_none(), layout.f32({AUXO_HYPER_COUNT})});
    step.params.optimizer_step.kind = AUXO_OPTIMIZER_MOMENTUM;
    check_valid(step);
    step.params.optimizer_step.kind = AUXO_OPTIMIZER_ADAM;
    check_refused(step, {"STATE1 must be present"});

    auxo_op fill = make_op(AUXO_OP_RANDOM_FILL, {layout.f32({7})});
    fill.params.random_fill.kind = AUXO_RANDOM_BITS;
    check_refused(fill, {"Y is f32", "u32"});

    auxo_op segments =
        make_op(AUXO_OP_SEGMENT_REDUCE, {layout.f32({9}), auxo_tensor_none(), layout.u32({4}), layout.f32({4})});
    check_refused(segments, {"OFFSETS dim 0 is 4", "is 5"});

    auxo_op gather = make_op(AUXO_OP_GATHER_BATCH, {layout.f32({9, 1, 1}), auxo_tensor_none(), auxo_tensor_none(),
                                                    auxo_tensor_none(), auxo_tensor_none(), layout.u32({4, 1, 1})});
    check_refused(gather, {"Y is u32", "DATA is f32"});

    auxo_op copy = make_op(AUXO_OP_COPY, {layout.f32({3, 4}), layout.f32({3, 4})});
    check_valid(copy);
    copy.tensors[AUXO_COPY_Y].strides[0] = 3;
    check_refused(copy, {"Y dim 0 has stride 3", "4 elements"});
    copy.tensors[AUXO_COPY_Y].strides[0] = 7;
    check_valid(copy);
    copy.tensors[AUXO_COPY_X].strides[0] = 0;
    check_valid(copy); // a repeated row is a fine source
}

TEST_CASE("check: fused narrow networks, their parameter layout and their flops", "[check]")
{
    Layout layout;
    const uint32_t widths[] = {4, 5, 3, 2};
    const auxo_activation activations[] = {AUXO_ACTIVATION_TANH, AUXO_ACTIVATION_TANH, AUXO_ACTIVATION_IDENTITY};
    const auxo_mlp mlp = {3, widths, activations, 0, true};
    CHECK(auxo_mlp_param_count(&mlp) == 25 + 18 + 8);
    CHECK(auxo_mlp_layer_offset(&mlp, 2) == 43);

    auxo_op op = make_op(AUXO_OP_MLP_GRADIENT, {layout.f32({10, 4}), layout.f32({10, 2}), layout.f32({51}),
                                                layout.f32({51}), layout.f32({2})});
    op.params.mlp.mlp = mlp;
    op.params.mlp.train_end = 3;
    check_valid(op);
    CHECK(auxo_op_flops(&op) == 2u * 10 * (20 + 15 + 6) * 2 + 2u * 10 * (15 + 6));
    auxo_op changed = op;
    changed.params.mlp.train_begin = 2;
    changed.params.mlp.train_end = 1;
    check_refused(changed, {"train_begin is 2", "train_end is 1"});
    changed = op;
    changed.params.mlp.train_end = 4;
    check_refused(changed, {"train_end is 4", "3 layers"});
    changed = op;
    changed.params.mlp.begin_layer = 1;
    check_refused(changed, {"begin_layer is 1", "train_begin is 0"});
    changed = op;
    changed.tensors[AUXO_MLP_GRADIENT_PARAMS] = layout.f32({50});
    changed.tensors[AUXO_MLP_GRADIENT_GRADS] = layout.f32({50});
    check_refused(changed, {"PARAMS dim 0 is 50", "51"});
    const uint32_t wide[] = {4, 65, 3, 2};
    changed = op;
    changed.params.mlp.mlp.widths = wide;
    check_refused(changed, {"widths[1] is 65", "64"});
}

TEST_CASE("cost: flops and least bytes of gemm, convolution and partial reads", "[check]")
{
    Layout layout;
    auxo_op gemm = make_gemm(layout, 4, 5, 6);
    CHECK(auxo_op_flops(&gemm) == 240);
    CHECK(auxo_op_bytes(&gemm) == 4 * (24 + 30 + 20));
    gemm.params.gemm.beta = 1;
    CHECK(auxo_op_bytes(&gemm) == 4 * (24 + 30 + 40));
    auxo_op conv = make_conv(layout);
    CHECK(auxo_op_flops(&conv) == 2u * 2 * 6 * 4 * 4 * 2 * 9);
    auxo_op gather = make_op(AUXO_OP_GATHER_BATCH,
                             {layout.tensor(AUXO_DTYPE_U8, {100, 1, 10}), layout.u32({100}), auxo_tensor_none(),
                              auxo_tensor_none(), auxo_tensor_none(), layout.f32({4, 1, 10})});
    CHECK(auxo_op_bytes(&gather) == 40 * 1 + 4 * 4 + 40 * 4);
}

TEST_CASE("window: output extents", "[check]")
{
    CHECK(auxo_window_output(28, 5, 1, 0, 1) == 24);
    CHECK(auxo_window_output(8, 3, 2, 1, 1) == 4);
    CHECK(auxo_window_output(7, 3, 1, 0, 3) == 1);
    CHECK(auxo_window_output(2, 3, 1, 0, 1) == 0);
    CHECK(auxo_window_output(8, 0, 1, 0, 1) == 0);
}
