// SPDX-License-Identifier: Apache-2.0
// tilt ppo, rloo, grpo, reinforce: one run, four losses with their advantages.
#include <cmath>
#include <memory>
#include <string>
#include <tilt/rl/policy_gradient_options.hpp>
#include <vector>

#include "commands.hpp"
#include "scorer.hpp"
#include "training.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Prompts are JSONL with "prompt" (a text or messages; pairs will do, with it or without), or lines of text. A step samples responses to some of them from the model
itself, at temperature 1, has them judged by --reward-model (tilt reward makes one) or a --rule, and learns from them. The result is a model folder.
)";

struct policy_gradient_command {
  policy_gradient_command(CLI::App& app, const policy_gradient& chosen) : options(app) {
    choice.method = chosen;
    run.on_prompts = true;
    run.options.learning_rate = is<ppo>() ? 3e-6 : 1e-6;
    if (!is<ppo>()) choice.options.num_ppo_epochs = 1;
    if (is<rloo>()) choice.options.num_generations = 2;
    if (is<grpo>()) choice.options.num_generations = 8;
    add_run(options, run, false, [this] { add_method(); });
    options.group("Files");
    options.add("reference_model", run.reference_model, "model folder of the reference [the model as it was before training]", "FOLDER")
        .also("ref_model")
        .also("sft_model_path");
    options.add("reward_model", choice.reward_model, "what judges: a folder that tilt reward has made", "FOLDER").also("reward_model_path");
    rule.add(options);
    if (is<ppo>()) {
      options.add("value_model", choice.value_model, "what the value function begins as [the reward model; with --rule the model itself]",
                  "FOLDER");
      options.add("share_value", choice.share_value, "the value function is a head on the policy instead of a network of its own");
    }
  }
  template <class M> bool is() const { return std::holds_alternative<M>(choice.method); }

  void add_method() {
    policy_gradient_options& o = choice.options;
    options.add("num_generations", o.num_generations, "samples of a prompt in a step").also("rloo_k");
    options.add("max_new_tokens", o.max_new_tokens, "tokens of a sample at most").also("response_length").also("max_completion_length");
    options.add("total_episodes", episodes, "samples of the whole run, instead of steps or epochs; 0: as these say");
    if (!is<reinforce>()) {
      options.add("num_ppo_epochs", o.num_ppo_epochs, "times that a step's samples are used").also("num_iterations");
      options.add("num_mini_batches", o.num_mini_batches, "parts of a step's samples, an update each");
    }
    if (!is<grpo>()) {
      setting& kl = options.add("kl_coef", o.kl_coef, "of the KL penalty in the reward; with adap_kl_ctrl, the first").also("init_kl_coef");
      if (is<rloo>()) kl.also("beta");
      options.choice(
          "kl_estimator", {"k1", "k2", "k3"}, "k1", [&o](const std::string& name) { o.kl = kl_estimator_of(name); }, "of the penalty");
      options.add("adap_kl_ctrl", o.adap_kl_ctrl, "kl_coef follows a target");
      options.add("target", o.target, "nats a sample that adap_kl_ctrl steers to");
      options.add("horizon", o.horizon, "samples in which adap_kl_ctrl moves kl_coef by a fifth at most");
    }
    options.add("missing_eos_penalty", o.missing_eos_penalty, "taken from the score of a sample without an end").read_null = [] {};
    options.add("use_score_scaling", o.use_score_scaling, "divide scores by their running deviation");
    options.add("use_score_norm", o.use_score_norm, "and take their running mean off first");
    options.add("score_clip", o.score_clip, "hold scores to this size; 0: not").read_null = [] {};
    if (!is<reinforce>()) {
      options.add("early_stopping", o.early_stopping, "end a step's updates once the policy is too far from the one that sampled");
      options.add("target_kl", o.target_kl, "which is when mean (log ratio)^2/2 exceeds 1.5 times this");
    }
    if (ppo* p = std::get_if<ppo>(&choice.method)) {
      options.add("cliprange", p->cliprange, "of the policy's ratio");
      options.add("cliprange_value", p->cliprange_value, "of the value");
      options.add("vf_coef", p->vf_coef, "of the value loss");
      options.add("entropy_coef", p->entropy_coef, "of the entropy bonus").also("ent_coef");
      options.add("gamma", o.gamma, "discount of later rewards");
      options.add("lam", o.lam, "lambda of generalised advantage estimation");
      options.add("whiten_rewards", o.whiten_rewards, "scale the rewards of a step's tokens to variance 1");
    }
    if (rloo* p = std::get_if<rloo>(&choice.method)) add_clip(p->epsilon, p->epsilon_high);
    if (grpo* p = std::get_if<grpo>(&choice.method)) {
      add_clip(p->epsilon, p->epsilon_high);
      options.choice(
          "loss_type", {grpo_loss_names.begin(), grpo_loss_names.end()}, "dapo",
          [p](const std::string& name) {
            for (std::size_t i = 0; i < grpo_loss_names.size(); ++i)
              if (name == grpo_loss_names[i]) p->loss_type = static_cast<grpo_loss_type>(i);
          },
          "how tokens are weighed and averaged");
      options.add("beta", p->beta, "of the KL term in the loss");
      options.add("delta", p->delta, "bound of the ratio where the advantage is negative; 0: none").read_null = [] {};
      options.choice(
          "importance_sampling_level", {"token", "sequence"}, "token",
          [p](const std::string& name) { p->sequence_ratio = name == "sequence"; }, "whose ratio is clipped");
      options.choice(
          "scale_rewards", {"group", "batch", "none"}, "group", [&o](const std::string& name) { o.scale_rewards = reward_scale_of(name); },
          "what advantages are divided by");
    }
    if (is<reinforce>()) options.add("baseline_decay", o.baseline_decay, "of the running mean that is the baseline");
  }
  void add_clip(double& low, double& high) {
    options.add("epsilon", low, "the ratio is clipped below at 1 less this");
    options.add("epsilon_high", high, "and above at 1 and this").read_null = [] {};
  }

