// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/evaluate.hpp>

namespace tilt {

/// n prompts with ranked responses, the best first, list after list: list i owns the responses [begin[i], begin[i + 1]).
template <class T> struct list_batch {
  integer_range begin = {};            ///< n + 1 offsets, from 0
  host_range<const T> policy = {};     ///< log π(y|x) of every response
  host_range<const T> reference = {};  ///< log π_ref(y|x)
  integer_range length = {};           ///< tokens; may be left away
  host_range<const T> score = {};      ///< of a judge, for losses that read them
  host_range<const T> weights = {};    ///< of lists; 1 if left away
  double divisor = 0;                  ///< the loss is Σ w·loss / divisor; 0: the number of lists
};

template <class T> struct list_outputs {
  host_range<T> losses = {};    ///< of each list
  host_range<T> gradient = {};  ///< ∂(Σ w·loss / divisor)/∂log π(y|x) of each response
  host_range<T> rewards = {};   ///< of each response
};

namespace detail {
/// List i of a batch, read where it lies.
template <class T> struct list_in_batch {
  using number = T;
  const list_batch<T>* batch;
  index first, count;

  index size() const { return count; }
  response_logps<T> operator[](index rank) const {
    const index r = first + rank;
    const list_batch<T>& b = *batch;
    return {b.policy[r], b.reference.given() ? b.reference[r] : constant<T>(0), b.length.given() ? b.length[r] : index{1},
            b.score.given() ? b.score[r] : constant<T>(0)};
  }
};
}  // namespace detail

/// Evaluates any list loss on a batch, as evaluate() does pair losses. The metrics are those of the pairs that the best response makes with each
/// of the others, `loss` apart; so rewards/accuracies is the share of responses that it beats. Allocates nothing.
template <list_loss L, class T>
pair_metrics evaluate(const L& loss, const list_batch<T>& batch, const std::type_identity_t<list_outputs<T>>& out = {}) {
  if (!batch.begin.given() || batch.begin.size() < 1 || batch.begin[0] != 0)
    throw input_error("begin: it has to give the offset of each list, from 0, and the number of responses last");
  const index n = batch.begin.size() - 1, responses = batch.begin[n];
  detail::check_loss(loss, n, batch.divisor, batch.length.given());
  detail::require_size(batch.policy, responses, "policy", true);
  detail::require_size(batch.reference, responses, "reference", uses_reference<L>());
  detail::require_size(batch.length, responses, "length");
  detail::require_column<L>(batch.score, responses, uses_scores(loss), "score");
  detail::require_size(batch.weights, n, "weights");
  detail::require_size(out.losses, n, "losses");
  detail::require_size(out.gradient, responses, "gradient");
  detail::require_size(out.rewards, responses, "rewards");

  pair_meter meter;
  double total = 0;
  const T divisor = constant<T>(batch.divisor != 0 ? batch.divisor : static_cast<double>(n));
  for (index i = 0; i < n; ++i) {
    const detail::list_in_batch<T> y{&batch, batch.begin[i], batch.begin[i + 1] - batch.begin[i]};
    if (y.size() < 2)
      throw input_error(
          {"begin: list ", detail::number_text(i), " has ", detail::number_text(y.size()), " responses; a ranking needs two"});
    const T w = detail::weight(batch.weights, i);
    T value = constant<T>(0);
    if (out.gradient.given()) {
      T* const slopes = out.gradient.data() + y.first;
      value = w * differentiate(loss, y, slopes);
      for (index k = 0; k < y.size(); ++k) slopes[k] = w * slopes[k] / divisor;
    } else {
      value = w * loss(y);
    }
    detail::set(out.losses, i, value);
    total += static_cast<double>(value);
    for (index k = 0; k < y.size(); ++k) {
      detail::set(out.rewards, y.first + k, implicit_reward(loss, y[k]));
      if (k > 0)
        meter.add(constant<T>(0), pair_logps<T>{y[0], y[k]}, implicit_reward(loss, y[0]), implicit_reward(loss, y[k]),
                  batch.length.given());
    }
  }
  pair_metrics metrics = meter.metrics(1);
  metrics.loss = total / (batch.divisor != 0 ? batch.divisor : static_cast<double>(n));
  return metrics;
}

}  // namespace tilt
