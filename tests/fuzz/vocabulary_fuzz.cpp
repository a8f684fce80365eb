// Tokenizers of several files: vocab.txt, or vocab.json (it begins with '{') and merges.txt; then tokenizer_config.json
// and a text to encode. NUL bytes stand between the files.
#include "tests/fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp::fuzz;
  static const Folder folder;
  const bool json = size > 0 && data[0] == '{';
  const auto input = parts(data, size, json ? 4 : 3);
  const auto path = folder.write(json ? "vocab.json" : "vocab.txt", input[0]);
  if (json) folder.write("merges.txt", input[1]);
  const auto config = input[input.size() - 2];
  if (config.empty())
    folder.remove("tokenizer_config.json");
  else
    folder.write("tokenizer_config.json", config);
  std::unique_ptr<saobp::text::Tokenizer> tokenizer;
  if (attempt([&] { tokenizer = saobp::text::load_tokenizer(path); }))
    check_tokenizer(*tokenizer, input.back(), folder);
  return 0;
}
