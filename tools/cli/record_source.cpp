#include "tools/cli/record_source.hpp"

#include <utility>

#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

// Puts a line into the record: its value, after its key when there is a separator.
void split_line(std::string_view line, const std::string& key_separator, input_record& record) {
  if (!key_separator.empty()) {
    const std::size_t at = line.find(key_separator);
    if (at == std::string_view::npos) {
      throw input_error(record.line, "no key separator '" + printable(key_separator) + "' in it");
    }
    record.key = line.substr(0, at);
    line.remove_prefix(at + key_separator.size());
  }
  record.value = line;
}

class line_source final : public record_source {
 public:
  line_source(line_reader& reader, std::string key_separator)
      : reader_(reader), key_separator_(std::move(key_separator)) {}

  read_status next(input_record& record) override {
    std::string_view line;
    if (const read_status status = reader_.next(line); status != read_status::ready) return status;
    record.line = reader_.line_number();
    split_line(line, key_separator_, record);
    return read_status::ready;
  }

 private:
  line_reader& reader_;
  std::string key_separator_;
};

class argument_source final : public record_source {
 public:
  argument_source(const std::vector<std::string>& messages, std::string key_separator)
      : messages_(messages), key_separator_(std::move(key_separator)) {}

  read_status next(input_record& record) override {
    if (given_ == messages_.size()) return read_status::end;
    record.line = given_ + 1;
    split_line(messages_[given_++], key_separator_, record);
    return read_status::ready;
  }

 private:
  const std::vector<std::string>& messages_;
  std::string key_separator_;
  std::size_t given_ = 0;
};

class raw_source final : public record_source {
 public:
  explicit raw_source(line_reader& reader) : reader_(reader) {}

  read_status next(input_record& record) override {
    if (done_) return read_status::end;
    std::string_view all;
    if (const read_status status = reader_.rest(all); status != read_status::ready) return status;
    done_ = true;
    record.line = 1;
    record.value = all;
    return read_status::ready;
  }

 private:
  line_reader& reader_;
  bool done_ = false;
};

}  // namespace

std::unique_ptr<record_source> make_line_source(line_reader& reader, std::string key_separator) {
  return std::make_unique<line_source>(reader, std::move(key_separator));
}

std::unique_ptr<record_source> make_argument_source(const std::vector<std::string>& messages,
                                                    std::string key_separator) {
  return std::make_unique<argument_source>(messages, std::move(key_separator));
}

std::unique_ptr<record_source> make_raw_source(line_reader& reader) {
  return std::make_unique<raw_source>(reader);
}

}  // namespace skald::cli
