// tests/data_test.cpp: data sets as such: the catalog, selecting, splitting, statistics, shuffles, generators.
#include "support/data_files.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <numeric>
#include <set>

using namespace auxo_test;

namespace
{

auxo_data_options generated(size_t count, uint64_t seed = 0)
{
    auxo_data_options options = {};
    options.generated_count = count;
    options.seed = seed;
    return options;
}

size_t row_bytes(const auxo_dataset &set)
{
    return size_t(set.channels * set.height * set.width) * (set.feature_type == AUXO_FEATURES_U8 ? 1 : 4);
}

// Whether the first rows of two sets hold the same features and targets.
void check_same_rows(const auxo_dataset &a, const auxo_dataset &b, size_t count)
{
    REQUIRE(a.row_count >= count);
    REQUIRE(b.row_count >= count);
    CHECK(std::memcmp(a.features, b.features, count * row_bytes(a)) == 0);
    if (a.labels)
        CHECK(std::equal(a.labels, a.labels + count, b.labels));
    if (a.targets)
        CHECK(std::equal(a.targets, a.targets + count * a.target_count, b.targets));
    if (a.times) {
        CHECK(std::equal(a.times, a.times + count, b.times));
        CHECK(std::equal(a.events, a.events + count, b.events));
    }
}

class Split
{
  public:
    Split(const auxo_dataset *set, double fraction, uint64_t seed, bool stratified)
    {
        REQUIRE_OK(auxo_dataset_split(set, fraction, seed, stratified, &part, &rest, error));
    }
    ~Split()
    {
        auxo_dataset_destroy(part);
        auxo_dataset_destroy(rest);
    }
    Split(const Split &) = delete;
    Split &operator=(const Split &) = delete;
    auxo_dataset *part = nullptr, *rest = nullptr;
    Error error;
};

} // namespace

TEST_CASE("every catalog entry is named once, described, and either generated or in a folder")
{
    size_t count = 0;
    const auxo_dataset_entry *entries = auxo_dataset_catalog(&count);
    std::set<std::string> names;
    REQUIRE(count >= 20);
    for (size_t i = 0; i < count; i++) {
        INFO(entries[i].name);
        CHECK(names.insert(entries[i].name).second);
        CHECK(std::strlen(entries[i].summary) > 0);
        CHECK(std::strlen(entries[i].licence) > 0);
        CHECK(entries[i].generated == (entries[i].folder == nullptr));
        CHECK(entries[i].generated == (std::strlen(entries[i].url) == 0));
    }
    CHECK(names.count("glyphs") == 1);
}

TEST_CASE("an unknown data set suggests the nearest name")
{
    LoadedData data;
    CHECK(data.load("fashon-mnist", {}) == AUXO_NOT_FOUND);
    check_message(data.error, "did you mean 'fashion-mnist'?");
    CHECK(data.load("no such thing at all", {}) == AUXO_NOT_FOUND);
    CHECK(data.error.text().find("did you mean") == std::string::npos);
}

TEST_CASE("a data set that is not there lists the folders searched")
{
    TempFolder folder;
    auxo_data_options options = {};
    options.data_dir = folder.path.c_str();
    LoadedData data;
    CHECK(data.load("cifar-10", options) == AUXO_NOT_FOUND);
    check_message(data.error, folder.path);
    check_message(data.error, "cifar-10");
    char path[512];
    Error error;
    CHECK(auxo_dataset_locate("mnist", &options, path, sizeof path, error) == AUXO_NOT_FOUND);
    write_file(folder.file("mnist/x"), "x");
    REQUIRE_OK(auxo_dataset_locate("mnist", &options, path, sizeof path, error));
    CHECK(path == folder.file("mnist"));
}

