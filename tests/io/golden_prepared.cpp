// SPDX-License-Identifier: Apache-2.0
// Rows under a real chat model's tokenizer and template.
#include <tilt/io/model_folder.hpp>

#include "prepared_rows.hpp"

namespace tilt::test {

TEST_CASE("golden rows: tokens of pairs, labelled responses and demonstrations, conversational and plain") {
  const auto file = golden_folder() / "prepared_smollm2.json";
  const char* const models = std::getenv("TILT_MODELS");
  const auto model = (models != nullptr ? std::filesystem::path(models) : data_folder()) / "SmolLM2-135M-Instruct";
  TILT_SKIP_WITHOUT(file);
  TILT_SKIP_WITHOUT(model);
  const model_folder folder(model);
  const nlohmann::json all = read_json(file);
  for (const auto& [name, set] : all.items()) {
    INFO(name);
    check_prepared(set, folder.encoder());
  }
}

}  // namespace tilt::test
