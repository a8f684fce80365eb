#include "saobp/train/metrics_log.h"

#include "saobp/io/words.h"

namespace saobp::train {

namespace fs = io::fs;

namespace {

// A line of a log; nothing when it is not one.
std::optional<io::Json> parse_log_line(std::string_view line) {
  auto json = io::Json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("step") || !json["step"].is_number_integer()) return {};
  for (const char* loss : {"loss", "validation_loss"})
    if (json.contains(loss) && !json[loss].is_number()) return {};
  return json;
}

// The text goes into a file beside it, under the first name that is free.
fs::path keep_aside(const fs::path& path, const std::string& text) {
  fs::path aside = path.string() + ".damaged";
  for (int i = 2; fs::exists(aside); ++i) aside = path.string() + concat(".damaged-", i);
  io::write_file(aside, text);
  return aside;
}

}  // namespace

MetricsLog::MetricsLog(const fs::path& path, int64_t last_step) {
  std::string text;
  if (fs::exists(path)) {
    const std::string old = io::read_file(path);
    uint64_t number = 0, first = 0, damaged = 0;
    for (size_t begin = 0, end; (end = old.find('\n', begin)) != std::string::npos; begin = end + 1) {
      ++number;
      auto line = parse_log_line(std::string_view(old).substr(begin, end - begin));
      if (!line) {
        if (damaged++ == 0) first = number;
      } else if (line->at("step").get<int64_t>() <= last_step) {
        text += line->dump() + "\n";
        kept_.push_back(std::move(*line));
      }
    }
    if (damaged > 0)
      damage_ = concat(
          path.string(), ": ",
          damaged == 1 ? concat("line ", first, " is no record of a step")
                       : concat(io::counted(damaged, "line"), " are no records of steps, the first one line ", first),
          "; the file is kept as ", keep_aside(path, old).string(), ", and the log goes on without ",
          damaged == 1 ? "this line" : "these lines");
  }
  io::write_file(path, text);
  file_.emplace(path, io::AppendedFile::Open::existing_or_new);
}

}  // namespace saobp::train
