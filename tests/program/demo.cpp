// SPDX-License-Identifier: Apache-2.0
#include <map>
#include <sstream>

#include "program/program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"

namespace {

namespace fs = std::filesystem;

/// frontier.tsv as text, by "loss_type beta" and column.
std::map<std::string, std::map<std::string, std::string>> rows_of(const fs::path& file) {
  std::istringstream lines(tilt::test::contents(file));
  std::string line, cell;
  std::vector<std::string> header;
  std::map<std::string, std::map<std::string, std::string>> rows;
  const auto split = [](const std::string& text) {
    std::vector<std::string> cells;
    std::istringstream in(text);
    for (std::string c; std::getline(in, c, '\t');) cells.push_back(c);
    return cells;
  };
  std::getline(lines, line);
  header = split(line);
  while (std::getline(lines, line)) {
    const auto cells = split(line);
    for (std::size_t c = 0; c < cells.size(); ++c) rows[cells[0] + " " + cells[1]][header[c]] = cells[c];
  }
  return rows;
}

TEST_CASE("demo: a short run learns the language, raises the reward, and draws it") {
  const fs::path folder = tilt::test::scratch_folder("demo");
  const std::vector<std::string> small = {"demo", "--language",  "12",      "--comparisons", "8", "--samples",
                                          "16",   "--loss-type", "sigmoid", "--seed",        "7"};
  const auto run = [&](const char* name, const std::vector<std::string>& more) {
    std::vector<std::string> arguments(small);
    arguments.insert(arguments.end(), {"--output", (folder / name).string()});
    arguments.insert(arguments.end(), more.begin(), more.end());
    const auto result = tilt::test::tilt_program(folder, arguments);
    INFO(result.err);
    REQUIRE(result.status == 0);
    return result;
  };
  const auto first = run("first", {"--threads", "2"});
  CHECK(first.err.find("demo") != std::string::npos);  // progress
  CHECK(first.out.find("sigmoid") != std::string::npos);
  CHECK(tilt::test::contents(folder / "first" / "report.txt") == first.out.substr(0, first.out.find("\nThe picture")));
  const std::string picture = tilt::test::contents(folder / "first" / "frontier.svg");
  CHECK(picture.starts_with("<svg"));
  CHECK(picture.ends_with("</svg>\n"));
  CHECK(picture.find("<polyline") != std::string::npos);
  CHECK(picture.find("nan") == std::string::npos);

  const auto rows = rows_of(folder / "first" / "frontier.tsv");
  REQUIRE(rows.size() == 5);
  const auto number = [&](const char* row, const char* column) { return std::stod(rows.at(row).at(column)); };
  CHECK(number("reference 0", "sentences") > 0.75);
  CHECK(number("reference 0", "kl") == 0);  // to the bit: sampled and rescored by the same weights
  for (const char* row : {"sigmoid 2", "sigmoid 1", "sigmoid 0.5"}) {
    CHECK(number(row, "reward") > number("reference 0", "reward") + 2 * number(row, "reward_error"));
    CHECK(number(row, "kl") > 2 * number(row, "kl_error"));
    CHECK(number(row, "reward") < number(row, "most_reward") + 4 * number(row, "reward_error"));  // nothing lies above the frontier
  }
  CHECK(number("sigmoid 0.5", "kl") > number("sigmoid 2", "kl"));
  CHECK(number("sigmoid 0.5", "aim_kl") > number("sigmoid 2", "aim_kl"));

  run("again", {"--threads", "1"});  // the same seed, other threads: the same table, texts and picture
  for (const char* file : {"report.txt", "frontier.tsv", "frontier.svg"})
    CHECK(tilt::test::contents(folder / "again" / file) == tilt::test::contents(folder / "first" / file));
}

TEST_CASE("demo: --full that was killed goes on, and ends in the numbers of one that was not") {
  const fs::path folder = tilt::test::scratch_folder("demo-full");
  const auto arguments = [&](const char* name, const std::vector<std::string>& more = {}) {
    std::vector<std::string> all = {"demo", "--full",  "--language", "2",        "--comparisons",         "1", "--samples", "4", "--steps",
                                    "1",    "--seeds", "1",          "--output", (folder / name).string()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const auto whole = tilt::test::tilt_program(folder, arguments("whole", {"--threads", "2"}));
  INFO(whole.err);
  REQUIRE(whole.status == 0);
  const fs::path early = folder / "killed" / "cells" / "ipo_0.2_rate_0.001_seed_1.tsv", late = folder / "killed" / "frontier.tsv";
  const auto killed = tilt::test::tilt_program(folder, arguments("killed", {"--threads", "1"}), {.signal = SIGKILL, .signal_when = early});
  CHECK(killed.status == -1);
  CHECK(!fs::exists(late));
  const auto first_cell = fs::last_write_time(early);
  const auto resumed = tilt::test::tilt_program(folder, arguments("killed", {"--threads", "1"}));
  INFO(resumed.err);
  REQUIRE(resumed.status == 0);
  CHECK(fs::last_write_time(early) == first_cell);  // done once
  for (const char* file : {"frontier.tsv", "frontier.svg"})
    CHECK(tilt::test::contents(folder / "killed" / file) == tilt::test::contents(folder / "whole" / file));
  const std::string table = tilt::test::contents(late);
  for (const char* method :
       {"dpo\t", "ipo\t", "kto\t", "unlikelihood\t", "ppo-learned\t", "ppo-true\t", "rloo\t", "grpo\t", "best-of-true\t"})
    CHECK(table.find(std::string("\n") + method) != std::string::npos);
  const std::string page = tilt::test::contents(folder / "killed" / "index.html");
  CHECK(page.find("<svg") != std::string::npos);
  CHECK(page.find("prefers-color-scheme: dark") != std::string::npos);
  CHECK(page.find("src=") == std::string::npos);  // nothing from elsewhere

  const auto other = tilt::test::tilt_program(folder, arguments("killed", {"--seed", "7"}));
  CHECK(other.status == 2);
  CHECK(other.err.find("made with other options (seed 42 there, 7 here)") != std::string::npos);
  CHECK(tilt::test::contents(late) == table);
}

TEST_CASE("demo: what cannot be used is refused before any work") {
  const fs::path folder = tilt::test::scratch_folder("demo-refusals");
  tilt::test::write_text(folder / "file", "");
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{"demo", "--samples", "1"},
                                                    {"demo", "--backend", "abacus"},
                                                    {"demo", "--output", (folder / "file").string()},
                                                    {"demo", "--loss-type", "slic"},
                                                    {"demo", "--comparisons", "0"},
                                                    {"demo", "--output", "/proc/nowhere"},
                                                    {"demo", "--steps", "3"},
                                                    {"demo", "--seeds", "3"},
                                                    {"demo", "--full", "--loss-type", "ipo"},
                                                    {"demo", "--full", "--seeds", "0"},
                                                    {"demo", "--full", "--output", (folder / "file").string()}}) {
    const auto result = tilt::test::tilt_program(folder, arguments, {.folder = folder});
    INFO(result.err);
    CHECK(result.status == 2);
    CHECK(result.err.starts_with("tilt: "));
    CHECK(result.err.find('\n') == result.err.size() - 1);
  }
}

}  // namespace
