// SPDX-License-Identifier: Apache-2.0
// A cached reference's log-probabilities as files that a later run takes: the same bits with and without, and nothing but its own.
#include "support/catch.hpp"
#include "support/paths.hpp"
#include "world.hpp"
#include <fstream>
#include <iterator>
#include <tilt/loss/bco.hpp>
#include <tilt/loss/dpo.hpp>
#include <tilt/loss/kto.hpp>
#include <tilt/loss/simpo.hpp>
#include <tilt/train/kto.hpp>
#include <tilt/train/preference.hpp>
#include <tilt/train/reference_files.hpp>

using tilt::training_options;
using tilt::test::random_examples;
using tilt::test::world;
namespace fs = std::filesystem;

namespace {

struct outcome {
  std::vector<double> weights, losses;
  std::vector<std::string> said;
};

template <class T = double, class Objective>
outcome go(const Objective& objective, const std::vector<tilt::prompt_tree>& train, const fs::path& folder, std::uint64_t seed = 5,
           training_options options = {}) {
  world<T> w(seed);
  options.learning_rate = 0.01;
  options.batch_size = 4;
  options.num_train_epochs = 1;
  options.logging_steps = 1;
  options.reference_cache = folder.string();
  tilt::trainer<tilt::reference_backend<T>, Objective> trainer(w.policy, objective, options);
  outcome o;
  if (!folder.empty()) tilt::keep_reference(trainer, [&o](const std::string& sentence) { o.said.push_back(sentence); });
  for (const tilt::step_report& step : trainer.run(train)) o.losses.push_back(step.metrics["loss"]);
  const auto weights = w.weights();
  o.weights.assign(weights.begin(), weights.end());
  return o;
}
std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  return files;
}
std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}
void put(const fs::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

template <class T = double, class Objective> void check_same_bits(const Objective& objective, int responses, const char* name, std::size_t files) {
  INFO(name);
  const auto examples = random_examples(11, responses, 1);
  const fs::path folder = tilt::test::scratch_folder(name);
  const outcome without = go<T>(objective, examples, {}), first = go<T>(objective, examples, folder), second = go<T>(objective, examples, folder);
  CHECK(first.said.empty());
  CHECK(files_in(folder).size() == files);
  CHECK(second.said.size() == files);
  for (const std::string& sentence : second.said) CHECK(sentence.find(" as an earlier run computed them") != std::string::npos);
  for (const outcome* with : {&first, &second}) {
    CHECK(with->weights == without.weights);
    CHECK(with->losses == without.losses);
  }
}

}  // namespace

TEST_CASE("a run has the same bits with a reference that an earlier run has left") {
  check_same_bits(tilt::preference_objective(tilt::dpo{.beta = 0.5}), 2, "reference-dpo", 1);
  check_same_bits<float>(tilt::preference_objective(tilt::dpo{.beta = 0.5}), 2, "reference-float", 1);
  check_same_bits(tilt::labelled_objective(tilt::kto{.beta = 0.5}), 1, "reference-kto", 2);  // mismatched pairs beside its own
}

TEST_CASE("log-probabilities in the folder are what the run goes by") {
  const auto pairs = random_examples(11, 2, 1);
  const fs::path folder = tilt::test::scratch_folder("reference-used");
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  const outcome honest = go(objective, pairs, folder);
  const fs::path file = files_in(folder).at(0);
  std::map<std::string, std::string> metadata;
  std::vector<double> logps;
  {
    const tilt::safetensors_file kept(file);
    metadata = kept.metadata();
    logps = kept.find("logps")->values<double>();
  }
  CHECK(metadata.at("dtype") == "float64");
  CHECK(metadata.at("backend") == "reference");
  for (double& v : logps) v *= 2;
  metadata["checksum"] = tilt::detail::checksum_of<double>(logps);
  const tilt::tensor_to_write tensor{"logps", {static_cast<tilt::index>(logps.size())}};
  tilt::write_safetensors(file, std::span(&tensor, 1), tilt::element_type::f64, [&](std::size_t) { return logps; }, metadata);
  CHECK(go(objective, pairs, folder).losses[0] != honest.losses[0]);
}

TEST_CASE("a damaged file is computed again and replaced") {
  const auto pairs = random_examples(11, 2, 1);
  const fs::path folder = tilt::test::scratch_folder("reference-damaged");
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  const outcome honest = go(objective, pairs, folder);
  const fs::path file = files_in(folder).at(0);
  const std::string whole = text_of(file);
  std::string flipped = whole, other = whole;
  flipped[flipped.size() - 3] = static_cast<char>(flipped[flipped.size() - 3] ^ 1);
  other.replace(other.find("float64"), 7, "float32");  // of another run, under this one's name
  for (const std::string& text : {whole.substr(0, whole.size() - 8), std::string("nothing"), std::string(), flipped, other}) {
    put(file, text);
    const outcome repaired = go(objective, pairs, folder);
    REQUIRE(repaired.said.size() == 1);
    CHECK(repaired.said[0].find(file.string() + ": is damaged or was made for something else; ") == 0);
    CHECK(repaired.weights == honest.weights);
    CHECK(text_of(file) == whole);
  }
}

TEST_CASE("another model, config, text or number type has a file of its own") {
  const auto pairs = random_examples(11, 2, 1);
  const fs::path folder = tilt::test::scratch_folder("reference-others");
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  std::size_t files = 0;
  const auto is_new = [&](const outcome& o, bool fresh = true) {
    CHECK(o.said.empty() == fresh);
    files += fresh ? 1 : 0;
    CHECK(files_in(folder).size() == files);
  };
  is_new(go(objective, pairs, folder));
  is_new(go(objective, pairs, folder, 6));
  is_new(go(objective, random_examples(11, 2, 2), folder));
  is_new(go(objective, random_examples(10, 2, 1), folder));
  is_new(go<float>(objective, pairs, folder));
  is_new(go(tilt::preference_objective(tilt::dpo{.beta = 0.1}), pairs, folder), false);  // the loss is not the reference's
  is_new(go(objective, pairs, folder, 5, {.max_tokens = 16}), false);                      // nor are packs
  auto weighted = pairs;
  weighted[0].edges[0].weight = 3;
  is_new(go(objective, weighted, folder), false);
  tilt::model_config turned = tilt::test::small_config();
  turned.rope_theta = 500;
  CHECK(tilt::detail::hash_of(turned) != tilt::detail::hash_of(tilt::test::small_config()));
}

TEST_CASE("where there is nothing to keep, the option is refused by name") {
  const auto pairs = random_examples(4, 2, 1);
  const fs::path folder = tilt::test::scratch_folder("reference-refused");
  const auto message = [&](const auto& run) -> std::string {
    try {
      run();
    } catch (const tilt::input_error& e) {
      return e.what();
    }
    return "accepted";
  };
  const tilt::preference_objective objective(tilt::dpo{.beta = 0.5});
  CHECK(message([&] { go(objective, pairs, folder, 5, {.reference = tilt::reference_mode::online}); }).find("reference_cache: an online reference ") == 0);
  CHECK(message([&] { go(tilt::preference_objective(tilt::simpo{}), pairs, folder); }).find("reference_cache: the loss simpo has no reference") == 0);
  put(folder / "file", "");
  CHECK(message([&] { go(objective, pairs, folder / "file"); }).find("reference_cache: ") == 0);
  world<double> w;
  tilt::trainer<tilt::reference_backend<double>, tilt::preference_objective<tilt::dpo>> untold(w.policy, objective, {.reference_cache = folder.string()});
  CHECK(message([&] { untold.run(pairs); }).find("reference_cache: the trainer does not know ") == 0);
}
