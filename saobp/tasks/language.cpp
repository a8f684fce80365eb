#include "saobp/tasks/language.h"

#include <algorithm>

#include "saobp/data/masking.h"
#include "saobp/io/words.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/tasks/log_likelihoods.h"
#include "saobp/text/byte_level.h"

namespace saobp::tasks {
namespace {

std::string shown_text(const TextSettings& settings, const std::string& document) {
  return settings.detokenize ? detokenized_wikitext(document) : document;
}

// What both kinds of model share: documents, and what is said of each.
class Language : public Objective {
 public:
  Language(const Task& task, const Examples& examples, const model::ModelConfig& config)
      : task_(task), examples_(examples), pad_(config.pad_token_id) {}

  model::Inputs inputs(std::span<const int64_t> items) const override {
    std::vector<Row> rows;
    std::vector<const Row*> pointers;
    rows.reserve(items.size()), pointers.reserve(items.size());
    for (int64_t item : items) rows.push_back(asked(item).row), pointers.push_back(&rows.back());
    return pretrained::pad(pointers, pad_);
  }
  torch::Tensor loss_sum(const model::Model&, std::span<const int64_t>, double) const override {
    fail(task_.title, ": is not trained on; saobp pretrain trains on texts");
  }

  std::vector<std::vector<float>> outputs(const model::Model& model, std::span<const int64_t> items) const override {
    std::vector<Asked> rows;
    rows.reserve(items.size());
    for (int64_t item : items) rows.push_back(asked(item));
    std::vector<const Asked*> pointers;
    pointers.reserve(rows.size());
    for (const auto& row : rows) pointers.push_back(&row);
    std::vector<std::vector<float>> found;
    found.reserve(rows.size());
    for (float sum : log_likelihoods(model, pointers, pad_)) found.push_back({sum});
    return found;
  }

  std::vector<Prediction> predictions(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<io::Json> details = said(outputs);
    std::vector<Prediction> made;
    made.reserve(details.size());
    for (size_t i = 0; i < details.size(); ++i) {
      const auto& example = examples_.list[i];
      details[i]["words"] = count_words(example.first, task_.text.words_with_ends);
      details[i]["bytes"] = example.first.size();
      made.push_back({example.id, io::Json(), nullptr, std::move(details[i])});
      made.back().prediction = made.back().details.at(main_figure());
    }
    return made;
  }

 protected:
  virtual Asked asked(int64_t item) const = 0;
  // Of each document.
  virtual std::vector<io::Json> said(const std::vector<std::vector<float>>& outputs) const = 0;
  virtual const char* main_figure() const = 0;

  const Task& task_;
  const Examples& examples_;
  int64_t pad_;
};

class Causal final : public Language {
 public:
  Causal(const Task& task, const Examples& examples, const model::ModelConfig& config, const text::Tokenizer& tokenizer,
         int64_t length)
      : Language(task, examples, config), length_(length) {
    const int64_t stride = task.text.stride > 0 ? std::min(task.text.stride, length) : length;
    if (task.text.stride > length)
      notes_.push_back(concat("a stride of ", task.text.stride, " is more than the window; it is ", length));
    const auto begin = tokenizer.special().end_of_text();
    if (task.text.begin && !begin) fail("the tokenizer has no token that begins a text; a decoder's was expected");
    for (const auto& example : examples.list) {
      auto& ids = ids_.emplace_back();
      if (task.text.begin) ids.push_back(*begin);
      tokenizer.encode(shown_text(task.text, example.first), ids);
      const auto size = static_cast<int64_t>(ids.size());
      for (int64_t done = 1; done < size;) {
        const int64_t end = std::min(size, done + (done == 1 ? length : stride));
        windows_.push_back({ids_.size() - 1, done, end});
        done = end;
      }
    }
    notes_.push_back(concat(io::counted(windows_.size(), "window"), " of at most ", io::counted(length, "token"),
                            ", stride ", stride,
                            task.text.begin ? concat(", each text preceded by ", tokenizer.token(*begin)) : "",
                            task.text.detokenize ? ", detokenised" : ", the text as it is"));
  }

  int64_t items() const override { return static_cast<int64_t>(windows_.size()); }
  int64_t length(int64_t item) const override {
    const auto& window = windows_[static_cast<size_t>(item)];
    return std::min(length_, window.end - 1);
  }

 protected:
  struct Window {
    size_t document;
    int64_t begin, end;  // of the tokens that it predicts
  };

  Asked asked(int64_t item) const override {
    const auto& [document, begin, end] = windows_[static_cast<size_t>(item)];
    const auto& ids = ids_[document];
    const int64_t first = std::max<int64_t>(0, end - 1 - length_);
    Asked made;
    made.row.ids.assign(ids.begin() + first, ids.begin() + end - 1);
    for (int64_t n = begin; n < end; ++n) {
      made.places.push_back(n - 1 - first);
      made.targets.push_back(ids[static_cast<size_t>(n)]);
    }
    return made;
  }

  std::vector<io::Json> said(const std::vector<std::vector<float>>& outputs) const override {
    std::vector<double> sums(ids_.size(), 0.0);
    for (size_t n = 0; n < windows_.size(); ++n) sums[windows_[n].document] += outputs[n][0];
    std::vector<io::Json> made;
    made.reserve(ids_.size());
    for (size_t i = 0; i < ids_.size(); ++i)
      made.push_back({{"log_likelihood", sums[i]}, {"tokens", ids_[i].size() - (ids_[i].empty() ? 0 : 1)}});
    return made;
  }
  const char* main_figure() const override { return "log_likelihood"; }

