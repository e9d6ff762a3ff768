// The client's side of the protocol, without I/O: which requests are under way, what to write, what an answer
// belongs to, when to give up. connection.hpp drives it with a socket and a clock.
//
// A connection's life: opened() -> (HelloOk) -> ready -> lost(), any number of times, then close(). Requests
// may be submitted at any time; those that are allowed to wait are written when the session becomes ready.
//
// Handlers are called from within received(), opened(), lost(), tick() and close(); they may submit and
// cancel requests, but must not call those five. Not thread safe.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <skald/detail/completion.hpp>
#include <skald/protocol/result.hpp>
#include "client/src/receive_buffer.hpp"
#include "protocol/wire.hpp"

namespace skald::detail {

using steady_time = std::chrono::steady_clock::time_point;
using shared_bytes = std::shared_ptr<const std::vector<std::byte>>;

// A frame to write: its front, then its payload.
struct outgoing_frame {
  std::vector<std::byte> front;
  std::vector<shared_bytes> payload;
};
using shared_frame = std::shared_ptr<const outgoing_frame>;

// A frame that was received. The header is valid during the handler, the payload as long as `owner` is kept.
struct incoming_frame {
  const wire::Frame* header = nullptr;
  std::span<const std::byte> payload;
  std::shared_ptr<const void> owner;
};

// What to do with a request that was written when the connection went.
enum class on_loss {
  repeat,  // it changes nothing, or the same as before: write it again on the next connection
  fail,    // it may have happened or not: connection_lost
};

struct request {
  std::uint64_t id = 0;  // from next_id()
  shared_frame frame;
  std::string what;  // for messages: "describing topic \"orders\""
  on_loss lost = on_loss::fail;
  // false: fails at once with connection_lost when there is no connection.
  bool wait_for_connection = true;
  std::optional<steady_time> deadline;
};

class session {
 public:
  using answer_handler = unique_function<void(const result<incoming_frame>&)>;
  using failure_handler = unique_function<void(failure)>;
  struct events {
    unique_function<void()> ready;                           // requests can be written now
    unique_function<void()> lost;                            // no longer
    unique_function<void(const incoming_frame&)> delivered;  // what the broker pushes
  };

  session(std::string client_name, std::string where)
      : name_(std::move(client_name)), where_(std::move(where)) {}
  void set_events(events handlers) { events_ = std::move(handlers); }

  // ---- requests ----------------------------------------------------------------------------------------
  std::uint64_t next_id() { return ++last_id_; }
  // Encodes a message now, to be submitted later. `build` gets a FlatBufferBuilder and returns the Offset of
  // the body.
  template <class Build>
  shared_frame encode(std::uint64_t id, Build&& build, std::vector<shared_bytes> payload = {}) {
    std::size_t payload_bytes = 0;
    for (const auto& piece : payload) payload_bytes += piece->size();
    const auto front = writer_.finish(id, build(writer_.begin()), payload_bytes);
    return std::make_shared<const outgoing_frame>(
        outgoing_frame{{front.begin(), front.end()}, std::move(payload)});
  }
  // The same with the payload copied behind the header: for what is small, and written once.
  template <class Build>
  shared_frame encode_copy(std::uint64_t id, Build&& build, std::string_view payload) {
    const auto front = writer_.finish(id, build(writer_.begin()), payload.size());
    auto frame = std::make_shared<outgoing_frame>();
    frame->front.resize(front.size() + payload.size());
    std::ranges::copy(front, frame->front.begin());
    std::ranges::copy(std::as_bytes(std::span(payload)),
                      frame->front.begin() + static_cast<std::ptrdiff_t>(front.size()));
    return frame;
  }
  // The handler gets an answer that is not an Error, or the failure.
  // frame_too_large at once, or when there is a connection, for one that the broker would close that for.
  void submit(request what, answer_handler handler);
  // For messages that have no answer. Does nothing unless ready().
  void send(shared_frame frame);
  // Waits for a connection. `give_up_early`: fails when all addresses have refused.
  std::uint64_t wait_until_ready(steady_time deadline, bool give_up_early, answer_handler handler);
  // Calls back at `deadline`, with the failure of an operation `what` that has not been answered by then.
  std::uint64_t give_up_at(steady_time deadline, std::string what, on_loss kind, answer_handler handler);
  // Forgets the request; its handler is destroyed, not called. An answer to it will be ignored.
  void forget(std::uint64_t id);

  // ---- the connection ----------------------------------------------------------------------------------
  void opened(steady_time now);
  // A failure means that the connection is to be closed and lost() called with it.
  result<> received(const frame_stream::frame& frame, steady_time now);
  void lost(const failure& why);
  // Every address was tried in vain.
  void unreachable(const failure& why);
  // Fails everything for good.
  void close(const failure& why);

  bool ready() const { return phase_ == phase::ready; }
  bool closed() const { return phase_ == phase::closed; }
  // Why there is no connection: what ended the last one, or the last attempt. Empty while there is one, and
  // before it was ever wanted.
  const std::string& trouble() const { return last_trouble_.message; }
  std::uint32_t frame_bytes_max() const { return frame_bytes_max_; }
  const std::string& where() const { return where_; }

  // What to write now; empty if there is nothing.
  std::vector<shared_frame> take_output(steady_time now);
  bool has_output() const { return !output_.empty(); }
  std::size_t frames_to_write() const { return output_.size(); }
  steady_time last_written() const { return last_written_; }

  // Handles what is due. A failure means that the peer is silent: as in received().
  result<> tick(steady_time now);
  std::optional<steady_time> next_tick() const;

 private:
  enum class phase { down, greeting, ready, closed };
  struct pending {
    request what;
    answer_handler handler;
    bool written = false;
    bool give_up_early = false;  // of wait_until_ready
    bool waits_for_ready = false;
  };
  struct queued {
    std::uint64_t id;  // 0: nobody waits for an answer
    shared_frame frame;
  };

  void add(pending entry);
  void answer(std::uint64_t id, const result<incoming_frame>& outcome);
  result<> check_size(const request& what) const;
  result<> greeted(const incoming_frame& frame, steady_time now);
  void became_ready(steady_time now);
  failure overdue(const pending& entry) const;
  steady_time next_ping() const;
  template <class Select>
  void fail_all(const failure& why, Select&& select);

  std::string name_;
  std::string where_;
  events events_;
  phase phase_ = phase::down;
  failure last_trouble_;
  protocol::frame_writer writer_;
  protocol::header_reader reader_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, pending> pending_;
  std::set<std::pair<steady_time, std::uint64_t>> deadlines_;
  std::deque<queued> output_;
  std::uint32_t frame_bytes_max_ = 1u << 20;
  std::uint64_t hello_id_ = 0;
  std::chrono::milliseconds keep_alive_{0};  // 0: none
  steady_time last_written_{};
  steady_time last_received_{};
  steady_time last_ping_{};
};

std::string in_words(std::chrono::milliseconds duration);

}  // namespace skald::detail
