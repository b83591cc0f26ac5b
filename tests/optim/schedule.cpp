// SPDX-License-Identifier: Apache-2.0
#include "support/catch.hpp"
#include <tilt/optim/schedule.hpp>
#include <vector>

using tilt::schedule;
using tilt::schedule_kind;

namespace {

void check_factors(const schedule& s, const std::vector<double>& expected) {
  for (std::size_t t = 0; t < expected.size(); ++t) {
    INFO(tilt::name_of(s.kind) << " at step " << t);
    CHECK(s.factor(static_cast<tilt::index>(t)) == Approx(expected[t]).epsilon(1e-14).margin(1e-15));
  }
}

}  // namespace

// The numbers below were worked out by hand from the definitions, for 10 steps of which 2 warm up.
TEST_CASE("schedules follow their definitions") {
  const auto of = [](schedule_kind kind) { return schedule{.kind = kind, .warmup_steps = 2, .total_steps = 10}; };
  const double r = std::sqrt(0.5);
  check_factors(of(schedule_kind::constant), {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  check_factors(of(schedule_kind::constant_with_warmup), {0, 0.5, 1, 1, 1, 1, 1, 1, 1, 1, 1});
  check_factors(of(schedule_kind::linear), {0, 0.5, 1, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0, 0});
  check_factors(of(schedule_kind::cosine), {0, 0.5, 1, 0.5 + 0.5 * std::cos(M_PI / 8), 0.5 + 0.5 * r, 0.5 + 0.5 * std::cos(3 * M_PI / 8), 0.5,
                                            0.5 + 0.5 * std::cos(5 * M_PI / 8), 0.5 - 0.5 * r, 0.5 + 0.5 * std::cos(7 * M_PI / 8), 0});
  check_factors(of(schedule_kind::inverse_sqrt), {0, 0.5, 1, std::sqrt(2.0 / 3), std::sqrt(0.5), std::sqrt(0.4)});
  schedule s = of(schedule_kind::cosine_with_restarts);
  s.cycles = 2;
  check_factors(s, {0, 0.5, 1, 0.5 + 0.5 * r, 0.5, 0.5 - 0.5 * r, 1, 0.5 + 0.5 * r, 0.5, 0.5 - 0.5 * r, 0});
  s = of(schedule_kind::cosine_with_min_lr);
  s.min_lr_ratio = 0.2;
  check_factors(s, {0, 0.5, 1, 0.2 + 0.8 * (0.5 + 0.5 * std::cos(M_PI / 8)), 0.2 + 0.8 * (0.5 + 0.5 * r)});
  CHECK(s.factor(10) == Approx(0.2));
  s = of(schedule_kind::polynomial);
  s.power = 2;
  s.end_ratio = 0.1;
  check_factors(s, {0, 0.5, 1, 0.9 * 49 / 64 + 0.1, 0.9 * 36 / 64 + 0.1});
  CHECK(s.factor(10) == Approx(0.1));
  CHECK(s.factor(11) == Approx(0.1));
  s = of(schedule_kind::warmup_stable_decay);
  s.decay_steps = 4;
  s.min_lr_ratio = 0.1;
  check_factors(s, {0.1, 0.55, 1, 1, 1, 1, 1, 0.1 + 0.9 * (0.5 + 0.5 * r), 0.1 + 0.9 * 0.5, 0.1 + 0.9 * (0.5 - 0.5 * r), 0.1, 0.1});
}

TEST_CASE("without warm-up a schedule begins at the full rate") {
  for (const tilt::schedule_name& known : tilt::schedule_names) {
    INFO(known.name);
    CHECK(schedule{.kind = known.kind, .warmup_steps = 0, .total_steps = 7, .decay_steps = 3}.factor(0) == Approx(1));
  }
}

TEST_CASE("warm-up is a count from one on and a share below, rounded up") {
  CHECK(tilt::warmup_step_count(0, 100) == 0);
  CHECK(tilt::warmup_step_count(5, 100) == 5);
  CHECK(tilt::warmup_step_count(1, 100) == 1);
  CHECK(tilt::warmup_step_count(0.1, 24) == 3);
  CHECK(tilt::warmup_step_count(0.25, 24) == 6);
}

TEST_CASE("schedules have names, and an unknown name is refused with the known ones") {
  for (const tilt::schedule_name& known : tilt::schedule_names) CHECK(tilt::schedule_from_name(known.name) == known.kind);
  try {
    tilt::schedule_from_name("cosin");
    FAIL("accepted");
  } catch (const tilt::input_error& e) {
    CHECK(std::string(e.what()).find("inverse_sqrt") != std::string::npos);
  }
  CHECK_THROWS_AS((schedule{.kind = schedule_kind::polynomial, .warmup_steps = 5, .total_steps = 5}.check()), tilt::input_error);
  CHECK_THROWS_AS((schedule{.warmup_steps = -1, .total_steps = 5}.check()), tilt::input_error);
}
