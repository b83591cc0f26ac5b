// SPDX-License-Identifier: Apache-2.0
// What a reward model says of labels: which it doubts, and the share that it takes for flipped.
#include <cmath>
#include <tilt/scalar/philox.hpp>

#include "rows.hpp"

using namespace tilt;
using namespace tilt::test;

namespace {

example ranking(std::vector<double> scores = {}) {
  example e;
  e.kind = example_kind::ranked;
  e.prompt = text_part("Which is best?");
  for (const char* answer : {"One is.", "Two is.", "Three is."}) e.responses.push_back(text_part(answer));
  e.scores = std::move(scores);
  return e;
}
/// The logit of a probability: the margin that gives it.
double margin_of(double p) { return std::log(p / (1 - p)); }

}  // namespace

TEST_CASE("labels: those below the threshold are doubted, at their lines and with what the model says") {
  const auto data = numbered(
      {text_pair("A?", "Yes.", "No."), text_pair("B?", "Yes.", "No."), text_pair("C?", "Yes.", "No."), text_pair("D?", "Yes.", "No.")});
  check_options options;
  options.rewards = {{margin_of(0.95), 0}, {margin_of(0.05), 0}, {}, {margin_of(0.2), 0}};
  const check_report report = check_data(data, options);
  CHECK(accused(report.findings, "label_noise") == lines{2});
  for (const finding& f : report.findings)
    if (f.check == "label_noise") CHECK(f.what == "the reward model gives chosen over rejected a probability of 0.05");
  CHECK(report.labels.preferences == 3);
  CHECK(report.labels.not_scored == 1);
  CHECK(report.labels.doubted == 1);
  CHECK(report.labels.agreed.value == Approx(1.0 / 3));
  options.min_win_probability = 0.3;
  CHECK(accused(check_data(data, options).findings, "label_noise") == lines{2, 4});
  options.disabled = {"label_noise"};
  CHECK(accused(check_data(data, options).findings, "label_noise").empty());
  CHECK(check_data(data).labels.preferences == 0);  // no model was asked
  options.rewards = {{1, 0}};
  CHECK_THROWS_AS(check_data(data, options), error);
  options.rewards = {{1, 0}, {1}, {1, 0}, {1, 0}};
  CHECK_THROWS_AS(check_data(data, options), error);
}

TEST_CASE("labels: a ranking has a preference for every two answers but those that are tied, and its worst is told") {
  const auto data = numbered({ranking(), ranking({2, 1, 1})});
  check_options options;
  options.rewards = {{0, 2, 4}, {9, 0, 4}};
  const check_report report = check_data(data, options);
  CHECK(report.labels.preferences == 5);
  CHECK(report.labels.doubted == 1);  // sigmoid(-4) is 0.018, sigmoid(-2) 0.119
  REQUIRE(accused(report.findings, "label_noise") == lines{1});
  for (const finding& f : report.findings)
    if (f.check == "label_noise") CHECK(f.what.find("response 1 over response 3") != std::string::npos);
}

TEST_CASE("labels: the share of flipped ones counts what is at least as certain as the mean") {
  const auto share = [](std::vector<double> p) { return flipped_share(p).value; };
  CHECK(share({0.9, 0.9, 0.9, 0.6, 0.1}) == 0.25);  // the mean is 0.68, so that 0.6 is not counted
  CHECK(share({0.7, 0.7, 0.7}) == 0);
  CHECK(share({0.3, 0.3}) == 1);
  CHECK(share({0.5}) == 0);  // of an even one the label has the benefit
  CHECK(share(std::vector<double>(10, 0.1)) == 1);
  CHECK_THROWS_AS(share({}), error);
}

TEST_CASE("labels: the estimate is the share of flipped labels, and the model's errors come on top as said") {
  const philox draws(7);
  std::uint64_t drawn = 0;
  constexpr int n = 20000;
  for (const double wrong : {0.0, 0.2})
    for (const double flipped : {0.0, 0.1, 0.3}) {
      std::vector<double> p;
      for (int i = 0; i < n; ++i) {
        const double certainty = 0.6 + 0.4 * uniform(draws, drawn++);  // of the answer that the model takes for the better one
        const bool model_errs = uniform(draws, drawn++) < wrong, label_flipped = uniform(draws, drawn++) < flipped;
        p.push_back(model_errs == label_flipped ? certainty : 1 - certainty);
      }
      const interval found = flipped_share(p);
      const double expected = flipped + (1 - 2 * flipped) * wrong;
      INFO("wrong " << wrong << ", flipped " << flipped << ", found " << found.value);
      CHECK(std::abs(found.value - expected) <= 4 * std::sqrt(expected * (1 - expected) / (n / 5.0)));  // a fifth is counted, or more
    }
}
