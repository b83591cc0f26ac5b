// SPDX-License-Identifier: Apache-2.0
#include "page.hpp"

#include "model_plan.hpp"

namespace tilt::program {
namespace {

std::string count(index n) { return std::to_string(n); }
std::string short_number(double v) { return frontier_report::number(v); }

std::string introduction(bool world, bool model) {
  std::string t =
      "# DPO and PPO, compared\n\n"
      "This page is the output of `examples/dpo_vs_ppo`: numbers, tables, figures and the sentences that say who is ahead.\n\n"
      "It is said that DPO beats PPO (Rafailov et al. 2023, arXiv 2305.18290). Others report PPO ahead once it is done well (Xu et al. "
      "2024, arXiv 2404.10719) or given good data and reward models (Ivison et al. 2024, arXiv 2406.09279). Both methods aim at one "
      "policy, "
      "π* = π_ref·exp(r/β)/Z: PPO at that of the reward it is given, DPO at that of the reward that its labels follow, if they are "
      "Bradley–Terry's, as they are here. With other labels, say by rank, DPO's optimum is another one ([claim 9](claims.md#claim-9)).\n\n"
      "What is compared is therefore how near each comes to the most true reward that there is at its distance from the reference, "
      "KL(π‖π_ref). ";
  if (world)
    t += "The world is the demo's: a grammar whose few thousand sentences, their probabilities and rewards are known, so that the line of "
         "exact optima is computed and not estimated. One world, one size of model, learning rates that are not tuned beyond the grid "
         "below: "
         "it says nothing of large models, and something of the methods.";
  if (model) t += "\n\n[On a pretrained model](#on-a-pretrained-model), a small one, the same is done with a reward that is a rule.";
  return t + "\n\n";
}

std::string world_method(const frontier_sizes& s) {
  return "## What was done\n\n"
         "1. *Language.* A decoder of width " +
         count(s.hidden) + ", two layers, learns the sentences (" + count(112 * 8 * s.language) +
         " of them, two epochs): the reference of all that follows.\n"
         "2. *Preferences.* For each seed the reference writes four texts for each of " +
         count(112 * s.comparisons) + " prompts (112 beginnings, " + count(s.comparisons) +
         " times each); of two different ones, a is preferred to b with probability σ(r(a) − r(b)).\n"
         "3. *Reward model.* Trained on those pairs, " +
         count(s.judge_epochs) +
         " epochs. It judges whole texts and knows nothing of the grammar.\n"
         "4. *Trainings,* each at several strengths, from the reference, with that seed's data. DPO, IPO and KTO: " +
         count(s.epochs) +
         " epochs over the same judged texts (KTO: a verdict each; unlikelihood: DPO with β = 1 on a pair and, with weight w, a bad answer "
         "besides). PPO, RLOO, GRPO: " +
         count(s.steps) + " steps of " + count(s.step_samples) + " texts of the policy's own, " + count(s.ppo_epochs) + " epochs in " +
         count(ppo_mini_batches) +
         " parts; their scores are the reward model's, or the true reward. AdamW; offline with a large ε (1e-3), as small a one spoils "
         "them "
         "here.\n"
         "5. *Measurement.* " +
         count(s.samples) +
         " fresh texts for each of 16 beginnings that nothing was trained on: true reward, KL, share of sentences, and how often a text "
         "beats one of the reference's. Errors are standard errors over " +
         count(s.seeds) +
         " seeds, which change data, labels, reward model, order and samples, but not the reference.\n\n"
         "PPO with the *true* reward is no rival: it is told what DPO and the reward model have to guess from labels. It shows what the "
         "algorithm reaches when the reward is not the trouble.\n\n";
}

std::string model_method(const model_part& part) {
  const frontier_job& job = part.report->job();
  const frontier_sizes& s = job.sizes;
  return "## On a pretrained model\n\nThe same code on `" + part.name + "`, " + count(part.weights) +
         " weights. What differs from a grammar's world:\n\n"
         "- *Reference.* The model as it is. Supervised training on its own texts would teach it nothing, as the gradient of log π is 0 on "
         "average over samples of π; on their best ones it would be a method among the others, which best of N stands for.\n"
         "- *Prompts.* " +
         count(s.prompts) + " beginnings of texts that the model wrote itself, " + count(s.prompt_tokens) +
         " tokens each, all different, and " + count(s.held_out) + " others to measure on. An answer is the next " + count(s.new_tokens) +
         " tokens.\n"
         "- *True reward.* " +
         short_number(reward_of_word) +
         " for each word of the answer (the rule `length` of `tilt prefer`). As the number of tokens is the same for all, it pays for "
         "words "
         "that the vocabulary spells with few tokens: plain, frequent ones. A story can have more of them and still be one, so that not "
         "every gain is a trick; the trick is to say short words again and again. *Varied* is the share of answers in which at most a "
         "tenth of "
         "the pairs of words came before (the rule `distinct-2`): it falls where the reward is being gamed.\n"
         "- *Preferences.* Four answers to each prompt, " +
         count(s.comparisons) +
         " times over; labels are drawn by Bradley–Terry from the true reward. The reward model begins as the model with a "
         "new head; " +
         count(s.judge_epochs) +
         " epochs.\n"
         "- *Trainings.* Offline: " +
         count(s.epochs) + " epochs, " + count(s.batch) + " prompts an update, learning rate " +
         short_number(job.methods.front().learning_rate) + ", ε 1e-3. Policy gradients: " + count(s.steps) + " steps of " +
         count(s.step_samples) + " answers, " + count(s.ppo_epochs) + " epochs in " + count(ppo_mini_batches) + " parts, learning rate " +
         short_number(part.report->learning_rate("ppo-true")) +
         ". They are short, so that all of it takes half an hour or so of one core: what each was given, in updates, texts and "
         "seconds, is in [the costs](#what-each-costs). For a policy gradient that is little. PPO's value function begins at nothing, far "
         "from rewards of this size, and batches are small, so that much of the way that it goes is noise; this is no verdict on PPO that "
         "is done well. Other learning rates, at one strength, are in a table of their own below.\n"
         "- *Optimum.* Texts cannot be enumerated. The line is estimated from " +
         count(s.pool) +
         " texts of the reference for each prompt, each of which weighs exp(r/β), as far as the weight is on ten of them or more; KL is "
         "the mean of "
         "log π/π_ref over a policy's own texts (" +
         count(s.samples) + " for each prompt). Errors are standard errors over " + count(s.seeds) + " seeds.\n\n";
}

std::string frontier_part(const frontier_report& report, const std::string& figure, const std::string& level) {
  return level + " The frontier\n\n![True reward against KL for each method, and the optimum](" + figure + ")\n\n" +
         report.frontier_table().markdown() +
         "\n*Most*: the reward of the optimum at that KL. *Share of the gain*: (reward − the reference's)/(most − the reference's). "
         "*Wins*: against a text of the reference, a tie being half a win. A training has *diverged* where its numbers are not finite, its "
         "true reward is below the reference's by two standard errors, or more than half of its texts are not " +
         report.sound() + ". The picture leaves out what fell below the reference.\n\n" + level +
         " At the same KL\n\nEach seed's reward, between its strengths' policies on a straight line; in brackets the number of seeds where "
         "not all came as far.\n\n" +
         report.matched_table().markdown() + "\nDPO less the others, seed by seed:\n\n" + report.difference_table().markdown() +
         "\nIn words (ahead: by more than Student's 95 % interval over the seeds):\n\n" + report.verdict();
}

std::string examples_part(const frontier_report& report, const std::string& level) {
  return "\n" + level +
         " What they write\n\nThe first answer to the first held-out prompt, of the first seed's policy at the greatest strength:\n\n" +
         report.examples();
}

std::string judge_part(const frontier_report& report, const std::string& level) {
  return "\n" + level + " The reward model\n\n" + report.judge_table().markdown() +
         "\nLabels are drawn, so that the true reward itself agrees with no more of them than its column says.\n";
}

std::string best_of_part(const frontier_report& report, const std::string& level) {
  return "\n" + level +
         " Best of N\n\nNo training: N texts of the reference, of which the best-scored is the answer. Its KL for scores that all differ "
         "is log N − (N − 1)/N, an upper bound where scores tie; measured on a pool of " +
         count(report.job().sizes.pool) + " texts a prompt, as the KL of the chosen scores' distribution from the pool's.\n\n" +
         report.best_of_table().markdown();
}

std::string divergence_part(const frontier_report& report, const std::string& level, const std::string& remark) {
  const frontier_sizes& s = report.job().sizes;
  return "\n" + level + " How often trainings diverge\n\nOf " + count(s.grid_seeds) + " seeds (at a method's own learning rate " +
         count(s.seeds) + "), how many have diverged at each learning rate, and the mean true reward in brackets." + remark + "\n\n" +
         report.divergence_table().markdown();
}

std::string cost_part(const frontier_report& report, const std::string& heading) {
  return "\n" + heading + "\n\n" + report.cost_table().markdown();
}

std::string cost_explained(const frontier_report& report) {
  return "\nModels in memory at once and bytes for each weight: 16 for a trained model (float32 weights, gradient, AdamW's two moments), 4 "
         "for one that only reads. *MB at most* is measured: the most that the backend held at once in the first seed's training at the "
         "greatest strength, with activations, caches of keys and values, and scratch; texts, which lie on the host, are not in it. The "
         "offline "
         "methods keep the reference's log-probabilities and not the reference, which is therefore not counted. Forward passes are counted "
         "for "
         "each text that a training takes, each time it comes; sampling a text is one. Seconds are of one core, on average over strengths "
         "and "
         "seeds, without the reward model's training, which is in its own table.\n\n"
         "Hyper-parameters are the options that the code has for a method: of its loss, of the policy gradient's trainer, and behind the + "
         "of "
         "the reward model's loss. Those of training itself (learning rate, batch, schedule, optimiser, length), which every training has, "
         "and "
         "a reward model's once more, are not counted. They are\n\n" +
         report.hyper_parameter_list();
}

}  // namespace

std::string page_of(const std::optional<world_part>& world, const std::optional<model_part>& model) {
  std::string t = introduction(world.has_value(), model.has_value());
  if (world) {
    const frontier_report& r = *world->report;
    t += world_method(r.job().sizes) + frontier_part(r, world->figure, "##") + examples_part(r, "##") + judge_part(r, "##") +
         best_of_part(r, "##") +
         divergence_part(r, "##",
                         " All else is as above: the tables before this one are of one learning rate for all, 1e-3, whatever would be best "
                         "for each.") +
         cost_part(r, "## What it costs") + cost_explained(r);
    t += "\n## What does not learn\n\nThe objective r − β·KL differentiated on samples, as if a sampled reward had a gradient ([claim "
         "10](claims.md#claim-10)), was trained for as many updates as PPO, on fresh samples in each, at a learning rate of 1e-5: " +
         r.of_differentiated() + "; larger rates are in the table of divergence: what moves the policy is noise.\n\n";
  }
  if (model) {
    const frontier_report& r = *model->report;
    t += model_method(*model) + frontier_part(r, model->figure, "###") + examples_part(r, "###") + judge_part(r, "###") +
         best_of_part(r, "###") + (r.job().sizes.grid_seeds > 0 ? divergence_part(r, "###", "") : "") + cost_part(r, "### What each costs");
    t += world ? "\nThe columns are those [of the world](#what-it-costs).\n\n" : cost_explained(r) + "\n";
  }
  t += "## Again\n\n    build/release/bin/dpo_vs_ppo " + std::string(model ? "--model " + model->name + " " : "") +
       (world ? "" : "--no-world ") +
       "--work FOLDER --markdown docs/dpo-vs-ppo.md\n\n"
       "Trainings are independent; each leaves a file in FOLDER when it is done, and a run that was killed goes on with those that are "
       "missing. `tilt demo --full` is a shorter form of the world's.\n";
  return t;
}

}  // namespace tilt::program