TEST_CASE("generated samples depend on the seed and their number only")
{
    for (const char *name : {"glyphs", "reactor", "puzzle15", "survival-sim", "survival-sim-nonlinear",
                             "survival-sim-sites", "glyphs-survival"}) {
        INFO(name);
        LoadedData few, many, limited, other;
        few.require(name, generated(50, 7));
        many.require(name, generated(200, 7));
        auxo_data_options with_limit = generated(200, 7);
        with_limit.limit = 30;
        limited.require(name, with_limit);
        other.require(name, generated(50, 8));
        CHECK(few.train->row_count == 50);
        CHECK(few.test->row_count == 10);
        CHECK(limited.train->row_count == 30);
        CHECK(limited.test->row_count == 30);
        CHECK(std::string(few.train->name) == name);
        check_same_rows(*few.train, *many.train, 50);
        check_same_rows(*limited.train, *many.train, 30);
        check_same_rows(*few.test, *many.test, 10);
        CHECK(std::memcmp(few.train->features, other.train->features, 50 * row_bytes(*few.train)) != 0);
        CHECK(std::memcmp(few.train->features, few.test->features, 10 * row_bytes(*few.train)) != 0);
    }
}

TEST_CASE("glyphs are ten digits of 28x28 with ink in the middle")
{
    LoadedData data;
    data.require("glyphs", generated(1000));
    const auxo_dataset &set = *data.train;
    CHECK(set.channels == 1);
    CHECK(set.height == 28);
    CHECK(set.width == 28);
    CHECK(set.class_count == 10);
    std::vector<int> counts(10);
    const auto *pixels = static_cast<const uint8_t *>(set.features);
    for (size_t row = 0; row < set.row_count; row++) {
        REQUIRE(set.labels[row] < 10);
        counts[set.labels[row]]++;
        const uint8_t *image = pixels + row * 784;
        CHECK(*std::max_element(image, image + 784) > 100);
    }
    CHECK(*std::min_element(counts.begin(), counts.end()) > 60);
}

TEST_CASE("the reactor's outputs follow the reaction within their noise")
{
    LoadedData data;
    data.require("reactor", generated(2000));
    const auto *x = static_cast<const float *>(data.train->features);
    double worst = 0;
    for (size_t i = 0; i < data.train->row_count; i++, x += 4) {
        double extent = 7.2e10 * std::exp(-8750.0 / x[2]) * x[1] / x[0];
        double outlet = x[3] * extent / (1 + extent);
        worst = std::max(worst, std::fabs(data.train->targets[2 * i] / outlet - 1));
        worst = std::max(worst, std::fabs(data.train->targets[2 * i + 1] / (outlet * x[0]) - 1));
    }
    CHECK(worst < 0.06); // 1 % noise, 4,000 draws
    CHECK(worst > 0.02);
}

namespace
{

// All boards within `depth` moves of the goal, with their distance.
std::map<std::string, int> boards_near_goal(int depth)
{
    std::string goal;
    for (char tile = 0; tile < 16; tile++)
        goal.push_back(tile);
    std::map<std::string, int> distances{{goal, 0}};
    std::vector<std::string> frontier{goal};
    for (int distance = 1; distance <= depth; distance++) {
        std::vector<std::string> next;
        for (const std::string &board : frontier) {
            int blank = int(board.find(char(0)));
            for (int step : {-4, 4, -1, 1}) {
                int from = blank + step;
                if (from < 0 || from > 15 || (step * step == 1 && from / 4 != blank / 4))
                    continue;
                std::string moved = board;
                std::swap(moved[size_t(blank)], moved[size_t(from)]);
                if (distances.emplace(moved, distance).second)
                    next.push_back(moved);
            }
        }
        frontier = next;
    }
    return distances;
}

} // namespace

