// SPDX-License-Identifier: Apache-2.0
#include "scorer.hpp"

#include <memory>
#include <tilt/io/model_folder.hpp>
#include <tilt/io/tokenize.hpp>
#include <utility>

#include "interruption.hpp"
#include "judge.hpp"
#include "kept_lines.hpp"
#include "progress.hpp"
#include "text_rules.hpp"

namespace tilt::program {
namespace {

constexpr std::size_t scored_at_once = 64;  // texts, between which scores are kept

example_part prompt_part(const prompt_text& p) {
  if (!p.conversational) return {p.shown, {}, false};
  example_part part{{}, {}, true};
  for (const nlohmann::json& m : p.json()) part.messages.push_back({m["role"].get<std::string>(), m["content"].get<std::string>()});
  return part;
}
example_part answer_part(const prompt_text& p, const std::string& text) {
  if (!p.conversational) return {text, {}, false};
  return {{}, {{"assistant", text}}, true};
}

std::vector<double> rewards_of(const model_folder& folder, std::span<const prompt_tree> trees, const char* unit, const compute& machine,
                               index max_tokens, kept_lines* kept = nullptr) {
  const std::unique_ptr<session> model = open_session(machine, folder);
  progress bar("reward", static_cast<index>(trees.size()), {.unit = unit});
  return find_values<double>(trees.size(), scored_at_once, kept, [&](std::size_t first, std::size_t some) {
    interruption::heed();  // between batches, as what was computed is kept
    return model->rewards(trees.subspan(first, some), max_tokens, [&](index done) { bar.update(static_cast<index>(first) + done); });
  });
}

}  // namespace

void text_rule::add(settings& options) {
  options.choice(
      "rule", {"length", "keyword", "distinct-2"}, "", [this](const std::string& chosen) { name = chosen; },
      "a score without a model: words, how often --keyword stands there, or the share of different pairs of words");
  options.add("keyword", keyword, "of --rule keyword");
}
void text_rule::check(settings& options) const {
  if (name != "keyword") options.refuse("keyword", "only --rule keyword reads it");
  if (name == "keyword" && keyword.empty()) throw input_error("--rule: keyword needs a word to look for; give it with --keyword");
}
std::string text_rule::described() const {
  std::string text = name;
  if (!keyword.empty()) text.append(" \"").append(keyword).append("\"");
  return text;
}
double text_rule::operator()(const std::string& text) const {
  if (name == "keyword") return keyword_count(text, keyword);
  return name == "length" ? static_cast<double>(words_of(text).size()) : distinct_2(text);
}

void scorer::add(settings& options) {
  options.add("judge", judge_command, "a program that reads prompts and answers as JSONL and writes scores or choices", "CMD");
  rule.add(options);
  options.add("reward_model", reward_model, "a folder that tilt reward has made", "FOLDER").also("reward_model_path");
}

void scorer::check(settings& options) const {
  const int scorers = static_cast<int>(!judge_command.empty()) + static_cast<int>(bool(rule)) + static_cast<int>(!reward_model.empty());
  if (scorers != 1)
    throw input_error("answers are scored by one of --judge, --rule and --reward-model, and " + std::to_string(scorers) +
                      " are given; give one");
  rule.check(options);
}

void scorer::score(std::span<const prompt_text> prompts, answer_lists& answers, const compute& machine, index max_tokens,
                   kept_lines* kept) const {
  if (rule) {
    for (auto& of_prompt : answers)
      for (answer& a : of_prompt) a.score = rule(a.text);
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
    const std::vector<double> rewards = reward_scores(reward_model, prompts, answers, machine, max_tokens, kept);
    std::size_t at = 0;
    for (auto& of_prompt : answers)
      for (answer& a : of_prompt) a.score = rewards[at++];
  }
}

void require_reward_model(const std::string& path, const model_folder& folder) {
  if (!folder.config().value_head)
    throw input_error("--reward-model: " + path +
                      " is no reward model, as it has no score.weight; give a folder that tilt reward has made");
}

void require_language_model(const char* option, const model_folder& folder) {
  if (!folder.config().vocabulary_head)
    throw input_error(std::string(option).append(": ").append(folder.path().string()) +
                      " is a reward model, which predicts no tokens; give a language model");
}

std::vector<double> reward_scores(const std::string& reward_model, std::span<const prompt_text> prompts, const answer_lists& answers,
                                  const compute& machine, index max_tokens, kept_lines* kept) {
  const model_folder folder(reward_model);
  require_reward_model(reward_model, folder);
  const text_encoder encoder = folder.encoder();
  std::vector<prompt_tree> trees;
  for (std::size_t p = 0; p < prompts.size(); ++p)
    for (const answer& a : answers[p]) {
      example e;
      e.kind = example_kind::completion;
      e.prompt = prompt_part(prompts[p]);
      e.completion = answer_part(prompts[p], a.text);
      e.line = static_cast<index>(p) + 1;
      tokenized_examples one = tokenize_demonstrations(std::span<const example>(&e, 1), encoder,
                                                       {.max_length = folder.config().max_position_embeddings, .keep_empty = true});
      if (one.trees.empty())
        throw input_error("prompt " + std::to_string(p + 1) + ": leaves no room for an answer in the reward model's positions; shorten it");
      trees.push_back(std::move(one.trees[0]));
    }
  return rewards_of(folder, trees, "answers", machine, max_tokens, kept);
}

std::vector<std::vector<double>> preference_rewards(const std::string& reward_model, std::span<const example> examples,
                                                    const std::string& file, const compute& machine, index max_tokens) {
  const model_folder folder(reward_model);
  require_reward_model(reward_model, folder);
  const text_encoder encoder = folder.encoder();
  std::vector<std::vector<double>> rewards(examples.size());
  std::vector<prompt_tree> trees;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (examples[i].kind != example_kind::pair && examples[i].kind != example_kind::ranked) continue;
    tokenized_examples one;
    try {
      one = tokenize_rankings(examples.subspan(i, 1), encoder,
                              {.max_length = folder.config().max_position_embeddings, .drop_longer = true, .keep_empty = true});
    } catch (const input_error& fault) {
      throw input_error(std::string(file).append(":").append(std::to_string(examples[i].line)).append(": ").append(fault.what()));
    }
    if (one.trees.empty()) continue;
    rewards[i].resize(one.trees[0].responses.size());
    trees.push_back(std::move(one.trees[0]));
  }
  if (trees.empty()) return rewards;
  const std::vector<double> found = rewards_of(folder, trees, "examples", machine, max_tokens);
  auto next = found.begin();
  for (std::vector<double>& of_example : rewards)
    for (double& reward : of_example) reward = *next++;
  return rewards;
}

}  // namespace tilt::program
