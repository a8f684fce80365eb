#include "saobp/report/table.h"

#include <algorithm>
#include <sstream>

#include "saobp/io/file.h"
#include "saobp/io/words.h"
#include "saobp/report/html.h"

namespace saobp::report {
namespace {

bool is_heading(const Table& table, const Row& row) { return row.cells.size() == 1 && table.columns.size() > 1; }

bool has_headings(const Table& table) {
  return std::any_of(table.rows.begin(), table.rows.end(), [&](const Row& row) { return is_heading(table, row); });
}

// Its rows as lists of as many cells as there are columns, the heading of each in front where there are headings.
std::vector<std::vector<std::string>> flat(const Table& table) {
  const bool headings = has_headings(table);
  std::vector<std::vector<std::string>> out;
  std::vector<std::string> head;
  if (headings) head.emplace_back("part");
  for (const auto& column : table.columns) head.push_back(column.title);
  out.push_back(head);
  std::string heading;
  for (const auto& row : table.rows) {
    if (is_heading(table, row)) {
      heading = row.cells[0];
      continue;
    }
    auto& cells = out.emplace_back();
    if (headings) cells.push_back(heading);
    cells.insert(cells.end(), row.cells.begin(), row.cells.end());
    cells.resize(head.size());
  }
  return out;
}

size_t width_of(const std::string& text) { return static_cast<size_t>(io::code_points(text)); }

std::string in_quotes(const std::string& cell) {
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string out = "\"";
  for (const char c : cell) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string in_pipes(const std::string& cell) {
  std::string out;
  for (const char c : cell) {
    if (std::string_view("|<*`").find(c) != std::string_view::npos) out += '\\';
    out += c == '\n' || c == '\r' ? ' ' : c;
  }
  return out;
}

}  // namespace

std::string in_lines(const std::string& text, const std::string& first, const std::string& rest) {
  constexpr size_t kWidth = 110;
  std::string out, line = first, word;
  bool empty = true;
  for (std::istringstream words(text); words >> word; empty = false) {
    if (!empty && width_of(line) + 1 + width_of(word) > kWidth) out += line + "\n", line = rest, empty = true;
    line += (empty ? "" : " ") + word;
  }
  return out + line + "\n";
}

std::string table_html(const Table& table) {
  std::string out = "<div class='scroll' tabindex='0' data-table='" + escape(table.id) + "'><table>";
  if (!table.title.empty()) out += "<caption>" + escape(table.title) + "</caption>";
  out += "<thead><tr>";
  for (const auto& column : table.columns)
    out += std::string("<th scope='col'") + (column.number ? " class='number'" : "") + ">" + escape(column.title) +
           "</th>";
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : table.rows) {
    if (is_heading(table, row)) {
      out += concat("<tr><th class='group' scope='colgroup' colspan='", table.columns.size(), "'>",
                    escape(row.cells[0]), "</th></tr>\n");
      continue;
    }
    out += row.faint ? "<tr class='faint-row'>" : "<tr>";
    for (size_t i = 0; i < table.columns.size(); ++i) {
      const std::string cell = i < row.cells.size() ? row.cells[i] : "";
      const std::string text = cell.empty() ? kAbsent : escape(cell);
      if (i == 0)
        out += "<th scope='row'>" + text + "</th>";
      else
        out += (table.columns[i].number ? "<td class='number'>" : "<td>") + text + "</td>";
    }
    out += "</tr>\n";
  }
  out += "</tbody></table></div>\n";
  return out + (table.note.empty() ? "" : "<p class='fine'>" + escape(table.note) + "</p>\n");
}

std::string table_text(const Table& table) {
  constexpr size_t kWidest = 120, kGap = 2;
  std::vector<size_t> widths(table.columns.size(), 0);
  for (size_t i = 0; i < widths.size(); ++i) {
    widths[i] = width_of(table.columns[i].title);
    for (const auto& row : table.rows)
      if (!is_heading(table, row) && i < row.cells.size()) widths[i] = std::max(widths[i], width_of(row.cells[i]));
  }
  std::string out = table.title.empty() ? "" : table.title + "\n";
  for (size_t first = 1; first < std::max<size_t>(2, widths.size());) {
    size_t last = first, width = widths[0];
    while (last < widths.size() && (last == first || width + kGap + widths[last] <= kWidest))
      width += kGap + widths[last++];
    const auto line = [&](const auto& cell_of) {
      std::string text = io::padded(cell_of(0), widths[0], table.columns[0].number);
      for (size_t i = first; i < last; ++i)
        text += std::string(kGap, ' ') + io::padded(cell_of(i), widths[i], table.columns[i].number);
      out += text.erase(text.find_last_not_of(' ') + 1) + "\n";
    };
    if (first > 1) out += "\n";
    line([&](size_t i) { return table.columns[i].title; });
    for (const auto& row : table.rows)
      if (is_heading(table, row))
        out += row.cells[0] + "\n";
      else
        line([&](size_t i) { return i < row.cells.size() ? row.cells[i] : std::string(); });
    first = std::max(last, first + 1);
  }
  return out + (table.note.empty() ? "" : in_lines(table.note));
}

std::string table_csv(const Table& table) {
  std::string out;
  for (const auto& row : flat(table)) {
    for (size_t i = 0; i < row.size(); ++i) out += (i > 0 ? "," : "") + in_quotes(row[i]);
    out += "\r\n";
  }
  return out;
}

std::string table_markdown(const Table& table) {
  const auto rows = flat(table);
  const size_t before = has_headings(table) ? 1 : 0;
  std::string out = table.title.empty() ? "" : "**" + table.title + "**\n\n";
  for (size_t r = 0; r < rows.size(); ++r) {
    out += "|";
    for (const auto& cell : rows[r]) out += " " + in_pipes(cell) + " |";
    out += "\n";
    if (r > 0) continue;
    out += "|";
    for (size_t i = 0; i < rows[0].size(); ++i)
      out += i >= before && table.columns[i - before].number && i > before ? "---:|" : "---|";
    out += "\n";
  }
  return out + (table.note.empty() ? "" : "\n" + table.note + "\n");
}

std::string Tables::put(Table table) {
  table.id = unique_id(table.id, ids_);
  auto html = table_html(table);
  tables_.push_back(std::move(table));
  return html;
}

std::vector<std::filesystem::path> write_tables(const std::vector<Table>& tables, const std::filesystem::path& folder) {
  io::make_folder(folder);
  std::vector<std::filesystem::path> written;
  for (const auto& table : tables)
    for (const auto& [ending, text] : {std::pair(".csv", table_csv(table)), {".md", table_markdown(table)}}) {
      written.push_back(folder / (table.id + ending));
      io::write_file(written.back(), text);
    }
  return written;
}

}  // namespace saobp::report
