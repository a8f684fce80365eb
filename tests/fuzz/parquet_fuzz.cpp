// A Parquet file, read through Apache Arrow, which is not compiled with sanitizers: a crash in it is a finding all the
// same.
#include "saobp/data/text_blocks.h"
#include "tests/fuzz/fuzz.h"

namespace {

using namespace saobp;

std::vector<std::string> read(const io::fs::path& path, bool& whole) {
  std::vector<std::string> documents;
  whole = fuzz::attempt([&] {
    const auto reader = data::open_text(path, data::DocumentEnd::file, "text");
    data::TextBlock block;
    while (reader->next(block))
      block.each_document([&](std::string_view document) {
        io::require_utf8(document, "a document");
        documents.emplace_back(document);
      });
  });
  return documents;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const fuzz::Folder folder;
  if (!fuzz::whole(data, size).starts_with("PAR1")) return -1;
  const auto path = folder.write("file.parquet", fuzz::whole(data, size));
  bool whole = false, again = false;
  const auto documents = read(path, whole);
  fuzz::require(read(path, again) == documents && again == whole, "reading again gives the same");
  return 0;
}
