// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <tilt/data/order.hpp>
#include <tilt/train/objective.hpp>
#include <tilt/train/plan.hpp>
#include <tilt/train/reference.hpp>
#include <tilt/train/state.hpp>

namespace tilt {

/// The one training loop: micro-batches of prompt trees → packs → log-probabilities → the objective's coefficients → gradients →
/// clipped update. It reproduces TRL's arithmetic (see `run_plan` and the objectives), whatever the packing.
///
///   for (const step_report& step : trainer.run(train, eval)) …
///
/// The policy is trained in place. It, the backend and the examples must outlive the run. After the first step nothing is allocated.
template <class B, class Objective> class trainer {
 public:
  using T = typename B::scalar;
  static_assert(objective<Objective, T>);

  /// The reference is the policy as it is now.
  trainer(transformer<B>& policy, Objective objective, training_options options = {})
      : trainer(policy, nullptr, std::move(objective), std::move(options)) {}
  /// The reference is another model of the same vocabulary, which must outlive the trainer.
  trainer(transformer<B>& policy, transformer<B>& reference, Objective objective, training_options options = {})
      : trainer(policy, &reference, std::move(objective), std::move(options)) {}

  const training_options& options() const { return options_; }
  index steps_done() const { return step_; }
  index total_steps() const { return plan_ ? plan_->total_steps : 0; }
  transformer<B>& policy() const { return *policy_; }
  Objective& loss() { return objective_; }

  class step_range;
  /// Trains on the examples, a step for each increment of the range's iterator; evaluates on `eval` as the options say. With a state of
  /// an earlier run it goes on after that run's last step, to the bit; the policy must hold the weights that the earlier run began with.
  step_range run(std::span<const prompt_tree> train, std::span<const prompt_tree> eval = {}, const training_state<T>* resume = nullptr) {
    prepare(train, eval);
    if (resume != nullptr) restore(*resume);
    return step_range(*this);
  }

  /// What `run` needs in order to go on from here. Allocates.
  training_state<T> state() const {
    training_state<T> s{identity_, step_, tokens_, optimizer_.count(), best_loss_, {}, optimizer_.moments(), {}, {}};
    s.weights.resize(static_cast<std::size_t>(policy_->size()));
    backend().copy_out(static_cast<const transformer<B>*>(policy_)->weights(), policy_->size(), s.weights.data());
    s.window = window_.state();
    const std::vector<double> loss = step_loss_.state();
    s.window.insert(s.window.end(), loss.begin(), loss.end());
    if constexpr (requires { objective_.state(); }) s.objective = objective_.state();
    return s;
  }

  /// How a checkpoint is written: a function of its name and the state that gives the path. `keep_checkpoints` (train/checkpoint.hpp)
  /// sets it; the loop itself knows nothing of files.
  void save_with(std::function<std::string(const std::string& name, const training_state<T>&)> writer) { writer_ = std::move(writer); }

  /// Loss and metrics of the policy as it is, over micro-batches of eval_batch_size in order: each metric is the mean over
  /// micro-batches, as TRL's. With a cached reference, examples that were not seen before the first step are refused.
  metric_list evaluate(std::span<const prompt_tree> examples) {
    if (examples.empty()) throw input_error("the evaluation data has no examples; give at least one");
    for (const prompt_tree& tree : examples) objective_.check(tree);
    evaluation_.reset();
    select(examples);
    double loss = 0;
    for (index first = 0; first < static_cast<index>(examples.size()); first += options_.eval_batch_size) {
      const index count = std::min(options_.eval_batch_size, static_cast<index>(examples.size()) - first);
      members_.resize(static_cast<std::size_t>(count));
      for (index i = 0; i < count; ++i) members_[static_cast<std::size_t>(i)] = first + i;
      index targets = 0;
      for (const index i : members_) targets += target_count(examples[static_cast<std::size_t>(i)]);
      objective_.begin({1, targets});
      lay_out(examples, members_);
      consult_reference(members_);
      scores_.clear();
      for (index p = 0; p < packs_.size(); ++p) score(p, inference_);
      loss += static_cast<double>(count) * objective_.record(batch(examples, members_), evaluation_);
    }
    metric_list line;
    line.push("loss", loss / static_cast<double>(examples.size()));
    evaluation_.report(line);
    objective_.report(evaluation_, line);
    line.push("num_tokens", static_cast<double>(tokens_));
    return line;
  }

  /// The range of a run's steps: an input range whose elements are valid until the next increment.
  class step_range {
   public:
    class iterator {
     public:
      using iterator_concept = std::input_iterator_tag;
      using value_type = step_report;
      using difference_type = std::ptrdiff_t;
      explicit iterator(trainer* owner) : owner_(owner) {}
      const step_report& operator*() const { return owner_->report_; }
      iterator& operator++() {
        owner_->advance();
        return *this;
      }
      void operator++(int) { owner_->advance(); }
      bool operator==(std::default_sentinel_t) const { return owner_->finished_; }

     private:
      trainer* owner_;
    };

    explicit step_range(trainer& owner) : owner_(&owner) {}
    iterator begin() const {
      owner_->advance();
      return iterator(owner_);
    }
    std::default_sentinel_t end() const { return {}; }

   private:
    trainer* owner_;
  };

 private:
  trainer(transformer<B>& policy, transformer<B>* reference, Objective objective, training_options options)
      : policy_(&policy),
        options_((options.check(), std::move(options))),
        objective_(std::move(objective)),
        reference_(policy, reference, options_),
        packs_(options_.max_tokens),
        mismatched_packs_(options_.max_tokens),
        training_(policy, pass_kind::training),
        inference_(policy, pass_kind::inference),
        gradients_(policy.backend().template allocate<T>(policy.size())),
        norm_(policy.backend(), policy.size()),
        optimizer_(policy.backend(), options_.optimizer(), policy.size(), policy.decayed_size()) {
    step_loss_.list("loss");
    objective_.list(window_);
    objective_.list(evaluation_);
  }

  B& backend() const { return policy_->backend(); }

  /// Makes these the examples at hand. A mismatched pair stays within a training micro-batch, in evaluation too, as in TRL.
  void select(std::span<const prompt_tree> examples) {
    const bool whole_step = options_.statistics == statistics_scope::step;
    const index group = options_.batch_size * (whole_step ? options_.gradient_accumulation_steps : 1);
    reference_.select(examples, group, Objective::needs_reference, Objective::needs_mismatched, step_ == 0);
  }

  void prepare(std::span<const prompt_tree> train, std::span<const prompt_tree> eval) {
    if (!options_.output_dir.empty() && !writer_)
      throw input_error("output_dir: the trainer does not know how to write checkpoints; call keep_checkpoints(trainer) of tilt/train/checkpoint.hpp");
    train_ = train;
    eval_ = eval;
    plan_.emplace(options_, static_cast<index>(train.size()));
    schedule_ = schedule_of(options_, plan_->total_steps);
    schedule_.check();
    order_.emplace(plan_->examples, options_.shuffle, options_.seed);
    for (const prompt_tree& tree : train_) objective_.check(tree);
    if (!eval_.empty()) select(eval_);
    select(train_);
    reserve();
    if (step_ == 0) identify();
    finished_ = false;
    ended_ = false;
    started_ = step_ > 0;
  }

  void identify() {
    identity_ = {.loss = std::string(objective_.name()),
                 .dtype = "float" + std::to_string(8 * sizeof(T)),
                 .optim = std::string(name_of(optimizer_.options())),
                 .data = detail::hash_of(train_),
                 .reference = Objective::needs_reference ? reference_.weights_hash() : 0,
                 .batch_size = plan_->batch_size,
                 .gradient_accumulation_steps = plan_->accumulation,
                 .seed = options_.seed,
                 .shuffle = options_.shuffle};
  }
  void restore(const training_state<T>& s) {
    s.identity.require(identity_);
    if (static_cast<index>(s.weights.size()) != policy_->size()) throw input_error("checkpoint: its model has another size; resume with the same model");
    if (s.step > plan_->total_steps)
      throw input_error("checkpoint: it is at step " + std::to_string(s.step) + " of a run that now has " + std::to_string(plan_->total_steps) + " steps; raise max_steps");
    const std::size_t loss_values = step_loss_.state().size();
    if (s.window.size() < loss_values) throw input_error("checkpoint: its metrics are incomplete; take another one");
    window_.restore({s.window.begin(), s.window.end() - static_cast<std::ptrdiff_t>(loss_values)});
    step_loss_.restore({s.window.end() - static_cast<std::ptrdiff_t>(loss_values), s.window.end()});
    optimizer_.restore(s.moments, s.optimizer_count);
    backend().copy_in(s.weights.data(), policy_->size(), policy_->weights());
    if constexpr (requires { objective_.restore(s.objective); }) objective_.restore(s.objective);
    step_ = s.step;
    tokens_ = s.tokens;
    best_loss_ = s.best_loss;
    started_ = step_ > 0;
  }

  /// Lays out every micro-batch of the run's first epochs, so that all memory has its final size before the first step.
  void reserve() {
    constexpr index epochs_looked_at = 16;
    pass_limits training, mismatched;
    index targets = 0, responses = 0;
    for (index e = 0; e < std::min(plan_->epochs(), options_.shuffle ? epochs_looked_at : 1); ++e)
      for (index b = 0; b < plan_->batches_per_epoch; ++b) {
        const auto members = members_of(e, b);
        lay_out(train_, members);
        index batch_targets = 0, batch_responses = 0;
        for (index p = 0; p < packs_.size(); ++p) {
          training = max(training, pass_limits::of(packs_[p]));
          batch_targets += static_cast<index>(packs_[p].targets.size());
          batch_responses += packs_[p].responses();
        }
        targets = std::max(targets, batch_targets);
        responses = std::max(responses, batch_responses);
        if constexpr (Objective::needs_mismatched) {
          lay_out_mismatched(members);
          for (index p = 0; p < mismatched_packs_.size(); ++p) mismatched = max(mismatched, pass_limits::of(mismatched_packs_[p]));
        }
      }
    training_.reserve(training);
    if (reference_.online()) reference_.reserve(max(training, mismatched));
    if (!objective_.separable()) mismatched = max(mismatched, training);
    if (mismatched.tokens > 0) inference_.reserve(mismatched);
    scores_.reserve(responses, targets);
    for (auto* v : {&reference_logps_, &d_logps_}) v->reserve(static_cast<std::size_t>(targets));
    for (auto* v : {&mismatched_policy_, &mismatched_reference_}) v->reserve(static_cast<std::size_t>(plan_->batch_size));
    members_.reserve(static_cast<std::size_t>(std::max(plan_->batch_size, options_.eval_batch_size)));
    objective_.reserve(plan_->batch_size, responses);
  }

  std::span<const index> members_of(index epoch, index batch) {
    const run_plan::range r = plan_->examples_of(batch);
    return order_->epoch(epoch).subspan(static_cast<std::size_t>(r.first), static_cast<std::size_t>(r.count));
  }
  void lay_out(std::span<const prompt_tree> examples, std::span<const index> members) {
    packs_.clear();
    for (const index i : members) packs_.add(examples[static_cast<std::size_t>(i)]);
  }
  void lay_out_mismatched(std::span<const index> members) {
    mismatched_packs_.clear();
    for (const index i : members) reference_.add_mismatched(mismatched_packs_, i);
  }
  micro_batch<T> batch(std::span<const prompt_tree> examples, std::span<const index> members) const {
    return {examples, members, scores_, reference_logps_};
  }

  /// Forward of pack p, whose results join the micro-batch's.
  void score(index p, pass<B>& by) {
    by.forward(packs_[p]);
    scores_.append(by, packs_[p]);
  }

  /// What the objective must know of the laid-out micro-batch before the policy's own pass.
  void consult_reference(std::span<const index> members) {
    if constexpr (Objective::needs_reference) reference_.collect(packs_, members, reference_logps_);
    if constexpr (Objective::needs_mismatched) {
      lay_out_mismatched(members);
      mismatched_policy_.clear();
      for (index p = 0; p < mismatched_packs_.size(); ++p) {
        inference_.forward(mismatched_packs_[p]);
        reference_model<B>::append_sums(inference_.logps(), mismatched_packs_[p], mismatched_policy_);
      }
      reference_.collect_mismatched(mismatched_packs_, members, mismatched_reference_);
      objective_.take_mismatched(mismatched_policy_, mismatched_reference_);
    }
  }

  /// Adds the gradient of one micro-batch; gives its share of the step's loss.
  double accumulate(std::span<const index> members) {
    lay_out(train_, members);
    consult_reference(members);
    scores_.clear();
    const bool one_by_one = packs_.size() == 1 || objective_.separable();
    if (!one_by_one) {
      for (index p = 0; p < packs_.size(); ++p) score(p, inference_);
      d_logps_.resize(static_cast<std::size_t>(scores_.targets()));
      objective_.differentiate(batch(train_, members), tree_range{0, static_cast<index>(members.size()), 0}, std::span<T>(d_logps_));
    }
    index first_target = 0;
    for (index p = 0; p < packs_.size(); ++p) {
      const index first_response = scores_.responses(), count = static_cast<index>(packs_[p].targets.size());
      if (one_by_one) {
        score(p, training_);
        d_logps_.resize(static_cast<std::size_t>(scores_.targets()));
        const index first_tree = packs_.first_tree(p);
        objective_.differentiate(batch(train_, members), tree_range{first_tree, packs_.first_tree(p + 1) - first_tree, first_response}, std::span<T>(d_logps_));
      } else {
        training_.forward(packs_[p]);
      }
      training_.backward(std::span<const T>(d_logps_).subspan(static_cast<std::size_t>(first_target), static_cast<std::size_t>(count)), gradients_.data());
      first_target += count;
    }
    const double loss = objective_.record(batch(train_, members), window_);
    if (suspect_ == 0 && !std::isfinite(loss)) suspect_ = suspect(members);
    return loss;
  }

  /// The line of the first example with a log-probability that is not finite, or of the micro-batch's first.
  index suspect(std::span<const index> members) const {
    index response = 0;
    for (const index i : members) {
      const prompt_tree& tree = train_[static_cast<std::size_t>(i)];
      for (std::size_t r = 0; r < tree.responses.size(); ++r, ++response)
        if (!std::isfinite(sum_of(scores_.logps(response)))) return line_of(i);
    }
    return line_of(members[0]);
  }
  index line_of(index example) const {
    const index line = train_[static_cast<std::size_t>(example)].line;
    return line > 0 ? line : example + 1;
  }

  void advance() {
    report_.checkpoint = {};
    report_.stopped = {};
    report_.evaluation.clear();
    report_.metrics.clear();
    report_.logged = report_.best = false;
    report_.step = step_;
    report_.epoch = step_ > 0 ? plan_->epoch_after(step_ - 1) : 0;
    if (!started_) {
      started_ = true;
      if (options_.eval_on_start && !eval_.empty()) {
        judge(evaluate_between(eval_));
        return;
      }
    }
    if (ended_ || step_ >= plan_->total_steps) {
      finished_ = true;
      return;
    }
    step();
    const bool last = ended_ || step_ == plan_->total_steps;
    if (options_.eval_steps > 0 && (last || step_ % options_.eval_steps == 0) && !eval_.empty()) judge(evaluate_between(eval_));
    if (options_.save_steps > 0 && step_ % options_.save_steps == 0) save("checkpoint-" + std::to_string(step_));
  }

  void step() {
    const run_plan::step_batches batches = plan_->batches(step_);
    step_extent extent{batches.count, 0};
    for (index b = 0; b < batches.count; ++b)
      for (const index i : members_of(batches.epoch, batches.first + b)) extent.targets += target_count(train_[static_cast<std::size_t>(i)]);
    fill(backend(), gradients_.data(), policy_->size(), T(0));
    objective_.begin(extent);
    suspect_ = 0;
    double loss = 0;
    for (index b = 0; b < batches.count; ++b) {
      const auto members = members_of(batches.epoch, batches.first + b);
      loss += accumulate(members);
    }
    const double learning_rate = options_.learning_rate * schedule_.factor(step_);
    norm_.measure(gradients_.data(), options_.max_grad_norm, std::isfinite(loss));
    optimizer_.update(policy_->weights(), gradients_.data(), norm_.control(), learning_rate);
    const auto gradient = norm_.read();
    if (!gradient.finite) fail(batches, loss);
    for (index b = 0; b < batches.count; ++b)
      for (const index i : members_of(batches.epoch, batches.first + b)) tokens_ += logical_tokens(train_[static_cast<std::size_t>(i)]);
    ++step_;
    step_loss_.add("loss", loss);
    write_line(gradient.norm, learning_rate);
  }

  void write_line(double norm, double learning_rate) {
    report_.step = step_;
    report_.epoch = plan_->epoch_after(step_ - 1);
    report_.logged = step_ % options_.logging_steps == 0 || (step_ == 1 && options_.logging_first_step);
    metric_list& line = report_.metrics;
    step_loss_.report(line);
    line.push("grad_norm", norm);
    line.push("learning_rate", learning_rate);
    window_.report(line);
    objective_.report(window_, line);
    line.push("num_tokens", static_cast<double>(tokens_));
    if (!report_.logged) return;
    window_.reset();
    step_loss_.reset();
    if (options_.kl_budget > 0 && line["kl/k2"] > options_.kl_budget) {
      report_.stopped = "the KL budget is spent";
      ended_ = true;
    }
  }

  metric_list evaluate_between(std::span<const prompt_tree> examples) {
    const metric_list line = evaluate(examples);
    select(train_);
    return line;
  }

  void judge(const metric_list& evaluation) {
    report_.evaluation = evaluation;
    if (!(evaluation["loss"] < best_loss_)) return;
    best_loss_ = evaluation["loss"];
    report_.best = true;
    if (options_.keep_best) save("checkpoint-best");
  }

  [[noreturn]] void fail(const run_plan::step_batches& batches, double loss) {
    optimizer_.uncount();  // the update did nothing
    finished_ = ended_ = true;
    const index line = suspect_ > 0 ? suspect_ : line_of(members_of(batches.epoch, batches.first)[0]);
    std::string message = "step " + std::to_string(step_ + 1) + ": the " + (std::isfinite(loss) ? "gradient" : "loss") +
                          " is not finite, first at line " + std::to_string(line) + " of the training data; the weights are those after step " +
                          std::to_string(step_);
    if (!options_.output_dir.empty()) {
      save("checkpoint-last-finite");
      message += " (saved in " + saved_ + ")";
    }
    throw numeric_error(message + "; look at that example, or lower learning_rate or max_grad_norm");
  }

  void save(const std::string& name) {
    saved_ = writer_(name, state());
    report_.checkpoint = saved_;
  }

  transformer<B>* policy_;
  training_options options_;
  Objective objective_;
  reference_model<B> reference_;
  tree_packs packs_, mismatched_packs_;
  pass<B> training_, inference_;
  buffer_of<B, T> gradients_;
  gradient_norm<B> norm_;
  tilt::optimizer<B> optimizer_;

  std::span<const prompt_tree> train_, eval_;
  run_identity identity_;
  std::optional<run_plan> plan_;
  std::optional<example_order> order_;
  schedule schedule_;
  batch_scores<T> scores_;
  std::vector<T> reference_logps_, d_logps_;
  std::vector<double> mismatched_policy_, mismatched_reference_;
  std::vector<index> members_;
  meters window_, step_loss_, evaluation_;

  index step_ = 0, tokens_ = 0, suspect_ = 0;
  double best_loss_ = std::numeric_limits<double>::infinity();
  bool started_ = false, ended_ = false, finished_ = true;
  step_report report_;
  std::string saved_;
  std::function<std::string(const std::string&, const training_state<T>&)> writer_;
};

}  // namespace tilt
