// tests/search_test.cpp: searches as a library: the grid's order, draws without repeats, the best over all epochs,
// interrupts, and going on from a saved state to the same numbers, on every backend.
#include "auxo/search.h"
#include "support/models.hpp"

#include <cmath>
#include <cstring>
#include <map>
#include <set>

using namespace auxo_test;

namespace
{

const auxo_search_method all_methods[] = {AUXO_SEARCH_RANDOM,    AUXO_SEARCH_GRID,    AUXO_SEARCH_GROWTH,
                                          AUXO_SEARCH_EVOLUTION, AUXO_SEARCH_GENETIC, AUXO_SEARCH_TPE};

// Small enough for every backend; two hidden layers.
struct Problem {
    Data train = Data::classes(60, 6, 1, 1, 3, 1), validation = Data::classes(30, 6, 1, 1, 3, 1);
    Desc desc{"mlp:6-4-4-3:selu", 6, 1, 1, 3};

    auxo_search_options options(auxo_search_method method) const
    {
        auxo_search_options options;
        auxo_search_options_init(method, &options);
        options.seed = 5;
        options.training.loss = AUXO_LOSS_CROSS_ENTROPY;
        options.training.optimizer = optimizer("adam");
        options.units = {3, 6};
        options.lr = {1e-3, 5e-2};
        options.batch = {8, 24};
        options.initial_units = 3;
        options.growth_minimum = 2;
        options.patience = 2;
        options.epoch_limit = 3;
        options.population = method == AUXO_SEARCH_GENETIC ? 5 : 3;
        options.newcomers = 1;
        options.keep = 3;
        options.generation_limit = 3;
        options.layer_limit = 2;
        options.search_lr = true;
        return options;
    }
};

// An owned search.
struct Search {
    Search(auxo_device *device, Problem &problem, const auxo_search_options &options)
    {
        Error error;
        REQUIRE_OK(auxo_search_create(device, &problem.desc.desc, problem.train.get(), problem.validation.get(),
                                      &options, &search, error));
    }
    ~Search()
    {
        auxo_search_destroy(search);
    }
    Search(const Search &) = delete;
    Search &operator=(const Search &) = delete;
    bool step()
    {
        Error error;
        bool done = false;
        REQUIRE_OK(auxo_search_step(search, &done, error));
        return done;
    }
    void steps(int count)
    {
        for (int i = 0; i < count && !step(); i++)
            ;
    }
    std::vector<auxo_search_record> records() const
    {
        size_t count;
        const auxo_search_record *first = auxo_search_records(search, &count);
        return {first, first + count};
    }
    std::vector<auxo_trace_point> trace() const
    {
        size_t count;
        const auxo_trace_point *first = auxo_search_trace(search, &count);
        return {first, first + count};
    }
    auxo_search *search = nullptr;
};

std::vector<float> weights_of(auxo_model *model)
{
    std::vector<float> weights(auxo_model_weight_count(model)), statistics(auxo_model_statistic_count(model) + 1);
    Error error;
    REQUIRE_OK(auxo_model_read_weights(model, weights.data(), statistics.data(), error));
    return weights;
}

auxo_model *copy_of(auxo_model *model)
{
    auxo_model *copy = nullptr;
    Error error;
    if (model)
        REQUIRE_OK(auxo_model_clone(model, &copy, error));
    return copy;
}

// The same state in a new search, as a process that was killed after the last step would find it.
void restore(const Search &from, Search &to)
{
    Error error;
    char *json = nullptr;
    REQUIRE_OK(auxo_search_describe(from.search, &json, error));
    std::vector<auxo_model *> models;
    std::vector<auxo_moments *> moments;
    for (size_t i = 0; i < auxo_search_model_count(from.search); i++) {
        models.push_back(copy_of(auxo_search_model(from.search, i)));
        moments.push_back(nullptr);
        if (auxo_search_moments(from.search, i))
            REQUIRE_OK(auxo_moments_clone(auxo_search_moments(from.search, i), models[i], &moments[i], error));
    }
    REQUIRE_OK(auxo_search_restore(to.search, json, copy_of(auxo_search_best(from.search)), models.data(),
                                   moments.data(), models.size(), error));
    free(json);
}

void check_same(const Search &a, const Search &b)
{
    auto left = a.records(), right = b.records();
    REQUIRE(left.size() == right.size());
    for (size_t i = 0; i < left.size(); i++) {
        CHECK(std::string(left[i].genome) == right[i].genome);
        CHECK(left[i].quality == right[i].quality);
        CHECK(left[i].loss == right[i].loss);
        CHECK(left[i].age == right[i].age);
        CHECK(left[i].generation == right[i].generation);
    }
    CHECK(a.trace().size() == b.trace().size());
    CHECK(weights_of(auxo_search_best(a.search)) == weights_of(auxo_search_best(b.search)));
}

} // namespace

