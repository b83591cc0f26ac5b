// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>
#include <tuple>

namespace tilt {

/// The mean length of a batch's chosen responses, which turns a mean over pairs into one over tokens.
struct mean_chosen_length {
  double tokens = 0, pairs = 0;

  void begin() { tokens = pairs = 0; }
  template <class T> void add(const pair_logps<T>& y) {
    tokens += y.chosen.tokens < 1 ? 1 : static_cast<double>(y.chosen.tokens);
    ++pairs;
  }
  double value() const { return tokens / pairs; }
};

/// Mean negative log-likelihood of all chosen tokens of a batch, TRL's loss_type "sft" beside pair losses: −Σ log π(y⁺|x) / Σ n⁺, as a mean
/// over pairs, −log π(y⁺|x) over the batch's mean length. Rejected responses and the reference are read for the metrics alone.
struct sft {
  double beta = 0.1;  ///< scale of the rewards that are reported, and nothing else, > 0

  using statistic = mean_chosen_length;
  template <class T> TILT_HD T operator()(const pair_logps<T>& y, double length) const { return -y.chosen.policy / constant<T>(length); }
  bool uses_lengths() const { return true; }
  static constexpr bool whole_responses = true;

  static constexpr std::string_view name = "sft", formula = "−Σ ℓ⁺/Σ n⁺ over the batch",
                                    paper = "Rafailov et al. 2023, arXiv 2305.18290, §6";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &sft::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

static_assert(pair_loss<sft> && described_loss<sft>);

}  // namespace tilt
