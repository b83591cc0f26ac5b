// SPDX-License-Identifier: Apache-2.0
// Losses and gradients against TRL's, from golden/losses.json, every row of it. A row holds the token log-probabilities of 2P responses
// (chosen first), TRL's loss and its gradient with respect to every token. TRL's paths keep float64 from end to end but for those that a row
// calls float32 (alpha_divergence, ORPO), which are held to 1e-5. exo_pair's logarithms of ε and 1 − ε TRL takes of a float32 tensor, in float32:
// what that adds to the loss is added here too, so that the rest is held to the same bound as every other.
#include <cmath>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <tilt/loss/divergence.hpp>
#include <tilt/loss/length_desensitised.hpp>
#include <tilt/loss/losses.hpp>
#include <tilt/loss/wpo.hpp>
#include <vector>

#include "support/catch.hpp"
#include "support/paths.hpp"
#include "support/tolerance.hpp"

using namespace tilt;
using nlohmann::json;
using test::all_close;
using test::close;

namespace {

using numbers = std::vector<double>;
using reals = std::span<const double>;

/// What a row says, and what this file makes of it: a loss and a gradient for every token.
struct golden_row {
  const json& row;
  std::size_t pairs = 0;
  std::vector<numbers> tokens;
  numbers reference;
  std::vector<int> lengths;
  double loss = 0;
  std::vector<numbers> gradient;

  golden_row(const json& r, std::size_t n)
      : row(r), pairs(n), tokens(r["logps"].get<std::vector<numbers>>()), reference(r["ref"].get<numbers>()),
        lengths(r["lengths"].get<std::vector<int>>()) {
    for (const numbers& t : tokens) gradient.emplace_back(t.size());
  }
  const json& options() const { return row["options"]; }
  double bound() const { return row["dtype"] == "float64" ? 1e-9 : 1e-5; }

  tilt::index shared(std::size_t response) const { return std::min(lengths[response % pairs], lengths[response % pairs + pairs]); }
  /// Sums over the responses' tokens, those beyond the shorter response's length weighed by ld_alpha.
  numbers sums(double ld_alpha) const {
    numbers s;
    for (std::size_t r = 0; r < tokens.size(); ++r) s.push_back(length_desensitised_sum(reals(tokens[r]), shared(r), ld_alpha));
    return s;
  }
  numbers wpo_weights() const {
    const auto squares = row["log_sum_sq_probs"].get<std::vector<numbers>>();
    numbers w;
    for (std::size_t i = 0; i < pairs; ++i)
      w.push_back(wpo_weight(reals(tokens[i]), reals(squares[i])) * wpo_weight(reals(tokens[i + pairs]), reals(squares[i + pairs])));
    return w;
  }

  template <class L> void add(const L& pair, double weight, double ld_alpha, const numbers& weights = {}) {
    const numbers policy = sums(ld_alpha);
    numbers slopes(policy.size());
    pair_batch<double> batch{.policy_chosen = reals(policy).first(pairs),
                             .policy_rejected = reals(policy).last(pairs),
                             .reference_chosen = reals(reference).first(pairs),
                             .reference_rejected = reals(reference).last(pairs),
                             .length_chosen = std::span(lengths).first(pairs),
                             .length_rejected = std::span(lengths).last(pairs)};
    if (!weights.empty()) batch.weights = weights;
    loss +=
        weight *
        evaluate(pair, batch, {.gradient_chosen = std::span(slopes).first(pairs), .gradient_rejected = std::span(slopes).last(pairs)}).loss;
    for (std::size_t r = 0; r < slopes.size(); ++r)
      for (std::size_t t = 0; t < gradient[r].size(); ++t)
        gradient[r][t] += weight * slopes[r] * length_desensitised_weight(static_cast<tilt::index>(t), shared(r), ld_alpha);
  }

