#include "saobp/report/map_figures.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <set>
#include <span>

#include "saobp/io/base64.h"
#include "saobp/io/png.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

using io::Json;

using Colour = std::array<uint8_t, 3>;

// As the page in its light colours: much, and of differences less and more after refinement.
constexpr Colour kMuch = {0, 67, 178}, kLess = {0, 114, 178}, kMore = {213, 94, 0};

Colour from_white(const Colour& to, double share) {
  Colour out;
  for (size_t i = 0; i < out.size(); ++i) out[i] = static_cast<uint8_t>(std::lround(255 - (255 - to[i]) * share));
  return out;
}

// Of bytes that stand for (byte / 255)^power.
io::Palette shades(double power) {
  io::Palette palette;
  for (size_t i = 0; i < palette.size(); ++i)
    palette[i] = from_white(kMuch, std::pow(static_cast<double>(i) / 255, power));
  return palette;
}

// Of differences: kNone stands for none, and kNone above and below it for the largest.
constexpr int kNone = 127;
io::Palette signed_shades() {
  io::Palette palette;
  for (int i = 0; i < std::ssize(palette); ++i)
    palette[static_cast<size_t>(i)] =
        from_white(i < kNone ? kLess : kMore, std::min(1.0, std::abs(i - kNone) / static_cast<double>(kNone)));
  return palette;
}

using Bytes = std::vector<std::byte>;  // places in the palette, row by row
using Entries = std::vector<float>;    // [L · L]

// The entries of a head's bytes, whose scale is `scale`.
Entries entries_of(const Bytes& bytes, double scale, double power) {
  std::array<float, 256> of_byte;
  for (size_t i = 0; i < of_byte.size(); ++i)
    of_byte[i] = static_cast<float>(std::pow(static_cast<double>(i) / 255, power) * scale);
  Entries entries(bytes.size());
  for (size_t i = 0; i < bytes.size(); ++i) entries[i] = of_byte[std::to_integer<size_t>(bytes[i])];
  return entries;
}

// `most` bytes from `none` on for the largest entry; what is no number, of damaged maps, is none.
Bytes bytes_of(const Entries& entries, int none, int most) {
  float largest = 0;
  for (const float value : entries) largest = std::max(largest, std::abs(value));
  Bytes bytes(entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    const float share = entries[i] / largest;
    const auto steps = std::abs(share) <= 1 ? std::lround(share * static_cast<float>(most)) : 0;
    bytes[i] = static_cast<std::byte>(none + steps);
  }
  return bytes;
}

// G = Σ β^(t−1) A^t for t = 2 … K.
Entries indirect(const Entries& a, size_t tokens, double discount, int64_t hops) {
  Entries sum(a.size(), 0), power = a;
  double factor = 1;
  for (int64_t t = 2; t <= hops; ++t) {
    Entries next(a.size(), 0);
    for (size_t i = 0; i < tokens; ++i)
      for (size_t k = 0; k < tokens; ++k) {
        const float left = power[i * tokens + k];
        if (left == 0) continue;  // as most are where heads are sharp
        for (size_t j = 0; j < tokens; ++j) next[i * tokens + j] += left * a[k * tokens + j];
      }
    power = std::move(next);
    factor *= discount;
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<float>(factor) * power[i];
  }
  return sum;
}

// Of one sequence.
struct Maps {
  const Json& sequence;
  double power, discount;
  int64_t hops;
  uint32_t tokens;
  std::string source;

  size_t layers() const { return sequence.at("B").at("bytes").size(); }
  size_t heads() const { return layers() == 0 ? 0 : sequence.at("B").at("bytes").front().size(); }

  Bytes bytes(const char* matrix, size_t layer, size_t head) const {
    const auto& text = sequence.at(matrix).at("bytes").at(layer).at(head);
    return io::from_base64(text.get<std::string>(), concat(source, ": ", matrix));
  }
  Entries entries(const char* matrix, size_t layer, size_t head) const {
    const auto scale = sequence.at(matrix).at("scale").at(layer).at(head).get<double>();
    return entries_of(bytes(matrix, layer, head), scale, power);
  }
  Bytes difference(size_t layer, size_t head) const {
    auto change = entries("B", layer, head);
    const auto before = entries("A", layer, head);
    for (size_t i = 0; i < change.size(); ++i) change[i] -= before[i];
    return bytes_of(change, kNone, kNone);
  }
  Bytes indirect_of_b(size_t layer, size_t head) const {
    return bytes_of(indirect(entries("B", layer, head), tokens, discount, hops), 0, 255);
  }
};

