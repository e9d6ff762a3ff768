#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"

namespace skald::server::handlers {

void status(session& of, std::uint64_t id) {
  session_host* const host = &of.host();  // outlives the request
  host->shard.stats([host, request = of.open(id)](const shard::statistics& shard) {
    const broker_facts facts = host->facts();
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
      const auto version = builder.CreateString(host->settings.broker_version);
      const auto broker = builder.CreateString(host->settings.broker_id);
      wire::StatusOkBuilder status(builder);
      status.add_broker_version(version);
      status.add_broker_id(broker);
      status.add_uptime_ms(facts.uptime_ms);
      status.add_now_ms(std::chrono::duration_cast<std::chrono::milliseconds>(now).count());
      status.add_connections(host->counts.connections);
      status.add_subscriptions(host->counts.subscriptions);
      status.add_topics(shard.topics);
      status.add_partitions(shard.partitions);
      status.add_records_in(shard.records_appended);
      status.add_bytes_in(shard.bytes_appended);
      status.add_bytes_out(host->counts.bytes_out);
      status.add_memory_bytes(facts.memory_bytes);
      status.add_memory_budget_bytes(facts.memory_budget_bytes);
      status.add_journal_segments(shard.journal.segments);
      status.add_journal_bytes(std::uint64_t{shard.journal.segments} * shard.journal.segment_bytes);
      status.add_journal_live_bytes(shard.live_bytes);
      status.add_journal_syncs(shard.journal.syncs);
      status.add_disk_free_bytes(facts.disk_free_bytes);
      status.add_storage_full(shard.journal.storage_full);
      status.add_replay_bytes(shard.replay_bytes);
      return status.Finish();
    });
  });
}

}  // namespace skald::server::handlers
