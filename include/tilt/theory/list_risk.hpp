// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <tilt/theory/tabular.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// Three answers in an order, the best first, and how often it was given.
struct ranking {
  std::array<std::size_t, 3> order;
  double weight;
};

/// All rankings of three answers, as often as Plackett–Luce says (Luce 1959; Plackett 1975): the best of what is left is chosen with
/// probability proportional to exp(r).
inline std::vector<ranking> plackett_luce_rankings(const answer_set& world) {
  std::vector<ranking> all;
  const auto e = [&](std::size_t y) { return std::exp(world.rewards[y]); };
  for (std::size_t a = 0; a < 3; ++a)
    for (std::size_t b = 0; b < 3; ++b) {
      if (a == b) continue;
      const std::size_t c = 3 - a - b;
      all.push_back({{a, b, c}, e(a) / (e(0) + e(1) + e(2)) * e(b) / (e(b) + e(c))});
    }
  return all;
}

/// The expected loss of a tabular policy over rankings of three answers, with gradient and Hessian; as tabular_risk.
template <list_loss L> class list_risk {
 public:
  list_risk(const L& loss, answer_set world, std::vector<ranking> data) : loss_(loss), world_(std::move(world)), data_(std::move(data)) {}

  second_order operator()(std::span<const double> theta) const {
    using inner = dual<double, 3>;
    using number = dual<inner, 3>;
    const std::vector<double> logps = log_softmax(theta);
    std::vector<double> g(3, 0.0), h(9, 0.0);
    double value = 0;
    for (const ranking& r : data_) {
      response_logps<number> y[3];
      for (int k = 0; k < 3; ++k) {
        const std::size_t at = r.order[static_cast<std::size_t>(k)];
        y[k] = {number::variable(inner::variable(logps[at], k), k), constant<number>(world_.reference_logps[at]), world_.length(at),
                constant<number>(world_.rewards[at])};
      }
      const number d = loss_(ranked_logps<number>{y, 3});
      value += r.weight * d.value.value;
      for (int i = 0; i < 3; ++i) {
        const std::size_t a = r.order[static_cast<std::size_t>(i)];
        g[a] += r.weight * d.slope[i].value;
        for (int j = 0; j < 3; ++j) h[a * 3 + r.order[static_cast<std::size_t>(j)]] += r.weight * d.slope[i].slope[j];
      }
    }
    return through_softmax(theta, logps, value, g, h);
  }

 private:
  L loss_;
  answer_set world_;
  std::vector<ranking> data_;
};

}  // namespace tilt
