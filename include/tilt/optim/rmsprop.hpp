// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <tilt/optim/update.hpp>

namespace tilt {

namespace detail {
template <class T> struct rmsprop_body {
  update_span<T> span;
  T decay, alpha, square_share, epsilon, learning_rate, momentum;
  bool keeps_momentum;

  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    using std::sqrt;
    const number w = lane.load(span.weights, i), v = lane.load(span.moments, i);
    const number g = span.gradient(lane, i) + number(decay) * w;
    const number square = number(alpha) * v + number(square_share) * (g * g);
    number direction = g / (sqrt(square) + number(epsilon));
    if (keeps_momentum) {  // a property of the run, not of a value
      const number before = lane.load(span.moments + span.slot, i);
      direction = number(momentum) * before + direction;
      span.store(lane, span.moments + span.slot, i, direction, before);
    }
    span.store(lane, span.moments, i, square, v);
    span.store(lane, span.weights, i, w - number(learning_rate) * direction, w);
  }
};
}  // namespace detail

/// RMSprop (Tieleman & Hinton 2012, lecture 6.5), as torch.optim.RMSprop computes it, not centred; what the DPO paper trains with:
/// g ← g + λw;  v ← αv + (1 − α)g²;  b ← μb + g / (√v + ε);  w ← w − ηb.
struct rmsprop {
  double alpha = 0.99;
  double epsilon = 1e-8;
  double momentum = 0;
  double weight_decay = 0;

  index slots() const { return momentum > 0 ? 2 : 1; }
  void check() const {
    detail::require_option(alpha >= 0 && alpha < 1, "rmsprop_alpha", alpha, "give 0 or more and less than 1");
    detail::require_option(epsilon > 0, "adam_epsilon", epsilon, "give a positive number");
    detail::require_option(momentum >= 0 && momentum < 1, "momentum", momentum, "give 0 or more and less than 1");
    detail::require_option(weight_decay >= 0, "weight_decay", weight_decay, "give 0 or more");
  }

  /// One step at learning rate η; nothing is written where the control says that loss or gradient are not finite.
  template <backend B> void update(B& b, const update_buffers<typename B::scalar>& u, double learning_rate, index) const {
    using T = typename B::scalar;
    detail::over_decay_ranges(u, weight_decay, [&](const detail::update_span<T>& span, index n, double decay) {
      b.map(n, detail::rmsprop_body<T>{span, static_cast<T>(decay), static_cast<T>(alpha), static_cast<T>(1 - alpha), static_cast<T>(epsilon),
                                       static_cast<T>(learning_rate), static_cast<T>(momentum), momentum > 0});
    });
  }
};

}  // namespace tilt
