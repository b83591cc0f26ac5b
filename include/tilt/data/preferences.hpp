// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string>
#include <tilt/error.hpp>
#include <tilt/scalar/philox.hpp>
#include <tilt/scalar/sigmoid.hpp>
#include <vector>

namespace tilt {

/// Which pairs of a prompt's responses become preferences.
enum class pair_choice { all, best_worst, margin };
/// Whether the better score is chosen (hard), or who is chosen is drawn (sampled), or the better score is chosen with its probability (soft).
enum class label_kind { hard, sampled, soft };

struct preference_options {
  pair_choice pairs = pair_choice::all;
  double margin = 0;  ///< with pair_choice::margin: the least difference of scores
  label_kind labels = label_kind::hard;
  double beta = 1;  ///< of sampled and soft labels: P(a ≻ b) = σ(beta·(score_a − score_b))
  std::uint64_t seed = 42;

  void check() const {
    if (!(margin >= 0 && std::isfinite(margin))) throw input_error("margin: " + std::to_string(margin) + " cannot be used; give 0 or more");
    if (!(beta > 0 && std::isfinite(beta))) throw input_error("beta: " + std::to_string(beta) + " cannot be used; give a positive number");
  }
};

/// "Response `chosen` is preferred to `rejected`", and how probable that is.
struct scored_preference {
  std::size_t chosen, rejected;
  double win_probability = 1;
};

/// Preferences among the scored responses of one prompt, by Bradley and Terry (1952) where labels are sampled or soft. Equal scores prefer
/// nothing, in whatever order they stand. Draws are of the stream `prompt` of the seed. Pairs come in the order of the responses. O(K²).
/// Throws input_error where a score is not finite.
inline std::vector<scored_preference> preferences_of(std::span<const double> scores, const preference_options& options,
                                                     std::uint64_t prompt) {
  options.check();
  for (const double s : scores)
    if (!std::isfinite(s)) throw input_error("a score is not a finite number; give one for each response");
  std::vector<scored_preference> found;
  const philox draws(options.seed, prompt);
  const auto add = [&](std::size_t a, std::size_t b) {
    if (scores[a] == scores[b]) return;
    if (scores[a] < scores[b]) std::swap(a, b);
    const double difference = scores[a] - scores[b];
    if (options.pairs == pair_choice::margin && difference < options.margin) return;
    const double probability = sigmoid(options.beta * difference);
    // The draw belongs to the two responses, so that it does not depend on which other pairs there are.
    const std::uint64_t number = static_cast<std::uint64_t>(std::min(a, b)) << 32 | static_cast<std::uint64_t>(std::max(a, b));
    if (options.labels == label_kind::sampled && uniform(draws, number) >= probability) std::swap(a, b);
    found.push_back({a, b, options.labels == label_kind::soft ? probability : 1});
  };
  if (options.pairs == pair_choice::best_worst) {
    if (scores.size() > 1)
      add(static_cast<std::size_t>(std::max_element(scores.begin(), scores.end()) - scores.begin()),
          static_cast<std::size_t>(std::min_element(scores.begin(), scores.end()) - scores.begin()));
  } else {
    for (std::size_t a = 0; a < scores.size(); ++a)
      for (std::size_t b = a + 1; b < scores.size(); ++b) add(a, b);
  }
  return found;
}

/// The texts' numbers without those that repeat an earlier one.
inline std::vector<std::size_t> distinct_texts(std::span<const std::string> texts) {
  std::vector<std::size_t> kept;
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (std::none_of(kept.begin(), kept.end(), [&](std::size_t k) { return texts[k] == texts[i]; })) kept.push_back(i);
  return kept;
}

}  // namespace tilt
