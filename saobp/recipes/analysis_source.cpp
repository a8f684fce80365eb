#include "saobp/recipes/analysis_source.h"

#include <algorithm>
#include <array>
#include <map>

#include "saobp/io/error.h"
#include "saobp/io/hash.h"
#include "saobp/io/words.h"
#include "saobp/pretrained/rows.h"
#include "saobp/recipes/evaluate.h"
#include "saobp/recipes/finetune.h"
#include "saobp/tasks/objective.h"
#include "saobp/tasks/scoring.h"

namespace saobp::recipes {
namespace {

// No tokenizer makes tokens that are so long one after the other.
constexpr size_t kBytesAToken = 1000;

analysis::Tokens tokens_of(const auto& ids, const auto& types) {
  analysis::Tokens tokens;
  tokens.ids.assign(ids.begin(), ids.end());
  if (std::any_of(types.begin(), types.end(), [](auto type) { return type != 0; }))
    tokens.types.assign(types.begin(), types.end());
  return tokens;
}

class TextSource final : public AnalysisSource {
 public:
  TextSource(const data::TextInput& text, int64_t limit) : name_(text.name()) {
    text.each_document([&](std::string_view document) {
      texts_.emplace_back(document);
      return limit == 0 || std::ssize(texts_) < limit;
    });
    if (texts_.empty()) fail(name_, ": has no text but white space");
  }

  std::string name() const override { return name_; }
  std::string key() const override {
    io::Hash64 hash;
    for (const auto& text : texts_) hash.add(text), hash.add(std::string_view("\0", 1));
    return io::hexadecimal(hash.value());
  }
  int64_t usual_length() const override { return 128; }

  AnalysisItems items(const pretrained::Pretrained& opened, int64_t length,
                      const std::filesystem::path&) const override {
    AnalysisItems found;
    for (const auto& text : texts_) {
      // Far more than fits is not taken apart: nobody looks at it.
      size_t end = std::min(text.size(), kBytesAToken * static_cast<size_t>(length));
      while (end < text.size() && end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
      const auto rows = pretrained::encode(opened.model->config, *opened.tokenizer,
                                           std::string_view(text).substr(0, end), {}, {.max_length = length});
      const auto& row = rows[0];
      if (row.ids.empty()) fail(name_, ": sequence ", found.list.size() + 1, " has no token");
      found.cut += rows.size() > 1 || end < text.size();
      auto tokens = tokens_of(row.ids, row.types);
      for (const auto of : row.texts) tokens.special.push_back(of < 0);
      found.list.push_back({std::move(tokens), {}});
      found.ids.push_back(std::to_string(found.list.size()));
    }
    return found;
  }

 private:
  std::string name_;
  std::vector<std::string> texts_;
};

class TaskSource final : public AnalysisSource {
 public:
  TaskSource(tasks::Task task, const TaskSourceOptions& options, int64_t limit, int64_t length)
      : split_(options.split),
        length_(length),
        task_(std::move(task)),
        examples_(tasks::read_examples(task_, options.split, options.data)) {
    if (limit > 0 && limit < std::ssize(examples_.list)) examples_.list.resize(static_cast<size_t>(limit));
  }

  std::string name() const override { return task_.name + " " + split_; }
  std::string key() const override { return examples_.key; }
  int64_t usual_length() const override { return length_; }

