// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <numbers>
#include <tilt/model/config.hpp>
#include <tilt/tensor/backend.hpp>
#include <vector>

namespace tilt::detail {

// Rotary position embedding (Su et al. 2021, arXiv 2104.09864), rotating halves as Hugging Face's Llama does: with h = head_dim/2,
// angle_j = position·θ^(−j/h),   (x_j, x_{j+h}) ← (x_j cos − x_{j+h} sin,  x_{j+h} cos + x_j sin).
// A rotation's transpose is its inverse, so backward is the rotation by −angle.

/// Frequencies θ^(−2j/head_dim), j < head_dim/2, stretched as Llama 3 does where the config says so: wavelengths beyond
/// original/low_freq_factor are divided by `factor`, those below original/high_freq_factor kept, between them interpolated.
inline double rope_frequency(const model_config& c, index j) {
  const double frequency = std::pow(c.rope_theta, -2.0 * static_cast<double>(j) / static_cast<double>(c.head_dim));
  if (c.rope != rope_kind::llama3) return frequency;
  const rope_stretch& s = c.stretch;
  const double wavelength = 2 * std::numbers::pi / frequency;
  if (wavelength < s.original_max_position_embeddings / s.high_freq_factor) return frequency;
  if (wavelength > s.original_max_position_embeddings / s.low_freq_factor) return frequency / s.factor;
  const double smooth =
      (s.original_max_position_embeddings / wavelength - s.low_freq_factor) / (s.high_freq_factor - s.low_freq_factor);
  return (1 - smooth) * frequency / s.factor + smooth * frequency;
}

/// cos and sin of every position and frequency: [positions, 2, head_dim/2], computed in double.
template <class T> std::vector<T> rope_table(const model_config& c, index positions) {
  const index h = c.head_dim / 2;
  std::vector<T> table(static_cast<std::size_t>(positions * 2 * h));
  for (index j = 0; j < h; ++j) {
    const double frequency = rope_frequency(c, j);
    for (index p = 0; p < positions; ++p) {
      const double angle = static_cast<double>(p) * frequency;
      table[static_cast<std::size_t>(p * 2 * h + j)] = static_cast<T>(std::cos(angle));
      table[static_cast<std::size_t>(p * 2 * h + h + j)] = static_cast<T>(std::sin(angle));
    }
  }
  return table;
}

template <class T> struct rope_program {
  matrix_view<T> x;  // [rows, heads·head_dim]
  const T* table;
  const std::int32_t* position;
  index head_dim;
  T direction;  // 1: forward, −1: backward

  template <class Team> TILT_HD void operator()(const Team& team, index row) const {
    const index h = head_dim / 2;
    const T* const cosine = table + position[row] * 2 * h;
    const T* const sine = cosine + h;
    const T sign = direction;
    for (index head = 0; head < x.extent[1] / head_dim; ++head) {
      T* const low = x.data + row * x.stride[0] + head * head_dim;
      T* const high = low + h;
      team.each(h, [=](const auto& lane, index j) {
        using number = decltype(lane.load(low, j));
        const number a = lane.load(low, j), b = lane.load(high, j);
        const number c = lane.load(cosine, j), s = lane.load(sine, j) * number(sign);
        lane.store(low, j, a * c - b * s);
        lane.store(high, j, b * c + a * s);
      });
    }
  }
};

/// Rotates every head of every row in place by the angle of position[row]; backward by its negative.
template <backend B>
void rotate(B& b, matrix_view<typename B::scalar> x, const typename B::scalar* table, const std::int32_t* position, index head_dim, bool backward) {
  using T = typename B::scalar;
  b.rows(x.extent[0], rope_program<T>{x, table, position, head_dim, backward ? T(-1) : T(1)}, {});
}

}  // namespace tilt::detail
