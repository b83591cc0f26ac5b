// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <tilt/io/file.hpp>
#include <tilt/io/utf8.hpp>
#include <tilt/scalar/config.hpp>
#include <type_traits>
#include <vector>

namespace tilt {

static_assert(std::endian::native == std::endian::little, "safetensors files are little-endian");

/// Types of elements in a safetensors file.
enum class element_type { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

namespace detail {

struct element_name {
  element_type type;
  const char* name;
  std::size_t bytes;
};
inline constexpr element_name element_names[] = {{element_type::f64, "F64", 8}, {element_type::f32, "F32", 4}, {element_type::f16, "F16", 2},
                                                 {element_type::bf16, "BF16", 2}, {element_type::i64, "I64", 8}, {element_type::i32, "I32", 4},
                                                 {element_type::i16, "I16", 2},  {element_type::i8, "I8", 1},   {element_type::u64, "U64", 8},
                                                 {element_type::u32, "U32", 4},  {element_type::u16, "U16", 2}, {element_type::u8, "U8", 1},
                                                 {element_type::boolean, "BOOL", 1}};
inline const element_name& name_of(element_type t) { return element_names[static_cast<int>(t)]; }

template <class U> U read_as(const std::byte* p) {
  U value;
  std::memcpy(&value, p, sizeof(U));
  return value;
}
/// By its exponent's bits, of which a loop takes whole registers; std::isfinite is one comparison at a time.
template <class Value> bool is_finite(Value value) {
  using bits = std::conditional_t<sizeof(Value) == 4, std::uint32_t, std::uint64_t>;
  constexpr bits exponent = std::bit_cast<bits>(std::numeric_limits<Value>::infinity());
  return (std::bit_cast<bits>(value) & exponent) != exponent;
}
inline float from_bf16(std::uint16_t bits) { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
inline float from_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, exponent = (bits >> 10) & 31u, fraction = bits & 1023u;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent == 0) return (sign != 0 ? -1.0f : 1.0f) * std::ldexp(static_cast<float>(fraction), -24);
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (fraction << 13));
}
/// Rounds to nearest, ties to even; NaN stays NaN.
inline std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) return static_cast<std::uint16_t>((bits >> 16) | 0x40u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace detail

/// One tensor of a mapped file. Valid as long as the file object.
struct safetensor {
  std::string name;
  element_type type = element_type::f32;
  std::vector<index> shape;
  std::span<const std::byte> bytes;

  index count() const {
    index n = 1;
    for (const index extent : shape) n *= extent;
    return n;
  }
  /// Its elements as numbers of type Value, row-major. O(count).
  template <class Value> std::vector<Value> values() const {
    std::vector<Value> out(static_cast<std::size_t>(count()));
    read<Value>([&out](const auto& element) {
      for (std::size_t i = 0; i < out.size(); ++i) out[i] = element(i);
    });
    return out;
  }
  /// The first element that is not finite as a Value, or -1. O(count), without a copy.
  template <class Value> index not_finite() const {
    constexpr std::size_t block = 4096;  // a loop without a way out in the middle takes whole registers
    const auto n = static_cast<std::size_t>(count());
    index found = -1;
    read<Value>([n, &found](const auto& element) {
      for (std::size_t first = 0; first < n && found < 0; first += block) {
        const std::size_t end = std::min(n, first + block);
        unsigned faults = 0;
        for (std::size_t i = first; i < end; ++i) faults += detail::is_finite(element(i)) ? 0 : 1;
        for (std::size_t i = first; faults > 0 && found < 0; ++i)
          if (!detail::is_finite(element(i))) found = static_cast<index>(i);
      }
    });
    return found;
  }
  /// The elements where they lie in the file, if they are numbers of type Value there, at an address where such may lie; null otherwise.
  template <class Value> const Value* in_place() const {
    static_assert(std::is_floating_point_v<Value>);
    const bool same = (std::is_same_v<Value, float> && type == element_type::f32) || (std::is_same_v<Value, double> && type == element_type::f64);
    const bool aligned = reinterpret_cast<std::uintptr_t>(bytes.data()) % alignof(Value) == 0;
    return same && aligned ? reinterpret_cast<const Value*>(bytes.data()) : nullptr;
  }

 private:
  /// use(element), where element(i) is the i-th as a Value: the type is looked at once, and not in a loop over elements.
  template <class Value, class Use> void read(const Use& use) const {
    const std::byte* const at = bytes.data();
    const auto as = [&]<class Stored>(Stored, const auto& convert) {
      use([at, &convert](std::size_t i) { return static_cast<Value>(convert(detail::read_as<Stored>(at + i * sizeof(Stored)))); });
    };
    const auto same = [](auto stored) { return stored; };
    switch (type) {
      case element_type::f64: return as(double{}, same);
      case element_type::f32: return as(float{}, same);
      case element_type::f16: return as(std::uint16_t{}, detail::from_f16);
      case element_type::bf16: return as(std::uint16_t{}, detail::from_bf16);
      case element_type::i64: return as(std::int64_t{}, same);
      case element_type::i32: return as(std::int32_t{}, same);
      case element_type::i16: return as(std::int16_t{}, same);
      case element_type::i8: return as(std::int8_t{}, same);
      case element_type::u64: return as(std::uint64_t{}, same);
      case element_type::u32: return as(std::uint32_t{}, same);
      case element_type::u16: return as(std::uint16_t{}, same);
      case element_type::u8:
      case element_type::boolean: return as(std::uint8_t{}, same);
    }
  }
};

/// A mapped safetensors file: 8 bytes of header length, a JSON header, the tensors' bytes. Everything the header claims is checked
/// before anything is read: its length, its form, that each tensor lies inside the file, has the size of its shape, begins where the
/// one before ends, and that no byte is left over. Throws input_error.
class safetensors_file {
 public:
  explicit safetensors_file(const std::filesystem::path& path) : path_(path.string()), file_(path) {
    const auto bytes = file_.bytes();
    if (bytes.size() < 8) refuse("is shorter than the 8 bytes of a header's length");
    const auto length = detail::read_as<std::uint64_t>(bytes.data());
    constexpr std::uint64_t longest = 100'000'000;
    if (length > longest || length > bytes.size() - 8)
      refuse("claims a header of " + std::to_string(length) + " bytes but has " + std::to_string(bytes.size() - 8) + " after the length");
    nlohmann::json header;
    try {
      std::vector<std::set<std::string>> keys;  // nlohmann keeps the last of two equal keys, which hides one of two tensors
      std::string twice;
      header = nlohmann::json::parse(file_.text().substr(8, length), [&](int, nlohmann::json::parse_event_t event, nlohmann::json& value) {
        if (event == nlohmann::json::parse_event_t::object_start) keys.emplace_back();
        if (event == nlohmann::json::parse_event_t::object_end) keys.pop_back();
        if (event == nlohmann::json::parse_event_t::key && !keys.back().insert(value.get<std::string>()).second) twice = value.get<std::string>();
        return true;
      });
      if (!twice.empty()) refuse("has the key '" + twice + "' twice in its header");
    } catch (const nlohmann::json::exception&) {
      refuse("has a header that is not valid JSON");
    }
    if (!header.is_object()) refuse("has a header that is not a JSON object");
    const auto data = bytes.subspan(8 + static_cast<std::size_t>(length));
    std::vector<std::pair<std::size_t, const safetensor*>> order;
    for (const auto& [name, entry] : header.items())
      if (name != "__metadata__")
        tensors_.emplace(name, read_entry(name, entry, data));
      else if (entry.is_object())
        for (const auto& [key, text] : entry.items())
          if (text.is_string()) metadata_.emplace(key, text.get<std::string>());
    for (const auto& [name, tensor] : tensors_) order.emplace_back(static_cast<std::size_t>(tensor.bytes.data() - data.data()), &tensor);
    std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) { return a.first != b.first ? a.first < b.first : a.second->bytes.size() < b.second->bytes.size(); });
    std::size_t end = 0;
    for (const auto& [begin, tensor] : order) {
      if (begin != end) refuse("has " + std::string(begin < end ? "overlapping tensors at '" : "unused bytes before '") + tensor->name + "'");
      end = begin + tensor->bytes.size();
    }
    if (end != data.size()) refuse("has " + std::to_string(data.size()) + " bytes of tensors where its header describes " + std::to_string(end));
  }

  const std::string& path() const { return path_; }
  const std::map<std::string, safetensor>& tensors() const { return tensors_; }
  /// Texts that stand beside the tensors.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  const safetensor* find(const std::string& name) const {
    const auto at = tensors_.find(name);
    return at == tensors_.end() ? nullptr : &at->second;
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { throw input_error(path_ + ": " + detail::one_line(what) + "; it is damaged or not a safetensors file, get it again"); }

  safetensor read_entry(const std::string& name, const nlohmann::json& entry, std::span<const std::byte> data) const {
    const auto whole = [](const nlohmann::json& n) { return n.is_number_unsigned(); };
    if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() || !entry.contains("shape") || !entry["shape"].is_array() ||
        !entry.contains("data_offsets") || !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2 ||
        !whole(entry["data_offsets"][0]) || !whole(entry["data_offsets"][1]))
      refuse("describes the tensor '" + name + "' without a proper dtype, shape and data_offsets");
    safetensor t;
    t.name = name;
    const std::string dtype = entry["dtype"];
    const auto* known = std::find_if(std::begin(detail::element_names), std::end(detail::element_names), [&](const auto& e) { return dtype == e.name; });
    if (known == std::end(detail::element_names))
      throw input_error(path_ + ": the tensor '" + detail::one_line(name) + "' has dtype " + detail::one_line(dtype) + "; convert it to F32, F16, BF16 or F64");
    t.type = known->type;
    std::uint64_t size = known->bytes;
    for (const auto& extent : entry["shape"]) {
      if (!whole(extent)) refuse("gives the tensor '" + name + "' an extent that is not a whole number");
      if (__builtin_mul_overflow(size, extent.get<std::uint64_t>(), &size) || extent.get<std::uint64_t>() > (std::uint64_t{1} << 48))
        refuse("gives the tensor '" + name + "' a shape too large to exist");
      t.shape.push_back(extent.get<index>());
    }
    const auto begin = entry["data_offsets"][0].get<std::uint64_t>(), end = entry["data_offsets"][1].get<std::uint64_t>();
    if (begin > end || end > data.size())
      refuse("places the tensor '" + name + "' at bytes " + std::to_string(begin) + " to " + std::to_string(end) + " of " + std::to_string(data.size()));
    if (end - begin != size) refuse("gives the tensor '" + name + "' " + std::to_string(end - begin) + " bytes where its shape needs " + std::to_string(size));
    t.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(size));
    return t;
  }

  std::string path_;
  mapped_file file_;
  std::map<std::string, safetensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// What to write: names, shapes and, when its turn comes, values.
