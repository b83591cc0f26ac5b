// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <tilt/error.hpp>
#include <tilt/scalar/categorical.hpp>
#include <tilt/scalar/philox.hpp>
#include <vector>

namespace tilt {

/// How a token is chosen from logits. Names, order and meaning are those of transformers' generation: the repetition penalty, then division by
/// the temperature, then only the top_k largest stay, then the most probable ones whose probabilities sum to top_p, then those with min_p of the
/// largest probability.
struct sampling_options {
  double temperature = 1;         ///< > 0; 0 takes the most probable token (greedy), the first of equals
  index top_k = 0;                ///< keeps the k largest logits and all that equal the k-th; 0: all
  double top_p = 1;               ///< keeps the fewest tokens whose mass reaches it, one at least; 1: all
  double min_p = 0;               ///< keeps the tokens with at least this share of the largest probability; 0: all
  double repetition_penalty = 1;  ///< > 0; logits of tokens of the text so far are divided by it where positive, else multiplied; 1: none

  void check() const {
    const auto refuse = [](bool wrong, const char* name, double value, const char* remedy) {
      if (wrong) throw input_error(std::string(name) + ": " + std::to_string(value) + " cannot be used; " + remedy);
    };
    refuse(!(temperature >= 0 && std::isfinite(temperature)), "temperature", temperature,
           "give a positive number, or 0 for the most probable token");
    refuse(top_k < 0, "top_k", static_cast<double>(top_k), "give a positive number, or 0 for all tokens");
    refuse(!(top_p >= 0 && top_p <= 1), "top_p", top_p, "give 0 to 1");
    refuse(!(min_p >= 0 && min_p <= 1), "min_p", min_p, "give 0 to 1");
    refuse(!(repetition_penalty > 0 && std::isfinite(repetition_penalty)), "repetition_penalty", repetition_penalty,
           "give a positive number, or 1 for none");
    constexpr const char* greedy = "the most probable token (temperature 0) is taken without it";
    refuse(temperature == 0 && top_k > 0, "top_k", static_cast<double>(top_k), greedy);
    refuse(temperature == 0 && top_p < 1, "top_p", top_p, greedy);
    refuse(temperature == 0 && min_p > 0, "min_p", min_p, greedy);
  }
};

/// The text before a token, which the repetition penalty looks at: a prompt and what a sample has added to it.
struct token_history {
  std::span<const token> prompt = {}, sample = {};
};

/// Chooses tokens from rows of logits, on the host and in double. Keeps its memory from one row to the next.
class token_sampler {
 public:
  /// Throws input_error on options that say nothing sensible.
  explicit token_sampler(sampling_options options = {}) : options_((options.check(), options)) {}

  const sampling_options& options() const { return options_; }

  /// The distribution that a token is drawn from; valid until the next call. O(V), and with top_p O(k log k) for the k that it keeps.
  /// Throws `error` where a logit is NaN or +∞, or all are −∞.
  template <class T> std::span<const double> probabilities(std::span<const T> logits, const token_history& before = {}) {
    scores_.assign(logits.begin(), logits.end());
    check_numbers();
    if (options_.repetition_penalty != 1) penalize(before);
    const auto first = std::max_element(scores_.begin(), scores_.end());  // of equals the first
    const double largest = *first;
    weights_.resize(scores_.size());
    if (options_.temperature == 0) {
      std::fill(weights_.begin(), weights_.end(), 0.0);
      weights_[static_cast<std::size_t>(first - scores_.begin())] = 1;
      return weights_;
    }
    const double least = kth_largest();
    for (std::size_t i = 0; i < scores_.size(); ++i)
      weights_[i] = scores_[i] < least ? 0 : std::exp((scores_[i] - largest) / options_.temperature);
    normalize();
    if (options_.top_p < 1) {
      keep_mass();
      normalize();
    }
    if (options_.min_p > 0) {
      const double floor = options_.min_p * *std::max_element(weights_.begin(), weights_.end());
      for (double& w : weights_)
        if (w < floor) w = 0;
      normalize();
    }
    return weights_;
  }

  /// The token for a uniform draw u in [0, 1).
  template <class T> token operator()(std::span<const T> logits, double u, const token_history& before = {}) {
    const std::span<const double> p = probabilities(logits, before);
    return static_cast<token>(categorical(p.data(), static_cast<index>(p.size()), u));
  }

  /// The token at a position of a sample: draw number `position` of the sample's own stream. So a sample depends on the seed, its number
  /// and its logits, and not on what is sampled beside it.
  template <class T> token operator()(std::span<const T> logits, const philox& draws, index position, const token_history& before = {}) {
    return (*this)(logits, uniform(draws, static_cast<std::uint64_t>(position)), before);
  }

 private:
  void check_numbers() const {
    double largest = -std::numeric_limits<double>::infinity();
    bool number = true;
    for (const double z : scores_) {
      number = number && !std::isnan(z);
      largest = std::max(largest, z);
    }
    if (!number || !std::isfinite(largest)) throw error("sampling: the logits are not finite numbers; the model's weights are not usable");
  }

  /// Keskar et al. 2019 (arXiv 1909.05858, §4.1), as transformers has it: once for each token of the text, however often it stands there.
  void penalize(const token_history& before) {
    met_.resize(scores_.size());
    for (const auto& tokens : {before.prompt, before.sample})
      for (const token id : tokens) {
        const std::size_t i = static_cast<std::size_t>(id);
        if (id < 0 || i >= scores_.size() || met_[i]) continue;
        met_[i] = true;
        scores_[i] = scores_[i] < 0 ? scores_[i] * options_.repetition_penalty : scores_[i] / options_.repetition_penalty;
      }
    for (const auto& tokens : {before.prompt, before.sample})
      for (const token id : tokens)
        if (id >= 0 && static_cast<std::size_t>(id) < met_.size()) met_[static_cast<std::size_t>(id)] = false;
  }

  /// The score below which top_k drops. Ties with it stay, as in transformers.
  double kth_largest() {
    if (options_.top_k == 0 || options_.top_k >= static_cast<index>(scores_.size())) return -std::numeric_limits<double>::infinity();
    sorted_ = scores_;
    const auto kth = sorted_.begin() + (options_.top_k - 1);
    std::nth_element(sorted_.begin(), kth, sorted_.end(), std::greater<double>());
    return *kth;
  }

  /// Keeps the most probable tokens until they reach top_p, of equals the first ones. They are sorted piece by piece: mostly few are kept.
  void keep_mass() {
    order_.clear();
    for (std::size_t i = 0; i < weights_.size(); ++i)
      if (weights_[i] > 0) order_.push_back(i);
    const auto before = [this](std::size_t a, std::size_t b) { return weights_[a] != weights_[b] ? weights_[a] > weights_[b] : a < b; };
    double kept = 0;
    auto sorted = order_.begin(), next = order_.begin();
    for (std::ptrdiff_t piece = 64; next != order_.end() && (next == order_.begin() || kept < options_.top_p); ++next) {
      if (next == sorted) {
        sorted += std::min(piece, order_.end() - sorted);
        if (sorted != order_.end()) std::nth_element(next, sorted, order_.end(), before);
        std::sort(next, sorted, before);
        piece *= 4;
      }
      kept += weights_[*next];
    }
    std::for_each(next, order_.end(), [this](std::size_t i) { weights_[i] = 0; });
  }

  void normalize() {
    const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    for (double& w : weights_) w /= total;
  }

  sampling_options options_;
  std::vector<double> scores_, weights_, sorted_;
  std::vector<std::size_t> order_;
  std::vector<bool> met_;
};

}  // namespace tilt
