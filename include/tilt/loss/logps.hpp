// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// What a loss may look at in one response y to a prompt x: log-probabilities summed over y's tokens, in nats.
template <class T> struct response_logps {
  T policy;                  ///< log π(y|x), the only thing that is differentiated
  T reference;               ///< log π_ref(y|x)
  index tokens = 1;          ///< length of y
  T score = constant<T>(0);  ///< what a reward model or a judge gave y, for losses that read it

  /// log π(y|x)/π_ref(y|x).
  TILT_HD constexpr T log_ratio() const { return policy - reference; }
  /// The length as a number, at least 1, for what is averaged over tokens.
  TILT_HD constexpr T length() const { return constant<T>(static_cast<double>(tokens < 1 ? 1 : tokens)); }
  /// log π(y|x) a token, and the same of the log-ratio.
  TILT_HD constexpr T mean_logp() const { return policy / length(); }
  TILT_HD constexpr T mean_log_ratio() const { return log_ratio() / length(); }
};

/// Two responses to one prompt, of which one was preferred.
template <class T> struct pair_logps {
  response_logps<T> chosen, rejected;
  T win_probability = constant<T>(1);  ///< p(y⁺ ≻ y⁻), for losses that take soft labels

  /// Δ: the chosen response's log-ratio less the rejected one's.
  TILT_HD constexpr T margin() const { return chosen.log_ratio() - rejected.log_ratio(); }
};

/// A response that someone called good or bad by itself.
template <class T> struct labelled_logps {
  response_logps<T> response;
  bool desirable;
};

/// K responses to one prompt, the best first.
template <class T> struct ranked_logps {
  using number = T;
  const response_logps<T>* responses;
  index count;

  TILT_HD constexpr index size() const { return count; }
  TILT_HD constexpr const response_logps<T>& operator[](index rank) const { return responses[rank]; }
};

}  // namespace tilt
