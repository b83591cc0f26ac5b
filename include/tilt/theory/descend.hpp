// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <vector>

namespace tilt {

/// x ← x − rate·∇f(x), so many times; gradient(x) returns a vector. The plainest of optimisers, for what a step does to a policy.
template <class Gradient> void descend(std::vector<double>& x, const Gradient& gradient, double rate, long steps) {
  for (long k = 0; k < steps; ++k) {
    const std::vector<double> g = gradient(x);
    for (std::size_t i = 0; i < x.size(); ++i) x[i] -= rate * g[i];
  }
}

/// The same with Adam's steps (Kingma & Ba 2015, arXiv 1412.6980, algorithm 1), β₁ = 0.9, β₂ = 0.999: their size is about `rate` whatever
/// the gradient's is, which `epsilon` must be small against.
template <class Gradient>
void descend_adam(std::vector<double>& x, const Gradient& gradient, double rate, long steps, double epsilon = 1e-8) {
  constexpr double decay = 0.9, decay_squares = 0.999;
  std::vector<double> mean(x.size(), 0.0), squares(x.size(), 0.0);
  for (long k = 1; k <= steps; ++k) {
    const std::vector<double> g = gradient(x);
    const double bias = 1 - std::pow(decay, k), bias_squares = 1 - std::pow(decay_squares, k);
    for (std::size_t i = 0; i < x.size(); ++i) {
      mean[i] += (1 - decay) * (g[i] - mean[i]);
      squares[i] += (1 - decay_squares) * (g[i] * g[i] - squares[i]);
      x[i] -= rate * (mean[i] / bias) / (std::sqrt(squares[i] / bias_squares) + epsilon);
    }
  }
}

}  // namespace tilt
