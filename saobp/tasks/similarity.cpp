// How alike two texts are to an encoder as it is: the cosine of their mean hidden states.
#include "saobp/pretrained/model_folder.h"
#include "saobp/tasks/objective.h"

#include <cmath>

#include "saobp/io/words.h"

namespace saobp::tasks {
namespace {

class Similarities final : public Objective {
 public:
  Similarities(const Task& task, const Examples& examples, const model::ModelConfig& config,
               const text::Tokenizer& tokenizer, int64_t length)
      : task_(task), examples_(examples), pad_(config.pad_token_id) {
    int64_t cut = 0;
    for (const auto& example : examples.list)
      for (const auto* text : {&example.first, &*example.second}) {
        auto rows = pretrained::encode(config, tokenizer, *text, {}, {.max_length = length});
        cut += rows.size() > 1;
        rows_.push_back({std::move(rows[0].ids), std::move(rows[0].types)});
      }
    if (cut > 0) notes_.push_back(concat(io::counted(cut, "text"), " cut to ", length, " tokens"));
  }

  int64_t items() const override { return static_cast<int64_t>(rows_.size() / 2); }
  int64_t length(int64_t item) const override {
    const auto n = static_cast<size_t>(item);
    return static_cast<int64_t>(std::max(rows_[2 * n].ids.size(), rows_[2 * n + 1].ids.size()));
  }
  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<const Row*> rows;
    for (int64_t item : items)
      for (size_t n : {size_t{0}, size_t{1}}) rows.push_back(&rows_[2 * static_cast<size_t>(item) + n]);
    return pretrained::pad(rows, pad_);
  }
  torch::Tensor loss_sum(const model::Model&, std::span<const int64_t>, double) const override {
    fail(task_.title, ": is not trained on");
  }

  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    const auto inputs = this->inputs(items);
    auto hidden = model->hidden_states(inputs).to(torch::kFloat);
    torch::Tensor means;
    if (inputs.attention_mask.defined()) {
      const auto mask = inputs.attention_mask.unsqueeze(-1).to(torch::kFloat);
      means = (hidden * mask).sum(1) / mask.sum(1);
    } else {
      means = hidden.mean(1);
    }
    means = means.view({-1, 2, means.size(1)});
    const auto cosines = torch::cosine_similarity(means.select(1, 0), means.select(1, 1), 1).contiguous();
    std::vector<std::vector<float>> found;
    found.reserve(items.size());
    for (int64_t n = 0; n < cosines.numel(); ++n) found.push_back({cosines.const_data_ptr<float>()[n]});
    return found;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<Prediction> made;
    for (size_t i = 0; i < outputs.size(); ++i) {
      const auto& example = examples_.list[i];
      made.push_back({example.id,
                      std::isnan(example.value) ? io::Json() : io::Json(example.value),
                      outputs[i][0],
                      {{"tokens", length(static_cast<int64_t>(i))}}});
    }
    return made;
  }

 private:
  const Task& task_;
  const Examples& examples_;
  int64_t pad_;
  std::vector<Row> rows_;  // two an example
};

}  // namespace

std::unique_ptr<Objective> make_similarities(const Task& task, const Examples& examples,
                                             const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                             int64_t length) {
  return std::make_unique<Similarities>(task, examples, config, tokenizer, length);
}

}  // namespace saobp::tasks
