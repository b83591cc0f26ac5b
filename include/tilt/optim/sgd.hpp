// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/optim/update.hpp>

namespace tilt {

namespace detail {
template <class T> struct sgd_body {
  update_span<T> span;
  T decay, learning_rate, momentum, gradient_share;
  bool keeps_momentum, nesterov;

  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    const number w = lane.load(span.weights, i), g = span.gradient(lane, i) + number(decay) * w;
    number direction = g;
    if (keeps_momentum) {  // a property of the run, not of a value
      const number before = lane.load(span.moments, i), velocity = number(momentum) * before + number(gradient_share) * g;
      span.store(lane, span.moments, i, velocity, before);
      direction = nesterov ? g + number(momentum) * velocity : velocity;
    }
    span.store(lane, span.weights, i, w - number(learning_rate) * direction, w);
  }
};
}  // namespace detail

/// Stochastic gradient descent with momentum, as torch.optim.SGD computes it:
/// g ← g + λw;  b ← μb + (1 − τ)g (b = g at the first step);  w ← w − ηb, or w − η(g + μb) with Nesterov's momentum.
struct sgd {
  double momentum = 0;
  double dampening = 0;
  bool nesterov = false;
  double weight_decay = 0;

  index slots() const { return momentum > 0 ? 1 : 0; }
  void check() const {
    detail::require_option(momentum >= 0 && momentum < 1, "momentum", momentum, "give 0 or more and less than 1");
    detail::require_option(weight_decay >= 0, "weight_decay", weight_decay, "give 0 or more");
    detail::require_option(dampening >= 0 && dampening < 1, "dampening", dampening, "give 0 or more and less than 1");
    if (nesterov && (momentum == 0 || dampening != 0))
      throw input_error("nesterov: it needs a momentum and no dampening; set momentum, or leave nesterov away");
  }

  /// One step, the `count`-th (from 1), at learning rate η; nothing is written where the control says that loss or gradient are not
  /// finite.
  template <backend B> void update(B& b, const update_buffers<typename B::scalar>& u, double learning_rate, index count) const {
    using T = typename B::scalar;
    const double share = count == 1 ? 1 : 1 - dampening;
    detail::over_decay_ranges(u, weight_decay, [&](const detail::update_span<T>& span, index n, double decay) {
      b.map(n, detail::sgd_body<T>{span, static_cast<T>(decay), static_cast<T>(learning_rate), static_cast<T>(momentum),
                                   static_cast<T>(share), momentum > 0, nesterov});
    });
  }
};

}  // namespace tilt
