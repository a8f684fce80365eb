#include "saobp/recipes/sections.h"

namespace saobp::recipes {

void require_same_options(const io::Json& recorded, const io::Json& now, const std::string& source) {
  for (const auto& [section, fields] : recorded.items())
    for (const auto& [name, value] : fields.items())
      if (const auto& given = now.at(section).at(name); given != value)
        fail(source, ": ", section, ": \"", name, "\" is ", value.dump(), " and this command says ", given.dump(),
             "; a run that is started again needs the options that it began with");
}

io::Json flattened(const io::Json& options) {
  io::Json flat = io::Json::object();
  for (const auto& [section, fields] : options.items())
    for (const auto& [name, value] : fields.items()) flat[io::flag_of(name)] = value;
  return flat;
}

}  // namespace saobp::recipes
