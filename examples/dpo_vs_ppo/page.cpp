// SPDX-License-Identifier: Apache-2.0
#include "page.hpp"

namespace tilt::program {

std::string page_of(const frontier_job& job, const frontier_report& report, const std::string& figure) {
  const frontier_sizes& s = job.sizes;
  const auto count = [](index n) { return std::to_string(n); };
  std::string t =
      "# DPO and PPO, compared\n\n"
      "This page is the output of `examples/dpo_vs_ppo`: numbers, tables, figure and the sentences that say who is ahead.\n\n"
      "It is said that DPO beats PPO (Rafailov et al. 2023, arXiv 2305.18290). Others report PPO ahead once it is done well (Xu et al. "
      "2024, arXiv 2404.10719) or "
      "given good data and reward models (Ivison et al. 2024, arXiv 2406.09279). Both methods aim at one policy, π* = π_ref·exp(r/β)/Z: "
      "PPO at that of the reward it is given, "
      "DPO at that of the reward that its labels follow, if they are Bradley–Terry's, as they are here. With other labels, say by rank, "
      "DPO's optimum is another one "
      "([claim 9](claims.md#claim-9)).\n\n"
      "What is compared is therefore how near each comes to the most true reward that there is at its distance from the reference, "
      "KL(π‖π_ref). ";
  t += "The world is the demo's: a grammar whose few thousand sentences, their probabilities and rewards are known, so that the line of "
       "exact optima is computed and not estimated. One "
       "world, one size of model, learning rates that are not tuned beyond the grid below: it says nothing of large models, and something "
       "of the methods.\n\n";
  t += "## What was done\n\n"
       "1. *Language.* A decoder of width " +
       count(s.hidden) + ", two layers, learns the sentences (" + count(112 * 8 * s.language) +
       " of them, two epochs): the reference of all that follows.\n"
       "2. *Preferences.* For each seed the reference writes four texts for each of " +
       count(112 * s.comparisons) + " prompts (112 beginnings, " + count(s.comparisons) +
       " times each); of two different ones, a is preferred to b with probability σ(r(a) − r(b)).\n"
       "3. *Reward model.* Trained on those pairs, " +
       count(s.epochs) +
       " epochs. It judges whole texts and knows nothing of the grammar.\n"
       "4. *Trainings,* each at several strengths, from the reference, with that seed's data. DPO, IPO and KTO: " +
       count(s.epochs) +
       " epochs over the same judged texts (KTO: a verdict each; unlikelihood: DPO with β = 1 on a pair and, with weight w, a bad answer "
       "besides). "
       "PPO, RLOO, GRPO: " +
       count(s.steps) + " steps of 112 texts of the policy's own, " + count(ppo_epochs) + " epochs in " + count(ppo_mini_batches) +
       " parts; their scores are the reward model's, or the true reward. AdamW; offline with a large ε (1e-3), as small a one spoils them "
       "here.\n"
       "5. *Measurement.* " +
       count(s.samples) +
       " fresh texts for each of 16 beginnings that nothing was trained on: true reward, KL, share of sentences, and how often a text "
       "beats one of the reference's. Errors are standard errors over " +
       count(s.seeds) +
       " seeds, which change data, labels, reward model, order and samples, but not the reference.\n\n"
       "PPO with the *true* reward is no rival: it is told what DPO and the reward model have to guess from labels. It shows what the "
       "algorithm reaches when the reward is not the trouble.\n\n";
  t += "## The frontier\n\n![" + std::string("True reward against KL for each method, and the exact optimum") + "](" + figure + ")\n\n";
  t += report.frontier_table().markdown();
  t += "\n*Most*: the reward of the exact optimum at that KL. *Share of the gain*: (reward − the reference's)/(most − the reference's). "
       "*Wins*: against a text of the reference, a tie "
       "being half a win. A training has *diverged* where its numbers are not finite, its true reward is below the reference's by two "
       "standard errors, or more than half of its texts "
       "are no sentences. The picture leaves out what fell below the reference.\n\n";
  t += "## At the same KL\n\nEach seed's reward, between its strengths' policies on a straight line; in brackets the number of seeds where "
       "not all came as far.\n\n" +
       report.matched_table().markdown();
  t += "\nDPO less the others, seed by seed:\n\n" + report.difference_table().markdown() +
       "\nIn words (ahead: by more than Student's 95 % interval over the seeds):\n\n" + report.verdict();
  t += "\n## The reward model\n\n" + report.judge_table().markdown() +
       "\nLabels are drawn, so that the true reward itself agrees with no more of them than its column says.\n\n";
  t += "## Best of N\n\nNo training: N texts of the reference, of which the best-scored is the answer. Its KL for scores that all differ "
       "is log N − (N − 1)/N, an upper bound where "
       "scores tie; measured on a pool of " +
       count(s.pool) + " texts a prompt, as the KL of the chosen scores' distribution from the pool's.\n\n" +
       report.best_of_table().markdown();
  t += "\n## How often trainings diverge\n\nOf " + count(s.grid_seeds) + " seeds (at a method's own learning rate " + count(s.seeds) +
       "), how many have diverged at each learning rate, and the mean true reward in brackets. All else is as above: the tables before "
       "this one "
       "are of one learning rate for all, 1e-3, whatever would be best for each.\n\n" +
       report.divergence_table().markdown();
  t += "\n## What it costs\n\nModels in memory at once and bytes for each weight: 16 for a trained model (float32 weights, gradient, "
       "AdamW's two moments), 4 for one that only reads. "
       "The offline methods keep the reference's log-probabilities and not the reference. Forward passes are counted for each text that a "
       "training takes, each time it comes; sampling "
       "a text is one. Seconds are of one core, on average over strengths and seeds, without the reward model's training, which is in its "
       "own table.\n\n" +
       report.cost_table().markdown();
  t += "\n## What does not learn\n\nThe objective r − β·KL differentiated on samples, as if a sampled reward had a gradient ([claim "
       "10](claims.md#claim-10)), was trained for as many updates as PPO, "
       "on fresh samples in each, at a learning rate of 1e-5: " +
       report.of_differentiated() +
       "; larger rates are in the table of divergence: what moves the policy is noise"
       ".\n\n## Again\n\n    build/release/bin/dpo_vs_ppo --work FOLDER --markdown docs/dpo-vs-ppo.md\n\n"
       "Trainings are independent; each leaves a file in FOLDER when it is done, and a run that was killed goes on with those that are "
       "missing. `tilt demo --full` is a shorter form of "
       "the same.\n";
  return t;
}

}  // namespace tilt::program
