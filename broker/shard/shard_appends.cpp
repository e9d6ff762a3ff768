#include <cassert>
#include <utility>

#include "broker/shard/shard_impl.hpp"

namespace skald::shard {

namespace {

// In one command: each has a row of its own, which a compressed batch costs its sender hardly anything.
constexpr std::size_t keyed_records_max = 131'072;

failure too_many_keyed(const std::string& topic) {
  return {errc::batch_too_large,
          "topic '" + topic + "' has an index of keys: a batch, or all of a commit, has at most " +
              std::to_string(keyed_records_max) + " records for such topics; send fewer at a time"};
}

failure about_conditions(const append_request& request, const topic_settings& with) {
  const append_conditions& wants = *request.conditions;
  const bool conditional = wants.expected_version || !wants.message_id.empty() || wants.due;
  if (conditional && request.records != 1)
    return {errc::invalid_request,
            "a batch with an expected version, a message id or a time has one record, not " +
                std::to_string(request.records)};
  if (wants.message_id.size() > state::message_id_bytes_max)
    return {errc::invalid_request, "a message id has " + std::to_string(wants.message_id.size()) +
                                       " bytes; at most " + std::to_string(state::message_id_bytes_max) +
                                       " are accepted"};
  if (wants.expected_version && with.index != topic_index::key)
    return {errc::not_indexed, "topic '" + request.topic +
                                   "' has no index of keys, so that a version cannot be expected; create it "
                                   "with index = key"};
  return {};
}

// Resolves times, which a command carries.
failure read_times(const append_conditions& wants, timestamp now, append_terms& made) {
  constexpr std::chrono::hours ttl_max{24 * 366 * 100};
  const bool named = !wants.timer_owner.empty() || !wants.timer_name.empty();
  if (named && !wants.due) return {errc::invalid_request, "a timer has a time: when the record is due"};
  if (named)
    if (failure why = check_timer_name(wants.timer_owner, wants.timer_name)) return why;
  if (wants.due)
    if (failure why = resolve(wants.due, now, made.due.emplace())) return why;
  if (wants.ttl && (wants.ttl->count() <= 0 || *wants.ttl > ttl_max))
    return {errc::invalid_request,
            "a time to live of " + std::to_string(wants.ttl->count()) + " ms is out of range"};
  made.timer_owner = wants.timer_owner;
  made.timer_name = wants.timer_name;
  if (wants.ttl) made.ttl_ms = wants.ttl->count();
  return {};
}

failure about_key(const append_request& request, const protocol::record_view& record) {
  if (!record.key)
    return {errc::key_required,
            "topic '" + request.topic + "' has an index of keys, and a record has no key"};
  if (record.key->size() > state::indexed_key_bytes_max)
    return {errc::key_too_large, "a key has " + std::to_string(record.key->size()) + " bytes; topic '" +
                                     request.topic + "' has an index of keys and accepts " +
                                     std::to_string(state::indexed_key_bytes_max)};
  return {};
}

// `appends`: what is known of them besides.
commit_result result_of(effect made, std::vector<append_result> appends) {
  commit_result result{.why = std::move(made.why),
                       .refused = made.refused,
                       .version = made.version,
                       .duplicate = made.duplicate};
  if (result.why) return result;
  appends.resize(
      made.appends.size());  // what came of it the first time, whatever is sent under its number now
  for (std::size_t i = 0; i < made.appends.size(); ++i) {
    const committed_append& one = made.appends[i];
    if (one.base_offset != state::not_yet) appends[i].base_offset = one.base_offset;
    appends[i].duplicate = one.duplicate;
    appends[i].version = one.version;
    appends[i].partition = one.to.partition;
  }
  result.appends = std::move(appends);
  return result;
}

}  // namespace

failure shard::impl::prepare(const append_request& request, timestamp now, append_command& made,
                             append_result& result) {
  const auto id = machine_.find(request.topic);
  if (!id) return {errc::unknown_topic, "there is no topic '" + request.topic + "'; create it first"};
  const topic_settings& settings = tables_.topics.find(*id)->settings;
  result.partitions = settings.partitions;
  result.partition =
      request.key_hash ? partition_id(*request.key_hash % settings.partitions) : request.partition;
  if (result.partition.value() >= settings.partitions)
    return {errc::unknown_partition,
            "topic '" + request.topic + "' has " + std::to_string(settings.partitions) +
                " partitions; there is no partition " + std::to_string(result.partition.value())};
  if (request.batch.size() > settings.batch_bytes_max)
    return {errc::batch_too_large, "a batch has " + std::to_string(request.batch.size()) + " bytes; topic '" +
                                       request.topic + "' accepts " +
                                       std::to_string(settings.batch_bytes_max)};
  made = {.to = {*id, result.partition},
          .records = request.records,
          .batch_bytes = static_cast<std::uint32_t>(request.batch.size()),
          .record_bytes_largest = request.record_bytes_largest,
          .timestamp_max = request.timestamp_max,
          .now = now,
          .producer = request.producer,
          .epoch = request.epoch,
          .base_sequence = request.base_sequence};
  if (request.conditions == nullptr && settings.index == topic_index::none) return {};
  return read_terms(request, settings, made);
}

failure shard::impl::read_terms(const append_request& request, const topic_settings& with,
                                append_command& made) {
  auto terms = std::make_shared<append_terms>();
  if (request.conditions != nullptr) {
    if (failure why = about_conditions(request, with)) return why;
    terms->expected_version = request.conditions->expected_version;
    terms->message_id = request.conditions->message_id;
    if (failure why = read_times(*request.conditions, made.now, *terms)) return why;
  }
  if (with.index == topic_index::key) {
    if (request.records > keyed_records_max) return too_many_keyed(request.topic);
    const auto batch = protocol::batch_view::parse(request.batch.bytes());
    if (!batch) return {batch.error().code, batch.error().message};
    const auto records = decoder_.check(*batch);
    if (!records) return {records.error().code, records.error().message};
    terms->keys.reserve(request.records);
    for (const protocol::record_view& record : *records) {
      if (failure why = about_key(request, record)) return why;
      terms->keys.push_back({std::string(*record.key), !record.value});
    }
  }
  made.terms = std::move(terms);
  return {};
}

void shard::impl::append(std::vector<append_request> batches, durability wanted, append_done done) {
  auto group = std::make_shared<append_group>();
  group->results.resize(batches.size());
  group->done = std::move(done);
  const timestamp now = clock_.now();
  const bool wait = wanted != durability::memory;

  proposal what;
  std::vector<std::size_t> accepted;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    append_request& request = batches[i];
    append_command append;
    group->results[i].why = prepare(request, now, append, group->results[i]);
    if (group->results[i].why) continue;
    what.entries.push_back({.kind = journal::entry_kind::command,
                            .head = encoder_.encode(append),
                            .body = std::move(request.batch)});
    what.proposers.push_back({.group = wait ? group : nullptr, .index = i, .done = {}});
    accepted.push_back(i);
  }

