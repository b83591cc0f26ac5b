// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <memory>
#include <tilt/io/model_config.hpp>
#include <tilt/io/safetensors.hpp>
#include <tilt/model/parameters.hpp>

namespace tilt {

/// The tensors of a model folder: model.safetensors, or the shards that model.safetensors.index.json lists,
/// no tensor of which may be in two.
class weight_files {
 public:
  explicit weight_files(const std::filesystem::path& folder) : folder_(folder.string()) {
    const std::filesystem::path single = folder / "model.safetensors", list = folder / "model.safetensors.index.json";
    if (std::filesystem::exists(single)) {
      files_.emplace_back(single);
    } else if (std::filesystem::exists(list)) {
      const nlohmann::json json = read_json(list);
      if (!json.is_object() || !json.contains("weight_map") || !json["weight_map"].is_object()) throw input_error(list.string() + ": has no weight_map; get the index again");
      std::map<std::string, std::size_t> shards;
      for (const auto& [name, shard] : json["weight_map"].items()) {
        if (!shard.is_string()) throw input_error(list.string() + ": the weight_map of '" + detail::one_line(name) + "' is not a file's name; get the index again");
        const std::string file = shard.get<std::string>();
        if (file.find('/') != std::string::npos) throw input_error(list.string() + ": '" + detail::one_line(file) + "' leaves the folder; a shard lies beside its index");
        if (shards.try_emplace(file, files_.size()).second) files_.emplace_back(folder / file);
        if (files_[shards.at(file)].find(name) == nullptr) throw input_error(list.string() + ": says that '" + detail::one_line(name) + "' is in " + detail::one_line(file) + ", where it is not; get the shards again");
      }
      std::map<std::string, const std::string*> owners;
      for (const safetensors_file& file : files_)
        for (const auto& [name, tensor] : file.tensors())
          if (const auto [owner, first] = owners.emplace(name, &file.path()); !first)
            throw input_error(file.path() + ": has the tensor '" + detail::one_line(name) + "', which " + *owner->second + " has too; get the shards again");
    } else {
      throw input_error(folder_ + ": has neither model.safetensors nor model.safetensors.index.json; give a Hugging Face model folder with weights in safetensors form");
    }
  }

  const safetensor* find(const std::string& name) const {
    for (const safetensors_file& file : files_)
      if (const safetensor* const t = file.find(name)) return t;
    return nullptr;
  }
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const safetensors_file& file : files_)
      for (const auto& [name, tensor] : file.tensors()) all.push_back(name);
    return all;
  }
  const std::string& folder() const { return folder_; }

 private:
  std::string folder_;
  std::vector<safetensors_file> files_;
};

namespace detail {
inline std::string shape_text(const std::vector<index>& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}
/// GPT-2's own files leave out the prefix that transformers writes.
inline const safetensor* find_parameter(const weight_files& files, const std::string& name) {
  if (const safetensor* const t = files.find(name)) return t;
  for (const char* const prefix : {"transformer.", "model."})
    if (name.starts_with(prefix))
      if (const safetensor* const t = files.find(name.substr(std::string_view(prefix).size()))) return t;
  return nullptr;
}
}  // namespace detail

/// Whether the files have every parameter, in its shape and as floating-point numbers; throws input_error where not.
inline void check_weights(const weight_files& files, std::span<const parameter> parameters) {
  for (const parameter& p : parameters) {
    const safetensor* const t = detail::find_parameter(files, p.name);
    if (t == nullptr) throw input_error(files.folder() + ": the tensor '" + p.name + "' is missing; do config.json and the weights belong together?");
    if (t->shape != p.shape)
      throw input_error(files.folder() + ": the tensor '" + p.name + "' has shape " + detail::shape_text(t->shape) + " where config.json asks for " + detail::shape_text(p.shape) + "; do they belong together?");
    if (t->type > element_type::bf16)
      throw input_error(files.folder() + ": the tensor '" + p.name + "' has dtype " + detail::name_of(t->type).name + "; convert it to F32, F16, BF16 or F64");
  }
}

/// Throws input_error on a weight that is not finite as a Value.
template <class Value> void check_finite(const weight_files& files, std::span<const parameter> parameters) {
  for (const parameter& p : parameters)
    if (const index at = detail::find_parameter(files, p.name)->template not_finite<Value>(); at >= 0)
      throw input_error(files.folder() + ": the tensor '" + p.name + "' has a weight that is not finite (element " + std::to_string(at) + "); the model is damaged, take another");
}

/// Where each of the parameters lies in the mapped files, if all of them can be used there as they are: as numbers of this type, in the
/// model's own layout. Empty otherwise.
template <class Value> std::vector<const Value*> places_of(const weight_files& files, std::span<const parameter> parameters) {
  std::vector<const Value*> places;
  for (const parameter& p : parameters) {
    const Value* const at = p.transposed ? nullptr : detail::find_parameter(files, p.name)->template in_place<Value>();
    if (at == nullptr) return {};
    places.push_back(at);
  }
  return places;
}

/// Fills every parameter of the model from the files; returns the names of tensors that the model has no use for (a tied head is none).
/// Throws input_error, before the model is changed, on a missing tensor, a wrong shape or a weight that is not finite.
template <class Model> std::vector<std::string> load_weights(const weight_files& files, Model& model) {
  using scalar = typename Model::scalar;
  check_weights(files, model.parameters());
  check_finite<scalar>(files, model.parameters());
  std::set<std::string> used;
  for (const parameter& p : model.parameters()) {
    const safetensor* const t = detail::find_parameter(files, p.name);
    used.insert(t->name);
    const auto values = t->template values<scalar>();
    model.set(p, std::span<const scalar>(values));
  }
  std::vector<std::string> unused;
  for (const std::string& name : files.names())
    if (!used.contains(name) && name != "lm_head.weight") unused.push_back(name);
  return unused;
}

/// Writes all parameters as model.safetensors in a folder, atomically. Throws input_error where it cannot be written.
template <class Model> void write_weights(const Model& model, const std::filesystem::path& folder, element_type type = element_type::f32) {
  std::vector<tensor_to_write> tensors;
  for (const parameter& p : model.parameters()) tensors.push_back({p.name, p.shape});
  write_safetensors(folder / "model.safetensors", tensors, type, [&](std::size_t i) { return model.get(model.parameters()[i]); });
}

}  // namespace tilt
