// tests/support/adapt.hpp: a controller in a test, options for small networks, and what a step depends on.
#ifndef AUXO_TEST_ADAPT_HPP
#define AUXO_TEST_ADAPT_HPP

#include "auxo/adapt.h"
#include "support/data_files.hpp"
#include "support/models.hpp"

#include <cstring>

namespace auxo_test
{

inline void keep_loss(void *user, const auxo_step_metrics *metrics)
{
    static_cast<std::vector<double> *>(user)->push_back(metrics->loss);
}

// A controller, and the losses of all steps that its trainer makes.
class Adapt
{
  public:
    Adapt(auxo_model *of, const LoadedData &data, auxo_adapt_options options) : model(of)
    {
        options.training.on_step = keep_loss;
        options.training.on_step_user = &losses;
        options.training.log_every = 1;
        status = auxo_adapt_create(of, data.train, data.test, &options, &adapt, error);
    }
    ~Adapt()
    {
        auxo_adapt_destroy(adapt);
    }
    Adapt(const Adapt &) = delete;
    Adapt &operator=(const Adapt &) = delete;
    auxo_adapt_record next()
    {
        auxo_adapt_record record;
        REQUIRE_OK(auxo_adapt_next(adapt, &record, error));
        return record;
    }
    bool apply(auxo_adapt_move move, uint32_t choice = 0)
    {
        bool possible = false;
        REQUIRE_OK(auxo_adapt_apply(adapt, move, choice, &possible, error));
        return possible;
    }
    void undo()
    {
        REQUIRE_OK(auxo_adapt_undo(adapt, error));
    }
    // Trains so many steps and returns their losses.
    std::vector<double> train(int count)
    {
        losses.clear();
        for (bool finished; losses.size() < static_cast<size_t>(count);) {
            auxo_epoch_metrics metrics;
            REQUIRE_OK(auxo_trainer_run(auxo_adapt_trainer(adapt), count - losses.size(), &finished, &metrics, error));
        }
        return losses;
    }
    // All that a step depends on: weights, statistics, optimiser states.
    std::vector<float> state()
    {
        const size_t weights = auxo_model_weight_count(model), statistics = auxo_model_statistic_count(model);
        const auxo_carried_state carried =
            auxo_optimizer_carried_state(auxo_trainer_optimizer(auxo_adapt_trainer(adapt)));
        std::vector<float> all(weights + statistics + carried.count * weights);
        REQUIRE_OK(auxo_model_read_weights(model, all.data(), all.data() + weights, error));
        for (size_t i = 0; i < carried.count; i++)
            REQUIRE_OK(auxo_buffer_read(auxo_model_queue(model), carried.buffers[i], 0,
                                        all.data() + weights + statistics + i * weights, weights * sizeof(float),
                                        error));
        return all;
    }
    Error error;
    auxo_model *model;
    auxo_adapt *adapt = nullptr;
    auxo_status status;
    std::vector<double> losses;
};

inline auxo_adapt_options small_options(const char *optimizer = "adam:lr=0.01")
{
    auxo_adapt_options options;
    auxo_adapt_options_init(&options);
    options.training.batch = 16;
    options.cycle_steps = 2;
    options.measure_batches = 4;
    options.measure_rows = 8;
    options.seed = 7;
    options.training.seed = 7;
    Error error;
    REQUIRE_OK(auxo_optimizer_config_parse(optimizer, &options.training.optimizer, error));
    return options;
}

inline bool same_bits(const std::vector<float> &a, const std::vector<float> &b)
{
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

} // namespace auxo_test

#endif
