// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string>
#include <string_view>
#include <tilt/rl/kl_estimators.hpp>
#include <tilt/rl/surrogates.hpp>
#include <tilt/rl/token_batch.hpp>
#include <type_traits>
#include <utility>

namespace tilt {

/// How GRPO's tokens are weighed and averaged, under TRL's names. B responses, n_i tokens, L_it a token's loss:
///
/// grpo, sapo           Σ_i (Σ_t L_it / n_i) / B          every response counts alike
/// bnpo                 Σ_it L_it / Σ n_i of this batch   every token does
/// dapo, cispo, vespo   Σ_it L_it / Σ n_i of the step     the same, over the whole step
/// dr_grpo              Σ_it L_it / (B·max_completion_length)
/// luspo                Σ_it L_it / B                     a response counts by its length
///
/// L is clipped_surrogate (cispo, sapo: theirs; vespo: −φ(w)·A·log π) + β·k3.
enum class grpo_loss_type { grpo, bnpo, dr_grpo, dapo, cispo, sapo, vespo, luspo };

constexpr std::array<std::string_view, 8> grpo_loss_names = {"grpo", "bnpo", "dr_grpo", "dapo", "cispo", "sapo", "vespo", "luspo"};

/// The hyper-parameters of GRPO's loss (Shao et al. 2024, arXiv 2402.03300; Dr. GRPO 2503.20783, DAPO 2503.14476, GSPO 2507.18071, LUSPO
/// 2602.05261) with TRL's names and defaults. check() refuses one that the loss type does not use unless it is the default.
struct grpo {
  grpo_loss_type loss_type = grpo_loss_type::dapo;
  double beta = 0;                      ///< weight of the k3 estimate of KL(π‖π_ref), ≥ 0
  double epsilon = 0.2;                 ///< ρ is clipped at 1 − epsilon …
  double epsilon_high = 0.2;            ///< … and 1 + epsilon_high; cispo: at epsilon_high itself
  double delta = 0;                     ///< also clips the unclipped term's ρ, and is to be above 1 + epsilon_high; 0: not
  bool sequence_ratio = false;          ///< ρ is the geometric mean of a response's token ratios (GSPO)
  bool use_bias_correction_kl = false;  ///< k3 is weighed by ρ: unbiased off the policy
  double max_completion_length = 256;   ///< dr_grpo's; the others do not look at it, but whoever generates does
  double sapo_temperature_pos = 1, sapo_temperature_neg = 1.05;
  double vespo_k_pos = 2, vespo_lambda_pos = 3, vespo_k_neg = 3, vespo_lambda_neg = 2;

  bool clips() const {
    return loss_type != grpo_loss_type::cispo && loss_type != grpo_loss_type::sapo && loss_type != grpo_loss_type::vespo;
  }
  std::string_view name() const { return grpo_loss_names[static_cast<std::size_t>(loss_type)]; }
  void check() const;

