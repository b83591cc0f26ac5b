// SPDX-License-Identifier: Apache-2.0
#include "comparison_page.hpp"

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <string_view>
#include <tilt/io/unicode.hpp>

namespace tilt::program {
namespace {

/// A text as HTML shows it: nothing in it is markup, and characters that HTML may not have are replaced.
std::string escaped(std::string_view text) {
  std::string out;
  detail::each_character(text, [&](char32_t c, std::string_view bytes) {
    if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || (c >= 0x7F && c < 0xA0) || c == 0xFFFE || c == 0xFFFF)
      out += "\xEF\xBF\xBD";
    else
      out += bytes;
  });
  return out;
}

constexpr const char* style = R"(
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5b6470; --paper: #fff; --card: #f5f6f8; --line: #d9dde2; --win: #1a7f37; --lose: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e8eb; --soft: #9aa4b0; --paper: #16181b; --card: #1f2226; --line: #363b42; --win: #57c26d; --lose: #ff8a80; }
}
body { margin: 2rem auto; max-width: 90rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; } h2 { font-size: 1rem; color: var(--soft); margin: 2.5rem 0 .5rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .8rem; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; }
.prompt { border-left: 3px solid var(--line); padding-left: .8rem; }
.answers { display: grid; grid-template-columns: repeat(auto-fit, minmax(18rem, 1fr)); gap: .8rem; margin: .6rem 0; }
.answer { background: var(--card); border-radius: .4rem; padding: .6rem .8rem; }
.about { color: var(--soft); font-size: .85rem; margin: 0 0 .3rem; }
.whole { display: inline-block; max-width: 100%; overflow-wrap: anywhere; }
.win { color: var(--win); font-weight: 600; } .loss { color: var(--lose); font-weight: 600; }
ul.notes { color: var(--soft); font-size: .9rem; padding-left: 1.2rem; }
)";

std::string cell_text(const std::optional<mean_estimate>& m, int digits) { return m ? mean_text(*m, digits) : "–"; }
std::string cell_text(const std::optional<interval>& share) { return share ? share_text(*share) : "–"; }

struct column {
  std::string heading;
  std::function<std::string(const measures&)> cell;
};

/// Those that say something of one model at least.
std::vector<column> columns_of(const comparison& c) {
  std::vector<column> all;
  const auto any = [&](auto member) {
    for (const measures& m : c.measured)
      if (m.*member) return true;
    return false;
  };
  if (any(&measures::win_by_score)) all.push_back({"wins by score", [](const measures& m) { return cell_text(m.win_by_score); }});
  if (any(&measures::win_by_judge)) all.push_back({"wins by judge", [](const measures& m) { return cell_text(m.win_by_judge); }});
  if (any(&measures::reward)) all.push_back({"reward", [](const measures& m) { return cell_text(m.reward, 3); }});
  if (any(&measures::kl)) all.push_back({"KL (nats)", [](const measures& m) { return cell_text(m.kl, 3); }});
  all.push_back({"tokens", [](const measures& m) { return cell_text(m.tokens, 1); }});
  all.push_back({"distinct-1", [](const measures& m) { return decimal(m.distinct_1); }});
  all.push_back({"distinct-2", [](const measures& m) { return decimal(m.distinct_2); }});
  all.push_back({"ended", [](const measures& m) { return decimal(m.ended.value); }});
  all.push_back({"toxic", [](const measures& m) { return decimal(m.toxic.value); }});
  return all;
}

/// The table, with models' names as `name` writes them.
template <class Name> table rows_of(const comparison& c, const Name& name) {
  const std::vector<column> columns = columns_of(c);
  std::vector<std::string> header{"model"};
  for (const column& k : columns) header.push_back(k.heading);
  table rows(header);
  for (std::size_t m = 0; m < c.models.size(); ++m) {
    std::vector<std::string> cells{name(c.models[m].model)};
    for (const column& k : columns) cells.push_back(k.cell(c.measured[m]));
    rows.row(std::move(cells));
  }
  return rows;
}

