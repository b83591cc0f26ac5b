// SPDX-License-Identifier: Apache-2.0
// Writes the tiny model and pairs for it into the current folder.
#include "program/tiny_model.hpp"

int main() {
  tilt::test::write_tiny_model("tiny_model");
  tilt::test::write_text("tiny_pairs.jsonl", tilt::test::tiny_pairs(12));
  std::filesystem::remove_all("tiny_trained");
}
