// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <tilt/model/pass.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/train/checkpoint.hpp>
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
      : backend_(std::forward<Arguments>(backend)...), folder_(&folder), model_(load_transformer(folder, backend_)) {}

  std::string train(const training_job& job) override {
    std::unique_ptr<transformer<B>> reference;
    if (job.reference != nullptr) reference = std::make_unique<transformer<B>>(load_transformer(*job.reference, backend_));
    using trainer_type = trainer<B, any_objective<T>>;
    trainer_type run = reference ? trainer_type(model_, *reference, job.objective.make<T>(), job.options)
                                 : trainer_type(model_, job.objective.make<T>(), job.options);
    const auto report = [&run]() -> const step_report& { return *typename trainer_type::step_range::iterator(&run); };
    keep_checkpoints(run, [&](const std::filesystem::path& checkpoint) {
      job.log(report());  // before the checkpoint is there: what resumes from it finds the line
      write_model_files(model_, *folder_, checkpoint);
    });
    std::optional<training_state<T>> state;
    if (!job.resume_from.empty()) state = read_checkpoint<T>(job.resume_from);
    auto steps = run.run(job.train, job.eval, state ? &*state : nullptr);
    job.begun(run.steps_done(), run.total_steps(), state ? state->identity.total_steps : run.total_steps());
    state.reset();
    for (const step_report& step : steps) {
      job.log(step);
      job.stepped(step);
      if (job.interrupted() && step.stopped.empty() && run.steps_done() < run.total_steps()) return run.save_checkpoint();
    }
    if (job.eval.empty() || job.options.eval_steps > 0) return {};  // these end with an evaluation
    step_report last = report();
    last.logged = false;
    last.evaluation = run.evaluate(job.eval);
    job.log(last);
    job.stepped(last);
    return {};
  }

  std::vector<double> score(std::span<const prompt_tree> trees, index max_tokens, const std::function<void(index)>& progressed) override {
    pass<B> scoring(model_, pass_kind::inference);
    tree_packs packs(max_tokens);
    std::vector<double> logps;
    for (std::size_t first = 0; first < trees.size(); first += trees_at_once) {
      const std::size_t end = std::min(trees.size(), first + trees_at_once);
      packs.clear();
      for (std::size_t t = first; t < end; ++t) packs.add(trees[t]);
      for (index p = 0; p < packs.size(); ++p) {
        scoring.forward(packs[p]);
        logps.insert(logps.end(), scoring.logps().begin(), scoring.logps().end());
      }
      progressed(static_cast<index>(end));
    }
    return logps;
  }

  std::vector<std::vector<generated<double>>> generate(const generation_job& job) override {
    generation_options options;
    options.max_new_tokens = job.max_new_tokens;
    options.max_length = job.max_length;
    options.sampling = job.sampling;
    options.seed = job.seed;
    options.end_tokens.assign(folder_->end_tokens().begin(), folder_->end_tokens().end());
    const std::vector<generation_request> all = requests_of(job.prompts, job.samples);
    std::vector<std::vector<generated<double>>> texts;
    for (std::size_t first = 0; first < all.size(); first += prompts_at_once) {
      const auto some = std::span(all).subspan(first, std::min(all.size() - first, prompts_at_once));
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
      write_model_files(model_, *folder_, fresh);
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
  static constexpr std::size_t prompts_at_once = 64, trees_at_once = 64;

  B backend_;
  const model_folder* folder_;
  transformer<B> model_;
};

}  // namespace tilt::program
