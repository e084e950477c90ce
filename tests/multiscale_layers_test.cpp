// tests/multiscale_layers_test.cpp: multi-scale training of wide and convolutional models through their layers: the
// same derivatives by every way, theta on outputs, batch norm and dropout; and the range of the tanh that all of it
// rests on.
#include "support/multiscale.hpp"

using namespace auxo_test;

TEST_CASE("layer engine agrees with the fused one and trains convolutions")
{
    for_each_device([](Device &device) {
        // Wider than the fused limit: same numbers expected of central differences.
        Network wide(device.device, {3, 70, 2}, AUXO_ACTIVATION_TANH, true, 4);
        Rows rows(1500, 3, 2, 5); // more than one batch
        auxo_multiscale_options options = defaults();
        options.epochs = 3;
        Multiscale multiscale(wide.model, rows.set, options);
        CHECK(std::string(auxo_multiscale_engine(multiscale.ms)) == "layers");
        std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
        std::vector<double> central = multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
        for (size_t i = 0; i < exact.size(); i++)
            CHECK(std::fabs(exact[i] - central[i]) <= 5e-3 * largest(exact));
        auxo_multiscale_iteration iteration;
        Error error;
        double before, after, none;
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &before, &none, error));
        for (int i = 0; i < 3; i++)
            REQUIRE_OK(auxo_multiscale_iterate(multiscale.ms, &iteration, error));
        REQUIRE_OK(auxo_multiscale_evaluate(multiscale.ms, &after, &none, error));
        CHECK(after < before);

        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_load("lenet5", 1, 28, 28, 10, &desc, error));
        auxo_model *model = nullptr;
        REQUIRE_OK(auxo_model_create(device.device, &desc, 1, &model, error));
        auxo_model_desc_deinit(&desc);
        auxo_data_options data_options{};
        data_options.generated_count = 64;
        auxo_dataset *train = nullptr, *test = nullptr;
        REQUIRE_OK(auxo_dataset_load("glyphs", &data_options, &train, &test, error));
        options.greedy = true;
        options.epochs = 2;
        {
            Multiscale images(model, *train, options);
            std::vector<double> s = images.first(AUXO_DIFFERENCE_EXACT, 0);
            std::vector<double> d = images.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
            for (size_t i = 0; i < s.size(); i++)
                CHECK(std::fabs(s[i] - d[i]) <= 0.02 * largest(s));
            REQUIRE_OK(auxo_multiscale_evaluate(images.ms, &before, &none, error));
            REQUIRE_OK(auxo_multiscale_iterate(images.ms, &iteration, error));
            REQUIRE_OK(auxo_multiscale_evaluate(images.ms, &after, &none, error));
            CHECK(after < before);
        }
        auxo_dataset_destroy(train);
        auxo_dataset_destroy(test);
        auxo_model_destroy(model);
    });
}

namespace
{

// A small convolutional model with batch norm and dropout: conv-bn-relu, pool, dropout, dense.
auxo_model *normalised_model(auxo_device *device)
{
    const char *text = R"({"name":"small","layers":[
        {"name":"image","kind":"input","shape":[2,6,6]},
        {"name":"conv","kind":"conv2d","inputs":["image"],"units":4,"kernel":[3,3],"pad":[1,1],"bias":true},
        {"name":"norm","kind":"batch_norm","inputs":["conv"],"activation":"tanh"},
        {"name":"pool","kind":"pool2d","inputs":["norm"],"pool":"max","kernel":[2,2],"stride":[2,2]},
        {"name":"drop","kind":"dropout","inputs":["pool"],"rate":0.5},
        {"name":"flat","kind":"flatten","inputs":["drop"]},
        {"name":"dense","kind":"dense","inputs":["flat"],"units":3,"activation":"tanh","bias":true},
        {"name":"out","kind":"dense","inputs":["dense"],"units":1,"bias":true}]})";
    Error error;
    auxo_model_desc desc;
    auxo_model_desc_init(&desc);
    REQUIRE_OK(auxo_model_desc_from_json(text, &desc, error));
    auxo_model *model = nullptr;
    REQUIRE_OK(auxo_model_create(device, &desc, 5, &model, error));
    auxo_model_desc_deinit(&desc);
    return model;
}

} // namespace

