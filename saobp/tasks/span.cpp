// Where an answer stands in a context: windows, the loss of their two ends, and answers out of the windows' logits as
// transformers' utils_qa.py finds them (which knows no "maximum context" rule).
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "saobp/io/words.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/tasks/objective.h"

namespace saobp::tasks {
namespace {

constexpr int64_t kBest = 20, kLongestAnswer = 30;  // run_squad.py

struct Window {
  int64_t example = 0;
  Row row;
  int64_t first = 0;              // token of the context
  std::vector<text::Span> spans;  // of the context's tokens, in bytes of it
  int64_t start = 0, end = 0;     // tokens of the answer; 0: it is not in here
};

struct Candidate {
  double score, start, end;
  std::string text;
};

// Where the n-th code point of the text begins.
size_t byte_of(const std::string& text, int64_t code_point) {
  size_t at = 0;
  for (int64_t n = 0; n < code_point && at < text.size(); ++n)
    for (++at; at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;) ++at;
  return at;
}

void place_answer(Window& window, const Example& example) {
  if (example.answers.empty() || window.spans.empty()) return;
  const auto& answer = example.answers[0];
  const auto begin = static_cast<int64_t>(byte_of(*example.second, answer.start)),
             end = begin + static_cast<int64_t>(answer.text.size());
  if (window.spans.front().begin > begin || window.spans.back().end < end) return;
  int64_t first = 0, last = static_cast<int64_t>(window.spans.size()) - 1;
  const auto span = [&](int64_t n) { return window.spans[static_cast<size_t>(n)]; };
  while (first < last && span(first + 1).begin <= begin) ++first;
  while (last > first && span(last - 1).end >= end) --last;
  window.start = window.first + first, window.end = window.first + last;
}

// The places of the largest values, the largest first.
std::vector<int64_t> largest_of(std::span<const float> values, int64_t count) {
  std::vector<int64_t> places(values.size());
  std::iota(places.begin(), places.end(), int64_t{0});
  const auto most = std::min(count, static_cast<int64_t>(places.size()));
  std::partial_sort(places.begin(), places.begin() + most, places.end(), [&](int64_t a, int64_t b) {
    const float x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
    return x > y || (x == y && a < b);
  });
  places.resize(static_cast<size_t>(most));
  return places;
}

class Spans final : public Objective {
 public:
  Spans(const Task& task, const Examples& examples, const model::ModelConfig& config, const text::Tokenizer& tokenizer,
        int64_t length)
      : task_(task), examples_(examples), pad_(config.pad_token_id) {
    int64_t in_windows = 0;
    for (size_t i = 0; i < examples.list.size(); ++i) {
      const auto before = windows_.size();
      add_windows(static_cast<int64_t>(i), config, tokenizer, length);
      in_windows += windows_.size() > before + 1;
    }
    if (in_windows > 0)
      notes_.push_back(concat("the contexts of ", io::counted(in_windows, "question"), " go in windows of ", length,
                              " tokens, ", task.overlap, " of them shared: ", io::grouped(items()), " windows in all"));
  }

  int64_t items() const override { return static_cast<int64_t>(windows_.size()); }
  int64_t example_of(int64_t item) const override { return window(item).example; }
  int64_t length(int64_t item) const override { return static_cast<int64_t>(window(item).row.ids.size()); }
  bool is_trained(int64_t item) const override {
    const auto& of = example(window(item));
    const bool is_empty = window(item).end == 0 && !of.answers.empty();
    return of.aligned && !(task_.answer_windows_only && is_empty);
  }

  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<const Row*> rows;
    for (int64_t item : items) rows.push_back(&window(item).row);
    return pretrained::pad(rows, pad_);
  }

  io::Json target(int64_t item) const override { return {window(item).start, window(item).end}; }

  torch::Tensor loss_sum(const model::Model& model, std::span<const int64_t> items, double scale) const override {
    const auto logits = logits_of(model, items);
    std::vector<int64_t> starts, ends;
    for (int64_t item : items) starts.push_back(window(item).start), ends.push_back(window(item).end);
    const auto loss = [&](int64_t which, const std::vector<int64_t>& places) {
      return torch::cross_entropy_loss(logits.select(2, which), torch::tensor(places), {}, at::Reduction::Sum);
    };
    return (loss(0, starts) + loss(1, ends)) * (0.5 * scale);
  }

  // Start logits of the row's tokens, then their end logits.
  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    const auto logits = logits_of(model, items).transpose(1, 2).contiguous();
    const int64_t padded = logits.size(2);
    std::vector<std::vector<float>> found;
    const float* data = logits.const_data_ptr<float>();
    for (size_t i = 0; i < items.size(); ++i) {
      auto& row = found.emplace_back();
      for (int64_t which : {0, 1}) {
        const float* first = data + (static_cast<int64_t>(2 * i) + which) * padded;
        row.insert(row.end(), first, first + length(items[i]));
      }
    }
    return found;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<Prediction> made;
    for (size_t w = 0; w < windows_.size();) {
      size_t end = w;
      while (end < windows_.size() && windows_[end].example == windows_[w].example) ++end;
      made.push_back(prediction_of(w, end, outputs));
      w = end;
    }
    return made;
  }

 private:
  const Window& window(int64_t item) const { return windows_[static_cast<size_t>(item)]; }
  const Example& example(const Window& window) const { return examples_.list[static_cast<size_t>(window.example)]; }

