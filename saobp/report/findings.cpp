#include "saobp/report/findings.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "saobp/io/words.h"
#include "saobp/report/html.h"
#include "saobp/report/table.h"

namespace saobp::report {
namespace {

struct Head {
  size_t layer = 0, head = 0;
  double value = NAN;
};

std::string named(const Head& at) { return concat("layer ", at.layer, " head ", at.head); }

// Heads with a number, the largest first.
std::vector<Head> ranked(const Layers& layers) {
  std::vector<Head> all;
  for (size_t layer = 0; layer < layers.size(); ++layer)
    for (size_t head = 0; head < layers[layer].size(); ++head)
      if (!std::isnan(layers[layer][head])) all.push_back({layer, head, layers[layer][head]});
  std::stable_sort(all.begin(), all.end(), [](const Head& a, const Head& b) { return a.value > b.value; });
  return all;
}

std::string percent(double share) { return fixed(100 * share, share < 0.1 ? 1 : 0) + " %"; }

class Writer {
 public:
  Writer(const AnalysisRecord& analysis, const io::Json& json) : analysis_(analysis), json_(json) {
    threshold_ = io::get_or<double>(analysis.settings, "sink_threshold", 0.3, analysis.source);
  }

  std::vector<std::string> write() {
    // Where looking everywhere alike already gives nearly the share of a sink, no sink can be told.
    if (analysis_.even_share > threshold_ * 2 / 3 && !used("top_key_share").empty()) {
      out_.push_back(concat("The sequences are too short to tell a sink, with ", tokens_of_mean(),
                            " on average: a head that looks everywhere alike gives one key ",
                            percent(analysis_.even_share), " of its attention. Take longer texts."));
    } else {
      sinks();
      if (!sinks_.empty()) kind_of_sinks();
    }
    long_ones();
    gtd();
    states();
    refinement();
    return std::move(out_);
  }

 private:
  std::string tokens_of_mean() const {
    return io::counted(std::llround(static_cast<double>(analysis_.tokens) / static_cast<double>(analysis_.sequences)),
                       "token");
  }

  const Layers& used(const char* measure) const { return analysis_.refined.of(measure); }

  // ± the standard error of the mean over sequences, where it is known.
  std::string error_of(const char* measure, const Head& at) const {
    const io::Json* place = &json_;
    for (const char* key : {"standard_errors", "B", measure}) {
      const auto next = place->is_object() ? place->find(key) : place->end();
      if (next == place->end()) return "";
      place = &*next;
    }
    if (!place->is_array() || at.layer >= place->size() || !place->at(at.layer).is_array() ||
        at.head >= place->at(at.layer).size() || !place->at(at.layer).at(at.head).is_number())
      return "";
    return " ± " + fixed(100 * place->at(at.layer).at(at.head).get<double>(), 1);
  }

  double at(const char* measure, const Head& head) const {
    const Layers& layers = used(measure);
    return layers.empty() || head.head >= layers[head.layer].size() ? NAN : layers[head.layer][head.head];
  }

  void long_ones() {
    if (analysis_.long_sequences == 0) return;
    const bool all = analysis_.long_sequences == analysis_.sequences;
    out_.push_back(
        concat(all ? "All sequences" : concat(analysis_.long_sequences, " of ", analysis_.sequences, " sequences"),
               " are too long to hold their matrices (--dense-length): of these only what takes no matrix "
               "was measured, and no sink was looked for."));
  }

  void sinks() {
    const auto all = ranked(used("top_key_share"));
    if (all.empty()) return;
    std::copy_if(all.begin(), all.end(), std::back_inserter(sinks_),
                 [&](const Head& h) { return h.value > threshold_; });
    const auto& top = all.front();
    const std::string most = concat(named(top), ", where one key gets ", percent(top.value),
                                    error_of("top_key_share", top), " of all attention");
    if (sinks_.empty()) {
      out_.push_back(concat("No head has collapsed onto a key: none gives more than ", percent(threshold_),
                            " of its attention to one. The closest is ", most, "."));
      return;
    }
    std::vector<size_t> layers;
    layers.reserve(sinks_.size());
    for (const auto& sink : sinks_) layers.push_back(sink.layer);
    std::sort(layers.begin(), layers.end());
    layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
    std::vector<std::string> names;
    names.reserve(layers.size());
    for (size_t layer : layers) names.push_back(std::to_string(layer));
    out_.push_back(concat(sinks_.size(), " of ", io::counted(all.size(), "head"), " give more than ",
                          percent(threshold_), " of their attention to one key (",
                          layers.size() == 1 ? "layer " : "layers ", io::listed(names, "and"), "). The strongest is ",
                          most, where_it_lies(top), "."));
  }