TEST_CASE("grid: every new combination of a level once, in an order that depends on the seed")
{
    const uint64_t counts[] = {1, 8, 40, 176};
    std::vector<std::vector<double>> orders[2];
    for (uint64_t seed = 0; seed < 2; seed++) {
        auxo_grid grid = {2, 1, seed, 0};
        std::set<std::vector<double>> seen;
        for (uint32_t level = 1; level <= 4; level++) {
            CHECK(auxo_grid_new_count(2, level) == counts[level - 1]);
            for (uint64_t i = 0; i < counts[level - 1]; i++) {
                std::vector<double> values(2);
                REQUIRE(auxo_grid_next(&grid, values.data()));
                CHECK(grid.level == level);
                CHECK(seen.insert(values).second);
                for (double value : values) {
                    CHECK((value > 0 && value < 1));
                    CHECK(std::ldexp(value, (int)level) == std::floor(std::ldexp(value, (int)level)));
                }
                orders[seed].push_back(values);
            }
        }
    }
    CHECK(orders[0][0] == std::vector<double>{0.5, 0.5});
    CHECK(orders[0] != orders[1]);
    CHECK(std::set<std::vector<double>>(orders[0].begin(), orders[0].end()) ==
          std::set<std::vector<double>>(orders[1].begin(), orders[1].end()));
}

TEST_CASE("grid: many dimensions take no memory, none have one combination, and the end is told")
{
    CHECK(auxo_grid_new_count(8, 2) == 6560);
    CHECK(auxo_grid_new_count(48, 3) == 0); // more than can be numbered
    auxo_grid large = {8, 3, 1, 0};
    double values[48];
    std::set<std::vector<double>> seen;
    for (int i = 0; i < 1000; i++) {
        REQUIRE(auxo_grid_next(&large, values));
        CHECK(seen.insert(std::vector<double>(values, values + 8)).second);
    }
    auxo_grid none = {0, 1, 1, 0};
    CHECK(auxo_grid_next(&none, values));
    CHECK(!auxo_grid_next(&none, values));
    auxo_grid end = {48, 2, 1, UINT64_C(1) << 62};
    CHECK(!auxo_grid_next(&end, values));
}

TEST_CASE("traces and profiles: a step function, and the share of runs that reached a quality")
{
    const auxo_trace_point a[] = {{1, 1, 1, 0.2, 0.2}, {2, 2, 1, 0.1, 0.2}, {4, 3, 1, 0.6, 0.6}};
    const auxo_trace_point b[] = {{3, 1, 1, 0.4, 0.4}};
    CHECK(auxo_trace_best_at(a, 3, 0.5) == -INFINITY);
    CHECK(auxo_trace_best_at(a, 3, 1) == 0.2);
    CHECK(auxo_trace_best_at(a, 3, 3.9) == 0.2);
    CHECK(auxo_trace_best_at(a, 3, 100) == 0.6);
    CHECK(auxo_trace_best_at(a, 0, 1) == -INFINITY);
    const auxo_trace runs[] = {{a, 3}, {b, 1}};
    CHECK(auxo_profile_share(runs, 2, 1, 0.2) == 0.5);
    CHECK(auxo_profile_share(runs, 2, 3, 0.3) == 0.5);
    CHECK(auxo_profile_share(runs, 2, 4, 0.4) == 1);
    CHECK(auxo_profile_share(runs, 2, 4, 0.7) == 0);
}

