// SPDX-License-Identifier: Apache-2.0
// Rows of every shape become the tokens that TRL makes of them (golden/make_prepared.py).
#include "prepared_rows.hpp"

namespace tilt::test {
namespace {

nlohmann::json tokenizer_of(const std::string& name) {
  const nlohmann::json golden = read_json(source_folder() / "tests/io/golden/tokenizers.json");
  for (const auto& c : golden["cases"])
    if (c["name"] == name) {
      nlohmann::json whole = c["parts"];
      whole["model"] = golden["models"][c["model"].get<std::string>()];
      whole["model"].update(c["options"]);
      return whole;
    }
  FAIL("no tokenizer is called " << name);
  return {};
}

}  // namespace

TEST_CASE("rows become the tokens that TRL makes of them") {
  const nlohmann::json golden = read_json(source_folder() / "tests/io/golden/prepared.json");
  const chat_template chat(golden["template"].get<std::string>());
  REQUIRE(golden["sets"].size() > 20);
  for (const auto& set : golden["sets"]) {
    INFO(set["name"] << " with the tokenizer of " << set["tokenizer"] << ", max_length " << set["max_length"]);
    nlohmann::json parts = tokenizer_of(set["tokenizer"]);
    parts["added_tokens"] = set["added_tokens"];
    const tokenizer words(parts, "golden");
    check_prepared(set, {&words, &chat, set["end"].get<std::string>()});
  }
}

}  // namespace tilt::test
