#include "saobp/recipes/correlations.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "saobp/analysis/values.h"
#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/scores/correlation.h"

namespace saobp::recipes {
namespace {

using analysis::mean_of_defined;
using io::Json;
using Named = std::vector<std::pair<std::string, std::vector<double>>>;

double number(const Json& value) {
  if (value.is_boolean()) return value.get<bool>() ? 1 : 0;
  return io::number_or_nan(value);
}

std::vector<double> flat(const Json& value) {
  if (!value.is_array()) return {number(value)};
  std::vector<double> out;
  for (const auto& part : value)
    for (double each : flat(part)) out.push_back(each);
  return out;
}

Json test(const scores::Correlation& found) {
  return {{"r", io::number_or_null(found.r)},
          {"low", io::number_or_null(found.low)},
          {"high", io::number_or_null(found.high)},
          {"p", io::number_or_null(found.p)}};
}

// How many examples the sequences are of, which may be options of a choice or windows of a context.
size_t examples_of(const std::vector<Json>& lines) {
  std::set<std::string> examples;
  for (const auto& line : lines) examples.insert(key_text(line.value("example", line.at("id"))));
  return examples.size();
}

Json entry(const char* over, const std::string& with, const Named& measures, const std::vector<double>& target) {
  Json found = Json::object();
  for (const auto& [name, values] : measures) {
    const auto r = scores::pearson_test(values, target), rho = scores::spearman_test(values, target);
    found[name] = {{"pearson", test(r)}, {"spearman", test(rho)}, {"n", r.n}};
  }
  return {{"over", over}, {"with", with}, {"measures", found}};
}

// Each head's mean over sequences, of measures that heads have.
Named of_heads(const Json& record) {
  Named measures;
  for (const auto& [name, layers] : record.at("matrices").at("B").items())
    if (layers.is_array() && !layers.empty() && layers.front().size() > 1)
      if (auto values = flat(layers); !std::isnan(mean_of_defined(values)))
        measures.emplace_back(name, std::move(values));
  return measures;
}

// The mean over layers of what each has as its mean over heads, or of its heads.
double mean_of_layers(const Json& layers) {
  std::vector<std::vector<double>> heads;
  for (const auto& layer : layers) heads.push_back(flat(layer));
  return analysis::mean_of_layers(heads);
}

// Of each sequence or record its mean over heads and layers; `b_of` gives its B.
template <class MatrixOf>
Named means_of(const std::vector<Json>& all, const MatrixOf& b_of) {
  std::vector<std::string> names;  // some are not of every sequence
  for (const auto& each : all) {
    const auto& own = b_of(each);
    for (const auto& [name, values] : own.items())
      if (std::find(names.begin(), names.end(), name) == names.end()) names.push_back(name);
  }
  Named measures;
  for (const auto& name : names) {
    std::vector<double> values;
    values.reserve(all.size());
    for (const auto& each : all)
      values.push_back(b_of(each).contains(name) ? mean_of_layers(b_of(each).at(name)) : NAN);
    if (!std::isnan(mean_of_defined(values))) measures.emplace_back(name, std::move(values));
  }
  return measures;
}

Named of_sequences(const std::vector<Json>& lines) {
  return means_of(lines, [](const Json& line) -> const Json& { return line.at("B"); });
}

// The values of one measure, which is taken out of the others; nothing where it is none of them.
std::vector<double> take(Named& measures, const std::string& name) {
  const auto found =
      std::find_if(measures.begin(), measures.end(), [&](const auto& each) { return each.first == name; });
  if (found == measures.end()) return {};
  auto values = std::move(found->second);
  measures.erase(found);
  return values;
}

std::vector<double> importance_of(const Json& record) {
  if (!record.contains("importance")) fail_usage("--correlate importance goes with --importance, which measures it");
  const auto& by_mean = record.at("importance").at("mean");
  if (auto loss = flat(by_mean.at("loss")); !std::isnan(mean_of_defined(loss)))
    return loss;  // a model that predicts tokens
  auto moved = flat(by_mean.at("states_cosine"));
  for (double& value : moved) value = 1 - value;
  return moved;
}

// A number, or a group of two values, of every line; nothing where the lines do not have it.
std::vector<double> of_lines(const std::string& name, const std::vector<Json>& lines) {
  std::set<std::string> values;
  std::vector<double> numbers;
  bool any = false;
  for (const auto& line : lines) {
    const auto value = line.value(name, Json());
    any |= !value.is_null();
    if (value.is_string()) values.insert(value.get<std::string>());
    numbers.push_back(number(value));
  }
  if (!any) return {};
  if (values.empty()) return numbers;
  if (values.size() != 2)
    fail_usage("--correlate ", name, ": has ", io::counted(values.size(), "value"),
               "; a number, or a group of two values, was expected");
  const auto& high = values.contains("right") ? "right" : *values.rbegin();
  for (size_t i = 0; i < lines.size(); ++i)
    if (const auto value = lines[i].value(name, Json()); value.is_string()) numbers[i] = value == high ? 1 : 0;
  return numbers;
}

}  // namespace

double KeyedNumbers::at(const std::string& key, const std::string& name) const {
  const auto numbers = by_key.find(key);
  if (numbers == by_key.end()) return NAN;
  const auto found = numbers->second.find(name);
  return found == numbers->second.end() ? NAN : found->second;
}

std::string key_text(const Json& key) { return key.is_string() ? key.get<std::string>() : key.dump(); }

std::string key_of(const Json& line, const KeyedNumbers& scores) {
  auto id = key_text(line.at("id"));
  return scores.by_key.contains(id) ? id : key_text(line.value("example", line.at("id")));
}

KeyedNumbers read_keyed_numbers(const std::filesystem::path& path, const std::string& key, bool log) {
  KeyedNumbers found;
  const auto text = io::read_file(path);
  int64_t line_number = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto where = concat(path.string(), ", line ", line_number);
    Json json;
    try {
      json = io::parse_json(line, where);
    } catch (const Error&) {
      if (!log) throw;
      ++found.unreadable;
      continue;
    }
    if (!json.is_object()) fail(where, ": is ", io::type_name(json), "; each line must be a JSON object");
    ++found.lines;
    const auto id = json.value(key, Json());
    if (id.is_null()) {
      ++found.passed_over;
      continue;
    }
    auto& numbers = found.by_key[key_text(id)];
    for (const auto& [name, value] : json.items()) {
      if (name == key || std::isnan(number(value))) continue;
      found.again += !numbers.insert_or_assign(name, number(value)).second;
      if (std::find(found.names.begin(), found.names.end(), name) == found.names.end()) found.names.push_back(name);
    }
  }
  if (found.by_key.empty() && !log) fail_usage("--scores: no line of ", path.string(), " has the field \"", key, '"');
  return found;
}

