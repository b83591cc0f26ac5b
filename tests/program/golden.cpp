// SPDX-License-Identifier: Apache-2.0
// Whole runs of the program against the logs of TRL's trainers: every value of every line, the evaluations before and after, and the
// norm of every parameter's change.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>
#include <tilt/io/safetensors.hpp>

#include "program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"

namespace fs = std::filesystem;
using namespace tilt::test;
using nlohmann::json;

namespace {

/// The largest error met so far, and where.
struct worst_error {
  double error = 0;
  std::string where;
  void meet(double found, const std::string& at) {
    if (found > error || std::isnan(found)) error = found, where = at;
  }
};

/// Numbers that a difference in the last place of a float can move by a whole token or pair; they are held to fewer digits.
bool counts(const std::string& key) { return key.find("accurac") != std::string::npos; }

/// What an error is measured against where the value is small. Rewards, KTO's kl, and what else crosses zero: 1e-2 at least, and the
/// step of a float at the log-probabilities whose difference TRL makes them of, for it sums these in float: 2^-23·|log π|, times beta in
/// a reward, of which a tolerance of 1e-4 lets two pass.
double floor_of(const std::string& key, const json& line, double beta) {
  const bool kl = key == "kl" || key == "eval_kl";
  const auto at = kl ? key.size() - 2 : key.find("rewards/");
  if (at == std::string::npos) return key.find("logits/") != std::string::npos ? 1e-2 : 1e-12;
  double logp = 0;
  for (const char* side : {"logps/chosen", "logps/rejected"}) logp = std::max(logp, std::abs(line.value(key.substr(0, at) + side, 0.0)));
  return std::max(1e-2, 2e4 * (kl ? 1 : beta) * logp * std::ldexp(1.0, -23));
}

/// Holds every number of TRL's line against ours.
void compare_line(const json& theirs, const json& ours, const std::string& where, double beta, bool only_losses, worst_error& worst,
                  worst_error& counted) {
  for (const auto& [key, value] : theirs.items()) {
    if (!value.is_number() || key.find("preparation_time") != std::string::npos) continue;
    if (only_losses && key != "loss" && key != "eval_loss") continue;
    if (!ours.contains(key) || !ours[key].is_number()) {
      FAIL_CHECK(where << ": " << key << " is not there");
      continue;
    }
    const double a = value.get<double>(), b = ours[key].get<double>();
    const double error = std::abs(a - b) / std::max(std::abs(a), floor_of(key, theirs, beta));
    if (counts(key))
      counted.meet(std::abs(a - b), where + " " + key);
    else
      worst.meet(error, where + " " + key + ": " + std::to_string(a) + " and " + std::to_string(b));
  }
}

/// |W_after − W_before| and |W_after| of every parameter.
void compare_parameters(const json& theirs, const fs::path& before, const fs::path& after, const std::string& where, worst_error& worst) {
  const tilt::safetensors_file old_file(before), new_file(after);
  for (const auto& [name, norms] : theirs.items()) {
    const tilt::safetensor *a = old_file.find(name), *b = new_file.find(name);
    if (a == nullptr || b == nullptr) {
      FAIL_CHECK(where << ": the parameter " << name << " is not there");
      continue;
    }
    const auto x = a->values<double>(), y = b->values<double>();
    double change = 0, norm = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      change += (y[i] - x[i]) * (y[i] - x[i]);
      norm += y[i] * y[i];
    }
    const double update = norms["update_norm"].get<double>();
    worst.meet(std::abs(std::sqrt(change) - update) / std::max(update, 1e-12), where + " change of " + name);
    worst.meet(std::abs(std::sqrt(norm) - norms["norm"].get<double>()) / norms["norm"].get<double>(), where + " norm of " + name);
  }
}

std::string method_of(const json& first_example) {
  if (first_example.contains("label")) return "kto";
  return first_example.contains("rejected") ? "dpo" : "sft";
}

/// Whether the options are among those that the program has. TRL 1.16 takes label_smoothing with the sigmoid loss and leaves it unread;
/// here it smooths, so the two logs tell of different losses.
bool has_all_of(const json& options) {
  static const std::set<std::string> losses{"sigmoid", "hinge", "ipo", "kto", "nll", "chunked_nll"};
  const json type = options.value("loss_type", json("sigmoid"));
  if (type.is_array() ? type.size() != 1 || !losses.contains(type[0].get<std::string>()) : !losses.contains(type.get<std::string>()))
    return false;
  for (const char* key : {"ld_alpha", "use_weighting", "f_divergence_type", "loss_weights"})
    if (options.contains(key)) return false;
  return true;
}
bool smooths(const json& options) {
  return options.value("label_smoothing", 0.0) != 0 && options.value("loss_type", json()) == json::array({"sigmoid"});
}

