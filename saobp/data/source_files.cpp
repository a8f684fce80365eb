// find_files: the files behind a path, a folder or a glob.
#include <fnmatch.h>
#include <glob.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>
#include <utility>

#include "saobp/data/corpus_options.h"
#include "saobp/io/error.h"
#include "saobp/io/file.h"
#include "saobp/io/paths.h"

namespace saobp::data {
namespace {

bool hidden(const fs::path& path) { return path.filename().string().starts_with('.'); }

bool matches(const std::vector<std::string>& globs, const std::string& text) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return ::fnmatch(glob.c_str(), text.c_str(), 0) == 0; });
}

// Collects the files of one source; paths below `root` are held against --exclude without it.
class Finder {
 public:
  Finder(const std::vector<std::string>& exclude, Streams streams) : exclude_(exclude), streams_(streams) {}

  void add(const fs::path& path) { fs::is_directory(path) ? walk(path) : add_file(path, path.string()); }

  // What the links that were met lead to: folders that were not walked otherwise, each once.
  void follow_links() {
    std::sort(links_.begin(), links_.end());
    for (size_t i = 0; i < links_.size(); ++i) {  // which may grow
      const auto [folder, root] = links_[i];
      walk_below(folder, root);
    }
    links_.clear();
  }

  std::vector<fs::path> files;
  size_t excluded = 0;

 private:
  void add_file(const fs::path& path, const std::string& relative) {
    if (matches(exclude_, path.filename().string()) || matches(exclude_, relative)) {
      ++excluded;
      return;
    }
    const auto refuse = [&](const std::string& what) {
      fail(path.string(), ": is ", what,
           relative == path.string() || streams_ != Streams::refused ? "" : " (--exclude leaves it out)");
    };
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) refuse("a link that leads nowhere");
    const bool again = S_ISREG(status.st_mode);
    if (!again && streams_ == Streams::refused)
      refuse(concat(io::kind_of_file(status.st_mode), "; a file, which can be read again, was expected"));
    files.push_back(path);
  }

  void walk(const fs::path& root) { walk_below(root, root); }

  // Real folders first, so that a folder goes by its own name rather than by that of a link to it.
  void walk_below(const fs::path& folder, const fs::path& root) {
    if (!enter(folder)) return;
    std::vector<fs::path> folders;
    for (const auto& entry : fs::directory_iterator(folder)) {
      const auto& path = entry.path();
      if (hidden(path)) continue;
      if (entry.is_symlink() && fs::is_directory(path))
        links_.emplace_back(path, root);
      else if (entry.is_directory())
        folders.push_back(path);
      else
        add_file(path, path.lexically_relative(root).generic_string());
    }
    std::sort(folders.begin(), folders.end());
    for (const auto& path : folders) walk_below(path, root);
  }

  // False where this folder was walked before, by whatever name.
  bool enter(const fs::path& folder) {
    struct stat status{};
    if (::stat(folder.c_str(), &status) != 0) fail(folder.string(), ": cannot be examined");
    return walked_.emplace(status.st_dev, status.st_ino).second;
  }

  const std::vector<std::string>& exclude_;
  Streams streams_;
  std::vector<std::pair<fs::path, fs::path>> links_;  // to folders, and the root that they were met below
  std::set<std::pair<dev_t, ino_t>> walked_;
};

// The paths that a glob matches, names starting with '.' left out.
std::vector<fs::path> expand_glob(const std::string& pattern) {
  ::glob_t found{};
  int status = ::glob(pattern.c_str(), GLOB_ERR | GLOB_NOSORT, nullptr, &found);
  std::vector<fs::path> paths(found.gl_pathv, found.gl_pathv + found.gl_pathc);
  ::globfree(&found);
  if (status == GLOB_NOMATCH) fail(pattern, ": no file matches; a file, a folder or a glob was expected");
  if (status != 0) fail(pattern, ": a folder of this glob cannot be read");
  return paths;
}

}  // namespace

std::vector<fs::path> find_files(const CorpusSource& source, const std::vector<std::string>& exclude, Streams streams) {
  if (source.path == "-") {
    if (streams == Streams::accepted) return {source.path};
    fail("-: standard input cannot be read again, as resuming a run does; a file, a folder or a glob was expected");
  }
  Finder finder(exclude, streams);
  try {
    if (io::name_exists(source.path)) {
      finder.add(source.path);
    } else if (source.path.find_first_of("*?[") != std::string::npos) {
      for (const auto& path : expand_glob(source.path)) finder.add(path);
    } else {
      fail(source.path, ": no such file or folder");
    }
    finder.follow_links();
  } catch (const fs::filesystem_error& e) {
    fail(e.path1().empty() ? source.path : e.path1().string(), ": cannot be read: ", e.code().message());
  }
  if (finder.files.empty() && finder.excluded > 0)
    fail(source.path, ": --exclude leaves none of its ", io::counted(finder.excluded, "file"));
  if (finder.files.empty()) fail(source.path, ": no file is in this folder; text files were expected");
  std::sort(finder.files.begin(), finder.files.end(),
            [](const fs::path& a, const fs::path& b) { return a.native() < b.native(); });
  return finder.files;
}

}  // namespace saobp::data
