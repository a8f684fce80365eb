#include "saobp/tasks/objective.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <numeric>

#include "saobp/io/fields.h"
#include "saobp/io/words.h"
#include "saobp/model/dropout.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/tasks/language.h"

namespace saobp::tasks {
namespace {

// Beyond every layer's numbers, so that the head's dropout is its own.
constexpr uint64_t kHeadDropout = 0x68656164;

Row row_of(text::Encoding encoding) { return {std::move(encoding.ids), std::move(encoding.types)}; }

std::vector<float> numbers_of(const torch::Tensor& row) {
  const auto values = row.to(torch::kFloat).contiguous();
  const auto* data = values.const_data_ptr<float>();
  return {data, data + values.numel()};
}

int64_t largest(const std::vector<float>& values) {
  return std::max_element(values.begin(), values.end()) - values.begin();
}

// Whether others are as large as the largest, of which the first is taken.
bool is_tied(const std::vector<float>& values) {
  return std::count(values.begin(), values.end(), values[static_cast<size_t>(largest(values))]) > 1;
}

std::vector<double> probabilities_of(const std::vector<float>& logits) {
  std::vector<double> shares;
  const double most = logits[static_cast<size_t>(largest(logits))];
  double sum = 0;
  for (float logit : logits) sum += shares.emplace_back(std::exp(logit - most));
  for (double& share : shares) share /= sum;
  return shares;
}

class TextRows {
 public:
  TextRows(const model::ModelConfig& config, const text::Tokenizer& tokenizer, int64_t length,
           text::Truncation truncation)
      : config_(config), tokenizer_(tokenizer), length_(length), truncation_(truncation) {}

  Row encode(std::string_view first, std::optional<std::string_view> second, const std::string& where) {
    text::RowOptions options{.max_length = length_,
                             .truncation = second ? truncation_ : text::Truncation::longest_first,
                             .most_rows = 2,  // the second says that the first was cut
                             .flag = "--length"};
    auto rows = pretrained::encode(config_, tokenizer_, first, second, options);
    if (rows.front().ids.empty()) fail(where, ": its text has no tokens");
    cut_ += rows.size() > 1;
    ++rows_;
    return row_of(std::move(rows.front()));
  }

  void tell(std::vector<std::string>& notes) const {
    if (cut_ > 0)
      notes.push_back(concat(io::counted(cut_, "row"), " of ", io::grouped(rows_), " cut to ", length_, " tokens"));
  }

 private:
  const model::ModelConfig& config_;
  const text::Tokenizer& tokenizer_;
  int64_t length_;
  text::Truncation truncation_;
  int64_t cut_ = 0, rows_ = 0;
};

// "NOT ENTAILMENT" is "not_entailment": checkpoints write labels as they like.
bool is_same_label(const std::string& a, const std::string& b) {
  const auto plain = [](unsigned char c) { return c == ' ' || c == '-' ? '_' : static_cast<char>(std::tolower(c)); };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](char x, char y) { return plain(x) == plain(y); });
}