struct tensor_to_write {
  std::string name;
  std::vector<index> shape;
};

/// Writes tensors in order as F32, BF16 (rounded to nearest even) or F64, atomically; `values_of(i)` gives the i-th tensor's elements
/// as a vector, so that one tensor is in memory at a time. `metadata` are texts to stand beside them.
template <class ValuesOf>
void write_safetensors(const std::filesystem::path& path, std::span<const tensor_to_write> tensors, element_type type, const ValuesOf& values_of,
                       const std::map<std::string, std::string>& metadata = {}) {
  const detail::element_name& element = detail::name_of(type);
  if (type != element_type::f32 && type != element_type::bf16 && type != element_type::f64) throw error("safetensors: F32, BF16 and F64 can be written");
  nlohmann::ordered_json header;
  header["__metadata__"] = {{"format", "pt"}};
  for (const auto& [key, text] : metadata) header["__metadata__"][key] = text;
  std::uint64_t offset = 0;
  for (const tensor_to_write& t : tensors) {
    std::uint64_t size = element.bytes;
    for (const index extent : t.shape) size *= static_cast<std::uint64_t>(extent);
    header[t.name] = {{"dtype", element.name}, {"shape", t.shape}, {"data_offsets", {offset, offset + size}}};
    offset += size;
  }
  std::string text = header.dump();
  text.resize((text.size() + 7) / 8 * 8, ' ');
  const std::uint64_t length = text.size();
  atomic_file file(path);
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(text);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const auto values = values_of(i);
    index count = 1;
    for (const index extent : tensors[i].shape) count *= extent;
    if (static_cast<index>(values.size()) != count)
      throw error("safetensors: the tensor '" + tensors[i].name + "' has " + std::to_string(values.size()) + " elements and a shape of " + std::to_string(count));
    const auto write_as = [&]<class Stored>(Stored, const auto& convert) {
      std::vector<Stored> stored(values.size());
      for (std::size_t k = 0; k < values.size(); ++k) stored[k] = convert(values[k]);
      file.write(std::as_bytes(std::span(stored)));
    };
    if (type == element_type::f32) write_as(float{}, [](auto v) { return static_cast<float>(v); });
    else if (type == element_type::f64) write_as(double{}, [](auto v) { return static_cast<double>(v); });
    else write_as(std::uint16_t{}, [](auto v) { return detail::to_bf16(static_cast<float>(v)); });
  }
  file.commit();
}

}  // namespace tilt
