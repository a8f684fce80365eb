#include "saobp/recipes/matrices.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "saobp/io/error.h"
#include "saobp/io/npz.h"
#include "saobp/io/words.h"
#include "saobp/text/utf8.h"

namespace saobp::recipes {
namespace {

std::u32string code_points_of(const std::string& text) {
  std::u32string points;
  for (size_t at = 0; at < text.size();) {
    int length = 0;
    points += text::decode_utf8(text.data() + at, length);
    at += static_cast<size_t>(length);
  }
  return points;
}

void add(io::NpzFile& file, const std::string& name, const torch::Tensor& values) {
  const auto kept = values.contiguous();
  const auto* bytes = static_cast<const std::byte*>(kept.const_data_ptr());
  file.add(name, kept.scalar_type() == torch::kHalf ? "<f2" : "<f4", kept.sizes().vec(), {bytes, kept.nbytes()});
}

}  // namespace

std::vector<std::string> spelled(const pretrained::Pretrained& opened, const analysis::AnalysisItem& item) {
  std::vector<std::string> tokens;
  for (const auto id : item.tokens.ids) {
    const auto narrow = static_cast<int32_t>(id);
    tokens.push_back(opened.tokenizer->has_token(narrow) ? opened.tokenizer->token(narrow) : concat('[', id, ']'));
  }
  return tokens;
}

std::vector<size_t> chosen_sequences(const AnalysisItems& items, const std::string& ids, int64_t dense_length) {
  const auto require_short = [&](size_t item) {
    if (const auto length = std::ssize(items.list[item].tokens.ids); length > dense_length)
      fail_usage("--sequences: \"", items.ids[item], "\" has ", length, " tokens, more than --dense-length ",
                 dense_length, ", beyond which no matrices are made");
    return item;
  };
  if (ids.empty()) return {require_short(0)};
  std::vector<size_t> chosen;
  std::istringstream parts(ids);
  for (std::string id; std::getline(parts, id, ',');) {
    const auto found = std::find(items.ids.begin(), items.ids.end(), id);
    if (found == items.ids.end())
      fail_usage("--sequences: there is no sequence \"", id, "\"; there are ", items.ids.size(), ", from \"",
                 items.ids.front(), "\" to \"", items.ids.back(), '"');
    const auto place = static_cast<size_t>(found - items.ids.begin());
    if (std::find(chosen.begin(), chosen.end(), place) != chosen.end())
      fail_usage("--sequences: \"", id, "\" was given twice");
    chosen.push_back(require_short(place));
  }
  return chosen;
}

void write_matrices(const std::filesystem::path& path, const AnalyzedModel& model, const AnalysisItems& items,
                    const std::vector<size_t>& chosen, const analysis::MeasureOptions& options, MatrixType type) {
  const torch::NoGradGuard no_grad;
  const auto kept = type == MatrixType::f16 ? torch::kHalf : torch::kFloat;
  io::NpzFile file(path);
  std::vector<std::u32string> ids;
  for (size_t n = 0; n < chosen.size(); ++n) {
    const auto& item = items.list[chosen[n]];
    const auto captured = analysis::capture(model.opened.model, item.tokens, model.name);
    std::vector<torch::Tensor> before, after, indirect;
    for (const auto& layer : captured.layers) {
      const auto [a, b] = analysis::matrices_of(layer);
      before.push_back(a.to(kept)), after.push_back(b.to(kept));
      indirect.push_back(analysis::indirect_attention(b, options).to(kept));
    }
    add(file, concat("A_", n), torch::stack(before));
    add(file, concat("B_", n), torch::stack(after));
    add(file, concat("G_", n), torch::stack(indirect));
    std::vector<std::u32string> tokens;
    for (const auto& token : spelled(model.opened, item)) tokens.push_back(code_points_of(token));
    file.add(concat("tokens_", n), tokens);
    ids.push_back(code_points_of(items.ids[chosen[n]]));
  }
  file.add("ids", ids);
  file.commit();
}

namespace {

// A map [L, L] in five shades, of a scale that ends at its largest value.
std::string drawn(const torch::Tensor& map, const std::vector<std::string>& tokens, const std::string& title) {
  static const char* const kShades[] = {" ", "░", "▒", "▓", "█"};
  constexpr size_t kWidth = 14;
  const auto values = map.to(torch::kFloat).contiguous();
  const float most = values.max().item<float>();
  std::string out = title + concat(" (█ is ", io::in_short(most), ")\n");
  const auto length = values.size(0);
  for (int64_t row = 0; row < length; ++row) {
    const auto& label = tokens[static_cast<size_t>(row)];
    const auto width = static_cast<size_t>(io::code_points(label));
    out += std::string(kWidth - std::min(kWidth, width), ' ') + io::first_code_points(label, kWidth) + " │";
    for (int64_t column = 0; column < length; ++column) {
      // Square roots, so that what is small can be told from nothing.
      const float share = std::sqrt(values[row][column].item<float>() / most);
      out += kShades[std::clamp(static_cast<int>(std::lround(share * 4)), 0, 4)];
    }
    out += "│\n";
  }
  return out;
}

}  // namespace

std::string drawn_head(const AnalyzedModel& model, const AnalysisItems& items, size_t chosen, const std::string& head) {
  const auto& config = model.opened.model->config;
  int64_t layer = -1, of_layer = -1;
  char dot = 0, rest = 0;
  std::istringstream parts(head);
  const bool read = static_cast<bool>(parts >> layer >> dot >> of_layer) && dot == '.' && !(parts >> rest);
  if (!read || layer < 0 || of_layer < 0 || layer >= config.num_hidden_layers || of_layer >= config.num_attention_heads)
    fail_usage("--draw: \"", head, "\" was given; LAYER.HEAD from 0.0 to ", config.num_hidden_layers - 1, ".",
               config.num_attention_heads - 1, " was expected");
  const auto& item = items.list[chosen];
  const auto captured = analysis::capture(model.opened.model, item.tokens, model.name);
  const auto& seen = captured.layers[static_cast<size_t>(layer)];
  const auto [a, b] = analysis::matrices_of(seen);
  const auto tokens = spelled(model.opened, item);
  const auto title = concat("sequence ", items.ids[chosen], ", layer ", layer, " head ", of_layer);
  if (!analysis::is_refined(seen.options)) return drawn(a[of_layer], tokens, title);
  return drawn(a[of_layer], tokens, title + ", A: before refinement") + "\n" +
         drawn(b[of_layer], tokens, title + ", B: after refinement");
}

}  // namespace saobp::recipes
