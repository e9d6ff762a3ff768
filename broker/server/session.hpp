// One client's conversation with the broker, without its socket: frames in, bytes to send out.
//
// The connection feeds it frames and sends what it queues in output(); the shard does the work. It is a core
// without I/O, so that every answer to every bad input can be tested without a network. Everything runs on
// one reactor.
//
// Pushing back: wants_input() says when the client has enough outstanding. Frames already received are still
// taken; then the connection reads no further until the edge is told that input is wanted again.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "broker/server/deliveries.hpp"
#include "broker/server/fetches.hpp"
#include "broker/server/host.hpp"
#include "broker/server/out_queue.hpp"
#include "broker/server/queue_consumers.hpp"
#include "broker/server/service_peer.hpp"
#include "protocol/wire.hpp"
#include "skald/protocol/error.hpp"

namespace skald::server {

class session;

// The right and the duty to answer one request: exactly one of its functions is called, once. It may be
// copied into completions, and outlive the session, whereupon it does nothing.
class pending_request {
 public:
  pending_request() = default;
  pending_request(std::weak_ptr<session> asked, std::uint64_t id, std::size_t publish_bytes = 0)
      : asked_(std::move(asked)), id_(id), publish_bytes_(publish_bytes) {}

  // `build` makes the answer: flatbuffers::Offset<Message>(flatbuffers::FlatBufferBuilder&).
  template <class Build>
  void answer(Build build, slice payload = {}) const;
  void fail(errc code, std::string_view message) const;
  std::uint64_t id() const { return id_; }

 private:
  std::weak_ptr<session> asked_;
  std::uint64_t id_ = 0;
  std::size_t publish_bytes_ = 0;
};

class session : public std::enable_shared_from_this<session> {
 public:
  // Who moves the bytes. Both calls may come at any time, and neither may call back before it returns.
  class edge {
   public:
    virtual void output_ready() = 0;
    virtual void input_wanted() = 0;

   protected:
    ~edge() = default;
  };

  // Both outlive the session.
  session(session_host& host, edge& bytes);
  ~session();
  session(const session&) = delete;
  session& operator=(const session&) = delete;

  // Takes one whole frame, whose bytes live as long as `owner` and do not change.
  void receive(const protocol::frame_view& frame, const std::shared_ptr<const void>& owner);
  // Ends the conversation: says why and finishes. Answers not yet given are dropped.
  void hang_up(errc code, std::string_view why);
  // Ends it once everything accepted has been answered.
  void stop();

  bool wants_input() const;
  bool greeted() const { return greeted_; }
  // Nothing is to come any more: the connection closes once output() is empty.
  bool finished() const { return state_ == state::finished; }
  // Why the conversation was ended; empty until then.
  const std::string& farewell() const { return farewell_; }

  out_queue& output() { return output_; }
  const out_queue& output() const { return output_; }
  // Part of output() has been sent: there is room for more.
  void output_sent();
  // About once a second: lets go of what has been held for too long.
  void sweep();
  void topic_changed(const shard::topic_change& change) { deliveries_.topic_changed(change); }

  // ---- for the handlers ----
  session_host& host() { return host_; }
  deliveries& subscriptions() { return deliveries_; }
  fetches& long_polls() { return fetches_; }
  queue_consumers& queues() { return queues_; }
  // Starts work on a request; `publish_bytes` count against the publish window until it is answered.
  pending_request open(std::uint64_t id, std::size_t publish_bytes = 0);
  void close(std::size_t publish_bytes);
  // Queues a frame; id 0 for what the broker pushes.
  template <class Build>
  void send(std::uint64_t id, Build build, slice payload = {}) {
    if (state_ == state::finished) return;
    auto& builder = host_.writer.begin();
    const auto body = build(builder);
    output_.add_copy(host_.writer.finish(id, body, payload.size()));
    // Below this a copy costs less than a place of its own in the gathering write.
    constexpr std::size_t copied_bytes_max = 1024;
    if (payload.size() <= copied_bytes_max) {
      output_.add_copy(payload.bytes());
    } else {
      output_.add(std::move(payload));
    }
    edge_.output_ready();
  }
  void send_error(std::uint64_t id, errc code, std::string_view message);
  // The shard has taken too long to be asked again before the queue is shorter.
  bool has_output_room(std::size_t bytes_coming) const;

 private:
  enum class state { open, stopping, finished };

  bool greet(const wire::Frame& frame);
  void dispatch(const wire::Frame& frame, const protocol::frame_view& bytes,
                const std::shared_ptr<const void>& owner);
  void dispatch_service(const wire::Frame& frame, const protocol::frame_view& bytes,
                        const std::shared_ptr<const void>& owner);
  void finish_stop();

  session_host& host_;
  edge& edge_;
  state state_ = state::open;
  bool greeted_ = false;
  std::string farewell_;
  std::size_t requests_open_ = 0;
  std::size_t publish_bytes_open_ = 0;
  out_queue output_;
  deliveries deliveries_;
  fetches fetches_;
  service_peer services_;
  queue_consumers queues_;
};

template <class Build>
void pending_request::answer(Build build, slice payload) const {
  const auto asked = asked_.lock();
  if (!asked) return;
  asked->send(id_, std::move(build), std::move(payload));
  asked->close(publish_bytes_);
}

}  // namespace skald::server
