// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdio>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <tilt/data/preferences.hpp>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/text_stream.hpp>
#include <tilt/io/tokenize.hpp>
#include <vector>

#include "commands.hpp"
#include "judge.hpp"
#include "progress.hpp"
#include "prompts.hpp"
#include "run_settings.hpp"
#include "sampling_settings.hpp"
#include "session.hpp"
#include "text_io.hpp"

namespace tilt::program {
namespace {

constexpr const char* more = R"(
Samples answers to prompts, scores them by a judge, a rule or a reward model, and writes the preferences that follow, for tilt dpo.

  tilt prefer --model SmolLM2 --data prompts.jsonl --num-samples 4 --temperature 0.7 1.2 --reward-model SmolLM2-reward --output pairs.jsonl
  tilt prefer --model SmolLM2 --data prompts.jsonl --judge "python3 judge.py" --pairs best-worst --output pairs.jsonl)";

/// A sampled answer, as its preferences remember it.
struct answer {
  std::string text;
  double temperature;
  index sample;
  bool ended;  ///< by an end token or a stop string, and not by its length
  double score = 0;
};

struct prefer_command {
  explicit prefer_command(CLI::App& app) : options(app) {
    options.group("Files");
    options.add("model", model, "Hugging Face model folder that answers", "FOLDER").also("model_name_or_path");
    options.add("data", data, "prompts: JSONL with \"prompt\" (a text or messages), or lines of text [standard input]", "FILE");
    options.add("output", output, "file for the preferences [standard output]", "FILE");
    options.allow_config();
    options.group("Answers");
    options.add("num_samples", samples, "answers to each prompt at each temperature").also("num_generations");
    options.add("temperature", temperatures, "one or more, each of which gives its answers [1]");
    text.add(options);
    options.add("seed", seed, "of the draws; the i-th temperature draws with seed + i");
    options.add("chat", chat, "put the prompt into the model's chat template, as the user's message");
    options.group("Scores");
    options.add("judge", judge_command, "a program that reads prompts and answers as JSONL and writes scores or choices", "CMD");
    options.choice(
        "rule", {"length", "keyword", "distinct-2"}, "", [this](const std::string& name) { rule = name; },
        "a score without a model: words, how often --keyword stands there, or the share of different pairs of words");
    options.add("keyword", keyword, "of --rule keyword");
    options.add("reward_model", reward_model, "a folder that tilt reward has made", "FOLDER").also("reward_model_path");
    options.group("Preferences");
    options.choice(
        "pairs", {"all", "best-worst", "margin"}, "all",
        [this](const std::string& name) {
          how.pairs = name == "all" ? pair_choice::all : name == "margin" ? pair_choice::margin : pair_choice::best_worst;
        },
        "which pairs of a prompt's answers; those with equal scores never");
    options.add("margin", how.margin, "of --pairs margin: the least difference of scores");
    options.choice(
        "labels", {"hard", "sampled", "soft"}, "hard",
        [this](const std::string& name) {
          how.labels = name == "hard" ? label_kind::hard : name == "soft" ? label_kind::soft : label_kind::sampled;
        },
        "the better score wins; or wins with the probability σ(β·difference); or is chosen, with that as win_probability");
    options.add("beta", how.beta, "β of sampled and soft labels");
    options.group("Machine");
    add_compute(options, machine);
    options.add("max_tokens", max_tokens, "tokens that the reward model computes at once; changes no result");
  }

  int run() {
    options.apply();
    check();
    const model_folder folder(model);
    const std::vector<prompt_text> prompts = read_prompts(folder, data, chat);
    result_writer results(output);
    std::vector<std::vector<answer>> answers = sampled(folder, prompts);
    index empty = 0, repeated = 0;
    for (std::vector<answer>& of_prompt : answers) {
      std::vector<std::string> texts;
      const std::size_t all = of_prompt.size();
      std::erase_if(of_prompt, [](const answer& a) { return a.text.empty(); });
      empty += static_cast<index>(all - of_prompt.size());
      for (const answer& a : of_prompt) texts.push_back(a.text);
      std::vector<answer> kept;
      for (const std::size_t i : distinct_texts(texts)) kept.push_back(of_prompt[i]);
      repeated += static_cast<index>(of_prompt.size() - kept.size());
      of_prompt = std::move(kept);
    }
    score(prompts, answers);
    index written = 0, tied = 0, silent = 0;
    for (std::size_t p = 0; p < prompts.size(); ++p) {
      std::vector<double> scores;
      for (const answer& a : answers[p]) scores.push_back(a.score);
      for (std::size_t a = 0; a < scores.size(); ++a)
        for (std::size_t b = a + 1; b < scores.size(); ++b) tied += scores[a] == scores[b];
      const auto preferences = preferences_of(scores, how, p);
      silent += preferences.empty();
      for (const scored_preference& preference : preferences) results.write(line_of(prompts[p], answers[p], preference));
      written += static_cast<index>(preferences.size());
    }
    if (written == 0)
      throw input_error(
          "no two answers differ in score as --pairs asks, so there is no preference; give more --num-samples or another --margin");
    results.finish();
    std::fprintf(
        stderr,
        "tilt: %td preferences from %td of %zu prompts; left out: %td repeated answers, %td empty ones, %td pairs of equal scores\n",
        written, static_cast<index>(prompts.size()) - silent, prompts.size(), repeated, empty, tied);
    return 0;
  }

