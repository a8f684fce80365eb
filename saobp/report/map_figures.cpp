#include "saobp/report/map_figures.h"

#include <cmath>
#include <set>
#include <span>

#include "saobp/io/base64.h"
#include "saobp/io/png.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using io::Json;

// White to blue, as the page shades maps.
const io::Palette& shades() {
  static const io::Palette all = [] {
    io::Palette palette;
    for (size_t i = 0; i < palette.size(); ++i) {
      const double share = static_cast<double>(i) / 255;
      const auto part = [&](double less) { return static_cast<uint8_t>(std::lround(255 - less * share)); };
      palette[i] = {part(255), part(188), part(77)};
    }
    return palette;
  }();
  return all;
}

std::string map_figure(const Json& matrix, uint32_t tokens, const std::string& title, const std::string& source) {
  constexpr double kSide = 120, kGap = 8, kLeft = 62, kTop = 54;
  const auto bytes = matrix.at("bytes").get<std::vector<std::vector<std::string>>>();
  const double width = kLeft + static_cast<double>(bytes.front().size()) * (kSide + kGap),
               height = kTop + static_cast<double>(bytes.size()) * (kSide + kGap);
  const auto size = concat("width='", coordinate(width), "' height='", coordinate(height), "'");
  std::string out = concat(
      "<svg xmlns='http://www.w3.org/2000/svg' ", size, " viewBox='0 0 ", coordinate(width), " ", coordinate(height),
      "'>\n<style>text { font: 13px sans-serif; fill: #59636e; }</style>\n", "<rect fill='#ffffff' ", size,
      "/>\n<text x='4' y='18' style='font-size: 15px; fill: #1b1f24'>", escape(title), "</text>\n");
  for (size_t head = 0; head < bytes.front().size(); ++head)
    out += concat("<text x='", coordinate(kLeft + static_cast<double>(head) * (kSide + kGap)), "' y='46'>head ", head,
                  "</text>\n");
  for (size_t layer = 0; layer < bytes.size(); ++layer) {
    const double y = kTop + static_cast<double>(layer) * (kSide + kGap);
    out += concat("<text x='4' y='", coordinate(y + kSide / 2), "'>layer ", layer, "</text>\n");
    for (size_t head = 0; head < bytes[layer].size(); ++head) {
      const auto pixels = io::from_base64(bytes[layer][head], source);
      const auto png = io::png_of(pixels, tokens, tokens, shades());
      out +=
          concat("<image x='", coordinate(kLeft + static_cast<double>(head) * (kSide + kGap)), "' y='", coordinate(y),
                 "' width='120' height='120' style='image-rendering: pixelated; outline: 1px solid #d9dee4' href='",
                 "data:image/png;base64,", io::base64(std::as_bytes(std::span(png))), "'/>\n");
    }
  }
  return out + "</svg>\n";
}

}  // namespace

std::vector<std::pair<std::string, std::string>> map_figures(const std::vector<RunInput>& runs) {
  std::vector<std::pair<std::string, std::string>> figures;
  std::set<std::string> names;
  for (const auto& run : runs)
    for (const auto& maps : run.maps) {
      if (maps.at("sequences").empty()) continue;
      const auto& sequence = maps.at("sequences").front();
      const auto tokens = static_cast<uint32_t>(sequence.at("tokens").size());
      for (const char* matrix : {"A", "B"}) {
        if (!sequence.contains(matrix) || tokens == 0) continue;
        const auto id = plain_text(sequence.at("id")),
                   text = std::filesystem::path(plain_text(maps.at("text"))).filename().string();
        const auto title = concat(run.name, ", ", text, ", sequence ", id, ": ", matrix,
                                  sequence.contains("A") ? "" : " (nothing is refined: A = B)");
        figures.emplace_back(unique_id(concat("maps-", run.name, "-", text, "-", matrix), names),
                             map_figure(sequence.at(matrix), tokens, title, concat(run.name, ": ", matrix)));
      }
    }
  return figures;
}

}  // namespace saobp::report
