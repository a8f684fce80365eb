#include "saobp/analysis/attention_monitor.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "saobp/analysis/values.h"
#include "saobp/model/dropout.h"

namespace saobp::analysis {
namespace {

using Layers = std::vector<std::vector<double>>;

// Sums over sequences, [heads] each.
struct Sums {
  torch::Tensor entropy, gtd, variance, top;

  void add(const ProbedAttention& values, const torch::Tensor& used) {
    const auto add_to = [&](torch::Tensor& sum, const torch::Tensor& of_sequences) {
      const auto more = of_sequences.index({used}).sum(0);
      sum = sum.defined() ? sum + more : more;
    };
    if (values.entropy.defined()) add_to(entropy, values.entropy);
    add_to(gtd, values.gtd);
    add_to(variance, values.gtd_standard_error.square());
    add_to(top, values.top_key_share);
  }
};

struct LayerSums {
  Sums before, after;
  int64_t sequences = 0, passes = 0;
};

void append_means(const Sums& sums, int64_t sequences, MonitoredMatrix& matrix) {
  const auto n = static_cast<double>(sequences);
  if (sums.entropy.defined()) matrix.attention_entropy.push_back(to_vector(sums.entropy / n));
  matrix.gtd.push_back(to_vector(sums.gtd / n));
  matrix.gtd_standard_error.push_back(to_vector(sums.variance.sqrt() / n));  // probes of sequences are independent
  matrix.top_key_share.push_back(to_vector(sums.top / n));
}

io::Json rounded(const Layers& layers) {
  if (layers.empty()) return nullptr;
  auto json = io::Json::array();
  for (const auto& layer : layers) {
    auto heads = io::Json::array();
    for (double value : layer) heads.push_back(std::round(value * 1e6) / 1e6);
    json.push_back(heads);
  }
  return json;
}

io::Json to_json(const MonitoredMatrix& matrix) {
  return {{"attention_entropy", rounded(matrix.attention_entropy)},
          {"gtd", rounded(matrix.gtd)},
          {"gtd_standard_error", rounded(matrix.gtd_standard_error)},
          {"top_key_share", rounded(matrix.top_key_share)}};
}

}  // namespace

void MonitorOptions::check() const { io::check_limits(*this); }

io::Json MonitoredAttention::to_json(int64_t step) const {
  return {{"step", step},
          {"monitored_sequences", sequences},
          {"attention", {{"A", analysis::to_json(before)}, {"B", analysis::to_json(after)}}}};
}

std::vector<std::pair<std::string, double>> MonitoredAttention::scalars() const {
  std::vector<std::pair<std::string, double>> found;
  for (const auto& [matrix, letter] : {std::pair(&before, 'A'), std::pair(&after, 'B')}) {
    const auto add = [&, letter = letter](const char* name, size_t layer, double value) {
      found.emplace_back(concat(name, "_", letter, "/layer_", layer), value);
    };
    for (size_t layer = 0; layer < matrix->attention_entropy.size(); ++layer) {
      const auto& heads = matrix->attention_entropy[layer];
      add("attention_entropy", layer, mean(heads));
      add("lowest_head_entropy", layer, *std::min_element(heads.begin(), heads.end()));
    }
    for (size_t layer = 0; layer < matrix->gtd.size(); ++layer) add("gtd", layer, mean(matrix->gtd[layer]));
    for (size_t layer = 0; layer < matrix->top_key_share.size(); ++layer)
      add("top_key_share", layer, mean(matrix->top_key_share[layer]));
  }
  return found;
}

namespace {

// "0.124 (highest: 0.613, layer 2 head 5)": the mean over heads, and the head that is first by `before`.
template <class Before>
std::string mean_and_extreme(const Layers& layers, const char* word, Before before) {
  double sum = 0;
  size_t at_layer = 0, at_head = 0;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    sum += mean(layers[layer]);
    for (size_t head = 0; head < layers[layer].size(); ++head)
      if (before(layers[layer][head], layers[at_layer][at_head])) at_layer = layer, at_head = head;
  }
  char text[128];
  std::snprintf(text, sizeof text, " (%s: %.3f, layer %zu head %zu)", word, layers[at_layer][at_head], at_layer,
                at_head);
  char value[32];
  std::snprintf(value, sizeof value, "%.3f", sum / static_cast<double>(layers.size()));
  return value + std::string(text);
}

}  // namespace

std::string MonitoredAttention::summary() const {
  std::string text;
  if (!after.attention_entropy.empty()) {
    auto entropy = mean_and_extreme(after.attention_entropy, "lowest", std::less<>());
    text = "attention entropy " + entropy.insert(entropy.find(' '), " nats") + ", ";
  }
  double sum = 0, variance = 0, count = 0;
  for (size_t layer = 0; layer < after.gtd.size(); ++layer)
    for (size_t head = 0; head < after.gtd[layer].size(); ++head, ++count) {
      sum += after.gtd[layer][head];
      variance += after.gtd_standard_error[layer][head] * after.gtd_standard_error[layer][head];
    }
  char part[128];
  std::snprintf(part, sizeof part, "GTD %.3f ± %.3f, top key ", sum / count, std::sqrt(variance) / count);
  return text + part + mean_and_extreme(after.top_key_share, "highest", std::greater<>());
}

std::optional<MonitoredAttention> monitor_attention(const MonitorOptions& options, const MeasureOptions& measures,
                                                    const std::function<void(const model::AttentionProbe&)>& forward,
                                                    const std::function<bool()>& stop) {
  options.check();
  std::vector<LayerSums> layers;
  const torch::NoGradGuard no_grad;
  const auto look = [&](const model::AttentionCall& call) {
    const auto layer = static_cast<size_t>(call.layer);
    if (layer >= layers.size()) layers.resize(layer + 1);
    auto& sums = layers[layer];
    const auto seed = model::derive_seed(layer, static_cast<uint64_t>(sums.passes++));
    const auto [before, after] =
        probe_attention(call.query, call.key, call.options, measures, options.monitor_probes, seed, stop);
    const auto& mask = call.options.key_mask;
    const auto used = mask ? mask->any(-1) : torch::ones({call.query.size(0)}, torch::kBool);
    if (!before.gtd.index({used}).isfinite().all().item<bool>() ||
        !after.gtd.index({used}).isfinite().all().item<bool>())
      throw NotFinite(concat("attention of layer ", layer, " is not finite"));
    sums.before.add(before, used);
    sums.after.add(after, used);
    sums.sequences += used.sum().item<int64_t>();
  };
  try {
    forward(look);
  } catch (const ProbingStopped&) {
    return {};
  }
  MonitoredAttention state;
  if (layers.empty()) fail("there is no attention to look at: the model's pass called no probe");
  state.sequences = layers.front().sequences;
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    if (layers[layer].sequences == 0 || layers[layer].sequences != state.sequences)
      fail("attention of layer ", layer, " was seen in ", layers[layer].sequences,
           " sequences with real tokens, that of layer 0 in ", state.sequences);
    append_means(layers[layer].before, state.sequences, state.before);
    append_means(layers[layer].after, state.sequences, state.after);
  }
  return state;
}

}  // namespace saobp::analysis
