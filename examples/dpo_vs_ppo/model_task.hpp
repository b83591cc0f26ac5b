// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <tilt/io/model_folder.hpp>
#include <tilt/rl/generate.hpp>
#include <tilt/train/fingerprint.hpp>
#include <vector>

#include "../tilt/frontier_task.hpp"
#include "../tilt/text_rules.hpp"
#include "model_plan.hpp"

namespace tilt::program {

/// A language model as the thing to compare on. Prompts: beginnings of texts that it writes itself after its begin token, all different.
/// True reward: so much for each word of the answer (the rule `length` of tilt prefer); as answers have a fixed number of tokens, it pays for words
/// that are spelled with few. An answer is sound if no more than a tenth of its pairs of words came before (the rule `distinct-2`).
/// The folder must outlive the task. Throws input_error where the model cannot be used so.
template <class B>
frontier_task model_task(const model_folder& folder, const frontier_sizes& sizes, std::uint64_t seed, B& backend, std::string& hash) {
  const transformer<B> model = load_transformer(folder, backend);
  const tokenizer& texts = folder.tokenizer();
  const std::vector<token> begin = texts.encode("");
  if (begin.empty())
    throw input_error(folder.path().string() +
                      ": its tokenizer puts no begin token before a text, so that the model cannot begin one; give another model");
  hash = std::to_string(detail::hash_of(model));
  frontier_task task;
  task.config = model.config();
  task.weights.resize(static_cast<std::size_t>(model.size()));
  backend.copy_out(model.weights(), model.size(), task.weights.data());
  const index wanted = sizes.prompts + sizes.held_out;
  const auto stories =
      generate(model, std::span<const std::vector<token>>(&begin, 1), 4 * wanted, {.max_new_tokens = sizes.prompt_tokens, .seed = seed});
  std::set<std::vector<token>> seen;
  for (const auto& story : stories[0]) {
    if (story.ended || !seen.insert(story.tokens).second) continue;
    std::vector<token> prompt = begin;
    prompt.insert(prompt.end(), story.tokens.begin(), story.tokens.end());
    if (static_cast<index>(task.held_out.size()) < sizes.held_out)
      task.held_out.push_back(std::move(prompt));
    else if (static_cast<index>(task.prompts.size()) < sizes.prompts)
      task.prompts.push_back(std::move(prompt));
  }
  if (static_cast<index>(task.prompts.size()) < sizes.prompts)
    throw input_error(folder.path().string() + ": " + std::to_string(4 * wanted) + " texts of the model have fewer than " +
                      std::to_string(wanted) + " different beginnings of " + std::to_string(sizes.prompt_tokens) +
                      " tokens; give a model that writes more variously");
  task.max_new_tokens = sizes.new_tokens;
  task.text = [&texts](const std::vector<token>& tokens) { return texts.decode(tokens, true); };
  task.judge = [text = task.text](const std::vector<token>& tokens) {
    return reward_of_word * static_cast<double>(words_of(text(tokens)).size());
  };
  task.accept = [text = task.text](const std::vector<token>& tokens) { return distinct_2(text(tokens)) >= least_variety; };
  task.sound = "varied";
  return task;
}

}  // namespace tilt::program
