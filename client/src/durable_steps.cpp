#include "client/src/durable_steps.hpp"

#include <array>
#include <utility>

#include "client/src/commit_data.hpp"

namespace skald::detail {

namespace {

constexpr std::string_view failed_header = "skald-failed";

}  // namespace

topic_settings durable_steps::settings_of(const durable_settings& with, topic_index index) {
  topic_settings made{.partitions = with.partitions};
  if (with.retention) made.retention_ms = with.retention->count();
  if (index != topic_index::none) made.index = index;
  return made;
}

durable_steps::request::request(std::string_view of, std::string_view with, const ask_options& options)
    : id(of),
      body(with),
      traced{.correlation_id = std::string(options.correlation_id.empty() ? of : options.correlation_id),
             .causation_id = std::string(options.causation_id)} {}

commit durable_steps::request::to(std::string_view topic) const {
  commit effect;
  effect.trace(traced);
  // Callers may give several services requests of the same id.
  const std::string unique = std::string(topic) + '/' + id;
  const std::array headers{header{tracing::message_id_header, unique}};
  effect.append(topic, {.key = id, .value = body, .headers = headers}).message_id(id);
  return effect;
}

commit durable_steps::effect_of(const durable_request& asked) {
  commit effect;
  effect.trace(tracing::caused_by(asked.lease_));
  return effect;
}

std::size_t durable_steps::add_answer(commit& effect, const durable_request& to, const durable_answer& with,
                                      std::string_view replies) {
  const std::array headers{header{failed_header, "1"}};
  message reply{.key = to.id(), .value = with.body};
  if (with.failed) reply.headers = headers;
  effect.acknowledge(to.lease_);
  effect.trace(tracing::caused_by(to.lease_));
  // The id of a request may be forgotten before its reply is: then it is done already.
  effect.append(replies, reply).expect_version(0);
  return effect.data_->appends.size() - 1;
}

durable_steps::refusal durable_steps::judge(const commit_refused& why, std::size_t reply) {
  using part = commit_refused::part;
  if (why.what_part() == part::delivery) return refusal::lost;
  const bool stored =
      why.what_part() == part::append && why.index() == reply && why.code() == errc::version_conflict;
  return stored ? refusal::answered : refusal::theirs;
}

durable_reply durable_steps::read(const record& reply) {
  durable_reply is(std::string(reply.value().value_or("")));
  for (const header& one : reply.headers()) is.failed |= one.key == failed_header;
  return is;
}

std::optional<durable_reply> durable_steps::find(const records& in, std::string_view id) {
  for (const record& one : in)
    if (one.key() == id) return read(one);
  return std::nullopt;
}

durable_request durable_steps::as_request(delivery lease) {
  durable_request made;
  made.lease_ = std::move(lease);
  return made;
}

}  // namespace skald::detail
