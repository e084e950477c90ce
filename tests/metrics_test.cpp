// Scores of classes and numbers against scikit-learn 1.x on the same rows, and what cannot be had.
#include "support/support.hpp"

#include "auxo/metrics.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <string>
#include <vector>

using namespace auxo_test;

namespace
{

const std::vector<float> scores = {0.1f,  -0.1f, 0.6f,  0.1f,  -0.5f, 0.4f,  1.3f,  0.9f,  -0.7f, -1.3f, -0.6f, 0.0f,
                                   -2.3f, -0.2f, -1.2f, -0.7f, -0.5f, -0.3f, 0.4f,  1.0f,  -0.1f, 1.4f,  -0.7f, 0.4f,
                                   0.9f,  0.1f,  -0.7f, -0.9f, -0.5f, 0.2f,  -1.0f, -0.2f, -0.2f, 0.5f,  0.2f,  0.4f};
const std::vector<uint32_t> labels = {1, 1, 2, 2, 0, 2, 1, 1, 2, 1, 0, 0};

} // namespace

TEST_CASE("class scores are those of scikit-learn")
{
    Error error;
    auxo_class_scores found{};
    REQUIRE_OK(auxo_class_scores_compute(scores.data(), labels.data(), 12, 3, &found, error));
    const std::vector<uint64_t> confusion = {1, 2, 0, 1, 1, 3, 2, 0, 2};
    CHECK(std::vector<uint64_t>(found.confusion, found.confusion + 9) == confusion);
    CHECK(found.loss == Approx(1.5762092120420437).epsilon(1e-7));
    CHECK(found.accuracy == Approx(1.0 / 3));
    const double precision[] = {0.25, 1.0 / 3, 0.4}, recall[] = {1.0 / 3, 0.2, 0.5};
    const double f1[] = {2.0 / 7, 0.25, 4.0 / 9}, auroc[] = {8.0 / 27, 6.0 / 35, 0.375};
    for (int i = 0; i < 3; i++) {
        CHECK(found.classes[i].precision == Approx(precision[i]));
        CHECK(found.classes[i].recall == Approx(recall[i]));
        CHECK(found.classes[i].f1 == Approx(f1[i]));
        CHECK(found.classes[i].auroc == Approx(auroc[i]));
    }
    CHECK(found.macro_f1 == Approx(0.3267195767195767));
    CHECK(found.weighted_f1 == Approx(0.3237433862433862));
    CHECK(found.calibration_error == Approx(0.29181035101828867).epsilon(1e-6));
    auxo_class_scores_deinit(&found);
}

TEST_CASE("class scores that cannot be had are no numbers, and odd rows are named")
{
    Error error;
    auxo_class_scores found{};
    const std::vector<uint32_t> first(12, 0);
    REQUIRE_OK(auxo_class_scores_compute(scores.data(), first.data(), 12, 3, &found, error));
    CHECK(std::isnan(found.classes[1].recall));
    CHECK(std::isnan(found.macro_auroc));
    CHECK(found.macro_f1 == found.classes[0].f1);
    auxo_class_scores_deinit(&found);
    CHECK(auxo_class_scores_compute(scores.data(), labels.data(), 0, 3, &found, error) == AUXO_INVALID_ARGUMENT);
    std::vector<uint32_t> wrong = labels;
    wrong[4] = 3;
    CHECK(auxo_class_scores_compute(scores.data(), wrong.data(), 12, 3, &found, error) == AUXO_INVALID_ARGUMENT);
    CHECK(std::string(error.message).find("row 5") != std::string::npos);
    std::vector<float> odd = scores;
    odd[7] = NAN;
    CHECK(auxo_class_scores_compute(odd.data(), labels.data(), 12, 3, &found, error) == AUXO_NOT_FINITE);
    CHECK(std::string(error.message).find("row 3") != std::string::npos);
}

TEST_CASE("scores of numbers: errors, and an R2 that large offsets and constants do not spoil")
{
    const float targets[] = {1e6f, 1e6f + 2, 1e6f + 4}, values[] = {1e6f + 1, 1e6f + 2, 1e6f + 3};
    const auxo_real_score score = auxo_real_score_compute(values, targets, 3, 1);
    CHECK(score.mse == Approx(2.0 / 3));
    CHECK(score.mae == Approx(2.0 / 3));
    CHECK(score.variance == Approx(8.0 / 3));
    CHECK(score.r2 == Approx(0.75));
    const float constant[] = {0.1f, 0.1f, 0.1f};
    CHECK(std::isnan(auxo_real_score_compute(values, constant, 3, 1).r2));
}
