#include "saobp/report/interactive.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <tuple>

#include "saobp/io/base64.h"
#include "saobp/io/words.h"
#include "saobp/report/findings.h"
#include "saobp/report/html.h"
#include "saobp/report/page_parts.h"
#include "saobp/scores/correlation.h"

namespace saobp::report {
namespace {

using io::Json;

// What each head's mean row costs, as one more measure of heads: the loss, or how far the last states move; null where
// it was not asked for or is of another shape.
Json importance_of(const AnalysisRecord& analysis) {
  const auto importance = analysis.json.value("importance", Json());
  const auto by_mean = importance.is_object() ? importance.value("mean", Json()) : Json();
  for (const auto& [key, sign, offset] : {std::tuple("loss", 1.0, 0.0), {"states_cosine", -1.0, 1.0}}) {
    auto layers = by_mean.is_object() ? by_mean.value(key, Json()) : Json();
    bool any = false, even = layers.is_array() && layers.size() == analysis.layers;
    for (size_t layer = 0; even && layer < layers.size(); ++layer) {
      even = layers[layer].is_array() && layers[layer].size() == analysis.heads;
      for (size_t head = 0; even && head < analysis.heads; ++head)
        if (auto& value = layers[layer][head]; value.is_number())
          value = offset + sign * value.get<double>(), any = true;
        else
          value = nullptr;
    }
    if (even && any) return layers;
  }
  return nullptr;
}

Json rounded(double value) { return std::isfinite(value) ? Json(std::round(value * 1e4) / 1e4) : Json(); }

// Pearson's r of every pair of B's measures over the heads, "gtd|sparsity" in alphabetical order: r, the ends of its
// interval, p, and p corrected for the number of pairs.
Json correlations_of_heads(const AnalysisRecord& analysis, const Json& importance) {
  std::vector<std::pair<std::string, std::vector<double>>> measures;
  for (const auto& [name, layers] : analysis.refined.all()) {
    if (layers.front().size() < 2) continue;  // of whole layers
    std::vector<double> heads;
    for (const auto& layer : layers) heads.insert(heads.end(), layer.begin(), layer.end());
    measures.emplace_back(name, std::move(heads));
  }
  if (!importance.is_null()) {
    std::vector<double> heads;
    for (const auto& layer : importance)
      for (const auto& value : layer) heads.push_back(io::number_or_nan(value));
    measures.emplace_back("importance", std::move(heads));
    std::sort(measures.begin(), measures.end());
  }
  std::vector<std::string> names;
  std::vector<scores::Correlation> found;
  std::vector<double> p;
  for (size_t i = 0; i < measures.size(); ++i)
    for (size_t j = i + 1; j < measures.size(); ++j) {
      names.push_back(measures[i].first + "|" + measures[j].first);
      found.push_back(scores::pearson_test(measures[i].second, measures[j].second));
      p.push_back(found.back().p);
    }
  const auto corrected = scores::adjusted_p(p);
  Json json = Json::object();
  for (size_t i = 0; i < names.size(); ++i)
    json[names[i]] = {rounded(found[i].r), rounded(found[i].low), rounded(found[i].high), rounded(found[i].p),
                      rounded(corrected[i])};
  return json;
}

// Five digits, of numbers in arrays of arrays: more than a chart shows.
void round_all(Json& values) {
  if (values.is_array())
    for (auto& each : values) round_all(each);
  else if (values.is_number_float() && values != 0.0) {
    const double value = values.get<double>();
    const double scale = std::pow(10.0, 4 - std::floor(std::log10(std::abs(value))));
    if (std::isfinite(scale)) values = std::round(value * scale) / scale;
  }
}

// What the scripts read of an analysis.
Json data_of(const AnalysisRecord& analysis) {
  Json record = {{"units", Json::object()}, {"matrices", Json::object()}};
  for (const auto& measure : analysis.measures)
    if (!measure.unit.empty()) record["units"][measure.name] = measure.unit;
  auto& matrix = record["matrices"]["B"] = analysis.json.at("matrices").at("B");
  const auto importance = importance_of(analysis);
  if (!importance.is_null()) matrix["importance"] = importance;
  for (auto& measure : matrix) round_all(measure);
  record["idempotent_gtd"] = analysis.idempotent_gtd;
  record["heads"] = analysis.heads;
  record["correlations"] = correlations_of_heads(analysis, importance);
  return {{"name", analysis.name}, {"record", record}};
}

// JSON that may stand in a <script>: no "<" that could end it.
std::string in_script(const Json& json) {
  std::string out;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) c == '<' ? out += "\\u003c" : out += c;
  return out;
}

std::string findings_section(const std::vector<RunInput>& runs) {
  size_t analyses = 0;
  for (const auto& run : runs) analyses += run.analyses.size();
  std::string items;
  for (const auto& run : runs)
    for (const auto& analysis : run.analyses) {
      const auto sentences = findings(analysis, analysis.json);
      if (sentences.empty()) continue;
      const auto heading = run.name + ", " + analysis.name;
      std::string list = "<ul class='findings'>\n";
      for (const auto& sentence : sentences) list += "<li>" + escape(sentence) + "</li>\n";
      list += "</ul>\n";
      items += analyses > 3 ? folded(heading, list) : "<h3>" + escape(heading) + "</h3>\n" + list;
    }
  return items.empty() ? "" : "<section><h2>What the analyses say</h2>\n" + items + "</section>\n";
}

std::string why_left_out() {
  return concat(" left out, so that the page stays below ", io::size_in_words(static_cast<double>(kLargestPage)), ".");
}

// The analyses that find room behind what is `used` of it, one of each run in turn; whether there are any.
bool add_analyses(const std::vector<RunInput>& runs, size_t room, size_t& used, Json& data,
                  std::vector<std::string>& remarks) {
  std::vector<std::vector<std::string>> left_out(runs.size());
  size_t most = 0;
  for (const auto& run : runs) most = std::max(most, run.analyses.size());
  bool any = false;
  for (size_t n = 0; n < most; ++n)
    for (size_t run = 0; run < runs.size(); ++run) {
      if (n >= runs[run].analyses.size()) continue;
      auto found = data_of(runs[run].analyses[n]);
      const auto size = in_script(found).size();
      if (used + size > room) {
        left_out[run].push_back(runs[run].analyses[n].name);
        continue;
      }
      used += size, any = true;
      data["runs"][run]["analyses"].push_back(std::move(found));
    }
  for (size_t run = 0; run < runs.size(); ++run)
    if (!left_out[run].empty())
      remarks.push_back(concat(runs[run].name, ": heads as points of ", io::listed(left_out[run], "and"),
                               left_out[run].size() == 1 ? " was" : " were", why_left_out()));
  return any;
}

// The maps' sequences that find room, likewise.
bool add_maps(const std::vector<RunInput>& runs, size_t room, size_t used, Json& data,
              std::vector<std::string>& remarks) {
  struct Place {
    size_t run;
    const Json& map;
    Json kept;
    std::vector<std::string> left_out;
  };
  std::vector<Place> places;
  size_t most = 0;
  for (size_t i = 0; i < runs.size(); ++i)
    for (const auto& map : runs[i].maps) {
      auto& place = places.emplace_back(Place{i, map, map, {}});
      place.kept["sequences"] = Json::array();
      most = std::max(most, map.at("sequences").size());
    }
  for (size_t n = 0; n < most; ++n)
    for (auto& [run, map, kept, left_out] : places) {
      if (n >= map.at("sequences").size()) continue;
      const auto& sequence = map.at("sequences").at(n);
      const auto size = sequence.dump().size();
      if (used + size > room) {
        left_out.push_back(sequence.at("id").get<std::string>());
        continue;
      }
      used += size;
      kept["sequences"].push_back(sequence);
    }
  bool any = false;
  for (const auto& [run, map, kept, left_out] : places) {
    if (!left_out.empty())
      remarks.push_back(concat(runs[run].name, ": the maps of ", io::counted(left_out.size(), "sequence"), " (",
                               io::listed(left_out, "and"), ") were", why_left_out()));
    if (kept["sequences"].empty()) continue;
    data["runs"][run]["maps"].push_back(kept);
    any = true;
  }
  return any;
}

}  // namespace

