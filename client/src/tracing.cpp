#include <skald/tracing.hpp>

#include <skald/service.hpp>

namespace skald::tracing {

std::optional<std::string_view> find_header(std::span<const header> in, std::string_view name) {
  for (const header& one : in)
    if (one.key == name) return one.value.value_or("");
  return std::nullopt;
}

std::optional<std::string_view> find_header(const record& in, std::string_view name) {
  for (const header& one : in.headers())
    if (one.key == name) return one.value.value_or("");
  return std::nullopt;
}

std::string message_id_of(const record& received) {
  const std::string_view given = find_header(received, message_id_header).value_or("");
  if (!given.empty()) return std::string(given);
  return std::string(received.topic()) + '/' + std::to_string(received.partition().value()) + '/' +
         std::to_string(received.offset().value());
}

std::vector<header> lineage::headers() const {
  std::vector<header> made;
  add_to(made);
  return made;
}

void lineage::add_to(std::vector<header>& headers) const {
  const auto add = [&headers](std::string_view name, std::string_view id) {
    if (!id.empty() && !find_header(headers, name)) headers.push_back({name, id});
  };
  add(correlation_id_header, correlation_id);
  add(causation_id_header, causation_id);
}

lineage caused_by(const record& received) {
  lineage made{.correlation_id = std::string(find_header(received, correlation_id_header).value_or("")),
               .causation_id = message_id_of(received)};
  if (made.correlation_id.empty()) made.correlation_id = made.causation_id;
  return made;
}

lineage caused_by(const service_request& asked) {
  const std::string_view id = asked.header(message_id_header).value_or("");
  lineage made{.correlation_id = std::string(asked.header(correlation_id_header).value_or("")),
               .causation_id = std::string(id)};
  // Without an id of its own, the request is passed over: what follows was caused by what caused it.
  if (id.empty()) made.causation_id = asked.header(causation_id_header).value_or("");
  if (made.correlation_id.empty()) made.correlation_id = made.causation_id;
  return made;
}

}  // namespace skald::tracing
