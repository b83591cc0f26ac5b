// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/optim/update.hpp>

namespace tilt {

namespace detail {
template <class T> struct adamw_body {
  update_span<T> span;
  T keep, gradient_share, beta2, square_share, root_correction, epsilon, step_size;

  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    using std::sqrt;
    const number g = span.gradient(lane, i);
    const number m = lane.load(span.moments, i), v = lane.load(span.moments + span.slot, i), w = lane.load(span.weights, i);
    const number mean = m + number(gradient_share) * (g - m);
    const number square = number(beta2) * v + number(square_share) * (g * g);
    const number scale = sqrt(square) * number(root_correction) + number(epsilon);
    span.store(lane, span.moments, i, mean, m);
    span.store(lane, span.moments + span.slot, i, square, v);
    span.store(lane, span.weights, i, w * number(keep) - number(step_size) * mean / scale, w);
  }
};
}  // namespace detail

struct adamw;

/// A backend with an update of its own: adamw_update(options, buffers, learning_rate, count), which does what adamw::update does, the
/// gradient's judge included. Found at compile time.
template <class B>
concept fuses_adamw = requires(B& b, const adamw& options, const update_buffers<typename B::scalar>& u, double learning_rate, index count) {
  b.adamw_update(options, u, learning_rate, count);
};

/// Adam with decoupled weight decay, Loshchilov & Hutter 2019 (arXiv 1711.05101), Algorithm 2, as torch.optim.AdamW computes it:
/// w ← (1 − ηλ)w;  m ← m + (1 − β₁)(g − m);  v ← β₂v + (1 − β₂)g²;  w ← w − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε).
struct adamw {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double weight_decay = 0;

  index slots() const { return 2; }
  void check() const {
    detail::require_option(beta1 >= 0 && beta1 < 1, "adam_beta1", beta1, "give 0 or more and less than 1");
    detail::require_option(beta2 >= 0 && beta2 < 1, "adam_beta2", beta2, "give 0 or more and less than 1");
    detail::require_option(epsilon > 0, "adam_epsilon", epsilon, "give a positive number");
    detail::require_option(weight_decay >= 0, "weight_decay", weight_decay, "give 0 or more");
  }

  /// One step, the `count`-th (from 1), at learning rate η; one pass over memory. Nothing is written where the control says that
  /// loss or gradient are not finite.
  template <backend B> void update(B& b, const update_buffers<typename B::scalar>& u, double learning_rate, index count) const {
    using T = typename B::scalar;
    if constexpr (fuses_adamw<B>) return b.adamw_update(*this, u, learning_rate, count);
    const auto t = static_cast<double>(count);
    const double step_size = learning_rate / (1 - std::pow(beta1, t)), root_correction = 1 / std::sqrt(1 - std::pow(beta2, t));
    detail::over_decay_ranges(u, weight_decay, [&](const detail::update_span<T>& span, index n, double decay) {
      b.map(n, detail::adamw_body<T>{span, static_cast<T>(1 - learning_rate * decay), static_cast<T>(1 - beta1), static_cast<T>(beta2),
                                     static_cast<T>(1 - beta2), static_cast<T>(root_correction), static_cast<T>(epsilon),
                                     static_cast<T>(step_size)});
    });
  }
};

}  // namespace tilt