// Which of the head's outputs is each label's: by name, as config.json has them, or as the files call it. A model that
// names none (LABEL_0 …, as transformers calls them then, or of two nothing at all) has them in the task's order, which
// is told.
std::vector<int64_t> outputs_by_label(const Task& task, const model::ModelConfig& config,
                                      std::vector<std::string>& notes) {
  const auto names = task.label_names();
  const auto own = config.labels.empty() ? std::vector<std::string>{"LABEL_0", "LABEL_1"} : config.labels;
  if (own.size() != names.size())
    throw NotAsked(concat("the model's head has ", io::counted(own.size(), "label"), " (", io::listed(own, "and"),
                          "); ", task.title, " has ", names.size(), ": ", io::listed(names, "and"),
                          "; was it fine-tuned on another task?"));
  const auto by = [&](const auto& is_it) {
    std::vector<int64_t> order;
    for (const auto& label : task.labels) {
      const auto matches = [&](const std::string& name) { return is_it(name, label); };
      const auto found = std::find_if(own.begin(), own.end(), matches);
      if (found != own.end() && std::none_of(found + 1, own.end(), matches)) order.push_back(found - own.begin());
    }
    return order;
  };
  if (auto order = by([](const auto& name, const Label& label) { return is_same_label(name, label.name); });
      order.size() == names.size())
    return order;
  // Scripts that take labels from the files call them as these do: "0" and "1".
  if (auto order = by([](const auto& name, const Label& label) {
        return std::find(label.values.begin(), label.values.end(), name) != label.values.end();
      });
      order.size() == names.size())
    return order;
  for (size_t i = 0; i < names.size(); ++i)
    if (own[i] != concat("LABEL_", i))
      throw NotAsked(concat("the model's head has the labels ", io::listed(own, "and"), "; those of ", task.title,
                            " were expected: ", io::listed(names, "and"), "; was it fine-tuned on another task?"));
  notes.push_back(
      concat("the model does not name its labels; they are taken in the task's order: ", io::listed(names, "and")));
  std::vector<int64_t> order(names.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  return order;
}

// A class or a number for a text or a pair.
class TextObjective final : public Objective {
 public:
  TextObjective(const Task& task, const Examples& examples, const model::ModelConfig& config,
                const text::Tokenizer& tokenizer, int64_t length)
      : task_(task), examples_(examples), pad_(config.pad_token_id) {
    TextRows rows(config, tokenizer, length, text::Truncation::longest_first);
    for (const auto& example : examples.list)
      rows_.push_back(rows.encode(example.first,
                                  example.second ? std::optional<std::string_view>(*example.second) : std::nullopt,
                                  example.where));
    rows.tell(notes_);
    if (task.kind == Kind::classification)
      order_ = outputs_by_label(task, config, notes_);
    else if (const auto outputs = model::outputs_of(model::HeadKind::sequence_classification, config); outputs != 1)
      throw NotAsked(concat("the model's head has ", outputs, " outputs; ", task.title,
                            " takes one, a number; was it fine-tuned on another task?"));
  }

  int64_t items() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t length(int64_t item) const override {
    return static_cast<int64_t>(rows_[static_cast<size_t>(item)].ids.size());
  }

  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<const Row*> rows;
    for (int64_t item : items) rows.push_back(&rows_[static_cast<size_t>(item)]);
    return pretrained::pad(rows, pad_);
  }

  io::Json target(int64_t item) const override {
    const auto& of = example(item);
    if (task_.kind == Kind::regression) return std::isnan(of.value) ? io::Json() : io::Json(of.value);
    return of.label < 0 ? io::Json() : io::Json(order_[static_cast<size_t>(of.label)]);
  }

  torch::Tensor loss_sum(const model::Model& model, std::span<const int64_t> items, double scale) const override {
    const auto logits = pooled_logits(model, inputs(items));
    if (task_.kind == Kind::regression) {
      std::vector<float> values;
      for (int64_t item : items) values.push_back(static_cast<float>(example(item).value));
      return (logits.squeeze(1) - torch::tensor(values)).square().sum() * scale;
    }
    std::vector<int64_t> labels;
    for (int64_t item : items) labels.push_back(order_[static_cast<size_t>(example(item).label)]);
    return torch::cross_entropy_loss(logits, torch::tensor(labels), {}, at::Reduction::Sum) * scale;
  }

  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    const auto logits = pooled_logits(model, inputs(items));
    std::vector<std::vector<float>> rows;
    rows.reserve(items.size());
    for (int64_t i = 0; i < logits.size(0); ++i) rows.push_back(numbers_of(logits[i]));
    return rows;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<Prediction> made;
    made.reserve(outputs.size());
    for (int64_t i = 0; i < items(); ++i) {
      made.push_back(prediction_of(example(i), outputs[static_cast<size_t>(i)]));
      made.back().details["tokens"] = length(i);
    }
    return made;
  }

 private:
  const Example& example(int64_t item) const { return examples_.list[static_cast<size_t>(item)]; }

  Prediction prediction_of(const Example& example, const std::vector<float>& output) const {
    if (task_.kind == Kind::regression)
      return {example.id, std::isnan(example.value) ? io::Json() : io::Json(example.value), output[0], nullptr};
    const auto name = [&](int64_t label) { return task_.labels[static_cast<size_t>(label)].name; };
    io::Json shares = io::Json::object();
    std::vector<float> by_label;
    by_label.reserve(order_.size());
    for (int64_t place : order_) by_label.push_back(output[static_cast<size_t>(place)]);
    const auto probabilities = probabilities_of(by_label);
    for (size_t i = 0; i < probabilities.size(); ++i) shares[task_.labels[i].name] = probabilities[i];
    Prediction made{example.id,
                    example.label < 0 ? io::Json() : io::Json(name(example.label)),
                    name(largest(by_label)),
                    {{"probabilities", shares}}};
    if (is_tied(by_label)) made.details["tied"] = true;
    return made;
  }

  const Task& task_;
  const Examples& examples_;
  int64_t pad_;
  std::vector<Row> rows_;
  std::vector<int64_t> order_;  // the outputs of the task's labels
};

