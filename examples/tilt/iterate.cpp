// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <string>
#include <tilt/error.hpp>

#include "commands.hpp"
#include "preference_loss.hpp"
#include "rounds.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Rounds of on-policy preference optimisation: the model of the last round answers the prompts, the answers are scored and paired, and the next
model is trained on the pairs. Each round is evaluated; --output holds everything, and --resume goes on from whatever is there.

  tilt iterate --model SmolLM2 --train prompts.jsonl --eval held_out.jsonl --reward-model SmolLM2-reward --output SmolLM2-rounds
  tilt iterate --model SmolLM2 --train prompts.jsonl --judge "python3 judge.py" --mix pairs.jsonl --mix-share 0.25 --output SmolLM2-rounds)";

struct iterate_command {
  explicit iterate_command(CLI::App& app) : options(app), loss(options) {
    c.run.on_prompts = c.run.makes_pairs = true;
    add_run(options, c.run, true, [this] { loss.add(); });
    options.group("Rounds");
    options.add("num_rounds", c.rounds, "rounds of sampling, scoring, pairing and training; steps and epochs are those of one round");
    options.choice(
        "round_reference", {"fixed", "previous"}, "fixed", [this](const std::string& name) { c.follows = name == "previous"; },
        "what a round is regularised towards: always the first model (or --reference-model), or the one that it begins with");
    options.add("mix", c.mix, "original pairs, of which each round has some", "FILE");
    options.add("mix_share", c.mix_share, "their share among a round's pairs");
    options.add("eval", c.eval, "prompts to evaluate each round on [those of --train]", "FILE");
    options.add("eval_samples", c.eval_samples, "answers to each of them");
    options.group("Answers");
    c.how.add(options);
    options.add("chat", c.chat, "put the prompt into the model's chat template, as the user's message");
    options.group("Scores");
    c.scores.add(options);
    options.group("Preferences");
    c.pairs.add(options, "label_beta");
  }

  int run() {
    training_job job;
    try {
      options.apply();
      settle_run(options, c.run);
      check();
      loss.choose(job);
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
    return rounds(options, c, std::move(job)).run();
  }

 private:
  void check() {
    c.scores.check(options);
    c.how.check(options);
    c.pairs.check(options);
    const auto at_least_one = [&](const char* name, index value) {
      if (value < 1) throw input_error(std::string(name) + ": " + std::to_string(value) + " cannot be used; give 1 or more");
    };
    at_least_one("num_rounds", c.rounds);
    at_least_one("eval_samples", c.eval_samples);
    if (static_cast<index>(c.how.temperatures.size()) * c.how.samples < 2)
      throw input_error("one answer to a prompt has nothing to be compared with; give --num-samples 2 or more, or several temperatures");
    if (c.follows)
      options.refuse("reference_model", "with --round-reference previous each round's reference is the model that it begins with");
    if (c.mix.empty()) options.refuse("mix_share", "there are no original pairs without --mix");
    if (!(c.mix_share > 0 && c.mix_share < 1))
      throw input_error("mix_share: " + std::to_string(c.mix_share) + " cannot be used; give a share between 0 and 1");
    for (const auto& [name, path] : {std::pair<const char*, const std::string&>("train", c.run.train), {"eval", c.eval}})
      if (path == "-")
        throw input_error(std::string(name) + ": standard input can be read once, and a run that goes on reads it again; give a file");
    if (!c.run.resume_from.empty()) throw input_error("resume: a run of rounds goes on from what --output holds; give --resume alone");
  }

  settings options;
  rounds_choice c;
  preference_loss loss;
};

}  // namespace

void add_iterate(CLI::App& program, action& chosen) {
  CLI::App& app =
      *program.add_subcommand("iterate", "Rounds of sampling, scoring, pairing and training (iterative, on-policy DPO and its kin)");
  app.footer(more);
  const auto command = std::make_shared<iterate_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
