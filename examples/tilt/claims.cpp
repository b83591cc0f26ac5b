// SPDX-License-Identifier: Apache-2.0
// tilt claims: what is said of preference optimisation, what is true, and the numbers that show it, measured here and now.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <tilt/io/file.hpp>
#include <tilt/theory/claims/claims.hpp>
#include <vector>

#include "commands.hpp"
#include "demo_picture.hpp"
#include "settings.hpp"
#include "table.hpp"

namespace tilt::program {
namespace {

std::string digits(double value, int significant) {
  char text[40];
  std::snprintf(text, sizeof text, "%.*g", significant, value);
  return text;
}

table table_of(const claim& c) {
  table t({"measured", "", "theory", "error", "bound"});
  for (const measurement& m : c.measurements)
    t.row({m.what, digits(m.measured, 7), digits(m.expected, 7), digits(m.error(), 2) + (m.holds() ? "" : " (!)"), digits(m.bound, 2)});
  return t;
}

/// Words in lines of at most `width` columns, each line after the first behind `indent`.
std::string wrapped(const std::string& text, std::size_t width, const std::string& indent) {
  std::string result, line;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && columns(line) + 1 + columns(word) > width) {
      result += line + "\n" + indent;
      line.clear();
    }
    line += (line.empty() ? "" : " ") + word;
    at = end + 1;
  }
  return result + line;
}

std::string text_of(const claim& c) {
  const std::string number = std::to_string(c.number);
  return (number.size() < 2 ? " " : "") + number + "  said  " + wrapped(c.said, 110, "          ") + "\n    true  " +
         wrapped(c.truth, 110, "          ") + "\n\n" + table_of(c).text() + "\n";
}

std::string picture_of(const claim_picture& picture) {
  constexpr const char* colours[] = {"#0072b2", "#d55e00", "#009e73", "#aa4499"};
  plot p{picture.title, picture.x_label, picture.y_label, {}};
  for (std::size_t i = 0; i < picture.curves.size(); ++i) {
    plot_series series{picture.curves[i].name, colours[i % 4], {}, true};
    for (const auto& [x, y] : picture.curves[i].points) series.points.push_back({x, y});
    p.series.push_back(std::move(series));
  }
  return svg_plot(p).text();
}

std::string summary_of(const std::vector<claim>& claims) {
  std::size_t count = 0, off = 0;
  for (const claim& c : claims)
    for (const measurement& m : c.measurements) ++count, off += m.holds() ? 0 : 1;
  return std::to_string(claims.size()) + " claims, " + std::to_string(count) + " measurements, " +
         (off == 0 ? "each within its bound of what theory says."
                   : std::to_string(off) + " of them off theory by more than their bound, marked (!).");
}

/// For a cell of a Markdown table.
std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '|') result += '\\';
    result += c;
  }
  return result;
}

std::string file_name(const claim& c) { return "claim-" + std::to_string(c.number) + ".svg"; }

/// docs/claims.md, whose pictures lie in figures/claims beside it.
std::string page_of(const std::vector<claim>& claims) {
  std::string t =
      "# What is said of preference optimisation, and what is true\n\n"
      "This page is the output of `tilt claims --markdown docs/claims.md`. Each number under *measured* comes out of an experiment that "
      "runs the library's own "
      "losses, mostly on a handful of answers that can be enumerated; the one under *theory* is computed in another way: by a closed form, "
      "or by counting. The error is "
      "their difference, in units of the theory's number where that is above 1. The experiments are in `include/tilt/theory/claims/`, a "
      "file for each.\n\n"
      "| # | said | true |\n|---|---|---|\n";
  for (const claim& c : claims)
    t += "| [" + std::to_string(c.number) + "](#claim-" + std::to_string(c.number) + ") | " + escaped(c.said) + " | " + escaped(c.truth) +
         " |\n";
  t += "\n" + summary_of(claims) + "\n";
  for (const claim& c : claims) {
    t += "\n## Claim " + std::to_string(c.number) + "\n\n**Said:** " + c.said + ".\n\n**True:** " + c.truth + "\n\n";
    table rows({"measured", "value", "theory", "error", "bound"});
    for (const measurement& m : c.measurements)
      rows.row({escaped(m.what), digits(m.measured, 7), digits(m.expected, 7), digits(m.error(), 2) + (m.holds() ? "" : " (!)"),
                digits(m.bound, 2)});
    t += rows.markdown();
    if (!c.picture.empty()) t += "\n![" + c.picture.title + "](figures/claims/" + file_name(c) + ")\n";
  }
  return t;
}

struct claims_command {
  explicit claims_command(CLI::App& app) : options(app) {
    options.add("markdown", markdown, "write the page there, and its pictures into figures/claims beside it", "FILE");
  }

  int run() {
    options.apply();
    std::filesystem::path figures;
    if (!markdown.empty()) {
      figures = std::filesystem::path(markdown).parent_path() / "figures" / "claims";
      std::error_code failed;
      std::filesystem::create_directories(figures, failed);
      if (failed)
        throw input_error(figures.string() + ": cannot be made a folder (" + failed.message() + "); give another place with --markdown");
    }
    std::vector<claim> claims;
    for (const auto& measure : all_claims) {
      claims.push_back(measure());
      std::fputs(text_of(claims.back()).c_str(), stdout);
      std::fflush(stdout);
    }
    std::sort(claims.begin(), claims.end(), [](const claim& a, const claim& b) { return a.number < b.number; });
    std::printf("%s\n", summary_of(claims).c_str());
    if (!markdown.empty()) {
      for (const claim& c : claims)
        if (!c.picture.empty()) write_file(figures / file_name(c), picture_of(c.picture));
      write_file(markdown, page_of(claims));
      std::printf("The page: %s\n", markdown.c_str());
    }
    return std::all_of(claims.begin(), claims.end(), [](const claim& c) { return c.holds(); }) ? 0 : 1;
  }

  settings options;
  std::string markdown;
};

}  // namespace

void add_claims(CLI::App& program, action& chosen) {
  CLI::App& app = *program.add_subcommand(
      "claims", "What is said of preference optimisation and what is true, measured in worlds that can be enumerated; needs no files");
  const auto command = std::make_shared<claims_command>(app);
  app.callback([&chosen, command] { chosen = [command] { return command->run(); }; });
}

}  // namespace tilt::program
