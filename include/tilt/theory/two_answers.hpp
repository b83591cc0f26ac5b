// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <limits>
#include <tilt/loss/differentiate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <vector>

namespace tilt {

/// The smallest world: a better and a worse answer to one prompt, and a finite population of labels: the better one won `wins` times and
/// lost `losses` times. With rewards whose difference is log(wins/losses), these are Bradley–Terry's frequencies. A policy is one number,
/// the log-odds θ = log π(better)/π(worse).
struct two_answers {
  int wins = 70, losses = 30;
  double reference = 0;  ///< θ of π_ref
  double reward = 0;     ///< r(better) − r(worse), also what a judge scores
  index better_tokens = 1, worse_tokens = 1;

  response_logps<double> better(double theta) const { return {log_sigmoid(theta), log_sigmoid(reference), better_tokens, reward}; }
  response_logps<double> worse(double theta) const { return {log_sigmoid(-theta), log_sigmoid(-reference), worse_tokens, 0}; }
};

/// What a population says of a loss at one policy: the mean loss, and the derivative by θ that training follows, in which a batch
/// statistic, taken over the whole population, is a constant.
struct population_slope {
  double value = 0, slope = 0;
};

namespace detail {
/// Slopes by log π(better) and log π(worse) to one by θ: ∂log π(better)/∂θ = π(worse), ∂log π(worse)/∂θ = −π(better).
inline double by_log_odds(double theta, double better, double worse) {
  return better * std::exp(log_sigmoid(-theta)) - worse * std::exp(log_sigmoid(theta));
}
template <class Statistic, class Add> void tell(Statistic& statistic, const Add& add) {
  if constexpr (requires { statistic.begin(); }) statistic.begin();
  add();
  if constexpr (requires { statistic.finish(); }) statistic.finish();
}
}  // namespace detail

/// Every comparison of the population as a pair.
template <pair_loss L> population_slope population(const L& loss, const two_answers& world, double theta) {
  const response_logps<double> b = world.better(theta), w = world.worse(theta);
  const double n = world.wins + world.losses, p = world.wins / n;
  const pair_logps<double> won{b, w, p}, lost{w, b, 1 - p};
  statistic_of<L> statistic{};
  if constexpr (has_statistic<L>)
    detail::tell(statistic, [&] {
      for (int i = 0; i < world.wins + world.losses; ++i) statistic.add(i < world.wins ? won : lost);
    });
  population_slope sum;
  for (int i = 0; i < world.wins + world.losses; ++i) {
    const bool wins = i < world.wins;
    const dual<double, 2> d = differentiate(loss, wins ? won : lost, detail::value_of(statistic, i));
    sum.value += d.value / n;
    sum.slope += detail::by_log_odds(theta, d.slope[wins ? 0 : 1], d.slope[wins ? 1 : 0]) / n;
  }
  return sum;
}

/// Each answer shown once for each comparison, called good when it won. Mismatched responses (KTO's z0) are both answers equally often.
template <labelled_loss L> population_slope population(const L& loss, const two_answers& world, double theta) {
  const response_logps<double> answers[2] = {world.better(theta), world.worse(theta)};
  statistic_of<L> statistic{};
  if constexpr (has_statistic<L>)
    detail::tell(statistic, [&] {
      for (int i = 0; i < world.wins + world.losses; ++i)
        for (const auto& y : answers) {
          if constexpr (has_own_statistic<L>)
            statistic.add(labelled_logps<double>{y, true});
          else
            statistic.add(y);
        }
    });
  population_slope sum;
  const double n = 2.0 * (world.wins + world.losses);
  for (int side = 0; side < 2; ++side)
    for (const bool good : {true, false}) {
      const double share = ((side == 0) == good ? world.wins : world.losses) / n;
      const dual<double, 1> d = differentiate(loss, labelled_logps<double>{answers[side], good}, detail::value_of(statistic, 0));
      sum.value += share * d.value;
      sum.slope += share * detail::by_log_odds(theta, side == 0 ? d.slope[0] : 0, side == 1 ? d.slope[0] : 0);
    }
  return sum;
}

/// Every comparison as a ranking of two.
template <list_loss L> population_slope population(const L& loss, const two_answers& world, double theta) {
  const response_logps<double> b = world.better(theta), w = world.worse(theta);
  const response_logps<double> orders[2][2] = {{b, w}, {w, b}};
  const double n = world.wins + world.losses;
  population_slope sum;
  for (int k = 0; k < 2; ++k) {
    double slopes[2];
    const double share = (k == 0 ? world.wins : world.losses) / n;
    sum.value += share * differentiate(loss, ranked_logps<double>{orders[k], 2}, slopes);
    sum.slope += share * detail::by_log_odds(theta, slopes[k], slopes[1 - k]);
  }
  return sum;
}

/// Where x' = −slope(x) goes to from `start`: the first place at which the slope vanishes or changes its sign, by steps that grow and then
/// by bisection to the last bit, kinks too; ±∞ if there is none within ±limit, or if the slope only fades until it underflows.
template <class Slope> double flow_limit(const Slope& slope, double start, double limit = 300) {
  const double first = slope(start), way = first < 0 ? 1 : -1;
  if (first == 0) return start;
  double near = start, step = 1e-3;
  for (;; step *= 1.02) {
    const double far = near + way * step;
    if (std::abs(far) > limit) return way * std::numeric_limits<double>::infinity();
    if (slope(far) * way >= 0) {
      double in = near, out = far;
      for (double middle = in + (out - in) / 2; middle != in && middle != out; middle = in + (out - in) / 2)
        (slope(middle) * way >= 0 ? out : in) = middle;
      return std::abs(slope(in)) < 1e-290 ? way * std::numeric_limits<double>::infinity() : out;
    }
    near = far;
  }
}

/// The least value's place within ±radius of x, by golden section: right to the root of rounding, and independent of any slope.
template <class Value> double least_near(const Value& value, double x, double radius) {
  constexpr double golden = 0.6180339887498949;
  double low = x - radius, high = x + radius;
  while (high - low > 1e-9 * std::max(1.0, std::abs(x))) {
    const double a = high - golden * (high - low), b = low + golden * (high - low);
    (value(a) <= value(b) ? high : low) = value(a) <= value(b) ? b : a;
  }
  return low + (high - low) / 2;
}

}  // namespace tilt
