// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdio>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tilt/io/safetensors.hpp>
#include <tilt/train/fingerprint.hpp>
#include <tilt/train/reference_cache.hpp>
#include <unistd.h>
#include <utility>
#include <vector>

// Needs tilt::io.

namespace tilt {

namespace detail {
template <class T> std::string checksum_of(std::span<const T> values) {
  fingerprint f;
  f.add(values);
  return std::to_string(f.value());
}
/// "reference-0123456789abcdef.safetensors"
inline std::string file_of(const reference_key& key) {
  fingerprint f;
  for (const named_value& part : key) {
    f.add(std::span<const char>(part.name));
    f.add(std::span<const char>(part.value));
  }
  char name[48];
  std::snprintf(name, sizeof name, "reference-%016llx.safetensors", static_cast<unsigned long long>(f.value()));
  return name;
}
/// The log-probabilities of a file, if it is whole, and of this key.
template <class T>
std::optional<std::vector<T>> read_reference(const std::filesystem::path& path, const reference_key& key, index count) try {
  const safetensors_file file(path);
  const auto says = [&file](const std::string& name, const std::string& value) {
    const auto found = file.metadata().find(name);
    return found != file.metadata().end() && found->second == value;
  };
  for (const named_value& part : key)
    if (!says(part.name, part.value)) return std::nullopt;
  const safetensor* const kept = file.find("logps");
  if (kept == nullptr || kept->count() != count || name_of(kept->type).bytes != sizeof(T)) return std::nullopt;
  std::vector<T> logps = kept->template values<T>();
  if (!says("checksum", checksum_of<T>(logps))) return std::nullopt;
  return logps;
} catch (const input_error&) { return std::nullopt; }
}  // namespace detail

/// Has a trainer keep the log-probabilities of its cached reference as files in its option reference_cache, and take them from there where
/// an earlier run has left them: of the same weights and config, token ids, number type, backend and build, so that a run has the same bits
/// with them as without. A file appears whole or not at all; one that is damaged or not what its name says is computed again, and
/// replaced. The folder is made when there is something to keep. `tell` is told a sentence of each file that is read or replaced. Throws
/// input_error where the folder cannot be written.
template <class Trainer> void keep_reference(Trainer& trainer, std::function<void(const std::string&)> tell = {}) {
  using T = typename Trainer::T;
  namespace fs = std::filesystem;
  const fs::path folder = trainer.options().reference_cache;
  if (folder.empty()) throw input_error("reference_cache: it is empty, and log-probabilities need a place; give a folder");
  const auto fail = [folder] { throw input_error("reference_cache: " + folder.string() + " cannot be a folder to write in; give another place"); };
  std::error_code absent;
  if (fs::exists(folder, absent) && !fs::is_directory(folder, absent)) fail();
  const auto say = [tell = std::move(tell)](const std::string& sentence) {
    if (tell) tell(sentence);
  };
  trainer.store_reference_in(
      {[folder](const reference_key& key, index count) {
         return detail::read_reference<T>(folder / detail::file_of(key), key, count).has_value();
       },
       [folder, say, fail](const reference_key& key, index count) -> std::optional<std::vector<T>> {
         const fs::path file = folder / detail::file_of(key);
         std::error_code failure;
         if (!fs::exists(file, failure)) {
           fs::create_directories(folder, failure);
           if (failure || ::access(folder.c_str(), W_OK) != 0) fail();  // before what is to be kept there has been computed
           return std::nullopt;
         }
         auto logps = detail::read_reference<T>(file, key, count);
         if (logps)
           say(file.string() + ": the reference's log-probabilities of " + std::to_string(count) +
               " tokens, as an earlier run computed them");
         else
           say(file.string() + ": is damaged or was made for something else; the reference's log-probabilities are computed again");
         return logps;
       },
       [folder](const reference_key& key, std::span<const T> logps) {
         std::map<std::string, std::string> metadata{{"checksum", detail::checksum_of(logps)}};
         for (const named_value& part : key) metadata[part.name] = part.value;
         const tensor_to_write tensor{"logps", {static_cast<index>(logps.size())}};
         write_safetensors(
             folder / detail::file_of(key), std::span(&tensor, 1), sizeof(T) == 4 ? element_type::f32 : element_type::f64,
             [logps](std::size_t) { return logps; }, metadata);
       }});
}

}  // namespace tilt