/// What is told of an answer, piece by piece; none is broken between two lines.
class about_line {
 public:
  void add(const std::string& text, const char* kind = "") {
    if (!text_.empty()) text_ += " · ";
    text_.append("<span class=\"whole").append(kind).append("\">").append(text).append("</span>");
  }
  void add_verdict(double win, const char* by) {
    add(std::string(win > 0.5 ? "wins" : win < 0.5 ? "loses" : "ties").append(by), win > 0.5 ? " win" : win < 0.5 ? " loss" : "");
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

void add_answer(std::string& page, const comparison& c, const contender& model, std::size_t p, std::size_t j) {
  const answer& a = model.answers[p][j];
  about_line about;
  about.add(escaped(model.model));
  about.add(std::to_string(a.ids.size()) + (a.ended ? " tokens" : " tokens, cut"));
  if (c.scored) about.add("score " + decimal(a.score));
  if (model.log_ratios) about.add("log-ratio " + decimal((*model.log_ratios)[p][j]));
  if (model.by_score) about.add_verdict(model.by_score->wins[p][j], " by score");
  if (model.by_judge) about.add_verdict(model.by_judge->wins[p][j], " by judge");
  // The blank that parts it from the prompt would be an indentation here.
  const std::string_view text = std::string_view(a.text).substr(a.text.starts_with(' ') ? 1 : 0);
  page.append("<div class=\"answer\">\n<p class=\"about\">").append(about.text());
  page.append("</p>\n<div class=\"text\" dir=\"auto\">").append(escaped(text)).append("</div>\n</div>\n");
}

}  // namespace

table table_of(const comparison& c) {
  return rows_of(c, [](const std::string& model) { return model; });
}

std::string page_of(const comparison& c) {
  std::string page = "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n";
  page += "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Comparison of models</title>\n<style>";
  page.append(style)
      .append("</style>\n</head>\n<body>\n<h1>Comparison of ")
      .append(std::to_string(c.models.size()))
      .append(" models</h1>\n");
  page.append("<div class=\"wide\">").append(rows_of(c, escaped).html()).append("</div>\n<ul class=\"notes\">\n");
  for (const std::string& note : c.notes) page.append("<li>").append(escaped(note)).append("</li>\n");
  page += "</ul>\n";
  for (std::size_t p = 0; p < c.prompts.size(); ++p) {
    page.append("<section>\n<h2>Prompt ").append(std::to_string(p + 1)).append("</h2>\n<div class=\"text prompt\" dir=\"auto\">");
    page.append(escaped(c.prompts[p].shown)).append("</div>\n");
    for (std::size_t j = 0; j < c.models[0].answers[p].size(); ++j) {
      page += "<div class=\"answers\">\n";
      for (const contender& model : c.models) add_answer(page, c, model, p, j);
      page += "</div>\n";
    }
    page += "</section>\n";
  }
  page += "</body>\n</html>\n";
  return page;
}

nlohmann::ordered_json json_of(const comparison& c) {
  nlohmann::ordered_json out{{"notes", c.notes}, {"models", nlohmann::ordered_json::array()}, {"prompts", nlohmann::ordered_json::array()}};
  const auto counts = [](const std::optional<verdicts>& v) -> nlohmann::ordered_json {
    if (!v) return nullptr;
    return {{"comparisons", v->comparisons}, {"ties", v->ties}, {"ties_by_place", v->by_place}};
  };
  for (std::size_t m = 0; m < c.models.size(); ++m) {
    nlohmann::ordered_json of_model{{"model", c.models[m].model}};
    of_model.update(json_of(c.measured[m]));
    of_model["by_score"] = counts(c.models[m].by_score);
    of_model["by_judge"] = counts(c.models[m].by_judge);
    out["models"].push_back(of_model);
  }
  for (std::size_t p = 0; p < c.prompts.size(); ++p) {
    nlohmann::ordered_json of_prompt{{"prompt", c.prompts[p].given}, {"answers", nlohmann::ordered_json::array()}};
    for (const contender& model : c.models) {
      nlohmann::ordered_json of_model = nlohmann::ordered_json::array();
      for (std::size_t j = 0; j < model.answers[p].size(); ++j) {
        const answer& a = model.answers[p][j];
        nlohmann::ordered_json one{
            {"text", a.text}, {"temperature", a.temperature}, {"tokens", a.ids.size()}, {"complete", a.ended}, {"logp", a.logp}};
        if (model.log_ratios) one["log_ratio"] = (*model.log_ratios)[p][j];
        if (c.scored) one["score"] = a.score;
        if (model.by_score) one["win_by_score"] = model.by_score->wins[p][j];
        if (model.by_judge) one["win_by_judge"] = model.by_judge->wins[p][j];
        of_model.push_back(one);
      }
      of_prompt["answers"].push_back(of_model);
    }
    out["prompts"].push_back(of_prompt);
  }
  return out;
}

}  // namespace tilt::program