Interactive interactive_parts(const std::vector<RunInput>& runs, const std::vector<SeedGroup>& groups,
                              const std::vector<Chart>& charts, size_t room) {
  Interactive out;
  const auto plotly = packed_plotly();
  Json data = {{"runs", Json::array()}, {"charts", Json::array()}};
  for (const auto& run : runs)
    data["runs"].push_back({{"name", run.name}, {"analyses", Json::array()}, {"maps", Json::array()}});
  for (const auto& group : groups)
    for (const size_t run : group.runs) data["runs"][run]["colour"] = group.colour;
  for (const auto& chart : charts) data["charts"].push_back(chart_json(chart));
  const std::string library = plotly.empty() ? "" : io::base64(std::as_bytes(std::span(plotly)));
  size_t used = in_script(data).size() + library.size();
  const bool analyses = add_analyses(runs, room, used, data, out.remarks);
  const bool maps = add_maps(runs, room, used, data, out.remarks);
  if (charts.empty() && !analyses && !maps) return out;
  if (plotly.empty())
    out.remarks.push_back("Charts that one can work with are missing: plotly was not installed when saobp was built.");
  out.sections = findings_section(runs);
  if (analyses && !plotly.empty()) out.sections += page_part("heads.html");
  if (maps) out.sections += page_part("maps.html");
  out.scripts = "<script type='application/json' id='data'>" + in_script(data) + "</script>\n";
  if (!plotly.empty()) out.scripts += "<script type='application/gzip' id='plotly'>" + library + "</script>\n";
  for (const char* part : {"base.js", "figures.js", "maps.js", "heads.js"})
    out.scripts += concat("<script>", page_part(part), "</script>\n");
  return out;
}

}  // namespace saobp::report