TEST_CASE("pool: traces of models drawn from all runs, end to end; the last model of a run is none of them")
{
    // Models: 2 s to 0.3 by way of 0.2; 3 s to 0.5; the third of the first run and the only one of the second are cut
    // off.
    const auxo_trace_point a[] = {{1, 1, 1, 0.2, 0.2}, {2, 2, 1, 0.3, 0.3}, {5, 3, 2, 0.5, 0.5}, {6, 4, 3, 0.9, 0.9}};
    const auxo_trace_point b[] = {{1, 1, 1, 0.8, 0.8}};
    const auxo_trace runs[] = {{a, 4}, {b, 1}};
    Error error;
    std::set<double> first_bests;
    for (uint64_t number = 0; number < 20; number++) {
        auxo_trace_run run, again;
        REQUIRE_OK(auxo_trace_sample(runs, 2, 12, 3, number, &run, error));
        REQUIRE_OK(auxo_trace_sample(runs, 2, 12, 3, number, &again, error));
        REQUIRE(run.count == again.count);
        double best = -INFINITY, began = 0;
        for (size_t i = 0; i < run.count; i++) {
            const auxo_trace_point &point = run.points[i];
            CHECK(point.seconds == again.points[i].seconds);
            CHECK(point.seconds <= 12);
            best = std::fmax(best, point.quality);
            CHECK(point.best == best);
            if (point.quality == 0.2) {
                CHECK(point.seconds == began + 1);
            } else if (point.quality == 0.3) {
                CHECK(point.seconds == began + 2);
                began = point.seconds;
            } else {
                CHECK(point.quality == 0.5);
                CHECK(point.seconds == began + 3);
                began = point.seconds;
            }
        }
        first_bests.insert(run.points[0].quality);
        auxo_trace_run_deinit(&run);
        auxo_trace_run_deinit(&again);
    }
    CHECK(first_bests == std::set<double>{0.2, 0.5});
    auxo_trace_run none;
    CHECK(auxo_trace_sample(runs + 1, 1, 12, 3, 0, &none, error) == AUXO_INVALID_ARGUMENT);
    auxo_trace_run_deinit(&none);
}

TEST_CASE("evolution: age beyond the limit costs fitness, whatever the sign of the metric")
{
    auxo_search_options options;
    auxo_search_options_init(AUXO_SEARCH_EVOLUTION, &options);
    CHECK(auxo_search_aged_fitness(&options, 0.9, 10, false, 1) == 0.9);
    CHECK(auxo_search_aged_fitness(&options, 0.9, 12, false, 1) == Approx(0.9 / (1 + 0.005 * 1.8 * 1.8)));
    CHECK(auxo_search_aged_fitness(&options, -2, 10, true, 0.5) == -2);
    CHECK(auxo_search_aged_fitness(&options, -2, 12, true, 0.5) == Approx(-2 - 0.5 * 0.005 * 1.8 * 1.8));
    for (uint32_t age = 10; age < 40; age++)
        for (bool negative : {false, true})
            CHECK(auxo_search_aged_fitness(&options, negative ? -1 : 1, age + 1, negative, 0.1) <
                  auxo_search_aged_fitness(&options, negative ? -1 : 1, age, negative, 0.1));
}

TEST_CASE("growth: penalties fall by a factor, or in so many steps that reach the lowest")
{
    auxo_search_options options;
    auxo_search_options_init(AUXO_SEARCH_GROWTH, &options); // from 1e-3 to 3.2e-5
    CHECK(auxo_search_growth_alpha(&options, 0) == Approx(1e-3));
    CHECK(auxo_search_growth_alpha(&options, 1) == Approx(1e-4));
    CHECK(auxo_search_growth_alpha(&options, 2) == 0); // 1e-5 is below the limit
    options.alpha = {1e-5, 1e-2};
    options.alpha_steps = 4;
    const double expected[] = {1e-2, 1e-3, 1e-4, 1e-5, 0, 0};
    for (uint32_t stalls = 0; stalls < 6; stalls++)
        CHECK(auxo_search_growth_alpha(&options, stalls) == Approx(expected[stalls]));
    options.alpha_steps = 1;
    CHECK(auxo_search_growth_alpha(&options, 0) == 1e-5);
    CHECK(auxo_search_growth_alpha(&options, 1) == 0);
}

