// SPDX-License-Identifier: Apache-2.0
// What each loss converges to, as Markdown: docs/loss-optima.md is this program's output.
#include <cmath>
#include <cstdio>
#include <string>
#include <tilt/theory/optima.hpp>
#include <tilt/theory/policy_optima.hpp>

namespace {

std::string number(double x) {
  if (std::isinf(x)) return x > 0 ? "∞" : "−∞";
  char text[40];
  std::snprintf(text, sizeof text, "%.7g", std::abs(x) < 1e-12 ? 0.0 : x);
  return text;
}
std::string error_text(double x) {
  char text[40];
  std::snprintf(text, sizeof text, "%.0e", x);
  return x == 0 ? "0" : text;
}

}  // namespace

int main() {
  bool all_hold = true;
  std::printf(
      "# What each loss converges to\n\n"
      "This page is the output of `examples/loss_optima`.\n\n"
      "## Two answers\n\n"
      "One prompt, a better and a worse answer, a policy of one number. Training starts at π = π_ref and follows the loss's slope (kinks "
      "and batch statistics "
      "too) to where it ends, with labels in the proportion 70 : 30: p = 0.7, which is Bradley–Terry's for rewards log(7/3) apart. β = "
      "0.1, a uniform reference and "
      "the losses' defaults where the row says nothing else. *Theory* is a closed form; where there is none, the place of the least value, "
      "found from values alone "
      "(right to about 1e-8). *Always won* is Δ at the end where the better answer has won every time. Signs, formulas: u = log π/π_ref, Δ "
      "= u⁺ − u⁻, ℓ = log π, n the length.\n\n"
      "| loss | setting | coordinate | ends at | theory | error | closed form | Δ where always won |\n|---|---|---|---|---|---|---|---|\n");
  for (const tilt::loss_optimum& r : tilt::loss_optima()) {
    all_hold = all_hold && r.end.holds();
    std::printf("| %s | %s | %s | %s | %s | %s%s | %s | %s |\n", r.loss.c_str(), r.setting.c_str(), r.coordinate.c_str(),
                number(r.end.measured).c_str(), number(r.end.expected).c_str(), error_text(r.end.error()).c_str(),
                r.end.holds() ? "" : " (!)", r.formula.empty() ? "none" : r.formula.c_str(), number(r.always_won).c_str());
  }
  std::printf(
      "\n## A handful of answers\n\n"
      "Five answers of several lengths (rankings: three), a tabular policy, all comparisons weighed as Bradley–Terry (rankings: "
      "Plackett–Luce) weighs them; β = 0.5 where "
      "the row says nothing else. The minimum, by Newton's method from π_ref, against the policy that theory has, and against the tilt "
      "π_ref·exp(r/β)/Z.\n\n"
      "| loss | setting | theory | total variation to it | to the tilt |\n|---|---|---|---|---|\n");
  for (const tilt::policy_optimum& r : tilt::policy_optima()) {
    all_hold = all_hold && r.distance.holds();
    std::printf("| %s | %s | %s | %s%s | %s |\n", r.loss.c_str(), r.setting.c_str(), r.formula.c_str(),
                error_text(r.distance.measured).c_str(), r.distance.holds() ? "" : " (!)",
                r.from_tilt < 1e-12 ? "0" : number(std::round(1e4 * r.from_tilt) / 1e4).c_str());
  }
  return all_hold ? 0 : 1;
}
