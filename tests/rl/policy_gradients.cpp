// SPDX-License-Identifier: Apache-2.0
// Policy-gradient losses against TRL's and the papers' formulas, from golden/policy_gradients.json: values and gradients.
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/rl/advantages.hpp>
#include <tilt/rl/gae.hpp>
#include <tilt/rl/grpo.hpp>
#include <tilt/rl/ppo.hpp>
#include <tilt/rl/rloo.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

namespace {

using namespace tilt;
using nlohmann::json;
using test::all_close;
using test::close;

constexpr double bound = 1e-9;

/// Rows of different lengths end to end.
std::vector<double> joined(const json& rows) {
  std::vector<double> all;
  for (const json& row : rows)
    for (const json& x : row) all.push_back(x.get<double>());
  return all;
}

/// TRL chooses between two of SAPO's or VESPO's numbers with torch.where, which makes float32 of Python's floats: 1.05 is 1.0499999523.
/// Through a volatile, since g++ 12's vectoriser drops a pair of conversions to float and back.
void round_as_torch(double& x) {
  volatile float rounded = static_cast<float>(x);
  x = static_cast<double>(rounded);
}
void round_as_torch(grpo& loss) {
  if (loss.loss_type == grpo_loss_type::sapo)
    for (double* x : {&loss.sapo_temperature_pos, &loss.sapo_temperature_neg}) round_as_torch(*x);
  if (loss.loss_type == grpo_loss_type::vespo)
    for (double* x : {&loss.vespo_k_pos, &loss.vespo_lambda_pos, &loss.vespo_k_neg, &loss.vespo_lambda_neg}) round_as_torch(*x);
}

/// A row's options; one that is not known fails the test.
grpo grpo_of(const json& options) {
  grpo loss;
  for (const auto& [name, value] : options.items()) {
    INFO(name);
    if (name == "loss_type") {
      const auto at = std::find(grpo_loss_names.begin(), grpo_loss_names.end(), value.get<std::string>());
      REQUIRE(at != grpo_loss_names.end());
      loss.loss_type = static_cast<grpo_loss_type>(at - grpo_loss_names.begin());
    } else if (name == "importance_sampling_level") {
      REQUIRE((value == "sequence" || value == "token"));
      loss.sequence_ratio = value == "sequence";
    } else if (name == "use_bias_correction_kl") {
      loss.use_bias_correction_kl = value.get<bool>();
    } else {
      const std::map<std::string, double grpo::*> numbers = {{"beta", &grpo::beta},
                                                             {"epsilon", &grpo::epsilon},
                                                             {"epsilon_low", &grpo::epsilon},
                                                             {"epsilon_high", &grpo::epsilon_high},
                                                             {"delta", &grpo::delta},
                                                             {"max_completion_length", &grpo::max_completion_length},
                                                             {"sapo_temperature_pos", &grpo::sapo_temperature_pos},
                                                             {"sapo_temperature_neg", &grpo::sapo_temperature_neg},
                                                             {"vespo_k_pos", &grpo::vespo_k_pos},
                                                             {"vespo_lambda_pos", &grpo::vespo_lambda_pos},
                                                             {"vespo_k_neg", &grpo::vespo_k_neg},
                                                             {"vespo_lambda_neg", &grpo::vespo_lambda_neg}};
      REQUIRE(numbers.contains(name));
      loss.*numbers.at(name) = value.get<double>();
    }
  }
  round_as_torch(loss);
  return loss;
}

void compare_policy(const json& row, const auto& loss) {
  const auto logps = joined(row["logps"]), old_logps = joined(row["old_logps"]), theirs = joined(row["grad"]);
  const auto reference = row.contains("ref_logps") ? joined(row["ref_logps"]) : std::vector<double>(logps.size());
  const auto advantages = row["advantages"].get<std::vector<double>>();
  const auto lengths = row["lengths"].get<std::vector<int>>();
  std::vector<double> ours(logps.size());
  const policy_metrics m =
      evaluate(loss,
               token_batch<double>{
                   .lengths = lengths, .logps = logps, .old_logps = old_logps, .reference_logps = reference, .advantages = advantages},
               ours);
  CHECK(close(m.loss, row["loss"].get<double>(), bound));
  CHECK(all_close(ours, theirs, bound));
}

void compare_ppo(const json& row) {
  const json& options = row["options"];
  for (const auto& [name, value] : options.items()) {
    INFO(name);
    REQUIRE(
        (name == "gamma" || name == "lam" || name == "cliprange" || name == "cliprange_value" || name == "vf_coef" || name == "whiten"));
  }
  const auto lengths = row["lengths"].get<std::vector<int>>();
  const auto rewards = joined(row["rewards"]), old_values = joined(row["values_old"]), values = joined(row["values"]);
  const auto logps = joined(row["logps"]), old_logps = joined(row["old_logps"]);
  std::vector<double> advantages(logps.size()), returns(logps.size()), grad_logps(logps.size()), grad_values(logps.size());
  std::size_t begin = 0;
  for (const int length : lengths) {
    const auto n = static_cast<std::size_t>(length);
    const auto part = [&](const std::vector<double>& x) { return std::span<const double>(x).subspan(begin, n); };
    generalized_advantages<double>(part(rewards), part(old_values), options["gamma"], options["lam"],
                                   std::span(advantages).subspan(begin, n));
    value_targets<double>(part(advantages), part(old_values), std::span(returns).subspan(begin, n));
    begin += n;
  }
  CHECK(all_close(advantages, joined(row["advantages"]), bound));
  whiten<double>(advantages);
  CHECK(all_close(advantages, joined(row["whitened"]), bound));
  const ppo loss{.cliprange = options["cliprange"], .cliprange_value = options["cliprange_value"], .vf_coef = options["vf_coef"]};
  const ppo_metrics m =
      evaluate(loss, token_batch<double>{.lengths = lengths, .logps = logps, .old_logps = old_logps, .advantages = advantages},
               {.values = values, .old_values = old_values, .returns = returns}, {.logps = grad_logps, .values = grad_values});
  CHECK(close(m.policy_loss, row["policy_loss"].get<double>(), bound));
  CHECK(close(m.value_loss, row["value_loss"].get<double>(), bound));
  CHECK(all_close(grad_logps, joined(row["grad_logps"]), bound));
  CHECK(all_close(grad_values, joined(row["grad_values"]), bound));
}

}  // namespace

