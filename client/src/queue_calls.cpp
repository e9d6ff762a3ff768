// The operations of client that are about queues, and the handle of an open one.
#include <utility>

#include <skald/client.hpp>
#include "client/src/queue_codec.hpp"
#include "client/src/queue_consumer.hpp"
#include "client/src/requests.hpp"

namespace skald {

using detail::expect_ok;
using detail::incoming_frame;
using detail::make_call;
using detail::make_paged_call;
using detail::on_loss;
using flatbuffers::FlatBufferBuilder;

namespace {

std::string about_queue(const char* doing, std::string_view topic, std::string_view queue) {
  return std::string(doing) + " queue \"" + std::string(queue) + "\" of topic \"" + std::string(topic) + "\"";
}

result<std::uint64_t> changed(const incoming_frame& answer) {
  const auto* ok = answer.header->body_as_QueueChanged();
  if (ok == nullptr) return detail::unexpected_answer("expected QueueChanged");
  return ok->records();
}

// Two names, created one after the other: the order in which arguments are evaluated is not defined.
struct names {
  names(FlatBufferBuilder& builder, std::string_view of_topic, std::string_view of_queue)
      : topic(builder.CreateString(of_topic)), queue(builder.CreateString(of_queue)) {}
  flatbuffers::Offset<flatbuffers::String> topic;
  flatbuffers::Offset<flatbuffers::String> queue;
};

}  // namespace

detail::operation<work_queue> client::prepare_open_queue(std::string_view topic, std::string_view queue,
                                                         open_queue_options options) {
  auto core = std::make_shared<detail::queue_consumer>(connection_, topic, queue, options);
  return {connection_->get_executor(),
          [core, through = connection_, limit = options.timeout](detail::completion<work_queue> done) {
            core->start(through->deadline(limit), std::move(done));
          }};
}

detail::operation<> client::prepare_create_queue(std::string_view topic, std::string_view queue,
                                                 queue_settings settings, create_queue_options options) {
  return make_call<>(
      connection_, about_queue("creating", topic, queue), options.if_absent ? on_loss::repeat : on_loss::fail,
      options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreateCreateQueue(builder, of.topic, of.queue, detail::encode(builder, settings),
                                       options.if_absent, options.only_new_records);
      },
      expect_ok());
}

detail::operation<> client::prepare_alter_queue(std::string_view topic, std::string_view queue,
                                                queue_settings settings, call_options options) {
  return make_call<>(
      connection_, about_queue("altering", topic, queue), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreateAlterQueue(builder, of.topic, of.queue, detail::encode(builder, settings));
      },
      expect_ok());
}

detail::operation<> client::prepare_delete_queue(std::string_view topic, std::string_view queue,
                                                 call_options options) {
  return make_call<>(
      connection_, about_queue("deleting", topic, queue), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreateDeleteQueue(builder, of.topic, of.queue);
      },
      expect_ok());
}

detail::operation<queue_info> client::prepare_describe_queue(std::string_view topic, std::string_view queue,
                                                             call_options options) {
  return make_call<queue_info>(
      connection_, about_queue("describing", topic, queue), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreateDescribeQueue(builder, of.topic, of.queue);
      },
      [](const incoming_frame& answer) -> result<queue_info> {
        const auto* ok = answer.header->body_as_DescribeQueueOk();
        if (ok == nullptr) return detail::unexpected_answer("expected DescribeQueueOk");
        return detail::decode(*ok->queue());
      });
}

detail::operation<peeked_records> client::prepare_peek_queue(std::string_view topic, std::string_view queue,
                                                             partition_id partition, peek_options options) {
  return make_call<peeked_records>(
      connection_, about_queue("looking into", topic, queue), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreatePeekQueue(builder, of.topic, of.queue, partition.value(), options.from.value(),
                                     options.limit);
      },
      [topic = std::string(topic), partition](const incoming_frame& answer) {
        return detail::peek_decoder::decode(topic, partition, answer);
      });
}

detail::operation<std::uint64_t> client::prepare_retry_queue(std::string_view topic, std::string_view queue,
                                                             call_options options) {
  return make_call<std::uint64_t>(
      connection_, about_queue("retrying", topic, queue), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreateRetryQueue(builder, of.topic, of.queue);
      },
      changed);
}

