// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/scalar/scalar.hpp>

namespace tilt {

/// Estimators of KL(π‖π_ref) from one token drawn from π (Schulman 2020, "Approximating KL divergence"), of d = log π − log π_ref at it.
///
/// k1 = d: unbiased, of either sign, and as a loss useless: its gradient's expectation is 0.
template <class T> TILT_HD T kl_k1(const T& logp, const T& reference) { return logp - reference; }

/// k2 = d²/2: biased by O(d³), never negative; the expectation of its gradient is KL's.
template <class T> TILT_HD T kl_k2(const T& logp, const T& reference) {
  const T d = logp - reference;
  return constant<T>(0.5) * d * d;
}

/// k3 = e^−d − 1 + d: unbiased and never negative. expm1 keeps its digits near d = 0, where k3 ≈ d²/2.
template <class T> TILT_HD T kl_k3(const T& logp, const T& reference) {
  using std::expm1;
  const T d = logp - reference;
  return expm1(-d) + d;
}

enum class kl_estimator { k1, k2, k3 };

/// The estimator of this name, "k1", "k2" or "k3". Throws input_error on another.
inline kl_estimator kl_estimator_of(std::string_view name) {
  if (name == "k1") return kl_estimator::k1;
  if (name == "k2") return kl_estimator::k2;
  if (name == "k3") return kl_estimator::k3;
  throw input_error("kl_estimator: \"" + std::string(name) + "\" is none; give k1, k2 or k3");
}

/// One token's estimate of KL(π‖π_ref).
template <class T> TILT_HD T estimate_kl(kl_estimator which, const T& logp, const T& reference) {
  return which == kl_estimator::k1 ? kl_k1(logp, reference) : which == kl_estimator::k2 ? kl_k2(logp, reference) : kl_k3(logp, reference);
}

}  // namespace tilt