TEST_CASE("theta on outputs, batch norm and dropout in the layer engine")
{
    for_each_device([](Device &device) {
        Error error;
        Rows images(70, 2 * 6 * 6, 1, 8);
        images.set.channels = 2;
        images.set.height = images.set.width = 6;
        auxo_model *model = normalised_model(device.device);
        // Running statistics and an affine part that are not the initial ones.
        std::vector<float> weights(auxo_model_weight_count(model)), statistics = {.1f, -.2f, .3f, 0, .5f, 2, 1, .7f};
        REQUIRE_OK(auxo_model_read_weights(model, weights.data(), nullptr, error));
        for (size_t i = 0; i < weights.size(); i++)
            weights[i] += 0.05f * (float)(i % 5) - 0.1f;
        REQUIRE_OK(auxo_model_write_weights(model, weights.data(), statistics.data(), error));
        uint64_t norm_offset, norm_count;
        auxo_model_layer_range(model, 2, &norm_offset, &norm_count);
        REQUIRE(norm_count == 8);
        auxo_multiscale_options options = defaults();
        options.split_units = true;
        options.epochs = 2;
        for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
            options.theta_on = placement;
            Multiscale multiscale(model, images.set, options);
            REQUIRE(std::string(auxo_multiscale_engine(multiscale.ms)) == "layers");
            std::vector<double> exact = multiscale.first(AUXO_DIFFERENCE_EXACT, 0);
            std::vector<double> central = multiscale.first(AUXO_DIFFERENCE_CENTRAL, 1e-2);
            REQUIRE(exact.size() == 2 * (4 + 3 + 1) - 1);
            for (size_t i = 0; i < exact.size(); i++) {
                INFO("placement " << placement << " node " << i);
                CHECK(std::fabs(exact[i] - central[i]) <= 5e-3 * largest(exact));
            }
            std::vector<double> second(exact), second_fd(exact), own(exact), own_fd(exact);
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_EXACT, 0, second.data(), own.data(),
                                                    nullptr, error));
            REQUIRE_OK(auxo_multiscale_second_order(multiscale.ms, AUXO_DIFFERENCE_CENTRAL, 0.05, second_fd.data(),
                                                    own_fd.data(), nullptr, error));
            for (size_t i = 1; i < exact.size(); i++) {
                INFO("placement " << placement << " node " << i);
                CHECK(std::fabs(second[i] - second_fd[i]) <= 0.03 * largest({second.begin() + 1, second.end()}));
            }
            // Batch norm is frozen whatever is trained, also in a block of all layers.
            auxo_multiscale_iteration iteration;
            REQUIRE_OK(auxo_multiscale_train_layers(multiscale.ms, 0, 3, &iteration, error));
            std::vector<float> after(weights.size()), statistics_after(statistics.size());
            REQUIRE_OK(auxo_model_read_weights(model, after.data(), statistics_after.data(), error));
            CHECK(statistics_after == statistics);
            size_t changed = 0;
            for (size_t i = 0; i < after.size(); i++)
                if (i >= norm_offset && i < norm_offset + norm_count)
                    CHECK(after[i] == weights[i]);
                else
                    changed += after[i] != weights[i];
            CHECK(changed > weights.size() / 2);
            REQUIRE_OK(auxo_model_write_weights(model, weights.data(), statistics.data(), error));
        }
        auxo_model_destroy(model);
    });
}

TEST_CASE("theta on outputs of wide networks equals the closed form of the last layer")
{
    // The last layer is linear without bias: scaling its single output by theta gives L = mean (theta y - t)^2.
    for_each_device([](Device &device) {
        Network network(device.device, {2, 70, 1}, AUXO_ACTIVATION_TANH, false, 4);
        Rows rows(50, 2, 1, 5);
        auxo_multiscale_options options = defaults();
        options.theta_on = AUXO_THETA_ON_OUTPUTS;
        options.standardize = false;
        Multiscale multiscale(network.model, rows.set, options);
        std::vector<float> w = network.weights();
        double expected = 0;
        for (size_t r = 0; r < 50; r++) {
            double y = 0;
            for (size_t u = 0; u < 70; u++)
                y += (double)w[140 + u] *
                     std::tanh((double)w[2 * u] * rows.x[2 * r] + (double)w[2 * u + 1] * rows.x[2 * r + 1]);
            expected += 2 * y * (y - rows.y[r]) / 50;
        }
        CHECK(multiscale.first(AUXO_DIFFERENCE_EXACT, 0)[2] == Approx(expected).epsilon(1e-4));
    });
}

