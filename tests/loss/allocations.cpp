// SPDX-License-Identifier: Apache-2.0
// Evaluating a loss allocates nothing.
#include <cmath>
#include <cstdlib>
#include <new>
#include <tilt/loss/losses.hpp>
#include <vector>

#include "support/catch.hpp"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define TILT_ALLOCATOR_TAKEN
#endif
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define TILT_ALLOCATOR_TAKEN
#endif

namespace {
long allocations = 0;
}
#ifndef TILT_ALLOCATOR_TAKEN
// GCC takes the library's own calls of operator delete for mismatched ones once these are inlined.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif
void* operator new(std::size_t n) {
  ++allocations;
  if (void* p = std::malloc(n)) return p;
  throw std::bad_alloc();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
#endif

TEST_CASE("evaluate allocates nothing") {
#ifdef TILT_ALLOCATOR_TAKEN
  TILT_SKIP("a sanitizer has operator new");
#endif
  using namespace tilt;
  const std::vector<double> a{-1, -20, -5}, b{-2, -21, -4}, c{-1.5, -22, -7}, d{-3, -19, -4};
  const int lengths[] = {1, 20, 6}, labels[] = {1, 0, 1};
  std::vector<double> losses(3), gradient(3), rewards(3);
  const pair_batch<double> two{.policy_chosen = a,
                               .policy_rejected = b,
                               .reference_chosen = c,
                               .reference_rejected = d,
                               .length_chosen = lengths,
                               .length_rejected = lengths};
  const response_batch<double> one{.policy = a, .reference = b, .desirable = labels, .mismatched_policy = c, .mismatched_reference = d};
  const std::vector<double> wins{1, 0.75, 0.5}, scores{3, 1, 2};
  const int begin[] = {0, 3};
  double sum = 0;
  const auto pairs_once = [&]<class L>(const L& loss) {
    pair_batch<double> batch = two;
    if (uses_scores(loss)) batch.score_chosen = scores, batch.score_rejected = wins;
    if (uses_win_probability(loss)) batch.win_probability = wins;
    statistic_of<L> kept{};  // sorting needs memory, once
    evaluate(loss, batch, {}, kept);
    const long before = allocations;
    sum += evaluate(loss, batch, {.losses = losses, .gradient_chosen = gradient, .rewards_rejected = rewards}, kept).loss;
    CHECK(allocations == before);
  };
  std::apply([&](const auto&... loss) { (pairs_once(loss), ...); }, pair_losses{});
  const long before = allocations;
  std::apply(
      [&](const auto&... loss) { ((sum += evaluate(loss, one, {.losses = losses, .gradient = gradient, .rewards = rewards}).loss), ...); },
      labelled_losses{});
  const auto list_once = [&](const auto& loss) {
    list_batch<double> list{.begin = begin, .policy = a, .reference = b, .length = lengths};
    if (uses_scores(loss)) list.score = scores;
    sum += evaluate(loss, list, {.losses = {losses.data(), 1}, .gradient = gradient, .rewards = rewards}).loss;
  };
  std::apply([&](const auto&... loss) { (list_once(loss), ...); }, list_losses{});
  const long after = allocations;
  ::operator delete(::operator new(1));
  const long counted = allocations - after;
  CHECK(after == before);
  CHECK(counted == 1);  // the counter counts
  CHECK(std::isfinite(sum));
}
