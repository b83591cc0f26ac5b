// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <string_view>
#include <tilt/loss/logps.hpp>

namespace tilt {

namespace detail {
struct running_mean {
  double sum = 0;
  index count = 0;
  template <class T> constexpr void add(const T& x) {
    sum += static_cast<double>(x);
    ++count;
  }
  /// NaN of nothing.
  constexpr double mean() const { return count > 0 ? sum / static_cast<double>(count) : std::numeric_limits<double>::quiet_NaN(); }
};
}  // namespace detail

/// What a batch of pairs has to say besides its loss: means over the pairs, under TRL's names where TRL has them. Values that the
/// batch cannot tell (lengths that were not given) are NaN, and left out by each().
struct pair_metrics {
  double loss = 0;                ///< weighted sum over the pairs / divisor, the mean by default
  double rewards_chosen = 0;      ///< implicit reward
  double rewards_rejected = 0;
  double rewards_accuracies = 0;  ///< share of pairs with reward(chosen) > reward(rejected), equality not counted
  double rewards_margins = 0;
  double logps_chosen = 0;        ///< log π(y|x), summed over tokens
  double logps_rejected = 0;
  double kl = 0;                  ///< log π/π_ref, summed over tokens, mean over all responses: KL(π‖π_ref) if they were drawn from π
  double chosen_falling = 0;      ///< share of pairs whose chosen response has become less likely than under the reference
  double length_chosen = 0;       ///< tokens
  double length_rejected = 0;

  /// f(name, value) for each, in TRL's order, then ours.
  template <class F> constexpr void each(F&& f) const {
    const auto tell = [&f](std::string_view name, double value) {
      if (value == value) f(name, value);
    };
    f("loss", loss);
    tell("rewards/chosen", rewards_chosen);
    tell("rewards/rejected", rewards_rejected);
    tell("rewards/accuracies", rewards_accuracies);
    tell("rewards/margins", rewards_margins);
    tell("logps/chosen", logps_chosen);
    tell("logps/rejected", logps_rejected);
    tell("kl", kl);
    tell("chosen_falling", chosen_falling);
    tell("length/chosen", length_chosen);
    tell("length/rejected", length_rejected);
  }
};

/// Builds pair_metrics up, a pair at a time.
class pair_meter {
 public:
  /// `loss` as it counts (weighted), rewards as implicit_reward gives them. Lengths count where `has_lengths`.
  template <class T>
  constexpr void add(const T& loss, const pair_logps<T>& y, const T& reward_chosen, const T& reward_rejected, bool has_lengths = true) {
    loss_ += static_cast<double>(loss);
    rewards_chosen_.add(reward_chosen);
    rewards_rejected_.add(reward_rejected);
    accuracies_.add(reward_chosen > reward_rejected ? 1 : 0);
    margins_.add(reward_chosen - reward_rejected);
    logps_chosen_.add(y.chosen.policy);
    logps_rejected_.add(y.rejected.policy);
    kl_.add(y.chosen.log_ratio());
    kl_.add(y.rejected.log_ratio());
    falling_.add(y.chosen.log_ratio() < constant<T>(0) ? 1 : 0);
    if (has_lengths) length_chosen_.add(y.chosen.tokens), length_rejected_.add(y.rejected.tokens);
  }

  /// `divisor`: what the sum of losses is divided by; 0: the number of pairs.
  constexpr pair_metrics metrics(double divisor = 0) const {
    return {loss_ / (divisor != 0 ? divisor : static_cast<double>(margins_.count)),
            rewards_chosen_.mean(), rewards_rejected_.mean(), accuracies_.mean(), margins_.mean(), logps_chosen_.mean(), logps_rejected_.mean(),
            kl_.mean(), falling_.mean(), length_chosen_.mean(), length_rejected_.mean()};
  }

 private:
  double loss_ = 0;
  detail::running_mean rewards_chosen_, rewards_rejected_, accuracies_, margins_, logps_chosen_, logps_rejected_, kl_, falling_,
      length_chosen_, length_rejected_;
};

/// The same for single labelled responses. As in TRL's KTO, `kl` is the loss's batch statistic (z0), and what concerns chosen
/// (desirable) responses is NaN in a batch without any; so for rejected ones, and margins need both.
struct response_metrics {
  double loss = 0;
  double kl = 0;
  double rewards_chosen = 0, logps_chosen = 0;
  double rewards_rejected = 0, logps_rejected = 0;
  double rewards_margins = 0;
  double chosen_falling = 0;
  double length_chosen = 0, length_rejected = 0;

  template <class F> constexpr void each(F&& f) const {
    const auto tell = [&f](std::string_view name, double value) {
      if (value == value) f(name, value);
    };
    f("loss", loss);
    tell("kl", kl);
    tell("rewards/chosen", rewards_chosen);
    tell("logps/chosen", logps_chosen);
    tell("rewards/rejected", rewards_rejected);
    tell("logps/rejected", logps_rejected);
    tell("rewards/margins", rewards_margins);
    tell("chosen_falling", chosen_falling);
    tell("length/chosen", length_chosen);
    tell("length/rejected", length_rejected);
  }
};

/// Builds response_metrics up, a response at a time.
class response_meter {
 public:
  template <class T> constexpr void add(const T& loss, const labelled_logps<T>& y, const T& reward, bool has_lengths = true) {
    loss_ += static_cast<double>(loss);
    ++count_;
    side& s = y.desirable ? chosen_ : rejected_;
    s.rewards.add(reward);
    s.logps.add(y.response.policy);
    s.falling.add(y.response.log_ratio() < constant<T>(0) ? 1 : 0);
    if (has_lengths) s.length.add(y.response.tokens);
  }

  /// `kl`: the statistic, NaN for none. `divisor`: what the sum of losses is divided by; 0: the number of responses.
  constexpr response_metrics metrics(double kl, double divisor = 0) const {
    const double reward_chosen = chosen_.rewards.mean(), reward_rejected = rejected_.rewards.mean();
    return {loss_ / (divisor != 0 ? divisor : static_cast<double>(count_)), kl, reward_chosen, chosen_.logps.mean(), reward_rejected,
            rejected_.logps.mean(), reward_chosen - reward_rejected, chosen_.falling.mean(), chosen_.length.mean(), rejected_.length.mean()};
  }

 private:
  struct side {
    detail::running_mean rewards, logps, falling, length;
  };
  double loss_ = 0;
  index count_ = 0;
  side chosen_, rejected_;
};

}  // namespace tilt
