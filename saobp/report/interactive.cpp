#include "saobp/report/interactive.h"

#include <algorithm>

#include "saobp/io/base64.h"
#include "saobp/io/words.h"
#include "saobp/report/findings.h"
#include "saobp/report/html.h"
#include "saobp/report/page_parts.h"

namespace saobp::report {
namespace {

using io::Json;

// What the scripts read of an analysis.
Json data_of(const AnalysisRecord& analysis) {
  Json record;
  for (const char* key : {"measures", "matrices", "what_if", "importance", "idempotent_gtd"})
    if (const auto found = analysis.json.find(key); found != analysis.json.end()) record[key] = *found;
  record["idempotent_gtd"] = analysis.idempotent_gtd;
  return {{"name", analysis.name}, {"record", record}};
}

// JSON that may stand in a <script>: no "<" that could end it.
std::string in_script(const Json& json) {
  std::string out;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) c == '<' ? out += "\\u003c" : out += c;
  return out;
}

bool has_what_if(const std::vector<RunInput>& runs) {
  return std::any_of(runs.begin(), runs.end(), [](const RunInput& run) {
    return std::any_of(run.analyses.begin(), run.analyses.end(),
                       [](const auto& analysis) { return analysis.json.contains("what_if"); });
  });
}

std::string findings_section(const std::vector<RunInput>& runs) {
  std::string items;
  for (const auto& run : runs)
    for (const auto& analysis : run.analyses) {
      const auto sentences = findings(analysis, analysis.json);
      if (sentences.empty()) continue;
      items += "<h3>" + escape(run.name + ", " + analysis.name) + "</h3>\n<ul class='findings'>\n";
      for (const auto& sentence : sentences) items += "<li>" + escape(sentence) + "</li>\n";
      items += "</ul>\n";
    }
  return items.empty() ? "" : "<section><h2>What the analyses say</h2>\n" + items + "</section>\n";
}

constexpr const char* kHeads =
    "<section id='heads'><h2>Heads as points</h2>\n<p>Any measure of B against any other, with the distribution of "
    "each "
    "along its side. GTD is no scale from bad to good: above the dotted line there is a sink, it falls when the sink "
    "goes, "
    "and heads on the line may look at one key, at themselves, or at all alike.</p>\n<div class='controls' "
    "id='heads-controls'></div>\n<div class='chart' id='heads-chart'></div>\n<p class='fine' "
    "id='heads-note'></p>\n<div "
    "id='heads-table'></div></section>\n";

constexpr const char* kWhatIf =
    "<section id='what-if'><h2>What if it were refined?</h2>\n<p>The model as it is, refined at inference alone. A "
    "diagnosis, not a cure: how much it leans on what refinement takes away.</p>\n<div "
    "id='what-if-charts'></div></section>\n";

constexpr const char* kMaps =
    "<section id='maps'><h2>Attention maps</h2>\n<p>Rows look at columns; dark is much, on the scale of the map that "
    "is "
    "shown. Attention is not an explanation: that a head looks at a token does not say that the answer depends on "
    "it.</p>\n<div class='controls' id='map-controls'></div>\n<div class='maps'><div><canvas id='map' role='img' "
    "tabindex='0'></canvas><p id='map-hover' aria-live='polite'></p></div>\n<div><h3>All heads</h3><div "
    "id='map-heads'></div></div></div>\n<h3>Tokens</h3><div id='map-tokens'></div>\n<h3>Chains of hops</h3><div "
    "id='map-paths' class='scroll' tabindex='0'></div></section>\n";

}  // namespace

Interactive interactive_parts(const std::vector<RunInput>& runs, size_t room) {
  Interactive out;
  const auto plotly = packed_plotly();
  Json data = {{"runs", Json::array()}};
  bool analyses = false;
  for (const auto& run : runs) {
    Json entry = {{"name", run.name}, {"analyses", Json::array()}, {"maps", Json::array()}};
    for (const auto& analysis : run.analyses) entry["analyses"].push_back(data_of(analysis)), analyses = true;
    data["runs"].push_back(entry);
  }
  const std::string library = plotly.empty() ? "" : io::base64(std::as_bytes(std::span(plotly)));
  size_t used = in_script(data).size() + library.size();
  bool maps = false;
  for (size_t i = 0; i < runs.size(); ++i)
    for (const auto& map : runs[i].maps) {
      auto kept = map;
      kept["sequences"] = Json::array();
      std::vector<std::string> left_out;
      for (const auto& sequence : map.at("sequences")) {
        const auto size = sequence.dump().size();
        if (used + size > room) {
          left_out.push_back(sequence.at("id").get<std::string>());
          continue;
        }
        used += size;
        kept["sequences"].push_back(sequence);
      }
      if (!left_out.empty())
        out.remarks.push_back(concat(runs[i].name, ": the maps of ", io::counted(left_out.size(), "sequence"), " (",
                                     io::listed(left_out, "and"), ") were left out, so that the page stays below ",
                                     io::size_in_words(static_cast<double>(room)), "."));
      if (kept["sequences"].empty()) continue;
      data["runs"][i]["maps"].push_back(kept);
      maps = true;
    }
  out.sections = findings_section(runs);
  if (analyses && plotly.empty())
    out.remarks.push_back("Charts that one can work with are missing: plotly was not installed when saobp was built.");
  if (analyses && !plotly.empty()) out.sections += kHeads;
  if (has_what_if(runs) && !plotly.empty()) out.sections += kWhatIf;
  if (maps) out.sections += kMaps;
  if (!analyses && !maps) return out;
  out.scripts = "<script type='application/json' id='data'>" + in_script(data) + "</script>\n";
  if (analyses && !plotly.empty())
    out.scripts += "<script type='application/gzip' id='plotly'>" + library + "</script>\n";
  for (const char* part : {"base.js", "maps.js", "charts.js"})
    out.scripts += concat("<script>", page_part(part), "</script>\n");
  return out;
}

}  // namespace saobp::report