TEST_CASE("samples: a part of the rows, drawn for the search or for each model, and the same again under resume")
{
    for_each_device([](Device &device) {
        for (const bool each : {false, true}) {
            Problem problem;
            auxo_search_options options = problem.options(AUXO_SEARCH_RANDOM);
            options.sample = 0.5;
            options.sample_each = each;
            Search whole(device.device, problem, options), first(device.device, problem, options),
                second(device.device, problem, options);
            whole.steps(5);
            first.steps(2);
            restore(first, second);
            second.steps(3);
            check_same(whole, second);
            // Accuracies on 15 of the 30 rows.
            for (const auxo_search_record &record : whole.records())
                CHECK(record.quality * 15 == Approx(std::round(record.quality * 15)));
        }
        // The same models on other rows have other losses; a sample of all is none.
        Problem problem;
        auxo_search_options options = problem.options(AUXO_SEARCH_RANDOM), all = options;
        std::vector<std::vector<auxo_search_record>> records;
        for (const double part : {0.0, 1.0, 0.5, -0.5}) {
            options.sample = std::fabs(part);
            options.sample_each = part < 0;
            Search search(device.device, problem, options);
            search.steps(2);
            records.push_back(search.records());
        }
        CHECK(records[0][0].loss == records[1][0].loss);
        CHECK(records[0][0].loss != records[2][0].loss);
        CHECK(records[2][1].loss != records[3][1].loss);
        CHECK(std::string(records[0][1].genome) == records[3][1].genome);
        Error error;
        auxo_search *search = nullptr;
        for (const double wrong : {-0.1, 1.5, (double)NAN}) {
            all.sample = wrong;
            CHECK(auxo_search_create(device.device, &problem.desc.desc, problem.train.get(), problem.validation.get(),
                                     &all, &search, error) == AUXO_INVALID_ARGUMENT);
            CHECK(error.text().find("a part of the rows") != std::string::npos);
        }
    });
}

TEST_CASE("evolution: winners stay in copies, moments go on with their models, and genes have spreads of their own")
{
    for_each_device([](Device &device) {
        Problem problem;
        auxo_search_options options = problem.options(AUXO_SEARCH_EVOLUTION);
        options.tournament = 64; // the fittest of seven takes part in all but one of 19,000 tournaments
        options.gene_spread = {0.2, 0, 0};
        for (const bool distinct : {false, true}) {
            options.distinct_winners = distinct;
            Search search(device.device, problem, options);
            search.steps(2);
            REQUIRE(auxo_search_model_count(search.search) == 4); // three winners and the elite
            std::set<std::vector<float>> models;
            for (size_t i = 0; i < 3; i++)
                models.insert(weights_of(auxo_search_model(search.search, i)));
            CHECK(models.size() == (distinct ? 3 : 1));
            // Each went on with its moments: as many updates as it is epochs old, of 60 rows in batches of 24.
            for (size_t i = 0; i < 3; i++) {
                const auxo_moments *moments = auxo_search_moments(search.search, i);
                REQUIRE(moments);
                const uint64_t time = auxo_moments_time(moments);
                CHECK((time == 3 || time == 6));
            }
            // Only the learning rate mutates: batch 24 and the strongest alpha stay what newcomers have.
            std::set<std::string> rates;
            for (const auxo_search_record &record : search.records()) {
                const std::string genome = record.genome;
                CHECK(genome.find(" batch=24 alpha=0.001") != std::string::npos);
                rates.insert(genome.substr(0, genome.find(' ')));
            }
            CHECK(rates.size() > 2);
        }
        options.reset_state = true;
        Search without(device.device, problem, options);
        without.steps(1);
        CHECK(auxo_search_moments(without.search, 0) == nullptr);
    });
}

TEST_CASE("searches return the best model over all epochs, and what they return never gets worse")
{
    for_each_device([](Device &device) {
        for (auxo_search_method method : all_methods) {
            INFO("method " << method);
            Problem problem;
            auxo_search_options options = problem.options(method);
            Search search(device.device, problem, options);
            search.steps(3);
            double best = -INFINITY;
            for (const auxo_trace_point &point : search.trace()) {
                best = std::fmax(best, point.quality);
                CHECK(point.best == best);
            }
            const auxo_search_record *record = auxo_search_best_record(search.search);
            REQUIRE(record);
            CHECK(record->quality == best);
            // The model that is kept has that quality.
            auxo_model *model = auxo_search_best(search.search);
            CHECK(auxo_model_weight_count(model) == record->weights);
            std::vector<float> outputs(30 * 3);
            Error error;
            REQUIRE_OK(auxo_model_predict(model, problem.validation.get(), 30, false, outputs.data(), error));
            int right = 0;
            for (size_t i = 0; i < 30; i++) {
                const float *row = &outputs[3 * i];
                right += (uint32_t)(std::max_element(row, row + 3) - row) == problem.validation.get()->labels[i];
            }
            CHECK(right / 30.0 == Approx(best));
        }
    });
}

