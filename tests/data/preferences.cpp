// SPDX-License-Identifier: Apache-2.0
#include <tilt/data/preferences.hpp>

#include "support/catch.hpp"

namespace tilt {
namespace {

using ends = std::vector<std::pair<std::size_t, std::size_t>>;
ends ends_of(const std::vector<scored_preference>& all) {
  ends out;
  for (const scored_preference& p : all) out.emplace_back(p.chosen, p.rejected);
  return out;
}
ends preferred(const std::vector<double>& scores, const preference_options& options) { return ends_of(preferences_of(scores, options, 0)); }

TEST_CASE("preferences: all pairs, best against worst, and those with a margin, equal scores prefer nothing") {
  const std::vector<double> scores = {1, 3, 1, 2};
  CHECK(preferred(scores, {}) == ends{{1, 0}, {3, 0}, {1, 2}, {1, 3}, {3, 2}});
  CHECK(preferred(scores, {.pairs = pair_choice::best_worst}) == ends{{1, 0}});
  CHECK(preferred(scores, {.pairs = pair_choice::margin, .margin = 1.5}) == ends{{1, 0}, {1, 2}});
  CHECK(preferred(scores, {.pairs = pair_choice::margin, .margin = 1}).size() == 5);  // the margin itself is enough
  for (const pair_choice pairs : {pair_choice::all, pair_choice::best_worst, pair_choice::margin})
    for (const label_kind labels : {label_kind::hard, label_kind::sampled, label_kind::soft}) {
      CHECK(preferred({2, 2, 2}, {.pairs = pairs, .labels = labels}).empty());
      CHECK(preferred({2}, {.pairs = pairs, .labels = labels}).empty());
      CHECK(preferred({}, {.pairs = pairs, .labels = labels}).empty());
    }
}

TEST_CASE("preferences: labels by Bradley and Terry") {
  const std::vector<double> scores = {0, 1};
  const preference_options soft{.labels = label_kind::soft, .beta = 2};
  REQUIRE(preferences_of(scores, soft, 0).size() == 1);
  CHECK(preferences_of(scores, soft, 0)[0].chosen == 1);
  CHECK(preferences_of(scores, soft, 0)[0].win_probability == Approx(1 / (1 + std::exp(-2.0))));
  CHECK(preferences_of(scores, {}, 0)[0].win_probability == 1);
  std::size_t won = 0;
  const std::size_t trials = 20000;
  for (std::uint64_t prompt = 0; prompt < trials; ++prompt)
    won += preferences_of(scores, {.labels = label_kind::sampled}, prompt)[0].chosen;
  const double p = 1 / (1 + std::exp(-1.0)), deviation = std::sqrt(p * (1 - p) * static_cast<double>(trials));
  CHECK(std::abs(static_cast<double>(won) - p * static_cast<double>(trials)) < 4 * deviation);
  CHECK(ends_of(preferences_of(scores, {.labels = label_kind::sampled}, 7)) ==
        ends_of(preferences_of(scores, {.labels = label_kind::sampled}, 7)));
}

TEST_CASE("preferences: a draw does not depend on which other pairs there are") {
  const std::vector<double> scores = {0, 0.4, 0.1, 0.3};
  for (std::uint64_t prompt = 0; prompt < 50; ++prompt) {
    const ends all = ends_of(preferences_of(scores, {.labels = label_kind::sampled}, prompt));
    const ends one = ends_of(preferences_of(scores, {.pairs = pair_choice::best_worst, .labels = label_kind::sampled}, prompt));
    REQUIRE(one.size() == 1);
    CHECK(std::find(all.begin(), all.end(), one[0]) != all.end());
  }
}

TEST_CASE("preferences: what cannot be used") {
  const std::vector<double> one = {0, std::nan("")}, two = {0, 1};
  CHECK_THROWS_AS(preferences_of(one, {}, 0), input_error);
  CHECK_THROWS_AS(preferences_of(two, {.margin = -1}, 0), input_error);
  CHECK_THROWS_AS(preferences_of(two, {.beta = 0}, 0), input_error);
}

TEST_CASE("preferences: repeated texts are left out, the first stays") {
  const std::vector<std::string> texts = {"a", "b", "a", "", "b", "c"};
  CHECK(distinct_texts(texts) == std::vector<std::size_t>{0, 1, 3, 5});
}

}  // namespace
}  // namespace tilt
