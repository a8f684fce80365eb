#include "saobp/report/conditions.h"

#include <algorithm>
#include <filesystem>

#include "saobp/report/html.h"

namespace saobp::report {
namespace {

constexpr const char* kTextKey = "the text's key";

}  // namespace

Conditions conditions_of(const AnalysisRecord& analysis) {
  Conditions found = {{"text", std::filesystem::path(analysis.text).filename().string()},
                      {"sequences", std::to_string(analysis.sequences)}};
  if (!analysis.text_key.empty()) found[kTextKey] = analysis.text_key;
  static const std::set<std::string> kAside = {"measures", "buckets", "limit", "probes", "spectrum_sequences"};
  if (analysis.settings.is_object())
    for (const auto& [key, value] : analysis.settings.items())
      if (!kAside.contains(key)) found[key] = plain_text(value);
  return found;
}

std::vector<std::string> apart(const Conditions& own, const Conditions& first) {
  std::vector<std::string> words;
  for (const auto& [key, value] : own)
    if (const auto other = first.find(key); other != first.end() && other->second != value)
      words.push_back(key == kTextKey ? "another text, though its file may be called the same"
                                      : concat(key, ": ", value, ", not ", other->second));
  return words;
}

bool alike(const AnalysisRecord& a, const AnalysisRecord& b) {
  return apart(conditions_of(a), conditions_of(b)).empty();
}

Kinds::Kind Kinds::of(const std::string& name, const AnalysisRecord& analysis) {
  auto& known = kinds_[name];
  const auto own = conditions_of(analysis);
  auto kind = std::find_if(known.begin(), known.end(),
                           [&](const Known& each) { return report::apart(own, each.conditions).empty(); });
  if (kind == known.end()) {
    auto called = name;
    if (known.empty()) taken_.insert(name);
    for (size_t n = 2; !known.empty() && !taken_.insert(called).second; ++n) called = concat(name, " (", n, ")");
    kind = known.insert(known.end(), {own, called});
  }
  return {kind->name, report::apart(own, known.front().conditions)};
}

}  // namespace saobp::report
