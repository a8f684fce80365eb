// A task is data: which files, what of them is what, labels by name, scores and defaults. One file each in
// configs/tasks, which the program carries; docs/tasks.md says how to add one.
#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "saobp/io/fields.h"
#include "saobp/io/json.h"
#include "saobp/tasks/documents.h"
#include "saobp/tasks/template.h"

namespace saobp::tasks {

// What a task asks cannot be had at all: its files are not there, or the model has no head for it. Among several tasks
// it is left out, and named.
class NotAsked : public Error {
 public:
  using Error::Error;
};

// What is asked of a text or a pair: a class, a number, one of several options; where an answer stands in a context; or
// nothing that is learned: how alike two texts are, or how likely a text is.
enum class Kind { classification, regression, choice, span, similarity, language };

inline const std::vector<std::string>& enum_names(Kind) {
  static const std::vector<std::string> names = {"classification", "regression", "choice",
                                                 "span",           "similarity", "language"};
  return names;
}

enum class Format { records, race, squad, text };

inline const std::vector<std::string>& enum_names(Format) {
  static const std::vector<std::string> names = {"records", "race", "squad", "text"};
  return names;
}

// What of a record is what. Empty templates: there is none.
struct Layout {
  Template id, first, second;
  std::string options;  // the list of a choice
  Template option;      // the second text of an option's row
  std::string only;     // a field; rows where it is not "true" are left out; "": none is
  std::string label;    // the field, or several names that it goes by: "gold_label/label"
};

struct Split {
  std::vector<std::string> files;    // the first one that is there counts
  std::vector<std::string> columns;  // of a TSV without a header
  bool labelled = true;
  std::string submission;  // the file that the task's site or script takes; "" where there is none
  Layout layout;
};

struct Label {
  std::string name;                 // in config.json, predictions and tables
  std::vector<std::string> values;  // in the files, the first as the task's site takes it
};

// How a decoder is asked without training: it continues `context`, and the likelihoods of the options decide.
struct Prompt {
  Template context;
  Template option;                 // with the space before it
  std::vector<std::string> clean;  // filters of the whole context, and of each option before `option` takes it
};

// How a text is taken (Format::text; documents.h, language.h).
struct TextSettings {
  Documents documents = Documents::file;
  bool detokenize = false;       // as WikiText is
  bool begin = true;             // a decoder sees the token that begins a text before it
  bool words_with_ends = false;  // counted as the harness does
  int64_t stride = 0;            // tokens that a window predicts; 0: as many as it has

  template <class Self, class Visitor>
  static void fields(Self& self, Visitor&& visit) {
    visit("documents", self.documents, "where a document ends: file, blank, line or wikitext");
    visit("detokenize", self.detokenize, "undo WikiText's tokenisation");
    visit("begin", self.begin, "put the token that begins a text before it");
    visit("words_with_ends", self.words_with_ends, "count words as lm-evaluation-harness does");
    visit("stride", self.stride, "tokens that a window predicts", io::at_least(0));
  }
};

struct Task {
  std::string name, title, source;
  int64_t version = 1;
  Kind kind = Kind::classification;
  Format format = Format::records;
  std::vector<std::string> folders;  // names that its folder goes by
  std::map<std::string, Split> splits;
  std::map<std::string, std::string> also;  // name in a suite: split that a run is scored on beside dev
  std::vector<Label> labels;                // of a classification
  double lowest = 0, highest = 0;           // of a regression
  std::vector<std::string> no_label;        // in the files, of examples that are left out
  std::vector<std::string> heads_of;        // tasks that a head for it may be fine-tuned on
  std::string positive;                     // the label that F1 is of
  std::vector<std::string> scores;          // the first is the one that tables show
  std::map<std::string, Template> groups;   // scores are also told for each value of these
  std::map<std::string, Prompt> prompts;    // by their names; "default" is taken unless another is asked for
  int64_t overlap = 128;                    // tokens that two windows of a span's context share
  bool answer_windows_only = false;         // of a span: windows without the answer are not trained on
  TextSettings text;
  io::Json recipe;  // defaults of fine-tuning that differ from everyone's
  io::Json json;    // all of it, as the file has it

  // The list of a choice's options in a record, the same in every split.
  const std::string& options_field() const { return splits.begin()->second.layout.options; }
  const Split& split(const std::string& split) const;  // UsageError naming those that there are
  std::vector<std::string> label_names() const;
  int64_t label_of(const std::string& value) const;  // −1 where no label has that value in the files
};

// By its name, or the file of one. UsageError naming the tasks that there are. A preset's settings ("" for none) take
// the place of the file's.
Task find_task(const std::string& name, const std::string& preset = "");
Task task_from_json(io::Json json, const std::string& source, const std::string& preset = "");

// The names, in alphabetical order; a suite's tasks ("glue"), empty where there is no such suite.
std::vector<std::string> task_names();
std::vector<std::string> tasks_of_suite(const std::string& suite);

}  // namespace saobp::tasks
