// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/theory/claim.hpp>

namespace tilt {

/// Claim 7. The weight of a pair in DPO's gradient, −∂loss/∂log π(y⁺) / β, against σ of what the policy says and of what it says
/// relative to the reference.
inline claim claim_gradient_weight() {
  constexpr double beta = 0.1;
  const dpo loss{.beta = beta};
  const auto weight = [&](double policy_prefers, double reference_prefers) {
    const dual<double, 2> d = differentiate(loss, pair_logps<double>{{policy_prefers, reference_prefers}, {0, 0}});
    return -d.slope[0] / beta;
  };
  claim c{7,
          "A pair's weight is large where the model ranks it wrongly",
          "Wrongly relative to the reference: the gradient is −β·σ(r̂(y⁻) − r̂(y⁺))·(∇log π(y⁺) − ∇log π(y⁻)), with r̂ = β·log π/π_ref. A "
          "policy that ranks rightly, but by less than "
          "its reference does, has a weight above one half; one that ranks wrongly, but less so than its reference, has one below.",
          {}};
  c.measurements = {
      {"weight: policy for the chosen answer by 2 nats, reference by 10, β = 0.1; σ(8β)", weight(2, 10), 1 / (1 + std::exp(-8 * beta)),
       claim_bound::exact},
      {"weight: policy against it by 2, reference against it by 10; σ(−8β)", weight(-2, -10), 1 / (1 + std::exp(8 * beta)),
       claim_bound::exact},
      {"weight: policy against it by 50, as the reference; one half", weight(-50, -50), 0.5, 0},
  };
  c.picture = {"DPO's weight of a pair, β = 0.1",
               "by how many nats the policy prefers the chosen answer",
               "weight",
               {{"reference prefers it by 10", {}}, {"reference is indifferent", {}}, {"reference is against it by 10", {}}}};
  for (std::size_t k = 0; k < 3; ++k)
    for (int x = -40; x <= 40; x += 2) c.picture.curves[k].points.push_back({x, weight(x, 10 - 10 * static_cast<double>(k))});
  return c;
}

}  // namespace tilt
