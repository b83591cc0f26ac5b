// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tilt/data/prompt_tree.hpp>
#include <tilt/rl/generation.hpp>
#include <tilt/rl/policy_gradient_options.hpp>
#include <tilt/train/memory_plan.hpp>
#include <tilt/train/metrics.hpp>
#include <tilt/train/options.hpp>
#include <vector>

#include "objective_choice.hpp"

namespace tilt {
class model_folder;
}

namespace tilt::program {

/// Which arithmetic runs a model.
struct compute {
  std::string backend;  ///< a name of `tilt backends`
  std::string dtype = "float32";
  index threads = 0;  ///< 0: as many as the hardware has
};

/// What a policy-gradient run has beside a training job's options; its training examples are prompts.
struct policy_choice {
  policy_gradient method;
  policy_gradient_options options;
  std::string reward_model;  ///< a folder; empty: the rule judges
  std::function<double(const std::string& text)> rule;
  std::string rule_name;     ///< with its hyper-parameters: a run is not resumed under another
  std::string value_model;   ///< ppo: a folder to begin the value function from; empty: the reward model, or the model itself
  bool share_value = false;  ///< ppo: the value function is a head on the policy
};

struct training_job {
  std::span<const prompt_tree> train, eval;
  std::string train_file, eval_file;  ///< where they are from
  training_options options;
  objective_choice objective;
  std::optional<policy_choice> policy;              ///< instead of the objective
  const model_folder* reference = nullptr;          ///< null: the model as it is now
  std::string resume_from;                          ///< a checkpoint's folder; empty: from the beginning
  std::function<bool(const memory_plan&)> planned;  ///< the memory to come, before it is there; false: no run
  /// Of a cached reference's pass over examples, or over their mismatched pairs: how many are done, 0 before the first. It may throw.
  std::function<void(index done, index count, bool mismatched)> reference_read;
  std::function<void(index done, index total, index planned)> begun;  ///< planned: steps of the run that wrote the checkpoint, else total
  std::function<void(const step_report&)> log;  ///< a step's lines: before its checkpoint is there, and again when it is done
  std::function<void(const step_report&)> stepped;
  std::function<void(const std::string&)> told;  ///< sentences on the way to the first step
  std::function<bool()> interrupted;             ///< asked after each step: whether the run is to end here
};

struct generation_job {
  std::span<const std::vector<token>> prompts;
  std::size_t first = 0, count = std::size_t(-1);  ///< of the prompts, those to be answered; all of them tell a sample's number
  index samples = 1;
  index max_new_tokens = 64;
  index max_length = 0;  ///< of prompt and continuation together; 0: no bound
  sampling_options sampling;
  std::uint64_t seed = 42;
  std::function<bool(const sampled_token&)> watch;  ///< told of every token, with the prompt as request; true stops the sample
  std::function<void(index done)> progressed;       ///< prompts whose samples are complete
};

/// One model on one backend, whatever its types: the border between the program and what is instantiated in backend_*.cpp.
class session {
 public:
  virtual ~session() = default;

  /// Trains the model in place. Returns the checkpoint from which a run that was interrupted can go on, empty for one that came to its end.
  virtual std::string train(const training_job& job) = 0;
  /// Log-probabilities of the tokens of every response of every tree, response after response.
  virtual std::vector<double> score(std::span<const prompt_tree> trees, index max_tokens,
                                    const std::function<void(index done)>& progressed) = 0;
  /// A reward model's score of every response of every tree.
  virtual std::vector<double> rewards(std::span<const prompt_tree> trees, index max_tokens,
                                      const std::function<void(index done)>& progressed) = 0;
  /// result[p][j]: sample j of prompt first + p.
  virtual std::vector<std::vector<generated<double>>> generate(const generation_job& job) = 0;
  /// Writes a model folder, with the tokenizer of the one that was opened.
  virtual void save(const std::string& folder) = 0;
};

/// Loads the folder's weights. Throws input_error.
std::unique_ptr<session> open_session(const compute& machine, const model_folder& folder);

}  // namespace tilt::program
