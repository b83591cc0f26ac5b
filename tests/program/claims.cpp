// SPDX-License-Identifier: Apache-2.0
// tilt claims: its table, row by row, its page and pictures; and that docs/claims.md is that page.
#include <cstdlib>
#include <sstream>

#include "program/program.hpp"
#include "support/catch.hpp"
#include "support/paths.hpp"

namespace {

namespace fs = std::filesystem;

struct measured_row {
  std::string what;
  double value, theory, error, bound;
};

/// The rows of the page's tables of measurements: | what | value | theory | error | bound |, in which \| is part of a cell.
std::vector<measured_row> rows_of(const std::string& page) {
  std::vector<measured_row> rows;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    std::vector<std::string> cells(1);
    for (std::size_t i = 1; i < line.size(); ++i) {
      if (line[i] == '|' && line[i - 1] != '\\')
        cells.emplace_back();
      else
        cells.back() += line[i];
    }
    cells.pop_back();
    if (!line.starts_with("|") || cells.size() != 5 || cells[1] == " value " || cells[0] == "---") continue;
    const auto number = [&](std::size_t i) {
      char* end = nullptr;
      const double x = std::strtod(cells[i].c_str(), &end);
      CHECK(std::string(end) == " ");  // the cell is a number and nothing else
      return x;
    };
    rows.push_back({cells[0], number(1), number(2), number(3), number(4)});
  }
  return rows;
}

TEST_CASE("claims: every row is within its bound, on the page too, and pictures are drawn") {
  const fs::path folder = tilt::test::scratch_folder("claims");
  const auto result = tilt::test::tilt_program(folder, {"claims", "--markdown", (folder / "page" / "claims.md").string()});
  INFO(result.err);
  REQUIRE(result.status == 0);
  CHECK(result.out.find("(!)") == std::string::npos);
  CHECK(result.out.find("each within its bound of what theory says") != std::string::npos);
  const std::string page = tilt::test::contents(folder / "page" / "claims.md");
  const auto rows = rows_of(page);
  CHECK(rows.size() > 70);
  for (const measured_row& r : rows) {
    CAPTURE(r.what);
    CHECK(r.error <= r.bound);
    CHECK(std::abs(r.value - r.theory) <=
          r.bound * std::max(1.0, std::abs(r.theory)) + 1e-6 * std::abs(r.theory));  // seven digits are printed
  }
  for (const int number : {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18}) {
    CAPTURE(number);
    CHECK(page.find("\n## Claim " + std::to_string(number) + "\n") != std::string::npos);
  }
  int pictures = 0;
  for (std::size_t at = 0; (at = page.find("](figures/", at)) != std::string::npos; ++at, ++pictures) {
    const std::string picture = tilt::test::contents(folder / "page" / page.substr(at + 2, page.find(')', at) - at - 2));
    CHECK(picture.starts_with("<svg"));
    CHECK(picture.find("<polyline") != std::string::npos);
    CHECK(picture.find("nan") == std::string::npos);
  }
  CHECK(pictures >= 6);

  // docs/claims.md: the same claims and the same numbers, but for the last digits, which other machines round otherwise.
  const auto kept = rows_of(tilt::test::contents(tilt::test::source_folder() / "docs" / "claims.md"));
  REQUIRE(kept.size() == rows.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CAPTURE(rows[i].what);
    CHECK(kept[i].what == rows[i].what);
    CHECK(std::abs(kept[i].value - rows[i].value) <= 1e-5 * std::abs(rows[i].value) + 1e-12);
    CHECK(kept[i].bound == rows[i].bound);
  }
}

TEST_CASE("claims: a place that cannot be written is refused before any work") {
  const fs::path folder = tilt::test::scratch_folder("claims-refusals");
  tilt::test::write_text(folder / "file", "");
  const auto result = tilt::test::tilt_program(folder, {"claims", "--markdown", (folder / "file" / "claims.md").string()});
  CHECK(result.status == 2);
  CHECK(result.err.starts_with("tilt: "));
  CHECK(result.out.empty());
}

}  // namespace
