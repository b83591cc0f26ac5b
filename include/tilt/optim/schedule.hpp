// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <string_view>
#include <tilt/error.hpp>
#include <tilt/scalar/config.hpp>

namespace tilt {

/// How the learning rate moves over a run. Names are those of transformers' `lr_scheduler_type`.
enum class schedule_kind {
  constant,
  constant_with_warmup,
  linear,
  cosine,
  cosine_with_restarts,
  cosine_with_min_lr,
  polynomial,
  inverse_sqrt,
  warmup_stable_decay,
};

struct schedule_name {
  schedule_kind kind;
  std::string_view name;
};
inline constexpr std::array<schedule_name, 9> schedule_names{{
    {schedule_kind::constant, "constant"},
    {schedule_kind::constant_with_warmup, "constant_with_warmup"},
    {schedule_kind::linear, "linear"},
    {schedule_kind::cosine, "cosine"},
    {schedule_kind::cosine_with_restarts, "cosine_with_restarts"},
    {schedule_kind::cosine_with_min_lr, "cosine_with_min_lr"},
    {schedule_kind::polynomial, "polynomial"},
    {schedule_kind::inverse_sqrt, "inverse_sqrt"},
    {schedule_kind::warmup_stable_decay, "warmup_stable_decay"},
}};

inline schedule_kind schedule_from_name(std::string_view name) {
  for (const schedule_name& known : schedule_names)
    if (known.name == name) return known.kind;
  std::string all;
  for (const schedule_name& known : schedule_names) all += (all.empty() ? "" : ", ") + std::string(known.name);
  throw input_error("lr_scheduler_type: \"" + std::string(name) + "\" is not known; take one of " + all);
}
inline std::string_view name_of(schedule_kind kind) {
  for (const schedule_name& known : schedule_names)
    if (known.kind == kind) return known.name;
  return "";
}

/// The factor of the learning rate at each optimiser step t = 0, 1, …: transformers' optimization.py, formula by formula. W is the
/// number of warm-up steps, N of all steps, p = (t − W) / max(1, N − W). All but `constant` begin with t / max(1, W) for t < W.
struct schedule {
  schedule_kind kind = schedule_kind::linear;
  index warmup_steps = 0;
  index total_steps = 0;
  double cycles = -1;          ///< cosine: half by default, with restarts: 1
  double min_lr_ratio = 0;     ///< floor of cosine_with_min_lr and warmup_stable_decay
  double power = 1;            ///< polynomial
  double end_ratio = 1e-7;     ///< polynomial: the last learning rate over the first
  index timescale = 0;         ///< inverse_sqrt; 0: W, or 10000 without warm-up
  index decay_steps = 0;       ///< warmup_stable_decay: the last steps, which fall to the floor along a cosine

  double factor(index step) const {
    constexpr double pi = 3.14159265358979323846;
    if (kind == schedule_kind::constant) return 1;
    const auto t = static_cast<double>(step), warmup = static_cast<double>(warmup_steps), total = static_cast<double>(total_steps);
    const bool warming = step < warmup_steps;
    const double rising = t / std::max(1.0, warmup);
    if (warming) return kind == schedule_kind::warmup_stable_decay ? min_lr_ratio + (1 - min_lr_ratio) * rising : rising;
    const double progress = (t - warmup) / std::max(1.0, total - warmup);
    switch (kind) {
      case schedule_kind::constant_with_warmup: return 1;
      case schedule_kind::linear: return std::max(0.0, (total - t) / std::max(1.0, total - warmup));
      case schedule_kind::cosine: return std::max(0.0, wave(pi * cycles_or(0.5) * 2 * progress));
      case schedule_kind::cosine_with_restarts:
        return progress >= 1 ? 0 : std::max(0.0, wave(pi * std::fmod(cycles_or(1) * progress, 1.0)));
      case schedule_kind::cosine_with_min_lr:
        return std::max(0.0, wave(pi * cycles_or(0.5) * 2 * progress) * (1 - min_lr_ratio) + min_lr_ratio);
      case schedule_kind::polynomial:
        if (step > total_steps) return end_ratio;
        return (1 - end_ratio) * std::pow(1 - (t - warmup) / (total - warmup), power) + end_ratio;
      case schedule_kind::inverse_sqrt: {
        const double scale = timescale > 0 ? static_cast<double>(timescale) : warmup_steps > 0 ? warmup : 10000.0;
        return 1 / std::sqrt((t + scale - warmup) / scale);
      }
      case schedule_kind::warmup_stable_decay: {
        const index stable = std::max<index>(0, total_steps - warmup_steps - decay_steps);
        if (step < warmup_steps + stable) return 1;
        if (step >= total_steps) return min_lr_ratio;
        const double falling = static_cast<double>(step - warmup_steps - stable) / std::max(1.0, static_cast<double>(decay_steps));
        return std::max(0.0, wave(pi * cycles_or(0.5) * 2 * falling)) * (1 - min_lr_ratio) + min_lr_ratio;
      }
      case schedule_kind::constant: break;
    }
    return 1;
  }

  /// Throws input_error naming the option.
  void check() const {
    if (warmup_steps < 0) throw input_error("warmup_steps: " + std::to_string(warmup_steps) + " is negative; give 0 or more");
    if (kind == schedule_kind::polynomial && total_steps <= warmup_steps)
      throw input_error("warmup_steps: the polynomial schedule needs more steps (" + std::to_string(total_steps) + ") than warm-up steps (" +
                        std::to_string(warmup_steps) + "); warm up less");
    if (min_lr_ratio < 0 || min_lr_ratio > 1) throw input_error("min_lr_ratio: it is a share of the learning rate; give 0 to 1");
    if (kind == schedule_kind::warmup_stable_decay && (decay_steps <= 0 || decay_steps + warmup_steps > total_steps))
      throw input_error("decay_steps: warmup_stable_decay needs 1 to " + std::to_string(total_steps - warmup_steps) + " of them");
  }

 private:
  static double wave(double angle) { return 0.5 * (1 + std::cos(angle)); }
  double cycles_or(double usual) const { return cycles >= 0 ? cycles : usual; }
};

/// transformers' rule: one or more is a count, less is a share of the run, rounded up.
inline index warmup_step_count(double warmup_steps, index total_steps) {
  if (warmup_steps >= 1) return static_cast<index>(warmup_steps);
  return static_cast<index>(std::ceil(static_cast<double>(total_steps) * warmup_steps));
}

}  // namespace tilt
