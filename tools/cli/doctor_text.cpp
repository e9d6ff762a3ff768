// Findings and figures as text, as JSON and as Prometheus reads them.
#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <charconv>
#include <map>

#include "tools/cli/doctor.hpp"
#include "tools/cli/moment.hpp"
#include "tools/cli/quantity.hpp"

namespace skald::cli {

namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

std::string time_text(timestamp at) {
  std::string text;
  append_timestamp(text, at);
  return text;
}

milliseconds age(timestamp from, timestamp to) {
  return std::max(std::chrono::duration_cast<milliseconds>(to - from), milliseconds(0));
}

double in_seconds(milliseconds of) {
  return static_cast<double>(of.count()) / 1'000;
}

// As Prometheus wants a label's value.
std::string escaped(const std::string& text) {
  std::string made;
  for (const char c : text) {
    if (c == '\n') {
      made += "\\n";
      continue;
    }
    if (c == '\\' || c == '"') made += '\\';
    made += c;
  }
  return made;
}

std::string number_text(double value) {
  std::array<char, 32> digits{};
  const auto [end, failed] = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  return {digits.data(), failed == std::errc() ? end : digits.data()};
}

void measure_sagas(const observations& of, std::vector<metric>& made) {
  struct figures {
    std::size_t unfinished = 0;
    std::size_t parked = 0;
    milliseconds oldest{0};
  };
  std::map<std::string, figures> by;
  for (const found_saga& one : of.sagas) {
    figures& is = by[one.orchestrator];
    ++is.unfinished;
    is.parked += one.state.phase == sagas::phase::parked ? 1 : 0;
    is.oldest = std::max(is.oldest, age(one.state.started, of.now));
  }
  for (const auto& [orchestrator, is] : by) {
    const std::vector<std::pair<std::string, std::string>> whose{{"orchestrator", orchestrator}};
    made.push_back({"skald_sagas_unfinished", whose, static_cast<double>(is.unfinished)});
    made.push_back({"skald_sagas_parked", whose, static_cast<double>(is.parked)});
    made.push_back({"skald_saga_oldest_unfinished_seconds", whose, in_seconds(is.oldest)});
  }
}

void measure_instance(const observations& of, const seen_instance& one, std::vector<metric>& made) {
  const std::pair<std::string, std::string> service{"service", one.said.service};
  const std::pair<std::string, std::string> instance{"instance", one.said.instance};
  made.push_back({"skald_instance_silent_seconds", {service, instance}, in_seconds(age(one.at, of.now))});
  for (const health::outbox_report& box : one.said.outboxes) {
    const std::vector<std::pair<std::string, std::string>> whose{service, instance, {"outbox", box.name}};
    made.push_back({"skald_outbox_unsent_rows", whose, static_cast<double>(box.unsent)});
    made.push_back({"skald_outbox_parked_rows", whose, static_cast<double>(box.parked)});
    made.push_back(
        {"skald_outbox_oldest_unsent_seconds", whose, box.oldest ? in_seconds(age(*box.oldest, of.now)) : 0});
  }
  for (const health::breaker_report& breaker : one.said.breakers)
    made.push_back(
        {"skald_breaker_state", {service, instance, {"breaker", breaker.name}, {"state", breaker.state}}, 1});
}

}  // namespace

std::vector<metric> measure(const observations& of) {
  std::vector<metric> made;
  measure_sagas(of, made);
  for (const seen_queue& one : of.queues) {
    const std::vector<std::pair<std::string, std::string>> whose{{"topic", one.is.topic},
                                                                 {"queue", one.is.queue}};
    const auto waiting = static_cast<double>(one.is.ready + one.is.leased + one.is.parked);
    made.push_back({"skald_queue_waiting_records", whose, waiting});
    made.push_back({"skald_queue_consumers", whose, static_cast<double>(one.is.consumers)});
    made.push_back({"skald_queue_dead_letters", whose, static_cast<double>(one.is.dead)});
  }
  for (const seen_group& one : of.groups)
    made.push_back({"skald_group_lag_records", {{"group", one.is.name}}, static_cast<double>(one.is.lag)});
  for (const seen_instance& one : of.instances) measure_instance(of, one, made);
  made.push_back({"skald_disk_free_bytes", {}, static_cast<double>(of.broker.disk_free_bytes)});
  return made;
}

std::string findings_text(const std::vector<finding>& all, timestamp now) {
  std::string text;
  for (const finding& one : all) {
    text += (text.empty() ? "" : "\n") + one.what + "\n";
    if (one.since)
      text += "  since  " + time_text(*one.since) + ", " + format_age(age(*one.since, now)) + " ago\n";
    if (!one.why.empty()) text += "  why    " + one.why + "\n";
    for (std::size_t i = 0; i < one.help.size(); ++i)
      text += (i == 0 ? "  help   " : "         ") + one.help[i] + "\n";
  }
  return text;
}

std::string healthy_text(const observations& of) {
  return "nothing is stuck: " + format_count(of.sagas.size()) + " sagas on their way, " +
         format_count(of.queues.size()) + " queues, " + format_count(of.groups.size()) +
         " consumer groups, " + format_count(of.services.size()) + " services, " +
         format_count(of.timers.size()) + " timers, " + format_count(of.instances.size()) +
         " reporting instances\n";
}

json::object doctor_json(const std::vector<finding>& all, const std::vector<metric>& metrics, timestamp now) {
  json::array findings;
  for (const finding& one : all) {
    json::object made{{"kind", one.kind}, {"subject", one.subject}, {"what", one.what}, {"why", one.why}};
    if (one.since) {
      made["since"] = time_text(*one.since);
      made["age_ms"] = age(*one.since, now).count();
    }
    made["help"] = json::array(one.help.begin(), one.help.end());
    findings.push_back(std::move(made));
  }
  json::array figures;
  for (const metric& one : metrics) {
    json::object labels;
    for (const auto& [name, value] : one.labels) labels[name] = value;
    figures.push_back(json::object{{"name", one.name}, {"labels", std::move(labels)}, {"value", one.value}});
  }
  return {{"healthy", all.empty()},
          {"now", time_text(now)},
          {"findings", std::move(findings)},
          {"metrics", std::move(figures)}};
}

std::string metrics_text(const std::vector<metric>& metrics) {
  // All lines of one metric stand together, under its type.
  std::map<std::string, std::string> by;
  for (const metric& one : metrics) {
    std::string labels;
    for (const auto& [name, value] : one.labels)
      labels.append(labels.empty() ? "{" : ",")
          .append(name)
          .append("=\"")
          .append(escaped(value))
          .append("\"");
    if (!labels.empty()) labels += "}";
    by[one.name].append(one.name).append(labels).append(" ").append(number_text(one.value)).append("\n");
  }
  std::string text;
  for (const auto& [name, lines] : by) text.append("# TYPE ").append(name).append(" gauge\n").append(lines);
  return text;
}

}  // namespace skald::cli
