// GPT-2's byte alphabet, where every byte is a printable character, and its pattern for cutting text.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "saobp/text/unicode.h"
#include "saobp/text/utf8.h"

namespace saobp::text {

// Whether a token, spelled as its vocabulary has it, goes on with the word before it: "##ing", or in a byte-level
// vocabulary one that does not begin with white space.
bool continues_word(std::string_view token, bool byte_level);

// The character that stands for a byte ("Ġ" for a space), as UTF-8.
const std::string& byte_character(uint8_t byte);
// The bytes that a token spells, absent when a character is not of the alphabet.
std::optional<std::string> spelt_bytes(std::string_view token);
// `bytes` as text, with U+FFFD for each maximal part of an ill-formed sequence.
std::string lossy_utf8(std::string_view bytes);

// The piece at the front of `text`, which is not empty, by the pattern
//   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
size_t gpt2_piece(std::string_view text);

}  // namespace saobp::text