  void compare() const {
    const double bound = this->bound();
    CHECK(close(loss, row["loss"].get<double>(), bound));
    numbers theirs, ours;
    for (std::size_t r = 0; r < gradient.size(); ++r) {
      const auto g = row["grad"][r].get<numbers>();
      theirs.insert(theirs.end(), g.begin(), g.end());
      ours.insert(ours.end(), gradient[r].begin(), gradient[r].end());
    }
    // TRL differentiates σ as σ(1 − σ), which far from 0 keeps fewer digits than the bound: hence the batch's largest as the scale.
    CHECK(all_close(ours, theirs, bound, test::largest(theirs)));
  }
};

/// exo_pair, and what TRL's float32 logarithms of the smoothed label differ by: σ(m)·(log(1 − ε) − a) + σ(−m)·(log ε − b), m = βΔ.
struct exo_pair_as_in_trl : exo_pair {
  template <class T> T operator()(const pair_logps<T>& y) const {
    const float rounded = static_cast<float>(label_smoothing);
    const double kept = std::log1p(-label_smoothing) - static_cast<double>(std::log1p(-rounded)),
                 flipped = std::log(label_smoothing) - static_cast<double>(std::log(rounded));
    const T m = constant<T>(beta) * y.margin();
    return exo_pair::operator()(y) + sigmoid(m) * constant<T>(kept) + sigmoid(-m) * constant<T>(flipped);
  }
};
template <class L> const L& as_in_trl(const L& loss) { return loss; }
exo_pair_as_in_trl as_in_trl(const exo_pair& loss) { return {loss}; }

/// Options of DPOConfig that are not hyper-parameters of a loss.
bool is_modifier(const std::string& name) {
  for (const char* m : {"loss_type", "loss_weights", "f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting"})
    if (name == m) return true;
  return false;
}

/// Whether the library has all that the row asks for.
bool compute_dpo(golden_row& g) {
  const json& options = g.options();
  const auto types = options["loss_type"].get<std::vector<std::string>>();
  const numbers weights = options.value("loss_weights", numbers(types.size(), 1.0));
  const bool link_given = options.contains("f_divergence_type");
  divergence_link link;
  if (link_given) link.type = divergence_from_name(options["f_divergence_type"].get<std::string>());
  link.alpha = options.value("f_alpha_divergence_coef", link.alpha);
  const double ld_alpha = options.value("ld_alpha", 1.0);
  const numbers pair_weights = options.value("use_weighting", false) ? g.wpo_weights() : numbers{};

  std::map<std::string, int> users;  // of the options that are not modifiers
  for (const auto& [name, value] : options.items())
    if (!is_modifier(name)) users[name] = 0;
  for (std::size_t k = 0; k < types.size(); ++k) {
    bool computed = false;
    with_loss<pair_losses>(types[k], [&]<class L>(L loss) {
      for (auto& [name, count] : users)
        if (uses_option<L>(name)) set_option(loss, name, options[name].template get<double>()), ++count;
      const double alpha = takes_ld_alpha<L>() ? ld_alpha : 1;  // "sft" is of whole responses, whatever stands beside it
      if constexpr (is_of_margin<L>()) {
        if (link_given) {
          const auto theirs = as_in_trl(loss);
          g.add(with_divergence<std::remove_cv_t<decltype(theirs)>>{theirs, link}, weights[k], alpha, pair_weights);
          computed = true;
          return;
        }
      }
      if (link_given) return;
      g.add(as_in_trl(loss), weights[k], alpha, pair_weights);
      computed = true;
    });
    if (!computed) return false;
  }
  for (const auto& [name, count] : users)
    if (count == 0) return false;
  return true;
}

template <class L> bool compute_singles(golden_row& g) {
  L loss;
  for (const auto& [name, value] : g.options().items())
    if (name != "loss_type") set_option(loss, name, value.template get<double>());
  const numbers policy = g.sums(1), kl = g.row["kl_logps"].get<numbers>(), kl_reference = g.row["kl_ref"].get<numbers>();
  const auto labels = g.row["label"].get<std::vector<int>>();
  numbers slopes(policy.size());
  g.loss = evaluate(loss,
                    response_batch<double>{.policy = policy,
                                           .reference = g.reference,
                                           .desirable = labels,
                                           .mismatched_policy = kl,
                                           .mismatched_reference = kl_reference},
                    {.gradient = slopes})
               .loss;
  for (std::size_t r = 0; r < slopes.size(); ++r)
    for (double& x : g.gradient[r]) x = slopes[r];
  return true;
}

/// TRL's CPOTrainer has one loss_type for four losses and AlphaPO's transformation beside it; rows are without the likelihood.
bool compute_cpo(golden_row& g) {
  const json& o = g.options();
  const std::string type = o["loss_type"];
  const double beta = o["beta"], smoothing = o["label_smoothing"], gamma = o["simpo_gamma"], alpha = o["alpha"];
  if (type == "sigmoid" && alpha == 0)
    g.add(cpo{.beta = beta, .label_smoothing = smoothing, .cpo_alpha = 0}, 1, 1);
  else if (type == "hinge" && alpha == 0 && smoothing == 0)
    g.add(without_reference<hinge>{{.beta = beta}}, 1, 1);
  else if (type == "ipo" && alpha == 0 && smoothing == 0)
    g.add(without_reference<ipo>{{.beta = beta}}, 1, 1);
  else if (type == "simpo" && alpha == 0)
    g.add(simpo{.beta = beta, .simpo_gamma = gamma, .label_smoothing = smoothing}, 1, 1);
  else if (type == "simpo")
    g.add(alphapo{.beta = beta, .simpo_gamma = gamma, .alpha = alpha, .label_smoothing = smoothing}, 1, 1);
  else
    return false;
  return true;
}

bool compute(golden_row& g) {
  const json& trainer = g.row["trainer"];
  if (trainer == "dpo") return compute_dpo(g);
  if (trainer == "cpo") return compute_cpo(g);
  if (trainer == "orpo") {
    g.add(orpo{.beta = g.options()["beta"].get<double>(), .nll_weight = 0}, 1, 1);
    return true;
  }
  bool computed = false;
  if (trainer == "kto")
    with_loss<labelled_losses>(g.options()["loss_type"].get<std::string>(), [&]<class L>(const L&) { computed = compute_singles<L>(g); });
  return computed;
}

}  // namespace

TEST_CASE("golden losses: every row") {
  TILT_SKIP_WITHOUT(test::golden_folder() / "losses.json");
  const json file = json::parse(std::ifstream(test::golden_folder() / "losses.json"));
  std::size_t rows = 0, compared = 0;
  for (const json& row : file["rows"]) {
    golden_row g(row, file["pairs"].get<std::size_t>());
    INFO("row " << rows++ << ": " << row["trainer"] << " " << row["options"].dump());
    const bool known = compute(g);
    CHECK(known);
    if (!known) continue;
    g.compare();
    ++compared;
  }
  CHECK(compared == file["rows"].size());
  CHECK(compared >= 172);
}
