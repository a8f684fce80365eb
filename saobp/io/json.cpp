#include "saobp/io/json.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include "saobp/io/file.h"

namespace saobp::io {

namespace {

// Builds a value from the parser's events. The library's own way looks for each new key among all before it, which a
// vocabulary or a damaged file makes take minutes; and what it built from thousands of nested lists overflows the stack
// where it is copied or written.
class Builder {
 public:
  Json take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(Json::binary_t& value) { return add(std::move(value)); }
  bool start_object(size_t) { return open(Json::object()); }
  bool start_array(size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(std::string& name) {
    Open& open = open_.back();
    auto& members = open.value->get_ref<Json::object_t&>();
    if (Json* known = find(open, members, name)) {
      open.slot = known;
      return true;
    }
    if (!open.index.empty()) open.index.emplace(name, members.size());
    static_cast<Members&>(members).emplace_back(std::move(name), nullptr);
    open.slot = &members.back().second;
    return true;
  }

  template <class Exception>
  bool parse_error(size_t, const std::string&, const Exception& exception) {
    throw exception;
  }

 private:
  static constexpr size_t kDeepest = 512, kSearched = 16;
  using Members = std::vector<Json::object_t::value_type>;
  struct Open {
    Json* value;
    Json* slot = nullptr;                             // where an object's next value goes
    std::unordered_map<std::string, size_t> index{};  // of an object with many keys
  };

  static Json* find(Open& open, Json::object_t& members, const std::string& name) {
    if (members.size() < kSearched) {
      const auto at = members.find(name);
      return at == members.end() ? nullptr : &at->second;
    }
    if (open.index.empty())
      for (size_t i = 0; i < members.size(); ++i) open.index.emplace(static_cast<Members&>(members)[i].first, i);
    const auto at = open.index.find(name);
    return at == open.index.end() ? nullptr : &static_cast<Members&>(members)[at->second].second;
  }

  Json* put(Json&& value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Open& open = open_.back();
    if (open.value->is_object()) return &(*open.slot = std::move(value));
    auto& list = open.value->get_ref<Json::array_t&>();
    list.push_back(std::move(value));
    return &list.back();
  }
  bool add(Json&& value) {
    put(std::move(value));
    return true;
  }
  bool open(Json&& value) {
    if (open_.size() == kDeepest) fail("nested deeper than ", kDeepest, " levels");
    open_.push_back({put(std::move(value))});
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_;
  std::vector<Open> open_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view source) {
  Builder builder;
  try {
    Json::sax_parse(text, &builder);
    return builder.take();
  } catch (const nlohmann::json::parse_error& e) {
    const size_t at = std::min(text.size(), e.byte > 0 ? e.byte - 1 : 0);
    const auto line = 1 + std::count(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(at), '\n');
    // The library's text repeats position and error number, and what was read last, which may be long.
    std::string reason = e.what();
    if (auto colon = reason.find(": ", reason.find("parse error")); colon != std::string::npos)
      reason = reason.substr(colon + 2);
    reason = reason.substr(0, reason.find("; last read"));
    fail(source, ": line ", line, ", byte offset ", at, " of ", text.size(), ": not valid JSON: ", reason);
  } catch (const nlohmann::json::exception& e) {  // numbers out of range
    const std::string reason = e.what();
    fail(source, ": not valid JSON: ", reason.substr(std::min(reason.size(), reason.find("] ") + 2)));
  } catch (const Error& e) {
    fail(source, ": not valid JSON: ", e.what());
  }
}

Json read_json(const std::filesystem::path& path) {
  return parse_json(read_file(path, kLargestDocument), path.string());
}

void write_json(const std::filesystem::path& path, const Json& json) {
  // Replacing invalid UTF-8 keeps a strange file name from losing a whole run record.
  write_file(path, json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::string type_name(const Json& json) {
  if (json.is_null()) return "null";
  if (json.is_boolean()) return "a boolean";
  if (json.is_number_integer()) return "an integer";
  if (json.is_number()) return "a number";
  if (json.is_string()) return "a string";
  return json.is_array() ? "a list" : "an object";
}

Json number_or_null(double value) { return std::isfinite(value) ? Json(value) : Json(); }

double number_or_nan(const Json& value) { return value.is_number() ? value.get<double>() : std::nan(""); }

}  // namespace saobp::io
