// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/model/linear.hpp>
#include <tilt/scalar/dual.hpp>
#include <tilt/scalar/gelu.hpp>
#include <tilt/scalar/silu.hpp>

namespace tilt::detail {

// SwiGLU (Shazeer 2020, arXiv 2002.05202): y = (silu(x·Wgᵀ) ∘ (x·Wuᵀ))·Wdᵀ.   GPT-2: y = gelu(x·Wuᵀ + bu)·Wdᵀ + bd.
// The middle is elementwise; its derivatives come from the same functions on dual numbers.

template <class T> struct swiglu_body {
  const T* gate;
  const T* up;
  T* hidden;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(hidden, i, silu(lane.load(gate, i)) * lane.load(up, i));
  }
};

template <class T> struct swiglu_backward_body {
  const T* gate;
  const T* up;
  const T* d_hidden;
  T* d_gate;
  T* d_up;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    const dual<number, 1> s = silu(dual<number, 1>::variable(lane.load(gate, i), 0));
    const number g = lane.load(d_hidden, i);
    lane.store(d_gate, i, g * lane.load(up, i) * s.slope[0]);
    lane.store(d_up, i, g * s.value);
  }
};

template <class T> struct gelu_body {
  const T* up;
  T* hidden;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    lane.store(hidden, i, gelu_tanh(lane.load(up, i)));
  }
};

template <class T> struct gelu_backward_body {
  const T* up;
  const T* d_hidden;
  T* d_up;
  template <class Lane> TILT_HD void operator()(const Lane& lane, index i) const {
    using number = typename Lane::number;
    const dual<number, 1> h = gelu_tanh(dual<number, 1>::variable(lane.load(up, i), 0));
    lane.store(d_up, i, lane.load(d_hidden, i) * h.slope[0]);
  }
};

/// hidden = the activation of gate and up, elementwise; gate is unused by GPT-2.
template <backend B>
void activate(B& b, feed_forward_kind kind, const typename B::scalar* gate, const typename B::scalar* up, typename B::scalar* hidden, index n) {
  using T = typename B::scalar;
  if (kind == feed_forward_kind::swiglu) b.map(n, swiglu_body<T>{gate, up, hidden});
  else b.map(n, gelu_body<T>{up, hidden});
}

/// d_gate and d_up, assigned; d_up may be d_hidden.
template <backend B>
void activate_backward(B& b, feed_forward_kind kind, const typename B::scalar* gate, const typename B::scalar* up,
                       const typename B::scalar* d_hidden, typename B::scalar* d_gate, typename B::scalar* d_up, index n) {
  using T = typename B::scalar;
  if (kind == feed_forward_kind::swiglu) b.map(n, swiglu_backward_body<T>{gate, up, d_hidden, d_gate, d_up});
  else b.map(n, gelu_backward_body<T>{up, d_hidden, d_up});
}

}  // namespace tilt::detail