  /// One token's loss, of its log-probability and of log ρ (its own, or its response's). `phi` is vespo's weight.
  template <class T> TILT_HD T token_loss(const T& logp, const T& log_ratio, const T& reference, double advantage, double phi) const {
    using std::exp;
    const T ratio = exp(log_ratio);
    T loss = constant<T>(0);
    if (loss_type == grpo_loss_type::cispo)
      loss = cispo_surrogate(logp, ratio, advantage, epsilon_high);
    else if (loss_type == grpo_loss_type::sapo)
      loss = sapo_surrogate(ratio, advantage, sapo_temperature_pos, sapo_temperature_neg);
    else if (loss_type == grpo_loss_type::vespo)
      loss = -constant<T>(phi * advantage) * logp;
    else
      loss = delta > 0 ? clipped_surrogate(ratio, advantage, epsilon, epsilon_high, delta)
                       : clipped_surrogate(ratio, advantage, epsilon, epsilon_high);
    if (beta == 0) return loss;
    const T kl = kl_k3(logp, reference);
    return loss + constant<T>(beta) * (use_bias_correction_kl ? kl * ratio : kl);
  }
};

inline void grpo::check() const {
  const grpo usual;
  const auto unused = [&](bool used, const char* option, bool given) {
    if (given && !used)
      detail::refuse(option, "the loss type " + std::string(name()) + " does not use it", "leave it away, or choose a loss type that does");
  };
  const bool sapo = loss_type == grpo_loss_type::sapo, vespo = loss_type == grpo_loss_type::vespo;
  unused(clips(), "epsilon", epsilon != usual.epsilon);
  unused(!sapo && !vespo, "epsilon_high", epsilon_high != usual.epsilon_high);
  unused(clips(), "delta", delta != 0);
  unused(!vespo, "importance_sampling_level", sequence_ratio);
  unused(sapo, "sapo_temperature_pos", sapo_temperature_pos != usual.sapo_temperature_pos);
  unused(sapo, "sapo_temperature_neg", sapo_temperature_neg != usual.sapo_temperature_neg);
  unused(vespo, "vespo_k_pos", vespo_k_pos != usual.vespo_k_pos);
  unused(vespo, "vespo_lambda_pos", vespo_lambda_pos != usual.vespo_lambda_pos);
  unused(vespo, "vespo_k_neg", vespo_k_neg != usual.vespo_k_neg);
  unused(vespo, "vespo_lambda_neg", vespo_lambda_neg != usual.vespo_lambda_neg);
  if (use_bias_correction_kl && beta == 0)
    detail::refuse("use_bias_correction_kl", "there is no KL term at beta 0", "leave it away, or give beta");
  if (loss_type == grpo_loss_type::luspo && !sequence_ratio)
    detail::refuse("importance_sampling_level", "luspo weighs whole responses, and needs their ratio", "give sequence");
  detail::require_weight("beta", beta);
  detail::require_usable(epsilon >= 0 && epsilon <= 1, "epsilon", epsilon, "give 0 to 1");
  detail::require_weight("epsilon_high", epsilon_high);
  detail::require_weight("delta", delta);
  detail::require_positive("max_completion_length", max_completion_length);
  detail::require_positive("sapo_temperature_pos", sapo_temperature_pos);
  detail::require_positive("sapo_temperature_neg", sapo_temperature_neg);
  for (const auto& [option, value] : {std::pair{"vespo_k_pos", vespo_k_pos},
                                      {"vespo_lambda_pos", vespo_lambda_pos},
                                      {"vespo_k_neg", vespo_k_neg},
                                      {"vespo_lambda_neg", vespo_lambda_neg}})
    detail::require_weight(option, value);
}

/// Loss of a batch and, into `gradient` [Σ lengths], its derivative with respect to each token's log-probability. `advantages` has one
/// number for each response. With step_responses and step_tokens given, parts of a step add up to the step (bnpo alone averages over
/// its own batch, as its name says). O(tokens), allocates nothing. Throws input_error on impossible hyper-parameters or sizes.
template <class T>
policy_metrics evaluate(const grpo& loss, const token_batch<T>& batch, const std::type_identity_t<host_range<T>>& gradient = {}) {
  loss.check();
  const index tokens = detail::check_tokens(batch, gradient, loss.beta > 0, false);
  const double responses = batch.step_responses > 0 ? batch.step_responses : static_cast<double>(batch.responses());
  const double all_tokens = batch.step_tokens > 0 ? batch.step_tokens : static_cast<double>(tokens);
  using number = dual<T, 2>;

  policy_metrics m;
  detail::each_response(batch, [&](index i, index begin, index n) {
    const double advantage = static_cast<double>(batch.advantages[i]), length = static_cast<double>(n);
    double divisor = 0;
    switch (loss.loss_type) {
      case grpo_loss_type::grpo:
      case grpo_loss_type::sapo:
        divisor = length * responses;
        break;
      case grpo_loss_type::bnpo:
        divisor = static_cast<double>(tokens);
        break;
      case grpo_loss_type::dr_grpo:
        divisor = responses * loss.max_completion_length;
        break;
      case grpo_loss_type::luspo:
        divisor = responses;
        break;
      case grpo_loss_type::dapo:
      case grpo_loss_type::cispo:
      case grpo_loss_type::vespo:
        divisor = all_tokens;
        break;
    }
    T sum = 0;
    double clamped = 0;  // vespo holds each token's log-ratio to ±20 first
    for (index t = begin; t < begin + n; ++t) {
      const T d = batch.logps[t] - batch.old_logps[t];
      sum += d;
      clamped += clamp(static_cast<double>(d), -20.0, 20.0);
    }
    const bool gain = advantage >= 0;
    const double phi =
        gamma_weight(clamped, gain ? loss.vespo_k_pos : loss.vespo_k_neg, gain ? loss.vespo_lambda_pos : loss.vespo_lambda_neg);
    T through_ratio = 0;  // Σ_t ∂L_t/∂log ρ, where ρ is the response's
    for (index t = begin; t < begin + n; ++t) {
      const T own = batch.logps[t] - batch.old_logps[t], log_ratio = loss.sequence_ratio ? sum / static_cast<T>(n) : own;
      const T reference = batch.reference_logps.given() ? batch.reference_logps[t] : T(0);
      const number l =
          loss.token_loss(number::variable(batch.logps[t], 0), number::variable(log_ratio, 1), number(reference), advantage, phi);
      m.loss += static_cast<double>(l.value) / divisor;
      if (loss.sequence_ratio) through_ratio += l.slope[1];
      if (gradient.given()) gradient[t] = (l.slope[0] + (loss.sequence_ratio ? T(0) : l.slope[1])) / static_cast<T>(divisor);
      const double rho = std::exp(static_cast<double>(log_ratio));
      const bool clipped = loss.clips() ? (rho < 1 - loss.epsilon && advantage < 0) || (rho > 1 + loss.epsilon_high && advantage > 0)
                                        : loss.loss_type == grpo_loss_type::cispo && rho > loss.epsilon_high && advantage > 0;
      m.clip_ratio += clipped ? 1.0 : 0.0;
      m.approx_kl += 0.5 * static_cast<double>(own) * static_cast<double>(own);
      if (batch.reference_logps.given()) m.kl += static_cast<double>(kl_k3(batch.logps[t], reference));
    }
    if (gradient.given() && loss.sequence_ratio)
      for (index t = begin; t < begin + n; ++t) gradient[t] += through_ratio / static_cast<T>(length * divisor);
  });
  for (double* x : {&m.kl, &m.approx_kl, &m.clip_ratio}) *x /= static_cast<double>(tokens);
  return m;
}

}  // namespace tilt
