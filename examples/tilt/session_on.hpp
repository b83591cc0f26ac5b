// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/text_stream.hpp>
#include <tilt/model/heads.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/rl/policy_gradient_trainer.hpp>
#include <tilt/train/checkpoint.hpp>
#include <tilt/train/reference_files.hpp>
#include <tilt/train/trainer.hpp>
#include <utility>
#include <vector>

#include "session.hpp"

namespace tilt::program {

/// A session on a backend of type B.
template <class B> class session_on final : public session {
  using T = typename B::scalar;

 public:
  template <class... Arguments>
  explicit session_on(const model_folder& folder, Arguments&&... backend)
      : backend_(std::forward<Arguments>(backend)...), folder_(&folder), model_(map_transformer(folder, backend_)) {}

  std::string train(const training_job& job) override {
    if (job.policy) return train_policy(job);
    any_objective<T> objective = job.objective.make<T>();
    require_usable(objective, job.train, job.train_file);
    require_usable(objective, job.eval, job.eval_file);
    const training_options& o = job.options;
    std::optional<transformer<B>> reference;
    if (job.reference != nullptr)
      reference.emplace(map_transformer(*job.reference, backend_));
    else if (needs_reference(objective) && o.reference == reference_mode::online && !o.sync_ref_model)
      reference.emplace(before_training());
    if (objective.judges_responses() && !model_.config().value_head) model_ = with_heads(model_, scalar_heads, o.seed);
    if (model_.read_only()) model_ = model_.clone();
    using trainer_type = trainer<B, any_objective<T>>;
    trainer_type run =
        reference ? trainer_type(model_, *reference, std::move(objective), o) : trainer_type(model_, std::move(objective), o);
    if (!o.reference_cache.empty()) keep_reference(run, job.told);
    run.watch_reference(job.reference_read);
    memory_plan plan = run.plan(job.train, job.eval);
    if (!job.resume_from.empty()) plan.checkpoint = plan.parameters + plan.optimizer;
    if (!job.planned(plan)) return {};
    return follow(run, job, [&](const training_state<T>* state) { return run.run(job.train, job.eval, state); });
  }

  std::vector<double> score(std::span<const prompt_tree> trees, index max_tokens, const std::function<void(index)>& progressed) override {
    return read_off(trees, tree_packs(max_tokens), &pass<B>::logps, progressed);
  }

  std::vector<double> rewards(std::span<const prompt_tree> trees, index max_tokens, const std::function<void(index)>& progressed) override {
    return read_off(trees, tree_packs(max_tokens, {.whole = true, .padding = model_.config().pad_token_id}), &pass<B>::values, progressed);
  }

  std::vector<std::vector<generated<double>>> generate(const generation_job& job) override {
    if (!model_.config().vocabulary_head)
      throw input_error("--model: " + folder_->path().string() + " is a reward model, which predicts no tokens; give a language model");
    generation_options options;
    options.max_new_tokens = job.max_new_tokens;
    options.max_length = job.max_length;
    options.sampling = job.sampling;
    options.seed = job.seed;
    options.end_tokens.assign(folder_->end_tokens().begin(), folder_->end_tokens().end());
    const std::vector<generation_request> all = requests_of(job.prompts, job.samples);
    check_requests(model_.config(), all, options);
    std::vector<std::vector<generated<double>>> texts;
    const std::size_t end = job.first + std::min(job.count, all.size() - job.first);
    for (std::size_t first = job.first; first < end; first += prompts_at_once) {
      const auto some = std::span(all).subspan(first, std::min(end - first, prompts_at_once));
      sample_watcher watch;
      if (job.watch)
        watch = [&](sampled_token t) {
          t.request += first;
          return job.watch(t);
        };
      for (const auto& samples : tilt::generate(std::as_const(model_), some, options, watch)) {
        auto& kept = texts.emplace_back();
        for (const auto& s : samples) kept.push_back({s.tokens, {s.logps.begin(), s.logps.end()}, s.ended, s.stopped});
      }
      if (job.progressed) job.progressed(static_cast<index>(texts.size()));
    }
    return texts;
  }

  void save(const std::string& folder) override {
    // Written beside their places, then moved one by one, as the folder holds the run's log and checkpoints too: a full disk leaves
    // nothing in part.
    namespace fs = std::filesystem;
    const fs::path fresh = fs::path(folder) / ("model.tmp-" + std::to_string(::getpid()));
    try {
      fs::create_directories(fresh);
      write_files(fresh);
      std::vector<fs::path> files;
      for (const auto& entry : fs::directory_iterator(fresh)) files.push_back(entry.path().filename());
      for (const fs::path& file : files) fs::rename(fresh / file, folder / file);
      fs::remove(fresh);
      atomic_file::sync_folder(folder);
    } catch (const fs::filesystem_error& e) {
      std::error_code ignored;
      fs::remove_all(fresh, ignored);
      throw input_error(folder + ": cannot be written (" + e.code().message() + "); free space or give another --output");
    } catch (const input_error&) {
      std::error_code ignored;
      fs::remove_all(fresh, ignored);
      throw;
    }
  }

 private:
  template <class Trainer> static const step_report& report_of(Trainer& run) { return *typename Trainer::step_range::iterator(&run); }

  /// Does a trainer's steps with the job's callbacks, and an evaluation after the last. Returns the checkpoint that an interrupted run is left at.
  template <class Trainer, class Begin> std::string follow(Trainer& run, const training_job& job, const Begin& begin) {
    keep_checkpoints(run, [&](const std::filesystem::path& checkpoint) {
      job.log(report_of(run));  // before the checkpoint is there: what resumes from it finds the line
      write_files(checkpoint);
    });
    std::optional<training_state<T>> state;
    if (!job.resume_from.empty()) state = read_checkpoint<T>(job.resume_from);
    auto steps = begin(state ? &*state : nullptr);
    job.begun(run.steps_done(), run.total_steps(), state ? state->identity.total_steps : run.total_steps());
    state.reset();
    for (const step_report& step : steps) {
      job.log(step);
      job.stepped(step);
      if (job.interrupted() && step.stopped.empty() && run.steps_done() < run.total_steps()) return run.save_checkpoint();
    }
    if (job.eval.empty() || job.options.eval_steps > 0) return {};  // these end with an evaluation
    step_report last = report_of(run);
    last.logged = false;
    last.evaluation = run.evaluate(job.eval);
    job.log(last);
    job.stepped(last);
    return {};
  }

  std::string train_policy(const training_job& job) {
    const policy_choice& choice = *job.policy;
    transformer<B> reference = job.reference != nullptr ? map_transformer(*job.reference, backend_) : before_training();
    if (model_.read_only()) model_ = model_.clone();
    policy_gradient_options options = choice.options;
    options.end_tokens.assign(folder_->end_tokens().begin(), folder_->end_tokens().end());
    options.reward = choice.rule_name;
    if (choice.rule) options.reward_option = "rule";
    std::optional<transformer<B>> judging;
    std::optional<reward_model<B>> judge;
    if (!choice.rule) {
      judging.emplace(load_other(choice.reward_model, "reward_model"));
      judge.emplace(*judging, job.options.max_tokens);
      options.reward = "the one whose weights have the hash " + std::to_string(detail::hash_of(*judging));
    }
    std::optional<transformer<B>> value;
    if (std::holds_alternative<ppo>(choice.method)) {
      if (choice.share_value)
        model_ = with_heads(model_, {true, true}, job.options.seed);
      else
        value.emplace(!choice.value_model.empty()
                          ? with_heads(load_other(choice.value_model, "value_model"), scalar_heads, job.options.seed)
                      : judging ? judging->clone()
                                : with_heads(model_, scalar_heads, job.options.seed));
    }
    const auto score = [&](std::span<const prompt_tree> trees, std::span<double> scores) {
      judge ? (*judge)(trees, scores) : score_texts(choice.rule, trees, scores);
    };
    policy_gradient_trainer<B> run({model_, reference, value ? &*value : nullptr}, choice.method, score, std::move(options), job.options);
    if (judge) judge->reserve(run.limits(job.train, job.eval));
    return follow(run, job, [&](const training_state<T>* state) { return run.run(job.train, job.eval, state); });
  }
  /// By what the responses say, as `generate` shows it.
  void score_texts(const std::function<double(const std::string&)>& rule, std::span<const prompt_tree> trees,
                   std::span<double> scores) const {
    std::size_t at = 0;
    for (const prompt_tree& tree : trees)
      for (const response& r : tree.responses) {
        text_stream text(folder_->tokenizer(), tree.prompt);
        for (const token id : r.tokens) text.append(id);
        text.finish();
        scores[at++] = rule(text.text());
      }
  }
  /// Throws input_error, with file and line, on an example that the objective cannot use.
  static void require_usable(any_objective<T>& objective, std::span<const prompt_tree> examples, const std::string& file) {
    for (const prompt_tree& tree : examples) try {
        objective.check(tree);
      } catch (const input_error& e) {
        const std::string what = e.what(), line = std::to_string(tree.line), prefix = "line " + line + ": ";
        throw input_error(file + ":" + line + ": " + what.substr(what.starts_with(prefix) ? prefix.size() : 0));
      }
  }
  /// The model as it is, which the one to be trained is from now on a copy of.
  transformer<B> before_training() {
    transformer<B> copy = model_.clone();
    std::swap(copy, model_);
    return copy;
  }
  transformer<B> load_other(const std::string& path, const char* option) {
    const model_folder other(path);
    if (other.config().vocab_size != model_.config().vocab_size)
      throw input_error(std::string(option) + ": " + path + " has a vocabulary of " + std::to_string(other.config().vocab_size) +
                        " tokens and the model one of " + std::to_string(model_.config().vocab_size) +
                        "; give one with the model's tokenizer");
    return map_transformer(other, backend_);
  }

  /// Writes the model's files, without a value head that only its training needed.
  void write_files(const std::filesystem::path& to) const {
    const model_config& c = model_.config();
    if (c.vocabulary_head && c.value_head)
      write_model_files(with_heads(model_, language_model_heads, 0), *folder_, to);
    else
      write_model_files(model_, *folder_, to);
  }

  /// What passes say of every target of the trees.
  std::vector<double> read_off(std::span<const prompt_tree> trees, tree_packs packs, std::span<const T> (pass<B>::*what)() const,
                               const std::function<void(index)>& progressed) {
    pass<B> scoring(model_, pass_kind::inference);
    std::vector<double> values;
    for (std::size_t first = 0; first < trees.size(); first += trees_at_once) {
      const std::size_t end = std::min(trees.size(), first + trees_at_once);
      packs.clear();
      for (std::size_t t = first; t < end; ++t) packs.add(trees[t]);
      for (index p = 0; p < packs.size(); ++p) {
        scoring.forward(packs[p]);
        const std::span<const T> of_pack = (scoring.*what)();
        values.insert(values.end(), of_pack.begin(), of_pack.end());
      }
      progressed(static_cast<index>(end));
    }
    return values;
  }

  static constexpr std::size_t prompts_at_once = 64, trees_at_once = 64;

  B backend_;
  const model_folder* folder_;
  transformer<B> model_;
};

}  // namespace tilt::program
