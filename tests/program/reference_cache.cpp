// SPDX-License-Identifier: Apache-2.0
// --reference-cache: a run has the same bits with what an earlier one has left as without, and nothing that is another's.
#include "bad_input.hpp"

using namespace tilt::test;
using nlohmann::json;

namespace {

using arguments = std::vector<std::string>;

struct cached_runs {
  explicit cached_runs(const char* name) : place(name), cache(place.folder / "cache") { write_text(place.train, tiny_pairs(12)); }

  struct trained {
    std::string weights, err;
    bool taken = false;  ///< log-probabilities of an earlier run
  };
  trained train(arguments more, const std::string& method = "dpo") const {
    workplace other = place;
    other.arguments[0] = method;
    for (const std::string& option : more)
      if (std::find(place.arguments.begin(), place.arguments.end(), option) != place.arguments.end()) other.leave_out(option);
    fs::remove_all(place.output);
    const outcome result = other.run(std::move(more));
    INFO(result.err);
    REQUIRE(result.status == 0);
    return {contents(place.output / "model.safetensors"), result.err,
            result.err.find(" tokens, as an earlier run computed them\n") != std::string::npos};
  }
  /// The run with the cache, which must have the bits of the one without.
  trained same_bits(const arguments& more, const std::string& method = "dpo") const {
    arguments with = more;
    with.insert(with.end(), {"--reference-cache", cache});
    trained result = train(with, method);
    CHECK(result.weights == train(more, method).weights);
    return result;
  }
  std::vector<fs::path> files() const {
    std::vector<fs::path> all;
    for (const auto& entry : fs::directory_iterator(cache)) all.push_back(entry.path());
    return all;
  }

  workplace place;
  fs::path cache;
};

}  // namespace

TEST_CASE("reference cache: computed once for all runs on the same data") {
  const cached_runs runs("reference_cache");
  const auto first = runs.same_bits({});
  CHECK_FALSE(first.taken);
  const std::size_t begins = first.err.find("tilt: log-probabilities of the reference for 12 examples …\n"),
                    ends = first.err.find("reference  12/12 ");
  REQUIRE(begins != std::string::npos);
  REQUIRE(ends != std::string::npos);
  CHECK(begins < ends);
  CHECK(first.err.find(" took ", ends) < first.err.find('\n', ends));
  REQUIRE(runs.files().size() == 1);
  for (const arguments& more : {arguments{}, arguments{"--beta", "0.5"}, arguments{"--loss-type", "ipo"}, arguments{"--batch-size", "3"},
                                arguments{"--max-tokens", "32"}, arguments{"--threads", "2"}, arguments{"--learning-rate", "0.01"}}) {
    INFO((more.empty() ? "again" : more[0]));
    const auto again = runs.same_bits(more);
    CHECK(again.taken);
    CHECK(again.err.find("log-probabilities of the reference for") == std::string::npos);
    CHECK(again.err.find(runs.files()[0].string() + ": the reference's log-probabilities of ") != std::string::npos);
  }
  CHECK(runs.files().size() == 1);
  // A trained model has the same reference, where that is given.
  write_tiny_model(runs.place.folder / "other", 2);
  CHECK(runs.same_bits({"--model", runs.place.folder / "other", "--reference-model", runs.place.model}).taken);
  // Examples to evaluate on have a file of their own.
  write_text(runs.place.folder / "eval.jsonl", tiny_pairs(3, 20));
  runs.same_bits({"--eval", runs.place.folder / "eval.jsonl"});
  CHECK(runs.files().size() == 2);
}

TEST_CASE("reference cache: what is not the same is computed anew") {
  const cached_runs runs("reference_cache_stale");
  runs.same_bits({});
  std::size_t files = 1;
  const auto anew = [&](const char* what, const arguments& more) {
    INFO(what);
    CHECK_FALSE(runs.same_bits(more).taken);
    CHECK(runs.files().size() == ++files);
    CHECK(runs.same_bits(more).taken);
  };
  anew("a length that cuts", {"--max-length", "8"});
  anew("another number type", {"--dtype", "float64"});
  anew("another backend", {"--backend", "reference"});
  const std::string model = contents(runs.place.model / "model.safetensors"), config = contents(runs.place.model / "config.json");
  write_tiny_model(runs.place.model, 2);
  anew("other weights in the same place", {});
  write_text(runs.place.model / "model.safetensors", model);
  json changed = tiny_config();
  changed["rope_theta"] = 500.0;
  write_text(runs.place.model / "config.json", changed.dump());
  anew("another config of the same weights", {});
  write_text(runs.place.model / "config.json", config);
  write_text(runs.place.train, tiny_pairs(11) + tiny_pairs(1, 50));
  anew("another line in the same file", {});
  std::string turned = tiny_pairs(12);
  turned.replace(turned.find(" yes "), 5, " yea ");
  write_text(runs.place.train, turned);
  anew("another letter in the same file", {});
}