TEST_CASE("tanh keeps to a few units in the last place up to saturation")
{
    for_each_device([](Device &device) {
        std::vector<float> x, expected;
        for (int i = -12000; i <= 12000; i++)
            x.push_back((float)i * 1e-3f);
        for (float tiny : {1e-30f, 1e-9f, 1e-5f, 30.0f, 1e30f})
            x.push_back(tiny);
        for (float value : x)
            expected.push_back((float)std::tanh((double)value));
        auxo_op op = {};
        op.kind = AUXO_OP_ACTIVATION_FORWARD;
        op.params.activation.activation = AUXO_ACTIVATION_TANH;
        op.tensors[AUXO_ACTIVATION_X] = device.f32(x, {(int64_t)x.size()});
        op.tensors[AUXO_ACTIVATION_Y] = device.empty(AUXO_DTYPE_F32, {(int64_t)x.size()});
        device.run(op);
        check_close(device.download_f32(op.tensors[AUXO_ACTIVATION_Y]), expected, 6e-7, 0);
    });
}

TEST_CASE("second derivatives of the layer engine beside the Hessian-vector products of the fused one")
{
    for_each_device([](Device &device) {
        Error error;
        Rows rows(1000, 4, 2, 9);
        Network fused(device.device, {4, 5, 5, 5, 5, 5, 2}, AUXO_ACTIVATION_TANH, true, 3);
        // The same network as a model that is no plain chain of dense layers: dropout is off, but there.
        std::string text = R"({"name":"chain","layers":[{"name":"input","kind":"input","shape":[4,1,1]})";
        std::string before = "input";
        for (int l = 1; l <= 6; l++) {
            std::string name = "dense" + std::to_string(l), units = l < 6 ? "5" : "2";
            text += R"(,{"name":")" + name + R"(","kind":"dense","inputs":[")" + before + R"("],"units":)" + units +
                    (l < 6 ? R"(,"activation":"tanh")" : "") + R"(,"bias":true})";
            before = name;
            if (l == 3) {
                text += R"(,{"name":"drop","kind":"dropout","inputs":["dense3"],"rate":0.5})";
                before = "drop";
            }
        }
        auxo_model_desc desc;
        auxo_model_desc_init(&desc);
        REQUIRE_OK(auxo_model_desc_from_json((text + "]}").c_str(), &desc, error));
        auxo_model *model = nullptr;
        REQUIRE_OK(auxo_model_create(device.device, &desc, 3, &model, error));
        auxo_model_desc_deinit(&desc);
        REQUIRE_OK(auxo_model_write_weights(model, fused.weights().data(), nullptr, error));
        for (auxo_theta_placement placement : {AUXO_THETA_ON_WEIGHTS, AUXO_THETA_ON_OUTPUTS}) {
            auxo_multiscale_options options = defaults();
            options.theta_on = placement;
            Multiscale products(fused.model, rows.set, options), differences(model, rows.set, options);
            REQUIRE(std::string(auxo_multiscale_engine(products.ms)) == "fused");
            REQUIRE(std::string(auxo_multiscale_engine(differences.ms)) == "layers");
            const size_t nodes = products.node_count();
            std::vector<double> own(nodes), mixed(nodes), mean(nodes), own_by(nodes), mixed_by(nodes), mean_by(nodes);
            REQUIRE_OK(auxo_multiscale_second_order(products.ms, AUXO_DIFFERENCE_EXACT, 0, mean.data(), own.data(),
                                                    mixed.data(), error));
            REQUIRE_OK(auxo_multiscale_second_order(differences.ms, AUXO_DIFFERENCE_EXACT, 0, mean_by.data(),
                                                    own_by.data(), mixed_by.data(), error));
            double scale = 0, mean_scale = 0;
            for (size_t i = 1; i < nodes; i++) {
                scale = std::max({scale, std::fabs(own[i]), std::fabs(mixed[i])});
                mean_scale = std::max(mean_scale, std::fabs(mean[i]));
            }
            for (size_t i = 1; i < nodes; i++) {
                INFO("placement " << placement << " node " << i << " own " << own_by[i] << " of " << own[i]);
                CHECK(std::fabs(own_by[i] - own[i]) <= 1e-3 * scale);
                CHECK(std::fabs(mixed_by[i] - mixed[i]) <= 1e-3 * scale);
                CHECK(std::fabs(mean_by[i] - mean[i]) <= 1e-3 * mean_scale);
            }
        }
        auxo_model_destroy(model);
    });
}
