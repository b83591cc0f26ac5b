// SPDX-License-Identifier: Apache-2.0
// The smallest embedding: DPO on the program's own arrays.
#include <cmath>
#include <cstdio>
#include <tilt/loss/dpo.hpp>
#include <vector>

int main() {
  const std::vector<double> chosen{-10, -20}, rejected{-12, -15};  // log π(y|x); the reference is the policy itself
  std::vector<double> gradient(2);
  const auto metrics =
      tilt::evaluate(tilt::dpo{.beta = 0.1}, tilt::pairs(chosen, rejected, chosen, rejected), {.gradient_chosen = gradient});
  std::printf("loss %.6f, slopes %.6f %.6f\n", metrics.loss, gradient[0], gradient[1]);
  return std::abs(metrics.loss - std::log(2.0)) < 1e-15 && std::abs(gradient[0] + 0.025) < 1e-15 ? 0 : 1;
}
