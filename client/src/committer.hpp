// Sends commits under one identity, so that the broker recognises one that is sent again.
//
// The identity is asked for once, before the first commit. Commits are numbered in the order they are sent
// and may overtake one another only in their answers. The broker remembers the last of them: none is sent
// that would have it forget one that is not answered yet, and may have to be sent again.
//
// After a lost connection they are sent again. One with positions of groups has to say as which members, who
// are others on each connection: it waits until its subscribers are back. If one of them does not come back,
// it is sent as it was, to learn whether it was made.
// Threading: on the connection's executor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>

#include <skald/commit.hpp>
#include <skald/detail/completion.hpp>
#include "client/src/commit_data.hpp"
#include "client/src/connection.hpp"

namespace skald::detail {

class subscriber;

class committer : public std::enable_shared_from_this<committer> {
 public:
  explicit committer(std::shared_ptr<connection> through) : connection_(std::move(through)) {}

  // Returns what cancels it, for those who complete something else with it; `done`'s own cancellation is
  // listened to.
  std::function<void()> submit(std::unique_ptr<commit_data> what, steady_time deadline,
                               completion<committed> done);

 private:
  struct pending {
    std::unique_ptr<commit_data> what;
    steady_time deadline;
    completion<committed> done;
    std::uint64_t sequence = 0;  // 0: it has not been sent yet
    shared_bytes payload{};
    std::uint64_t id = 0;       // of its request; 0: there is none
    std::uint64_t give_up = 0;  // its deadline while it waits for members to be back
  };
  using shared = std::shared_ptr<pending>;

  // From the oldest without an answer on.
  static constexpr std::uint64_t numbers_ahead_max = 1'000;

  bool may_send_next() const {
    return unanswered_.empty() || next_sequence_ - *unanswered_.begin() < numbers_ahead_max;
  }
  void ask_for_identity();
  void pump();
  void begin(const shared& one);
  void send(const shared& one);
  bool has_members(const shared& one, bool& for_good);
  void wait_for_members(const shared& one, subscriber& absent);
  void answered(const shared& one, const result<incoming_frame>& answer);
  void cancelled(const shared& one);

  std::shared_ptr<connection> connection_;
  std::optional<protocol::producer_stamp> identity_;
  bool asking_ = false;
  std::uint64_t next_sequence_ = 1;
  std::set<std::uint64_t> unanswered_;  // sequences
  std::deque<shared> waiting_;
};

}  // namespace skald::detail
