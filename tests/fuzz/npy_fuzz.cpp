// A flat .npy array of integers, as ids come to `tokenizer decode`.
#include "saobp/io/npy.h"
#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace saobp;
  static const fuzz::Folder folder;
  fuzz::attempt([&] {
    const auto numbers = io::parse_npy_integers(fuzz::whole(data, size), "ids.npy");
    fuzz::require(numbers.size() <= size, "every number is in the file");
    const auto path = folder / "copy.npy";
    io::write_npy(path, "<i8", {static_cast<int64_t>(numbers.size())}, std::as_bytes(std::span(numbers)));
    fuzz::require(io::parse_npy_integers(io::read_file(path), "copy.npy") == numbers,
                  "numbers are written as they were read");
  });
  return 0;
}
