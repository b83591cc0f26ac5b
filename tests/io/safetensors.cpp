// SPDX-License-Identifier: Apache-2.0
// Safetensors: numbers there and back, and every way in which a header can lie.
#include <limits>
#include <tilt/io/safetensors.hpp>

#include "files.hpp"

namespace tilt::test {
namespace {

constexpr double infinity = std::numeric_limits<double>::infinity();

/// Writes values as one tensor and reads them back.
template <class Value> std::vector<Value> there_and_back(const std::vector<Value>& values, element_type type) {
  const auto path = process_folder() / "a.safetensors";
  const std::vector<tensor_to_write> tensors{{"a", {static_cast<index>(values.size())}}};
  write_safetensors(path, tensors, type, [&](std::size_t) { return values; });
  const safetensors_file file(path);
  REQUIRE(file.tensors().size() == 1);
  return file.tensors().at("a").template values<Value>();
}

/// The values of a file of one tensor with these bytes.
template <class Value> std::vector<Value> read_values(const std::string& dtype, std::size_t count, const std::string& data) {
  const auto path = process_folder() / "a.safetensors";
  const nlohmann::json header{{"a", {{"dtype", dtype}, {"shape", {count}}, {"data_offsets", {0, data.size()}}}}};
  put(path, safetensors_text(header.dump(), data));
  return safetensors_file(path).tensors().at("a").values<Value>();
}

/// A file that must be refused, with its name in the sentence.
void refused(const std::string& text, std::initializer_list<const char*> words) {
  const auto path = process_folder() / "bad.safetensors";
  put(path, text);
  INFO("header: " << text.substr(std::min<std::size_t>(8, text.size()), 200));
  refuses([&] { safetensors_file file(path); }, words);
  refuses([&] { safetensors_file file(path); }, {"bad.safetensors: ", "; "});
}
void refused_header(const std::string& header, std::initializer_list<const char*> words, std::size_t bytes = 16) { refused(safetensors_text(header, std::string(bytes, '\0')), words); }
/// An entry of four floats with one thing wrong.
void refused_entry(const std::string& entry, std::initializer_list<const char*> words, std::size_t bytes = 16) { refused_header(R"({"w":)" + entry + "}", words, bytes); }

}  // namespace

TEST_CASE("numbers come back from F32 and F64 as they went in") {
  const std::vector<double> wide{0.0, -0.0, 1.0 / 3, -1e300, std::numeric_limits<double>::denorm_min(), infinity};
  CHECK(bytes_of(there_and_back(wide, element_type::f64)) == bytes_of(wide));
  const std::vector<float> narrow{0.0f, -0.0f, 1.0f / 3, -1e38f, std::numeric_limits<float>::denorm_min(), -std::numeric_limits<float>::infinity()};
  CHECK(bytes_of(there_and_back(narrow, element_type::f32)) == bytes_of(narrow));
  CHECK(std::isnan(there_and_back(std::vector<float>{std::nanf("")}, element_type::f32)[0]));
}

TEST_CASE("texts stand beside the tensors") {
  const auto path = process_folder() / "texts.safetensors";
  const std::vector<tensor_to_write> tensors{{"a", {2}}};
  write_safetensors(path, tensors, element_type::f32, [](std::size_t) { return std::vector<float>{1, 2}; }, {{"seed", "42"}, {"note", "\"quoted\""}});
  const safetensors_file file(path);
  CHECK(file.metadata() == std::map<std::string, std::string>{{"format", "pt"}, {"note", "\"quoted\""}, {"seed", "42"}});
  CHECK(file.find("a")->values<float>() == std::vector<float>{1, 2});
}

TEST_CASE("BF16 is rounded to nearest, ties to even") {
  const auto rounded = [](float x) { return there_and_back(std::vector<float>{x}, element_type::bf16)[0]; };
  CHECK(rounded(1.0f) == 1.0f);
  CHECK(rounded(1.0f + 1.0f / 256) == 1.0f);                          // half way, down to the even one
  CHECK(rounded(1.0f + 3.0f / 256) == 1.0f + 4.0f / 256);             // half way, up to the even one
  CHECK(rounded(1.0f + 1.0f / 256 + 1.0f / 65536) == 1.0f + 2.0f / 256);
  CHECK(rounded(-(1.0f + 3.0f / 256)) == -(1.0f + 4.0f / 256));
  CHECK(rounded(std::numeric_limits<float>::max()) == std::numeric_limits<float>::infinity());
  CHECK(rounded(std::bit_cast<float>(0x00008000u)) == 0.0f);                                 // half the smallest subnormal, to even
  CHECK(rounded(std::bit_cast<float>(0x00018000u)) == std::bit_cast<float>(0x00020000u));
  CHECK(std::isnan(rounded(std::bit_cast<float>(0x7f800001u))));  // must not become infinity
  CHECK(std::isnan(rounded(std::bit_cast<float>(0xffffffffu))));
  for (std::uint32_t bits = 0; bits < 0x10000u; bits += 7) {  // every 7th BF16 is itself
    const float x = std::bit_cast<float>(bits << 16);
    if (!std::isnan(x)) CHECK(bits == tilt::detail::to_bf16(x));
  }
}

TEST_CASE("F16 is read with its subnormals, infinities and NaN") {
  const auto read = [](std::uint16_t bits) { return read_values<double>("F16", 1, bytes_of(std::vector<std::uint16_t>{bits}))[0]; };
  CHECK(read(0x0000) == 0.0);
  CHECK(std::signbit(read(0x8000)));
  CHECK(read(0x0001) == std::ldexp(1.0, -24));
  CHECK(read(0x83ff) == -std::ldexp(1023.0, -24));
  CHECK(read(0x0400) == std::ldexp(1.0, -14));
  CHECK(read(0x3c00) == 1.0);
  CHECK(read(0x3c01) == 1.0 + std::ldexp(1.0, -10));
  CHECK(read(0x7bff) == 65504.0);
  CHECK(read(0x7c00) == infinity);
  CHECK(read(0xfc00) == -infinity);
  CHECK(std::isnan(read(0x7c01)));
  CHECK(std::isnan(read(0xfe00)));
}

TEST_CASE("whole numbers are read as numbers") {
  CHECK(read_values<double>("I64", 2, bytes_of(std::vector<std::int64_t>{-5, 1})) == std::vector<double>{-5, 1});
  CHECK(read_values<double>("I32", 1, bytes_of(std::vector<std::int32_t>{-5})) == std::vector<double>{-5});
  CHECK(read_values<double>("I16", 1, bytes_of(std::vector<std::int16_t>{-5})) == std::vector<double>{-5});
  CHECK(read_values<double>("I8", 1, bytes_of(std::vector<std::int8_t>{-5})) == std::vector<double>{-5});
  CHECK(read_values<double>("U64", 1, bytes_of(std::vector<std::uint64_t>{5})) == std::vector<double>{5});
  CHECK(read_values<double>("U32", 1, bytes_of(std::vector<std::uint32_t>{4000000000u})) == std::vector<double>{4000000000.0});
  CHECK(read_values<double>("U16", 1, bytes_of(std::vector<std::uint16_t>{65535})) == std::vector<double>{65535});
  CHECK(read_values<double>("U8", 1, "\xff") == std::vector<double>{255});
  CHECK(read_values<double>("BOOL", 1, "\x01") == std::vector<double>{1});
}

TEST_CASE("tensors of all ranks, empty ones among them, keep their shapes and names") {
  const auto path = scratch_folder("io_safetensors_shapes") / "a.safetensors";
  const std::vector<tensor_to_write> tensors{{"z \"quoted\" ü", {2, 3}}, {"empty", {0, 5}}, {"a number", {}}, {"a", {1, 1, 4}}};
  const std::vector<std::vector<double>> values{{1, 2, 3, 4, 5, 6}, {}, {7}, {8, 9, 10, 11}};
  write_safetensors(path, tensors, element_type::f64, [&](std::size_t i) { return values[i]; });
  const safetensors_file file(path);
  REQUIRE(file.tensors().size() == 4);
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const safetensor* const t = file.find(tensors[i].name);
    REQUIRE(t != nullptr);
    CHECK(t->shape == tensors[i].shape);
    CHECK(t->values<double>() == values[i]);
  }
  CHECK(file.find("none") == nullptr);
  const std::string text = contents(path);
  std::uint64_t length = 0;
  std::memcpy(&length, text.data(), 8);
  CHECK(length % 8 == 0);
  CHECK(nlohmann::json::parse(text.substr(8, length))["__metadata__"]["format"] == "pt");
}

