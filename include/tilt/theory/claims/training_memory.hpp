// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <tilt/loss/dpo.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/tensor/metered.hpp>
#include <tilt/tensor/reference.hpp>
#include <tilt/theory/claim.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/resident_memory.hpp>
#include <utility>
#include <vector>

namespace tilt {

namespace detail {
/// The reference backend, which counts the bytes that it holds and the rows of logits that it computes.
class counting_backend : public metered_backend<reference_backend<float>> {
 public:
  template <class Program> void rows(index n, const Program& program, team_scratch<float> scratch = {}) {
    if constexpr (std::same_as<Program, head_row_program<float>>) predictions += n;
    metered_backend::rows(n, program, scratch);
  }

  index predictions = 0;
};

inline model_config memory_model() {
  model_config c;
  c.vocab_size = 64;
  c.hidden_size = 32;
  c.intermediate_size = 64;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.num_key_value_heads = 2;
  c.head_dim = 16;
  c.max_position_embeddings = 16;
  c.eos_token_id = 1;
  return c;
}
}  // namespace detail

/// Claim 15. Bytes that trainers hold and rows of logits that they compute, counted by the backend they run on, against what follows from
/// the number of networks: of a trained one weights, gradient and AdamW's two moments, of a frozen one weights.
inline claim claim_training_memory() {
  using B = detail::counting_backend;
  claim c{15,
          "DPO needs half the memory of PPO",
          "As it is usually run, yes, before activations: policy and reference, one of them trained, against policy, value function, "
          "reference and reward model, two of them trained: 126 against 252 GB at 7 billion parameters with AdamW at 16 bytes each and "
          "frozen models "
          "at 2. With the reference's log-probabilities computed once it is 112: one model, and two forward passes a pair instead of four.",
          {}};
  const double size = 7e9;
  const resident_network trained{size, true, 4}, frozen{size, false, 2};
  c.measurements.push_back(
      {"DPO, policy and reference of 7 billion parameters, GB", resident_bytes({trained, frozen}) / 1e9, 126, claim_bound::rounding});
  c.measurements.push_back({"DPO with a cached reference, GB", resident_bytes({trained}) / 1e9, 112, claim_bound::rounding});
  c.measurements.push_back({"PPO, policy, value function, reference and reward model, GB",
                            resident_bytes({trained, trained, frozen, frozen}) / 1e9, 252, claim_bound::rounding});

  const model_config config = detail::memory_model();
  std::vector<prompt_tree> pairs;
  index rows_of_pairs = 0;  // the first tokens of both answers are predicted by one row, the prompt's last
  for (token t = 2; t < 10; ++t) {
    pairs.push_back({{t, 20}, {{{30, t, 1}}, {{31, 32, t, 33, 1}}}, {{0, 1}}});
    rows_of_pairs += 3 + 5 - 1;
  }
  double of_dpo = 0, of_cached = 0;
  constexpr double overhead = 0.01;  // a few numbers that do not grow with the model
  for (const auto reference : {reference_mode::online, reference_mode::cached}) {
    const bool online = reference == reference_mode::online;
    B backend;
    transformer<B> policy(backend, config);
    policy.initialize(15);
    auto trainer =
        preference_trainer(policy, dpo{.beta = 0.1}, {.batch_size = 8, .max_steps = 2, .shuffle = false, .reference = reference});
    const memory_plan plan = trainer.plan(pairs);
    std::vector<index> after = {backend.predictions};
    for (const step_report& step : trainer.run(pairs)) {
      (void)step;
      after.push_back(backend.predictions);
    }
    // all that the run holds but for its activations, which the claim leaves aside
    const double activations = static_cast<double>(plan.arena.total() + plan.inference + (online ? plan.reference : 0));
    const double parameters = static_cast<double>(policy.size()), held = static_cast<double>(backend.meter().held) - activations;
    (online ? of_dpo : of_cached) = held;
    const std::string which = online ? "an online reference" : "a cached reference";
    c.measurements.push_back(
        {"bytes a parameter held by DPO's trainer with " + which, held / parameters,
         (online ? resident_bytes({{parameters, true}, {parameters, false}}) : resident_bytes({{parameters, true}})) / parameters,
         overhead});
    // a pass over a pair is two of single answers
    const auto passes = [&](index rows) { return 2 * static_cast<double>(rows) / static_cast<double>(rows_of_pairs); };
    c.measurements.push_back({"forward passes a pair in a step with " + which, passes(after[2] - after[1]), online ? 4.0 : 2.0, 0});
    if (!online)
      c.measurements.push_back(
          {"forward passes a pair before the first step", passes(after[1] - after[0]) - passes(after[2] - after[1]), 2, 0});
  }
  B backend;
  transformer<B> policy(backend, config), reference = policy.clone();
  transformer<B> value = with_heads(policy, scalar_heads, 15), judge = with_heads(policy, scalar_heads, 16);
  reward_model<B> judging(judge);
  const policy_gradient_trainer<B> trainer({policy, reference, &value}, ppo{}, [&](auto trees, auto scores) { judging(trees, scores); },
                                           {.max_new_tokens = 4}, {.batch_size = 8, .max_steps = 1});
  const double parameters = static_cast<double>(policy.size()), held = static_cast<double>(backend.meter().held),
               of_value = static_cast<double>(value.size());
  c.measurements.push_back({"bytes a parameter held by PPO's trainer and its reward model", held / parameters,
                            resident_bytes({{parameters, true}, {of_value, true}, {parameters, false}, {of_value, false}}) / parameters,
                            overhead});
  c.measurements.push_back({"PPO's bytes over DPO's with an online reference", held / of_dpo, 2, 0.05});  // the heads differ in size
  c.measurements.push_back({"PPO's bytes over DPO's with a cached one", held / of_cached, 2.5, 0.05});
  return c;
}

}  // namespace tilt
