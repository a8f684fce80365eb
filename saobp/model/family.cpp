#include "saobp/model/family.h"

#include <algorithm>

#include "saobp/io/words.h"

namespace saobp::model {

const std::vector<const Family*>& families() {
  static const std::vector<const Family*> all = {&kBert, &kGpt2, &kRoberta, &kDistilbert, &kElectra};
  return all;
}

const Family& find_family(std::string_view name, const std::string& source) {
  std::vector<std::string> names;
  for (const auto* family : families()) {
    if (family->name == name) return *family;
    names.push_back(concat("\"", family->name, "\""));
  }
  fail(source, " is \"", name, "\"; ", io::listed(names), " was expected");
}

const HeadRecord* Family::head(HeadKind kind) const {
  const auto found = std::find_if(heads.begin(), heads.end(), [&](const auto& head) { return head.kind == kind; });
  return found == heads.end() ? nullptr : &*found;
}

}  // namespace saobp::model
