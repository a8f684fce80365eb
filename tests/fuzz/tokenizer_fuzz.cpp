// A tokenizer.json, then NUL and a text to encode.
#include "tests/fuzz/check_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp::fuzz;
  static const Folder folder;
  const auto input = parts(data, size, 2);
  const auto path = folder.write("tokenizer.json", input[0]);
  std::unique_ptr<saobp::text::Tokenizer> tokenizer;
  if (attempt([&] { tokenizer = saobp::text::load_tokenizer(path); })) check_tokenizer(*tokenizer, input[1], folder);
  return 0;
}
