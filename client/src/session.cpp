#include "client/src/session.hpp"

#include <algorithm>

namespace skald::detail {

namespace {
// A connection silent for this many keep-alive intervals, each of which has brought a Pong when the broker
// lives, is dead.
constexpr int silent_intervals_max = 3;

std::string quoted_cause(const failure& trouble) {
  return trouble.message.empty() ? std::string() : " (" + trouble.message + ")";
}
}  // namespace

std::string in_words(std::chrono::milliseconds duration) {
  const auto count = duration.count();
  return count % 1000 == 0 && count != 0 ? std::to_string(count / 1000) + " s"
                                         : std::to_string(count) + " ms";
}

void session::submit(request what, answer_handler handler) {
  if (phase_ == phase::closed) return handler(failure{errc::closed, "the client is closed: " + what.what});
  if (!ready() && !what.wait_for_connection)
    return handler(failure{errc::connection_lost, "no connection to " + where_ + ": " + what.what});
  if (ready()) {
    if (const auto fits = check_size(what); !fits) return handler(fits.error());
    output_.push_back({what.id, what.frame});
  }
  add({std::move(what), std::move(handler)});
}

result<> session::check_size(const request& what) const {
  const auto parsed = protocol::parse_frame(what.frame->front, {.frame_bytes_max = frame_bytes_max_});
  if (parsed) return {};
  return failure{parsed.error().code, what.what + ": " + parsed.error().message + "; send less at once"};
}

void session::send(shared_frame frame) {
  if (ready()) output_.push_back({0, std::move(frame)});
}

std::uint64_t session::wait_until_ready(steady_time deadline, bool give_up_early, answer_handler handler) {
  const auto id = next_id();
  if (phase_ == phase::closed) return handler(failure{errc::closed, "the client is closed"}), id;
  if (ready()) return handler(incoming_frame{}), id;
  add({{.id = id, .frame = {}, .what = {}, .deadline = deadline},
       std::move(handler),
       false,
       give_up_early,
       true});
  return id;
}

std::uint64_t session::give_up_at(steady_time deadline, std::string what, on_loss kind,
                                  answer_handler handler) {
  const auto id = next_id();
  add({{.id = id, .frame = {}, .what = std::move(what), .lost = kind, .deadline = deadline},
       std::move(handler)});
  return id;
}

void session::add(pending entry) {
  if (entry.what.deadline) deadlines_.emplace(*entry.what.deadline, entry.what.id);
  const auto id = entry.what.id;
  pending_.emplace(id, std::move(entry));
}

void session::forget(std::uint64_t id) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;
  if (found->second.what.deadline) deadlines_.erase({*found->second.what.deadline, id});
  // Unwritten frames of others must stay in order, so this one is only skipped.
  if (!found->second.written && found->second.what.frame)
    std::erase_if(output_, [&](const queued& entry) { return entry.id == id; });
  pending_.erase(found);
}

void session::answer(std::uint64_t id, const result<incoming_frame>& outcome) {
  const auto found = pending_.find(id);
  if (found == pending_.end()) return;  // forgotten, or past its deadline
  auto handler = std::move(found->second.handler);
  forget(id);
  handler(outcome);
}

void session::opened(steady_time now) {
  phase_ = phase::greeting;
  last_received_ = last_written_ = last_ping_ = now;
  keep_alive_ = std::chrono::milliseconds(0);
  hello_id_ = next_id();
  output_.push_back({0, encode(hello_id_, [&](flatbuffers::FlatBufferBuilder& builder) {
                       return wire::CreateHello(builder, protocol::protocol_version_min,
                                                protocol::protocol_version_max, builder.CreateString(name_));
                     })});
}

result<> session::received(const frame_stream::frame& raw, steady_time now) {
  last_received_ = now;
  const auto header = reader_.read(raw.view);
  if (!header)
    return failure{errc::protocol_error,
                   "unintelligible message from " + where_ + ": " + header.error().message};
  const incoming_frame frame{*header, raw.view.payload, raw.owner};
  if (phase_ == phase::greeting) return greeted(frame, now);
  switch ((*header)->body_type()) {
    case wire::Body::Closing: {
      const auto* closing = (*header)->body_as_Closing();
      return failure{errc::connection_lost,
                     where_ + " closed the connection: " + std::string(protocol::text(closing->message()))};
    }
    case wire::Body::Error: {
      const auto* told = (*header)->body_as_Error();
      answer((*header)->id(),
             failure{static_cast<errc>(told->code()), std::string(protocol::text(told->message()))});
      return {};
    }
    case wire::Body::Pong:
      return {};
    default:
      if (protocol::is_pushed((*header)->body_type())) {
        events_.delivered(frame);
      } else {
        answer((*header)->id(), frame);
      }
      return {};
  }
}

result<> session::greeted(const incoming_frame& frame, steady_time now) {
  if (const auto* told = frame.header->body_as_Error())
    return failure{static_cast<errc>(told->code()), std::string(protocol::text(told->message()))};
  if (const auto* closing = frame.header->body_as_Closing())
    return failure{static_cast<errc>(closing->code()), std::string(protocol::text(closing->message()))};
  const auto* hello = frame.header->body_as_HelloOk();
  if (hello == nullptr || frame.header->id() != hello_id_)
    return failure{errc::protocol_error, where_ + " did not answer the greeting as a skald broker does"};
  if (hello->version() < protocol::protocol_version_min || hello->version() > protocol::protocol_version_max)
    return failure{errc::unsupported_version, where_ + " chose protocol version " +
                                                  std::to_string(hello->version()) +
                                                  ", which this client does not speak"};
  frame_bytes_max_ = hello->frame_bytes_max();
  keep_alive_ = std::chrono::milliseconds(hello->idle_timeout_ms() / 3);
  became_ready(now);
  return {};
}