  std::string where_it_lies(const Head& top) const {
    const double first = at("first_token_share", top), special = at("special_token_share", top);
    if (first > 0.8 * top.value) return concat("; ", percent(first), " lies on the first token");
    if (special > 0.8 * top.value) return concat("; ", percent(special), " lies on special tokens");
    return "";
  }

  void kind_of_sinks() {
    double sum = 0, count = 0;
    const char* measure = used("sink_output_norm").empty() ? "sink_value_norm" : "sink_output_norm";
    for (const auto& sink : sinks_)
      if (const double norm = at(measure, sink); !std::isnan(norm)) sum += norm, ++count;
    if (count == 0) return;
    const double norm = sum / count;
    std::string kind = "an ordinary value: what these heads do is to pass that token on";
    if (norm < 0.5)
      kind =
          "almost nothing: such a sink is how a head switches itself off (no-op), and taking it away takes the switch "
          "away";
    else if (norm > 1.5)
      kind = "more than other tokens: such a sink hands one vector to all (broadcast)";
    out_.push_back(concat("What these keys pass on is ", fixed(norm, 2), " of the mean length, ", kind, "."));
  }

  void gtd() {
    const auto all = ranked(used("gtd"));
    if (all.empty()) return;
    // Heads on the line, which rounding puts to either side, do not lie above it.
    const double line = analysis_.idempotent_gtd + 5e-4;
    const auto above = std::count_if(all.begin(), all.end(), [&](const Head& h) { return h.value > line; });
    std::string text = concat("GTD is ", fixed(mean(used("gtd")), 3), " on average");
    if (above == 0) {
      out_.push_back(text + concat("; no head lies above ", fixed(analysis_.idempotent_gtd, 3),
                                   ", the value of attention that is its own square: by this measure none looks as one "
                                   "that has collapsed onto a key, which entropy beside it may confirm."));
      return;
    }
    // Where GTD is high since attention has collapsed, heads that stand above the line are those with a sink.
    int64_t both = 0;
    for (const auto& h : all)
      both += h.value > line && std::any_of(sinks_.begin(), sinks_.end(),
                                            [&](const Head& s) { return s.layer == h.layer && s.head == h.head; });
    text += concat("; ", io::counted(above, "head"), above == 1 ? " lies" : " lie", " above ",
                   fixed(analysis_.idempotent_gtd, 3), ", the value of attention that is its own square");
    if (both > 0 && above == 1) text += ", and has a sink";
    if (both > 0 && above > 1)
      text += concat(", ", both == above ? "all" : std::to_string(both), " of them with a sink");
    out_.push_back(text + ". Higher is not better: it falls when a sink goes.");
  }

  void states() {
    const auto* found = json_.contains("states") ? &json_.at("states") : nullptr;
    if (found == nullptr || !found->contains("states_cosine")) return;
    const auto& cosines = found->at("states_cosine");
    if (!cosines.is_array() || cosines.empty() || !cosines.back().is_number()) return;
    const auto last = cosines.back().get<double>();
    out_.push_back(concat("Hidden states of two tokens have a mean cosine of ", fixed(last, 2),
                          " after the last layer: ",
                          last > 0.9   ? "they have collapsed towards one direction (rank collapse)"
                          : last > 0.6 ? "they share much of one direction"
                                       : "they have kept apart",
                          "."));
  }

  void refinement() {
    if (analysis_.is_unrefined()) return;
    std::vector<std::string> parts;
    const auto change = [&](const char* measure, const char* what, int digits) {
      const Layers &before = analysis_.raw.of(measure), &after = analysis_.refined.of(measure);
      if (before.empty() || after.empty()) return;
      parts.push_back(concat(what, " from ", fixed(mean(before), digits), " to ", fixed(mean(after), digits)));
    };
    change("attention_entropy", "entropy", 2);
    change("top_key_share", "the share of the top key", 3);
    change("gtd", "GTD", 3);
    if (!parts.empty())
      out_.push_back(concat("Refinement changes ", io::listed(parts, "and"), ", on average over heads."));
  }

  const AnalysisRecord& analysis_;
  const io::Json& json_;
  double threshold_;
  std::vector<Head> sinks_;
  std::vector<std::string> out_;
};

}  // namespace

std::vector<std::string> findings(const AnalysisRecord& analysis, const io::Json& json) {
  return Writer(analysis, json).write();
}

std::string findings_text(const io::Json& json, const std::string& source, const std::string& of) {
  const auto analysis = read_analysis(json, source);
  const auto sentences = findings(analysis, json);
  if (sentences.empty()) return "";
  std::string out = concat("What this says", of.empty() ? "" : " of " + of, " (",
                           io::counted(analysis.sequences, "sequence"), "; ± is the standard error)\n");
  for (const auto& sentence : sentences) out += in_lines(sentence, "– ", "  ");
  return out;
}

}  // namespace saobp::report