 private:
  void check() {
    options.require("model", "the folder of the model that answers");
    const int scorers =
        static_cast<int>(!judge_command.empty()) + static_cast<int>(!rule.empty()) + static_cast<int>(!reward_model.empty());
    if (scorers != 1)
      throw input_error("answers are scored by one of --judge, --rule and --reward-model, and " + std::to_string(scorers) +
                        " are given; give one");
    if (rule != "keyword") options.refuse("keyword", "only --rule keyword reads it");
    if (rule == "keyword" && keyword.empty()) throw input_error("--rule: keyword needs a word to look for; give it with --keyword");
    if (how.pairs != pair_choice::margin) options.refuse("margin", "only --pairs margin reads it");
    if (how.labels == label_kind::hard) options.refuse("beta", "hard labels do not use it; give --labels sampled or soft");
    if (reward_model.empty()) options.refuse("max_tokens", "only --reward-model reads it");
    if (samples < 1) throw input_error(options["num_samples"].source + ": " + std::to_string(samples) + " cannot be used; give 1 or more");
    if (max_tokens < 1)
      throw input_error(options["max_tokens"].source + ": " + std::to_string(max_tokens) + " cannot be used; give 1 or more");
    if (static_cast<index>(temperatures.size()) * samples < 2)
      throw input_error("one answer to a prompt has nothing to be compared with; give --num-samples 2 or more, or several temperatures");
    if (std::set<double>(temperatures.begin(), temperatures.end()).size() != temperatures.size())
      throw input_error(options["temperature"].source + ": a temperature stands there twice; leave one, and raise --num-samples");
    for (const double t : temperatures) {
      text.sampling.temperature = t;
      text.check(options);
    }
    how.seed = seed;
    try {
      how.check();
    } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
  }

  std::vector<std::vector<answer>> sampled(const model_folder& folder, const std::vector<prompt_text>& prompts) {
    const std::unique_ptr<session> model_session = open_session(machine, folder);
    std::vector<std::vector<answer>> answers(prompts.size());
    std::vector<std::vector<token>> ids;
    for (const prompt_text& p : prompts) ids.push_back(p.ids);
    progress bar("answers", static_cast<index>(prompts.size() * temperatures.size()), {.unit = "prompts"});
    for (std::size_t i = 0; i < temperatures.size(); ++i) {
      std::vector<std::vector<text_stream>> streams(prompts.size());
      for (std::size_t p = 0; p < prompts.size(); ++p)
        streams[p].assign(static_cast<std::size_t>(samples), text_stream(folder.tokenizer(), ids[p], text.stop_strings));
      generation_job job;
      job.prompts = ids;
      job.samples = samples;
      job.max_new_tokens = text.max_new_tokens;
      job.max_length = text.max_length;
      job.sampling = text.sampling;
      job.sampling.temperature = temperatures[i];
      job.seed = seed + i;
      job.watch = [&](const sampled_token& t) {
        text_stream& stream = streams[t.request][static_cast<std::size_t>(t.sample)];
        stream.append(t.id);
        return stream.stopped();
      };
      job.progressed = [&](index done) { bar.update(static_cast<index>(i * prompts.size()) + done); };
      std::vector<std::vector<generated<double>>> made;
      try {
        made = model_session->generate(job);
      } catch (const input_error& e) { throw input_error(options.reword(e.what())); }
      for (std::size_t p = 0; p < prompts.size(); ++p)
        for (std::size_t j = 0; j < made[p].size(); ++j) {
          streams[p][j].finish();
          answers[p].push_back({streams[p][j].text(), temperatures[i], static_cast<index>(j), made[p][j].ended || made[p][j].stopped});
        }
    }
    return answers;
  }

  void score(const std::vector<prompt_text>& prompts, std::vector<std::vector<answer>>& answers) const {
    if (!rule.empty()) {
      for (auto& of_prompt : answers)
        for (answer& a : of_prompt) a.score = by_rule(a.text);
    } else if (!judge_command.empty()) {
      std::vector<judged_prompt> questions;
      std::vector<std::size_t> asked;  // only where there is something to compare
      for (std::size_t p = 0; p < prompts.size(); ++p) {
        if (answers[p].size() < 2) continue;
        asked.push_back(p);
        questions.push_back({prompts[p].given, {}});
        for (const answer& a : answers[p]) questions.back().responses.push_back(a.text);
      }
      const auto scores = judge(judge_command, questions);
      for (std::size_t q = 0; q < asked.size(); ++q)
        for (std::size_t k = 0; k < scores[q].size(); ++k) answers[asked[q]][k].score = scores[q][k];
    } else {
      by_reward_model(prompts, answers);
    }
  }

