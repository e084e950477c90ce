// tests/support/models.cpp: see models.hpp.
#include "support/models.hpp"

#include <cmath>
#include <cstring>
#include <random>

namespace auxo_test
{

Desc::Desc()
{
    auxo_model_desc_init(&desc);
}

Desc::Desc(const std::string &name, int64_t c, int64_t h, int64_t w, uint32_t outputs)
{
    Error error;
    REQUIRE_OK(auxo_model_desc_load(name.c_str(), c, h, w, outputs, &desc, error));
}

Desc::Desc(const std::string &json)
{
    Error error;
    REQUIRE_OK(auxo_model_desc_from_json(json.c_str(), &desc, error));
}

Desc::~Desc()
{
    auxo_model_desc_deinit(&desc);
}

uint32_t Desc::add(const auxo_layer &layer)
{
    uint32_t index = 0;
    Error error;
    REQUIRE_OK(auxo_model_desc_add(&desc, &layer, &index, error));
    return index;
}

uint32_t Desc::find(const std::string &name) const
{
    uint32_t index = auxo_model_desc_find(&desc, name.c_str());
    REQUIRE(index != UINT32_MAX);
    return index;
}

void Desc::finish()
{
    Error error;
    REQUIRE_OK(auxo_model_desc_finish(&desc, error));
}

Model::Model(Device &device, const auxo_model_desc &desc, uint64_t seed)
{
    Error error;
    REQUIRE_OK(auxo_model_create(device.device, &desc, seed, &model, error));
}

Model::~Model()
{
    auxo_model_destroy(model);
}

Model::operator auxo_model *() const
{
    return model;
}

std::vector<float> Model::weights() const
{
    Error error;
    std::vector<float> values(auxo_model_weight_count(model));
    REQUIRE_OK(auxo_model_read_weights(model, values.data(), nullptr, error));
    return values;
}

std::vector<float> Model::statistics() const
{
    Error error;
    std::vector<float> values(auxo_model_statistic_count(model));
    REQUIRE_OK(auxo_model_read_weights(model, nullptr, values.data(), error));
    return values;
}

void Model::set_weights(const std::vector<float> &values)
{
    Error error;
    REQUIRE(values.size() == auxo_model_weight_count(model));
    REQUIRE_OK(auxo_model_write_weights(model, values.data(), nullptr, error));
}

static uint64_t element_count(const auxo_tensor &tensor)
{
    return static_cast<uint64_t>(auxo_tensor_element_count(&tensor));
}

std::vector<float> Model::param(const std::string &name) const
{
    Error error;
    const auxo_param *found = auxo_model_find_param(model, name.c_str());
    REQUIRE(found);
    auxo_tensor tensor = auxo_model_param_tensor(model, found);
    std::vector<float> values(element_count(tensor));
    REQUIRE_OK(auxo_buffer_read(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, values.data(),
                                values.size() * sizeof(float), error));
    return values;
}

void Model::set_param(const std::string &name, const std::vector<float> &values)
{
    Error error;
    const auxo_param *found = auxo_model_find_param(model, name.c_str());
    REQUIRE(found);
    auxo_tensor tensor = auxo_model_param_tensor(model, found);
    REQUIRE(element_count(tensor) == values.size());
    REQUIRE_OK(auxo_buffer_write(auxo_model_queue(model), tensor.buffer, tensor.offset_bytes, values.data(),
                                 values.size() * sizeof(float), error));
}

static uint32_t last_layer(const auxo_model *model)
{
    return auxo_model_get_desc(model)->layer_count - 1;
}

// A buffer that holds `bytes`, on the model's device.
static auxo_buffer *upload(auxo_model *model, const void *data, size_t bytes)
{
    Error error;
    auxo_buffer *buffer = nullptr;
    REQUIRE_OK(auxo_buffer_create(auxo_model_device(model), bytes, &buffer, error));
    if (data && bytes)
        REQUIRE_OK(auxo_buffer_write(auxo_model_queue(model), buffer, 0, data, bytes, error));
    return buffer;
}

static auxo_plan *new_plan(auxo_model *model)
{
    Error error;
    auxo_plan *plan = nullptr;
    REQUIRE_OK(auxo_plan_create(auxo_model_device(model), &plan, error));
    return plan;
}

static void run_plan(auxo_model *model, auxo_plan *plan)
{
    Error error;
    auxo_plan_options options = {};
    REQUIRE_OK(auxo_plan_compile(plan, &options, error));
    REQUIRE_OK(auxo_plan_run(plan, auxo_model_queue(model), 1, error));
}

std::vector<float> Model::forward(const std::vector<float> &input, int64_t batch, bool training) const
{
    Error error;
    auxo_buffer *buffer = upload(model, input.data(), input.size() * sizeof(float));
    auxo_plan *plan = new_plan(model);
    auxo_forward forward = {};
    forward.training = training;
    forward.input = auxo_tensor_2d(buffer, 0, AUXO_DTYPE_F32, batch, static_cast<int64_t>(input.size()) / batch);
    auxo_activations *activations = auxo_model_add_forward(model, plan, &forward);
    REQUIRE_OK(auxo_plan_status(plan, error));
    auxo_tensor output = auxo_activations_output(activations, last_layer(model));
    auxo_activations_destroy(activations);
    if (!output.buffer)
        REQUIRE_OK(auxo_plan_keep(plan, &output, error));
    run_plan(model, plan);
    output = auxo_plan_resolve(plan, &output);
    std::vector<float> values(element_count(output));
    REQUIRE_OK(auxo_buffer_read(auxo_model_queue(model), output.buffer, output.offset_bytes, values.data(),
                                values.size() * sizeof(float), error));
    auxo_plan_destroy(plan);
    auxo_buffer_destroy(buffer);
    return values;
}

// Everything a plan of forward, cross-entropy and backward needs; `loss` is f32[2].
static auxo_status add_gradient_ops(auxo_model *model, auxo_plan *plan, const auxo_tensor &input,
                                    const auxo_tensor &labels, const auxo_tensor &loss, const bool *train,
                                    auxo_error *error)
{
    auxo_forward forward = {};
    forward.training = true;
    forward.need_backward = true;
    forward.input = input;
    auxo_activations *activations = auxo_model_add_forward(model, plan, &forward);
    if (!activations)
        return auxo_plan_status(plan, error);
    auxo_op op = {};
    op.kind = AUXO_OP_SOFTMAX_CROSS_ENTROPY;
    op.tensors[AUXO_XENT_LOGITS] = auxo_activations_output(activations, last_layer(model));
    op.tensors[AUXO_XENT_LABELS] = labels;
    op.tensors[AUXO_XENT_LOSS] = loss;
    op.tensors[AUXO_XENT_DLOGITS] = auxo_plan_temp(plan, AUXO_DTYPE_F32, 2, op.tensors[AUXO_XENT_LOGITS].dims);
    auxo_plan_add(plan, &op, "loss");
    auxo_model_add_backward(model, plan, activations, &op.tensors[AUXO_XENT_DLOGITS], train);
    auxo_activations_destroy(activations);
    return auxo_plan_status(plan, error);
}

Gradients cross_entropy_gradients(const Model &model, const std::vector<float> &input,
                                  const std::vector<uint32_t> &labels, const bool *train,
                                  const std::vector<float> *before)
{
    Error error;
    Gradients gradients;
    auxo_queue *queue = auxo_model_queue(model);
    int64_t batch = static_cast<int64_t>(labels.size());
    auxo_buffer *input_buffer = upload(model, input.data(), input.size() * sizeof(float));
    auxo_buffer *label_buffer = upload(model, labels.data(), labels.size() * sizeof(uint32_t));
    auxo_buffer *loss_buffer = upload(model, nullptr, 2 * sizeof(float));
    if (before)
        REQUIRE_OK(auxo_buffer_write(queue, auxo_model_gradients(model), 0, before->data(),
                                     before->size() * sizeof(float), error));
    auxo_plan *plan = new_plan(model);
    REQUIRE_OK(add_gradient_ops(
        model, plan, auxo_tensor_2d(input_buffer, 0, AUXO_DTYPE_F32, batch, static_cast<int64_t>(input.size()) / batch),
        auxo_tensor_1d(label_buffer, 0, AUXO_DTYPE_U32, batch), auxo_tensor_1d(loss_buffer, 0, AUXO_DTYPE_F32, 2),
        train, error));
    run_plan(model, plan);
    float loss[2];
    REQUIRE_OK(auxo_buffer_read(queue, loss_buffer, 0, loss, sizeof loss, error));
    gradients.loss = static_cast<double>(loss[0]) + static_cast<double>(loss[1]);
    gradients.values.resize(auxo_model_weight_count(model));
    REQUIRE_OK(auxo_buffer_read(queue, auxo_model_gradients(model), 0, gradients.values.data(),
                                gradients.values.size() * sizeof(float), error));
    gradients.op_count = auxo_plan_op_count(plan);
    auxo_plan_destroy(plan);
    auxo_buffer_destroy(input_buffer);
    auxo_buffer_destroy(label_buffer);
    auxo_buffer_destroy(loss_buffer);
    return gradients;
}

static void name_set(auxo_dataset &set, const char *name, size_t rows, int64_t c, int64_t h, int64_t w)
{
    std::snprintf(set.name, sizeof set.name, "%s", name);
    set.row_count = rows;
    set.channels = c;
    set.height = h;
    set.width = w;
}

Data Data::classes(size_t rows, int64_t c, int64_t h, int64_t w, uint32_t class_count, uint32_t seed, bool u8)
{
    Data data;
    size_t size = static_cast<size_t>(c * h * w);
    std::vector<float> centres = uniform(class_count * size, 0.1f, 0.9f, 77); // the same for every seed
    std::mt19937 random(seed);
    std::normal_distribution<float> noise(0.0f, 0.15f);
    name_set(data.set, "test classes", rows, c, h, w);
    data.labels = integers(rows, class_count, seed + 1);
    for (size_t n = 0; n < rows; n++)
        for (size_t i = 0; i < size; i++) {
            float value = centres[data.labels[n] * size + i] + noise(random);
            if (u8)
                data.bytes.push_back(static_cast<uint8_t>(std::lround(255 * std::min(1.0f, std::max(0.0f, value)))));
            else
                data.floats.push_back(value);
        }
    data.set.feature_type = u8 ? AUXO_FEATURES_U8 : AUXO_FEATURES_F32;
    data.set.target_type = AUXO_TARGET_CLASS;
    data.set.class_count = class_count;
    return data;
}

Data Data::real(size_t rows, int64_t columns, uint32_t targets, uint32_t seed)
{
    Data data;
    size_t width = static_cast<size_t>(columns);
    name_set(data.set, "test real", rows, columns, 1, 1);
    data.floats = uniform(rows * width, -2.0f, 3.0f, seed);
    for (size_t n = 0; n < rows; n++)
        for (uint32_t t = 0; t < targets; t++) {
            float sum = 0;
            for (size_t i = 0; i < width; i++)
                sum += data.floats[n * width + i] * std::sin(static_cast<float>(i + 1 + t));
            data.targets.push_back(10.0f + 4.0f * std::tanh(sum));
        }
    data.set.target_type = AUXO_TARGET_REAL;
    data.set.feature_type = AUXO_FEATURES_F32;
    data.set.target_count = targets;
    return data;
}

Data Data::survival(size_t rows, int64_t columns, uint32_t seed)
{
    Data data;
    size_t width = static_cast<size_t>(columns);
    name_set(data.set, "test survival", rows, columns, 1, 1);
    data.floats = uniform(rows * width, -1.0f, 1.0f, seed);
    std::vector<float> noise = uniform(rows, 0.001f, 1.0f, seed + 1);
    for (size_t n = 0; n < rows; n++) {
        data.targets.push_back(-std::log(noise[n]) * std::exp(-2.0f * data.floats[n * width]));
        data.labels.push_back(n % 3 != 0);
    }
    data.set.target_type = AUXO_TARGET_SURVIVAL;
    data.set.feature_type = AUXO_FEATURES_F32;
    return data;
}

const auxo_dataset *Data::get()
{
    set.features = bytes.empty() ? static_cast<void *>(floats.data()) : bytes.data();
    set.labels = set.target_type == AUXO_TARGET_CLASS ? labels.data() : nullptr;
    set.targets = set.target_type == AUXO_TARGET_REAL ? targets.data() : nullptr;
    times.assign(targets.begin(), targets.end());
    set.times = set.target_type == AUXO_TARGET_SURVIVAL ? times.data() : nullptr;
    set.events = set.target_type == AUXO_TARGET_SURVIVAL ? labels.data() : nullptr;
    return &set;
}

Trainer::Trainer(Model &model, const auxo_dataset *train, const auxo_dataset *validation,
                 const auxo_train_options &options)
{
    Error error;
    REQUIRE_OK(auxo_trainer_create(model, train, validation, &options, &trainer, error));
}

Trainer::~Trainer()
{
    auxo_trainer_destroy(trainer);
}

Trainer::operator auxo_trainer *() const
{
    return trainer;
}

auxo_epoch_metrics Trainer::epochs(uint32_t count)
{
    Error error;
    auxo_epoch_metrics metrics = {};
    for (uint32_t i = 0; i < count; i++) {
        bool finished = false;
        REQUIRE_OK(auxo_trainer_run(trainer, 0, &finished, &metrics, error));
        REQUIRE(finished);
    }
    return metrics;
}

void Trainer::steps(uint64_t count)
{
    Error error;
    uint64_t end = auxo_trainer_step(trainer) + count;
    while (auxo_trainer_step(trainer) < end) {
        bool finished = false;
        auxo_epoch_metrics metrics;
        REQUIRE_OK(auxo_trainer_run(trainer, end - auxo_trainer_step(trainer), &finished, &metrics, error));
    }
}

auxo_optimizer_config optimizer(const std::string &text)
{
    Error error;
    auxo_optimizer_config config;
    REQUIRE_OK(auxo_optimizer_config_parse(text.c_str(), &config, error));
    return config;
}

} // namespace auxo_test
