// What a model's attention is looked at on: the texts of a file, or the examples of a task as the model is fed them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "saobp/analysis/analyze.h"
#include "saobp/data/text_input.h"
#include "saobp/pretrained/model_folder.h"
#include "saobp/tasks/examples.h"

namespace saobp::recipes {

// Of one model.
struct AnalysisItems {
  std::vector<analysis::AnalysisItem> list;
  std::vector<std::string> ids;  // of each: its number, or its example's id; of its options or windows "ID#N", N from 0
  std::vector<std::string> examples;  // of each: its example's id; of texts none
  int64_t cut = 0;                    // of them, since they were longer
  std::vector<std::string> notes;
};

class AnalysisSource {
 public:
  virtual ~AnalysisSource() = default;
  virtual std::string name() const = 0;
  // Of what is looked at, whatever its file is called.
  virtual std::string key() const = 0;
  // Tokens at which sequences are cut where nobody says so.
  virtual int64_t usual_length() const = 0;
  // Error naming the sequence that has no token. `predictions`: the model's predictions of a task, or nothing.
  virtual AnalysisItems items(const pretrained::Pretrained& opened, int64_t length,
                              const std::filesystem::path& predictions) const = 0;
};

// The first `limit` documents of a text (0: all): of plain text every line with anything but white space. Error for a
// text without any, and for what cannot be read (data/text_input.h).
std::unique_ptr<AnalysisSource> analysis_of_text(const data::TextInput& text, int64_t limit);

struct TaskSourceOptions {
  std::string task;
  std::string preset;
  std::string data;
  std::string split = "dev";

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("task", self.task, "look at a task's examples (see saobp tasks list), each row as the model is fed it");
    visit("preset", self.preset, "a variant of the task by its name (saobp tasks list --json shows them)");
    visit("data", self.data, "the task's published files, or a folder of such folders");
    visit("split", self.split, "train, dev, test, or another that the task has");
  }
};

// The task that is named, or of a suite such as race the one whose files of the split are there, where it is only one.
std::string one_task(const TaskSourceOptions& options);

// The rows of the first `limit` examples (0: all), grouped by what is known of them: "label" (of a choice "option":
// right or wrong), and where there are predictions "answer": right or wrong. Rows and windows are of the lengths
// that `model` was fine-tuned with.
std::unique_ptr<AnalysisSource> analysis_of_task(const TaskSourceOptions& options, int64_t limit,
                                                 const std::filesystem::path& model);

}  // namespace saobp::recipes