  void add_windows(int64_t number, const model::ModelConfig& config, const text::Tokenizer& tokenizer, int64_t length) {
    const auto& example = examples_.list[static_cast<size_t>(number)];
    const text::RowOptions options{.max_length = length,
                                   .truncation = text::Truncation::only_second,
                                   .stride = task_.overlap,
                                   .flag = "--length",
                                   .stride_flag = "--overlap"};
    std::vector<text::Encoding> rows;
    try {
      rows = pretrained::encode(config, tokenizer, example.first, std::string_view(*example.second), options);
    } catch (const UsageError& error) {
      fail(example.where, ": its context does not go into windows of ", length, " tokens: ", error.what());
    }
    for (auto& row : rows) {
      Window made;
      made.example = number;
      made.row = {std::move(row.ids), std::move(row.types)};
      for (size_t t = 0; t < row.texts.size(); ++t) {
        if (row.texts[t] != 1) continue;
        if (made.spans.empty()) made.first = static_cast<int64_t>(t);
        made.spans.push_back(row.bytes[t]);
      }
      if (example.aligned) place_answer(made, example);
      windows_.push_back(std::move(made));
    }
  }

  // [B, L, 2] in float; padding is never an end of an answer.
  torch::Tensor logits_of(const model::Model& model, std::span<const int64_t> items) const {
    const auto inputs = this->inputs(items);
    const auto hidden = model->hidden_states(inputs);
    const auto logits = model->head()
                            ->logits(hidden.reshape({-1, hidden.size(2)}), head_seed(model))
                            .to(torch::kFloat)
                            .view({hidden.size(0), hidden.size(1), 2});
    if (!inputs.attention_mask.defined()) return logits;
    return logits.masked_fill(inputs.attention_mask.logical_not().unsqueeze(2),
                              -std::numeric_limits<float>::infinity());
  }

  void add_candidates(const Window& window, const std::vector<float>& output, std::vector<Candidate>& found) const {
    const auto tokens = window.row.ids.size();
    const std::span<const float> starts(output.data(), tokens), ends(output.data() + tokens, tokens);
    const auto count = static_cast<int64_t>(window.spans.size());
    const auto& context = *example(window).second;
    const auto best_ends = largest_of(ends, kBest);
    for (int64_t start : largest_of(starts, kBest))
      for (int64_t end : best_ends) {
        const int64_t first = start - window.first, last = end - window.first;
        if (first < 0 || last < first || last >= count || last - first + 1 > kLongestAnswer) continue;
        const auto begin = static_cast<size_t>(window.spans[static_cast<size_t>(first)].begin),
                   stop = static_cast<size_t>(window.spans[static_cast<size_t>(last)].end);
        const double s = starts[static_cast<size_t>(start)], e = ends[static_cast<size_t>(end)];
        found.push_back({s + e, s, e, context.substr(begin, stop - begin)});
      }
  }

  Prediction prediction_of(size_t begin, size_t end, const std::vector<std::vector<float>>& outputs) const {
    const auto& example = examples_.list[static_cast<size_t>(windows_[begin].example)];
    std::vector<Candidate> found;
    double null_score = std::numeric_limits<double>::infinity(), null_start = 0, null_end = 0;
    for (size_t w = begin; w < end; ++w) {
      const auto& output = outputs[w];
      const double start = output[0], stop = output[output.size() / 2];
      if (start + stop < null_score) null_score = start + stop, null_start = start, null_end = stop;
      add_candidates(windows_[w], output, found);
    }
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    if (static_cast<int64_t>(found.size()) > kBest) found.resize(kBest);
    // "empty" as transformers has it; version 2 of SQuAD has the empty text for that.
    const std::string none = examples_.may_be_impossible ? "" : "empty", best = found.empty() ? none : found[0].text;
    const double margin = null_score - (found.empty() ? null_score : found[0].score);
    if (examples_.may_be_impossible) found.push_back({null_score, null_start, null_end, ""});
    if (found.empty()) found.push_back({0, 0, 0, best});
    std::stable_sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.score > b.score; });
    double sum = 0;
    for (const auto& each : found) sum += std::exp(each.score - found[0].score);
    io::Json choices = io::Json::array();
    for (const auto& each : found)
      choices.push_back({{"text", each.text},
                         {"probability", std::exp(each.score - found[0].score) / sum},
                         {"start_logit", each.start},
                         {"end_logit", each.end}});
    io::Json golds = io::Json::array();
    for (const auto& answer : example.answers) golds.push_back(answer.text);
    Prediction made{example.id, examples_.labelled ? golds : io::Json(), best, {{"nbest", choices}}};
    // Windows share `overlap` tokens of the context, and all have the question.
    int64_t tokens = length(static_cast<int64_t>(begin));
    for (size_t w = begin + 1; w < end; ++w) tokens += static_cast<int64_t>(windows_[w].spans.size()) - task_.overlap;
    made.details["tokens"] = tokens;
    if (examples_.may_be_impossible) {
      if (margin > 0) made.prediction = "";
      made.details["answer"] = best;
      made.details["no_answer_margin"] = margin;  // positive: none is given
    }
    return made;
  }

  const Task& task_;
  const Examples& examples_;
  int64_t pad_;
  std::vector<Window> windows_;  // those of an example one after the other
};

}  // namespace

std::unique_ptr<Objective> make_spans(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                      const text::Tokenizer& tokenizer, int64_t length) {
  return std::make_unique<Spans>(task, examples, config, tokenizer, length);
}

}  // namespace saobp::tasks
