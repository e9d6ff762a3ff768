#include <skald/client.hpp>

#include <algorithm>
#include <utility>

#include "client/src/committer.hpp"
#include "client/src/connection.hpp"
#include "client/src/producer_engine.hpp"
#include "client/src/reading_codec.hpp"
#include "client/src/received.hpp"
#include "client/src/requests.hpp"
#include "client/src/subscriber.hpp"
#include "client/src/subscription_filter.hpp"
#include "client/src/topic_codec.hpp"

namespace skald {

using detail::expect_ok;
using detail::incoming_frame;
using detail::make_call;
using detail::on_loss;
using flatbuffers::FlatBufferBuilder;

namespace {

std::string about_topic(const char* doing, std::string_view topic) {
  return std::string(doing) + " topic \"" + std::string(topic) + "\"";
}

producer_options publisher_options(durability wanted, milliseconds timeout) {
  producer_options options;
  options.durability = wanted;
  options.delivery_timeout = timeout;
  return options;
}

}  // namespace

client::client(executor_type executor, client_options options)
    : connection_(std::make_shared<detail::connection>(std::move(executor), options)) {}

client::~client() {
  if (connection_) close();
}

client::client(client&&) noexcept = default;

client& client::operator=(client&& other) noexcept {
  if (connection_ && this != &other) close();
  connection_ = std::move(other.connection_);
  std::ranges::move(other.publishers_, publishers_);
  committer_ = std::move(other.committer_);
  return *this;
}

client::executor_type client::get_executor() const {
  return connection_->get_executor();
}

std::string client::trouble() const {
  return connection_->session().trouble();
}

void client::close() {
  connection_->close();
}

detail::operation<> client::prepare_connect(connect_options options) {
  return {connection_->get_executor(), [through = connection_, options](detail::completion<> done) {
            auto shared = std::make_shared<detail::completion<>>(std::move(done));
            const auto id =
                through->session().wait_until_ready(through->deadline(options.timeout), !options.keep_trying,
                                                    [shared](const result<incoming_frame>& answer) {
                                                      if (answer)
                                                        shared->succeed();
                                                      else
                                                        shared->fail(detail::exception_of(answer.error()));
                                                    });
            through->kick();
            if (!*shared) return;  // connected, or closed, already
            shared->on_cancel([weak = std::weak_ptr(through), shared, id] {
              if (const auto alive = weak.lock()) alive->session().forget(id);
              if (*shared) shared->fail(detail::exception_of({errc::cancelled, "connect() was cancelled"}));
            });
          }};
}

detail::operation<published> client::prepare_publish(std::string_view topic, const message& what,
                                                     publish_options options) {
  if (options.deliver_at || options.delay || options.ttl || !options.timer.empty())
    return prepare_timed_publish(topic, what, options);
  auto& engine = publishers_[static_cast<std::size_t>(options.durability)];
  if (!engine)
    engine = detail::producer_engine::create(
        connection_, publisher_options(options.durability, connection_->default_timeout()));
  return detail::make_publish(engine, topic, what, options.timeout.value_or(connection_->default_timeout()));
}

const std::shared_ptr<detail::committer>& client::shared_committer() {
  if (!committer_) committer_ = std::make_shared<detail::committer>(connection_);
  return committer_;
}

detail::operation<committed> client::prepare_commit(skald::commit&& what, call_options options) {
  auto data = std::make_shared<std::unique_ptr<detail::commit_data>>(std::move(what.data_));
  what.data_ = std::make_unique<detail::commit_data>();
  return {connection_->get_executor(),
          [through = shared_committer(), deadline = connection_->deadline(options.timeout),
           data](detail::completion<committed> done) {
            through->submit(std::move(*data), deadline, std::move(done));
          }};
}

detail::operation<subscription> client::prepare_subscribe(std::string_view topic, subscribe_options options) {
  auto core = std::make_shared<detail::subscriber>(connection_, topic, options);
  return {connection_->get_executor(),
          [core, limit = options.timeout](detail::completion<subscription> done) {
            core->start(core->connection().deadline(limit), std::move(done));
          }};
}

detail::operation<records> client::prepare_fetch(std::string_view topic, partition_id partition, offset from,
                                                 fetch_options options) {
  const auto limit = options.wait + options.timeout.value_or(connection_->default_timeout());
  return make_call<records>(
      connection_, about_topic("fetching from", topic), on_loss::repeat, limit,
      [&](FlatBufferBuilder& builder) {
        const auto name = builder.CreateString(topic);
        const auto filter = detail::subscription_filter(options.filter).encode(builder);
        return wire::CreateFetch(builder, name, partition.value(), from.value(), options.bytes_max,
                                 options.bytes_min, static_cast<std::uint32_t>(options.wait.count()), filter);
      },
      [name = std::make_shared<const std::string>(topic),
       partition](const incoming_frame& answer) -> result<records> {
        const auto* ok = answer.header->body_as_FetchOk();
        if (ok == nullptr) return detail::unexpected_answer("expected FetchOk");
        auto batches =
            detail::received_batches::create(detail::decode_facts(name, partition, *ok), answer.payload,
                                             answer.owner, std::make_shared<detail::decoder_pool>());
        if (!batches) return batches.error();
        if (const auto verified = (*batches)->verify(); !verified) return verified.error();
        return records(*std::move(batches));
      });
}

detail::operation<std::vector<partition_offset>> client::prepare_list_offsets(std::string_view topic,
                                                                              list_offsets_options options) {
  return make_call<std::vector<partition_offset>>(
      connection_, about_topic("listing offsets of", topic), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        std::vector<std::uint32_t> partitions;
        for (const auto partition : options.partitions) partitions.push_back(partition.value());
        return wire::CreateListOffsets(builder, builder.CreateString(topic), builder.CreateVector(partitions),
                                       static_cast<wire::Start>(options.at.what()), options.at.value());
      },
      [](const incoming_frame& answer) -> result<std::vector<partition_offset>> {
        const auto* ok = answer.header->body_as_ListOffsetsOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListOffsetsOk");
        std::vector<partition_offset> offsets;
        for (const auto* one : protocol::each(ok->offsets()))
          offsets.push_back({partition_id(one->partition()), offset(one->offset())});
        return offsets;
      });
}

