// The fetches of one session that are under way: a fetch waits for its first bytes at the shard, up to a
// deadline, then for its turn to be read, while the output queue is short.
//
// Runs on the session's reactor.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string_view>

#include "broker/server/host.hpp"
#include "broker/server/record_selection.hpp"

namespace skald::server {

class session;
class pending_request;

class fetches {
 public:
  explicit fetches(session& of);
  ~fetches();
  fetches(const fetches&) = delete;
  fetches& operator=(const fetches&) = delete;

  void begin(const pending_request& request, const wire::Fetch& message);
  // Reads and answers what is due, while there is room for output.
  void pump();
  // Answers all with this failure.
  void cancel(errc code, std::string_view why);
  void clear();

 private:
  struct fetch;
  using shared = std::shared_ptr<fetch>;
  using clock = std::chrono::steady_clock;

  // The session's fetches, for completions that may outlive it.
  template <class Then>
  auto later(const shared& which, Then then);
  void located(const shared& which, const located_topics& topics);
  void plan(const shared& which);
  void planned(const shared& which, shared_plan plan);
  void wait_for_more(const shared& which, offset beyond);
  void answer_due(const shared& which);
  void read(const shared& which);
  void found(const shared& which, const batch_run& run, slice bytes);
  void answer(const shared& which, selected_records what);
  void fail(const shared& which, errc code, std::string_view why);
  void arm(clock::time_point deadline);
  void expire();

  session& session_;
  session_host& host_;
  std::map<std::uint64_t, shared> under_way_;  // by the order they came in
  std::deque<shared> due_;                     // with a plan, to be read in turn
  std::uint64_t last_ = 0;
  std::size_t bytes_being_read_ = 0;
  clock::time_point armed_for_ = clock::time_point::max();
};

}  // namespace skald::server
