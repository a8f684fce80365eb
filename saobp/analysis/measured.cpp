#include "saobp/analysis/measured.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>

#include "saobp/analysis/values.h"
#include "saobp/io/error.h"

namespace saobp::analysis {
namespace {

// Nine digits, more than float32 has: what lies beyond depends on how many threads there are.
double shortened(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.9g", value);
  return std::strtod(text, nullptr);
}

io::Json in_short(double value) { return std::isfinite(value) ? io::Json(shortened(value)) : io::Json(); }

// The places of rows go in stretches that double.
std::string stretch_name(int64_t first, int64_t last) {
  return first == last ? std::to_string(first) : concat(first, "-", last);
}

class Taker {
 public:
  Taker(const MeasureRequest& request, MeasuredSequence& into) : request_(request), into_(into) {}

  // All measures of A or of B of one layer.
  void take(SeenAttention& seen, std::map<std::string, Layers> Measured::* which) {
    for (const auto* measure : request_.measures) {
      if (!measure->of_attention()) continue;
      if (measure->rows == nullptr) {
        put(into_.whole, which, *measure, measure->heads(seen));
        continue;
      }
      const auto rows = measure->rows(seen).to(torch::kDouble);
      put(into_.whole, which, *measure, rows.nanmean(-1));
      if (!request_.by_position) continue;
      for (int64_t first = 0, last = 0; first < rows.size(1); first = last + 1, last = 2 * first - 1) {
        auto& place = into_.by_position[stretch_name(first, last)];
        const int64_t count = std::min(last, rows.size(1) - 1) - first + 1;
        place.tokens = std::max(place.tokens, count);
        place.refined = into_.whole.refined;
        put(place, which, *measure, rows.narrow(1, first, count).nanmean(-1));
      }
    }
  }

 private:
  static void put(Measured& into, std::map<std::string, Layers> Measured::* which, const Measure& measure,
                  const torch::Tensor& values) {
    (into.*which)[measure.name].push_back(to_vector(values));
  }

