// Which analyses may stand side by side: those of one text, made with one setting.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "saobp/report/analysis_record.h"

namespace saobp::report {

// The text, by its file's name and by its key where the record has one, how many sequences of it, and the settings but
// those on which no measure depends.
using Conditions = std::map<std::string, std::string>;
Conditions conditions_of(const AnalysisRecord& analysis);

// "gtd_hops: 3, not 4" …: in what these differ, of what both tell.
std::vector<std::string> apart(const Conditions& own, const Conditions& first);

bool alike(const AnalysisRecord& a, const AnalysisRecord& b);

// A name for each kind of analysis that goes by one name: of the first kind it is that name, of others "name (2)" and
// so on, which are never one of the names `taken`.
class Kinds {
 public:
  explicit Kinds(std::set<std::string> taken = {}) : taken_(std::move(taken)) {}

  struct Kind {
    std::string name;
    std::vector<std::string> apart;  // from the first kind of its name
  };
  Kind of(const std::string& name, const AnalysisRecord& analysis);

 private:
  struct Known {
    Conditions conditions;
    std::string name;
  };
  std::map<std::string, std::vector<Known>> kinds_;
  std::set<std::string> taken_;
};

}  // namespace saobp::report