TEST_CASE("puzzle15 distances equal those of a breadth-first search")
{
    const int depth = 14;
    std::map<std::string, int> near_goal = boards_near_goal(depth);
    LoadedData data;
    data.require("puzzle15", generated(600));
    const auto *x = static_cast<const float *>(data.train->features);
    size_t compared = 0;
    for (size_t row = 0; row < data.train->row_count; row++) {
        std::string board;
        for (size_t cell = 0; cell < 16; cell++) {
            const float *cells = x + row * 256 + cell * 16;
            REQUIRE(std::accumulate(cells, cells + 16, 0.0f) == 1.0f);
            board.push_back(char(std::find(cells, cells + 16, 1.0f) - cells));
        }
        int distance = int(data.train->targets[row]);
        auto found = near_goal.find(board);
        CHECK((found != near_goal.end()) == (distance <= depth));
        if (found != near_goal.end()) {
            CHECK(found->second == distance);
            compared++;
        }
    }
    CHECK(compared > 100);
}

TEST_CASE("puzzle15-80 has boards further away than the short walks reach, none beyond 80, exact near the goal")
{
    const int depth = 12;
    std::map<std::string, int> near_goal = boards_near_goal(depth);
    LoadedData data;
    data.require("puzzle15-80", generated(400));
    const auto *x = static_cast<const float *>(data.train->features);
    size_t far = 0, near = 0;
    for (size_t row = 0; row < data.train->row_count; row++) {
        std::string board;
        for (size_t cell = 0; cell < 16; cell++) {
            const float *cells = x + row * 256 + cell * 16;
            board.push_back(char(std::find(cells, cells + 16, 1.0f) - cells));
        }
        const int distance = int(data.train->targets[row]);
        CHECK(distance <= 80);
        far += distance > 46;
        auto found = near_goal.find(board);
        CHECK((found != near_goal.end()) == (distance <= depth));
        near += found != near_goal.end() && found->second == distance;
    }
    CHECK(far >= 2);
    CHECK(near > 20);
}

TEST_CASE("a stratified split keeps class proportions and every row once")
{
    LoadedData data;
    data.require("glyphs", generated(1000));
    Split split(data.train, 0.2, 3, true);
    CHECK(split.part->row_count + split.rest->row_count == 1000);
    for (uint32_t label = 0; label < 10; label++) {
        auto total = std::count(data.train->labels, data.train->labels + 1000, label);
        auto taken = std::count(split.part->labels, split.part->labels + split.part->row_count, label);
        CHECK(std::abs(double(taken) - 0.2 * double(total)) <= 0.5);
    }
    std::multiset<std::string> before, after;
    for (const auxo_dataset *set : {split.part, split.rest})
        for (size_t row = 0; row < set->row_count; row++)
            after.insert(std::string(static_cast<const char *>(set->features) + row * 784, 784));
    for (size_t row = 0; row < 1000; row++)
        before.insert(std::string(static_cast<const char *>(data.train->features) + row * 784, 784));
    CHECK(before == after);
    Split again(data.train, 0.2, 3, true), other(data.train, 0.2, 4, true);
    check_same_rows(*split.part, *again.part, split.part->row_count);
    CHECK(std::memcmp(split.part->features, other.part->features, 784 * 100) != 0);
}

TEST_CASE("a split keeps groups together")
{
    auxo_survival_simulation simulation = {};
    simulation.row_count = 999;
    simulation.column_count = 2;
    simulation.median_time = simulation.weibull_shape = simulation.site_scale = 1;
    simulation.site_count = 2;
    simulation.rows_per_group = 4;
    auxo_dataset *set = nullptr;
    Error error;
    REQUIRE_OK(auxo_survival_simulate(&simulation, &set, error));
    {
        Split split(set, 0.3, 1, true);
        CHECK(std::fabs(double(split.part->row_count) - 300) < 12);
        std::set<uint32_t> in_part(split.part->groups, split.part->groups + split.part->row_count);
        for (size_t i = 0; i < split.rest->row_count; i++)
            CHECK(in_part.count(split.rest->groups[i]) == 0);
        CHECK(split.part->sites != nullptr);
    }
    auxo_dataset_destroy(set);
}

