// SPDX-License-Identifier: Apache-2.0
#include "answer_file.hpp"

#include <nlohmann/json.hpp>
#include <tilt/io/file.hpp>

#include "text_io.hpp"

namespace tilt::program {
namespace {

nlohmann::ordered_json json_of(const kept_answers& all, std::size_t p, std::size_t j) {
  const answer& a = all.of.answers[p][j];
  nlohmann::ordered_json one{{"text", a.text}, {"temperature", a.temperature}, {"sample", a.sample}, {"complete", a.ended}, {"ids", a.ids},
                             {"logp", a.logp}};
  if (all.scored) one["score"] = a.score;
  if (all.of.log_ratios) one["log_ratio"] = (*all.of.log_ratios)[p][j];
  if (all.of.by_judge) one["win_by_judge"] = all.of.by_judge->wins[p][j];
  return one;
}

void read_answer(const nlohmann::json& one, std::size_t p, kept_answers& all) {
  all.of.answers[p].push_back(one.get<answer>());
  all.scored = one.contains("score");
  if (one.contains("log_ratio")) {
    if (!all.of.log_ratios) all.of.log_ratios.emplace(all.of.answers.size());
    (*all.of.log_ratios)[p].push_back(one["log_ratio"]);
  }
  if (one.contains("win_by_judge")) {
    if (!all.of.by_judge) all.of.by_judge.emplace().wins.resize(all.of.answers.size());
    verdicts& v = *all.of.by_judge;
    v.wins[p].push_back(one["win_by_judge"]);
    ++v.comparisons;
    v.ties += v.wins[p].back() == 0.5;
  }
}

}  // namespace

void write_answers(const std::filesystem::path& file, std::span<const prompt_text> prompts, const kept_answers& answers) {
  atomic_file out(file);
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    nlohmann::ordered_json line{{"prompt", prompts[p].given}, {"answers", nlohmann::ordered_json::array()}};
    for (std::size_t j = 0; j < answers.of.answers[p].size(); ++j) line["answers"].push_back(json_of(answers, p, j));
    out.write(line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  }
  out.commit();
}

kept_answers read_answers(const std::filesystem::path& file, std::span<const prompt_text> prompts) {
  const auto refuse = [&](const std::string& where) {
    throw input_error(where + ": is not what tilt iterate has written for these prompts; remove the file, and it is made again");
  };
  kept_answers all;
  all.of.answers.resize(prompts.size());
  line_reader lines(file.string());
  std::size_t p = 0;
  for (std::string text; lines.next(text); ++p) {
    const nlohmann::json line = nlohmann::json::parse(text, nullptr, false);
    if (p == prompts.size() || !line.is_object() || !line.contains("answers") || line.value("prompt", nlohmann::json()) != prompts[p].given)
      refuse(lines.where());
    try {
      for (const nlohmann::json& one : line["answers"]) read_answer(one, p, all);
    } catch (const nlohmann::json::exception&) { refuse(lines.where()); }
  }
  if (p < prompts.size()) refuse(file.string());
  return all;
}

}  // namespace tilt::program