// Which of several texts goes with the first.
class ChoiceObjective final : public Objective {
 public:
  ChoiceObjective(const Examples& examples, const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                  int64_t length)
      : examples_(examples), pad_(config.pad_token_id) {
    TextRows rows(config, tokenizer, length, text::Truncation::only_first);
    for (const auto& example : examples.list) {
      auto& of_example = rows_.emplace_back();
      for (const auto& option : example.options) of_example.push_back(encode(rows, example, option));
    }
    rows.tell(notes_);
  }

  int64_t items() const override { return static_cast<int64_t>(rows_.size()); }
  int64_t length(int64_t item) const override {
    size_t longest = 0;
    for (const auto& row : rows_[static_cast<size_t>(item)]) longest = std::max(longest, row.ids.size());
    return static_cast<int64_t>(longest);
  }

  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<const Row*> rows;
    for (int64_t item : items)
      for (const auto& row : rows_[static_cast<size_t>(item)]) rows.push_back(&row);
    return pretrained::pad(rows, pad_);
  }

  io::Json target(int64_t item) const override {
    return example(item).label < 0 ? io::Json() : io::Json(example(item).label);
  }

  torch::Tensor loss_sum(const model::Model& model, std::span<const int64_t> items, double scale) const override {
    const auto logits = pooled_logits(model, inputs(items)).squeeze(1);
    std::vector<torch::Tensor> losses;
    int64_t first = 0;
    for (int64_t item : items) {
      const auto options = static_cast<int64_t>(rows_[static_cast<size_t>(item)].size());
      losses.push_back(-logits.narrow(0, first, options).log_softmax(0)[example(item).label]);
      first += options;
    }
    return torch::stack(losses).sum() * scale;
  }

  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    const auto logits = numbers_of(pooled_logits(model, inputs(items)));
    std::vector<std::vector<float>> rows;
    auto next = logits.begin();
    for (int64_t item : items) {
      const auto options = static_cast<std::ptrdiff_t>(rows_[static_cast<size_t>(item)].size());
      rows.emplace_back(next, next + options);
      next += options;
    }
    return rows;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<Prediction> made;
    for (int64_t i = 0; i < items(); ++i) {
      const auto& output = outputs[static_cast<size_t>(i)];
      const auto& of = example(i);
      io::Json options = io::Json::array();
      const auto probabilities = probabilities_of(output);
      for (size_t n = 0; n < output.size(); ++n)
        options.push_back({{"probability", probabilities[n]}, {"characters", io::code_points(of.options[n])}});
      made.push_back({of.id, of.label < 0 ? io::Json() : io::Json(of.label), largest(output), {{"options", options}}});
      if (is_tied(output)) made.back().details["tied"] = true;
      made.back().details["tokens"] = length(i);
    }
    return made;
  }

 private:
  const Example& example(int64_t item) const { return examples_.list[static_cast<size_t>(item)]; }

  static Row encode(TextRows& rows, const Example& example, const std::string& option) {
    try {
      return rows.encode(example.first, option, example.where);
    } catch (const UsageError& error) {
      fail(example.where, ": an option is too long for a row: ", error.what());
    }
  }

  const Examples& examples_;
  int64_t pad_;
  std::vector<std::vector<Row>> rows_;  // [example][option]
};

}  // namespace

uint64_t head_seed(const model::Model& model) {
  return model->is_training() ? model::derive_seed(model->dropout_seed, kHeadDropout) : 0;
}

torch::Tensor pooled_logits(const model::Model& model, const model::Inputs& inputs) {
  return model->head()->logits(model->pooled_states(inputs), head_seed(model)).to(torch::kFloat);
}

int64_t longest(const Objective& objective) {
  int64_t tokens = 0;
  for (int64_t item = 0; item < objective.items(); ++item) tokens = std::max(tokens, objective.length(item));
  return tokens;
}

void set_labels(const Task& task, model::ModelConfig& config) {
  config.labels.clear();
  if (task.kind == Kind::regression) config.labels = {"LABEL_0"};
  for (const auto& label : task.labels) config.labels.push_back(label.name);
}

std::unique_ptr<Objective> make_objective(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                          const text::Tokenizer& tokenizer, int64_t length) {
  switch (task.kind) {
    case Kind::classification:
    case Kind::regression:
      return std::make_unique<TextObjective>(task, examples, config, tokenizer, length);
    case Kind::choice:
      return std::make_unique<ChoiceObjective>(examples, config, tokenizer, length);
    case Kind::similarity:
      return make_similarities(task, examples, config, tokenizer, length);
    case Kind::span:
      return make_spans(task, examples, config, tokenizer, length);
    case Kind::language:
      return make_language(task, examples, config, tokenizer, length);
  }
  fail(task.title, ": ", io::enum_name(task.kind), " is not trained");
}

}  // namespace saobp::tasks