Json correlations_with(const std::string& with, const Json& record, const std::vector<Json>& lines,
                       const KeyedNumbers& scores) {
  Json found = Json::array();
  auto heads = of_heads(record), sequences = of_sequences(lines);
  if (with == "importance") return Json::array({entry("heads", with, heads, importance_of(record))});
  if (const auto target = take(heads, with); !target.empty()) found.push_back(entry("heads", with, heads, target));
  const auto over_sequences = [&](const std::vector<double>& target) {
    auto one = entry("sequences", with, sequences, target);
    if (const auto examples = examples_of(lines); examples < lines.size()) one["examples"] = examples;
    found.push_back(std::move(one));
  };
  auto target = take(sequences, with);
  if (target.empty()) target = of_lines(with, lines);
  if (!target.empty()) over_sequences(target);
  if (std::find(scores.names.begin(), scores.names.end(), with) != scores.names.end()) {
    if (!found.empty())
      fail_usage("--correlate ", with, ": is a number of --scores, and of the analysis too; another name was expected");
    std::vector<double> values;
    values.reserve(lines.size());
    for (const auto& line : lines) values.push_back(scores.at(key_of(line, scores), with));
    over_sequences(values);
  }
  if (found.empty())
    fail_usage("--correlate ", with,
               ": no measure that was taken, no field of the sequences and no score of --scores has "
               "that name; importance, answer, label or tokens would do too, where they are known");
  return found;
}

void correct_p(Json& lists) {
  for (const char* kind : {"pearson", "spearman"}) {
    std::vector<Json*> tests;
    std::vector<double> p;
    for (auto& list : lists)
      for (auto& measure : list.at("measures")) {
        tests.push_back(&measure.at(kind));
        p.push_back(io::number_or_nan(measure.at(kind).at("p")));
      }
    const auto corrected = scores::adjusted_p(p);
    for (size_t i = 0; i < tests.size(); ++i) (*tests[i])["corrected_p"] = io::number_or_null(corrected[i]);
    for (auto& list : lists) list["tests"] = tests.size();
  }
}

void check_correlated(const std::string& with, const std::vector<std::string>& measures, const KeyedNumbers& scores) {
  static const std::vector<std::string> kOthers = {"importance", "answer", "label", "option", "tokens"};
  const auto knows = [&](const std::vector<std::string>& names) {
    return std::find(names.begin(), names.end(), with) != names.end();
  };
  if (knows(measures) || knows(kOthers) || knows(scores.names)) return;
  fail_usage("--correlate ", with, ": is no measure, no number of --scores and none of ", io::listed(kOthers, "and"));
}

Json correlations_over_checkpoints(const std::vector<Json>& records, const std::vector<int64_t>& steps,
                                   const KeyedNumbers& scores) {
  const auto measures =
      means_of(records, [](const Json& record) -> const Json& { return record.at("matrices").at("B"); });
  Json found = Json::array();
  for (const auto& score : scores.names) {
    std::vector<double> target;
    target.reserve(steps.size());
    for (const auto step : steps) target.push_back(scores.at(std::to_string(step), score));
    if (std::count_if(target.begin(), target.end(), [](double value) { return !std::isnan(value); }) >= 3)
      found.push_back(entry("checkpoints", score, measures, target));
  }
  correct_p(found);
  return found;
}

}  // namespace saobp::recipes