 private:
  int64_t length_;
  std::vector<std::vector<int32_t>> ids_;  // [document]
  std::vector<Window> windows_;
};

// Which of the three figures of an encoder an item counts to. A token whose word ends with it is asked for once.
enum Figure : uint8_t { kMasked = 1, kPseudo = 2, kWord = 4 };

class Masked final : public Language {
 public:
  Masked(const Task& task, const Examples& examples, const model::ModelConfig& config, const text::Tokenizer& tokenizer,
         int64_t length)
      : Language(task, examples, config), roles_(tokenizer), masker_({}, roles_, kSeed) {
    for (size_t i = 0; i < examples.list.size(); ++i)
      for (auto& row : pretrained::encode(config, tokenizer, shown_text(task.text, examples.list[i].first), {},
                                          {.max_length = length}))
        add_row(i, std::move(row), tokenizer);
    notes_.push_back(concat(io::counted(rows_.size(), "row"), " of at most ", length, " tokens, ",
                            io::counted(items_.size(), "pass", "passes"), " of one row each",
                            task.text.detokenize ? ", detokenised" : ", the text as it is"));
  }

  int64_t items() const override { return static_cast<int64_t>(items_.size()); }
  int64_t length(int64_t item) const override {
    return static_cast<int64_t>(rows_[items_[static_cast<size_t>(item)].row].row.ids.size());
  }

 protected:
  static constexpr uint64_t kSeed = 0;

  struct DocumentRow {
    size_t document;
    Row row;
  };
  struct Item {
    size_t row;
    uint8_t figures;
    int64_t place, word_end;  // the token that is asked for, and where what is masked ends
  };

  void add_row(size_t document, text::Encoding encoding, const text::Tokenizer& tokenizer) {
    const size_t row = rows_.size();
    items_.push_back({row, kMasked, 0, 0});
    const auto size = static_cast<int64_t>(encoding.ids.size());
    int64_t end = size;  // of the word, from the last token to the first
    for (int64_t n = size - 1; n >= 0; --n) {
      const auto at = static_cast<size_t>(n);
      if (encoding.texts[at] < 0) continue;
      if (n + 1 == size || !continues_word(encoding, at + 1, tokenizer)) end = n + 1;
      if (end == n + 1) {
        items_.push_back({row, kPseudo | kWord, n, end});
      } else {
        items_.push_back({row, kPseudo, n, n + 1});
        items_.push_back({row, kWord, n, end});
      }
    }
    rows_.push_back({document, {std::move(encoding.ids), std::move(encoding.types)}});
  }

  // Whether the token is of the same word as the one before it: "##ing"; in a byte-level vocabulary one that begins
  // where that ended, within what white space separates.
  static bool continues_word(const text::Encoding& encoding, size_t at, const text::Tokenizer& tokenizer) {
    if (encoding.texts[at] < 0) return false;
    const bool byte_level = std::string_view(tokenizer.kind()) != "wordpiece";
    if (!text::continues_word(tokenizer.token(encoding.ids[at]), byte_level)) return false;
    return !byte_level ||
           (at > 0 && encoding.texts[at - 1] >= 0 && encoding.bytes[at].begin <= encoding.bytes[at - 1].end);
  }

  Asked asked(int64_t number) const override {
    const auto& item = items_[static_cast<size_t>(number)];
    const auto& row = rows_[item.row].row;
    Asked made;
    if (item.figures == kMasked) {
      data::Batch batch;
      masker_.append(row.ids, item.row, batch);
      made.row.types = row.types;
      made.row.ids.assign(batch.input_ids.begin(), batch.input_ids.end());
      made.places = batch.positions;
      made.targets.assign(batch.targets.begin(), batch.targets.end());
      return made;
    }
    made.row = row;
    made.places = {item.place};
    made.targets = {row.ids[static_cast<size_t>(item.place)]};
    std::fill(made.row.ids.begin() + item.place, made.row.ids.begin() + item.word_end, roles_.mask);
    return made;
  }

  std::vector<io::Json> said(const std::vector<std::vector<float>>& outputs) const override {
    struct Sums {
      double masked = 0, pseudo = 0, word = 0;
      int64_t masked_tokens = 0, tokens = 0;
    };
    std::vector<Sums> sums(examples_.list.size());
    for (size_t n = 0; n < items_.size(); ++n) {
      auto& of = sums[rows_[items_[n].row].document];
      if (items_[n].figures & kMasked) {
        of.masked += outputs[n][0];
        of.masked_tokens += static_cast<int64_t>(asked(static_cast<int64_t>(n)).places.size());
      }
      if (items_[n].figures & kPseudo) of.pseudo += outputs[n][0], ++of.tokens;
      if (items_[n].figures & kWord) of.word += outputs[n][0];
    }
    std::vector<io::Json> made;
    made.reserve(sums.size());
    for (const auto& of : sums)
      made.push_back({{"masked_log_likelihood", of.masked},
                      {"masked_tokens", of.masked_tokens},
                      {"pseudo_log_likelihood", of.pseudo},
                      {"pseudo_log_likelihood_word_l2r", of.word},
                      {"tokens", of.tokens}});
    return made;
  }
  const char* main_figure() const override { return "pseudo_log_likelihood"; }

 private:
  data::TokenRoles roles_;
  data::Masker masker_;
  std::vector<DocumentRow> rows_;
  std::vector<Item> items_;
};

}  // namespace

std::unique_ptr<Objective> make_language(const Task& task, const Examples& examples, const model::ModelConfig& config,
                                         const text::Tokenizer& tokenizer, int64_t length) {
  if (config.causal()) return std::make_unique<Causal>(task, examples, config, tokenizer, length);
  return std::make_unique<Masked>(task, examples, config, tokenizer, length);
}

}  // namespace saobp::tasks
