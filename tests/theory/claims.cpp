// SPDX-License-Identifier: Apache-2.0
// The claims: each holds within its own bounds, and shows the figures that are told of it.
#include <set>
#include <string_view>
#include <tilt/theory/claims/claims.hpp>

#include "support/catch.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using test::close;

/// The measurement whose description has all these words; there must be one.
double measured(const claim& c, std::initializer_list<std::string_view> words) {
  const measurement* found = nullptr;
  for (const measurement& m : c.measurements) {
    const bool fits = std::all_of(words.begin(), words.end(), [&](std::string_view w) {
      return w.starts_with("β = ") ? m.what.ends_with(w)
                                   : m.what.find(w) != std::string::npos;  // "β = 0.1" is not "β = 0.01", nor begins it
    });
    if (!fits) continue;
    INFO(m.what);
    CHECK(found == nullptr);
    found = &m;
  }
  REQUIRE(found != nullptr);
  return found->measured;
}
/// Agreement in the digits that a figure is quoted with: half a unit of the last one.
constexpr double quoted(double unit) { return unit / 2; }
#define FIGURE(value, figure, unit) CHECK(std::abs((value) - (figure)) <= quoted(unit))

TEST_CASE("claims: every measurement of every claim is within its bound") {
  std::set<int> numbers;
  for (const auto& measure : all_claims) {
    const claim c = measure();
    CAPTURE(c.number, c.said);
    CHECK(numbers.insert(c.number).second);
    CHECK(!c.said.empty());
    CHECK(!c.truth.empty());
    CHECK(!c.measurements.empty());
    for (const measurement& m : c.measurements) {
      CAPTURE(m.what, m.measured, m.expected, m.error(), m.bound);
      CHECK(m.holds());
    }
    CHECK(c.holds());
    for (const claim_curve& curve : c.picture.curves) {
      CHECK(curve.points.size() > 2);
      for (const auto& [x, y] : curve.points) CHECK((std::isfinite(x) && std::isfinite(y)));
    }
  }
  CHECK(numbers == std::set<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18});
}

TEST_CASE("claims: a measurement that is off, or not a number, does not hold") {
  CHECK(measurement{"", 1, 1, 0}.holds());
  CHECK_FALSE(measurement{"", 1.1, 1, 0.05}.holds());
  CHECK(measurement{"", 101, 100, 0.011}.holds());  // relative where the expectation is above 1
  CHECK_FALSE(measurement{"", std::nan(""), 1, 10}.holds());
  CHECK_FALSE(measurement{"", 1, std::nan(""), 10}.holds());
  CHECK_FALSE(claim{}.holds());
  CHECK_FALSE(claim{1, "", "", {{"", 1, 1, 0}, {"", 2, 1, 0.5}}}.holds());
}

TEST_CASE("claim 1: the two formulas agree at beta 1 alone") {
  const claim c = claim_optimal_policy();
  CHECK(measured(c, {"it and π_ref·exp(r)/Z", "β = 0.1"}) > 0.3);
  CHECK(measured(c, {"it and π_ref·exp(r)/Z", "β = 1"}) < 1e-12);
  CHECK(measured(c, {"it and π_ref·exp(r)/Z", "β = 3"}) > 0.1);
}

TEST_CASE("claim 2: the vocabulary's sum is of the order of -600,000, the label's of -14") {
  const claim c = claim_vocabulary_sum();
  FIGURE(measured(c, {"Σ over the vocabulary"}), -6.0e5, 1e4);
  CHECK(std::abs(measured(c, {"log π(label)", "change"})) > 1);
  CHECK(c.measurements[1].measured < -10);
  CHECK(c.measurements[1].measured > -20);
}

TEST_CASE("claim 4: loss .693 to .611, chosen .25 to .08, an unseen answer at .82") {
  const claim c = claim_displacement();
  FIGURE(measured(c, {"loss after 100 steps"}), 0.611, 0.001);
  FIGURE(measured(c, {"chosen answer (0.25"}), 0.08, 0.01);
  FIGURE(measured(c, {"in no pair"}), 0.82, 0.01);
  CHECK(measured(c, {"rejected"}) < 0.25);
  CHECK(c.picture.curves[0].points.front().second == 0.25);
}

TEST_CASE("claim 5: one loss at three policies, whose distances from the reference differ") {
  const claim c = claim_unseen_answers();
  CHECK(close(measured(c, {"loss", "0.67"}), measured(c, {"loss", "0.05"}), 1e-14));
  CHECK(measured(c, {"KL", "0.05"}) > 2 * measured(c, {"KL", "0.67"}));
}

TEST_CASE("claim 6: margins of 22, 46, 69 and 92 at 10^2 to 10^5 steps, IPO at 5, hinge at 10") {
  const claim c = claim_finite_optimum();
  FIGURE(measured(c, {"DPO", " 100 steps"}), 22, 1);
  FIGURE(measured(c, {"DPO", " 1000 steps"}), 46, 1);
  FIGURE(measured(c, {"DPO", " 10000 steps"}), 69, 1);
  FIGURE(measured(c, {"DPO", " 100000 steps"}), 92, 1);
  FIGURE(measured(c, {"IPO"}), 5, 0.001);
  FIGURE(measured(c, {"hinge"}), 10.1, 0.2 + 1e-9);  // at the kink or a step beyond
}