TEST_CASE("a writer that is given another number of elements than its shape says writes nothing") {
  const auto folder = scratch_folder("io_safetensors_count");
  const std::vector<tensor_to_write> tensors{{"a", {2}}};
  CHECK_THROWS_AS(write_safetensors(folder / "a", tensors, element_type::f32, [](std::size_t) { return std::vector<float>(3); }), error);
  CHECK(listing(folder).empty());
}

TEST_CASE("a safetensors file without tensors, and one with metadata") {
  const auto path = scratch_folder("io_safetensors_none") / "a.safetensors";
  put(path, safetensors_text("{}", ""));
  CHECK(safetensors_file(path).tensors().empty());
  put(path, safetensors_text(R"({"__metadata__":{"format":"pt"}}   )", ""));
  CHECK(safetensors_file(path).tensors().empty());
}

TEST_CASE("safetensors: what is no file of that kind") {
  refused("", {"shorter than the 8 bytes"});
  refused("1234567", {"shorter than the 8 bytes"});
  refused(safetensors_text("", ""), {"not valid JSON"});
  refused(safetensors_text("{}", "").substr(0, 9), {"claims a header of 2 bytes but has 1"});
  refused(std::string(8, '\xff') + "{}", {"claims a header of 18446744073709551615 bytes"});
  refused(std::string("\xf8\xff\xff\xff\xff\xff\xff\xff", 8) + "{}", {"claims a header"});  // 8 + length overflows
  refused(std::string("\x01\xe1\xf5\x05\0\0\0\0", 8) + std::string(100, ' '), {"claims a header of 100000001"});
  const auto folder = scratch_folder("io_safetensors_none2");
  refuses([&] { safetensors_file file(folder / "none.safetensors"); }, {"none.safetensors", "No such file", "; "});
  refuses([&] { safetensors_file file{folder}; }, {"io_safetensors_none2", "not a regular file", "; "});
}

