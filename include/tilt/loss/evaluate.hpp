// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <limits>
#include <tilt/loss/differentiate.hpp>
#include <tilt/loss/metrics.hpp>
#include <tilt/loss/options.hpp>
#include <tilt/loss/ranges.hpp>
#include <type_traits>

namespace tilt {

/// n preference pairs, as the caller has them: log-probabilities of whole responses, summed over their tokens, in nats.
template <class T> struct pair_batch {
  host_range<const T> policy_chosen = {}, policy_rejected = {};        ///< log π(y|x)
  host_range<const T> reference_chosen = {}, reference_rejected = {};  ///< log π_ref(y|x)
  integer_range length_chosen = {}, length_rejected = {};              ///< tokens, for losses that average over them; may be left away
  host_range<const T> score_chosen = {}, score_rejected = {};          ///< of a judge, for losses that read them
  host_range<const T> win_probability = {};                            ///< p(y⁺ ≻ y⁻), for losses that take soft labels
  host_range<const T> weights = {};                                    ///< of pairs, in loss and gradient; 1 if left away
  double divisor = 0;  ///< the loss is Σ w·loss / divisor, and the gradient is the gradient of that; 0: the number of pairs
};

/// Where results go; what is left away is not computed for the caller. n elements each.
template <class T> struct pair_outputs {
  host_range<T> losses = {};                                   ///< w·loss of each pair
  host_range<T> gradient_chosen = {}, gradient_rejected = {};  ///< ∂(Σ w·loss / divisor)/∂log π(y|x)
  host_range<T> rewards_chosen = {}, rewards_rejected = {};    ///< implicit rewards
};

/// The arguments of pair_batch in TRL's order.
template <class PolicyChosen, class PolicyRejected, class ReferenceChosen, class ReferenceRejected>
auto pairs(const PolicyChosen& policy_chosen, const PolicyRejected& policy_rejected, const ReferenceChosen& reference_chosen,
           const ReferenceRejected& reference_rejected) {
  using number = std::remove_cvref_t<decltype(*std::data(policy_chosen))>;
  return pair_batch<number>{.policy_chosen = policy_chosen,
                            .policy_rejected = policy_rejected,
                            .reference_chosen = reference_chosen,
                            .reference_rejected = reference_rejected};
}

/// n single responses with labels.
template <class T> struct response_batch {
  host_range<const T> policy = {};     ///< log π(y|x)
  host_range<const T> reference = {};  ///< log π_ref(y|x)
  integer_range desirable = {};        ///< 0 or 1
  integer_range length = {};           ///< tokens
  host_range<const T> weights = {};
  double divisor = 0;
  /// What the batch statistic (KTO's z0) is made from: log-probabilities of responses that belong to other prompts. As many as there are.
  host_range<const T> mismatched_policy = {}, mismatched_reference = {};
};

template <class T> struct response_outputs {
  host_range<T> losses = {};
  host_range<T> gradient = {};  ///< ∂(Σ w·loss / divisor)/∂log π(y|x)
  host_range<T> rewards = {};
};

namespace detail {

template <class T> void set(const host_range<T>& range, index i, const T& value) {
  if (range.given()) range[i] = value;
}
template <class T> T weight(const host_range<const T>& weights, index i) { return weights.given() ? weights[i] : constant<T>(1); }

/// What every evaluation checks of a loss and of the ranges that all kinds of batch have.
template <class L> void check_loss(const L& loss, index n, double divisor, bool has_lengths) {
  if constexpr (requires { loss.check(); }) loss.check();
  if (n == 0 && divisor == 0) throw input_error("loss: the batch is empty and has no mean; give at least one example, or a divisor");
  if (!(divisor >= 0)) throw input_error({"divisor: ", number_text(divisor), " cannot be used; give a positive number, or 0 for the mean"});
  if (uses_lengths(loss) && !has_lengths) throw input_error("length: the loss reads the responses' lengths; give them");
}

template <class T> pair_logps<T> pair_at(const pair_batch<T>& b, index i) {
  const auto or_zero = [i](const host_range<const T>& r) { return r.given() ? r[i] : constant<T>(0); };
  const auto length = [i](const integer_range& r) { return r.given() ? r[i] : index{1}; };
  return {{b.policy_chosen[i], or_zero(b.reference_chosen), length(b.length_chosen), or_zero(b.score_chosen)},
          {b.policy_rejected[i], or_zero(b.reference_rejected), length(b.length_rejected), or_zero(b.score_rejected)},
          b.win_probability.given() ? b.win_probability[i] : constant<T>(1)};
}

template <class T> labelled_logps<T> response_at(const response_batch<T>& b, index i) {
  return {{b.policy[i], b.reference.given() ? b.reference[i] : constant<T>(0), b.length.given() ? b.length[i] : index{1}},
          b.desirable[i] != 0};
}

/// Throws unless a column that only some losses read is there where this one does, and only there.
template <class L, class Range> void require_column(const Range& range, index n, bool used, std::string_view name) {
  if (!used && range.given()) {
    std::string_view loss = "";
    if constexpr (requires { L::name; }) loss = L::name;
    throw input_error({name, ": the loss ", loss, loss.empty() ? "" : " ", "does not use it; leave it away"});
  }
  require_size(range, n, name, used);
}

/// Tells a statistic about a batch: example(i) for i in [0, n).
template <class Statistic, class Example> void gather(Statistic& statistic, index n, const Example& example) {
  if constexpr (requires { statistic.begin(); }) statistic.begin();
  for (index i = 0; i < n; ++i) statistic.add(example(i));
  if constexpr (requires { statistic.finish(); }) statistic.finish();
}

}  // namespace detail

/// Evaluates any pair loss on a batch: loss and metrics are returned, losses, gradients and rewards of the pairs go into the caller's
/// ranges. Arithmetic in T, sums in double, in order. O(n), allocates nothing. Throws input_error if the loss's hyper-parameters or
/// the ranges' sizes are impossible. `statistic` is told about the batch first; it is for losses that have one.
template <pair_loss L, class T>
pair_metrics evaluate(const L& loss, const pair_batch<T>& batch, const std::type_identity_t<pair_outputs<T>>& out,
                      statistic_of<L>& statistic) {
  const index n = batch.policy_chosen.size();
  const bool has_lengths = batch.length_chosen.given() && batch.length_rejected.given();
  detail::check_loss(loss, n, batch.divisor, has_lengths);
  detail::require_size(batch.policy_rejected, n, "policy_rejected", true);
  detail::require_size(batch.reference_chosen, n, "reference_chosen", uses_reference<L>());
  detail::require_size(batch.reference_rejected, n, "reference_rejected", uses_reference<L>());
  detail::require_size(batch.length_chosen, n, "length_chosen");
  detail::require_size(batch.length_rejected, n, "length_rejected");
  detail::require_column<L>(batch.score_chosen, n, uses_scores(loss), "score_chosen");
  detail::require_column<L>(batch.score_rejected, n, uses_scores(loss), "score_rejected");
  detail::require_column<L>(batch.win_probability, n, uses_win_probability(loss), "win_probability");
  if constexpr (takes_weights<L>())
    detail::require_size(batch.weights, n, "weights");
  else
    detail::require_column<L>(batch.weights, n, false, "weights");
  detail::require_size(out.losses, n, "losses");
  detail::require_size(out.gradient_chosen, n, "gradient_chosen");
  detail::require_size(out.gradient_rejected, n, "gradient_rejected");
  detail::require_size(out.rewards_chosen, n, "rewards_chosen");
  detail::require_size(out.rewards_rejected, n, "rewards_rejected");

  if constexpr (has_statistic<L>) detail::gather(statistic, n, [&](index i) { return detail::pair_at(batch, i); });

  pair_meter meter;
  const T divisor = constant<T>(batch.divisor != 0 ? batch.divisor : static_cast<double>(n));
  for (index i = 0; i < n; ++i) {
    const pair_logps<T> y = detail::pair_at(batch, i);
    const T w = detail::weight(batch.weights, i);
    const dual<T, 2> d = differentiate(loss, y, detail::value_of(statistic, i));
    const T value = w * d.value, reward_chosen = implicit_reward(loss, y.chosen), reward_rejected = implicit_reward(loss, y.rejected);
    detail::set(out.losses, i, value);
    detail::set(out.gradient_chosen, i, w * d.slope[0] / divisor);
    detail::set(out.gradient_rejected, i, w * d.slope[1] / divisor);
    detail::set(out.rewards_chosen, i, reward_chosen);
    detail::set(out.rewards_rejected, i, reward_rejected);
    meter.add(value, y, reward_chosen, reward_rejected, has_lengths);
  }
  return meter.metrics(batch.divisor);
}

/// The same with a statistic of this batch alone.
template <pair_loss L, class T>
pair_metrics evaluate(const L& loss, const pair_batch<T>& batch, const std::type_identity_t<pair_outputs<T>>& out = {}) {
  statistic_of<L> statistic{};
  return evaluate(loss, batch, out, statistic);
}

/// The same for single labelled responses, given the batch statistic, which may be of a larger batch: then the parts' losses and
/// gradients, with one divisor, add up to the whole batch's.
template <labelled_loss L, class T>
response_metrics evaluate(const L& loss, const response_batch<T>& batch, const std::type_identity_t<response_outputs<T>>& out,
                          const statistic_value<L>& statistic) {
  const index n = batch.policy.size();
  detail::check_loss(loss, n, batch.divisor, batch.length.given());
  detail::require_size(batch.reference, n, "reference", uses_reference<L>());
  detail::require_size(batch.desirable, n, "desirable", true);
  detail::require_size(batch.length, n, "length");
  detail::require_size(batch.weights, n, "weights");
  detail::require_size(out.losses, n, "losses");
  detail::require_size(out.gradient, n, "gradient");
  detail::require_size(out.rewards, n, "rewards");

  response_meter meter;
  const T divisor = constant<T>(batch.divisor != 0 ? batch.divisor : static_cast<double>(n));
  for (index i = 0; i < n; ++i) {
    const labelled_logps<T> y = detail::response_at(batch, i);
    const T w = detail::weight(batch.weights, i);
    const dual<T, 1> d = differentiate(loss, y, statistic);
    const T value = w * d.value, reward = implicit_reward(loss, y.response);
    detail::set(out.losses, i, value);
    detail::set(out.gradient, i, w * d.slope[0] / divisor);
    detail::set(out.rewards, i, reward);
    meter.add(value, y, reward, batch.length.given());
  }
  if constexpr (std::is_convertible_v<statistic_value<L>, double>)
    return meter.metrics(statistic, batch.divisor);
  else
    return meter.metrics(std::numeric_limits<double>::quiet_NaN(), batch.divisor);
}

/// The same with the statistic of the batch itself: of its examples, or of its mismatched_ ranges, as the loss wants it.
template <labelled_loss L, class T>
response_metrics evaluate(const L& loss, const response_batch<T>& batch, const std::type_identity_t<response_outputs<T>>& out = {}) {
  statistic_of<L> statistic{};
  if constexpr (has_own_statistic<L>) {
    detail::gather(statistic, batch.policy.size(), [&](index i) { return detail::response_at(batch, i); });
  } else if constexpr (has_statistic<L>) {
    const index n = batch.mismatched_policy.size();
    if (n == 0)
      throw input_error("mismatched_policy: the loss needs a statistic of responses to other prompts; give some, or the statistic itself");
    detail::require_size(batch.mismatched_reference, n, "mismatched_reference", true);
    detail::gather(statistic, n, [&](index i) { return response_logps<T>{batch.mismatched_policy[i], batch.mismatched_reference[i]}; });
  }
  return evaluate(loss, batch, out, detail::value_of(statistic, 0));
}

}  // namespace tilt
