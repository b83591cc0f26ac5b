// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/error.hpp>
#include <tilt/optim/gradient_norm.hpp>
#include <tilt/tensor/backend.hpp>
#include <string>

namespace tilt {

/// The flat buffers that an optimiser works on, in the backend's memory. Parameters that decay come first.
template <class T> struct update_buffers {
  T* weights = nullptr;
  const T* gradients = nullptr;
  T* moments = nullptr;  ///< the optimiser's slots, one after the other, `size` elements each
  index size = 0;
  index decayed = 0;     ///< weight decay applies to [0, decayed)
  const T* control = nullptr;  ///< gradient_norm's
};

namespace detail {
/// What every update shares: the clipped gradient, the flag, and where element i lies. A body is `formula` with a load and a store;
/// where the flag is down, all that it stores is what it loaded.
template <class T> struct update_span {
  T* weights;
  const T* gradients;
  T* moments;
  index slot;  // distance between the optimiser's slots
  const T* control;

  template <class Lane> TILT_HD typename Lane::number gradient(const Lane& lane, index i) const {
    return lane.load(gradients, i) * typename Lane::number(control[control_coefficient]);
  }
  /// to[i] = updated where the flag is up, else what was there.
  template <class Lane> TILT_HD void store(const Lane& lane, T* to, index i, const typename Lane::number& updated,
                                           const typename Lane::number& before) const {
    using number = typename Lane::number;
    lane.store(to, i, select(number(control[control_finite]) > number(T(0)), updated, before));
  }
};

/// Calls launch(span, count, decay) for the parameters that decay and for those that do not; once where there is no decay at all.
template <class T, class Launch> void over_decay_ranges(const update_buffers<T>& u, double weight_decay, const Launch& launch) {
  const index decayed = weight_decay == 0 ? 0 : u.decayed;
  const auto span = [&](index begin) {
    return update_span<T>{u.weights + begin, u.gradients + begin, u.moments + begin, u.size, u.control};
  };
  if (decayed > 0) launch(span(0), decayed, weight_decay);
  if (decayed < u.size) launch(span(decayed), u.size - decayed, 0.0);
}

inline void require_option(bool holds, const char* name, double value, const char* remedy) {
  if (!holds) throw input_error(std::string(name) + ": " + std::to_string(value) + " cannot be used; " + remedy);
}
}  // namespace detail

}  // namespace tilt