TEST_CASE("a search that goes on from its saved state gives the same numbers")
{
    for_each_device([](Device &device) {
        for (auxo_search_method method : all_methods)
            for (bool dynamic : {false, true}) {
                const bool only_dynamic = method == AUXO_SEARCH_GROWTH || method == AUXO_SEARCH_EVOLUTION;
                if ((dynamic && method == AUXO_SEARCH_GENETIC) || (!dynamic && only_dynamic))
                    continue;
                INFO("method " << method << " dynamic " << dynamic);
                Problem problem;
                auxo_search_options options = problem.options(method);
                options.dynamic = dynamic;
                const int before = 2, after = method == AUXO_SEARCH_GENETIC ? 7 : 1;
                Search whole(device.device, problem, options), first(device.device, problem, options),
                    second(device.device, problem, options);
                whole.steps(before + after);
                first.steps(before);
                restore(first, second);
                CHECK(auxo_search_step_count(second.search) == before);
                second.steps(after);
                check_same(whole, second);
            }
    });
}

TEST_CASE("an interrupt in the middle of a model leaves the best so far, and the state before it")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    for (auxo_search_method method : all_methods) {
        INFO("method " << method);
        Problem problem;
        struct Stop {
            volatile int flag = 0;
            int epochs = 0;
        } stop;
        auxo_search_options options = problem.options(method);
        options.training.stop = &stop.flag;
        options.user = &stop;
        options.on_epoch = [](void *user, const auxo_trace_point *) {
            Stop *s = static_cast<Stop *>(user);
            s->flag = ++s->epochs == 4;
        };
        Search search(device.device, problem, options);
        auxo_status status = AUXO_OK;
        bool done = false;
        Error error;
        while (status == AUXO_OK && !done)
            status = auxo_search_step(search.search, &done, error);
        CHECK(status == AUXO_INTERRUPTED);
        CHECK(search.trace().size() == 4);
        CHECK(auxo_search_best(search.search) != nullptr);
    }
}

TEST_CASE("searches end by time, by evaluations, by generations, and when nothing is left to try")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    auxo_search_options options = problem.options(AUXO_SEARCH_RANDOM);
    options.time_limit = 1e-9;
    Search timed(device.device, problem, options);
    CHECK(timed.step());
    CHECK(timed.records().empty());
    options = problem.options(AUXO_SEARCH_RANDOM);
    options.evaluation_limit = 2;
    Search counted(device.device, problem, options);
    CHECK(!counted.step());
    CHECK(counted.step());
    CHECK(counted.step()); // stays ended
    CHECK(counted.records().size() == 2);
    options = problem.options(AUXO_SEARCH_EVOLUTION);
    Search generations(device.device, problem, options);
    generations.steps(10);
    CHECK(generations.records().back().generation == 3);
    // Two batch sizes, all else fixed: two genomes.
    for (auxo_search_method method : {AUXO_SEARCH_RANDOM, AUXO_SEARCH_GRID, AUXO_SEARCH_GROWTH}) {
        options = problem.options(method);
        options.units = {4, 4};
        options.lr = {1e-2, 1e-2};
        options.alpha = {1e-4, 1e-4};
        options.batch = {8, 9};
        Search small(device.device, problem, options);
        small.steps(10);
        std::set<std::string> genomes;
        for (const auxo_search_record &record : small.records())
            CHECK(genomes.insert(record.genome).second);
        CHECK(genomes.size() == 2);
        CHECK(small.step());
    }
}

TEST_CASE("genetic tuning: a baseline without hidden layer, no genome twice, generations, a hall of fame in order")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    auxo_search_options options = problem.options(AUXO_SEARCH_GENETIC);
    options.hall_size = 4;
    Search search(device.device, problem, options);
    CHECK(auxo_search_baseline(search.search) == nullptr);
    search.steps(100);
    const auxo_search_record *baseline = auxo_search_baseline(search.search);
    REQUIRE(baseline);
    CHECK(std::string(baseline->genome) == "batch=128 layers=none");
    CHECK(baseline->weights == 6 * 3 + 3);
    std::set<std::string> genomes;
    std::map<uint32_t, int> per_generation;
    auto records = search.records();
    for (const auxo_search_record &record : records) {
        CHECK(genomes.insert(record.genome).second);
        per_generation[record.generation]++;
    }
    CHECK(per_generation.size() == 3);
    CHECK(per_generation[1] == 5);
    CHECK(per_generation[2] == 4); // the elite goes on unchanged
    size_t hall_count;
    const uint64_t *hall = auxo_search_hall(search.search, &hall_count);
    REQUIRE(hall_count == 4);
    for (const auxo_search_record &record : records)
        CHECK(record.quality <= records[hall[0] - 1].quality);
    for (size_t i = 1; i < hall_count; i++)
        CHECK(records[hall[i - 1] - 1].quality >= records[hall[i] - 1].quality);
}