TEST_CASE("splits at the edges: nothing, everything, and a bad fraction")
{
    LoadedData data;
    data.require("reactor", generated(10));
    CHECK(Split(data.train, 0, 0, false).part->row_count == 0);
    CHECK(Split(data.train, 1, 0, true).rest->row_count == 0);
    auxo_dataset *part = nullptr, *rest = nullptr;
    CHECK(auxo_dataset_split(data.train, 1.5, 0, false, &part, &rest, data.error) == AUXO_INVALID_ARGUMENT);
    CHECK(auxo_dataset_split(data.train, NAN, 0, false, &part, &rest, data.error) == AUXO_INVALID_ARGUMENT);
    uint32_t row = 10;
    CHECK(auxo_dataset_select(data.train, &row, 1, &part, data.error) == AUXO_INVALID_ARGUMENT);
    check_message(data.error, "row 10");
}

TEST_CASE("select copies rows in the order given, with names and targets")
{
    LoadedData data;
    data.require("reactor", generated(10));
    uint32_t rows[] = {9, 0, 9};
    auxo_dataset *selected = nullptr;
    Error &error = data.error;
    REQUIRE_OK(auxo_dataset_select(data.train, rows, 3, &selected, error));
    const auto *from = static_cast<const float *>(data.train->features);
    const auto *to = static_cast<const float *>(selected->features);
    for (size_t i = 0; i < 3; i++) {
        CHECK(std::equal(to + 4 * i, to + 4 * i + 4, from + 4 * rows[i]));
        CHECK(selected->targets[2 * i] == data.train->targets[2 * rows[i]]);
    }
    CHECK(std::string(selected->feature_names[2]) == "temperature_k");
    CHECK(std::string(selected->target_names[1]) == "productivity_mol_per_min");
    auxo_dataset_destroy(selected);
}

TEST_CASE("column statistics, a constant column keeps its scale")
{
    LoadedTable table;
    Error &error = table.error;
    REQUIRE_OK(table.read("t.csv", "a,b,y\n1,5,10\n2,5,20\n3,5,30\n"));
    const char *targets[] = {"y"};
    auxo_table_roles roles = {};
    roles.target_columns = targets;
    roles.target_column_count = 1;
    REQUIRE_OK(table.make(roles));
    float means[2], scales[2];
    REQUIRE(auxo_dataset_channel_stats(table.dataset, means, scales, nullptr) == AUXO_OK);
    CHECK(means[0] == 2);
    CHECK(scales[0] == Approx(1 / std::sqrt(2.0 / 3)));
    CHECK(means[1] == 5);
    CHECK(scales[1] == 1);
    REQUIRE(auxo_dataset_target_stats(table.dataset, means, scales, nullptr) == AUXO_OK);
    CHECK(means[0] == 20);
    CHECK(scales[0] == Approx(1 / std::sqrt(200.0 / 3)));
}

TEST_CASE("a shuffle is a seeded permutation, and all orders of three come equally often")
{
    std::vector<uint32_t> order(1000), again(1000), other(1000);
    auxo_shuffle(order.data(), 1000, 5, 0);
    auxo_shuffle(again.data(), 1000, 5, 0);
    auxo_shuffle(other.data(), 1000, 5, 1);
    CHECK(order == again);
    CHECK(order != other);
    std::sort(other.begin(), other.end());
    for (uint32_t i = 0; i < 1000; i++)
        CHECK(other[i] == i);
    std::map<std::vector<uint32_t>, int> counts;
    for (uint32_t stream = 0; stream < 6000; stream++) {
        std::vector<uint32_t> three(3);
        auxo_shuffle(three.data(), 3, 9, stream);
        counts[three]++;
    }
    CHECK(counts.size() == 6);
    for (const auto &entry : counts)
        CHECK(std::abs(entry.second - 1000) < 150); // 5 standard deviations
}
