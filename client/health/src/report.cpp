#include "skald/health/report.hpp"

#include <boost/json.hpp>

#include <skald/protocol/error.hpp>

namespace skald::health {

namespace {

namespace json = boost::json;

std::int64_t number(timestamp at) {
  return at.time_since_epoch().count();
}

std::string text_at(const json::object& of, std::string_view name) {
  const json::string& text = of.at(name).as_string();
  return {text.data(), text.size()};
}

json::object encode(const outbox_report& of) {
  json::object made{{"name", of.name}, {"unsent", of.unsent}, {"parked", of.parked}};
  if (of.oldest) made["oldest_ms"] = number(*of.oldest);
  if (!of.why.empty()) made["why"] = of.why;
  return made;
}

json::object encode(const breaker_report& of) {
  json::object made{
      {"name", of.name}, {"state", of.state}, {"since_ms", number(of.since)}, {"refused", of.refused}};
  if (of.failure_rate) made["failure_rate"] = *of.failure_rate;
  return made;
}

outbox_report decode_outbox(const json::object& from) {
  outbox_report made{.name = text_at(from, "name"),
                     .unsent = from.at("unsent").to_number<std::uint64_t>(),
                     .parked = from.at("parked").to_number<std::uint64_t>()};
  if (const json::value* oldest = from.if_contains("oldest_ms"))
    made.oldest = timestamp(milliseconds(oldest->as_int64()));
  if (from.contains("why")) made.why = text_at(from, "why");
  return made;
}

breaker_report decode_breaker(const json::object& from) {
  breaker_report made{.name = text_at(from, "name"),
                      .state = text_at(from, "state"),
                      .since = timestamp(milliseconds(from.at("since_ms").as_int64()))};
  made.refused = from.at("refused").to_number<std::uint64_t>();
  if (const json::value* rate = from.if_contains("failure_rate"))
    made.failure_rate = rate->to_number<double>();
  return made;
}

}  // namespace

std::string key_of(std::string_view service, std::string_view instance) {
  return std::string(service) + "/" + std::string(instance);
}

std::string encode(const report& what) {
  json::array outboxes;
  for (const outbox_report& one : what.outboxes) outboxes.push_back(encode(one));
  json::array breakers;
  for (const breaker_report& one : what.breakers) breakers.push_back(encode(one));
  return json::serialize(json::object{{"every_ms", what.every.count()},
                                      {"outboxes", std::move(outboxes)},
                                      {"breakers", std::move(breakers)}});
}

report decode(std::string_view key, std::string_view text) {
  try {
    const std::size_t slash = key.find('/');
    if (slash == std::string_view::npos) throw std::runtime_error("its key is not SERVICE/INSTANCE");
    const json::value parsed = json::parse({text.data(), text.size()});
    const json::object& from = parsed.as_object();
    report made{.service = std::string(key.substr(0, slash)),
                .instance = std::string(key.substr(slash + 1)),
                .every = milliseconds(from.at("every_ms").as_int64())};
    for (const json::value& one : from.at("outboxes").as_array())
      made.outboxes.push_back(decode_outbox(one.as_object()));
    for (const json::value& one : from.at("breakers").as_array())
      made.breakers.push_back(decode_breaker(one.as_object()));
    return made;
  } catch (const std::exception& why) {
    throw error(errc::invalid_request,
                "the health report of '" + std::string(key) + "' makes no sense: " + why.what());
  }
}

}  // namespace skald::health
