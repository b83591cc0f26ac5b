// SPDX-License-Identifier: Apache-2.0
// Alone in its program, which counts every allocation.
#include "support/catch.hpp"
#include "world.hpp"
#include <new>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/sft.hpp>

namespace tilt::test {
extern long allocations;  // counting_new.cpp
}
using tilt::test::allocations;

namespace {

/// Allocations in each step of a run.
template <class Objective> std::vector<long> count(Objective objective, const tilt::training_options& options, const std::vector<tilt::prompt_tree>& examples) {
  tilt::test::world w;
  tilt::trainer trainer(w.policy, std::move(objective), options);
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

}  // namespace

TEST_CASE("a training step after the first allocates nothing") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  TILT_SKIP("a sanitizer has its own allocation functions");
#endif
  const auto check = [](const auto& objective, int responses, const tilt::training_options& options) {
    const auto counts = count(objective, options, tilt::test::random_examples(21, responses, 1));
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

TEST_CASE("the counter counts") {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  TILT_SKIP("a sanitizer has its own allocation functions");
#endif
  const long before = allocations;
  ::operator delete(::operator new(3));  // a call, which no compiler may leave away as it may a new-expression
  CHECK(allocations == before + 1);
}
