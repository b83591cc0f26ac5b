// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <tilt/data/order.hpp>
#include <tilt/train/batch_gradient.hpp>
#include <tilt/train/plan.hpp>
#include <tilt/train/state.hpp>
#include <tilt/train/step_range.hpp>

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

  using step_range = tilt::step_range<trainer>;
  /// Trains on the examples, a step for each increment of the range's iterator; evaluates on `eval` as the options say. With a state of
  /// an earlier run it goes on after that run's last step, to the bit; the policy must hold the weights that the earlier run began with. If
  /// that one had spent its kl_budget, and the budget is no larger now, the one report is of its last step and says so.
  step_range run(std::span<const prompt_tree> train, std::span<const prompt_tree> eval = {}, const training_state<T>* resume = nullptr) {
    prepare(train, eval, resume);
    if (resume != nullptr) restore(*resume);
    started_ = step_ > 0;
    stop_to_tell_ = budget_spent();
    finished_ = failed_ = false;
    return step_range(*this);
  }

  /// The memory that `run` on these examples will ask for, before it does. O(tokens).
  memory_plan plan(std::span<const prompt_tree> train, std::span<const prompt_tree> eval = {}) {
    const auto bytes = [](index count) { return count * static_cast<index>(sizeof(T)); };
    measure(train, eval);
    memory_plan m;
    gradient_.plan(m);
    for (const auto& examples : {eval, train}) gradient_.plan_reference(examples, m);
    m.parameters = m.gradients = bytes(policy_->size());
    m.optimizer = bytes(policy_->size() * std::visit([](const auto& chosen) { return chosen.slots(); }, options_.optimizer()));
    if (options_.save_steps > 0 || options_.keep_best) m.checkpoint = m.parameters + m.optimizer;
    return m;
  }

  /// What `run` needs in order to go on from here. Allocates.
  training_state<T> state() const {
    if (!optimizer_) throw error("trainer: a state begins with run()");
    training_state<T> s{identity_, step_, tokens_, optimizer_->count(), best_loss_, kl_spent_, {}, optimizer_->moments(), {}, {}, {}, {}};
    s.weights.resize(static_cast<std::size_t>(policy_->size()));
    backend().copy_out(static_cast<const transformer<B>*>(policy_)->weights(), policy_->size(), s.weights.data());
    s.window = window_.state();
    const std::vector<double> loss = step_loss_.state();
    s.window.insert(s.window.end(), loss.begin(), loss.end());
    if constexpr (requires { objective_.state(); }) s.objective = objective_.state();
    if (options_.sync_ref_model) s.reference_weights = gradient_.reference().own_weights();
    return s;
  }

  /// How a checkpoint is written: a function of its name and the state that gives the path. `keep_checkpoints` (train/checkpoint.hpp)
  /// sets it; the loop itself knows nothing of files.
  void save_with(std::function<std::string(const std::string& name, const training_state<T>&)> writer) { writer_ = std::move(writer); }

  /// Where a cached reference's log-probabilities outlive the run. `keep_reference` (train/reference_files.hpp) sets it.
  void store_reference_in(reference_store<T> store) { gradient_.reference().store_in(std::move(store)); }

  /// Is told of each pass of a cached reference, over examples or over their mismatched pairs: of 0 of them before it begins, then of those
  /// that are done, in the end all. What it throws ends run() or evaluate().
  void watch_reference(std::function<void(index done, index count, bool mismatched)> watch) { gradient_.reference().watch(std::move(watch)); }

  /// Writes the checkpoint of the step that was done last, whatever save_steps says, and tells where; for a run that is to end here and
  /// to go on later.
  const std::string& save_checkpoint() {
    if (!writer_) throw input_error("checkpoints: the trainer does not know how to write them; call keep_checkpoints(trainer) of tilt/train/checkpoint.hpp");
    save("checkpoint-" + std::to_string(step_));
    return saved_;
  }

  /// Loss and metrics of the policy as it is, over micro-batches of eval_batch_size in order: each metric is the mean over
  /// micro-batches, as TRL's. With a cached reference, examples that were not seen before the first step are refused.
  metric_list evaluate(std::span<const prompt_tree> examples) {
    if (examples.empty()) throw input_error("the evaluation data has no examples; give at least one");
    for (const prompt_tree& tree : examples) objective_.check(tree);
    evaluation_.reset();
    gradient_.select(examples, step_ == 0);
    double loss = 0;
    for (index first = 0; first < static_cast<index>(examples.size()); first += options_.eval_batch_size) {
      const index count = static_cast<index>(evaluated(examples, first).size());
      index targets = 0;
      for (const index i : members_) targets += target_count(examples[static_cast<std::size_t>(i)]);
      objective_.begin({1, targets});
      loss += static_cast<double>(count) * gradient_.evaluate(members_, evaluation_);
    }
    metric_list line;
    line.push("loss", loss / static_cast<double>(examples.size()));
    evaluation_.report(line);
    objective_.report(evaluation_, line);
    line.push("num_tokens", static_cast<double>(tokens_));
    return line;
  }

 private:
  friend step_range;
  static constexpr std::string_view kl_budget_spent = "the KL budget is spent";

  trainer(transformer<B>& policy, transformer<B>* reference, Objective objective, training_options options)
      : policy_(&policy),
        options_((options.check(), std::move(options))),
        objective_(std::move(objective)),
        gradient_(policy, reference, objective_, options_),
        norm_(policy.backend(), policy.size()) {
    if (!needs_reference(objective_)) {
      const auto unused = [this](bool given, const char* option) {
        if (given) throw input_error(std::string(option) + ": the loss " + std::string(objective_.name()) + " has no reference; leave it away");
      };
      unused(reference != nullptr, "reference_model");
      unused(options_.reference == reference_mode::online, "reference");
      unused(!options_.reference_cache.empty(), "reference_cache");
      unused(options_.sync_ref_model, "sync_ref_model");
      unused(options_.kl_budget > 0, "kl_budget");
    }
    step_loss_.list("loss");
    objective_.list(window_);
    objective_.list(evaluation_);
  }

  B& backend() const { return policy_->backend(); }

  void prepare(std::span<const prompt_tree> train, std::span<const prompt_tree> eval, const training_state<T>* resume) {
    if (!options_.output_dir.empty() && !writer_)
      throw input_error("output_dir: the trainer does not know how to write checkpoints; call keep_checkpoints(trainer) of tilt/train/checkpoint.hpp");
    if (!options_.reference_cache.empty() && !gradient_.reference().stored())
      throw input_error("reference_cache: the trainer does not know how to keep log-probabilities; call keep_reference(trainer) of tilt/train/reference_files.hpp");
    if (eval.empty() && (options_.eval_steps > 0 || options_.eval_on_start))
      throw input_error(std::string(options_.eval_steps > 0 ? "eval_steps" : "eval_on_start") + ": there are no examples to evaluate on; give some, or leave it away");
    train_ = train;
    eval_ = eval;
    plan_.emplace(options_, static_cast<index>(train.size()));
    schedule_ = schedule_of(options_, plan_->total_steps);
    schedule_.check();
    order_.emplace(plan_->examples, options_.shuffle, options_.seed);
    identify();
    if (resume != nullptr) require_same_run(*resume);  // before the reference's pass, which may take long
    measure(train_, eval_);
    if (!eval_.empty()) gradient_.select(eval_, step_ == 0);
    gradient_.select(train_, step_ == 0);
    reserve();
  }

  void identify() {
    identity_ = {.dtype = "float" + std::to_string(8 * sizeof(T)),
                 .data = detail::hash_of(train_),
                 .reference = gradient_.reference_hash(),
                 .total_steps = plan_->total_steps,
                 .settings = settings_of_run(options_)};
    identity_.settings.push_back({"loss_type", std::string(objective_.name())});
    for (const named_value& value : objective_.hyper_parameters()) identity_.settings.push_back(value);
  }
  void require_same_run(const training_state<T>& s) const {
    s.identity.require(identity_, s.origin);
    if (static_cast<index>(s.weights.size()) != policy_->size()) throw input_error(s.origin + ": its model has another size; resume with the same model");
    if (s.step > plan_->total_steps)
      throw input_error("max_steps: " + s.origin + " is at step " + std::to_string(s.step) + " and this run has " + std::to_string(plan_->total_steps) + " steps; give more");
  }
  void restore(const training_state<T>& s) {
    const std::size_t loss_values = step_loss_.state().size();
    if (s.window.size() < loss_values) throw input_error(s.origin + ": its metrics are incomplete; take another checkpoint");
    window_.restore({s.window.begin(), s.window.end() - static_cast<std::ptrdiff_t>(loss_values)});
    step_loss_.restore({s.window.end() - static_cast<std::ptrdiff_t>(loss_values), s.window.end()});
    optimizer_->restore(s.moments, s.optimizer_count);
    backend().copy_in(s.weights.data(), policy_->size(), policy_->weights());
    if constexpr (requires { objective_.restore(s.objective); }) objective_.restore(s.objective);
    if (options_.sync_ref_model) gradient_.reference().restore_weights(s.reference_weights);
    step_ = s.step;
    tokens_ = s.tokens;
    best_loss_ = s.best_loss;
    kl_spent_ = s.kl_spent;
  }

  /// Checks examples and lays out every micro-batch of the run's first epochs and of an evaluation, so that their memory is known before it is there.
  void measure(std::span<const prompt_tree> train, std::span<const prompt_tree> eval) {
    const auto same = [](std::span<const prompt_tree> a, std::span<const prompt_tree> b) { return a.data() == b.data() && a.size() == b.size(); };
    for (const auto& examples : {train, eval})
      for (const prompt_tree& tree : examples) objective_.check(tree);
    if (same(train, measured_train_) && same(eval, measured_eval_)) return;
    constexpr index epochs_looked_at = 16;
    const run_plan steps(options_, static_cast<index>(train.size()));
    example_order order(steps.examples, options_.shuffle, options_.seed);
    gradient_.look_at(train);
    for (index e = 0; e < std::min(steps.epochs(), options_.shuffle ? epochs_looked_at : 1); ++e)
      for (index b = 0; b < steps.batches_per_epoch; ++b) gradient_.measure(members_of(steps, order, e, b));
    gradient_.look_at(eval);
    for (index first = 0; first < static_cast<index>(eval.size()); first += options_.eval_batch_size) gradient_.measure_evaluation(evaluated(eval, first));
    gradient_.look_at({});
    measured_train_ = train;
    measured_eval_ = eval;
  }
  /// Gives all memory its final size before the first step.
  void reserve() {
    gradient_.reserve(plan_->batch_size);
    if (!gradients_) {
      gradients_.emplace(backend().template allocate<T>(policy_->size()));
      optimizer_.emplace(backend(), options_.optimizer(), policy_->size(), policy_->decayed_size());
    }
    members_.reserve(static_cast<std::size_t>(std::max(plan_->batch_size, options_.eval_batch_size)));
  }

  std::span<const index> members_of(index epoch, index batch) { return members_of(*plan_, *order_, epoch, batch); }
  static std::span<const index> members_of(const run_plan& steps, example_order& order, index epoch, index batch) {
    const run_plan::range r = steps.examples_of(batch);
    return order.epoch(epoch).subspan(static_cast<std::size_t>(r.first), static_cast<std::size_t>(r.count));
  }
  /// Members of the micro-batch of an evaluation that begins at an example.
  std::span<const index> evaluated(std::span<const prompt_tree> examples, index first) {
    members_.resize(static_cast<std::size_t>(std::min(options_.eval_batch_size, static_cast<index>(examples.size()) - first)));
    std::iota(members_.begin(), members_.end(), first);
    return members_;
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
      if (options_.eval_on_start) {
        judge(evaluate(eval_));
        return;
      }
    }
    if (stop_to_tell_) {
      stop_to_tell_ = false;
      report_.stopped = kl_budget_spent;
      return;
    }
    if (failed_ || step_ >= plan_->total_steps || budget_spent()) {
      finished_ = true;
      return;
    }
    step();
    const bool last = step_ == plan_->total_steps || budget_spent();
    if (options_.eval_steps > 0 && (last || step_ % options_.eval_steps == 0)) judge(evaluate(eval_));
    if (options_.save_steps > 0 && step_ % options_.save_steps == 0) save("checkpoint-" + std::to_string(step_));
  }

  bool budget_spent() const { return options_.kl_budget > 0 && kl_spent_ > options_.kl_budget; }

  void step() {
    if (!gradient_.selected(train_)) gradient_.select(train_, step_ == 0);  // an evaluation came between
    const run_plan::step_batches batches = plan_->batches(step_);
    step_extent extent{batches.count, 0};
    for (index b = 0; b < batches.count; ++b)
      for (const index i : members_of(batches.epoch, batches.first + b)) extent.targets += target_count(train_[static_cast<std::size_t>(i)]);
    fill(backend(), gradients_->data(), policy_->size(), T(0));
    objective_.begin(extent);
    suspect_ = -1;
    window_before_ = window_;
    double loss = 0;
    for (index b = 0; b < batches.count; ++b) {
      const auto members = members_of(batches.epoch, batches.first + b);
      const double share = gradient_.accumulate(members, gradients_->data(), window_);
      if (suspect_ < 0 && !std::isfinite(share)) suspect_ = gradient_.suspect(members);
      loss += share;
    }
    const double learning_rate = options_.learning_rate * schedule_.factor(step_);
    norm_.measure(gradients_->data(), options_.max_grad_norm, std::isfinite(loss));
    optimizer_->update(policy_->weights(), gradients_->data(), norm_.control(), learning_rate);
    const auto gradient = norm_.read();
    if (!gradient.finite) fail(batches, loss);
    for (index b = 0; b < batches.count; ++b)
      for (const index i : members_of(batches.epoch, batches.first + b)) tokens_ += logical_tokens(train_[static_cast<std::size_t>(i)]);
    ++step_;
    if (options_.sync_ref_model && step_ % options_.ref_model_sync_steps == 0) gradient_.reference().follow(*policy_, options_.ref_model_mixup_alpha);
    step_loss_.add("loss", loss);
    write_line(gradient.norm, learning_rate);
  }

  void write_line(double norm, double learning_rate) {
    report_.step = step_;
    report_.epoch = plan_->epoch_after(step_ - 1);
    report_.logged = step_ % options_.logging_steps == 0 || step_ == plan_->total_steps || (step_ == 1 && options_.logging_first_step);
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
    if (options_.kl_budget > 0 && line["kl/k2"] > options_.kl_budget) kl_spent_ = line["kl/k2"];
    if (budget_spent()) report_.stopped = kl_budget_spent;
  }

  void judge(const metric_list& evaluation) {
    report_.evaluation = evaluation;
    if (!(evaluation["loss"] < best_loss_)) return;
    best_loss_ = evaluation["loss"];
    report_.best = true;
    if (options_.keep_best) save("checkpoint-best");
  }

  [[noreturn]] void fail(const run_plan::step_batches& batches, double loss) {
    optimizer_->uncount();  // the update did nothing
    window_ = window_before_;
    finished_ = failed_ = true;
    // Which example a sum went wrong at is known only where its own log-probability did.
    const std::string where = suspect_ >= 0 ? ", first at line " + std::to_string(line_of(suspect_))
                                            : ", in the step that begins at line " + std::to_string(line_of(members_of(batches.epoch, batches.first)[0]));
    std::string message = "step " + std::to_string(step_ + 1) + ": the " + (std::isfinite(loss) ? "gradient" : "loss") + " is not finite" + where +
                          " of the training data; the weights are those after step " + std::to_string(step_);
    if (!options_.output_dir.empty()) {
      save("checkpoint-last-finite");
      message += " (saved in " + saved_ + ")";
    }
    throw numeric_error(message + (suspect_ >= 0 ? "; look at that example" : "; look at its examples") + ", or lower learning_rate or max_grad_norm");
  }

  void save(const std::string& name) {
    saved_ = writer_(name, state());
    report_.checkpoint = saved_;
  }

  transformer<B>* policy_;
  training_options options_;
  Objective objective_;
  batch_gradient<B, Objective> gradient_;
  gradient_norm<B> norm_;
  std::optional<buffer_of<B, T>> gradients_;  // from the first run on
  std::optional<tilt::optimizer<B>> optimizer_;

  std::span<const prompt_tree> train_, eval_, measured_train_, measured_eval_;
  run_identity identity_;
  std::optional<run_plan> plan_;
  std::optional<example_order> order_;
  schedule schedule_;
  std::vector<index> members_;
  meters window_, window_before_, step_loss_, evaluation_;

  index step_ = 0, tokens_ = 0, suspect_ = -1;
  double best_loss_ = std::numeric_limits<double>::infinity(), kl_spent_ = 0;
  bool started_ = false, stop_to_tell_ = false, failed_ = false, finished_ = true;
  step_report report_;
  std::string saved_;
  std::function<std::string(const std::string&, const training_state<T>&)> writer_;
};

}  // namespace tilt
