#include "saobp/report/figure.h"

#include "saobp/io/file.h"
#include "saobp/report/html.h"
#include "saobp/report/style.h"

namespace saobp::report {
namespace {

std::string legend_entry(size_t series, const Series& of) {
  return concat("<span class='entry' data-series='", series, "'>", legend_mark(of.run, of.look), escape(of.title),
                "</span>");
}

// Light colours in the place of variables.
std::string resolved(std::string style) {
  const std::string light = kLightColours;
  for (size_t at = 0; (at = light.find("--", at)) != std::string::npos;) {
    const size_t colon = light.find(':', at), end = light.find(';', colon);
    const auto name = "var(" + light.substr(at, colon - at) + ")", value = light.substr(colon + 2, end - colon - 2);
    for (size_t use = 0; (use = style.find(name, use)) != std::string::npos; use += value.size())
      style.replace(use, name.size(), value);
    at = end;
  }
  return style;
}

}  // namespace

std::string figure_html(const Chart& chart) {
  std::string legend;
  for (size_t i = 0; i < chart.series.size(); ++i)
    if (!chart.series[i].title.empty()) legend += legend_entry(i, chart.series[i]);
  return "<figure data-chart='" + escape(chart.id) + "'><h3>" + escape(chart.title) + "</h3>\n<div class='legend'>" +
         legend + "</div>\n<div class='chart'>" + render_chart(chart) + "</div><figcaption>" + escape(chart.caption) +
         "</figcaption></figure>\n";
}

std::string figure_svg(const Chart& chart) {
  constexpr double kHead = 26, kLine = 18;
  std::string legend;
  double y = kHead + chart.height + kLine;
  for (const auto& series : chart.series) {
    if (series.title.empty()) continue;
    auto mark = legend_mark(series.run, series.look);
    mark.replace(0, 4, concat("<svg x='10' y='", coordinate(y - 11), "' width='34' height='14'"));
    legend += mark + "<text x='52' y='" + coordinate(y) + "'>" + escape(series.title) + "</text>\n";
    y += kLine;
  }
  auto drawing = render_chart(chart);
  drawing.replace(0, 4,
                  concat("<svg y='", coordinate(kHead), "' width='", coordinate(chart.width), "' height='",
                         coordinate(chart.height), "'"));
  const auto size = concat("width='", coordinate(chart.width), "' height='", coordinate(y), "'");
  return concat("<svg xmlns='http://www.w3.org/2000/svg' ", size, " viewBox='0 0 ", coordinate(chart.width), " ",
                coordinate(y), "'>\n<style>text { font-family: sans-serif; }\n", resolved(kChartStyle),
                "</style>\n<rect fill='#ffffff' ", size,
                "/>\n<text x='4' y='17' style='font-size: 15px; fill: #1b1f24'>", escape(chart.title), "</text>\n",
                drawing, legend, "</svg>\n");
}

std::string Figures::put(Chart chart) {
  chart.id = unique_id(chart.id, ids_);
  auto html = figure_html(chart);
  charts_.push_back(std::move(chart));
  return html;
}

std::string Figures::put(std::vector<Chart> charts) {
  std::string out;
  for (auto& chart : charts) out += put(std::move(chart));
  return out.empty() ? "" : "<div class='pair'>\n" + out + "</div>\n";
}

std::vector<std::filesystem::path> write_figures(const std::vector<Chart>& charts,
                                                 const std::filesystem::path& folder) {
  io::make_folder(folder);
  std::vector<std::filesystem::path> written;
  written.reserve(charts.size());
  for (const auto& chart : charts) {
    written.push_back(folder / (chart.id + ".svg"));
    io::write_file(written.back(), figure_svg(chart));
  }
  return written;
}

}  // namespace saobp::report
