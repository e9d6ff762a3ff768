#include "client/src/queue_codec.hpp"

#include "client/src/received.hpp"
#include "client/src/requests.hpp"

namespace skald::detail {

namespace {

std::uint32_t in_ms(milliseconds time) {
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(time.count(), 0, 0xffff'ffff));
}

timestamp time_at(std::int64_t ms) {
  return timestamp(milliseconds(ms));
}

}  // namespace

flatbuffers::Offset<wire::QueueSettings> encode(flatbuffers::FlatBufferBuilder& builder,
                                                const queue_settings& settings) {
  const auto dead_letter = settings.dead_letter ? builder.CreateString(*settings.dead_letter)
                                                : flatbuffers::Offset<flatbuffers::String>();
  wire::QueueSettingsBuilder encoded(builder);
  if (settings.lease) encoded.add_lease_ms(in_ms(*settings.lease));
  if (settings.max_attempts) encoded.add_max_attempts(*settings.max_attempts);
  if (settings.backoff_min) encoded.add_backoff_min_ms(in_ms(*settings.backoff_min));
  if (settings.backoff_max) encoded.add_backoff_max_ms(in_ms(*settings.backoff_max));
  if (settings.ordered_by_key) encoded.add_ordered_by_key(*settings.ordered_by_key);
  if (settings.dead_letter) encoded.add_dead_letter(dead_letter);
  return encoded.Finish();
}

queue_info decode(const wire::QueueInfo& queue) {
  queue_info info;
  const wire::QueueSettings& is = *queue.settings();
  info.topic = protocol::text(queue.topic());
  info.queue = protocol::text(queue.queue());
  info.created = time_at(queue.created_ms());
  info.lease = milliseconds(is.lease_ms().value_or(0));
  info.max_attempts = is.max_attempts().value_or(0);
  info.backoff_min = milliseconds(is.backoff_min_ms().value_or(0));
  info.backoff_max = milliseconds(is.backoff_max_ms().value_or(0));
  info.ordered_by_key = is.ordered_by_key().value_or(false);
  info.dead_letter = protocol::text(is.dead_letter());
  if (info.dead_letter.empty()) info.dead_letter = info.topic + "." + info.queue + ".dead";
  info.consumers = queue.consumers();
  info.ready = queue.ready();
  info.leased = queue.leased();
  info.parked = queue.parked();
  info.dead = queue.dead();
  for (const auto* one : protocol::each(queue.partitions()))
    info.partitions.push_back(
        {partition_id(one->partition()), offset(one->floor()), offset(one->end()), one->settled_above()});
  return info;
}

result<peeked_records> peek_decoder::decode(std::string_view topic, partition_id partition,
                                            const incoming_frame& answer) {
  const auto* ok = answer.header->body_as_PeekQueueOk();
  if (ok == nullptr) return unexpected_answer("expected PeekQueueOk");
  peeked_records seen{{}, offset(ok->next()), ok->more()};
  const protocol::each list(ok->records());
  if (list.empty()) return seen;
  const auto decoder = std::make_shared<protocol::batch_decoder>();
  const auto batch = protocol::batch_view::parse(answer.payload);
  if (!batch) return batch.error();
  const auto records = decoder->check(*batch);
  if (!records) return records.error();
  if (records->size() != list.size()) return unexpected_answer("it shows records that it does not name");
  // A compressed batch is in the decoder, any other in the frame: whoever keeps a record keeps both.
  const auto bytes = std::make_shared<std::pair<std::shared_ptr<const void>, std::shared_ptr<const void>>>(
      answer.owner, decoder);
  const auto source =
      std::make_shared<const record_source>(std::make_shared<const std::string>(topic), partition, bytes);
  auto at = records->begin();
  for (const auto* one : list) {
    peeked_record& record = seen.records.emplace_back();
    record.record.view_ = *at;
    record.record.view_.offset = offset(one->offset());
    record.record.source_ = source;
    record.attempts = one->attempts();
    if (one->due_ms() != 0) record.due = time_at(one->due_ms());
    record.reason = protocol::text(one->reason());
    ++at;
  }
  return seen;
}

}  // namespace skald::detail