  double by_rule(const std::string& answer_text) const {
    if (rule == "keyword") {
      double count = 0;
      for (std::size_t at = answer_text.find(keyword); at != std::string::npos; at = answer_text.find(keyword, at + keyword.size()))
        ++count;
      return count;
    }
    std::istringstream in(answer_text);
    std::vector<std::string> words;
    for (std::string w; in >> w;) words.push_back(w);
    if (rule == "length") return static_cast<double>(words.size());
    if (words.size() < 2) return 0;
    std::set<std::pair<std::string, std::string>> different;
    for (std::size_t i = 0; i + 1 < words.size(); ++i) different.emplace(words[i], words[i + 1]);
    return static_cast<double>(different.size()) / static_cast<double>(words.size() - 1);
  }

  void by_reward_model(const std::vector<prompt_text>& prompts, std::vector<std::vector<answer>>& answers) const {
    const model_folder folder(reward_model);
    if (!folder.config().value_head)
      throw input_error("--reward-model: " + reward_model +
                        " is no reward model, as it has no score.weight; give a folder that tilt reward has made");
    const text_encoder encoder = folder.encoder();
    std::vector<prompt_tree> trees;
    for (std::size_t p = 0; p < prompts.size(); ++p)
      for (const answer& a : answers[p]) {
        example e;
        e.kind = example_kind::completion;
        e.prompt = part_of(prompts[p]);
        e.completion = answer_part(prompts[p], a.text);
        e.line = static_cast<index>(p) + 1;
        tokenized_examples one =
            tokenize_demonstrations(std::span<const example>(&e, 1), encoder, {.max_length = folder.config().max_position_embeddings});
        if (one.trees.empty())
          throw input_error("prompt " + std::to_string(p + 1) +
                            ": leaves no room for an answer in the reward model's positions; shorten it");
        trees.push_back(std::move(one.trees[0]));
      }
    const std::unique_ptr<session> judge_session = open_session(machine, folder);
    progress bar("reward", static_cast<index>(trees.size()), {.unit = "answers"});
    const std::vector<double> rewards = judge_session->rewards(trees, max_tokens, [&](index done) { bar.update(done); });
    std::size_t at = 0;
    for (auto& of_prompt : answers)
      for (answer& a : of_prompt) a.score = rewards[at++];
  }

  /// A prompt in a chat template is a conversation, and so is what is written of it.
  bool conversational(const prompt_text& p) const { return chat || p.given.is_array(); }
  nlohmann::json prompt_json(const prompt_text& p) const {
    if (!conversational(p) || p.given.is_array()) return p.given;
    return nlohmann::json::array({{{"role", "user"}, {"content", p.given}}});
  }
  example_part part_of(const prompt_text& p) const {
    if (!conversational(p)) return {p.shown, {}, false};
    example_part part{{}, {}, true};
    for (const nlohmann::json& m : prompt_json(p)) part.messages.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
    return part;
  }
  example_part answer_part(const prompt_text& p, const std::string& answer_text) const {
    if (!conversational(p)) return {answer_text, {}, false};
    return {{}, {{"assistant", answer_text}}, true};
  }

  std::string line_of(const prompt_text& prompt, const std::vector<answer>& answers, const scored_preference& preference) const {
    const answer &chosen = answers[preference.chosen], &rejected = answers[preference.rejected];
    const auto written = [&](const answer& a) -> nlohmann::json {
      if (!conversational(prompt)) return a.text;
      return nlohmann::json::array({{{"role", "assistant"}, {"content", a.text}}});
    };
    const auto origin = [](const answer& a) {
      return nlohmann::ordered_json{{"temperature", a.temperature}, {"sample", a.sample}, {"complete", a.ended}};
    };
    nlohmann::ordered_json line{{"prompt", prompt_json(prompt)},
                                {"chosen", written(chosen)},
                                {"rejected", written(rejected)},
                                {"score_chosen", chosen.score},
                                {"score_rejected", rejected.score}};
    if (how.labels == label_kind::soft) line["win_probability"] = preference.win_probability;
    line["provenance"] = {{"model", model},
                          {"seed", seed},
                          {"scored_by", !rule.empty()            ? rule
                                        : !judge_command.empty() ? judge_command
                                                                 : reward_model},
                          {"chosen", origin(chosen)},
                          {"rejected", origin(rejected)}};
    return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
  }

  settings options;
  std::string model, data, output, judge_command, rule, keyword, reward_model;
  std::vector<double> temperatures{1};
  index samples = 4, max_tokens = 4096;
  std::uint64_t seed = 42;
  bool chat = false;
  text_options text;
  preference_options how;
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
