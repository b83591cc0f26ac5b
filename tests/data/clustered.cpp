// SPDX-License-Identifier: Apache-2.0
// Means and shares of values that come in clusters.
#include <cmath>
#include <tilt/data/clustered.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

#include "support/catch.hpp"

using namespace tilt;
using lists = std::vector<std::vector<double>>;

TEST_CASE("a clustered mean with one value a cluster has the usual standard error") {
  const mean_estimate m = clustered_mean(lists{{1}, {2}, {4}, {9}});
  CHECK(m.value == 4);
  CHECK(m.standard_error == Approx(std::sqrt((9 + 4 + 0 + 25) / 3.0 / 4.0)).epsilon(1e-14));
  CHECK(clustered_mean(lists{{}, {1}, {2}, {4}, {9}}).standard_error == m.standard_error);  // an empty cluster is none
}

TEST_CASE("a value that is repeated within its cluster says nothing more") {
  const lists once{{1}, {2}, {4}, {9}}, thrice{{1, 1, 1}, {2, 2, 2}, {4, 4, 4}, {9, 9, 9}};
  CHECK(clustered_mean(thrice).value == Approx(clustered_mean(once).value).epsilon(1e-14));
  CHECK(clustered_mean(thrice).standard_error == Approx(clustered_mean(once).standard_error).epsilon(1e-14));
}

TEST_CASE("values that cancel within every cluster leave no error, one cluster leaves none to tell") {
  CHECK(clustered_mean(lists{{0, 2}, {1, 1}, {2, 0}}).standard_error == 0);
  CHECK(std::isnan(clustered_mean(lists{{1, 2, 3}}).standard_error));
  CHECK_THROWS_AS(clustered_mean(lists{{}, {}}), error);
}

TEST_CASE("a share with one outcome a cluster has Wilson's interval, and so have clusters that all agree") {
  const interval wilson = wilson_interval(2.5, 4), here = clustered_share(lists{{1}, {0.5}, {0}, {1}});
  CHECK(here.value == wilson.value);
  CHECK(here.low == wilson.low);
  CHECK(here.high == wilson.high);
  const interval agreed = clustered_share(lists{{1, 1}, {1, 1}, {1, 1}}), three = wilson_interval(3, 3);
  CHECK(agreed.low == three.low);
  CHECK(agreed.high == 1);
}

TEST_CASE("the interval of a clustered share covers the truth as often as it says, one that takes outcomes for independent does not") {
  const philox draws(5, 0);
  const int runs = 1000, prompts = 60, samples = 6;
  std::uint64_t n = 0;
  int covered = 0, covered_naively = 0;
  for (int r = 0; r < runs; ++r) {
    lists outcomes;
    double wins = 0;
    for (int p = 0; p < prompts; ++p) {
      const double win = uniform(draws, n++) < 0.7 ? 0.9 : 0.2;  // 0.69 on the whole
      auto& of_prompt = outcomes.emplace_back();
      for (int s = 0; s < samples; ++s) of_prompt.push_back(uniform(draws, n++) < win ? 1 : 0), wins += of_prompt.back();
    }
    const interval clustered = clustered_share(outcomes), naive = wilson_interval(wins, prompts * samples);
    covered += clustered.low <= 0.69 && 0.69 <= clustered.high;
    covered_naively += naive.low <= 0.69 && 0.69 <= naive.high;
  }
  CHECK(covered > 930);  // 950 expected; the deviation of the count is 7
  CHECK(covered < 970);
  CHECK(covered_naively < 800);
}
