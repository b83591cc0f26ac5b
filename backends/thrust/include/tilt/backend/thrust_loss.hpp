// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <thrust/device_vector.h>
#include <thrust/execution_policy.h>
#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/transform_reduce.h>

#include <cstdint>
#include <tilt/backend/thrust.hpp>
#include <tilt/loss/evaluate.hpp>
#include <type_traits>

namespace tilt {

/// A caller's numbers on the device: a thrust::device_vector, or a raw pointer with a size. Does not own them. Default-constructed: not
/// given.
template <class T> struct device_range {
  T* data = nullptr;
  index count = 0;
  bool is_given = false;

  device_range() = default;
  device_range(T* first, index n) : data(first), count(n), is_given(true) {}
  device_range(thrust::device_vector<std::remove_const_t<T>>& v) : device_range(v.data().get(), static_cast<index>(v.size())) {}
  device_range(const thrust::device_vector<T>& v) requires(std::is_const_v<T>)
      : device_range(v.data().get(), static_cast<index>(v.size())) {}
  template <class U>
  requires(std::is_const_v<T>&& std::is_same_v<U, std::remove_const_t<T>>) device_range(const thrust::device_vector<U>& v)
      : device_range(v.data().get(), static_cast<index>(v.size())) {}

  TILT_HD bool given() const { return is_given; }
  TILT_HD index size() const { return count; }
  TILT_HD std::remove_const_t<T> get(index i, std::remove_const_t<T> otherwise) const { return is_given ? data[i] : otherwise; }
  TILT_HD void set(index i, const T& value) const {
    if (is_given) data[i] = value;
  }
};

/// pair_batch and pair_outputs for numbers on the device.
template <class T> struct device_pair_batch {
  device_range<const T> policy_chosen = {}, policy_rejected = {}, reference_chosen = {}, reference_rejected = {};
  device_range<const std::int32_t> length_chosen = {}, length_rejected = {};
  device_range<const T> weights = {};
  double divisor = 0;
};
template <class T> struct device_pair_outputs {
  device_range<T> losses = {}, gradient_chosen = {}, gradient_rejected = {}, rewards_chosen = {}, rewards_rejected = {};
};

/// The arguments in TRL's order.
template <class T>
device_pair_batch<T> pairs(const thrust::device_vector<T>& policy_chosen, const thrust::device_vector<T>& policy_rejected,
                           const thrust::device_vector<T>& reference_chosen, const thrust::device_vector<T>& reference_rejected) {
  return {.policy_chosen = policy_chosen,
          .policy_rejected = policy_rejected,
          .reference_chosen = reference_chosen,
          .reference_rejected = reference_rejected};
}

namespace detail {

struct add_pair_metrics {
  TILT_HD pair_metrics operator()(const pair_metrics& a, const pair_metrics& b) const {
    return {a.loss + b.loss,
            a.rewards_chosen + b.rewards_chosen,
            a.rewards_rejected + b.rewards_rejected,
            a.rewards_accuracies + b.rewards_accuracies,
            a.rewards_margins + b.rewards_margins,
            a.logps_chosen + b.logps_chosen,
            a.logps_rejected + b.logps_rejected,
            a.kl + b.kl,
            a.chosen_falling + b.chosen_falling,
            a.length_chosen + b.length_chosen,
            a.length_rejected + b.length_rejected};
  }
};

/// What evaluate() does with pair i: writes its outputs, returns its share of each mean.
template <class L, class T> struct device_pair_body {
  L loss;
  device_pair_batch<T> batch;
  device_pair_outputs<T> out;
  double divisor, share, no_length;

  TILT_HD pair_metrics operator()(index i) const {
    const T zero = constant<T>(0);
    const pair_logps<T> y{
        {batch.policy_chosen.get(i, zero), batch.reference_chosen.get(i, zero), index{batch.length_chosen.get(i, 1)}},
        {batch.policy_rejected.get(i, zero), batch.reference_rejected.get(i, zero), index{batch.length_rejected.get(i, 1)}}};
    const T w = batch.weights.get(i, constant<T>(1));
    const dual<T, 2> d = differentiate(loss, y, statistic_value<L>{});
    const T value = w * d.value, chosen = implicit_reward(loss, y.chosen), rejected = implicit_reward(loss, y.rejected);
    out.losses.set(i, value);
    out.gradient_chosen.set(i, w * d.slope[0] / constant<T>(divisor));
    out.gradient_rejected.set(i, w * d.slope[1] / constant<T>(divisor));
    out.rewards_chosen.set(i, chosen);
    out.rewards_rejected.set(i, rejected);
    return {static_cast<double>(value) / divisor,
            share * static_cast<double>(chosen),
            share * static_cast<double>(rejected),
            chosen > rejected ? share : 0,
            share * static_cast<double>(chosen - rejected),
            share * static_cast<double>(y.chosen.policy),
            share * static_cast<double>(y.rejected.policy),
            share / 2 * (static_cast<double>(y.chosen.log_ratio()) + static_cast<double>(y.rejected.log_ratio())),
            y.chosen.log_ratio() < zero ? share : 0,
            share * static_cast<double>(y.chosen.tokens) + no_length,
            share * static_cast<double>(y.rejected.tokens) + no_length};
  }
};

template <class L, class T>
device_pair_body<L, T> device_pair_body_of(const L& loss, const device_pair_batch<T>& batch, const device_pair_outputs<T>& out) {
  const index n = batch.policy_chosen.size();
  const bool has_lengths = batch.length_chosen.given() && batch.length_rejected.given();
  check_loss(loss, n, batch.divisor, has_lengths);
  require_size(batch.policy_chosen, n, "policy_chosen", true);
  require_size(batch.policy_rejected, n, "policy_rejected", true);
  require_size(batch.reference_chosen, n, "reference_chosen", uses_reference<L>());
  require_size(batch.reference_rejected, n, "reference_rejected", uses_reference<L>());
  require_size(batch.length_chosen, n, "length_chosen");
  require_size(batch.length_rejected, n, "length_rejected");
  require_size(batch.weights, n, "weights");
  require_size(out.losses, n, "losses");
  require_size(out.gradient_chosen, n, "gradient_chosen");
  require_size(out.gradient_rejected, n, "gradient_rejected");
  require_size(out.rewards_chosen, n, "rewards_chosen");
  require_size(out.rewards_rejected, n, "rewards_rejected");
  const double count = static_cast<double>(n);
  return {
      loss, batch, out, batch.divisor != 0 ? batch.divisor : count, 1 / count, has_lengths ? 0 : std::numeric_limits<double>::quiet_NaN()};
}

}  // namespace detail

/// Evaluates a pair loss without a batch statistic on numbers that are on the device, and stays there: losses, gradients and rewards go
/// into the caller's device ranges. Waits for nothing if the policy does not (thrust::cuda::par_nosync.on(stream)). Throws input_error
/// as evaluate does on the host.
template <class Policy, pair_loss L, class T>
requires(!has_statistic<L>) void evaluate_on(const Policy& policy, const L& loss, const device_pair_batch<T>& batch,
                                             const std::type_identity_t<device_pair_outputs<T>>& out) {
  thrust::for_each_n(policy, thrust::counting_iterator<index>(0), batch.policy_chosen.size(),
                     detail::device_pair_body_of(loss, batch, out));
}

/// The same, and the metrics, which are the one thing that comes to the host; their sums are in double, in the system's order.
template <pair_loss L, class T>
requires(!has_statistic<L>) pair_metrics
    evaluate(const L& loss, const device_pair_batch<T>& batch, const std::type_identity_t<device_pair_outputs<T>>& out = {}) {
  const thrust::counting_iterator<index> first(0);
  return thrust::transform_reduce(thrust::device, first, first + batch.policy_chosen.size(), detail::device_pair_body_of(loss, batch, out),
                                  pair_metrics{}, detail::add_pair_metrics{});
}

}  // namespace tilt
