#include "saobp/text/batch.h"

#include "saobp/text/parts.h"

namespace saobp::text {
namespace {

void encode_part(const Tokenizer& tokenizer, std::string_view text, EncodedLines& out) {
  // A third of the bytes is more ids than common text has; growing by doubling does the rest.
  out.ids.reserve(text.size() / 3);
  for_each_line(text, [&](std::string_view line) {
    tokenizer.encode(line, out.ids);
    out.ends.push_back(static_cast<int64_t>(out.ids.size()));
  });
}

}  // namespace

EncodedLines encode_lines(const Tokenizer& tokenizer, std::string_view text, int threads) {
  EncodedLines all;
  const size_t workers = useful_workers(text, threads);
  if (workers == 1) {
    encode_part(tokenizer, text, all);
    return all;
  }
  const auto parts = cut_at_lines(text, workers);
  std::vector<EncodedLines> results(parts.size());
  run_workers(workers, parts.size(), [&](size_t, size_t i) { encode_part(tokenizer, parts[i], results[i]); });

  size_t ids = 0, lines = 0;
  for (const EncodedLines& part : results) ids += part.ids.size(), lines += part.ends.size();
  all.ids.reserve(ids);
  all.ends.reserve(lines);
  for (EncodedLines& part : results) {
    auto before = static_cast<int64_t>(all.ids.size());
    all.ids.insert(all.ids.end(), part.ids.begin(), part.ids.end());
    for (int64_t end : part.ends) all.ends.push_back(before + end);
    part = {};
  }
  return all;
}

}  // namespace saobp::text
