// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <tilt/io/named_values.hpp>
#include <tilt/io/safetensors.hpp>
#include <tilt/train/state.hpp>
#include <unistd.h>
#include <utility>
#include <vector>

// Needs tilt::io.

namespace tilt {

namespace detail {
inline constexpr int checkpoint_format = 3;

inline void put(named_values& to, const run_identity& i) {
  to.set("dtype", i.dtype);
  to.set("data", i.data);
  to.set("reference", i.reference);
  to.set("total_steps", i.total_steps);
  std::vector<std::string> names, values;
  for (const named_value& s : i.settings) names.push_back(s.name), values.push_back(s.value);
  to.set("settings", names);
  to.set("values", values);
}
inline run_identity identity_of(const named_values& v) {
  run_identity i{.dtype = v.get<std::string>("dtype"),
                 .data = v.get<std::uint64_t>("data"),
                 .reference = v.get<std::uint64_t>("reference"),
                 .total_steps = v.get<index>("total_steps"),
                 .settings = {}};
  const auto names = v.get<std::vector<std::string>>("settings"), values = v.get<std::vector<std::string>>("values");
  if (names.size() != values.size()) throw input_error("has no proper 'values'");
  for (std::size_t k = 0; k < names.size(); ++k) i.settings.push_back({names[k], values[k]});
  return i;
}
}  // namespace detail

/// Writes a folder with the state of a run, which replaces what has that name: state.json, state.safetensors, and what `more` adds to
/// it. It is written beside its place and then takes it (replace_folder), so that it is there as a whole or not at all. Throws input_error where it cannot.
template <class T> void write_checkpoint(const std::filesystem::path& folder, const training_state<T>& state, const std::function<void(const std::filesystem::path&)>& more = {}) {
  namespace fs = std::filesystem;
  const fs::path fresh = folder.string() + ".tmp-" + std::to_string(::getpid());
  try {
    fs::remove_all(fresh);
    fs::create_directories(fresh);
    named_values values;
    values.set("format", detail::checkpoint_format);
    detail::put(values, state.identity);
    values.set("step", state.step);
    values.set("num_tokens", state.tokens);
    values.set("optimizer_count", state.optimizer_count);
    values.set("window", state.window);
    values.set("objective", state.objective);
    if (state.best_loss < std::numeric_limits<double>::infinity()) values.set("best_loss", state.best_loss);
    values.set("kl_spent", state.kl_spent);
    write_file(fresh / "state.json", values.text());
    std::vector<tensor_to_write> tensors{{"weights", {static_cast<index>(state.weights.size())}}, {"moments", {static_cast<index>(state.moments.size())}}};
    if (!state.reference_weights.empty()) tensors.push_back({"reference_weights", {static_cast<index>(state.reference_weights.size())}});
    write_safetensors(fresh / "state.safetensors", tensors, sizeof(T) == 4 ? element_type::f32 : element_type::f64,
                      [&](std::size_t i) -> std::span<const T> { return i == 0 ? state.weights : i == 1 ? state.moments : state.reference_weights; });
    if (more) more(fresh);
    atomic_file::sync_folder(fresh);
    replace_folder(fresh, folder);
  } catch (const fs::filesystem_error& e) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw input_error(folder.string() + ": the checkpoint cannot be written (" + e.code().message() + "); free space or give another output_dir");
  } catch (...) {
    std::error_code ignored;
    fs::remove_all(fresh, ignored);
    throw;
  }
}

/// Reads it back, bit for bit. Throws input_error where the folder is not a whole checkpoint of numbers of type T.
template <class T> training_state<T> read_checkpoint(const std::filesystem::path& folder) {
  const auto refuse = [&](const std::string& what) { throw input_error(folder.string() + ": " + what + "; give a folder that a run has written as a checkpoint"); };
  const std::filesystem::path file = folder / "state.json";
  if (!std::filesystem::exists(file)) refuse("has no state.json");
  training_state<T> state;
  state.origin = folder.string();
  int format = 0;
  try {
    const named_values values(mapped_file(file).text());
    format = values.get<int>("format");
    if (format == detail::checkpoint_format) {
      state.identity = detail::identity_of(values);
      state.step = values.get<index>("step");
      state.tokens = values.get<index>("num_tokens");
      state.optimizer_count = values.get<index>("optimizer_count");
      state.window = values.get<std::vector<double>>("window");
      state.objective = values.get<std::vector<double>>("objective");
      if (values.has("best_loss")) state.best_loss = values.get<double>("best_loss");
      state.kl_spent = values.get<double>("kl_spent");
    }
  } catch (const input_error& e) {
    refuse(std::string("has a state.json that ") + e.what());
  }
  if (format != detail::checkpoint_format) refuse("was written by another version of the library");
  const std::string dtype = "float" + std::to_string(8 * sizeof(T));
  if (state.identity.dtype != dtype) throw input_error("dtype: " + folder.string() + " was written by a run in " + state.identity.dtype + "; resume with it, or begin another run");
  const safetensors_file tensors(folder / "state.safetensors");
  for (auto [name, values] : {std::pair("weights", &state.weights), std::pair("moments", &state.moments)}) {
    const safetensor* const tensor = tensors.find(name);
    if (tensor == nullptr) refuse(std::string("has no ") + name);
    *values = tensor->template values<T>();
  }
  if (const safetensor* const moved = tensors.find("reference_weights"); moved != nullptr) state.reference_weights = moved->template values<T>();
  return state;
}

/// Folders named checkpoint-<step> in a run's output_dir, by step.
inline std::vector<std::pair<index, std::filesystem::path>> checkpoints_in(const std::filesystem::path& output_dir) {
  std::vector<std::pair<index, std::filesystem::path>> found;
  if (!std::filesystem::is_directory(output_dir)) return found;
  for (const auto& entry : std::filesystem::directory_iterator(output_dir)) {
    const std::string name = entry.path().filename().string(), prefix = "checkpoint-";
    if (!entry.is_directory() || name.rfind(prefix, 0) != 0) continue;
    const std::string number = name.substr(prefix.size());
    if (number.empty() || number.size() > 15 || number.find_first_not_of("0123456789") != std::string::npos) continue;
    found.emplace_back(static_cast<index>(std::stoll(number)), entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

/// The last of them, if there is one.
inline std::optional<std::filesystem::path> latest_checkpoint(const std::filesystem::path& output_dir) {
  const auto found = checkpoints_in(output_dir);
  if (found.empty()) return std::nullopt;
  return found.back().second;
}

/// Has a trainer write its checkpoints under its output_dir, keeping the last save_total_limit of the numbered ones; `more(folder)` may
/// add files to each, a model folder for one.
template <class Trainer> void keep_checkpoints(Trainer& trainer, std::function<void(const std::filesystem::path&)> more = {}) {
  using T = typename Trainer::T;
  const std::filesystem::path output = trainer.options().output_dir;
  if (output.empty()) throw input_error("output_dir: it is empty, and checkpoints need a place; give one");
  const index limit = trainer.options().save_total_limit;
  trainer.save_with([output, limit, more = std::move(more)](const std::string& name, const training_state<T>& state) {
    write_checkpoint(output / name, state, more);
    auto numbered = checkpoints_in(output);
    const auto surplus = limit > 0 ? static_cast<index>(numbered.size()) - limit : 0;
    for (index i = 0; i < surplus; ++i) std::filesystem::remove_all(numbered[static_cast<std::size_t>(i)].second);
    return (output / name).string();
  });
}

}  // namespace tilt
