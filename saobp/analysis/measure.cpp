#include "saobp/analysis/measure.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <sstream>

#include "saobp/io/error.h"
#include "saobp/io/words.h"

namespace saobp::analysis {

const std::vector<Measure>& all_measures() {
  static const std::vector<Measure> all = [] {
    std::vector<Measure> list;
    for (const auto& part : {row_measures(), chain_measures(), column_measures(), pattern_measures(), rank_measures(),
                             graph_measures(), query_key_measures()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

std::vector<const Measure*> find_measures(const std::string& names, const std::string& flag) {
  std::vector<const Measure*> found;
  if (names.empty() || names == "all") {
    for (const auto& measure : all_measures())
      if (names == "all" || measure.cost == Cost::products) found.push_back(&measure);
    return found;
  }
  std::vector<std::string> known;
  for (const auto& measure : all_measures()) known.push_back(measure.name);
  std::istringstream parts(names);
  for (std::string name; std::getline(parts, name, ',');) {
    if (const auto first = name.find_first_not_of(' '); first != std::string::npos)
      name = name.substr(first, name.find_last_not_of(' ') + 1 - first);
    if (name == "all") fail_usage(flag, ": \"", names, "\" was given; all has the others in it");
    const auto* measure = std::find(known.begin(), known.end(), name) == known.end() ? nullptr : &measure_of(name);
    if (measure == nullptr)
      fail_usage(flag, ": there is no measure \"", name, "\"; all, or some of ", io::listed(known, "and"),
                 " with commas between were expected", io::suggestion(name, known));
    if (std::find(found.begin(), found.end(), measure) != found.end()) fail_usage(flag, ": ", name, " is named twice");
    found.push_back(measure);
  }
  return found;
}

const Measure& measure_of(const std::string& name) {
  for (const auto& measure : all_measures())
    if (measure.name == name) return measure;
  fail("there is no measure \"", name, '"');
}

at::Tensor value_of(const Measure& measure, SeenAttention& seen) {
  if (measure.rows == nullptr) return measure.heads(seen).to(at::kDouble);
  return at::nanmean(measure.rows(seen), -1, /*keepdim=*/false, at::kDouble);
}

}  // namespace saobp::analysis
