// SPDX-License-Identifier: Apache-2.0
// What a translation unit costs that includes one loss and evaluates it on arrays of its own.
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/evaluate.hpp>
#include <vector>

double mean_loss(const std::vector<double>& chosen, const std::vector<double>& rejected, const std::vector<double>& reference_chosen,
                 const std::vector<double>& reference_rejected, std::vector<double>& d_chosen, std::vector<double>& d_rejected);
double mean_loss(const std::vector<double>& chosen, const std::vector<double>& rejected, const std::vector<double>& reference_chosen,
                 const std::vector<double>& reference_rejected, std::vector<double>& d_chosen, std::vector<double>& d_rejected) {
  const tilt::pair_batch<double> batch{
      .policy_chosen = chosen, .policy_rejected = rejected, .reference_chosen = reference_chosen, .reference_rejected = reference_rejected};
  return tilt::evaluate(tilt::dpo{.beta = 0.1}, batch, {.gradient_chosen = d_chosen, .gradient_rejected = d_rejected}).loss;
}
