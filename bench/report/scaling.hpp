// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fstream>

#include "steps.hpp"

namespace tilt::bench {

// How a step's time grows: with tokens, with responses of one prompt, with the vocabulary and the width. Two threads. (With threads: step/.)

/// The process's largest resident size since `forget`, in bytes, as Linux knows it; 0 where nobody does.
struct peak_memory {
  static void forget() { std::ofstream("/proc/self/clear_refs") << 5; }
  static double now() {
    std::ifstream status("/proc/self/status");
    for (std::string word; status >> word;)
      if (word == "VmHWM:") {
        double kib = 0;
        status >> kib;
        return 1024 * kib;
      }
    return 0;
  }
};

template <backend B, class Run> void add_scaling_row(const std::string& what, std::int64_t iterations, Run run) {
  add_row("scaling/" + what, B::name, run, {{2}, iterations});
}

/// A prompt of 384 tokens and K responses of 64: one tree; and as many tokens with as many rows of the head in K texts that share nothing.
inline std::vector<prompt_tree> one_prompt(index responses, index vocabulary) {
  return random_trees(1, 384, std::vector<index>(static_cast<std::size_t>(responses), 64), vocabulary);
}
inline std::vector<prompt_tree> same_size_apart(index responses, index vocabulary) {
  const index rows = 1 + responses * 63, prompts = 384 - 1 + responses;  // a text's last token is predicted, and not laid down
  std::vector<prompt_tree> all;
  for (index i = 0; i < responses; ++i) {
    const auto part = [=](index whole) { return whole * (i + 1) / responses - whole * i / responses; };
    all.push_back(random_trees(1, part(prompts), {part(rows)}, vocabulary)[0]);
  }
  return all;
}

template <backend B> void add_scaling() {
  const model_config c = shape_20m().config;
  for (const index pairs : {2, 4, 8, 16})
    add_scaling_row<B>("pairs:" + std::to_string(pairs), std::max<index>(1, 8 / pairs), [=](benchmark::State& state, int threads) {
      measure_steps<B>(state, {threads, c, dpo_objective(), random_pairs(pairs, c)});
    });

  for (const index responses : {2, 4, 8})
    for (const bool shared : {true, false})
      add_scaling_row<B>(
          "responses:" + std::to_string(responses) + (shared ? "/one-prompt" : "/apart"), 3, [=](benchmark::State& state, int threads) {
            measure_steps<B>(state, {threads, c, sft_objective(),
                                     shared ? one_prompt(responses, c.vocab_size) : same_size_apart(responses, c.vocab_size)});
          });

  // Enough rows that no vocabulary's logits fit the budget of those that are kept.
  for (const index vocabulary : {49152, 151936})
    add_scaling_row<B>("vocabulary:" + std::to_string(vocabulary), 1, [=](benchmark::State& state, int threads) {
      const double before = (peak_memory::forget(), peak_memory::now());
      training_run<B> run(threads, llama_shape(2, 288, 48, 768, vocabulary), sft_objective(), random_trees(4, 1, {352}, vocabulary));
      peak_memory::forget();
      run.step();
      const double grown = peak_memory::now() - before;
      state.counters["resident bytes"] = grown;
      state.counters["beyond weights, gradients, moments"] = grown - run.resident();
      measure_steps<B>(state, std::move(run));
    });

  for (const index width : {144, 288, 576, 1152}) {
    const model_config of_width = llama_shape(2, width, 48, width * 8 / 3, 8192);
    add_scaling_row<B>("width:" + std::to_string(width), 2, [=](benchmark::State& state, int threads) {
      measure_steps<B>(state, {threads, of_width, dpo_objective(), random_pairs(4, of_width)});
    });
  }
}

}  // namespace tilt::bench
