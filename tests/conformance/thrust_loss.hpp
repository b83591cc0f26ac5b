// SPDX-License-Identifier: Apache-2.0
#pragma once
// Losses on thrust::device_vectors against the same on std::vectors, on whatever device system this is compiled for.
#include <tilt/backend/thrust_loss.hpp>

#include <random>
#include <support/catch.hpp>
#include <support/tolerance.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <vector>

namespace tilt::test {

template <class T> std::vector<T> on_host(const thrust::device_vector<T>& v) {
  std::vector<T> host(v.size());
  thrust::copy(v.begin(), v.end(), host.begin());
  return host;
}

template <class T, class L> void check_device_loss(const L& loss) {
  constexpr std::size_t n = 1001;
  std::mt19937_64 random(4);
  std::normal_distribution<double> draw(-40, 9);
  std::vector<T> logps[4], weights(n);
  std::vector<std::int32_t> lengths[2];
  for (std::vector<T>& v : logps)
    for (std::size_t i = 0; i < n; ++i) v.push_back(static_cast<T>(draw(random)));
  for (T& w : weights) w = static_cast<T>(1 + random() % 3);
  for (std::vector<std::int32_t>& v : lengths)
    for (std::size_t i = 0; i < n; ++i) v.push_back(static_cast<std::int32_t>(1 + random() % 90));

  std::vector<T> losses(n), gradient_chosen(n), gradient_rejected(n), rewards_chosen(n), rewards_rejected(n);
  auto batch = pairs(logps[0], logps[1], logps[2], logps[3]);
  batch.length_chosen = lengths[0], batch.length_rejected = lengths[1], batch.weights = weights;
  const pair_metrics expected = evaluate(loss, batch, {losses, gradient_chosen, gradient_rejected, rewards_chosen, rewards_rejected});

  const thrust::device_vector<T> on_device[4] = {logps[0], logps[1], logps[2], logps[3]}, weights_on_device = weights;
  const thrust::device_vector<std::int32_t> lengths_on_device[2] = {lengths[0], lengths[1]};
  thrust::device_vector<T> out[5];
  for (thrust::device_vector<T>& v : out) v.resize(n);
  auto device_batch = pairs(on_device[0], on_device[1], on_device[2], on_device[3]);
  device_batch.length_chosen = lengths_on_device[0], device_batch.length_rejected = lengths_on_device[1],
  device_batch.weights = weights_on_device;
  const pair_metrics found = evaluate(loss, device_batch, {out[0], out[1], out[2], out[3], out[4]});

  CHECK(all_close(on_host(out[0]), losses, tolerance<T>::value, 1));
  CHECK(all_close(on_host(out[1]), gradient_chosen, tolerance<T>::gradient, largest(gradient_chosen)));
  CHECK(all_close(on_host(out[2]), gradient_rejected, tolerance<T>::gradient, largest(gradient_rejected)));
  CHECK(all_close(on_host(out[3]), rewards_chosen, tolerance<T>::value, 1));
  CHECK(all_close(on_host(out[4]), rewards_rejected, tolerance<T>::value, 1));
  std::vector<double> a, b;
  expected.each([&](std::string_view, double value) { a.push_back(value); });
  found.each([&](std::string_view, double value) { b.push_back(value); });
  CHECK(a.size() == 11);
  CHECK(all_close(b, a, tolerance<T>::sum(n), 1));

  thrust::device_vector<T> again(n);
  evaluate_on(thrust::device, loss, device_batch, {.gradient_chosen = again});
  CHECK(on_host(again) == on_host(out[1]));
  device_batch.length_chosen = {};  // then nothing is known of lengths
  CHECK(std::isnan(evaluate(dpo{}, device_batch).length_chosen));
  again.resize(n - 1);
  CHECK_THROWS_AS(evaluate(loss, device_batch, {.losses = again}), input_error);
}

}  // namespace tilt::test

TEST_CASE("losses on the device equal those on the host") {
  tilt::test::check_device_loss<float>(tilt::dpo{.beta = 0.2, .label_smoothing = 0.1});
  tilt::test::check_device_loss<double>(tilt::dpo{.beta = 0.2, .label_smoothing = 0.1});
  tilt::test::check_device_loss<double>(tilt::ipo{});
}
