// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <numeric>
#include <span>
#include <tilt/loss/differentiate.hpp>
#include <tilt/theory/minimize.hpp>
#include <tilt/theory/world.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// From derivatives with respect to log π(y), g [n] and H [n, n], to derivatives with respect to θ, where log π = log_softmax(θ): with
/// J = 1 − 1πᵀ, gradient Jᵀg and Hessian JᵀHJ − (Σg)·(diag π − ππᵀ). Adds ½(Σθ)², which no policy feels, so that θ has one optimum only.
inline second_order through_softmax(std::span<const double> theta, std::span<const double> logps, double value, std::span<const double> g,
                                    std::span<const double> h) {
  const std::size_t n = theta.size();
  const double total = std::accumulate(g.begin(), g.end(), 0.0), shift = std::accumulate(theta.begin(), theta.end(), 0.0);
  std::vector<double> p(n), column(n, 0.0);
  for (std::size_t i = 0; i < n; ++i) {
    p[i] = std::exp(logps[i]);
    for (std::size_t j = 0; j < n; ++j) column[j] += h[i * n + j];
  }
  const double all = std::accumulate(column.begin(), column.end(), 0.0);
  second_order result(n);
  result.value = value + shift * shift / 2;
  for (std::size_t i = 0; i < n; ++i) {
    result.gradient[i] = g[i] - total * p[i] + shift;
    for (std::size_t j = 0; j < n; ++j)
      result.hessian[i * n + j] =
          h[i * n + j] - p[i] * column[j] - column[i] * p[j] + (all + total) * p[i] * p[j] - (i == j ? total * p[i] : 0) + 1;
  }
  return result;
}

/// The expected loss Σ w·loss of a tabular policy as a function of θ, with gradient and Hessian: the loss's own formula, run on dual
/// numbers of dual numbers, carried through the softmax. What minimize() takes.
template <pair_loss L> class tabular_risk {
  static_assert(!has_statistic<L>, "a loss with a batch statistic is no function of one pair");

 public:
  tabular_risk(const L& loss, answer_set world, std::vector<preference> data)
      : loss_(loss), world_(std::move(world)), data_(std::move(data)) {}

  double value(std::span<const double> theta) const {
    const std::vector<double> logps = log_softmax(theta);
    double sum = 0;
    for (const preference& c : data_)
      sum += c.weight * loss_(pair_logps<double>{at<double>(logps, c.chosen), at<double>(logps, c.rejected)});
    return sum;
  }

  std::vector<double> gradient(std::span<const double> theta) const {
    const std::vector<double> logps = log_softmax(theta);
    std::vector<double> g(logps.size(), 0.0);
    double total = 0;
    for (const preference& c : data_) {
      const dual<double, 2> d = differentiate(loss_, pair_logps<double>{at<double>(logps, c.chosen), at<double>(logps, c.rejected)});
      g[c.chosen] += c.weight * d.slope[0];
      g[c.rejected] += c.weight * d.slope[1];
      total += c.weight * (d.slope[0] + d.slope[1]);
    }
    for (std::size_t y = 0; y < g.size(); ++y) g[y] -= total * std::exp(logps[y]);
    return g;
  }

  second_order operator()(std::span<const double> theta) const {
    using inner = dual<double, 2>;
    using number = dual<inner, 2>;
    const std::size_t n = theta.size();
    const std::vector<double> logps = log_softmax(theta);
    std::vector<double> g(n, 0.0), h(n * n, 0.0);
    double value = 0;
    for (const preference& c : data_) {
      pair_logps<number> y{at<number>(logps, c.chosen), at<number>(logps, c.rejected)};
      y.chosen.policy = number::variable(inner::variable(logps[c.chosen], 0), 0);
      y.rejected.policy = number::variable(inner::variable(logps[c.rejected], 1), 1);
      const number d = loss_(y);
      const std::size_t place[2] = {c.chosen, c.rejected};
      value += c.weight * d.value.value;
      for (int i = 0; i < 2; ++i) {
        g[place[i]] += c.weight * d.slope[i].value;
        for (int j = 0; j < 2; ++j) h[place[i] * n + place[j]] += c.weight * d.slope[i].slope[j];
      }
    }
    return through_softmax(theta, logps, value, g, h);
  }

 private:
  template <class T> response_logps<T> at(const std::vector<double>& logps, std::size_t y) const {
    return {constant<T>(logps[y]), constant<T>(world_.reference_logps[y]), world_.length(y), constant<T>(world_.rewards[y])};
  }
  L loss_;
  answer_set world_;
  std::vector<preference> data_;
};

/// θ at which the policy is the reference.
inline std::vector<double> reference_parameters(const answer_set& world) {
  std::vector<double> theta = world.reference_logps;
  const double mean = std::accumulate(theta.begin(), theta.end(), 0.0) / static_cast<double>(theta.size());
  for (double& t : theta) t -= mean;
  return theta;
}

}  // namespace tilt
