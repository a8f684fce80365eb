#include "saobp/data/parquet_text.h"

#include "saobp/io/error.h"
#include "saobp/io/file.h"

#ifdef SAOBP_PARQUET
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <parquet/api/reader.h>

#include <array>
#endif

namespace saobp::data {

bool is_parquet(std::string_view file) { return file.starts_with("PAR1"); }

#ifndef SAOBP_PARQUET

std::unique_ptr<TextReader> open_parquet(io::InputFile file, const io::fs::path&, const std::string&) {
  fail(file.name(),
       ": is a Parquet file, and this build reads none; run scripts/setup.sh --parquet and build again, or convert it, "
       "e.g. with duckdb -c \"copy (from 'FILE') to 'FILE.jsonl' (format json)\"");
}

#else

namespace {

// What the library throws is one line here, and names the file.
template <class Call>
auto reading(const std::string& source, Call&& call) {
  try {
    return call();
  } catch (const ::parquet::ParquetException& e) {
    std::string reason = e.what();
    fail(source, ": cannot be read as Parquet: ", reason.substr(0, reason.find('\n')));
  }
}

class ParquetText : public TextReader {
 public:
  // The bytes are those of `file`, or of `copy` where that has any.
  ParquetText(io::MappedFile file, std::string copy, std::string source, const std::string& field)
      : file_(std::move(file)), copy_(std::move(copy)), source_(std::move(source)), field_(field) {
    const std::string_view bytes = copy_.empty() ? file_.text() : copy_;
    size_ = bytes.size();
    reading(source_, [&] {
      auto properties = ::parquet::default_reader_properties();
      properties.set_page_checksum_verification(true);
      auto buffer = std::make_shared< ::arrow::Buffer>(reinterpret_cast<const uint8_t*>(bytes.data()),
                                                       static_cast<int64_t>(bytes.size()));
      file_reader_ =
          ::parquet::ParquetFileReader::Open(std::make_shared< ::arrow::io::BufferReader>(buffer), properties);
    });
    rows_ = file_reader_->metadata()->num_rows();
    column_index_ = find_column();
  }

  bool next(TextBlock& block) override {
    block = {source_, DocumentEnd::file, "", {}, {}};
    while (block.text.size() < kBlockBytes && reading(source_, [&] { return read_some(block); })) {
    }
    return !block.parts.empty();
  }

  uint64_t position() const override {
    const double share = rows_ == 0 ? 1 : static_cast<double>(row_) / static_cast<double>(rows_);
    return static_cast<uint64_t>(share * static_cast<double>(size_));
  }

 private:
  int find_column() const {
    const auto* schema = file_reader_->metadata()->schema();
    const int index = schema->ColumnIndex(field_);
    if (index < 0) {
      std::string names;
      for (int i = 0; i < schema->num_columns(); ++i)
        names += concat(i == 0 ? "" : ", ", '"', schema->Column(i)->path()->ToDotString(), '"');
      fail(source_, ": there is no column \"", field_, "\" but ", names,
           "; --text-field names the one that holds the text");
    }
    const auto* column = schema->Column(index);
    if (column->max_repetition_level() > 0 || column->physical_type() != ::parquet::Type::BYTE_ARRAY)
      fail(source_, ": the column \"", field_, "\" holds ", column->max_repetition_level() > 0 ? "lists of " : "",
           ::parquet::TypeToString(column->physical_type()), "; strings (BYTE_ARRAY) were expected");
    return index;
  }

  // Appends the next rows' text, up to the end of a page; false at the end of the file.
  bool read_some(TextBlock& block) {
    while (!column_ || !column_->HasNext()) {
      if (row_group_ == file_reader_->metadata()->num_row_groups()) {
        if (row_ != rows_) fail(source_, ": has ", row_, " rows; its footer says ", rows_);
        return false;
      }
      column_ = std::static_pointer_cast< ::parquet::ByteArrayReader>(
          file_reader_->RowGroup(row_group_++)->Column(column_index_));
    }
    std::array<int16_t, kRows> levels;
    std::array< ::parquet::ByteArray, kRows> values;
    int64_t present = 0;
    const int16_t whole = column_->descr()->max_definition_level();
    const int64_t rows = column_->ReadBatch(kRows, levels.data(), nullptr, values.data(), &present);
    if (rows == 0) fail(source_, ": row ", row_ + 1, ": a page of the column \"", field_, "\" is empty");
    const auto* value = values.data();
    for (int64_t i = 0; i < rows; ++i) {
      ++row_;
      if (whole > 0 && levels[static_cast<size_t>(i)] < whole) continue;  // null
      const std::string_view text(*value++);
      io::require_utf8(text, concat(source_, ": row ", row_, ", column \"", field_, '"'));
      block.text += text;
      block.parts.push_back(block.text.size());
    }
    return true;
  }

  static constexpr int64_t kRows = 256;

  io::MappedFile file_;
  std::string copy_, source_, field_;
  size_t size_ = 0;
  std::unique_ptr< ::parquet::ParquetFileReader> file_reader_;
  int column_index_ = 0, row_group_ = 0;
  std::shared_ptr< ::parquet::ByteArrayReader> column_;
  int64_t row_ = 0, rows_ = 0;  // read so far, and of the whole file
};

}  // namespace

std::unique_ptr<TextReader> open_parquet(io::InputFile file, const io::fs::path& path, const std::string& field) {
  if (file.regular() && path != "-") return std::make_unique<ParquetText>(io::MappedFile(path), "", file.name(), field);
  std::string copy;
  while (file.read(copy, size_t{1} << 20) > 0)
    if (copy.size() > io::kLargestDocument)
      fail(file.name(), ": is a Parquet file of more than ", io::kLargestDocument,
           " bytes; one of that size is read from a file only");
  return std::make_unique<ParquetText>(io::MappedFile(), std::move(copy), file.name(), field);
}

#endif

}  // namespace saobp::data
