// SPDX-License-Identifier: Apache-2.0
#pragma once
// The composites as they are used: a transformer of each architecture over trees, forward and backward (norms, rotary embedding,
// attention, feed-forward, the vocabulary head in chunks, the value head, the embedding), against reference_backend<double> on the same weights.
#include <conformance/support.hpp>
#include <model/exactness.hpp>

namespace tilt::test {

struct model_results {
  std::vector<double> logps, entropies, mean_logits, values, gradient;
};

/// Slopes of log-probabilities alone, as preference losses have them; with a value head, of entropies and values too, as policy gradients do.
template <class B>
model_results run_model(B& backend, architecture type, bool value_head, const packed_trees& trees, const std::vector<double>& slopes,
                        bool gradient_checkpointing = false) {
  using T = typename B::scalar;
  model_config config = small_config(type);
  config.value_head = value_head;
  transformer<B> model(backend, config);
  randomize(model, 31);
  pass<B> p(model, pass_kind::training, {.kept_logits_bytes = 61 * 8 * 20, .chunk_bytes = 1, .gradient_checkpointing = gradient_checkpointing});
  p.forward(trees);
  auto gradient = own<T>(backend, std::vector<T>(static_cast<std::size_t>(model.size()), T(0)));
  const std::vector<T> one(slopes.begin(), slopes.end()), other(slopes.rbegin(), slopes.rend());
  if (value_head)
    p.backward({.logps = one, .entropies = other, .values = one}, gradient.data());
  else
    p.backward({.logps = one}, gradient.data());
  const std::vector<T> g = gradient.host();
  return {{p.logps().begin(), p.logps().end()},
          {p.entropies().begin(), p.entropies().end()},
          {p.mean_logits().begin(), p.mean_logits().end()},
          {p.values().begin(), p.values().end()},
          {g.begin(), g.end()}};
}

}  // namespace tilt::test

TEST_CASE(TILT_TESTED_AS "a transformer equals the reference backend's, forward and backward") {
  using namespace tilt::test;
  using T = tested_backend::scalar;
  tilt::packed_trees trees;
  append_tree(trees, random_tokens(41, 1), {random_tokens(17, 2), random_tokens(1, 3), random_tokens(36, 4)});
  append_tree(trees, random_tokens(1, 5), {random_tokens(2, 6)});
  append_flat(trees, random_tokens(50, 7), 0);
  std::vector<double> slopes(trees.targets.size());
  std::mt19937 engine(8);
  std::normal_distribution<double> draw;
  for (double& c : slopes) c = draw(engine);
  for (const tilt::architecture type : every_architecture)
    for (const bool value_head : {false, true}) {
      tilt::reference_backend<double> reference;
      tested_backend backend;
      const model_results expected = run_model(reference, type, value_head, trees, slopes),
                          found = run_model(backend, type, value_head, trees, slopes);
      // Two layers of products over some tens of terms, each sum with its own roundings: a few hundred of them reach an output.
      const long double bound = 4 * tolerance<T>::sum(256);
      INFO("architecture " << static_cast<int>(type) << (value_head ? " with a value head" : ""));
      CHECK(all_close(found.logps, expected.logps, bound, 1));
      CHECK(all_close(found.entropies, expected.entropies, bound, 1));
      CHECK(all_close(found.mean_logits, expected.mean_logits, bound, 1));
      CHECK(expected.values.size() == (value_head ? trees.targets.size() : 0));
      if (value_head) CHECK(all_close(found.values, expected.values, bound, 1));
      CHECK(all_close(found.gradient, expected.gradient, bound, largest(expected.gradient)));
      CHECK(run_model(backend, type, value_head, trees, slopes, true).gradient == found.gradient);
    }
}

TEST_CASE(TILT_TESTED_AS "a sequence's bits are its own, where products are row-exact") {
  if constexpr (tested_backend::row_exact) {
    tilt::test::check_row_exactness([](int threads) {
      if constexpr (tilt::test::counts_threads<tested_backend>)
        return std::make_unique<tested_backend>(threads);
      else
        return std::make_unique<tested_backend>();
    });
  }
}
