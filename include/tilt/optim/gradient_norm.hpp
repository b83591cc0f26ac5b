// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <limits>
#include <tilt/tensor/backend.hpp>

namespace tilt {

namespace detail {
/// Elements whose squares one team adds up: fixed, so that the norm's bits do not depend on the machine's number of teams.
inline constexpr index norm_chunk = 4096;

/// Where an update finds what it must know of the whole gradient, in the backend's memory.
enum control_entry : int { control_coefficient, control_finite, control_norm, control_entries };

template <class T> struct square_body {
  const T* from;
  template <class Lane> TILT_HD typename Lane::number operator()(const Lane& lane, index i) const {
    const auto x = lane.load(from, i);
    return x * x;
  }
};
template <class T> struct value_body {
  const T* from;
  template <class Lane> TILT_HD typename Lane::number operator()(const Lane& lane, index i) const { return lane.load(from, i); }
};

template <class T> struct square_chunks {
  const T* gradients;
  T* sums;
  index size;
  template <class Team> TILT_HD void operator()(const Team& team, index chunk) const {
    const index begin = chunk * norm_chunk, left = size - begin;
    const T sum = team.sum(left < norm_chunk ? left : norm_chunk, square_body<T>{gradients + begin});
    team.once([=, to = sums + chunk] { *to = sum; });
  }
};

/// ‖g‖ = √Σg²; the coefficient min(1, M / (‖g‖ + 1e-6)) of torch's clip_grad_norm_; 1 where all is finite, else 0.
template <class T> struct judge_gradient {
  const T* sums;
  T* control;
  index chunks;
  T max_norm;  // not positive: no clipping
  bool loss_is_finite;
  template <class Team> TILT_HD void operator()(const Team& team, index) const {
    const T total = team.sum(chunks, value_body<T>{sums});
    team.once([*this, total] {
      using std::sqrt;
      const T norm = sqrt(total), limit = max_norm / (norm + T(1e-6));
      control[control_coefficient] = max_norm > T(0) && limit < T(1) ? limit : T(1);
      control[control_finite] = loss_is_finite && norm <= std::numeric_limits<T>::max() ? T(1) : T(0);
      control[control_norm] = norm;
    });
  }
};
}  // namespace detail

/// Euclidean norm of a flat gradient, torch's clip coefficient and a flag that says whether loss and gradient are finite, all three
/// kept in the backend's memory so that an update can obey them without waiting for the host. Squares are added in chunks of 4096,
/// then the chunks in order: the same bits for any number of threads. A norm that overflows counts as not finite.
template <backend B> class gradient_norm {
  using T = typename B::scalar;

 public:
  /// What `read` brings to the host.
  struct reading {
    double norm;         ///< before clipping
    double coefficient;  ///< by which the update multiplies the gradient
    bool finite;
  };

  gradient_norm(B& backend, index size)
      : backend_(&backend),
        size_(size),
        chunks_((size + detail::norm_chunk - 1) / detail::norm_chunk),
        sums_(backend.template allocate<T>(std::max<index>(chunks_, 1))),
        control_(backend.template allocate<T>(detail::control_entries)) {}

  /// `max_norm` 0: no clipping.
  void measure(const T* gradients, double max_norm, bool loss_is_finite = true) {
    backend_->rows(chunks_, detail::square_chunks<T>{gradients, sums_.data(), size_}, team_scratch<T>{});
    backend_->rows(1, detail::judge_gradient<T>{sums_.data(), control_.data(), chunks_, static_cast<T>(max_norm), loss_is_finite},
                   team_scratch<T>{});
  }
  const T* control() const { return control_.data(); }

  reading read() {
    T host[detail::control_entries];
    backend_->copy_out(static_cast<const T*>(control_.data()), index{detail::control_entries}, host);
    return {static_cast<double>(host[detail::control_norm]), static_cast<double>(host[detail::control_coefficient]),
            host[detail::control_finite] > T(0)};
  }

 private:
  B* backend_;
  index size_, chunks_;
  buffer_of<B, T> sums_, control_;
};

}  // namespace tilt
