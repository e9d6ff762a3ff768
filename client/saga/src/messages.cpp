#include "skald/saga/messages.hpp"

#include <skald/protocol/error.hpp>

namespace skald::sagas {

namespace {

constexpr std::size_t id_bytes_max = 80;  // of the 240 that a timer's name may have

}  // namespace

std::string sagas_topic(std::string_view orchestrator) {
  return std::string(orchestrator) + ".sagas";
}

std::string inputs_topic(std::string_view orchestrator) {
  return std::string(orchestrator) + ".sagas.inputs";
}

std::string definitions_topic(std::string_view orchestrator) {
  return std::string(orchestrator) + ".sagas.definitions";
}

std::string definition_key(std::string_view saga, sagas::version version) {
  return std::string(saga) + "@" + std::to_string(version.number);
}

std::string commands_topic(std::string_view participant) {
  return std::string(participant) + ".commands";
}

std::string inbox_topic(std::string_view participant) {
  return std::string(participant) + ".inbox";
}

instance instance_of(const record& stored) {
  const std::optional<std::string_view> state = find_header(stored, headers::state);
  if (!state || !stored.key())
    throw error(errc::invalid_request,
                "topic '" + std::string(stored.topic()) + "' holds a record that is not the state of a saga");
  return decode_state(*state, *stored.key(), stored.value().value_or(""));
}

std::string_view event_of(const record& stored) {
  return find_header(stored, headers::event).value_or("");
}

void check_saga_id(std::string_view id) {
  if (id.empty() || id.size() > id_bytes_max || id.find('/') != std::string_view::npos)
    throw error(errc::invalid_request,
                "the id of a saga has 1 to 80 bytes, and no '/': '" + std::string(id) + "'");
}

std::vector<header> start_headers(std::string_view saga, std::string_view id, std::string_view correlation,
                                  bool is_traced) {
  std::vector<header> made{{headers::kind, "start"}, {headers::definition, saga}};
  if (!correlation.empty() || !is_traced)
    made.push_back({tracing::correlation_id_header, correlation.empty() ? id : correlation});
  return made;
}

std::string start_message_id(std::string_view id) {
  return "start/" + std::string(id);
}

std::string timer_owner(std::string_view orchestrator, std::string_view saga_id) {
  return sagas_topic(orchestrator) + "/" + std::string(saga_id);
}

}  // namespace skald::sagas
