// JSON records that tell whether they are what was written: a last member "checksum" seals the file's text, and members
// of "checksums" files beside it.
//
//   {
//    "step": 40,
//    "checksums": {"model.safetensors": "ef46db3751d8e999"},
//    "checksum": "44bc2cf5ad770999"
//   }
//
// "checksum" is XXH64 of the text with zeros in the place of its own 16 digits, so that no byte can change unnoticed.
#pragma once

#include <map>
#include <string>

#include "saobp/io/file.h"
#include "saobp/io/json.h"

namespace saobp::io {

// File names and XXH64 of their bytes.
using Checksums = std::map<std::string, uint64_t>;

// `json`, an object, with both members added; written aside and renamed.
void write_sealed_json(const fs::path& path, Json json, const Checksums& files);

struct SealedJson {
  Json json;    // without the two members
  bool sealed;  // false: it has neither, as files that were written before there were checksums
};
// Error when the text is not what was sealed, or a file beside it is not the one that "checksums" was made of.
SealedJson read_sealed_json(const fs::path& path);

}  // namespace saobp::io
