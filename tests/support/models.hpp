// tests/support/models.hpp: models and data sets for tests: owned, small, seeded; forward and gradient passes in one
// call.
#ifndef AUXO_TEST_MODELS_HPP
#define AUXO_TEST_MODELS_HPP

#include "auxo/train.h"
#include "support/support.hpp"

#include <string>
#include <vector>

namespace auxo_test
{

// An owned description.
class Desc
{
  public:
    Desc();
    explicit Desc(const std::string &name, int64_t c, int64_t h, int64_t w, uint32_t outputs);
    explicit Desc(const std::string &json);
    ~Desc();
    Desc(const Desc &) = delete;
    Desc &operator=(const Desc &) = delete;
    // Appends a layer and returns its index.
    uint32_t add(const auxo_layer &layer);
    uint32_t find(const std::string &name) const;
    void finish();
    auxo_model_desc desc;
};

// An owned model.
class Model
{
  public:
    Model(Device &device, const auxo_model_desc &desc, uint64_t seed = 1);
    ~Model();
    Model(const Model &) = delete;
    Model &operator=(const Model &) = delete;
    operator auxo_model *() const;
    std::vector<float> weights() const;
    std::vector<float> statistics() const;
    void set_weights(const std::vector<float> &weights);
    // Values of one parameter by name; `set` writes them.
    std::vector<float> param(const std::string &name) const;
    void set_param(const std::string &name, const std::vector<float> &values);
    // Outputs in inference mode (or training mode), (batch, outputs).
    std::vector<float> forward(const std::vector<float> &input, int64_t batch, bool training = false) const;

    auxo_model *model = nullptr;
};

// Loss and gradients of mean cross-entropy over one batch, in training mode.
struct Gradients {
    double loss = 0;
    std::vector<float> values; // flat, the model's layout
    size_t op_count = 0;
};
Gradients cross_entropy_gradients(const Model &model, const std::vector<float> &input,
                                  const std::vector<uint32_t> &labels, const bool *train = nullptr,
                                  const std::vector<float> *before = nullptr);

// A data set in host memory, owned by this object.
class Data
{
  public:
    // Class c lies around its own random image; noise on top. u8 or f32 features.
    static Data classes(size_t rows, int64_t c, int64_t h, int64_t w, uint32_t class_count, uint32_t seed,
                        bool u8 = false);
    // Real targets: smooth functions of the columns.
    static Data real(size_t rows, int64_t columns, uint32_t targets, uint32_t seed);
    // Survival times that shrink with the first column, a third censored.
    static Data survival(size_t rows, int64_t columns, uint32_t seed);
    const auxo_dataset *get();

  private:
    auxo_dataset set = {};
    std::vector<float> floats, targets;
    std::vector<double> times;
    std::vector<uint8_t> bytes;
    std::vector<uint32_t> labels;
};

// An owned trainer.
class Trainer
{
  public:
    Trainer(Model &model, const auxo_dataset *train, const auxo_dataset *validation, const auxo_train_options &options);
    ~Trainer();
    Trainer(const Trainer &) = delete;
    Trainer &operator=(const Trainer &) = delete;
    operator auxo_trainer *() const;
    // Runs whole epochs and returns the metrics of the last.
    auxo_epoch_metrics epochs(uint32_t count);
    // Runs exactly this many steps, across epochs.
    void steps(uint64_t count);

    auxo_trainer *trainer = nullptr;
};

auxo_optimizer_config optimizer(const std::string &text);

} // namespace auxo_test

#endif
