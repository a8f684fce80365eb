// Where paths lead: through symbolic links, to this program's own descriptors, and to the same file as others.
#pragma once

#include <filesystem>
#include <string_view>
#include <vector>

namespace saobp::io {

namespace fs = std::filesystem;

// What writing to a path means.
struct Destination {
  fs::path path;        // behind the links at its end; need not exist
  int descriptor = -1;  // that the path stands for: /dev/stdout, /dev/fd/3 …
};

// Error when links go round in a circle.
Destination destination_of(const fs::path& path);

// /dev/stdout, by whatever name.
bool is_standard_output(const fs::path& path);

// Something has this name, be it a link that leads nowhere.
bool name_exists(const fs::path& path);

// Whether both name one file: through links, hard links, another spelling. Of files that do not exist the paths count.
bool same_file(const fs::path& a, const fs::path& b);

// UsageError when writing `output`, the value of `flag`, would replace one of `inputs`. An output that is no regular
// file replaces nothing; an empty one is none.
void require_not_input(const fs::path& output, std::string_view flag, const std::vector<fs::path>& inputs);

}  // namespace saobp::io
