#include "tools/bench/report.hpp"

#include <array>
#include <boost/json.hpp>
#include <cmath>
#include <cstdio>

#include "tools/cli/quantity.hpp"
#include "tools/cli/table.hpp"

namespace skald::cli::bench {
namespace {

namespace json = boost::json;

struct quantile {
  double percent;
  const char* name;
};
constexpr std::array<quantile, 4> quantiles{{{50, "p50"}, {90, "p90"}, {99, "p99"}, {99.9, "p99.9"}}};

std::string fixed(double value, int digits) {
  std::array<char, 64> text{};
  const int size = std::snprintf(text.data(), text.size(), "%.*f", digits, value);
  return {text.data(), static_cast<std::size_t>(size)};
}

std::uint64_t rounded(double value) {
  return static_cast<std::uint64_t>(std::llround(value));
}

double microseconds(std::chrono::nanoseconds value) {
  return static_cast<double>(value.count()) / 1e3;
}

double per_second(std::uint64_t count, const report& of) {
  return of.measured.count() > 0 ? static_cast<double>(count) / of.measured.count() : 0;
}

std::optional<double> write_amplification(const broker_use& used) {
  if (!used.disk_written_bytes || used.payload_written_bytes == 0) return std::nullopt;
  return static_cast<double>(*used.disk_written_bytes) / static_cast<double>(used.payload_written_bytes);
}

std::string latency_text(const report& of) {
  if (of.latency_of.empty()) return "not of this workload";
  if (of.latency.empty()) return "none measured";
  std::string text;
  for (const quantile& each : quantiles)
    text += std::string(each.name) + " " + format_latency(of.latency.percentile(each.percent)) + ", ";
  return text + "max " + format_latency(of.latency.max()) + "; " + of.latency_of;
}

std::string memory_text(std::uint64_t bytes, bool is_peak) {
  return format_size(bytes) + (is_peak ? " of memory at most" : " of memory");
}

std::string broker_text(const broker_use& used) {
  const std::string cores = used.cores ? fixed(*used.cores, 2) + " cores, " : "";
  return cores + memory_text(used.memory_bytes, used.memory_is_peak);
}

std::string disk_text(const report& of) {
  std::string text = fixed(per_second(of.used.syncs, of), 1) + " fsyncs/s";
  if (const auto times = write_amplification(of.used))
    text = fixed(*times, 2) + " bytes written for each byte of payload, " + text;
  return text;
}

json::value optional_number(const std::optional<double>& value) {
  return value ? json::value(*value) : json::value(nullptr);
}

std::string limit_value_text(double value, const std::string& unit) {
  if (unit == "us") return format_latency(std::chrono::nanoseconds(static_cast<std::int64_t>(value * 1e3)));
  if (unit == "per_s") return format_count(rounded(value)) + "/s";
  return format_size(rounded(value)) + "/s";
}

// "0.75 of 1.8 GiB/s", or "p50 1.04 times 176 us, p99 1.10 times 428 us".
std::string ratios_text(const report& of, const limit_reading& limit) {
  const std::string& unit = of.limit->unit;
  const auto text = [&](const std::optional<double>& ratio, const char* joined, double value) {
    return (ratio ? fixed(*ratio, 2) + joined : std::string()) + limit_value_text(value, unit);
  };
  if (unit != "us") return text(of.limit_ratio(), " of ", limit.value);
  return "p50 " + text(of.limit_ratio(), " times ", limit.value) + ", p99 " +
         text(of.limit_ratio_p99(), " times ", limit.p99);
}

std::string limit_text(const report& of) {
  const limit_figures& is = *of.limit;
  const std::optional<limit_reading> mean = is.mean();
  if (!mean) return (is.unit.empty() ? "none: " : "not measured: ") + is.of;
  const auto text = [&](const std::optional<limit_reading>& one) {
    if (!one) return std::string("not measured");
    const std::string value = limit_value_text(one->value, is.unit);
    return is.unit == "us" ? value + " and " + limit_value_text(one->p99, is.unit) : value;
  };
  return ratios_text(of, *mean) + ", " + is.of + " (before " + text(is.before) + ", after " + text(is.after) +
         ")";
}

json::value limit_json(const report& of) {
  if (!of.limit) return nullptr;
  const limit_figures& is = *of.limit;
  json::object object{{"of", is.of}};
  object["unit"] = is.unit.empty() ? json::value(nullptr) : json::value(is.unit);
  const auto value = [](const std::optional<limit_reading>& one) {
    return one ? json::value(one->value) : json::value(nullptr);
  };
  const auto p99 = [&](const std::optional<limit_reading>& one) {
    return one && is.unit == "us" ? json::value(one->p99) : json::value(nullptr);
  };
  object["before"] = value(is.before);
  object["after"] = value(is.after);
  object["before_p99"] = p99(is.before);
  object["after_p99"] = p99(is.after);
  object["ratio"] = optional_number(of.limit_ratio());
  object["ratio_p99"] = optional_number(of.limit_ratio_p99());
  return object;
}

json::value latency_json(const report& of) {
  if (of.latency_of.empty() || of.latency.empty()) return nullptr;
  json::object object{{"of", of.latency_of}, {"count", of.latency.count()}};
  object["min"] = microseconds(of.latency.min());
  object["mean"] = microseconds(of.latency.mean());
  for (const quantile& each : quantiles)
    object[each.name] = microseconds(of.latency.percentile(each.percent));
  object["max"] = microseconds(of.latency.max());
  return object;
}

}  // namespace

std::string_view to_string(ending how) noexcept {
  switch (how) {
    case ending::complete:
      return "ok";
    case ending::interrupted:
      return "interrupted";
    case ending::failed:
      return "failed";
  }
  return "";
}

double report::records_per_second() const {
  return per_second(records, *this);
}

double report::bytes_per_second() const {
  return per_second(bytes, *this);
}

std::optional<limit_reading> limit_figures::mean() const {
  if (!before || !after) return before ? before : after;
  return limit_reading{.value = (before->value + after->value) / 2, .p99 = (before->p99 + after->p99) / 2};
}

std::optional<double> report::limit_ratio() const {
  const std::optional<limit_reading> is = limit ? limit->mean() : std::nullopt;
  if (!is || is->value <= 0 || measured.count() <= 0) return std::nullopt;
  if (limit->unit == "bytes_per_s") return bytes_per_second() / is->value;
  if (limit->unit == "per_s") return records_per_second() / is->value;
  if (latency.empty()) return std::nullopt;
  return microseconds(latency.percentile(50)) / is->value;
}

std::optional<double> report::limit_ratio_p99() const {
  const std::optional<limit_reading> is = limit ? limit->mean() : std::nullopt;
  if (!is || is->p99 <= 0 || limit->unit != "us" || latency.empty()) return std::nullopt;
  return microseconds(latency.percentile(99)) / is->p99;
}

std::string format_latency(std::chrono::nanoseconds value) {
  constexpr std::array<const char*, 3> units{"us", "ms", "s"};
  double number = microseconds(value);
  std::size_t unit = 0;
  while (unit + 1 < units.size() && number >= 999.5) {
    number /= 1e3;
    ++unit;
  }
  const int digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
  return fixed(number, digits) + " " + units[unit];
}

std::string to_text(const report& of) {
  table facts({"", ""});
  facts.add({"workload", of.workload + ": " + of.setting});
  facts.add({"broker", of.broker});
  const std::string cut =
      of.ended == ending::complete ? "" : "PARTIAL (" + std::string(to_string(of.ended)) + "): ";
  facts.add({"measured", cut + fixed(of.measured.count(), 2) + " s, after " + fixed(of.warm_up.count(), 2) +
                             " s of warm-up"});
  std::string throughput = format_count(rounded(of.records_per_second())) + " " + of.unit + "/s";
  if (of.bytes != 0 || of.records == 0)
    throughput += ", " + format_size(rounded(of.bytes_per_second())) + "/s";
  if (of.unsent != 0) throughput += "; " + format_count(of.unsent) + " were due and never sent";
  facts.add({"throughput", throughput});
  facts.add({"latency", latency_text(of)});
  facts.add({"client", fixed(of.client_cores, 2) + " cores, " + memory_text(of.client_memory_bytes, true)});
  facts.add({"broker", broker_text(of.used)});
  facts.add({"disk", disk_text(of)});
  if (of.limit) facts.add({"limit", limit_text(of)});
  facts.add({"verified", format_count(of.verified) + " " + of.unit + ": " + of.found.text()});
  std::string text = facts.text();
  for (const std::string& each : of.remarks) text += "note: " + each + "\n";
  if (!of.why.empty()) text += "failed: " + of.why + "\n";
  return text + summary_line(of) + "\n";
}

std::string summary_line(const report& of) {
  std::string line = "skald-bench workload=" + of.workload + " status=" + std::string(to_string(of.ended));
  const auto add = [&](const std::string& name, const std::string& value) {
    line += " " + name + "=" + value;
  };
  add("records", std::to_string(of.records));
  add("seconds", fixed(of.measured.count(), 3));
  add("records_per_s", std::to_string(rounded(of.records_per_second())));
  add("bytes_per_s", std::to_string(rounded(of.bytes_per_second())));
  const bool timed = !of.latency_of.empty() && !of.latency.empty();
  for (const quantile& each : quantiles) {
    add(std::string(each.name) + "_us",
        timed ? fixed(microseconds(of.latency.percentile(each.percent)), 1) : "-");
  }
  add("max_us", timed ? fixed(microseconds(of.latency.max()), 1) : "-");
  add("missing", std::to_string(of.found.missing));
  add("repeated", std::to_string(of.found.repeated));
  add("damaged", std::to_string(of.found.damaged));
  add("unsent", std::to_string(of.unsent));
  const auto add_optional = [&](const std::string& name, const std::optional<double>& value, int digits) {
    add(name, value ? fixed(*value, digits) : "-");
  };
  const bool limited = of.limit && !of.limit->unit.empty();
  const bool timed_limit = limited && of.limit->unit == "us";
  const std::optional<limit_reading> limit = limited ? of.limit->mean() : std::nullopt;
  add_optional("limit", limit ? std::optional(limit->value) : std::nullopt, timed_limit ? 1 : 0);
  add("limit_unit", limited ? of.limit->unit : "-");
  add_optional("limit_ratio", of.limit_ratio(), 3);
  add_optional("limit_ratio_p99", of.limit_ratio_p99(), 3);
  add_optional("limit_p99_us", limit && timed_limit ? std::optional(limit->p99) : std::nullopt, 1);
  return line;
}

std::string to_json(const report& of) {
  json::object object{{"workload", of.workload},
                      {"status", to_string(of.ended)},
                      {"setting", of.setting},
                      {"broker", of.broker},
                      {"warm_up_s", of.warm_up.count()},
                      {"measured_s", of.measured.count()},
                      {"records", of.records},
                      {"bytes", of.bytes},
                      {"records_per_s", of.records_per_second()},
                      {"bytes_per_s", of.bytes_per_second()},
                      {"unsent", of.unsent}};
  object["error"] = of.why.empty() ? json::value(nullptr) : json::value(of.why);
  object["rate_wanted"] = of.rate_wanted == 0 ? json::value(nullptr) : json::value(of.rate_wanted);
  object["latency_us"] = latency_json(of);
  object["client"] = {{"cpu_cores", of.client_cores}, {"memory_peak_bytes", of.client_memory_bytes}};
  const json::value memory = of.used.memory_bytes;
  object["broker_process"] = {{"cpu_cores", optional_number(of.used.cores)},
                              {of.used.memory_is_peak ? "memory_peak_bytes" : "memory_bytes", memory}};
  const auto amplification = write_amplification(of.used);
  object["disk"] = {{"written_bytes", of.used.disk_written_bytes ? json::value(*of.used.disk_written_bytes)
                                                                 : json::value(nullptr)},
                    {"written_bytes_per_payload_byte", optional_number(amplification)},
                    {"fsyncs_per_s", per_second(of.used.syncs, of)}};
  object["limit"] = limit_json(of);
  object["verified"] = {{"records", of.verified},
                        {"missing", of.found.missing},
                        {"repeated", of.found.repeated},
                        {"damaged", of.found.damaged}};
  json::array remarks;
  for (const std::string& each : of.remarks) remarks.emplace_back(each);
  object["remarks"] = std::move(remarks);
  return json::serialize(object);
}

}  // namespace skald::cli::bench