  void choose(training_job& job) {
    if (!rule) options.require("reward_model", "the folder of what judges the samples, which tilt reward makes; or give --rule");
    if (rule && !choice.reward_model.empty())
      throw input_error("samples are judged by one of --rule and --reward-model, and both are given; give one");
    rule.check(options);
    if (rule) {
      choice.rule = [this](const std::string& text) { return rule(text); };
      choice.rule_name = rule.described();
    }
    if (choice.share_value) options.refuse("value_model", "share_value puts the value function on the policy");
    if (auto* g = std::get_if<grpo>(&choice.method); g != nullptr && g->loss_type == grpo_loss_type::dr_grpo)
      g->max_completion_length = static_cast<double>(choice.options.max_new_tokens);
    if (episodes < 0) throw input_error("total_episodes: " + std::to_string(episodes) + " is negative; give a number of samples, or 0");
    if (episodes > 0) {
      options.refuse("max_steps", "total_episodes says how long the run is");
      const index each = run.options.batch_size * run.options.gradient_accumulation_steps * choice.options.num_generations;
      run.options.max_steps = (episodes + each - 1) / each;
    }
    choice.options.check(choice.method);
    job.policy = choice;
    job.objective.shape = data_shape::prompts;
  }

  settings options;
  run_choice run;
  policy_choice choice;
  text_rule rule;
  index episodes = 0;
};

void add_policy_gradient(CLI::App& program, action& chosen, const policy_gradient& method, const char* description) {
  CLI::App& app = *program.add_subcommand(std::string(name_of(method)), description);
  app.footer(more +
             ("\n  tilt " + std::string(name_of(method)) +
              " --model SmolLM2-sft --train prompts.jsonl --reward-model SmolLM2-reward --output SmolLM2-" + std::string(name_of(method))));
  const auto command = std::make_shared<policy_gradient_command>(app, method);
  app.callback([&chosen, command] {
    chosen = [command] { return run_training(command->options, command->run, [command](training_job& job) { command->choose(job); }); };
  });
}

}  // namespace

void add_policy_gradients(CLI::App& program, action& chosen) {
  add_policy_gradient(program, chosen, ppo{}, "Train on a reward model's scores of the model's own samples, with a value function (PPO)");
  add_policy_gradient(program, chosen, rloo{}, "The same against the prompt's other samples, without a value function (RLOO)");
  add_policy_gradient(program, chosen, grpo{}, "The same against the prompt's group of samples (GRPO and its relatives)");
  add_policy_gradient(program, chosen, reinforce{}, "The same against a running mean, the smallest of them (REINFORCE)");
}

}  // namespace tilt::program
