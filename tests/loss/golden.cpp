// SPDX-License-Identifier: Apache-2.0
// Losses and gradients against TRL's, from golden/losses.json. Each row holds the token log-probabilities of 2P responses (chosen first)
// and TRL's gradient with respect to every one of them. These losses' paths through TRL keep float64 from end to end, so that 1e-9 is
// generous everywhere (its roundings to float32 are in alpha_divergence and in the vocabulary head, neither of which is met here).
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <tilt/loss/losses.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using test::all_close;
using test::close;
using nlohmann::json;

namespace {

template <class T> std::vector<T> response_sums(const json& row) {
  std::vector<T> sums;
  for (const json& tokens : row["logps"]) {
    long double sum = 0;
    for (const json& x : tokens) sum += x.get<double>();
    sums.push_back(static_cast<T>(sum));
  }
  return sums;
}
template <class T> std::vector<T> numbers(const json& values) {
  std::vector<T> v;
  for (const json& x : values) v.push_back(static_cast<T>(x.get<double>()));
  return v;
}
/// TRL's gradients of the tokens, and ours of the response repeated for each of its tokens.
template <class T> auto token_gradients(const json& row, const std::vector<T>& gradient) {
  std::pair<std::vector<double>, std::vector<T>> both;
  for (std::size_t r = 0; r < gradient.size(); ++r)
    for (const json& x : row["grad"][r]) {
      both.first.push_back(x.get<double>());
      both.second.push_back(gradient[r]);
    }
  return both;
}
/// In float the inputs themselves, sums of up to some tens, are rounded.
template <class T> constexpr double bound = std::is_same_v<T, float> ? 1e-4 : 1e-9;

template <class L> L with_options(const json& options) {
  L loss;
  for (const auto& [name, value] : options.items())
    if (name != "loss_type") set_option(loss, name, value.template get<double>());
  return loss;
}

template <class L, class T> void compare_pairs(const json& row, std::size_t pair_count) {
  const auto policy = response_sums<T>(row), reference = numbers<T>(row["ref"]);
  const auto lengths = row["lengths"].get<std::vector<int>>();
  std::vector<T> gradient(2 * pair_count);
  using reals = std::span<const T>;
  const pair_metrics m = evaluate(with_options<L>(row["options"]),
                                  pair_batch<T>{.policy_chosen = reals(policy).first(pair_count),
                                                .policy_rejected = reals(policy).last(pair_count),
                                                .reference_chosen = reals(reference).first(pair_count),
                                                .reference_rejected = reals(reference).last(pair_count),
                                                .length_chosen = std::span(lengths).first(pair_count),
                                                .length_rejected = std::span(lengths).last(pair_count)},
                                  {.gradient_chosen = std::span(gradient).first(pair_count), .gradient_rejected = std::span(gradient).last(pair_count)});
  CHECK(close(m.loss, row["loss"].get<double>(), bound<T>));
  const auto [theirs, ours] = token_gradients(row, gradient);
  CHECK(all_close(ours, theirs, bound<T>));
}

template <class T> void compare_singles(const json& row) {
  const auto policy = response_sums<T>(row), reference = numbers<T>(row["ref"]), kl = numbers<T>(row["kl_logps"]), kl_reference = numbers<T>(row["kl_ref"]);
  const auto labels = row["label"].get<std::vector<int>>();
  std::vector<T> gradient(policy.size());
  const response_metrics m =
      evaluate(with_options<kto>(row["options"]),
               response_batch<T>{.policy = policy, .reference = reference, .desirable = labels, .mismatched_policy = kl, .mismatched_reference = kl_reference},
               {.gradient = gradient});
  CHECK(close(m.loss, row["loss"].get<double>(), bound<T>));
  const auto [theirs, ours] = token_gradients(row, gradient);
  // TRL differentiates σ as σ(1 − σ), which far from 0 keeps fewer digits than bound<T>: hence the batch's largest as the scale.
  CHECK(all_close(ours, theirs, bound<T>, test::largest(theirs)));
}

json losses() { return json::parse(std::ifstream(test::golden_folder() / "losses.json")); }

}  // namespace

TEMPLATE_TEST_CASE("golden losses of pairs", "", float, double, long double) {
  using T = TestType;
  TILT_SKIP_WITHOUT(test::golden_folder() / "losses.json");
  const json file = losses();
  const auto pair_count = file["pairs"].get<std::size_t>();
  std::map<std::string_view, int> seen;
  int number = 0;
  for (const json& row : file["rows"]) {
    const int index = number++;
    const json& options = row["options"];
    if (row["trainer"] != "dpo" || options["loss_type"].size() != 1) continue;
    const auto name = options["loss_type"][0].get<std::string>();
    with_loss<pair_losses>(name, [&]<class L>(const L&) {
      for (const auto& [option, value] : options.items())
        if (option != "loss_type" && !uses_option<L>(option)) return;  // f-divergences, LD-DPO, WPO
      INFO("row " << index << ": " << options.dump());
      compare_pairs<L, T>(row, pair_count);
      ++seen[L::name];
    });
  }
  for (const auto name : {dpo::name, hinge::name, ipo::name}) {
    CAPTURE(name);
    CHECK(seen[name] > 0);
  }
}

TEMPLATE_TEST_CASE("golden losses of labelled responses", "", float, double, long double) {
  TILT_SKIP_WITHOUT(test::golden_folder() / "losses.json");
  const json file = losses();
  int rows = 0;
  for (const json& row : file["rows"]) {
    if (row["trainer"] != "kto" || row["options"]["loss_type"] != "kto") continue;
    INFO(row["options"].dump());
    compare_singles<TestType>(row);
    ++rows;
  }
  CHECK(rows > 0);
}
