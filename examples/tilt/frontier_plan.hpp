// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/ipo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/loss/negatives.hpp>
#include <tilt/rl/policy_gradient_options.hpp>
#include <tilt/train/any_objective.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/list.hpp>
#include <tilt/train/preference.hpp>
#include <vector>

namespace tilt::program {

/// How a method of the comparison comes to its policy.
enum class frontier_kind {
  offline,          ///< a loss on judged samples of the reference
  policy_gradient,  ///< samples of its own, scored
  best_of,          ///< no training: the best-scored of N samples of the reference
  differentiated,   ///< reward − β·KL of samples, differentiated as if it had a gradient (claim 10)
};

/// Which form of the preferences an offline method reads.
enum class frontier_data { pairs, verdicts, lists };

/// A method, and the strengths that it runs at, from the weakest pull on the policy to the strongest.
struct frontier_method {
  std::string name;         ///< in files' names
  std::string label;        ///< in tables and pictures
  std::string colour = {};  ///< in pictures; empty: not drawn
  frontier_kind kind = frontier_kind::offline;
  std::string strength = {};  ///< what the strengths are
  std::vector<double> strengths = {};
  double learning_rate = 1e-3;
  double grid_strength = 0;  ///< the strength at which learning rates are varied; 0: they are not
  bool true_reward = false;  ///< scored by the world itself instead of the reward model
  frontier_data data = frontier_data::pairs;
  any_objective<float> (*objective)(double strength) = nullptr;
  policy_gradient (*algorithm)(double strength) = nullptr;
  index samples_of_prompt = 1;  ///< in a step of a policy gradient
};

/// In how many parts a policy gradient's step uses its samples, each time.
inline constexpr index ppo_mini_batches = 2;

/// Those of the demo's world.
const std::vector<frontier_method>& frontier_methods();

/// Names of a method's hyper-parameters, as the code has them: those of its loss, and of its trainer if it is a policy gradient. Not
/// among them: training_options (learning rate, batch, …), which all that train have, and preference_terms, which any pair loss may have.
std::vector<std::string> hyper_parameters_of(const frontier_method& m);
/// The same of the reward model.
std::vector<std::string> hyper_parameters_of_reward_model();
/// Whether the method needs a reward model.
inline bool needs_reward_model(const frontier_method& m) {
  return !m.true_reward && (m.kind == frontier_kind::policy_gradient || m.kind == frontier_kind::best_of);
}

/// How large the comparison is.
struct frontier_sizes {
  index hidden = 64;       ///< width of the models
  index language = 24;     ///< trees of eight sentences for each beginning, from which the reference learns the language
  index comparisons = 32;  ///< how often each prompt's four samples are compared
  index epochs = 2;        ///< of the offline methods over their examples
  index judge_epochs = 2;  ///< of the reward model over the same
  double judge_learning_rate = 1e-3;
  index batch = 32;          ///< prompts whose pairs, or verdicts, are an update of an offline method; of lists twice as many
  index steps = 40;          ///< of a policy gradient
  index step_samples = 112;  ///< of its own, in a step of a policy gradient
  index ppo_epochs = 4;      ///< how often a policy gradient uses them
  index samples = 64;        ///< fresh samples for each held-out prompt, by which a policy is measured
  index pool = 256;          ///< samples of the reference for each held-out prompt: the rival in win rates, and what best-of-N chooses from
  index seeds = 5;
  std::vector<double> learning_rates = {3e-4, 3e-3, 1e-2};  ///< beside each method's own
  index grid_seeds = 3;
  index prompts = 0, held_out = 0;          ///< of a given model's; the demo's world has its own
  index prompt_tokens = 0, new_tokens = 0;  ///< and how long they and their answers are, behind the begin token
};

struct frontier_job {
  frontier_sizes sizes = {};
  std::uint64_t seed = 42;
  std::string backend = {};  ///< its name: bits are a backend's own
  std::string model = {};    ///< hash of a given model's weights; empty: the demo's world
  std::vector<frontier_method> methods = frontier_methods();
};

/// One policy to be had and measured; nothing that it needs comes from another one.
struct frontier_cell {
  const frontier_method* method = nullptr;
  double strength = 0;
  double learning_rate = 0;
  index seed = 0;        ///< 1, 2, …
  bool of_grid = false;  ///< only there to see how often trainings diverge
};

/// Whether it is the one cell of its method, of the first seed and the greatest strength, that shows what texts and how much memory.
inline bool is_specimen(const frontier_cell& c) { return c.seed == 1 && !c.of_grid && c.strength == c.method->strengths.back(); }

/// All cells, seed by seed, so that a run that was stopped has whole seeds. They point into the job.
inline std::vector<frontier_cell> frontier_cells(const frontier_job& job) {
  const frontier_sizes& sizes = job.sizes;
  std::vector<frontier_cell> cells;
  for (index seed = 1; seed <= sizes.seeds; ++seed)
    for (const frontier_method& m : job.methods)
      for (const double strength : m.strengths) cells.push_back({&m, strength, m.learning_rate, seed, false});
  for (index seed = 1; seed <= sizes.grid_seeds; ++seed)
    for (const frontier_method& m : job.methods)
      for (const double rate : sizes.learning_rates)
        if (m.grid_strength > 0) cells.push_back({&m, m.grid_strength, rate, seed, true});
  return cells;
}

}  // namespace tilt::program
