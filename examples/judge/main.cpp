// SPDX-License-Identifier: Apache-2.0
// A judge for tilt prefer, compare and iterate: what such a program reads and writes, with a rule that anyone can follow. It reads a line
// {"id", "prompt", "responses"} for each prompt and writes {"id", "scores"}, or with --choice {"id", "choice"}, for each.
//
//   tilt prefer --model MODEL --data prompts.jsonl --judge build/release/examples/judge/judge --output pairs.jsonl
//
// A response scores by three things that a reader likes, each between 0 and 1: it takes up the prompt's words, it does not repeat itself, and
// it comes to an end. Whoever asks a language model instead puts that in the place of `score`; the rest stays.
#include <algorithm>
#include <exception>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <tilt/check/repetition.hpp>
#include <tilt/check/words.hpp>
#include <vector>

namespace {

/// The words of a prompt: of a conversation, those of its last message.
std::vector<std::uint64_t> asked(const nlohmann::json& prompt) {
  if (prompt.is_string()) return tilt::words_of(prompt.get<std::string>());
  return tilt::words_of(prompt.back().at("content").get<std::string>());
}

bool comes_to_an_end(std::string_view response) {
  const std::size_t last = response.find_last_not_of(" \t\r\n\"')");
  return last != std::string_view::npos && std::string_view(".!?").find(response[last]) != std::string_view::npos;
}

double score(const std::vector<std::uint64_t>& prompt, const std::string& response) {
  const std::vector<std::uint64_t> words = tilt::words_of(response);
  if (words.empty()) return 0;
  const auto wanted = tilt::as_set(prompt);
  const auto distinct = tilt::as_set(words);
  const auto common =
      std::count_if(wanted.begin(), wanted.end(), [&](std::uint64_t w) { return std::binary_search(distinct.begin(), distinct.end(), w); });
  const double on_topic = wanted.empty() ? 0 : static_cast<double>(common) / static_cast<double>(wanted.size());
  return on_topic + (1 - tilt::repeated_share(words, 2)) + (comes_to_an_end(response) ? 1 : 0);
}

}  // namespace

int main(int argc, char** argv) try {
  const bool chooses = argc == 2 && std::string_view(argv[1]) == "--choice";
  if (argc > 1 && !chooses) {
    std::cerr << "judge: " << argv[1] << " is not known; give --choice or nothing\n";
    return 2;
  }
  for (std::string line; std::getline(std::cin, line);) {
    const nlohmann::json question = nlohmann::json::parse(line);
    const std::vector<std::uint64_t> prompt = asked(question.at("prompt"));
    std::vector<double> scores;
    for (const nlohmann::json& response : question.at("responses")) scores.push_back(score(prompt, response.get<std::string>()));
    nlohmann::ordered_json answer{{"id", question.at("id")}};
    if (chooses)
      answer["choice"] = std::max_element(scores.begin(), scores.end()) - scores.begin();
    else
      answer["scores"] = scores;
    std::cout << answer.dump() << '\n';
  }
  return std::cout.flush() ? 0 : 1;
} catch (const std::exception& e) {
  std::cerr << "judge: " << e.what() << '\n';  // a status other than 0: nothing of what was written is believed
  return 1;
}