void session::became_ready(steady_time) {
  phase_ = phase::ready;
  last_trouble_ = {};
  std::vector<std::uint64_t> waiting_for_ready;
  std::vector<std::pair<std::uint64_t, failure>> too_large;
  for (auto& [id, entry] : pending_) {  // in order of id: the order in which they were submitted
    if (entry.waits_for_ready) waiting_for_ready.push_back(id);
    if (!entry.what.frame || entry.written) continue;
    if (const auto fits = check_size(entry.what); fits) {
      output_.push_back({id, entry.what.frame});
    } else {
      too_large.emplace_back(id, fits.error());
    }
  }
  for (const auto& [id, why] : too_large) answer(id, why);
  for (const auto id : waiting_for_ready) answer(id, incoming_frame{});
  events_.ready();
}

template <class Select>
void session::fail_all(const failure& why, Select&& select) {
  std::vector<std::uint64_t> chosen;
  for (const auto& [id, entry] : pending_)
    if (select(entry)) chosen.push_back(id);
  for (const auto id : chosen) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) continue;
    failure told = why;
    if (!found->second.what.what.empty()) told.message += "; while " + found->second.what.what;
    answer(id, std::move(told));
  }
}

void session::lost(const failure& why) {
  if (phase_ == phase::closed) return;
  const bool was_ready = ready();
  last_trouble_ = why;
  // Before the greeting is over, bytes that make no sense mean that something else listens there.
  if (phase_ == phase::greeting && (why.code == errc::frame_too_large || why.code == errc::protocol_error))
    last_trouble_.message = "what answers there is not a skald broker: " + why.message;
  phase_ = phase::down;
  output_.clear();
  for (auto& [id, entry] : pending_)
    if (entry.what.lost == on_loss::repeat && entry.what.wait_for_connection) entry.written = false;
  fail_all({errc::connection_lost, "the connection to " + where_ + " was lost" + quoted_cause(why)},
           [](const pending& entry) {
             return entry.what.frame && (entry.written || !entry.what.wait_for_connection);
           });
  if (was_ready) events_.lost();
}

void session::unreachable(const failure& why) {
  if (phase_ == phase::closed) return;
  last_trouble_ = why;
  fail_all(why, [](const pending& entry) { return entry.give_up_early; });
}

void session::close(const failure& why) {
  if (phase_ == phase::closed) return;
  phase_ = phase::closed;
  output_.clear();
  fail_all(why, [](const pending&) { return true; });
}

std::vector<shared_frame> session::take_output(steady_time now) {
  std::vector<shared_frame> frames;
  frames.reserve(output_.size());
  for (auto& entry : output_) {
    if (const auto found = pending_.find(entry.id); found != pending_.end()) found->second.written = true;
    frames.push_back(std::move(entry.frame));
  }
  output_.clear();
  if (!frames.empty()) last_written_ = now;
  return frames;
}

failure session::overdue(const pending& entry) const {
  if (!ready())
    return {errc::cannot_connect, "no connection to " + where_ + " in time" + quoted_cause(last_trouble_) +
                                      "; check the address and that skaldd runs there" +
                                      (entry.what.what.empty() ? "" : "; while " + entry.what.what)};
  const bool may_have_happened = entry.what.lost == on_loss::fail;
  return {errc::deadline_exceeded, "no answer from " + where_ + " in time while " + entry.what.what +
                                       (may_have_happened ? "; it may have happened or still happen" : "") +
                                       "; a longer timeout may help if the broker is busy"};
}

result<> session::tick(steady_time now) {
  while (!deadlines_.empty() && deadlines_.begin()->first <= now) {
    const auto id = deadlines_.begin()->second;
    answer(id, overdue(pending_.at(id)));
  }
  if (!ready() || keep_alive_.count() == 0) return {};
  if (now - last_received_ >= silent_intervals_max * keep_alive_)
    return failure{errc::connection_lost,
                   where_ + " has been silent for " + in_words(silent_intervals_max * keep_alive_)};
  // Also while writing without an answer: a broker that waits for its disk still answers a Ping.
  const bool quiet = now >= next_ping();
  const bool unanswered = now - last_received_ >= keep_alive_ && now - last_ping_ >= keep_alive_;
  if (!quiet && !unanswered) return {};
  last_ping_ = now;
  send(encode(next_id(), [](flatbuffers::FlatBufferBuilder& builder) { return wire::CreatePing(builder); }));
  return {};
}

// Counted from the last Ping, too: it may be waiting behind a write that does not get ahead.
steady_time session::next_ping() const {
  return std::max(last_written_, last_ping_) + keep_alive_;
}

std::optional<steady_time> session::next_tick() const {
  std::optional<steady_time> next;
  if (!deadlines_.empty()) next = deadlines_.begin()->first;
  if (ready() && keep_alive_.count() > 0) next = std::min(next.value_or(next_ping()), next_ping());
  return next;
}

}  // namespace skald::detail
