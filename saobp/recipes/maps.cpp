#include "saobp/recipes/maps.h"

#include <algorithm>
#include <cmath>

#include "saobp/analysis/capture.h"
#include "saobp/io/base64.h"
#include "saobp/recipes/matrices.h"
#include "saobp/text/byte_level.h"

namespace saobp::recipes {
namespace {

// Linear bytes would lose attention that is spread: in a causal model each head has an entry of 1, its first, beside
// which a row of 512 even ones rounds to nothing. Of square roots a row keeps its sum within a few per cent.
constexpr int kPower = 2;

// [H, L, L] into the scale and the bytes of each head.
void add(io::Json& part, const torch::Tensor& matrices) {
  const auto scale = matrices.amax({1, 2});
  const auto shares = matrices / scale.clamp_min(1e-30).view({-1, 1, 1});
  const auto bytes = (shares.pow(1.0 / kPower) * 255).round().to(torch::kByte).contiguous();
  auto scales = io::Json::array(), texts = io::Json::array();
  const auto size = static_cast<size_t>(matrices.size(1) * matrices.size(2));
  for (int64_t head = 0; head < matrices.size(0); ++head) {
    scales.push_back(scale[head].item<float>());
    const auto* first = reinterpret_cast<const std::byte*>(bytes[head].const_data_ptr<uint8_t>());
    texts.push_back(io::base64({first, size}));
  }
  part["scale"].push_back(scales);
  part["bytes"].push_back(texts);
}

// [H, L]: ‖v W_O‖ of each token, over the mean.
io::Json norms_of(const torch::Tensor& value, const torch::Tensor& output_weight) {
  const auto own = output_weight.t().reshape({value.size(0), value.size(2), output_weight.size(0)});
  const auto lengths = torch::bmm(value, own).norm(2, -1);
  const auto shares = (lengths / lengths.mean(-1, /*keepdim=*/true)).contiguous();
  auto heads = io::Json::array();
  for (int64_t head = 0; head < shares.size(0); ++head) {
    auto tokens = io::Json::array();
    for (int64_t i = 0; i < shares.size(1); ++i)
      tokens.push_back(std::round(shares[head][i].item<double>() * 1000) / 1000);
    heads.push_back(tokens);
  }
  return heads;
}

// Of each token the number of its word; special tokens are words of their own.
std::vector<int64_t> words_of(const std::vector<std::string>& tokens, const analysis::Tokens& of, bool byte_level) {
  std::vector<int64_t> words;
  int64_t word = -1;
  for (size_t i = 0; i < tokens.size(); ++i) {
    const bool special = !of.special.empty() && of.special[i];
    const bool before = i > 0 && !of.special.empty() && of.special[i - 1];
    if (i == 0 || special || before || !text::continues_word(tokens[i], byte_level)) ++word;
    words.push_back(word);
  }
  return words;
}

// Of each token its type. Where all are of one type, two stretches of ordinary tokens with special ones between them
// are a pair whose texts are told apart by these alone, as those of models without types are: then it is which text the
// token is of, and of a special one the text before it.
std::vector<int64_t> types_of(const analysis::Tokens& of) {
  if (!of.types.empty()) return of.types;
  std::vector<int64_t> texts(of.ids.size(), 0);
  int64_t last = -1;
  for (size_t i = 0; i < of.special.size(); ++i) {
    if (!of.special[i] && (i == 0 || of.special[i - 1])) ++last;
    texts[i] = std::max<int64_t>(last, 0);
  }
  if (last != 1) texts.assign(of.ids.size(), 0);
  return texts;
}

}  // namespace

io::Json maps_of(const AnalyzedModel& model, const AnalysisSource& source, const AnalysisItems& items,
                 const std::vector<size_t>& chosen, const analysis::MeasureOptions& measured) {
  const torch::NoGradGuard no_grad;
  const auto& config = model.opened.model->config;
  io::Json json = {{"model", model.name},
                   {"text", source.name()},
                   {"gtd_discount", measured.gtd_discount},
                   {"gtd_hops", measured.gtd_hops},
                   {"power", kPower},
                   {"layers", config.num_hidden_layers},
                   {"heads", config.num_attention_heads}};
  for (const size_t place : chosen) {
    const auto& item = items.list[place];
    const auto captured = analysis::capture(model.opened.model, item.tokens, model.name);
    const auto tokens = spelled(model.opened, item);
    io::Json sequence = {{"id", items.ids[place]}, {"tokens", tokens}};
    for (size_t i = 0; i < tokens.size(); ++i)
      sequence["special"].push_back(!item.tokens.special.empty() && item.tokens.special[i] ? 1 : 0);
    sequence["types"] = types_of(item.tokens);
    sequence["words"] = words_of(tokens, item.tokens, std::string(model.opened.tokenizer->kind()) == "bpe");
    for (size_t layer = 0; layer < captured.layers.size(); ++layer) {
      const auto& seen = captured.layers[layer];
      const auto [a, b] = analysis::matrices_of(seen);
      if (analysis::is_refined(seen.options)) add(sequence["A"], a);
      add(sequence["B"], b);
      const auto weight = model.opened.model->layers[layer]->weight(model::kOutput);
      sequence["norms"].push_back(norms_of(seen.value[0].to(torch::kFloat), weight.to(torch::kFloat)));
    }
    json["sequences"].push_back(sequence);
  }
  return json;
}

}  // namespace saobp::recipes
