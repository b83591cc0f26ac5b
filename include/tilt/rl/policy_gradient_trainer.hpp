// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tilt/data/order.hpp>
#include <tilt/rl/policy_update.hpp>
#include <tilt/rl/reward_model.hpp>
#include <tilt/rl/sample_means.hpp>
#include <tilt/train/fingerprint.hpp>
#include <tilt/train/objective.hpp>
#include <tilt/train/plan.hpp>
#include <tilt/train/state.hpp>
#include <tilt/train/step_range.hpp>
#include <utility>
#include <vector>

namespace tilt {

/// The models of a policy-gradient run, which must outlive it. The policy, and the value function, are trained in place.
template <class B> struct policy_models {
  transformer<B>& policy;
  transformer<B>& reference;        ///< keeps its weights
  transformer<B>* value = nullptr;  ///< ppo: a network with a value head; null: the policy's own value head
};

/// Policy gradients: PPO (Schulman et al. 2017, arXiv 1707.06347; Ziegler et al. 2019, 1909.08593), RLOO, GRPO, REINFORCE. A step samples
/// responses to some prompts from the policy, has them judged, turns scores and the KL penalty into advantages, and updates the policy on them
/// num_ppo_epochs × num_mini_batches times:
///
///   for (const step_report& step : trainer.run(prompts)) …
///
/// Samples are drawn from the model's own distribution. Metrics have PPOTrainer's names. Same seed, backend and threads: the same bits; a run
/// that is resumed ends in those of one that was not.
template <class B> class policy_gradient_trainer {
 public:
  using T = typename B::scalar;

  policy_gradient_trainer(policy_models<B> models, policy_gradient method, reward_function reward, policy_gradient_options rl,
                          training_options options)
      : options_((options.check(), std::move(options))), rl_((rl.check(method), std::move(rl))), method_(std::move(method)),
        reward_(std::move(reward)), policy_((check(models), models.policy), options_), reading_(models.policy, pass_kind::inference),
        reference_(models.reference, pass_kind::inference), packs_(options_.max_tokens),
        sample_(models.policy,
                {.max_new_tokens = rl_.max_new_tokens, .seed = options_.seed ^ sampling_seed, .end_tokens = rl_.end_tokens}) {
    if (models.value != nullptr) {
      value_ = std::make_unique<trained_network<B>>(*models.value, options_);
      value_reading_ = std::make_unique<pass<B>>(*models.value, pass_kind::inference);
    }
    update_ = std::make_unique<policy_update<B>>(method_, policy_, value_.get(), options_.max_tokens);
    history_.kl_coef = rl_.kl_coef;
    history_.baseline.decay = rl_.baseline_decay;
    identity_.reference = detail::hash_of(models.reference);
    for (const char* name : metric_names) window_.list(name);
  }

  const training_options& options() const { return options_; }
  index steps_done() const { return step_; }
  index total_steps() const { return plan_ ? plan_->total_steps : 0; }
  transformer<B>& policy() const { return policy_.model(); }
  /// The last step's samples with what was known of them, and the coefficient of the KL penalty now.
  const rollout<T>& samples() const { return rollout_; }
  double kl_coef() const { return history_.kl_coef; }

  /// What a step on these prompts, or a part of an evaluation, comes to at most: for reward functions that make their memory beforehand.
  rollout_limits limits(std::span<const prompt_tree> prompts, std::span<const prompt_tree> held_out = {}) const {
    return max(limits_of(prompts, options_.batch_size * options_.gradient_accumulation_steps),
               limits_of(held_out, options_.eval_batch_size));
  }

  using step_range = tilt::step_range<policy_gradient_trainer>;
  /// Trains on prompts (trees without responses), a step for each increment of the range's iterator. With a state of an earlier run it goes on
  /// after that run's last step, to the bit.
  step_range run(std::span<const prompt_tree> prompts, const training_state<T>* resume = nullptr) { return run(prompts, {}, resume); }
  /// The same, evaluated on other prompts as the options say.
  step_range run(std::span<const prompt_tree> prompts, std::span<const prompt_tree> held_out, const training_state<T>* resume = nullptr) {
    if (!options_.output_dir.empty() && !writer_)
      throw input_error(
          "output_dir: the trainer does not know how to write checkpoints; call keep_checkpoints(trainer) of tilt/train/checkpoint.hpp");
    if (held_out.empty() && (options_.eval_steps > 0 || options_.eval_on_start))
      throw input_error(std::string(options_.eval_steps > 0 ? "eval_steps" : "eval_on_start") +
                        ": there are no prompts to evaluate on; give some, or leave it away");
    for (const auto& some : {prompts, held_out})
      for (const prompt_tree& p : some) check(p);
    prompts_ = prompts;
    held_out_ = held_out;
    plan_.emplace(options_, static_cast<index>(prompts.size()));
    schedule_ = schedule_of(options_, plan_->total_steps);
    schedule_.check();
    order_.emplace(plan_->examples, options_.shuffle, options_.seed);
    reserve();
    identify();
    if (resume != nullptr) restore(*resume);
    started_ = step_ > 0;
    finished_ = false;
    return step_range(*this);
  }

  /// Of the policy's own samples for prompts that it is not trained on, num_generations to each: what steps tell of theirs, with the KL
  /// coefficient and the scores' moments as they are now. The draws are the same every time, and none of a step's.
  metric_list evaluate(std::span<const prompt_tree> held_out) {
    if (held_out.empty()) throw input_error("the evaluation data has no prompts; give at least one");
    for (const prompt_tree& p : held_out) check(p);
    sample_means means;
    const index count = static_cast<index>(held_out.size());
    for (index first = 0; first < count; first += options_.eval_batch_size) {
      members_.resize(static_cast<std::size_t>(std::min(options_.eval_batch_size, count - first)));
      std::iota(members_.begin(), members_.end(), first);
      read_samples(held_out, members_, evaluation_samples + static_cast<std::uint64_t>(first * rl_.num_generations), evaluated_);
      means.add(evaluated_, means_of(method_, rl_, evaluated_, history_));
    }
    metric_list line;
    means.each([&](std::string_view name, double value) { line.push(name, value); });
    return line;
  }

  /// What `run` needs in order to go on from here. Allocates.
  training_state<T> state() const {
    training_state<T> s;
    s.identity = identity_;
    s.step = step_;
    s.tokens = tokens_;
    s.optimizer_count = policy_.updates();
    policy_.append_state(s.weights, s.moments);
    if (value_) value_->append_state(s.weights, s.moments);
    s.window = window_.state();
    s.objective = history_.state();
    return s;
  }
  void save_with(std::function<std::string(const std::string& name, const training_state<T>&)> writer) { writer_ = std::move(writer); }
  /// Writes the checkpoint of the step that was done last, and tells where.
  const std::string& save_checkpoint() {
    if (!writer_)
      throw input_error(
          "checkpoints: the trainer does not know how to write them; call keep_checkpoints(trainer) of tilt/train/checkpoint.hpp");
    save();
    return saved_;
  }

 private:
  friend step_range;
  static constexpr std::uint64_t sampling_seed = 0x5A3D1E0F9B7C2468u,
                                 shuffling_seed = 0x17C4B29E6D8F0A35u;         // streams apart from the order's
  static constexpr std::uint64_t evaluation_samples = std::uint64_t{1} << 63;  // numbers that no step's samples have
  // nvcc 13 does not see the extent of an array that does not name it.
  static constexpr const char* metric_names[18] = {"objective/kl",
                                                   "objective/entropy",
                                                   "objective/non_score_reward",
                                                   "objective/rlhf_reward",
                                                   "objective/scores",
                                                   "objective/kl_coef",
                                                   "policy/approxkl_avg",
                                                   "policy/clipfrac_avg",
                                                   "policy/entropy_avg",
                                                   "loss/policy_avg",
                                                   "loss/value_avg",
                                                   "val/clipfrac_avg",
                                                   "val/ratio",
                                                   "val/ratio_var",
                                                   "val/num_eos_tokens",
                                                   "completions/mean_length",
                                                   "updates",
                                                   "grad_norm"};

  void check(const policy_models<B>& m) const {
    const model_config &policy = m.policy.config(), &reference = m.reference.config();
    if (!policy.vocabulary_head || !reference.vocabulary_head)
      throw input_error("model: policy and reference must predict tokens, and one is a reward model; give language models");
    if (policy.vocab_size != reference.vocab_size || (m.value != nullptr && m.value->config().vocab_size != policy.vocab_size))
      throw input_error("model: the models' vocabularies differ in size; give models with one tokenizer");
    const bool is_ppo = std::holds_alternative<ppo>(method_);
    if (is_ppo && m.value == nullptr && !policy.value_head)
      throw input_error("value_model: ppo needs a value function; give a network with a value head, or put one on the policy (with_heads)");
    if (is_ppo && m.value != nullptr && (!m.value->config().value_head || m.value->config().vocabulary_head))
      throw input_error("value_model: the network must have a value head and no other; make it by with_heads");
    if (m.value != nullptr && policy.value_head)
      throw input_error("value_model: the policy has a value head of its own; give one of the two");
    if (!is_ppo && (m.value != nullptr || policy.value_head))
      throw input_error("value_model: " + std::string(name_of(method_)) + " has no value function; leave it away");
    if (!reward_) throw input_error("reward: there is no reward function; give one");
    const auto unused = [](bool given, const char* option) {
      if (given) throw input_error(std::string(option) + ": a policy-gradient run does not use it; leave it away");
    };
    unused(options_.keep_best, "keep_best");
    unused(options_.kl_budget > 0, "kl_budget");
    unused(options_.sync_ref_model, "sync_ref_model");
    unused(options_.statistics == statistics_scope::step, "statistics");
  }

  void check(const prompt_tree& p) const {
    const std::string where = p.line > 0 ? "line " + std::to_string(p.line) + ": " : "";
    const auto length = static_cast<index>(p.prompt.size()), positions = policy_.model().config().max_position_embeddings;
    if (length == 0) throw input_error(where + "the prompt has no tokens; begin it with a BOS token");
    if (length + rl_.max_new_tokens - 1 > positions)
      throw input_error("max_new_tokens: " + where + "the prompt has " + std::to_string(length) + " tokens and with " +
                        std::to_string(rl_.max_new_tokens) + " new ones exceeds the model's " + std::to_string(positions) +
                        " positions; lower it, or cut prompts with max_prompt_length");
  }

  rollout_limits limits_of(std::span<const prompt_tree> prompts, index together) const {
    rollout_limits l{.samples = rl_.num_generations, .new_tokens = rl_.max_new_tokens};
    l.trees = std::min(together, static_cast<index>(prompts.size()));
    for (const prompt_tree& p : prompts) l.prompt = std::max(l.prompt, static_cast<index>(p.prompt.size()));
    return l;
  }
  /// All memory of a step, before the first.
  void reserve() {
    const rollout_limits l = limits(prompts_), most = limits(prompts_, held_out_);
    sample_.reserve(most);
    rollout_.reserve(l);
    estimate_.reserve(l.responses(), l.tokens());
    most.reserve(packs_);
    const pass_limits of_pack = most.of_pack(options_.max_tokens);
    reading_.reserve(of_pack);
    reference_.reserve(of_pack);
    if (value_reading_) value_reading_->reserve(of_pack);
    update_->reserve(l);
    parts_.emplace(l.trees, options_.shuffle, options_.seed ^ shuffling_seed);
  }
  void identify() {
    identity_.dtype = "float" + std::to_string(8 * sizeof(T));
    identity_.data = detail::hash_of(prompts_);
    identity_.total_steps = plan_->total_steps;
    identity_.settings = settings_of_run(options_);
    identity_.settings.push_back({"method", std::string(name_of(method_))});
    identity_.settings.push_back({"value_model", value_ ? "a network" : policy_.model().config().value_head ? "shared" : "none"});
    for (const auto& values : {rl_.values(), hyper_parameters(method_)})
      identity_.settings.insert(identity_.settings.end(), values.begin(), values.end());
  }
  void restore(const training_state<T>& s) {
    s.identity.require(identity_, s.origin);
    if (s.step > plan_->total_steps)
      throw input_error("max_steps: " + s.origin + " is at step " + std::to_string(s.step) + " and this run has " +
                        std::to_string(plan_->total_steps) + " steps; give more");
    std::span<const T> weights = s.weights, moments = s.moments;
    policy_.restore(weights, moments, s.optimizer_count, s.origin);
    if (value_) value_->restore(weights, moments, s.optimizer_count, s.origin);
    if (!weights.empty() || !moments.empty()) throw input_error(s.origin + ": its models have other sizes; resume with the same models");
    window_.restore(s.window);
    history_.restore(s.objective);
    step_ = s.step;
    tokens_ = s.tokens;
  }

  void advance() {
    report_.checkpoint = {};
    report_.evaluation.clear();
    report_.metrics.clear();
    report_.logged = false;
    report_.step = step_;
    report_.epoch = step_ > 0 ? plan_->epoch_after(step_ - 1) : 0;
    if (!std::exchange(started_, true) && options_.eval_on_start) {
      report_.evaluation = evaluate(held_out_);
      return;
    }
    if (step_ >= plan_->total_steps) {
      finished_ = true;
      return;
    }
    step();
    if (options_.eval_steps > 0 && (step_ == plan_->total_steps || step_ % options_.eval_steps == 0))
      report_.evaluation = evaluate(held_out_);
    if (options_.save_steps > 0 && step_ % options_.save_steps == 0) save();
  }

  void step() {
    const run_plan::step_batches batches = plan_->batches(step_);
    const run_plan::range first = plan_->examples_of(batches.first), last = plan_->examples_of(batches.first + batches.count - 1);
    const auto members =
        order_->epoch(batches.epoch)
            .subspan(static_cast<std::size_t>(first.first), static_cast<std::size_t>(last.first + last.count - first.first));
    collect(members);
    estimate_ = estimate_advantages(method_, rl_, rollout_, history_, std::move(estimate_));
    const advantage_estimate<T>& estimate = estimate_;
    const double learning_rate = options_.learning_rate * schedule_.factor(step_);
    const index episodes = rollout_.responses();
    sample_means means;
    means.add(rollout_, estimate);
    means.each([this](std::string_view name, double value) { window_.add(name, value); });
    window_.add("objective/kl_coef", detail::penalty_coefficient(method_, history_));
    optimise(estimate, learning_rate);
    if (rl_.adap_kl_ctrl) {
      adaptive_kl_controller controller{history_.kl_coef, rl_.target, rl_.horizon};
      controller.update(estimate.kl, episodes);
      history_.kl_coef = controller.coefficient;
    }
    for (const prompt_tree& tree : rollout_.trees) tokens_ += logical_tokens(tree);
    ++step_;
    write_line(learning_rate);
  }

  /// Samples, what the models say of them, and their scores.
  void collect(std::span<const index> members) {
    read_samples(
        prompts_, members,
        static_cast<std::uint64_t>(step_) * static_cast<std::uint64_t>(plan_->batch_size * plan_->accumulation * rl_.num_generations),
        rollout_);
    if (value_reading_)
      read_responses(*value_reading_, packs_, rollout_.trees, rollout_.value);
    else if (std::holds_alternative<ppo>(method_))
      rollout_.value = rollout_.policy;  // whose own head it is
  }
  void read_samples(std::span<const prompt_tree> prompts, std::span<const index> members, std::uint64_t numbered, rollout<T>& into) {
    sample_(prompts, members, rl_.num_generations, numbered, into);
    read_responses(reading_, packs_, into.trees, into.policy);
    read_responses(reference_, packs_, into.trees, into.reference);
    into.scores.assign(static_cast<std::size_t>(into.responses()), 0);
    reward_(into.trees, into.scores);
    for (std::size_t i = 0; i < into.scores.size(); ++i)
      if (!std::isfinite(into.scores[i]))
        throw numeric_error("step " + std::to_string(step_ + 1) + ": the score of sample " + std::to_string(i + 1) +
                            " is not finite; look at the reward function or model");
  }

  void optimise(const advantage_estimate<T>& estimate, double learning_rate) {
    const index trees = static_cast<index>(rollout_.trees.size()), parts = std::min(rl_.num_mini_batches, trees);
    parts_->resize(trees);
    index updates = 0;
    for (index e = 0; e < rl_.num_ppo_epochs; ++e) {
      const auto all = parts_->epoch(step_ * rl_.num_ppo_epochs + e);
      for (index part = 0; part < parts; ++part) {
        const index begin = trees * part / parts, end = trees * (part + 1) / parts;
        const update_outcome o =
            update_->differentiate(rollout_, estimate, all.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin)));
        record(o);
        if (rl_.early_stopping && o.approx_kl > 1.5 * rl_.target_kl) return window_.add("updates", static_cast<double>(updates));
        update(o, learning_rate);
        ++updates;
      }
    }
    window_.add("updates", static_cast<double>(updates));
  }
  /// Both networks move, or neither.
  void update(const update_outcome& o, double learning_rate) {
    const bool finite = std::isfinite(o.loss);
    const auto of_policy = policy_.measure(options_.max_grad_norm, finite);
    const bool both = of_policy.finite && (!value_ || value_->measure(options_.max_grad_norm, finite).finite);
    if (!both) {
      finished_ = true;
      throw numeric_error("step " + std::to_string(step_ + 1) + ": the " + (finite ? "gradient" : "loss") +
                          " is not finite; the weights are those of the update before" +
                          (saved_.empty() ? "" : ", and a whole step's are in " + saved_) + "; lower learning_rate or max_grad_norm");
    }
    window_.add("grad_norm", of_policy.norm);
    policy_.update(learning_rate);
    if (value_) value_->update(learning_rate);
  }
  void record(const update_outcome& o) {
    window_.add("policy/approxkl_avg", o.approx_kl);
    window_.add("policy/clipfrac_avg", o.policy_clipped);
    window_.add("policy/entropy_avg", o.entropy);
    window_.add("loss/policy_avg", o.policy_loss);
    window_.add("val/ratio", 1 + o.ratio_excess);
    window_.add("val/ratio_var", o.ratio_excess_squares - o.ratio_excess * o.ratio_excess);
    if (!std::holds_alternative<ppo>(method_)) return;
    window_.add("loss/value_avg", o.value_loss);
    window_.add("val/clipfrac_avg", o.value_clipped);
  }

  void write_line(double learning_rate) {
    report_.step = step_;
    report_.epoch = plan_->epoch_after(step_ - 1);
    report_.logged = step_ % options_.logging_steps == 0 || step_ == plan_->total_steps || (step_ == 1 && options_.logging_first_step);
    window_.report(report_.metrics);
    report_.metrics.push("lr", learning_rate);
    report_.metrics.push("num_tokens", static_cast<double>(tokens_));
    if (report_.logged) window_.reset();
  }
  void save() {
    saved_ = writer_("checkpoint-" + std::to_string(step_), state());
    report_.checkpoint = saved_;
  }

  training_options options_;
  policy_gradient_options rl_;
  policy_gradient method_;
  reward_function reward_;
  trained_network<B> policy_;
  std::unique_ptr<trained_network<B>> value_;
  pass<B> reading_, reference_;
  std::unique_ptr<pass<B>> value_reading_;
  std::unique_ptr<policy_update<B>> update_;
  tree_packs packs_;
  response_sampler<B> sample_;
  rollout<T> rollout_;
  advantage_estimate<T> estimate_;
  rollout<T> evaluated_;
  std::vector<index> members_;  // of a part of an evaluation
  reward_history history_;

  std::span<const prompt_tree> prompts_, held_out_;
  run_identity identity_;
  std::optional<run_plan> plan_;
  std::optional<example_order> order_, parts_;  // parts_: of a step's trees
  schedule schedule_;
  meters window_;
  index step_ = 0, tokens_ = 0;
  bool started_ = false, finished_ = true;
  step_report report_;
  std::string saved_;
  std::function<std::string(const std::string&, const training_state<T>&)> writer_;
};

}  // namespace tilt
