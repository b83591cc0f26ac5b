// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <tilt/io/file.hpp>
#include <tilt/io/model_folder.hpp>
#include <vector>

#include "commands.hpp"
#include "comparison_page.hpp"
#include "interruption.hpp"
#include "output_folder.hpp"
#include "run_settings.hpp"
#include "scorer.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Has two or more models answer the same prompts with the same seed, and holds the others against the first: wins, by a rule's or a reward
model's scores and by a judge, mean reward, KL from a reference, length, diversity. Prints a table, and writes comparison.html and
comparison.json into --output.

  tilt compare --model SmolLM2 SmolLM2-dpo --data prompts.jsonl --reward-model SmolLM2-reward --output comparison
  tilt compare --model SmolLM2 SmolLM2-dpo SmolLM2-ipo --data prompts.jsonl --judge "python3 judge.py" --num-samples 4 --output comparison)";

struct compare_command {
  explicit compare_command(CLI::App& app) : options(app) {
    how.samples = 1;
    options.group("Files");
    options.add("model", models, "two or more Hugging Face model folders; the first is what the others are held against")
        .also("model_name_or_path");
    options.add("reference_model", reference_model, "of the KL divergence [the first model]", "FOLDER").also("ref_model");
    options.add("data", data, "prompts: JSONL with \"prompt\" (a text or messages), or lines of text", "FILE");
    options.add("output", output, "folder for comparison.html and comparison.json", "FOLDER");
    options.allow_config();
    options.group("Answers");
    how.add(options);
    options.add("seed", how.seed, "of the draws, the same for each model; the i-th temperature draws with seed + i");
    options.add("chat", reading.chat, "put the prompt into each model's chat template, as the user's message");
    reading.add_max_prompt_length(options);
    options.group("Scores");
    scores.add(options);
    options.add("toxicity_lexicon", toxicity_lexicon, "words that mark an answer as toxic, one a line [a short list of insults]", "FILE");
    options.group("Machine");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens computed at once; bounds memory, changes no result");
  }

