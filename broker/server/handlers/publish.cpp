#include <algorithm>
#include <utility>

#include "broker/server/handlers/appends.hpp"
#include "broker/server/handlers/handlers.hpp"
#include "broker/server/session.hpp"
#include "skald/protocol/topic_name.hpp"

namespace skald::server::handlers {

namespace {

// The appends of one Publish: each succeeds or fails by itself, and they are answered together.
struct publication {
  std::vector<shard::append_result> results;
  std::vector<std::size_t> sent;  // which of them the shard decides on, in its order
};

void answer(const pending_request& request, const std::vector<shard::append_result>& results,
            durability reached) {
  request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
    return wire::CreatePublishOk(builder, write_appended(builder, results),
                                 static_cast<wire::Durability>(reached));
  });
}

}  // namespace

void init_producer(session& of, std::uint64_t id, const wire::InitProducer& message) {
  const pending_request request = of.open(id);
  shard::producer_request what{.name = std::string(protocol::text(message.name()))};
  if (!what.name.empty())
    if (const result<> checked = protocol::check_producer_name(what.name); !checked)
      return request.fail(checked.error().code, checked.error().message);
  if (const auto holds = message.producer_id(); holds.has_value()) {
    if (what.name.empty())
      return request.fail(errc::invalid_request, "only a producer with a name can renew its identity");
    what.renews = {producer_id(*holds), producer_epoch(message.epoch())};
  }
  auto done = [request](const shard::failure& why, producer_id producer, producer_epoch epoch) {
    if (why) return request.fail(why.code, why.message);
    request.answer([&](flatbuffers::FlatBufferBuilder& builder) {
      return wire::CreateInitProducerOk(builder, producer.value(), epoch.value());
    });
  };
  of.host().shard.init_producer(std::move(what), std::move(done));
}

void publish(session& of, std::uint64_t id, const wire::Publish& message, const slice& payload) {
  const auto wanted = static_cast<durability>(message.durability());
  // The quorum of one replica is that replica's disk.
  const durability reached = std::min(wanted, durability::disk);
  const pending_request request = of.open(id, payload.size());
  auto state = std::make_shared<publication>();
  state->results.resize(message.appends()->size());
  std::vector<shard::append_request> appends;
  appends.reserve(state->results.size());

  std::size_t position = 0;
  std::size_t index = 0;
  for (const wire::Append* const append : *message.appends()) {
    auto checked = check_append(of.host(), *append, payload.sub(position, append->batch_bytes()));
    position += append->batch_bytes();
    if (checked) {
      state->sent.push_back(index);
      appends.push_back(std::move(*checked));
    } else {
      state->results[index].why = {checked.error().code, checked.error().message};
    }
    ++index;
  }
  if (appends.empty()) return answer(request, state->results, reached);

  of.host().shard.append(std::move(appends), wanted,
                         [request, state, reached](std::vector<shard::append_result> decided) {
                           for (std::size_t i = 0; i < decided.size(); ++i) {
                             state->results[state->sent[i]] = std::move(decided[i]);
                           }
                           answer(request, state->results, reached);
                         });
}

}  // namespace skald::server::handlers