TEST_CASE("claim 7: the weight follows the difference from the reference") {
  const claim c = claim_gradient_weight();
  FIGURE(measured(c, {"σ(8β)"}), 0.69, 0.01);
  FIGURE(measured(c, {"σ(−8β)"}), 0.31, 0.01);
}

TEST_CASE("claim 8: soft labels order KL by 1/beta, labels by rank make it one, descent turns the order round") {
  const claim c = claim_strength_and_distance();
  CHECK(measured(c, {"optimum", "β = 0.01"}) > measured(c, {"optimum", "β = 0.1"}) + 0.1);
  CHECK(measured(c, {"optimum", "β = 0.1"}) > measured(c, {"optimum", "β = 1"}) + 0.1);
  for (const std::string_view beta : {"β = 0.01", "β = 0.1", "β = 1"}) FIGURE(measured(c, {"by rank", beta}), 3.04, 0.01);
}

TEST_CASE("claim 9: the spread on labels by rank is 58, 127, 214, 305 at 10^2 to 10^5 steps") {
  const claim c = claim_recovery();
  const auto& ranks = c.picture.curves[0].points;
  FIGURE(ranks[20].second, 58, 1);
  FIGURE(ranks[30].second, 127, 1);
  FIGURE(ranks[40].second, 214, 1);
  FIGURE(ranks[50].second, 305, 1);
  CHECK(measured(c, {"total variation"}) < 4e-15);
}

TEST_CASE("claim 10: the naive gradient is none, REINFORCE's is the objective's") {
  const claim c = claim_pathwise_gradient();
  CHECK(measured(c, {"naive gradient's expectation, elsewhere"}) < 1e-15);
  CHECK(measured(c, {"REINFORCE's, elsewhere"}) > 0.1);
  CHECK(measured(c, {"the same with REINFORCE's"}) > measured(c, {"300 steps of the naive"}) + 0.4);
}

TEST_CASE("claim 11: greedy samples make no pair, and six pairs of four are fewer than six") {
  const claim c = claim_sampled_pairs();
  CHECK(c.measurements[0].measured == 0);
  CHECK(c.measurements[1].measured == 1);
  CHECK(measured(c, {"independent pairs"}) > 1);
  CHECK(measured(c, {"independent pairs"}) < 5);
}

TEST_CASE("claim 12: -50 at w = .01 and a margin of 5,000") {
  FIGURE(measured(claim_unbounded_penalty(), {"subtracted", "w = 0.01,"}), -50, 1e-9);
}

TEST_CASE("claim 13: at -20 KTO's weight is 2e-9, the log-sigmoid's 1") {
  const claim c = claim_kto_value();
  FIGURE(measured(c, {"KTO's σ(1 − σ)"}), 2.06e-9, 0.01e-9);
  FIGURE(measured(c, {"the same of −log σ"}), 1, 1e-6);
}

TEST_CASE("claim 14: each round goes farther, and a kept reference stops after one") {
  const claim c = claim_iterated_tilt();
  const auto& reset = c.picture.curves[0].points;
  const auto& kept = c.picture.curves[1].points;
  for (std::size_t n = 1; n < reset.size(); ++n) CHECK(reset[n].second > reset[n - 1].second);
  for (std::size_t n = 2; n < kept.size(); ++n) CHECK(close(kept[n].second, kept[1].second, 1e-12));
}

TEST_CASE("claim 15: 126 against 252 GB, 112 with a cached reference, and trainers hold as much") {
  const claim c = claim_training_memory();
  FIGURE(measured(c, {"DPO, policy and reference"}), 126, 1e-9);
  FIGURE(measured(c, {"PPO, policy"}), 252, 1e-9);
  FIGURE(measured(c, {"DPO with a cached"}), 112, 1e-9);
  FIGURE(measured(c, {"DPO's trainer with an online"}), 20, 0.1);
  FIGURE(measured(c, {"DPO's trainer with a cached"}), 16, 0.1);
  FIGURE(measured(c, {"in a step with an online"}), 4, 1e-9);
  FIGURE(measured(c, {"in a step with a cached"}), 2, 1e-9);
}

TEST_CASE("claim 16: nobody is above the exact frontier, and all rise along it") {
  const claim c = claim_exact_frontier();
  CHECK(measured(c, {"above the frontier"}) < 1e-12);
  for (std::size_t curve = 1; curve < 4; ++curve) {
    const auto& points = c.picture.curves[curve].points;
    REQUIRE(points.size() == 5);
    CHECK(points.back().first > points.front().first + 1);
    CHECK(points.back().second > points.front().second + 0.5);
  }
}

TEST_CASE("claim 17: a prompt changes what averages over tokens and what is of single responses") {
  const claim c = claim_prompt_tokens();
  CHECK(measured(c, {"DPO: change"}) == 0);
  for (const std::string_view what : {"IPO over token means: change", "KTO, a good response: change", "SFT, mean over tokens: change"})
    CHECK(std::abs(measured(c, {what})) > 0.05);
}

}  // namespace