detail::operation<std::uint64_t> client::prepare_purge_queue(std::string_view topic, std::string_view queue,
                                                             purge_options options) {
  return make_call<std::uint64_t>(
      connection_, about_queue("purging", topic, queue), options.dry_run ? on_loss::repeat : on_loss::fail,
      options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        return wire::CreatePurgeQueue(builder, of.topic, of.queue, options.dry_run);
      },
      changed);
}

detail::operation<std::uint64_t> client::prepare_settle_dead(std::string_view topic, std::string_view queue,
                                                             partition_id partition,
                                                             std::span<const offset> records, bool drop,
                                                             call_options options) {
  if (records.empty() || records.size() > protocol::settled_max)
    throw error(errc::invalid_request, about_queue("settling dead letters of", topic, queue) +
                                           ": name 1 to " + std::to_string(protocol::settled_max) +
                                           " at a time, not " + std::to_string(records.size()));
  return make_call<std::uint64_t>(
      connection_, about_queue("settling dead letters of", topic, queue), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const names of(builder, topic, queue);
        std::vector<std::uint64_t> offsets;
        offsets.reserve(records.size());
        for (const offset at : records) offsets.push_back(at.value());
        return wire::CreateSettleDead(builder, of.topic, of.queue, partition.value(),
                                      builder.CreateVector(offsets), drop);
      },
      changed);
}

detail::operation<std::vector<queue_info>> client::prepare_list_queues(std::string_view topic,
                                                                       call_options options) {
  using queues = std::vector<queue_info>;
  constexpr std::uint32_t page_queues = 1'000;
  return make_paged_call<queues>(
      connection_, "listing queues", options.timeout,
      [topic = std::string(topic)](detail::session& session, std::uint64_t id, const queues& before) {
        return session.encode(id, [&](FlatBufferBuilder& builder) {
          const auto of = builder.CreateString(topic);
          const names after = before.empty() ? names(builder, "", "")
                                             : names(builder, before.back().topic, before.back().queue);
          return wire::CreateListQueues(builder, of, after.topic, after.queue, page_queues);
        });
      },
      [](const incoming_frame& answer, queues& into) -> result<bool> {
        const auto* ok = answer.header->body_as_ListQueuesOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListQueuesOk");
        for (const auto* one : protocol::each(ok->queues())) into.push_back(detail::decode(*one));
        return ok->more() && !protocol::each(ok->queues()).empty();
      });
}

// ---- an open queue ---------------------------------------------------------------------------------------

work_queue::work_queue() = default;
work_queue::work_queue(std::shared_ptr<detail::queue_consumer> core) : core_(std::move(core)) {}

work_queue::~work_queue() {
  if (core_) core_->close();
}

work_queue::work_queue(work_queue&&) noexcept = default;

work_queue& work_queue::operator=(work_queue&& other) noexcept {
  if (core_ && this != &other) core_->close();
  core_ = std::move(other.core_);
  return *this;
}

namespace {

std::optional<detail::steady_time> deadline_of(const call_options& options) {
  if (!options.timeout) return std::nullopt;
  return std::chrono::steady_clock::now() + *options.timeout;
}

}  // namespace

detail::operation<deliveries> work_queue::prepare_receive(call_options options) {
  return {core_->get_executor(), [core = core_, options](detail::completion<deliveries> done) {
            core->receive(deadline_of(options), std::move(done));
          }};
}

detail::operation<> work_queue::prepare_flush(call_options options) {
  return {core_->get_executor(), [core = core_, options](detail::completion<> done) {
            core->flush(deadline_of(options), std::move(done));
          }};
}

void work_queue::ack(const delivery& what) {
  core_->settle(what, wire::Settlement::ack, {}, {});
}
void work_queue::ack(const deliveries& what) {
  core_->acknowledge(what);
}
void work_queue::nack(const delivery& what, std::optional<milliseconds> delay, std::string_view reason) {
  core_->settle(what, wire::Settlement::nack, delay, reason);
}
void work_queue::reject(const delivery& what, std::string_view reason) {
  core_->settle(what, wire::Settlement::reject, {}, reason);
}
void work_queue::release(const delivery& what) {
  core_->settle(what, wire::Settlement::release, {}, {});
}
void work_queue::extend(const delivery& what, milliseconds time) {
  core_->settle(what, wire::Settlement::extend, time, {});
}

std::string_view work_queue::topic() const {
  return core_->topic();
}
std::string_view work_queue::queue() const {
  return core_->queue();
}
milliseconds work_queue::lease() const {
  return core_->lease();
}

void work_queue::close() {
  core_->close();
}

}  // namespace skald
