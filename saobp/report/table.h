// A table as data: for a page, for a terminal, as CSV and as Markdown.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace saobp::report {

struct Column {
  std::string title;
  bool number = true;  // its cells stand at the right
};

struct Row {
  std::vector<std::string> cells;  // plain text; empty: not recorded; one cell alone heads the rows below it
  bool faint = false;              // what is beside the runs' own figures
};

struct Table {
  std::string id = "";     // unique on the page; the name of its files
  std::string title = "";  // a caption
  std::vector<Column> columns = {};
  std::vector<Row> rows = {};
  std::string note = "";  // below it, plain text
};

// Words in lines of at most 110 characters; the first begins with `first`, the others with `rest`.
std::string in_lines(const std::string& text, const std::string& first = "", const std::string& rest = "");

std::string table_html(const Table& table);
// Aligned, for a terminal, in blocks of as many columns as fit into 120 characters, each with the first.
std::string table_text(const Table& table);
std::string table_csv(const Table& table);       // RFC 4180, with a head row; heading rows become a first column
std::string table_markdown(const Table& table);  // GitHub's

class Tables {
 public:
  std::string put(Table table);  // its HTML
  const std::vector<Table>& all() const { return tables_; }

 private:
  std::vector<Table> tables_;
  std::set<std::string> ids_;
};

// Writes ID.csv and ID.md of each into the folder, which is made where it does not exist; the paths that were written.
std::vector<std::filesystem::path> write_tables(const std::vector<Table>& tables, const std::filesystem::path& folder);

}  // namespace saobp::report
