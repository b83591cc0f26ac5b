// SPDX-License-Identifier: Apache-2.0
// Alone in its program, which counts every allocation.
#include "support/catch.hpp"
#include "world.hpp"
#include <atomic>
#include <cstdlib>
#include <new>
#include <tilt/backend/eigen.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

namespace tilt::test {
extern std::atomic<long> allocations;  // counting_malloc.cpp
extern const bool counts_allocations;
}  // namespace tilt::test
using tilt::test::allocations;

namespace {

/// Allocations in each step of a run.
template <class B, class Objective>
std::vector<long> count(B& backend, Objective objective, const tilt::training_options& options, const std::vector<tilt::prompt_tree>& examples) {
  tilt::transformer<B> policy(backend, tilt::test::small_config());
  policy.initialize(5);
  tilt::trainer trainer(policy, std::move(objective), options);
  std::vector<long> counts;
  counts.reserve(100);
  auto run = trainer.run(examples);
  long before = allocations;
  for (const tilt::step_report& step : run) {
    (void)step;
    counts.push_back(allocations - before);
    before = allocations;
  }
  return counts;
}

template <class B> void check_steps(B& backend) {
  const auto check = [&backend](const auto& objective, int responses, const tilt::training_options& options) {
    const auto counts = count(backend, objective, options, tilt::test::random_examples(21, responses, 1));
    REQUIRE(counts.size() > 6);
    for (std::size_t step = 1; step < counts.size(); ++step) {
      INFO("step " << step + 1);
      CHECK(counts[step] == 0);
    }
  };
  for (const bool shuffle : {false, true})
    for (const tilt::index max_tokens : {1, 20, 4096})
      for (const auto reference : {tilt::reference_mode::cached, tilt::reference_mode::online}) {
        const tilt::training_options options{.batch_size = 4, .gradient_accumulation_steps = 2, .num_train_epochs = 3, .logging_steps = 2, .shuffle = shuffle, .max_tokens = max_tokens, .reference = reference};
        check(tilt::preference_objective(tilt::dpo{}, {.sft_weight = 0.1, .ld_alpha = 0.5}), 2, options);
        check(tilt::labelled_objective(tilt::kto{}), 1, options);
        check(tilt::sft_objective{}, 1, options);
      }
}

}  // namespace

TEST_CASE("a training step after the first allocates nothing") {
  if (!tilt::test::counts_allocations) TILT_SKIP("malloc cannot be counted in this build");
  tilt::reference_backend<double> plain;
  check_steps(plain);
  for (const int threads : {1, 3}) {
    tilt::eigen_backend<float> eigen(threads);
    check_steps(eigen);
  }
}

TEST_CASE("the counter counts") {
  if (!tilt::test::counts_allocations) TILT_SKIP("malloc cannot be counted in this build");
  const long before = allocations;
  void* volatile kept = std::malloc(3);  // volatile: no pair of calls that a compiler may leave away
  std::free(kept);
  kept = ::operator new(3);
  ::operator delete(kept);
  kept = ::operator new(64, std::align_val_t(64));
  ::operator delete(kept, std::align_val_t(64));
  CHECK(allocations == before + 3);
}
