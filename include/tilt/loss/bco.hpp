// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/loss/evaluate.hpp>
#include <tilt/scalar/log_sigmoid.hpp>
#include <tuple>

namespace tilt {

/// BCO's reward shift over β: the mean, over the batches seen so far, this one included, of a batch's mean log-ratio; TRL's running mean.
/// Evaluation reads it without adding to it. A batch whose mean is not finite is not counted.
struct running_log_ratio {
  struct shift {
    double log_ratio;
  };
  double mean = 0, batches = 0, sum = 0, count = 0;

  void begin() { sum = count = 0; }
  template <class T> void add(const labelled_logps<T>& y) {
    sum += static_cast<double>(y.response.log_ratio());
    ++count;
  }
  void finish() {
    const double batch = sum / count;
    if (batch - batch != 0) return;
    ++batches;
    mean += (batch - mean) / batches;
  }
  shift value() const { return {mean}; }

  std::array<double, 2> state() const { return {mean, batches}; }
  template <class Numbers> void restore(const Numbers& s) {
    if (s.size() != 2) throw input_error("checkpoint: it holds no running mean of bco; resume with the same loss");
    mean = s[0], batches = s[1];
  }
};

/// Binary classifier optimisation (Jung et al. 2024, arXiv 2404.04656, eq. 8): −log σ(βu − δ) for a desirable response, −log σ(δ − βu) for an
/// undesirable one, δ the running mean of βu over both kinds. No slope goes through δ. Where the prompts of the two kinds differ, the paper
/// weighs undesirable responses by density_ratio_weight.
struct bco {
  double beta = 0.1;  ///< > 0

  using statistic = running_log_ratio;
  template <class T> TILT_HD T operator()(const labelled_logps<T>& y, const running_log_ratio::shift& delta) const {
    const T x = constant<T>(beta) * (y.response.log_ratio() - constant<T>(delta.log_ratio));
    return -log_sigmoid(y.desirable ? x : -x);
  }

  static constexpr std::string_view name = "bco", formula = "−log σ(±(βu − δ)), δ the running mean of βu",
                                    paper = "Jung et al. 2024, arXiv 2404.04656";
  static constexpr auto options() { return std::tuple(loss_option{"beta", &bco::beta}); }
  void check() const { detail::require_positive("beta", beta); }
};

/// The weight of an undesirable response (eq. 12): p/(1 − p), held within [least, most] (TRL's defaults), where p is a classifier's
/// probability that its prompt comes from the desirable responses' prompts.
inline double density_ratio_weight(double p, double least = 0.5, double most = 10) {
  const double ratio = p / (1 - p + 1e-8);
  return ratio < least ? least : ratio > most ? most : ratio;
}

static_assert(labelled_loss<bco> && described_loss<bco> && has_own_statistic<bco>);

}  // namespace tilt