  AnalysisItems items(const pretrained::Pretrained& opened, int64_t length,
                      const std::filesystem::path& predictions) const override {
    auto config = opened.model->config;
    tasks::set_labels(task_, config);
    const auto objective = tasks::make_objective(task_, examples_, config, *opened.tokenizer, length);
    AnalysisItems found;
    const auto answers = read_answers(predictions, found);
    const auto& special = opened.tokenizer->special();
    const auto is_of = [&](int64_t item, int64_t place) {
      return item >= 0 && item < objective->items() && objective->example_of(item) == place;
    };
    int64_t window = 0;
    for (int64_t item = 0; item < objective->items(); ++item) {
      const auto place = objective->example_of(item);
      const auto& example = examples_.list[static_cast<size_t>(place)];
      window = is_of(item - 1, place) ? window + 1 : 0;
      const bool in_windows = window > 0 || is_of(item + 1, place);
      const auto rows = pretrained::unpad(objective->inputs(std::array{item}));
      for (size_t row = 0; row < rows.size(); ++row) {
        auto tokens = tokens_of(rows[row].ids, rows[row].types);
        for (const auto id : tokens.ids)
          tokens.special.push_back(id == special.cls || id == special.sep || id == special.pad || id == special.eos);
        auto groups = groups_of(example, row);
        if (const auto answer = answers.find(example.id); answer != answers.end())
          groups.emplace_back("answer", answer->second ? "right" : "wrong");
        found.list.push_back({std::move(tokens), std::move(groups)});
        found.ids.push_back(rows.size() > 1 ? concat(example.id, "#", row)
                            : in_windows    ? concat(example.id, "#", window)
                                            : example.id);
        found.examples.push_back(example.id);
      }
    }
    for (const std::vector<std::string>* notes : {&examples_.notes, &objective->notes()})
      found.notes.insert(found.notes.end(), notes->begin(), notes->end());
    return found;
  }

 private:
  std::vector<std::pair<std::string, std::string>> groups_of(const tasks::Example& example, size_t row) const {
    if (example.label < 0) return {};
    if (task_.kind == tasks::Kind::choice)
      return {{"option", static_cast<int64_t>(row) == example.label ? "right" : "wrong"}};
    if (task_.kind == tasks::Kind::classification)
      return {{"label", task_.labels[static_cast<size_t>(example.label)].name}};
    return {};
  }

  // Of each example by its id, whether its prediction is right; of numbers nothing is.
  std::map<std::string, bool> read_answers(const std::filesystem::path& path, AnalysisItems& found) const {
    if (path.empty() || task_.kind == tasks::Kind::regression || !examples_.labelled) return {};
    const auto predictions = tasks::read_predictions(path);
    std::map<std::string, bool> right;
    const bool span = task_.kind == tasks::Kind::span;
    const auto exact = span ? tasks::score_of_sample(task_, predictions, "exact_match") : nullptr;
    for (size_t i = 0; i < predictions.size(); ++i) {
      const auto& p = predictions[i];
      const std::array place{static_cast<int64_t>(i)};
      right[p.id] = span ? exact(place) > 0.5 : p.gold == p.prediction;
    }
    found.notes.push_back(concat("right and wrong answers are those of ", path.string()));
    return right;
  }

  std::string split_;
  int64_t length_;
  tasks::Task task_;
  tasks::Examples examples_;
};

}  // namespace

std::unique_ptr<AnalysisSource> analysis_of_text(const data::TextInput& text, int64_t limit) {
  return std::make_unique<TextSource>(text, limit);
}

std::string one_task(const TaskSourceOptions& options) {
  const auto names = tasks::tasks_of_suite(options.task);
  std::vector<std::string> there;
  if (!options.data.empty())
    std::copy_if(names.begin(), names.end(), std::back_inserter(there), [&](const std::string& name) {
      const auto task = tasks::find_task(name);
      return task.splits.contains(options.split) && tasks::has_split(task, options.split, options.data);
    });
  return there.size() == 1 ? there.front() : options.task;
}

std::unique_ptr<AnalysisSource> analysis_of_task(const TaskSourceOptions& options, int64_t limit,
                                                 const std::filesystem::path& model) {
  if (options.data.empty()) fail_usage("--data is missing: the folder with the files of ", options.task);
  auto task = in_windows_of(tasks::find_task(options.task, options.preset), 0, model);
  if (task.kind == tasks::Kind::language || task.kind == tasks::Kind::similarity)
    fail_usage("--task: ", task.name,
               " is no task that a model is trained on; --text, or a task such as stsb, was expected");
  const auto length = row_length(task, model);
  return std::make_unique<TaskSource>(std::move(task), options, limit, length);
}

}  // namespace saobp::recipes