TEST_CASE("safetensors: headers that are no header") {
  refused_header("{", {"not valid JSON"});
  refused_header("{\"a\": \xff}", {"not valid JSON"});
  refused_header("{} {}", {"not valid JSON"});
  refused_header("[]", {"not a JSON object"});
  refused_header("3", {"not a JSON object"});
  refused_header(std::string(100000, '['), {"not valid JSON"});
  refused_header(R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", {"'w' twice"});
  refused_header(R"({"a\nb":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}})", {"'a?b'"});  // a sentence has one line
  refused_header(R"({"w":{"dtype":"F32","dtype":"F64","shape":[4],"data_offsets":[0,16]}})", {"'dtype' twice"});
}

TEST_CASE("safetensors: entries of the wrong form") {
  for (const char* const entry :
       {"3", "[]", "null", "{}", R"({"shape":[4],"data_offsets":[0,16]})", R"({"dtype":"F32","data_offsets":[0,16]})", R"({"dtype":"F32","shape":[4]})",
        R"({"dtype":3,"shape":[4],"data_offsets":[0,16]})", R"({"dtype":"F32","shape":4,"data_offsets":[0,16]})", R"({"dtype":"F32","shape":[4],"data_offsets":16})",
        R"({"dtype":"F32","shape":[4],"data_offsets":[0]})", R"({"dtype":"F32","shape":[4],"data_offsets":[0,16,32]})", R"({"dtype":"F32","shape":[4],"data_offsets":["0",16]})",
        R"({"dtype":"F32","shape":[4],"data_offsets":[0,16.0]})", R"({"dtype":"F32","shape":[4],"data_offsets":[-16,0]})"})
    refused_entry(entry, {"'w'", "proper dtype, shape and data_offsets"});
  refused_entry(R"({"dtype":"F99","shape":[4],"data_offsets":[0,16]})", {"'w'", "F99", "convert"});
  refused_entry(R"({"dtype":"","shape":[4],"data_offsets":[0,16]})", {"'w'", "dtype"});
}

TEST_CASE("safetensors: shapes that cannot be") {
  refused_entry(R"({"dtype":"F32","shape":[-4],"data_offsets":[0,16]})", {"'w'", "not a whole number"});
  refused_entry(R"({"dtype":"F32","shape":[4.0],"data_offsets":[0,16]})", {"'w'", "not a whole number"});
  refused_entry(R"({"dtype":"F32","shape":["4"],"data_offsets":[0,16]})", {"'w'", "not a whole number"});
  refused_entry(R"({"dtype":"F32","shape":[4,4611686018427387904],"data_offsets":[0,16]})", {"'w'", "too large"});  // 4 · 2^62 · 4 bytes = 0
  refused_entry(R"({"dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,16]})", {"'w'", "too large"});
  refused_entry(R"({"dtype":"F32","shape":[0,9223372036854775808],"data_offsets":[0,0]})", {"'w'", "too large"});
  refused_entry(R"({"dtype":"F32","shape":[99999999999999999999],"data_offsets":[0,16]})", {"'w'"});
  refused_entry(R"({"dtype":"F32","shape":[5],"data_offsets":[0,16]})", {"'w' 16 bytes where its shape needs 20"});
  refused_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,16]})", {"'w' 16 bytes where its shape needs 12"});
  refused_entry(R"({"dtype":"F64","shape":[4],"data_offsets":[0,16]})", {"'w' 16 bytes where its shape needs 32"});
  refused_entry(R"({"dtype":"F32","shape":[],"data_offsets":[0,16]})", {"'w' 16 bytes where its shape needs 4"});
}

TEST_CASE("safetensors: offsets outside the file, reversed, overlapping, with holes, with bytes left over") {
  refused_entry(R"({"dtype":"F32","shape":[8],"data_offsets":[0,32]})", {"'w' at bytes 0 to 32 of 16"});
  refused_entry(R"({"dtype":"F32","shape":[4],"data_offsets":[18446744073709551600,18446744073709551615]})", {"'w' at bytes"});
  refused_entry(R"({"dtype":"F32","shape":[4],"data_offsets":[16,0]})", {"'w' at bytes 16 to 0"});
  refused_entry(R"({"dtype":"F32","shape":[0],"data_offsets":[17,17]})", {"'w' at bytes 17 to 17 of 16"});
  refused_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[4,16]})", {"unused bytes before 'w'"});
  refused_entry(R"({"dtype":"F32","shape":[3],"data_offsets":[0,12]})", {"16 bytes of tensors where its header describes 12"});
  refused_header("{}", {"16 bytes of tensors where its header describes 0"});
  refused_header(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}})", {"overlapping tensors at 'b'"});
  refused_header(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})", {"overlapping tensors at"});
  refused_header(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}})", {"unused bytes before 'b'"});
}

}  // namespace tilt::test