TEST_CASE("golden policy gradients") {
  TILT_SKIP_WITHOUT(test::golden_folder() / "policy_gradients.json");
  const json file = json::parse(std::ifstream(test::golden_folder() / "policy_gradients.json"));
  std::map<std::string, int> seen;
  int number = 0, compared = 0;
  for (const json& row : file["rows"]) {
    INFO("row " << number++ << ": " << row["trainer"] << " " << row["options"].dump());
    const auto trainer = row["trainer"].get<std::string>();
    if (trainer == "grpo") {
      const grpo loss = grpo_of(row["options"]);
      compare_policy(row, loss);
      ++seen[std::string(loss.name())];
      ++compared;
    } else if (trainer == "rloo") {
      rloo loss;
      for (const auto& [name, value] : row["options"].items()) {
        REQUIRE((name == "epsilon_low" || name == "epsilon_high"));
        (name == "epsilon_low" ? loss.epsilon : loss.epsilon_high) = value.get<double>();
      }
      compare_policy(row, loss);
      ++seen[trainer];
      ++compared;
    } else if (trainer == "ppo") {
      compare_ppo(row);
      ++seen[trainer];
      ++compared;
    } else {
      FAIL_CHECK("a row of a trainer that this test does not know");
    }
  }
  CHECK(compared == static_cast<int>(file["rows"].size()));
  for (const std::string_view name : grpo_loss_names) {
    CAPTURE(name);
    CHECK(seen[std::string(name)] > 0);
  }
  CHECK(seen["rloo"] > 0);
  CHECK(seen["ppo"] > 0);
}
