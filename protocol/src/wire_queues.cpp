#include "protocol/src/wire_queues.hpp"

#include "protocol/aligned_list.hpp"

namespace skald::protocol {

namespace {

// Of every request that names a queue.
const char* check_name(const auto& request) {
  return is_missing(request.topic()) || is_missing(request.queue())
             ? "it lacks the topic or the queue, or has one whose name is too long"
             : nullptr;
}

const char* check_info(const wire::QueueInfo* queue) {
  if (queue == nullptr || queue->settings() == nullptr) return "it lacks the queue or its settings";
  if (each(queue->partitions()).size() > partitions_max) return "it lists too many partitions";
  return check_name(*queue);
}

constexpr const char* no_consumer = "its consumer is 0";

}  // namespace

const char* check(const wire::CreateQueue& create) {
  return check_name(create);
}
const char* check(const wire::AlterQueue& alter) {
  return check_name(alter);
}
const char* check(const wire::DeleteQueue& remove) {
  return check_name(remove);
}
const char* check(const wire::DescribeQueue& describe) {
  return check_name(describe);
}
const char* check(const wire::DescribeQueueOk& ok) {
  return check_info(ok.queue());
}
const char* check(const wire::ListQueuesOk& ok) {
  if (each(ok.queues()).size() > topics_max) return "it lists too many queues";
  for (const wire::QueueInfo* queue : each(ok.queues()))
    if (const char* const wrong = check_info(queue)) return wrong;
  return nullptr;
}
const char* check(const wire::PeekQueue& peek) {
  return check_name(peek);
}
const char* check(const wire::PeekQueueOk& ok) {
  return each(ok.records()).size() > settled_max ? "it shows too many records" : nullptr;
}
const char* check(const wire::RetryQueue& retry) {
  return check_name(retry);
}
const char* check(const wire::PurgeQueue& purge) {
  return check_name(purge);
}
const char* check(const wire::SettleDead& settle) {
  const std::size_t offsets = each(settle.offsets()).size();
  if (offsets == 0 || offsets > settled_max) return "it names no offsets, or too many";
  return check_name(settle);
}
const char* check(const wire::OpenQueue& open) {
  return open.consumer() == 0 ? no_consumer : check_name(open);
}
const char* check(const wire::OpenQueueOk& ok) {
  return ok.settings() == nullptr ? "it lacks the settings" : nullptr;
}
const char* check(const wire::CloseQueue& close) {
  return close.consumer() == 0 ? no_consumer : nullptr;
}
const char* check(const wire::QueueDelivery& delivery) {
  if (delivery.consumer() == 0) return no_consumer;
  if (!is_aligned(delivery.runs())) return misaligned;
  const std::size_t runs = each(delivery.runs()).size();
  return runs == 0 || runs > settled_max ? "it has no runs, or too many" : nullptr;
}
const char* check(const wire::Settle& settle) {
  if (settle.consumer() == 0) return no_consumer;
  const std::size_t settled = each(settle.settled()).size();
  if (settled == 0 || settled > settled_max) return "it settles nothing, or too much";
  for (const wire::Settled* one : *settle.settled()) {
    if (one->settlement() > wire::Settlement::MAX) return "a settlement is unknown";
    if (one->count() == 0) return "it settles no record of a lease";
    if (one->reason() != nullptr && one->reason()->size() > reason_bytes_max) return "a reason is too long";
    if (one->settlement() == wire::Settlement::extend && !one->delay_ms().has_value())
      return "it extends a lease, and does not say for how long";
  }
  return nullptr;
}
const char* check(const wire::SettleOk& ok) {
  return each(ok.failures()).size() > settled_max ? "it has too many failures" : nullptr;
}
const char* check(const wire::QueueNotice& notice) {
  if (notice.consumer() == 0) return no_consumer;
  return notice.code() == 0 ? "its code is 0" : nullptr;
}

}  // namespace skald::protocol