Maps first_of(const RunInput& run, const Json& maps) {
  const auto& sequence = maps.at("sequences").front();
  const auto source = concat(run.name, ": maps of ", plain_text(maps.at("text")));
  Maps out{sequence,
           io::get_or<double>(maps, "power", 1, source),
           io::get_or<double>(maps, "gtd_discount", 0.9, source),
           io::get_or<int64_t>(maps, "gtd_hops", 4, source),
           static_cast<uint32_t>(sequence.at("tokens").size()),
           source};
  if (!(out.discount > 0 && out.discount <= 1))
    fail(source, ": \"gtd_discount\" is ", out.discount, "; a number above 0 and at most 1 was expected");
  if (out.hops < 2 || out.hops > 64) fail(source, ": \"gtd_hops\" is ", out.hops, "; 2 to 64 was expected");
  return out;
}

using BytesOf = std::function<Bytes(size_t layer, size_t head)>;

std::string map_figure(const Maps& maps, const BytesOf& bytes_of_head, const io::Palette& palette,
                       const std::string& title) {
  constexpr double kSide = 120, kGap = 8, kLeft = 62, kTop = 54;
  const auto across = [&](size_t head) { return coordinate(kLeft + static_cast<double>(head) * (kSide + kGap)); };
  const auto width = across(maps.heads()),
             height = coordinate(kTop + static_cast<double>(maps.layers()) * (kSide + kGap));
  const auto size = concat("width='", width, "' height='", height, "'");
  std::string out =
      concat("<svg xmlns='http://www.w3.org/2000/svg' ", size, " viewBox='0 0 ", width, " ", height,
             "'>\n<style>text { font: 13px sans-serif; fill: #59636e; }</style>\n", "<rect fill='#ffffff' ", size,
             "/>\n<text x='4' y='18' style='font-size: 15px; fill: #1b1f24'>", escape(title), "</text>\n");
  for (size_t head = 0; head < maps.heads(); ++head)
    out += concat("<text x='", across(head), "' y='46'>head ", head, "</text>\n");
  for (size_t layer = 0; layer < maps.layers(); ++layer) {
    const double y = kTop + static_cast<double>(layer) * (kSide + kGap);
    out += concat("<text x='4' y='", coordinate(y + kSide / 2), "'>layer ", layer, "</text>\n");
    for (size_t head = 0; head < maps.heads(); ++head) {
      const auto png = io::png_of(bytes_of_head(layer, head), maps.tokens, maps.tokens, palette);
      out += concat("<image x='", across(head), "' y='", coordinate(y),
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
    for (const auto& json : run.maps) {
      if (json.at("sequences").empty()) continue;
      const auto maps = first_of(run, json);
      if (maps.tokens == 0 || maps.heads() == 0) continue;
      const auto text = std::filesystem::path(plain_text(json.at("text"))).filename().string();
      const auto add = [&](const char* name, const std::string& what, const io::Palette& palette, const BytesOf& of) {
        const auto title = concat(run.name, ", ", text, ", sequence ", plain_text(maps.sequence.at("id")), ": ", what);
        figures.emplace_back(unique_id(concat("maps-", run.name, "-", text, "-", name), names),
                             map_figure(maps, of, palette, title));
      };
      const auto plain = [&](const char* matrix) {
        return [&maps, matrix](size_t layer, size_t head) { return maps.bytes(matrix, layer, head); };
      };
      const bool refined = maps.sequence.contains("A");
      const auto palette = shades(maps.power);
      if (refined) add("A", "A", palette, plain("A"));
      add("B", refined ? "B" : "B (nothing is refined: A = B)", palette, plain("B"));
      if (refined)
        add("difference", "B − A (red: more after refinement, blue: less)", signed_shades(),
            [&](size_t layer, size_t head) { return maps.difference(layer, head); });
      add("G", concat("G of B (β = ", io::in_short(maps.discount), ", K = ", maps.hops, ")"), shades(1),
          [&](size_t layer, size_t head) { return maps.indirect_of_b(layer, head); });
    }
  return figures;
}

}  // namespace saobp::report
