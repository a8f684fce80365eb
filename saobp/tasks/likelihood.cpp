#include "saobp/tasks/likelihood.h"

#include <algorithm>

#include "saobp/io/words.h"
#include "saobp/tasks/log_likelihoods.h"

namespace saobp::tasks {
namespace {

struct Option {
  std::string text;
  Asked behind_context, alone;  // context and option, without the last token, which predicts nothing
};

class Likelihoods final : public Objective {
 public:
  Likelihoods(const Task& task, const Prompt& prompt, const Examples& examples, const model::ModelConfig& config,
              const text::Tokenizer& tokenizer, int64_t length)
      : task_(task), examples_(examples), tokenizer_(tokenizer), longest_(length), pad_(config.pad_token_id) {
    const auto begin = tokenizer.special().end_of_text();
    if (!begin) fail("the tokenizer has no token that begins a text; a decoder's was expected");
    begin_ = *begin;
    for (const auto& example : examples.list) {
      const auto where = task.name + ": \"clean\"";
      const auto context = filtered(prompt.context.fill(example.record), prompt.clean, where);
      auto& options = options_.emplace_back();
      for (const auto& as_it_is : option_texts(example)) {
        const auto option = filtered(as_it_is, prompt.clean, where);
        if (option.empty()) fail(example.where, ": an option is empty; a text was expected, to ask how likely it is");
        const auto continuation = prompt.option.fill(example.record, option);
        options.push_back({option, continuation_of(context, continuation, example.where),
                           continuation_of("", continuation, example.where)});
      }
    }
    if (cut_ > 0)
      notes_.push_back(concat("of ", io::counted(cut_, "row"), " the beginning was cut, to ", longest_, " tokens"));
  }

  int64_t items() const override { return static_cast<int64_t>(options_.size()); }
  int64_t length(int64_t item) const override {
    size_t longest = 0;
    for (const auto& option : options_[static_cast<size_t>(item)])
      longest = std::max(longest, option.behind_context.row.ids.size());
    return static_cast<int64_t>(longest);
  }
  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<const Row*> rows;
    for (int64_t item : items)
      for (const auto& option : options_[static_cast<size_t>(item)]) rows.push_back(&option.behind_context.row);
    return pretrained::pad(rows, pad_);
  }
  torch::Tensor loss_sum(const model::Model&, std::span<const int64_t>, double) const override {
    fail(task_.title, ": likelihoods are asked for, not trained");
  }

  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    std::vector<const Asked*> rows, alone;
    for (int64_t item : items)
      for (const auto& option : options_[static_cast<size_t>(item)])
        rows.push_back(&option.behind_context), alone.push_back(&option.alone);
    const auto behind = log_likelihoods(model, rows, pad_), by_themselves = log_likelihoods(model, alone, pad_);
    std::vector<std::vector<float>> found;
    size_t next = 0;
    for (int64_t item : items) {
      auto& output = found.emplace_back();
      for (size_t n = 0; n < options_[static_cast<size_t>(item)].size(); ++n, ++next)
        output.push_back(behind[next]), output.push_back(by_themselves[next]);
    }
    return found;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<Prediction> made;
    for (size_t i = 0; i < options_.size(); ++i) {
      const auto& example = examples_.list[i];
      io::Json options = io::Json::array();
      int64_t best = 0;
      for (size_t n = 0; n < options_[i].size(); ++n) {
        const auto& option = options_[i][n];
        options.push_back({{"log_likelihood", outputs[i][2 * n]},
                           {"unconditional", outputs[i][2 * n + 1]},
                           {"characters", io::code_points(option.text)},
                           {"bytes", option.text.size()},
                           {"tokens", option.behind_context.targets.size()}});
        if (outputs[i][2 * n] > outputs[i][2 * static_cast<size_t>(best)]) best = static_cast<int64_t>(n);
      }
      const auto named = [&](int64_t n) {
        return task_.kind == Kind::classification ? io::Json(task_.labels[static_cast<size_t>(n)].name) : io::Json(n);
      };
      int64_t as_likely = 0;
      for (size_t n = 0; n < options_[i].size(); ++n)
        as_likely += outputs[i][2 * n] == outputs[i][2 * static_cast<size_t>(best)];
      made.push_back(
          {example.id, example.label < 0 ? io::Json() : named(example.label), named(best), {{"options", options}}});
      made.back().details["tokens"] = length(static_cast<int64_t>(i));
      if (as_likely > 1) made.back().details["tied"] = true;
    }
    return made;
  }

 private:
  std::vector<std::string> option_texts(const Example& example) const {
    if (task_.kind != Kind::classification) return example.record.require_list(task_.options_field());
    return task_.label_names();
  }

  std::vector<int32_t> encode(std::string_view text) const {
    auto rows = text::encode_rows(tokenizer_, text, {}, {.special_tokens = false});
    return std::move(rows.front().ids);
  }

  Asked continuation_of(std::string_view context, std::string_view option, const std::string& where) {
    const auto end = context.find_last_not_of(" \t\n\r\f\v");
    const auto kept = end == std::string_view::npos ? std::string_view() : context.substr(0, end + 1);
    const auto whole = encode(concat(context, option));
    auto before = kept.empty() ? std::vector<int32_t>() : encode(kept);
    if (before.size() >= whole.size()) fail(where, ": an option adds no token to its context: \"", option, "\"");
    Asked made;
    made.targets.assign(whole.begin() + static_cast<std::ptrdiff_t>(before.size()), whole.end());
    if (before.empty()) made.row.ids.push_back(begin_);
    made.row.ids.insert(made.row.ids.end(), whole.begin(), whole.end() - 1);
    if (static_cast<int64_t>(made.row.ids.size()) > longest_) {
      made.row.ids.erase(made.row.ids.begin(), made.row.ids.end() - longest_);
      ++cut_;
    }
    if (made.targets.size() > made.row.ids.size())
      fail(where, ": an option has ", made.targets.size(), " tokens; a row has at most ", longest_, ": \"", option,
           "\"");
    for (size_t n = made.row.ids.size() - made.targets.size(); n < made.row.ids.size(); ++n)
      made.places.push_back(static_cast<int64_t>(n));
    return made;
  }

  const Task& task_;
  const Examples& examples_;
  const text::Tokenizer& tokenizer_;
  int64_t longest_, pad_, cut_ = 0;
  int32_t begin_;
  std::vector<std::vector<Option>> options_;  // [example]
};

}  // namespace

std::unique_ptr<Objective> make_likelihoods(const Task& task, const std::string& prompt, const Examples& examples,
                                            const model::ModelConfig& config, const text::Tokenizer& tokenizer,
                                            int64_t length) {
  const auto found = task.prompts.find(prompt);
  if (found == task.prompts.end()) {
    if (task.prompts.empty())
      throw NotAsked(
          concat(task.title, " has no prompts to ask a decoder by; it takes a head, which saobp finetune trains"));
    std::vector<std::string> names;
    names.reserve(task.prompts.size());
    for (const auto& [name, text] : task.prompts) names.push_back(name);
    fail_usage("--prompt: ", task.title, " has no prompt ", prompt, "; ", io::listed(names), " was expected");
  }
  return std::make_unique<Likelihoods>(task, found->second, examples, config, tokenizer, length);
}

}  // namespace saobp::tasks