  int run() {
    options.apply();
    check();
    const lexicon toxic = toxicity_lexicon.empty() ? lexicon() : lexicon(toxicity_lexicon);
    std::vector<std::unique_ptr<model_folder>> folders;
    std::vector<std::vector<prompt_text>> prompts;  // each in the tokens of its model
    std::size_t told = 0;
    for (const std::string& model : models) {
      folders.push_back(std::make_unique<model_folder>(model));
      prompts.push_back(read_prompts(*folders.back(), data, reading, &told));
      require_room(folders.back()->config().max_position_embeddings, prompts.back(), how.text.max_new_tokens, how.text.max_length);
    }
    const model_folder reference_folder(reference_model);
    require_language_model("--reference-model", reference_folder);
    std::vector<prompt_text> of_reference;
    if (how.plain()) of_reference = read_prompts(reference_folder, data, reading, &told);
    if (!scores.reward_model.empty()) require_reward_model(scores.reward_model, model_folder(scores.reward_model));
    const interruption stop;
    const output_folder place(output);
    atomic_file page((std::filesystem::path(output) / "comparison.html").string()),
        numbers((std::filesystem::path(output) / "comparison.json").string());

    comparison c{.prompts = prompts[0]};
    for (std::size_t m = 0; m < models.size(); ++m)
      c.models.push_back(
          {.model = models[m],
           .answers = sample_answers(*open_session(machine, *folders[m]), *folders[m], prompts[m], how, options, models[m])});
    add_log_ratios(c, reference_folder, prompts, of_reference);
    add_verdicts(c);
    for (const contender& model : c.models) c.measured.push_back(measure(model, c.models[0], c.scored, toxic));
    add_notes(c);
    page.write(page_of(c));
    numbers.write(json_of(c).dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
    page.commit();
    numbers.commit();
    table_of(c).print();
    std::fprintf(stderr, "tilt: the answers, side by side, are in %s/comparison.html, the numbers in comparison.json\n", output.c_str());
    return 0;
  }

 private:
  void check() {
    options.require("model", "the folders of the models to compare");
    if (models.size() < 2) throw input_error(options["model"].source + ": one model has nothing to be compared with; give two or more");
    if (std::set<std::string>(models.begin(), models.end()).size() != models.size())
      throw input_error(options["model"].source + ": a model stands there twice; leave one");
    options.require("data", "the file with the prompts");
    if (data == "-")
      throw input_error(options["data"].source + ": standard input can be read once, and each model reads the prompts; give a file");
    options.require("output", "the folder for the comparison");
    if (scores.rule && !scores.reward_model.empty())
      throw input_error("answers are scored by one of --rule and --reward-model, and both are given; give one");
    if (!scores.rule && scores.reward_model.empty() && scores.judge_command.empty())
      throw input_error("answers are compared by --judge, --rule or --reward-model, and none is given; give one");
    scores.rule.check(options);
    how.check(options);
    if (max_tokens < 1)
      throw input_error(options["max_tokens"].source + ": " + std::to_string(max_tokens) + " cannot be used; give 1 or more");
    if (!options.given("reference_model"))
      reference_model = models[0];
    else if (!how.plain())
      options.refuse("reference_model",
                     "answers are not drawn from the models' own distributions, of which alone they tell the KL divergence");
  }

  void add_log_ratios(comparison& c, const model_folder& folder, const std::vector<std::vector<prompt_text>>& prompts,
                      std::span<const prompt_text> of_reference) const {
    if (!how.plain()) {
      c.notes.push_back(
          "KL is left out: with another temperature than 1, --top-k, --top-p, --min-p or --repetition-penalty, answers are not drawn from "
          "the "
          "models' own distributions.");
      return;
    }
    const std::unique_ptr<session> reference = open_session(machine, folder);
    for (std::size_t m = 0; m < c.models.size(); ++m) {
      c.models[m].log_ratios = log_ratios(c.models[m].answers, prompts[m], *reference, folder, of_reference, max_tokens);
      if (!c.models[m].log_ratios)
        c.notes.push_back("KL of " + models[m] + " is left out, as its tokenizer is another than the reference's.");
    }
  }

  void add_verdicts(comparison& c) const {
    c.scored = scores.judge_command.empty() || scores.rule || !scores.reward_model.empty();
    if (c.scored) {
      scorer own = scores;
      own.judge_command.clear();
      for (contender& model : c.models) own.score(c.prompts, model.answers, machine, max_tokens);
      for (std::size_t m = 1; m < c.models.size(); ++m) c.models[m].by_score = verdicts_by_score(c.models[m].answers, c.models[0].answers);
    }
    if (scores.judge_command.empty()) return;
    std::vector<const answer_lists*> others;
    for (std::size_t m = 1; m < c.models.size(); ++m) others.push_back(&c.models[m].answers);
    std::vector<verdicts> judged = verdicts_by_judge(scores.judge_command, c.prompts, c.models[0].answers, others);
    for (std::size_t m = 1; m < c.models.size(); ++m) c.models[m].by_judge = std::move(judged[m - 1]);
  }

  void add_notes(comparison& c) const {
    const std::size_t answers = how.temperatures.size() * static_cast<std::size_t>(how.samples);
    std::string temperatures;
    for (const double t : how.temperatures) temperatures += (temperatures.empty() ? "" : ", ") + decimal(t, 2);
    c.notes.push_back(std::to_string(c.prompts.size()) + " prompts, " + std::to_string(answers) +
                      " answers of each model to each; temperature " + temperatures + ", seed " + std::to_string(how.seed) + ".");
    if (c.scored) c.notes.push_back("Scores: " + (scores.rule ? "the rule " + scores.rule.described() : scores.reward_model) + ".");
    if (!scores.judge_command.empty())
      c.notes.push_back("The judge, " + scores.judge_command + ", saw every two answers in both orders; a win counts where both agree.");
    c.notes.push_back(
        std::string("Wins are against ") + models[0] + ", answer by answer; a tie counts half. Intervals are at 95 %: " +
        (answers > 1 ? "Wilson's at the effective number of comparisons, with a prompt's answers as a cluster." : "Wilson's."));
    for (std::size_t m = 1; m < c.models.size(); ++m) {
      const auto tell = [&](const std::optional<verdicts>& v, const char* by) {
        if (v && v->ties > 0)
          c.notes.push_back(models[m] + " ties " + std::to_string(v->ties) + " of " + std::to_string(v->comparisons) + " comparisons " +
                            by + (v->by_place > 0 ? ", " + std::to_string(v->by_place) + " of them as the judge went by the place" : "") +
                            ".");
      };
      tell(c.models[m].by_score, "by score");
      tell(c.models[m].by_judge, "by judge");
    }
    if (how.plain())
      c.notes.push_back("KL is from " + reference_model + ", the mean over answers of log π − log π_ref, in nats an answer.");
    c.notes.push_back(
        std::string("Means ± their standard errors, a prompt's answers taken together. Toxic: the share of answers with a word of ") +
        (toxicity_lexicon.empty() ? "a short list of insults" : toxicity_lexicon) + ", a crude sign.");
  }

  settings options;
  std::vector<std::string> models;
  std::string reference_model, data, output, toxicity_lexicon;
  prompt_options reading;
  answer_options how;
  scorer scores;
  index max_tokens = 4096;
  compute machine;
};

}  // namespace

void add_compare(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand("compare", "Models side by side on the same prompts: wins, rewards, KL, a page of their answers");
  app.footer(more);
  const auto command = std::make_shared<compare_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
