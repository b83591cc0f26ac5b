// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "answers.hpp"
#include "commands.hpp"
#include "interruption.hpp"
#include "pair_making.hpp"
#include "prompts.hpp"
#include "run_settings.hpp"
#include "scorer.hpp"
#include "session.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Samples answers to prompts, scores them by a judge, a rule or a reward model, and writes the preferences that follow, for tilt dpo.

  tilt prefer --model SmolLM2 --data prompts.jsonl --num-samples 4 --temperature 0.7 1.2 --reward-model SmolLM2-reward --output pairs.jsonl
  tilt prefer --model SmolLM2 --data prompts.jsonl --judge "python3 judge.py" --pairs best-worst --output pairs.jsonl)";

struct prefer_command {
  explicit prefer_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder that answers", "FOLDER").also("model_name_or_path");
    options.add("data", data, "prompts: JSONL with \"prompt\" (a text or messages), or lines of text [standard input]", "FILE");
    options.add("output", output, "file for the preferences [standard output]", "FILE");
    options.allow_config();
    options.group("Answers");
    how.add(options);
    options.add("seed", how.seed, "of the draws; the i-th temperature draws with seed + i");
    options.add("chat", reading.chat, "put the prompt into the model's chat template, as the user's message");
    reading.add_max_prompt_length(options);
    options.group("Scores");
    scores.add(options);
    options.group("Preferences");
    pairs.add(options);
    options.group("Machine");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens that the reward model computes at once; changes no result");
  }

  int run() {
    options.apply();
    check();
    const model_folder folder(model);
    const std::vector<prompt_text> prompts = read_prompts(folder, data, reading);
    require_room(folder.config().max_position_embeddings, prompts, how.text.max_new_tokens, how.text.max_length);
    const interruption stop;
    result_writer results(output);
    answer_lists answers = sample_answers(*open_session(machine, folder), folder, prompts, how, options, "answers");
    const left_out gone = keep_distinct(answers);
    scores.score(prompts, answers, machine, max_tokens);
    const made_preferences made =
        make_preferences(prompts, answers, pairs, {{"model", model}, {"seed", how.seed}, {"scored_by", scores.name()}});
    for (const std::string& line : made.lines) results.write(line);
    results.finish();
    std::fprintf(
        stderr,
        "tilt: %zu preferences from %td of %zu prompts; left out: %td repeated answers, %td empty ones, %td pairs of equal scores\n",
        made.lines.size(), static_cast<index>(prompts.size()) - made.silent, prompts.size(), gone.repeated, gone.empty, made.tied);
    return 0;
  }

 private:
  void check() {
    options.require("model", "the folder of the model that answers");
    check_output(output, data);
    scores.check(options);
    if (scores.reward_model.empty()) options.refuse("max_tokens", "only --reward-model reads it");
    if (max_tokens < 1)
      throw input_error(options["max_tokens"].source + ": " + std::to_string(max_tokens) + " cannot be used; give 1 or more");
    how.check(options);
    if (static_cast<index>(how.temperatures.size()) * how.samples < 2)
      throw input_error("one answer to a prompt has nothing to be compared with; give --num-samples 2 or more, or several temperatures");
    pairs.how.seed = how.seed;
    pairs.check(options);
  }

  settings options;
  std::string model, data, output;
  prompt_options reading;
  answer_options how;
  scorer scores;
  pair_making pairs;
  index max_tokens = 4096;
  compute machine;
};

}  // namespace

void add_prefer(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("prefer", "Preferences among a model's own answers, by a judge, a rule or a reward model");
  app.footer(more);
  const auto command = std::make_shared<prefer_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
