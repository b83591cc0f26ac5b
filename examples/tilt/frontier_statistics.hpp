// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "frontier_outcome.hpp"

namespace tilt::program {

/// Mean over seeds and its standard error.
inline estimate over_seeds(const std::vector<double>& values) {
  estimate e;
  const double n = static_cast<double>(values.size());
  for (const double v : values) e.value += v / n;
  for (const double v : values) e.error += (v - e.value) * (v - e.value);
  e.error = values.size() > 1 ? std::sqrt(e.error / (n - 1) / n) : std::numeric_limits<double>::quiet_NaN();
  return e;
}

/// Half the width of the 95 % interval of a mean of n values, in standard errors (Student 1908).
inline double student_quantile(std::size_t n) {
  constexpr double by_freedom[] = {12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228};
  return n < 2 ? std::numeric_limits<double>::infinity() : n <= std::size(by_freedom) ? by_freedom[n - 2] : 2.228;
}

/// A training has diverged where its numbers are not finite, its true reward is below the reference's, or more than half of its texts are not
/// sound. The reward has to be below by two standard errors.
inline bool diverged(const frontier_result& r, const frontier_result& reference) {
  return !r.finite() || r.reward + 2 * std::hypot(r.reward_error, reference.reward_error) < reference.reward || r.sound < 0.5;
}

/// A method at one strength, over the seeds.
struct frontier_row {
  const frontier_method* method = nullptr;
  double strength = 0;
  index seeds = 0, diverged = 0;
  estimate reward, kl;  ///< over the seeds whose numbers are finite, as all that follow
  double sound = 0, win_rate = 0, seconds = 0, updates = 0, texts = 0;
  double bytes = std::numeric_limits<double>::quiet_NaN();  ///< of the specimen, in its row
};

/// What follows from the cells.
class frontier_statistics {
 public:
  /// Both must outlive it.
  frontier_statistics(const frontier_job& job, const frontier_outcome& outcome) : job_(&job), outcome_(&outcome) {
    for (const frontier_method& m : job.methods)
      for (const double strength : m.strengths) rows_.push_back(row(m, strength));
  }

  const frontier_job& job() const { return *job_; }
  const frontier_outcome& outcome() const { return *outcome_; }
  const std::vector<frontier_row>& rows() const { return rows_; }

  /// The most reward that a policy of this KL can have: on the line of optima, which is concave. NaN where it is not known.
  double most(double kl) const {
    const auto& line = outcome_->frontier;
    kl = std::max(kl, 0.0);  // an estimate may be below
    double before_kl = 0, before = reference_reward();
    for (const auto& [beta, o] : line) {
      if (o.kl >= kl) return o.kl > before_kl ? before + (o.reward - before) * (kl - before_kl) / (o.kl - before_kl) : o.reward;
      before_kl = o.kl, before = o.reward;
    }
    return std::numeric_limits<double>::quiet_NaN();
  }
  double reference_reward() const { return outcome_->reference_reward; }

  /// A seed's reward at a given KL, between its strengths' policies on a straight line; none where it did not come as far.
  std::optional<double> reward_at(const frontier_method& m, index seed, double kl) const {
    std::vector<std::pair<double, double>> points = {{0, reference_reward()}};
    for (const auto& [cell, r] : outcome_->cells)
      if (cell.method == &m && !cell.of_grid && cell.seed == seed && r.finite()) points.emplace_back(r.kl, r.reward);
    std::sort(points.begin(), points.end());
    for (std::size_t i = 1; i < points.size(); ++i) {
      const auto& [x0, y0] = points[i - 1];
      const auto& [x1, y1] = points[i];
      if (x0 <= kl && kl <= x1 && x1 > x0) return y0 + (y1 - y0) * (kl - x0) / (x1 - x0);
    }
    return std::nullopt;
  }
  /// Of the seeds that came as far.
  std::vector<double> rewards_at(const frontier_method& m, double kl) const {
    std::vector<double> values;
    for (index seed = 1; seed <= seeds(); ++seed)
      if (const auto v = reward_at(m, seed, kl)) values.push_back(*v);
    return values;
  }
  /// Reward of one method less another's at a KL, seed by seed.
  std::vector<double> differences_at(const frontier_method& a, const frontier_method& b, double kl) const {
    std::vector<double> values;
    for (index seed = 1; seed <= seeds(); ++seed)
      if (const auto of_a = reward_at(a, seed, kl), of_b = reward_at(b, seed, kl); of_a && of_b) values.push_back(*of_a - *of_b);
    return values;
  }
  index seeds() const {
    index most = 0;
    for (const auto& [cell, r] : outcome_->cells)
      if (!cell.of_grid) most = std::max(most, cell.seed);
    return most;
  }

