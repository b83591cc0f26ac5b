// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "answer_file.hpp"
#include "kept_lines.hpp"
#include "original_pairs.hpp"
#include "pair_making.hpp"
#include "run_settings.hpp"
#include "scorer.hpp"

namespace tilt::program {

/// What an iterative run is told.
struct rounds_choice {
  run_choice run;  ///< of each round's training; `train` are the prompts
  index rounds = 3;
  bool follows = false;  ///< each round's reference is the model that it begins with, instead of the first one
  std::string eval, mix;
  double mix_share = 0.25;  ///< of the original pairs among all of a round
  index eval_samples = 1;
  bool chat = false;
  answer_options how;
  scorer scores;
  pair_making pairs;
};

/// Rounds of sampling, scoring, pairing and training. Every stage reads what the one before has written, and writes its own file or folder as
/// a whole under output/round-<k>: answers.jsonl (sampled, then scored), preferences.jsonl, checkpoint-<step>, model, evaluation.jsonl. So a run
/// goes on from whatever is there, to the same bits. What a stage has sampled and scored before it is whole is kept in files *.part there.
class rounds {
 public:
  /// `job`: what is minimised. Reads what the run depends on. Throws input_error.
  rounds(settings& options, const rounds_choice& choice, training_job job);
  /// Returns the exit status.
  int run();

 private:
  void claim() const;
  std::string identity() const;
  void require_same_run() const;
  /// What a stage of round k keeps while it is at work, and what none needs any more.
  kept_lines work(index k, const char* name) const;
  void forget_work(index k) const;
  void make_preferences_of(index k) const;
  int train(index k) const;
  kept_answers evaluation(index k) const;
  void tell(index last);
  std::filesystem::path folder(index k) const { return std::filesystem::path(c_.run.output) / ("round-" + std::to_string(k)); }
  /// The model after round k, relative to the output but for the first.
  std::string name_after(index k) const { return k == 0 ? c_.run.model : "round-" + std::to_string(k) + "/model"; }
  std::string model_after(index k) const { return k == 0 ? c_.run.model : (folder(k) / "model").string(); }
  std::uint64_t seed_of(index k) const { return c_.run.options.seed + 1000 * static_cast<std::uint64_t>(k); }

  settings& options_;
  const rounds_choice& c_;
  training_job job_;
  model_folder start_;
  std::vector<prompt_text> prompts_, eval_prompts_;
  std::optional<original_pairs> mix_;
  std::vector<kept_answers> evaluations_;
};

}  // namespace tilt::program
