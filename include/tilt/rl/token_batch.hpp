// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <tilt/loss/options.hpp>
#include <tilt/loss/ranges.hpp>

namespace tilt {

/// Responses end to end, without padding: response i has lengths[i] tokens, and all ranges of tokens have Σ lengths elements.
template <class T> struct token_batch {
  integer_range lengths = {};                ///< [B], tokens of each response
  host_range<const T> logps = {};            ///< log π of each token, what is differentiated
  host_range<const T> old_logps = {};        ///< log π_old: of the policy that sampled them
  host_range<const T> reference_logps = {};  ///< log π_ref; for losses with a KL term
  host_range<const T> advantages = {};       ///< [B] or one for each token, as the loss says
  /// What means are over, if this batch is a part of a step: the whole step's responses and tokens. 0: this batch's.
  double step_responses = 0, step_tokens = 0;

  index responses() const { return lengths.size(); }
};

/// What a loss over tokens yields beside its gradient.
struct policy_metrics {
  double loss = 0;        ///< in the step's units: parts of a step add up
  double kl = 0;          ///< mean k3 estimate of KL(π‖π_ref) over the batch's tokens; 0 without a reference
  double approx_kl = 0;   ///< mean ½(log π − log π_old)² over tokens: how far the policy has moved since it sampled
  double clip_ratio = 0;  ///< share of tokens (of responses, where the ratio is theirs) whose clipped term counts
};

namespace detail {

/// Throws unless the ranges fit; returns the number of tokens. A response without tokens is refused: it has no probability to change.
template <class T> index check_tokens(const token_batch<T>& b, const host_range<T>& gradient, bool needs_reference, bool token_advantages) {
  if (b.responses() == 0) throw input_error("lengths: the batch is empty; give one response at least");
  index tokens = 0;
  for (index i = 0; i < b.responses(); ++i) {
    if (b.lengths[i] < 1)
      throw input_error("lengths: response " + std::to_string(i) + " has " + std::to_string(b.lengths[i]) + " tokens; leave it away");
    tokens += b.lengths[i];
  }
  require_size(b.logps, tokens, "logps", true);
  require_size(b.old_logps, tokens, "old_logps", true);
  require_size(b.reference_logps, tokens, "reference_logps", needs_reference);
  require_size(b.advantages, token_advantages ? tokens : b.responses(), "advantages", true);
  require_size(gradient, tokens, "gradient");
  return tokens;
}

/// f(response, first token, number of tokens) for each response.
template <class T, class F> void each_response(const token_batch<T>& b, const F& f) {
  for (index i = 0, begin = 0; i < b.responses(); begin += b.lengths[i++]) f(i, begin, b.lengths[i]);
}

}  // namespace detail

}  // namespace tilt
