// SPDX-License-Identifier: Apache-2.0
// docs/losses.md is the library's table of losses, and has a section and a small figure for each.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <tilt/loss/losses.hpp>
#include <vector>

#include "support/catch.hpp"

namespace fs = std::filesystem;

namespace {

const fs::path docs = fs::path(TILT_SOURCE_DIR) / "docs";

std::vector<std::string> lines_of(const fs::path& file) {
  std::ifstream in(file);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

std::string row_of(const tilt::loss_description& loss) {
  std::ostringstream row;
  row << "| `" << loss.name << "` | " << loss.formula << " | " << (loss.reference ? "yes" : "no") << " | " << loss.data << " | ";
  for (std::size_t i = 0; i < loss.options.size(); ++i) row << (i > 0 ? ", " : "") << '`' << loss.options[i] << '`';
  row << " | " << loss.paper << " |";
  return row.str();
}

}  // namespace

TEST_CASE("the document's table of losses is the library's") {
  const std::vector<std::string> lines = lines_of(docs / "losses.md");
  const auto head = std::find(lines.begin(), lines.end(), "| name | formula | reference | data | options | paper |");
  REQUIRE(head != lines.end());
  std::vector<std::string> documented;
  for (auto line = head + 2; line != lines.end() && !line->empty(); ++line) documented.push_back(*line);
  std::vector<std::string> expected;
  for (const tilt::loss_description& loss : tilt::loss_table()) expected.push_back(row_of(loss));
  CHECK(documented.size() == expected.size());
  for (std::size_t i = 0; i < std::min(documented.size(), expected.size()); ++i) CHECK(documented[i] == expected[i]);
}

TEST_CASE("every loss has a section and a figure") {
  const std::vector<std::string> lines = lines_of(docs / "losses.md");
  for (const tilt::loss_description& loss : tilt::loss_table()) {
    const std::string name(loss.name);
    CAPTURE(name);
    CHECK(std::count(lines.begin(), lines.end(), "### " + name) == 1);
    CHECK(std::count(lines.begin(), lines.end(), "![" + name + "](figures/losses/" + name + ".svg)") == 1);
    const fs::path figure = docs / "figures" / "losses" / (name + ".svg");
    REQUIRE(fs::exists(figure));
    CHECK(fs::file_size(figure) < 20000);
    CHECK_FALSE(loss.formula.empty());
    CHECK_FALSE(loss.paper.empty());
  }
}
