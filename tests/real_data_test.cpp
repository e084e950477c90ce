// tests/real_data_test.cpp: the real data sets under AUXO_DATA_DIR: their counts, classes and known statistics.
// Each test skips, with a warning, what is not there.
#include "support/data_files.hpp"

#include <algorithm>
#include <numeric>

using namespace auxo_test;

namespace
{

// Loads a real set; false, with a warning, when its folder is not there.
bool load_real(LoadedData &data, const char *name, const auxo_data_options &options = {})
{
    if (real_data_dir().empty())
        return false;
    char path[4096];
    Error error;
    if (auxo_dataset_locate(name, &options, path, sizeof path, error) != AUXO_OK) {
        WARN("skipped: " + error.text());
        return false;
    }
    data.require(name, options);
    return true;
}

double mean_pixel(const auxo_dataset &set)
{
    size_t count = set.row_count * size_t(set.channels * set.height * set.width);
    const auto *pixels = static_cast<const uint8_t *>(set.features);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += pixels[i];
    return double(sum) / double(count);
}

std::vector<long> label_counts(const auxo_dataset &set)
{
    std::vector<long> counts(set.class_count);
    for (size_t i = 0; i < set.row_count; i++)
        counts[set.labels[i]]++;
    return counts;
}

size_t event_count(const auxo_dataset &set)
{
    return std::accumulate(set.events, set.events + set.row_count, size_t(0));
}

using Counts = std::vector<long>;

} // namespace

TEST_CASE("Fashion-MNIST: counts and mean pixels")
{
    LoadedData data;
    if (!load_real(data, "fashion-mnist"))
        return;
    CHECK(data.train->row_count == 60000);
    CHECK(data.test->row_count == 10000);
    CHECK(mean_pixel(*data.train) == Approx(72.9404).margin(1e-4));
    CHECK(mean_pixel(*data.test) == Approx(73.1466).margin(1e-4));
    CHECK(label_counts(*data.train) == Counts(10, 6000));
    CHECK(label_counts(*data.test) == Counts(10, 1000));
}

TEST_CASE("MNIST: counts and mean pixels")
{
    LoadedData data;
    if (!load_real(data, "mnist"))
        return;
    CHECK(mean_pixel(*data.train) == Approx(33.3184).margin(1e-4));
    CHECK(mean_pixel(*data.test) == Approx(33.7912).margin(1e-4));
    CHECK(label_counts(*data.train) == Counts{5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949});
    CHECK(label_counts(*data.test) == Counts{980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009});
}

TEST_CASE("CIFAR-10: counts of the first batch and of the test batch")
{
    auxo_data_options options = {};
    options.limit = 10000; // reads one training batch
    options.allow_missing_files = true;
    LoadedData data;
    if (!load_real(data, "cifar-10", options))
        return;
    CHECK(label_counts(*data.test) == Counts(10, 1000));
    if (std::string(data.train->note).find("data_batch_1") == std::string::npos)
        CHECK(label_counts(*data.train) == Counts{1005, 974, 1032, 1016, 999, 937, 1030, 1001, 1025, 981});
}

TEST_CASE("combined cycle power plant: rows, columns, means")
{
    LoadedData data;
    if (!load_real(data, "ccpp"))
        return;
    CHECK(data.train->row_count == 9568);
    REQUIRE(data.train->channels == 4);
    float means[4], scales[4];
    REQUIRE(auxo_dataset_channel_stats(data.train, means, scales, nullptr) == AUXO_OK);
    CHECK(means[0] == Approx(19.651231));
    CHECK(means[3] == Approx(73.308978));
    REQUIRE(auxo_dataset_target_stats(data.train, means, scales, nullptr) == AUXO_OK);
    CHECK(means[0] == Approx(454.365009));
    CHECK(std::string(data.train->target_names[0]) == "PE");
}

TEST_CASE("appliances energy: rows, columns, mean")
{
    LoadedData data;
    if (!load_real(data, "aep"))
        return;
    CHECK(data.train->row_count == 19735);
    CHECK(data.train->channels == 24);
    REQUIRE(data.train->target_count == 2);
    float means[2], scales[2];
    REQUIRE(auxo_dataset_target_stats(data.train, means, scales, nullptr) == AUXO_OK);
    CHECK(means[0] == Approx(97.695).margin(1e-3));
}

TEST_CASE("temperature forecast: complete rows only, and it says so")
{
    LoadedData data;
    if (!load_real(data, "tf"))
        return;
    CHECK(data.train->row_count == 7588);
    CHECK(data.train->channels == 21);
    CHECK(data.train->target_count == 2);
    CHECK(std::string(data.train->note) ==
          "162 of 7750 rows dropped for missing values; 2 rows without station dropped at the end");
}

TEST_CASE("survival tables: rows and events of train and test")
{
    struct Known {
        const char *name;
        size_t train, train_events, test, test_events;
        int64_t columns;
    };
    for (const Known &known :
         {Known{"metabric", 1523, 887, 381, 216, 9}, Known{"support", 7098, 4823, 1775, 1213, 14},
          Known{"gbsg", 1546, 968, 686, 299, 7}, Known{"whas", 1310, 552, 328, 138, 6},
          Known{"gbsg2", 686, 299, 0, 0, 12}, Known{"gse7390", 198, 51, 0, 0, 84},
          Known{"flchain", 6524, 1962, 0, 0, 27}, Known{"bmt", 35, 9, 0, 0, 2}, Known{"cgvhd", 100, 0, 0, 0, 8}}) {
        INFO(known.name);
        LoadedData data;
        if (!load_real(data, known.name))
            return;
        CHECK(data.train->row_count == known.train);
        CHECK(data.train->channels == known.columns);
        if (known.train_events > 0)
            CHECK(event_count(*data.train) == known.train_events);
        CHECK((data.test != nullptr) == (known.test > 0));
        if (known.test > 0) {
            CHECK(data.test->row_count == known.test);
            CHECK(event_count(*data.test) == known.test_events);
        }
    }
}

TEST_CASE("Korf's hundred boards: distances, the corrected one named")
{
    LoadedData data;
    if (!load_real(data, "korf100"))
        return;
    CHECK(data.train->row_count == 100);
    const float *distances = data.train->targets;
    CHECK(*std::min_element(distances, distances + 100) == 41);
    CHECK(*std::max_element(distances, distances + 100) == 66);
    CHECK(distances[0] == 57);
    CHECK(distances[15] == 42);
    CHECK_THAT(data.train->note, Catch::Matchers::Contains("instance 16"));
}

TEST_CASE("survival labels on MNIST leave its images alone")
{
    LoadedData data;
    if (!load_real(data, "mnist-survival"))
        return;
    CHECK(data.train->target_type == AUXO_TARGET_SURVIVAL);
    CHECK(mean_pixel(*data.train) == Approx(33.3184).margin(1e-4));
    CHECK(double(event_count(*data.train)) / 60000 == Approx(0.7).margin(0.03));
}