  /// Learning rates at which a method ran at its strength of the grid, its own among them.
  std::vector<double> learning_rates(const frontier_method& m) const {
    std::set<double> rates;
    for (const auto& [cell, r] : outcome_->cells)
      if (cell.method == &m && cell.strength == m.grid_strength) rates.insert(cell.learning_rate);
    return {rates.begin(), rates.end()};
  }
  struct share {
    index diverged = 0, of = 0;
    double reward = 0;  ///< mean of those whose numbers are finite
  };
  share divergence(const frontier_method& m, double learning_rate) const {
    share s;
    double finite = 0;
    for (const auto& [cell, r] : outcome_->cells)
      if (cell.method == &m && cell.strength == m.grid_strength && cell.learning_rate == learning_rate) {
        ++s.of;
        s.diverged += diverged(r, outcome_->reference) ? 1 : 0;
        if (r.finite()) s.reward += r.reward, ++finite;
      }
    s.reward /= finite;
    return s;
  }

 private:
  frontier_row row(const frontier_method& m, double strength) const {
    frontier_row row;
    row.method = &m, row.strength = strength;
    std::vector<double> rewards, kls;
    for (const auto& [cell, r] : outcome_->cells) {
      if (cell.method != &m || cell.strength != strength || cell.of_grid) continue;
      ++row.seeds;
      row.diverged += diverged(r, outcome_->reference) ? 1 : 0;
      row.seconds += r.seconds, row.updates += r.updates, row.texts += r.texts;
      if (is_specimen(cell)) row.bytes = r.specimen.bytes;
      if (!r.finite()) continue;
      rewards.push_back(r.reward), kls.push_back(r.kl);
      row.sound += r.sound, row.win_rate += r.win_rate;
    }
    row.reward = over_seeds(rewards), row.kl = over_seeds(kls);
    const double n = static_cast<double>(row.seeds), finite = static_cast<double>(rewards.size());
    row.sound /= finite, row.win_rate /= finite;
    row.seconds /= n, row.updates /= n, row.texts /= n;
    return row;
  }

  const frontier_job* job_;
  const frontier_outcome* outcome_;
  std::vector<frontier_row> rows_;
};

/// The KL of best-of-N where no scores tie.
inline double best_of_kl(double n) { return std::log(n) - (n - 1) / n; }

/// What a method takes, counted from its configuration.
struct frontier_cost {
  int models = 0, trained = 0;  ///< in memory at once
  int bytes_a_weight = 0;       ///< float32 and AdamW: 16 of a trained model, 4 of one that only reads
  int forwards = 0;             ///< forward passes over each text that it trains on, each time that it comes
  int once = 0;                 ///< and before the first step
};
inline frontier_cost cost_of(const frontier_method& m, const frontier_sizes& sizes) {
  frontier_cost c;
  switch (m.kind) {
    case frontier_kind::offline:  // the reference's log-probabilities are kept, the reference is not
      c = {1, 1, 0, 1, 1};
      if (m.data == frontier_data::verdicts) c.forwards = c.once = 2;  // KTO's mismatched pairs
      break;
    case frontier_kind::policy_gradient: {
      const bool has_value = std::holds_alternative<ppo>(m.algorithm(m.grid_strength));
      c.models = 2 + (has_value ? 1 : 0) + (m.true_reward ? 0 : 1);
      c.trained = has_value ? 2 : 1;
      // sampled; read by policy, reference, value, reward model; then by what is trained, in each epoch
      c.forwards = 1 + 2 + (has_value ? 1 : 0) + (m.true_reward ? 0 : 1) + static_cast<int>(sizes.ppo_epochs) * c.trained;
      break;
    }
    case frontier_kind::best_of:
      c = {m.true_reward ? 1 : 2, 0, 0, m.true_reward ? 1 : 2, 0};
      break;
    case frontier_kind::differentiated:
      c = {1, 1, 0, 2, 0};
      break;
  }
  c.bytes_a_weight = 16 * c.trained + 4 * (c.models - c.trained);
  return c;
}

}  // namespace tilt::program
