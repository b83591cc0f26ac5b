// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <cstdint>
#include <limits>
#include <tilt/optim/optimizer.hpp>
#include <tilt/tensor/reference.hpp>
#include <vector>

namespace tilt::test {

/// Weights and a gradient for each of some steps, from a small generator: enough to tell two formulas apart.
struct problem {
  std::vector<double> weights;
  std::vector<std::vector<double>> gradients;

  problem(index size, index steps) {
    std::uint64_t state = 88172645463325252u;
    const auto next = [&] {
      state ^= state << 13, state ^= state >> 7, state ^= state << 17;
      return static_cast<double>(state >> 11) / 9007199254740992.0 * 4 - 2;
    };
    for (index i = 0; i < size; ++i) weights.push_back(next());
    for (index t = 0; t < steps; ++t) {
      gradients.emplace_back();
      for (index i = 0; i < size; ++i) gradients.back().push_back(next());
    }
  }
};

/// Runs an optimiser over the problem on a backend; gives the weights at the end. A constant learning rate keeps the loops short.
template <class B>
std::vector<double> run(const problem& p, const optimizer_options& options, index decayed, double learning_rate, double max_norm = 0) {
  using T = typename B::scalar;
  B b;
  const auto n = static_cast<index>(p.weights.size());
  optimizer<B> o(b, options, n, decayed);
  gradient_norm<B> norm(b, n);
  auto weights = b.template allocate<T>(n), gradients = b.template allocate<T>(n);
  std::vector<T> host(p.weights.begin(), p.weights.end());
  b.copy_in(host.data(), n, weights.data());
  for (const auto& g : p.gradients) {
    for (std::size_t i = 0; i < g.size(); ++i) host[i] = static_cast<T>(g[i]);
    b.copy_in(host.data(), n, gradients.data());
    norm.measure(gradients.data(), max_norm);
    o.update(weights.data(), gradients.data(), norm.control(), learning_rate);
  }
  b.copy_out(static_cast<const T*>(weights.data()), n, host.data());
  return {host.begin(), host.end()};
}

/// The largest |a − b| / max(1, |b|).
inline double distance(const std::vector<double>& a, const std::vector<long double>& b) {
  double worst = a.size() == b.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < a.size(); ++i)
    worst = std::fmax(worst, static_cast<double>(std::fabs(a[i] - b[i]) / std::fmax(1.0L, std::fabs(b[i]))));
  return worst;
}

}  // namespace tilt::test