  const MeasureRequest& request_;
  MeasuredSequence& into_;
};

}  // namespace

MeasuredSequence measure(const model::Model& model, const Captured& captured, const Tokens& tokens,
                         const MeasureRequest& request, const MeasureOptions& options) {
  const torch::NoGradGuard no_grad;
  Sequence sequence(tokens, model->config.causal());
  MeasuredSequence out;
  out.whole.tokens = sequence.length();
  for (const auto& layer : captured.layers) out.whole.refined |= is_refined(layer.options);
  Taker taker(request, out);
  Depth depth_before, depth_after;
  for (size_t i = 0; i < captured.layers.size(); ++i) {
    const auto& layer = captured.layers[i];
    const auto [before, after] = matrices_of(layer);
    SeenAttention::Layer rest;
    rest.query = layer.query[0], rest.key = layer.key[0], rest.value = layer.value[0];
    rest.output_weight = model->layers[i]->weight(model::kOutput);
    const auto take = [&](const torch::Tensor& matrices, Depth& depth,
                          std::map<std::string, Layers> Measured::* which) {
      check_attention_matrices(matrices,
                               concat("attention of layer ", i, ", matrix ", which == &Measured::before ? "A" : "B"));
      SeenAttention seen(matrices, sequence, options, depth);
      seen.set_layer(rest);
      taker.take(seen, which);
    };
    rest.options = &layer.options;
    take(before, depth_before, &Measured::before);
    rest.options = nullptr;
    if (out.whole.refined) take(after, depth_after, &Measured::after);
  }
  measure_states(captured, request, out.whole);
  return out;
}

void measure_states(const Captured& captured, const MeasureRequest& request, Measured& into) {
  for (const auto& states : captured.states) {
    SeenStates seen(states);
    for (const auto* measure : request.measures)
      if (measure->states != nullptr) into.states[measure->name].push_back(measure->states(seen).item<double>());
  }
}

std::map<std::string, Layers> measure_weights(const model::Model& model, const std::vector<const Measure*>& measures) {
  std::map<std::string, Layers> found;
  if (std::none_of(measures.begin(), measures.end(), [](const auto* measure) { return measure->weights != nullptr; }))
    return found;  // decompositions that nobody asked for
  for (const auto& layer : model->layers) {
    const QueryKey spectrum(layer->weight(model::kQkv), model->config.num_attention_heads);
    for (const auto* measure : measures)
      if (measure->weights != nullptr) {
        auto& heads = found[measure->name].emplace_back(to_vector(measure->weights(spectrum)));
        for (double& value : heads) value = shortened(value);
      }
  }
  return found;
}

void MeasureMeans::Sum::add(double value) {
  if (!std::isfinite(value)) {
    ++undefined;
    return;
  }
  const double off = value - mean;
  mean += off / static_cast<double>(++count);
  squares += off * (value - mean);
}

io::Json MeasureMeans::Sum::error() const {
  const auto n = static_cast<double>(count);
  return count > 1 ? in_short(std::sqrt(squares / (n * (n - 1)))) : nullptr;
}

void MeasureMeans::add_to(Sums& sums, const std::string& name, const Layers& values) {
  auto& layers = sums[name];
  layers.resize(std::max(layers.size(), values.size()));
  for (size_t layer = 0; layer < values.size(); ++layer) {
    layers[layer].resize(std::max(layers[layer].size(), values[layer].size()));
    for (size_t head = 0; head < values[layer].size(); ++head) layers[layer][head].add(values[layer][head]);
  }
}

void MeasureMeans::add(const Measured& sequence) {
  ++sequences_;
  tokens_ += sequence.tokens;
  for (const auto& [name, values] : sequence.before) {
    const auto& after = sequence.refined ? sequence.after.at(name) : values;
    add_to(before_, name, values);
    add_to(after_, name, after);
    whole_before_[name].add(mean_of_layers(values));
    whole_after_[name].add(mean_of_layers(after));
    ++measured_[name];
  }
  for (const auto& [matrix, measures] : sequence.estimate_errors)
    for (const auto& [name, layers] : measures) {
      auto& sums = estimate_variances_[matrix][name];
      sums.resize(layers.size());
      for (size_t layer = 0; layer < layers.size(); ++layer) {
        sums[layer].resize(layers[layer].size());
        for (size_t head = 0; head < layers[layer].size(); ++head)
          sums[layer][head] += layers[layer][head] * layers[layer][head];
      }
    }
  for (const auto& [name, values] : sequence.states) {
    Layers places;
    for (double value : values) places.push_back({value});
    add_to(states_, name, places);
    ++measured_[name];
  }
}

void MeasureMeans::write(const Sums& sums, const char* which, io::Json& json) {
  for (const auto& [name, layers] : sums) {
    auto means = io::Json::array(), errors = io::Json::array();
    int64_t undefined = 0;
    for (const auto& layer : layers) {
      auto layer_means = io::Json::array(), layer_errors = io::Json::array();
      for (const auto& each : layer) {
        layer_means.push_back(each.count > 0 ? in_short(each.mean) : nullptr);
        layer_errors.push_back(each.error());
        undefined += each.undefined;
      }
      means.push_back(layer_means), errors.push_back(layer_errors);
    }
    if (undefined > 0) json["undefined"][which][name] = undefined;
    json["matrices"][which][name] = means;
    json["standard_errors"][which][name] = errors;
  }
}

io::Json MeasureMeans::to_json() const {
  if (sequences_ == 0) fail("no sequence was measured");
  io::Json json = {{"sequences", sequences_}, {"tokens", tokens_}};
  json["matrices"] = {{"A", io::Json::object()}, {"B", io::Json::object()}};
  write(before_, "A", json);
  write(after_, "B", json);
  for (const auto& [which, wholes] : {std::pair("A", &whole_before_), std::pair("B", &whole_after_)})
    for (const auto& [name, whole] : *wholes) json["errors_of_means"][which][name] = whole.error();
  io::Json states;
  write(states_, "states", states);
  if (!states.is_null()) {
    const auto flat = [&](const char* part) {
      auto out = io::Json::object();
      const io::Json of_states = states.contains(part) ? states[part]["states"] : io::Json::object();
      for (const auto& [name, places] : of_states.items()) {
        out[name] = io::Json::array();
        for (const auto& place : places) out[name].push_back(place[0]);
      }
      return out;
    };
    json["states"] = flat("matrices");
    json["states_standard_errors"] = flat("standard_errors");
    if (states.contains("undefined")) json["undefined"].update(states["undefined"]);
  }
  for (const auto& [matrix, measures] : estimate_variances_)
    for (const auto& [name, layers] : measures)
      for (const auto& variances : layers) {
        auto errors = io::Json::array();
        for (double variance : variances)
          errors.push_back(in_short(std::sqrt(variance) / static_cast<double>(measured_.at(name))));
        json["estimate_errors"][matrix][name].push_back(errors);
      }
  for (const auto& [name, count] : measured_)
    if (count != sequences_) json["measured_sequences"][name] = count;
  return json;
}

}  // namespace saobp::analysis
