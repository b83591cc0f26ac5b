// SPDX-License-Identifier: Apache-2.0
#include "pair_making.hpp"

#include <nlohmann/json.hpp>
#include <tilt/error.hpp>

namespace tilt::program {
namespace {

std::string line_of(const prompt_text& prompt, const std::vector<answer>& answers, const scored_preference& preference, bool soft,
                    nlohmann::ordered_json provenance) {
  const answer &chosen = answers[preference.chosen], &rejected = answers[preference.rejected];
  const auto written = [&](const answer& a) -> nlohmann::json {
    if (!prompt.conversational) return a.text;
    return nlohmann::json::array({{{"role", "assistant"}, {"content", a.text}}});
  };
  const auto origin = [](const answer& a) {
    return nlohmann::ordered_json{{"temperature", a.temperature}, {"sample", a.sample}, {"complete", a.ended}};
  };
  nlohmann::ordered_json line{{"prompt", prompt.json()},
                              {"chosen", written(chosen)},
                              {"rejected", written(rejected)},
                              {"score_chosen", chosen.score},
                              {"score_rejected", rejected.score}};
  if (soft) line["win_probability"] = preference.win_probability;
  provenance["chosen"] = origin(chosen);
  provenance["rejected"] = origin(rejected);
  line["provenance"] = std::move(provenance);
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace

void pair_making::add(settings& options, const char* beta) {
  beta_ = beta;
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
  options.add(beta, how.beta, "β of sampled and soft labels");
}

void pair_making::check(settings& options) const {
  if (how.pairs != pair_choice::margin) options.refuse("margin", "only --pairs margin reads it");
  if (how.labels == label_kind::hard) options.refuse(beta_, "hard labels do not use it; give --labels sampled or soft");
  try {
    how.check();
  } catch (const input_error& e) {
    const std::string what = e.what();
    throw input_error(options.reword(what.starts_with("beta: ") ? beta_ + what.substr(4) : what));
  }
}

made_preferences make_preferences(std::span<const prompt_text> prompts, const answer_lists& answers, const pair_making& pairs,
                                  const nlohmann::ordered_json& provenance) {
  made_preferences made;
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    std::vector<double> scores;
    for (const answer& a : answers[p]) scores.push_back(a.score);
    for (std::size_t a = 0; a < scores.size(); ++a)
      for (std::size_t b = a + 1; b < scores.size(); ++b) made.tied += scores[a] == scores[b];
    const auto preferences = preferences_of(scores, pairs.how, p);
    made.silent += preferences.empty();
    for (const scored_preference& preference : preferences)
      made.lines.push_back(line_of(prompts[p], answers[p], preference, pairs.how.labels == label_kind::soft, provenance));
  }
  if (made.lines.empty())
    throw input_error(
        "no two answers differ in score as --pairs asks, so there is no preference; give more --num-samples, another --margin or "
        "another scorer (tilt iterate: with another --output)");
  return made;
}

}  // namespace tilt::program
