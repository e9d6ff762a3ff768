#include "tools/cli/record_format.hpp"

#include "tools/cli/moment.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {
namespace {

// `"name":` and the bytes as a string; as "name_base64" when they are not UTF-8; null when absent.
void append_bytes_field(std::string& out, std::string_view name, std::optional<std::string_view> bytes) {
  out.append("\"").append(name);
  if (!bytes) {
    out += "\":null";
  } else if (is_utf8(*bytes)) {
    out += "\":";
    append_json_string(out, *bytes);
  } else {
    out += "_base64\":\"";
    append_base64(out, *bytes);
    out += '"';
  }
}

void append_json(std::string& out, std::string_view topic, const output_record& record) {
  out += "{\"topic\":";
  append_json_string(out, topic);
  out.append(",\"partition\":").append(std::to_string(record.partition.value()));
  out.append(",\"offset\":").append(std::to_string(record.offset.value()));
  out += ",\"timestamp\":\"";
  append_timestamp(out, record.timestamp);
  out += "\",";
  append_bytes_field(out, "key", record.key);
  out += ',';
  append_bytes_field(out, "value", record.value);
  if (!record.headers.empty()) {
    out += ",\"headers\":[";
    for (const record_header& header : record.headers) {
      if (&header != &record.headers.front()) out += ',';
      out += '{';
      append_bytes_field(out, "key", header.key);
      out += ',';
      append_bytes_field(out, "value", header.value);
      out += '}';
    }
    out += ']';
  }
  out += "}\n";
}

}  // namespace

result<record_format> record_format::parse(std::string_view name) {
  if (name == "text") return record_format(text{});
  if (name == "raw") return record_format(raw{});
  if (name == "json") return record_format(json{});
  if (name.find_first_of("%\\") == std::string_view::npos) {
    return failure{errc::invalid_request,
                   "'" + printable(name) + "' is neither text, json or raw nor a template such as '%k: %v'"};
  }
  auto parsed = message_template::parse(name);
  if (!parsed) return parsed.error();
  return record_format(std::move(*parsed));
}

void record_format::append(std::string& out, std::string_view topic, const output_record& record) const {
  if (std::holds_alternative<text>(chosen_)) {
    out.append(record.value.value_or(std::string_view{})).append("\n");
  } else if (std::holds_alternative<raw>(chosen_)) {
    out.append(record.value.value_or(std::string_view{}));
  } else if (std::holds_alternative<json>(chosen_)) {
    append_json(out, topic, record);
  } else {
    std::get<message_template>(chosen_).append(out, topic, record);
  }
}

}  // namespace skald::cli
