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

/// How a token is chosen from logits. Names, order and meaning are those of transformers' generation: logits are divided by the
/// temperature, then only the top_k largest stay, then the most probable ones whose probabilities sum to top_p.
struct sampling_options {
  double temperature = 1;  ///< > 0; 0 takes the most probable token (greedy), the first of equals
  index top_k = 0;         ///< keeps the k largest logits and all that equal the k-th; 0: all
  double top_p = 1;        ///< keeps the fewest tokens whose mass reaches it, one at least; 1: all

  void check() const {
    const auto refuse = [](bool wrong, const char* name, double value, const char* remedy) {
      if (wrong) throw input_error(std::string(name) + ": " + std::to_string(value) + " cannot be used; " + remedy);
    };
    refuse(!(temperature >= 0 && std::isfinite(temperature)), "temperature", temperature, "give a positive number, or 0 for the most probable token");
    refuse(top_k < 0, "top_k", static_cast<double>(top_k), "give a positive number, or 0 for all tokens");
    refuse(!(top_p >= 0 && top_p <= 1), "top_p", top_p, "give 0 to 1");
    refuse(temperature == 0 && top_k > 0, "top_k", static_cast<double>(top_k), "the most probable token (temperature 0) is taken without it");
    refuse(temperature == 0 && top_p < 1, "top_p", top_p, "the most probable token (temperature 0) is taken without it");
  }
};

/// Chooses tokens from rows of logits, on the host and in double. Keeps its memory from one row to the next.
class token_sampler {
 public:
  /// Throws input_error on options that say nothing sensible.
  explicit token_sampler(sampling_options options = {}) : options_((options.check(), options)) {}

  const sampling_options& options() const { return options_; }

  /// The distribution that a token is drawn from; valid until the next call. O(V), or O(V log V) with top_p.
  /// Throws `error` where a logit is NaN or +∞, or all are −∞.
  template <class T> std::span<const double> probabilities(std::span<const T> logits) {
    weights_.resize(logits.size());
    const double largest = largest_of(logits);
    if (options_.temperature == 0) {
      const auto first = std::find_if(logits.begin(), logits.end(), [&](const T& z) { return static_cast<double>(z) == largest; });
      std::fill(weights_.begin(), weights_.end(), 0.0);
      weights_[static_cast<std::size_t>(first - logits.begin())] = 1;
      return weights_;
    }
    for (std::size_t i = 0; i < logits.size(); ++i) weights_[i] = std::exp((static_cast<double>(logits[i]) - largest) / options_.temperature);
    if (options_.top_k > 0 && options_.top_k < static_cast<index>(logits.size())) keep_largest(logits);
    normalize();
    if (options_.top_p < 1) {
      keep_mass();
      normalize();
    }
    return weights_;
  }

  /// The token for a uniform draw u in [0, 1).
  template <class T> token operator()(std::span<const T> logits, double u) {
    const std::span<const double> p = probabilities(logits);
    return static_cast<token>(categorical(p.data(), static_cast<index>(p.size()), u));
  }

  /// The token at a position of a sample: draw number `position` of the sample's own stream. So a sample depends on the seed, its number
  /// and its logits, and not on what is sampled beside it.
  template <class T> token operator()(std::span<const T> logits, const philox& draws, index position) {
    return (*this)(logits, uniform(draws, static_cast<std::uint64_t>(position)));
  }

 private:
  template <class T> static double largest_of(std::span<const T> logits) {
    double largest = -std::numeric_limits<double>::infinity();
    bool number = true;
    for (const T& z : logits) {
      const double value = static_cast<double>(z);
      number = number && !std::isnan(value);
      largest = std::max(largest, value);
    }
    if (!number || !std::isfinite(largest)) throw error("sampling: the logits are not finite numbers; the model's weights are not usable");
    return largest;
  }

  /// Drops what is below the k-th largest logit. Ties with it stay, as in transformers.
  template <class T> void keep_largest(std::span<const T> logits) {
    sorted_.assign(logits.begin(), logits.end());
    const auto kth = sorted_.begin() + (options_.top_k - 1);
    std::nth_element(sorted_.begin(), kth, sorted_.end(), std::greater<double>());
    for (std::size_t i = 0; i < logits.size(); ++i)
      if (static_cast<double>(logits[i]) < *kth) weights_[i] = 0;
  }

  /// Drops the least probable tokens while all that is dropped has at most 1 − top_p. Of equals the later goes first.
  void keep_mass() {
    order_.resize(weights_.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) { return weights_[a] != weights_[b] ? weights_[a] < weights_[b] : a > b; });
    double dropped = 0;
    for (std::size_t i = 0; i + 1 < order_.size(); ++i) {
      dropped += weights_[order_[i]];
      if (dropped > 1 - options_.top_p) break;
      weights_[order_[i]] = 0;
    }
  }

  void normalize() {
    const double total = std::accumulate(weights_.begin(), weights_.end(), 0.0);
    for (double& w : weights_) w /= total;
  }

  sampling_options options_;
  std::vector<double> weights_, sorted_;
  std::vector<std::size_t> order_;
};

}  // namespace tilt