  group->undecided = accepted.size();
  if (!accepted.empty()) {
    if (const failure why = propose(std::move(what))) {
      for (const std::size_t i : accepted) group->results[i].why = why;
      group->undecided = 0;
    }
  }
  if (group->undecided == 0 || !wait) post([group](impl&) { group->done(std::move(group->results)); });
}

void shard::impl::commit(commit_request what, commit_done done) {
  const auto tell = std::make_shared<commit_done>(std::move(done));
  const auto refuse = [&](failure why, commit_part part) {
    post([tell, result = commit_result{.why = std::move(why), .refused = part}](impl&) { (*tell)(result); });
  };
  commit_command commit{.appends = {},
                        .now = clock_.now(),
                        .producer = what.producer,
                        .epoch = what.epoch,
                        .sequence = what.sequence,
                        .settled = std::move(what.settled),
                        .timers = {},
                        .positions = std::move(what.positions)};
  commit_part part;
  if (failure why = read_timers(what.timers, commit.now, commit, part)) return refuse(std::move(why), part);
  std::vector<append_result> results(what.appends.size());
  std::size_t keyed_records = 0;
  for (std::size_t i = 0; i < what.appends.size(); ++i) {
    append_command& append = commit.appends.emplace_back();
    failure why = prepare(what.appends[i], commit.now, append, results[i]);
    if (!why && append.terms != nullptr) keyed_records += append.terms->keys.size();
    if (keyed_records > keyed_records_max) why = too_many_keyed(what.appends[i].topic);
    if (why) return refuse(std::move(why), {commit_part::kind::append, static_cast<std::uint32_t>(i)});
  }
  proposal entry;
  entry.entries.push_back({.kind = journal::entry_kind::command,
                           .head = encoder_.encode(std::move(commit)),
                           .body = std::move(what.batches)});
  entry.proposers.push_back(
      {.group = nullptr, .index = 0, .done = [tell, results = std::move(results)](effect made) mutable {
         (*tell)(result_of(std::move(made), std::move(results)));
       }});
  if (failure why = propose(std::move(entry))) refuse(std::move(why), {});
}

void shard::commit(commit_request what, commit_done done) {
  assert(impl_->executor_.running_here());
  impl_->commit(std::move(what), std::move(done));
}

std::optional<commit_result> shard::find_commit(producer_id by, producer_epoch epoch,
                                                std::uint64_t sequence) const {
  effect found;
  if (!impl_->machine_.is_settled(by, epoch, sequence, found)) return std::nullopt;
  std::vector<append_result> appends(found.appends.size());
  for (std::size_t i = 0; i < appends.size(); ++i) {
    const state::topic_row* const topic = impl_->tables_.topics.find(found.appends[i].to.topic);
    if (topic != nullptr) appends[i].partitions = topic->settings.partitions;
  }
  return result_of(std::move(found), std::move(appends));
}

void shard::append(std::vector<append_request> batches, durability wanted, append_done done) {
  assert(impl_->executor_.running_here());
  impl_->append(std::move(batches), wanted, std::move(done));
}

void shard::init_producer(producer_request what, producer_done done) {
  const auto tell = std::make_shared<producer_done>(std::move(done));
  const command init = init_producer_command{.name = std::move(what.name),
                                             .now = impl_->clock_.now(),
                                             .renews = what.renews,
                                             .names_max = impl_->options_.named_producers_max};
  const failure why = impl_->propose(init, journal::urgency::normal, [tell](effect made) {
    (*tell)(std::move(made.why), made.producer.id, made.producer.epoch);
  });
  if (why) impl_->post([tell, why](impl&) { (*tell)(why, producer_id(), producer_epoch()); });
}

}  // namespace skald::shard
