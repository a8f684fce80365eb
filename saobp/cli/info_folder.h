// What `saobp info FOLDER` tells of a run folder, or of any other model folder.
#pragma once

#include <filesystem>

#include "saobp/cli/console.h"

namespace saobp::cli {

// Lines for people, and the same as one object. Error when the folder holds neither config.json nor run.json.
void show_folder(const std::filesystem::path& folder, Console& console);

}  // namespace saobp::cli
