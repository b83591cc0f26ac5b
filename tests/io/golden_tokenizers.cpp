// SPDX-License-Identifier: Apache-2.0
// What the tokenizers library makes of awkward strings: every id, and every text that comes back.
#include <tilt/io/tokenizer.hpp>

#include "support/catch.hpp"
#include "support/paths.hpp"

namespace {

void check(const nlohmann::json& rows, const std::filesystem::path& folder) {
  REQUIRE_FALSE(rows.empty());
  const tilt::tokenizer tokenizer(folder / "tokenizer.json");
  for (const auto& row : rows) {
    const std::string text = row["text"];
    INFO(row["text"].dump(-1, ' ', true));
    CHECK(tokenizer.encode(text) == row["ids"].get<std::vector<tilt::token>>());
    const std::vector<tilt::token> plain = tokenizer.encode(text, false);
    CHECK(plain == row["ids_plain"].get<std::vector<tilt::token>>());
    CHECK(tokenizer.decode(row["ids_plain"].get<std::vector<tilt::token>>()) == row["decoded"].get<std::string>());
  }
}

/// The folder of a tokenizer: beside the data, or wherever TILT_MODELS says.
std::filesystem::path folder_of(const std::string& name) {
  const char* const models = std::getenv("TILT_MODELS");
  if (models != nullptr && std::filesystem::exists(std::filesystem::path(models) / name)) return std::filesystem::path(models) / name;
  return tilt::test::data_folder() / name;
}

}  // namespace

TEST_CASE("golden tokenizers: SentencePiece-style byte-pair encoding") {
  TILT_SKIP_WITHOUT(tilt::test::golden_folder() / "tokenizers.json");
  TILT_SKIP_WITHOUT(folder_of("stories260K"));
  check(tilt::read_json(tilt::test::golden_folder() / "tokenizers.json").at("stories260K"), folder_of("stories260K"));
}

TEST_CASE("golden tokenizers: byte-level byte-pair encoding") {
  TILT_SKIP_WITHOUT(tilt::test::golden_folder() / "tokenizers.json");
  TILT_SKIP_WITHOUT(folder_of("SmolLM2-135M-Instruct"));
  const nlohmann::json all = tilt::read_json(tilt::test::golden_folder() / "tokenizers.json");
  check(all.at("SmolLM2-135M-Instruct"), folder_of("SmolLM2-135M-Instruct"));
}