/// One run in one number type. Gives whether it was compared.
bool compare_run(const fs::path& folder, const std::string& dtype) {
  const std::string name = folder.filename().string();
  const json run = json::parse(contents(folder / "run.json")), options = run["options"];
  if (fs::exists(folder / "score.json") || smooths(options)) return false;  // a reward model; another loss
  const fs::path model = data_folder() / "stories260K", scratch = scratch_folder(("golden_" + name + "_" + dtype).c_str());
  write_text(scratch / "options.json", options.dump());
  const std::string method = method_of(json_lines(contents(folder / "train.jsonl"))[0]);
  std::vector<std::string> arguments{method,
                                     "--model",
                                     model,
                                     "--train",
                                     folder / "train.jsonl",
                                     "--eval",
                                     folder / "eval.jsonl",
                                     "--config",
                                     scratch / "options.json",
                                     "--output",
                                     scratch / "out",
                                     "--dtype",
                                     dtype,
                                     "--no-shuffle"};
  if (!options.contains("logging_steps")) arguments.insert(arguments.end(), {"--logging-steps", "1"});
  if (!options.contains("per_device_eval_batch_size")) arguments.insert(arguments.end(), {"--eval-batch-size", "4"});
  const outcome result = tilt_program(scratch, arguments);
  INFO(name << " in " << dtype << ": " << result.err);
  if (result.status == 2 && !has_all_of(options)) {
    CHECK(result.err.rfind("tilt: options.json: ", 0) == 0);  // it says which one it has not
    std::printf("%-36s %s  has an option that is not there: %s", name.c_str(), dtype.c_str(), result.err.c_str());
    return false;
  }
  REQUIRE(result.status == 0);

  const bool loosely = dtype == "float32" || run.value("dtype", "float64") != "float64";
  const double beta = options.value("beta", 0.1);
  worst_error worst, counted, parameters;
  std::vector<json> log, evaluations;
  for (const json& line : json_lines(contents(scratch / "out" / "metrics.jsonl")))
    (line.contains("loss") ? log : evaluations).push_back(line);
  REQUIRE(log.size() == run["log"].size());
  for (std::size_t i = 0; i < log.size(); ++i)
    compare_line(run["log"][i], log[i], "step " + std::to_string(log[i]["step"].get<int>()), beta, loosely, worst, counted);
  REQUIRE(evaluations.size() >= 2);
  compare_line(run["eval_before"], evaluations.front(), "before", beta, loosely, worst, counted);
  compare_line(run["eval_after"], evaluations.back(), "after", beta, loosely, worst, counted);
  if (!loosely)
    compare_parameters(run["parameters"], model / "model.safetensors", scratch / "out" / "model.safetensors", "after", parameters);
  std::printf("%-36s %s  worst %.1e (%s); parameters %.1e (%s)\n", name.c_str(), dtype.c_str(), worst.error, worst.where.c_str(),
              parameters.error, parameters.where.c_str());
  INFO("worst at " << worst.where);
  CHECK(worst.error <= (loosely ? 1e-2 : 1e-4));
  INFO("worst count at " << counted.where);
  CHECK(counted.error <= 5e-3);
  INFO("worst parameter: " << parameters.where);
  CHECK(parameters.error <= 1e-3);
  return true;
}

void compare_all(const std::string& prefix, const std::string& dtype) {
  TILT_SKIP_WITHOUT(golden_folder() / "runs");
  TILT_SKIP_WITHOUT(data_folder() / "stories260K");
  int compared = 0;
  std::set<fs::path> folders;
  for (const auto& entry : fs::directory_iterator(golden_folder() / "runs"))
    if (entry.path().filename().string().rfind(prefix, 0) == 0 && fs::exists(entry.path() / "run.json")) folders.insert(entry.path());
  for (const fs::path& folder : folders) compared += compare_run(folder, dtype) ? 1 : 0;
  CHECK(compared > 0);
}

}  // namespace

TEST_CASE("golden program: dpo reproduces TRL in float64") { compare_all("dpo", "float64"); }
TEST_CASE("golden program: kto reproduces TRL in float64") { compare_all("kto", "float64"); }
TEST_CASE("golden program: sft reproduces TRL in float64") { compare_all("sft", "float64"); }
TEST_CASE("golden program: dpo reproduces TRL's losses in float32") { compare_all("dpo", "float32"); }
TEST_CASE("golden program: kto reproduces TRL's losses in float32") { compare_all("kto", "float32"); }
TEST_CASE("golden program: sft reproduces TRL's losses in float32") { compare_all("sft", "float32"); }
