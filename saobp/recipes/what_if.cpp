#include "saobp/recipes/what_if.h"

#include <cmath>
#include <cstdlib>
#include <sstream>

#include "saobp/io/error.h"
#include "saobp/io/number.h"
#include "saobp/io/words.h"
#include "saobp/recipes/questions.h"
#include "saobp/recipes/series.h"

namespace saobp::recipes {
namespace {

constexpr int kStrengths = 8;

double strength_of(const std::string& text, const std::string& whole) {
  const auto value = io::number_in<double>(text);
  if (!value || !(*value > 0) || *value > attention::kMaxStrength)
    fail_usage("--what-if: \"", whole, "\" was given, and \"", text, "\" is no strength above 0 and at most ",
               attention::kMaxStrength, "; high:0.005..0.4, low:0.1 or elemmul were expected, commas between");
  return *value;
}

}  // namespace

std::vector<WhatIf> parse_what_if(const std::string& text) {
  std::vector<WhatIf> all;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const auto colon = part.find(':');
    const auto name = part.substr(0, colon);
    if (name != "high" && name != "low" && part != "elemmul")
      fail_usage("--what-if: \"", part, "\" was given; high or low with strengths, or elemmul without, was expected",
                 io::suggestion(name, {"high", "low", "elemmul"}));
    const auto variant = io::parse_enum<attention::Variant>(name, "--what-if");
    if (!attention::has_strength(variant)) {
      all.push_back({variant, 0});
      continue;
    }
    const auto strengths = colon == std::string::npos ? "0.005..0.4" : part.substr(colon + 1);
    const auto dots = strengths.find("..");
    const double low = strength_of(strengths.substr(0, dots), part);
    if (dots == std::string::npos) {
      all.push_back({variant, low});
      continue;
    }
    const double high = strength_of(strengths.substr(dots + 2), part);
    if (high <= low)
      fail_usage("--what-if: \"", part, "\" was given; a range from a smaller strength to a larger was expected");
    for (int i = 0; i < kStrengths; ++i) {
      const double strength = low * std::pow(high / low, static_cast<double>(i) / (kStrengths - 1));
      all.push_back({variant, std::strtod(io::in_short(strength).c_str(), nullptr)});
    }
  }
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < i; ++j)
      if (all[i].attention == all[j].attention && all[i].strength == all[j].strength)
        fail_usage("--what-if: ", io::enum_name(all[i].attention), " with strength ", all[i].strength,
                   " was given twice");
  if (all.empty()) fail_usage("--what-if: nothing was given; high:0.005..0.4 or the like was expected");
  return all;
}

const std::vector<std::string>& what_if_measures() {
  static const std::vector<std::string> all = {"attention_entropy", "normalized_entropy", "sink_rate", "top_key_share",
                                               "gtd"};
  return all;
}

io::Json what_if(const std::filesystem::path& folder, const AnalysisSource& source, const AnalyzeOptions& options,
                 const std::vector<WhatIf>& what, int64_t sequences,
                 const std::function<void(const std::string&)>& tell) {
  auto rows = io::Json::array();
  std::vector<Answer> before;
  AnalysisItems items;
  std::vector<Question> questions;
  for (size_t i = 0; i <= what.size(); ++i) {
    const auto change = [&](model::ModelConfig& config) {
      if (i == 0) return;
      auto& refined = config.refined_attention;
      refined.attention = what[i - 1].attention, refined.strength = what[i - 1].strength;
      refined.strengths.clear();
      if (!attention::has_strength(refined.attention)) refined.strength_length = 0;
    };
    const auto opened = pretrained::open(folder, options.tokenizer, {.head = {}, .seed = {}, .change = change});
    const AnalyzedModel model{folder.string(), opened};
    const auto& refined = opened.model->config.refined_attention;
    io::Json row = {{"attention", io::enum_name(refined.attention)},
                    {"strength", refined.strengths.empty() ? io::Json(refined.strength) : io::Json()}};
    tell(concat("what if ", io::enum_name(refined.attention), " ", io::in_short(refined.strength)));
    if (i == 0) {  // the same tokens for all
      items = source.items(opened, common_length({model}, source, options), {});
      if (std::ssize(items.list) > sequences) items.list.resize(static_cast<size_t>(sequences));
      questions = questions_of(opened, items);
    }
    Series loss, divergence, states, pooled;
    for (size_t q = 0; q < questions.size(); ++q) {
      auto now = answer(*opened.model, questions[q]);
      if (i == 0) before.push_back(now);
      const auto changed = change_of(before[q], now);
      loss.add(now.loss), divergence.add(changed.divergence);
      states.add(changed.states_cosine), pooled.add(changed.pooled_cosine);
    }
    for (const auto& [name, series] : {std::pair("loss", &loss), std::pair("divergence", &divergence),
                                       std::pair("states_cosine", &states), std::pair("pooled_cosine", &pooled)}) {
      row[name] = series->mean();
      row["standard_errors"][name] = series->error();
    }
    auto measuring = options.analysis;
    measuring.measures.clear();
    for (const auto& name : what_if_measures()) measuring.measures += (measuring.measures.empty() ? "" : ",") + name;
    measuring.buckets = false;
    const auto record = analysis::analyze(opened.model, items.list, measuring, model.name, source.name());
    for (const auto& name : what_if_measures()) {
      Series heads;  // stays empty where all sequences are too long for it
      for (const auto& layer : record.at("matrices").at("B").value(name, io::Json::array()))
        for (const auto& value : layer)
          if (value.is_number()) heads.add(value.get<double>());
      row[name] = heads.mean();
    }
    rows.push_back(row);
  }
  return rows;
}

}  // namespace saobp::recipes