detail::operation<> client::prepare_create_topic(std::string_view name, topic_settings settings,
                                                 create_topic_options options) {
  return make_call<>(
      connection_, about_topic("creating", name), options.if_absent ? on_loss::repeat : on_loss::fail,
      options.timeout,
      [&](FlatBufferBuilder& builder) {
        const auto text = builder.CreateString(name);
        return wire::CreateCreateTopic(builder, text, detail::encode(builder, settings), options.if_absent);
      },
      expect_ok());
}

detail::operation<> client::prepare_alter_topic(std::string_view name, topic_settings settings,
                                                call_options options) {
  return make_call<>(
      connection_, about_topic("altering", name), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        const auto text = builder.CreateString(name);
        return wire::CreateAlterTopic(builder, text, detail::encode(builder, settings));
      },
      expect_ok());
}

detail::operation<> client::prepare_delete_topic(std::string_view name, call_options options) {
  return make_call<>(
      connection_, about_topic("deleting", name), on_loss::fail, options.timeout,
      [&](FlatBufferBuilder& builder) {
        return wire::CreateDeleteTopic(builder, builder.CreateString(name));
      },
      expect_ok());
}

detail::operation<topic_info> client::prepare_describe_topic(std::string_view name, call_options options) {
  return make_call<topic_info>(
      connection_, about_topic("describing", name), on_loss::repeat, options.timeout,
      [&](FlatBufferBuilder& builder) {
        return wire::CreateDescribeTopic(builder, builder.CreateString(name));
      },
      [](const incoming_frame& answer) -> result<topic_info> {
        const auto* ok = answer.header->body_as_DescribeTopicOk();
        if (ok == nullptr) return detail::unexpected_answer("expected DescribeTopicOk");
        return detail::decode(*ok->topic());
      });
}

detail::operation<std::vector<topic_info>> client::prepare_list_topics(call_options options) {
  using topics = std::vector<topic_info>;
  constexpr std::uint32_t page_topics = 1'000;
  return detail::make_paged_call<topics>(
      connection_, "listing topics", options.timeout,
      [](detail::session& session, std::uint64_t id, const topics& before) {
        return session.encode(id, [&](FlatBufferBuilder& builder) {
          const std::string_view after = before.empty() ? std::string_view() : before.back().name;
          return wire::CreateListTopics(builder, builder.CreateString(after), page_topics);
        });
      },
      [](const incoming_frame& answer, topics& into) -> result<bool> {
        const auto* ok = answer.header->body_as_ListTopicsOk();
        if (ok == nullptr) return detail::unexpected_answer("expected ListTopicsOk");
        for (const auto* one : protocol::each(ok->topics())) into.push_back(detail::decode(*one));
        return ok->more() && !protocol::each(ok->topics()).empty();
      });
}

detail::operation<broker_status> client::prepare_status(call_options options) {
  return make_call<broker_status>(
      connection_, "asking for the broker's status", on_loss::repeat, options.timeout,
      [](FlatBufferBuilder& builder) { return wire::CreateStatus(builder); },
      [](const incoming_frame& answer) -> result<broker_status> {
        const auto* ok = answer.header->body_as_StatusOk();
        if (ok == nullptr) return detail::unexpected_answer("expected StatusOk");
        return detail::decode(*ok);
      });
}

}  // namespace skald
