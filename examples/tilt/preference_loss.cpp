// SPDX-License-Identifier: Apache-2.0
#include "preference_loss.hpp"

#include <optional>
#include <string>
#include <tilt/error.hpp>
#include <tilt/train/list.hpp>
#include <tilt/train/mixed_objective.hpp>
#include <tilt/train/preference.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "loss_settings.hpp"

namespace tilt::program {

struct preference_loss::parts {
  explicit parts(settings& s) : options(s) {}

  void add() {
    auto elsewhere = losses_elsewhere<labelled_losses>("kto", "single responses that were called good or bad");
    elsewhere["dpo"] = " is called sigmoid here, as in TRL; take --loss-type sigmoid";
    loss.emplace(options, "sigmoid", "sigmoid is DPO; of several the sum is taken; tilt losses lists all", elsewhere);
    options.add("loss_weights", weights, "weights of the losses of loss_type, in their order [1 each]");
    options.choice(
        "f_divergence_type", {"reverse_kl", "forward_kl", "js_divergence", "alpha_divergence"}, "reverse_kl",
        [this](const std::string& name) { terms.f_divergence_type = divergence_from_name(name); },
        "divergence from the reference, for losses of the margin");
    options.add("f_alpha_divergence_coef", terms.f_alpha_divergence_coef, "of alpha_divergence");
    options.add("ld_alpha", terms.ld_alpha, "LD-DPO: weight of tokens beyond the shorter response's length");
    options.add("use_weighting", terms.use_weighting, "WPO: pairs weigh as the policy would have written them");
  }

  void choose(training_job& job) {
    const std::vector<std::string>& types = loss->chosen();
    if (!weights.empty() && weights.size() != types.size())
      throw input_error("loss_weights: there are " + std::to_string(weights.size()) + " of them and " + std::to_string(types.size()) +
                        " losses in loss_type; give as many");
    double total = 0;
    for (const double weight : weights) total += weight;
    if (!weights.empty() && total == 0)
      throw input_error("loss_weights: all are 0, which leaves nothing to learn; give one a positive weight");
    terms.check();
    mixed_objective<float> in_float;
    mixed_objective<double> in_double;
    bool ranks = false;
    std::size_t at = 0;
    loss->make(types, [&]<class L>(const L& chosen) {
      if constexpr (pair_loss<L>) {
        preference_terms own = terms;
        if (!weights.empty()) own.loss_weight = weights[at];
        if (types.size() > 1) own = for_part<L>(own);
        const preference_objective<L> part(chosen, own);
        in_float.add(part);
        in_double.add(part);
      } else {
        if (types.size() > 1)
          throw input_error("loss_type: " + types[at] + " ranks whole lists, and stands alone; give no other loss beside it");
        for (const char* name : {"loss_weights", "f_divergence_type", "f_alpha_divergence_coef", "ld_alpha", "use_weighting"})
          options.refuse(name, "the loss " + types[at] + " does not use it");
        ranks = true;
        const list_objective<L> whole(chosen);
        in_float.add(whole);
        in_double.add(whole);
      }
      ++at;
    });
    if (types.size() > 1)
      for (const auto& [name, used] : {std::pair("ld_alpha", ld_alpha_used), std::pair("f_divergence_type", divergence_used),
                                       std::pair("use_weighting", weighting_used)})
        if (!used) options.refuse(name, "none of the losses uses it");
    job.objective = {ranks ? data_shape::rankings : data_shape::pairs, [in_float] { return in_float; }, [in_double] { return in_double; }};
  }

  /// The terms that a loss among others can have: TRL's "sft", for one, counts all tokens of a response whatever stands beside it.
  template <class L> preference_terms for_part(preference_terms t) {
    const preference_terms usual;
    ld_alpha_used = ld_alpha_used || takes_ld_alpha<L>();
    divergence_used = divergence_used || is_of_margin<L>();
    weighting_used = weighting_used || takes_weights<L>();
    if (!takes_ld_alpha<L>()) t.ld_alpha = usual.ld_alpha;
    if (!is_of_margin<L>()) t.f_divergence_type = usual.f_divergence_type, t.f_alpha_divergence_coef = usual.f_alpha_divergence_coef;
    if (!takes_weights<L>()) t.use_weighting = usual.use_weighting;
    return t;
  }

  settings& options;
  std::optional<loss_settings<preference_losses>> loss;
  std::vector<double> weights;
  preference_terms terms;
  bool ld_alpha_used = false, divergence_used = false, weighting_used = false;
};

preference_loss::preference_loss(settings& options) : parts_(std::make_unique<parts>(options)) {}
preference_loss::~preference_loss() = default;
void preference_loss::add() { parts_->add(); }
void preference_loss::choose(training_job& job) { parts_->choose(job); }

}  // namespace tilt::program