TEST_CASE("reference cache: kto has its mismatched pairs beside") {
  const cached_runs runs("reference_cache_kto");
  const std::string said = runs.same_bits({}, "kto").err;
  CHECK(said.find("tilt: log-probabilities of the reference for 24 examples …\n") != std::string::npos);
  CHECK(said.find("tilt: log-probabilities of the reference for 24 mismatched pairs …\n") != std::string::npos);
  CHECK(runs.files().size() == 2);
  CHECK(runs.same_bits({"--beta", "0.5"}, "kto").taken);
  CHECK(runs.files().size() == 2);
  runs.same_bits({"--batch-size", "4"}, "kto");  // other pairs, but the same responses
  CHECK(runs.files().size() == 3);
}

TEST_CASE("reference cache: what a run left in part is not believed") {
  const cached_runs runs("reference_cache_damaged");
  const std::string without = runs.train({}).weights;
  runs.same_bits({});
  const fs::path file = runs.files().at(0);
  const std::string whole = contents(file);
  std::string flipped = whole;
  flipped[flipped.size() - 3] = static_cast<char>(flipped[flipped.size() - 3] ^ 1);
  for (const std::string& damaged : {whole.substr(0, whole.size() / 2), std::string(), flipped}) {
    write_text(file, damaged);
    const auto repaired = runs.same_bits({});
    CHECK_FALSE(repaired.taken);
    CHECK(repaired.err.find(file.string() + ": is damaged or was made for something else; ") != std::string::npos);
    CHECK(contents(file) == whole);
  }
  fs::rename(file, file.string() + ".tmp-1");  // as a run that was killed leaves it
  write_text(file.string() + ".tmp-1", whole.substr(0, whole.size() / 2));
  CHECK_FALSE(runs.same_bits({}).taken);
  CHECK(contents(file) == whole);

  arguments all = runs.place.arguments;
  all.insert(all.end(), {"--reference-cache", runs.cache});
  fs::remove_all(runs.cache);
  fs::remove_all(runs.place.output);
  const double took = tilt_program(runs.place.folder, all).seconds;
  int met = 0;  // the kills at the first byte of a file, which are the last two of these, among them
  for (int moment = 1; moment <= 14; ++moment) {
    fs::remove_all(runs.cache);
    fs::remove_all(runs.place.output);
    const run_options at_first_byte{.signal = SIGKILL, .signal_when = runs.cache};
    tilt_program(runs.place.folder, all, moment > 12 ? at_first_byte : run_options{.kill_after = 0.08 * moment * took});
    met += fs::exists(runs.cache) && !fs::is_empty(runs.cache) ? 1 : 0;
    if (fs::exists(file)) CHECK(contents(file) == whole);
    CHECK(runs.train({"--reference-cache", runs.cache}).weights == without);
  }
  CHECK(met >= 2);
}

TEST_CASE("reference cache: a full disk leaves nothing of it") {
  const workplace place("reference_cache_full");
  const fs::path cache = place.folder / "cache";
  outcome full = place.run({"--reference-cache", cache}, {.largest_file = 512});
  const std::size_t last = full.err.rfind("tilt: ");  // behind how far the pass was
  REQUIRE(last != std::string::npos);
  full.err.erase(0, last);
  refuses(full, {"reference-", "cannot be written"});
  CHECK(fs::is_empty(cache));
  writes_nothing(place);
}

TEST_CASE("reference cache: a plan looks, and writes nothing") {
  const cached_runs runs("reference_cache_plan");
  write_text(runs.place.train, tiny_pairs(300));  // which the reference reads at once, where a step has two of them
  arguments all = runs.place.arguments;
  all.insert(all.end(), {"--reference-cache", runs.cache, "--plan"});
  const auto peak = [&] {
    fs::remove_all(runs.place.output);
    const outcome planned = tilt_program(runs.place.folder, all);
    INFO(planned.err);
    REQUIRE(planned.status == 0);
    CHECK(planned.err.empty());
    return std::stod(planned.out.substr(planned.out.find("\npeak ") + 6));
  };
  const double without = peak();
  CHECK_FALSE(fs::exists(runs.cache));
  runs.train({"--reference-cache", runs.cache});
  CHECK(peak() < without - 1);  // MB: the reference's pass is not to come
  CHECK(runs.files().size() == 1);
}

TEST_CASE("reference cache: where there is nothing to keep it is refused") {
  const workplace place("reference_cache_refused");
  const fs::path cache = place.folder / "cache";
  refused(place, {"--reference-cache: an online reference "}, {"--reference-cache", cache, "--reference", "online"});
  refused(place, {"--reference-cache: with sync_ref_model "},
          {"--reference-cache", cache, "--reference", "online", "--sync-ref-model", "--ref-model-sync-steps", "1"});
  refused(place, {"--reference-cache: the loss simpo has no reference"}, {"--reference-cache", cache, "--loss-type", "simpo"});
  refused(place, {"--reference-cache: is empty"}, {"--reference-cache", ""});
  refused(place, {"--reference-cache: ", "train.jsonl", " cannot be a folder "}, {"--reference-cache", place.train});
  refused(place, {"--reference-cache: ", "/proc/nowhere", " cannot be a folder "}, {"--reference-cache", "/proc/nowhere"});
  CHECK_FALSE(fs::exists(cache));
  for (const char* method : {"sft", "reward", "ppo", "rloo", "grpo", "reinforce", "iterate"}) {
    const outcome no = tilt_program(place.folder, {method, "--reference-cache", cache});
    refuses(no, {"--reference-cache: is an option of tilt dpo and tilt kto, and tilt ", " does not use it"});
  }
}
