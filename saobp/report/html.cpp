#include "saobp/report/html.h"

#include <cmath>
#include <cstdio>

namespace saobp::report {
namespace {

// Length of the UTF-8 sequence that starts at `at`, 0 when it is not one (overlong forms and surrogates included).
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned first = byte(at);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xC2 && first < 0xE0   ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xC0) != 0x80) return 0;
  const unsigned second = byte(at + 1);
  if ((first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
      (first == 0xF4 && second > 0x8F))
    return 0;
  return length;
}

}  // namespace

std::string escape(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    const char c = text[at];
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else if (length > 1)
      out += text.substr(at, length);
    else if (c == '&')
      out += "&amp;";
    else if (c == '<')
      out += "&lt;";
    else if (c == '>')
      out += "&gt;";
    else if (c == '"')
      out += "&quot;";
    else if (c == '\'')
      out += "&#39;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t')
      out += "\xEF\xBF\xBD";
    else
      out += c;
    at += length == 0 ? 1 : length;
  }
  return out;
}

std::string folded(const std::string& title, const std::string& html) {
  return "<details class='folded'><summary>" + escape(title) + "</summary>\n" + html + "</details>\n";
}

std::string fixed(double value, int digits) {
  if (std::isnan(value)) return "–";
  if (!std::isfinite(value)) return "not finite";
  char buffer[340];
  if (std::abs(value) < 1e15)
    std::snprintf(buffer, sizeof buffer, "%.*f", digits, value);
  else
    std::snprintf(buffer, sizeof buffer, "%.4g", value);
  return buffer;
}

std::string coordinate(double value) {
  std::string text = fixed(value, 2);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

std::string unique_id(const std::string& wanted, std::set<std::string>& taken) {
  std::string id;
  for (const char c : wanted) {
    const bool keeps =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_';
    if (keeps)
      id += c;
    else if (!id.ends_with('-'))
      id += '-';
  }
  id = id.substr(0, 100);
  if (id.empty() || id.front() == '.') id = "x" + id;
  auto free = id;
  for (int number = 2; !taken.insert(free).second; ++number) free = concat(id, "-", number);
  return free;
}

std::string plain_text(const io::Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "none";
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  if (value.is_number_integer()) return value.dump();
  if (value.is_number()) {
    char buffer[40];
    std::snprintf(buffer, sizeof buffer, "%.6g", value.get<double>());
    return buffer;
  }
  return value.dump(-1, ' ', false, io::Json::error_handler_t::replace);
}

}  // namespace saobp::report