TEST_CASE("genetic tuning: every network gets one more layer where that is certain, up to the limit")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    auxo_search_options options = problem.options(AUXO_SEARCH_GENETIC);
    options.layer_limit = 3;
    options.epoch_limit = 1;
    auto shallow = [&](double probability) {
        options.layer_addition = probability;
        Search search(device.device, problem, options);
        search.steps(100);
        size_t count = 0;
        for (const auxo_search_record &record : search.records()) {
            const std::string layers = std::string(record.genome).substr(std::string(record.genome).find("layers="));
            const auto commas = std::count(layers.begin(), layers.end(), ',');
            CHECK(commas < 3);
            count += commas == 0;
        }
        return count;
    };
    CHECK(shallow(1) == 0); // one layer at least is drawn, one is added
    CHECK(shallow(0) > 0);
}

TEST_CASE("genetic tuning ends so many generations after its best network, any search at its target")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    auxo_search_options options = problem.options(AUXO_SEARCH_GENETIC);
    options.generation_limit = 60;
    options.plateau_limit = 2;
    options.epoch_limit = 1;
    {
        Search search(device.device, problem, options);
        search.steps(2000);
        uint32_t best = 0, last = 0;
        double quality = -INFINITY, loss = INFINITY;
        for (const auxo_search_record &record : search.records()) {
            last = record.generation;
            if (record.quality > quality || (record.quality == quality && record.loss < loss)) {
                best = record.generation;
                quality = record.quality;
                loss = record.loss;
            }
        }
        CHECK(last == best + 2);
        CHECK(last < 60);
        options.target = quality;
    }
    options.plateau_limit = 0;
    Search search(device.device, problem, options);
    search.steps(2000);
    auto records = search.records();
    CHECK(records.back().quality >= options.target);
    for (size_t i = 0; i + 1 < records.size(); i++)
        CHECK(records[i].quality < options.target);
}

TEST_CASE("a model whose loss is not finite is a bad model, not the end of the search")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    auxo_search_options options = problem.options(AUXO_SEARCH_RANDOM);
    options.training.optimizer = optimizer("sgd:lr=0.1");
    options.lr = {1, 900};
    options.alpha = {0, 0};
    options.seed = 2;
    Search search(device.device, problem, options);
    search.steps(8);
    auto records = search.records();
    CHECK(records.size() == 8);
    int failed = 0;
    for (const auxo_trace_point &point : search.trace())
        failed += !std::isfinite(point.quality);
    INFO("failed epochs " << failed);
    CHECK(search.trace().back().best >= records[0].quality);
}

TEST_CASE("searches refuse options and networks that do not fit")
{
    Runtime runtime;
    Device device(runtime, "cpu");
    Problem problem;
    Desc flat{"mlp:6-3", 6, 1, 1, 3};
    auto fails = [&](const auxo_search_options &options, const Desc &desc, const char *part) {
        auxo_search *search = nullptr;
        Error error;
        CHECK(auxo_search_create(device.device, &desc.desc, problem.train.get(), problem.validation.get(), &options,
                                 &search, error) == AUXO_INVALID_ARGUMENT);
        INFO(error.text());
        CHECK(error.text().find(part) != std::string::npos);
    };
    auxo_search_options options = problem.options(AUXO_SEARCH_RANDOM);
    fails(options, flat, "no hidden layer");
    options.units = {6, 3};
    fails(options, problem.desc, "the lower end first");
    options = problem.options(AUXO_SEARCH_EVOLUTION);
    options.dynamic = false;
    fails(options, problem.desc, "size themselves");
    options = problem.options(AUXO_SEARCH_EVOLUTION);
    options.training.schedule.warmup_epochs = 1;
    fails(options, problem.desc, "without a schedule");
    options = problem.options(AUXO_SEARCH_GENETIC);
    options.keep = 6;
    fails(options, problem.desc, "keeps at least 2");
    options = problem.options(AUXO_SEARCH_GENETIC);
    auxo_search *search = nullptr;
    Error error;
    CHECK(auxo_search_create(device.device, &flat.desc, problem.train.get(), nullptr, &options, &search, error) ==
          AUXO_INVALID_ARGUMENT);
}
