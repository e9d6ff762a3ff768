// What `skald doctor` makes of what it has seen.
#include <algorithm>
#include <map>
#include <skald/saga/engine.hpp>
#include <skald/saga/messages.hpp>
#include <string_view>
#include <utility>

#include "tools/cli/doctor.hpp"
#include "tools/cli/quantity.hpp"
#include "tools/cli/text_encoding.hpp"

namespace skald::cli {

namespace {

// As many findings of one kind and owner are told one by one; the others are counted.
constexpr std::size_t told_one_by_one = 10;
// A report this many times overdue is one of an instance that is gone, or hangs.
constexpr int reports_missed_max = 3;

class diagnosis {
 public:
  diagnosis(const observations& of, const doctor_limits& limits) : seen_(of), limits_(limits) {}

  std::vector<finding> make() {
    look_at_disk();
    look_at_sagas();
    for (const seen_queue& one : seen_.queues) look_at(one);
    for (const seen_group& one : seen_.groups) look_at(one);
    look_at_services();
    look_at_timers();
    for (const seen_instance& one : seen_.instances) look_at(one);
    return std::move(found_);
  }

 private:
  void add(finding what) { found_.push_back(std::move(what)); }
  bool is_old(const std::optional<timestamp>& at) const { return at && seen_.now - *at >= limits_.patience; }

  void look_at_disk();
  void look_at_sagas();
  void tell_sagas(const std::string& orchestrator, bool parked, std::vector<const found_saga*> which);
  void look_at(const seen_queue& queue);
  void look_at_dead(const seen_queue& queue);
  void look_at(const seen_group& group);
  void look_at_services();
  void look_at(const service_info& service);
  void look_at_timers();
  void look_at(const seen_instance& instance);
  void look_at(const std::string& of, const health::outbox_report& box);
  void look_at(const std::string& of, const health::breaker_report& breaker);

  const observations& seen_;
  const doctor_limits& limits_;
  std::vector<finding> found_;
};

std::string plural(std::uint64_t count, const std::string& one, const std::string& many) {
  return format_count(count) + " " + (count == 1 ? one : many);
}

// ---- disk ------------------------------------------------------------------------------------------------

void diagnosis::look_at_disk() {
  const broker_status& is = seen_.broker;
  if (!is.storage_full && is.disk_free_bytes >= limits_.disk_free_bytes_min) return;
  add({.kind = is.storage_full ? "disk-full" : "disk-nearly-full",
       .subject = "disk",
       .what = is.storage_full ? "the broker's disk is full: publishes are refused"
                               : "the broker's disk is nearly full",
       .why = format_size(is.disk_free_bytes) + " are free, the journal has " +
              format_size(is.journal_bytes) + " of which " + format_size(is.journal_live_bytes) + " are live",
       .help = {"skald topic list", "skald topic alter TOPIC --retention 7d"}});
}

// ---- sagas -----------------------------------------------------------------------------------------------

void diagnosis::look_at_sagas() {
  std::map<std::pair<std::string, bool>, std::vector<const found_saga*>> by;
  for (const found_saga& one : seen_.sagas) {
    const bool parked = one.state.phase == sagas::phase::parked;
    if (parked || is_old(one.state.started)) by[{one.orchestrator, parked}].push_back(&one);
  }
  for (auto& [whose, which] : by) tell_sagas(whose.first, whose.second, std::move(which));
}

// What it is at: the step that neither is done nor has been undone, and why it waits.
std::string place_of(const sagas::instance& of) {
  using sagas::progress;
  std::string text;
  for (const sagas::step_state& at : of.steps) {
    const bool waits = at.progress == progress::acting || at.progress == progress::pausing ||
                       at.progress == progress::undoing || at.progress == progress::undo_pausing;
    if (!waits) continue;
    text += (text.empty() ? "'" : "; '") + at.name + "' is " + std::string(to_string(at.progress)) +
            ", attempt " + std::to_string(at.attempts);
    if (!at.cause.empty()) text += ": " + printable(at.cause, 200);
  }
  return text.empty() ? "nothing of it is on its way" : text;
}

std::vector<std::string> help_for(const found_saga& of) {
  const std::string which = " " + printable(of.state.id, 100) + " --orchestrator " + of.orchestrator;
  std::vector<std::string> help{"skald saga show" + which};
  using order = sagas::ordered::order;
  for (const order one : {order::retry, order::skip, order::compensate, order::abort})
    if (sagas::why_not(of.state, one).empty())
      help.push_back("skald saga " + std::string(to_string(one)) + which);
  return help;
}

void diagnosis::tell_sagas(const std::string& orchestrator, bool parked,
                           std::vector<const found_saga*> which) {
  const auto since = [&](const found_saga* of) { return parked ? of->state.changed : of->state.started; };
  std::ranges::sort(
      which, {}, [&](const found_saga* of) { return std::pair(since(of), std::string_view(of->state.id)); });
  const std::size_t told = which.size() > told_one_by_one + 1 ? told_one_by_one : which.size();
  const std::string kind = parked ? "saga-parked" : "saga-unfinished";
  for (const found_saga* one : std::span(which).first(told)) {
    const sagas::instance& is = one->state;
    const std::string name = "saga '" + printable(is.id, 100) + "' (" + is.definition + " v" +
                             std::to_string(is.version.number) + " of " + orchestrator + ")";
    add({.kind = kind,
         .subject = printable(is.id, 100),
         .what = name + (parked ? " is parked: it needs somebody"
                                : " does not come to an end: it is " + std::string(to_string(is.phase))),
         .since = since(one),
         .why = parked ? printable(is.why, 500) : place_of(is),
         .help = help_for(*one)});
  }
  if (told == which.size()) return;
  add({.kind = kind,
       .subject = orchestrator,
       .what = plural(which.size() - told, "more saga", "more sagas") + " of " + orchestrator +
               (parked ? " are parked" : " do not come to an end"),
       .since = since(which[told]),
       .help = {"skald saga list --orchestrator " + orchestrator + " --state " +
                (parked ? "parked" : "unfinished")}});
}

// ---- queues ----------------------------------------------------------------------------------------------

// Who should consume it, in words.
std::string consumer_of(const queue_info& of) {
  constexpr std::string_view inputs = ".sagas.inputs";
  constexpr std::string_view commands = ".commands";
  constexpr std::string_view requests = ".requests";
  const auto without = [&](std::string_view suffix) {
    return "'" + of.topic.substr(0, of.topic.size() - suffix.size()) + "'";
  };
  if (of.queue == sagas::orchestrator_queue && of.topic.ends_with(inputs))
    return "the orchestrator " + without(inputs);
  if (of.queue == sagas::participant_queue && of.topic.ends_with(commands))
    return "the participant " + without(commands);
  if (of.queue == "responders" && of.topic.ends_with(requests))
    return "a responder of the durable service " + without(requests);
  return "a consumer";
}

void diagnosis::look_at(const seen_queue& queue) {
  const queue_info& is = queue.is;
  const std::string which = is.topic + " " + is.queue;
  const std::string name = "queue '" + is.queue + "' of topic '" + is.topic + "'";
  const std::uint64_t waiting = is.ready + is.leased + is.parked;
  const std::string reason =
      queue.reason.empty() ? "" : "; the oldest has failed: " + printable(queue.reason, 200);
  if (waiting > 0 && is.consumers == 0) {
    add({.kind = "queue-unattended",
         .subject = which,
         .what = "nobody consumes " + name + ", and " + plural(waiting, "record waits", "records wait"),
         .since = queue.oldest_waiting,
         .why = consumer_of(is) + " is not connected: it does not run, or cannot reach the broker" + reason,
         .help = {"skald queue describe " + which, "skald queue peek " + which}});
  } else if (waiting > 0 && is_old(queue.oldest_waiting)) {
    add({.kind = "queue-backlog",
         .subject = which,
         .what = name + " falls behind: " + plural(waiting, "record waits", "records wait"),
         .since = queue.oldest_waiting,
         .why = plural(is.consumers, "consumer has", "consumers have") + " " + format_count(is.leased) +
                " of them, " + format_count(is.parked) + " wait for another attempt" + reason,
         .help = {"skald queue peek " + which, "skald queue retry " + which}});
  }
  look_at_dead(queue);
}

void diagnosis::look_at_dead(const seen_queue& queue) {
  if (queue.is.dead == 0) return;
  const std::string which = queue.is.topic + " " + queue.is.queue;
  add({.kind = "dead-letters",
       .subject = which,
       .what = plural(queue.is.dead, "record", "records") + " of queue '" + queue.is.queue + "' of topic '" +
               queue.is.topic + "' could not be dealt with: dead letters",
       .since = queue.oldest_dead,
       .why = queue.dead_reason.empty() ? "" : "the first: " + printable(queue.dead_reason, 200),
       .help = {"skald dead list " + which, "skald dead retry " + which + " --all",
                "skald dead drop " + which + " --all"}});
}

// ---- groups, services, timers ----------------------------------------------------------------------------

void diagnosis::look_at(const seen_group& group) {
  const group_summary& is = group.is;
  if (is.lag == 0) return;
  const std::string behind = plural(is.lag, "record", "records") + " behind";
  if (is.members == 0) {
    add({.kind = "group-unattended",
         .subject = is.name,
         .what = "consumer group '" + is.name + "' has no members, and is " + behind,
         .since = group.oldest_behind,
         .why = "none of its consumers is connected",
         .help = {"skald group describe " + is.name}});
  } else if (is_old(group.oldest_behind)) {
    add({.kind = "group-lag",
         .subject = is.name,
         .what = "consumer group '" + is.name + "' falls " + behind,
         .since = group.oldest_behind,
         .why = plural(is.members, "member does", "members do") + " not keep up, or one of them hangs",
         .help = {"skald group describe " + is.name}});
  }
}

void diagnosis::look_at_services() {
  for (const std::string& wanted : limits_.expected_services)
    if (std::ranges::find(seen_.services, wanted, &service_info::subject) == seen_.services.end())
      add({.kind = "service-absent",
           .subject = wanted,
           .what = "service '" + wanted + "' has no instances",
           .why = "requests to it fail at once: no_responders",
           .help = {"skald service list"}});
  for (const service_info& one : seen_.services) look_at(one);
}

void diagnosis::look_at(const service_info& service) {
  const std::string info = "skald service info " + service.subject;
  for (const instance_info& one : service.instances) {
    if (one.state == instance_state::healthy) continue;
    const bool draining = one.state == instance_state::draining;
    add({.kind = draining ? "instance-draining" : "instance-unhealthy",
         .subject = service.subject + "/" + one.id,
         .what = "instance '" + one.id + "' of service '" + service.subject + "' " +
                 (draining ? "drains: it takes no requests any more" : "has missed its heartbeats"),
         .why = plural(one.statistics.in_flight, "request is", "requests are") + " not answered yet",
         .help = {info}});
  }
  const service_statistics& is = service.statistics;
  if (is.late > 0 && is.late * 20 >= is.replies + is.late)
    add({.kind = "replies-late",
         .subject = service.subject,
         .what = plural(is.late, "reply", "replies") + " of service '" + service.subject +
                 "' came when nobody waited any more, beside " + format_count(is.replies) + " in time",
         .why = "its callers give up before it answers; of the replies in time, 1 in 100 took longer than " +
                format_duration(std::chrono::ceil<std::chrono::milliseconds>(is.latency_p99)),
         .help = {"skald service stats " + service.subject}});
  if (is.waiting > 0)
    add({.kind = "requests-waiting",
         .subject = service.subject,
         .what = plural(is.waiting, "request waits", "requests wait") + " for an instance of service '" +
                 service.subject + "' to be free",
         .why = "all " + plural(service.instances.size(), "instance", "instances") +
                " have as much to do as they take",
         .help = {"skald service stats " + service.subject}});
}

void diagnosis::look_at_timers() {
  std::uint64_t count = 0;
  const timer_info* oldest = nullptr;
  for (const timer_info& one : seen_.timers) {
    if (seen_.now - one.due < limits_.overdue) continue;
    ++count;
    if (oldest == nullptr || one.due < oldest->due) oldest = &one;
  }
  if (oldest == nullptr) return;
  add({.kind = "timers-overdue",
       .subject = printable(oldest->name, 200),
       .what = plural(count, "timer is", "timers are") + " overdue, the first '" +
               printable(oldest->name, 200) + "'",
       .since = oldest->due,
       .why = seen_.broker.storage_full ? "the broker's disk is full" : "the broker does not keep up",
       .help = {"skald status", "skald timer list"}});
}

// ---- what instances say ----------------------------------------------------------------------------------

void diagnosis::look_at(const seen_instance& instance) {
  const std::string of = health::key_of(instance.said.service, instance.said.instance);
  const std::string shown = printable(of, 200);
  const std::chrono::milliseconds silence = seen_.now - instance.at;
  if (silence > reports_missed_max * instance.said.every)
    add({.kind = "instance-silent",
         .subject = shown,
         .what =
             "instance '" + shown + "' is silent; it reported every " + format_duration(instance.said.every),
         .since = instance.at,
         .why = "it died, hangs, or cannot reach the broker; what follows of it is what it said last",
         .help = {"skald doctor --forget " + shown}});
  for (const health::outbox_report& one : instance.said.outboxes) look_at(shown, one);
  for (const health::breaker_report& one : instance.said.breakers) look_at(shown, one);
}

void diagnosis::look_at(const std::string& of, const health::outbox_report& box) {
  const std::string name = "outbox '" + box.name + "' of '" + of + "'";
  const std::string subject = of + " " + box.name;
  if (box.parked > 0) {
    add({.kind = "outbox-parked",
         .subject = subject,
         .what = plural(box.parked, "row", "rows") + " of " + name + " cannot be published, and hold back " +
                 "later rows of their keys",
         .since = box.oldest,
         .why = "the first: " + printable(box.why, 300),
         .help = {"skald topic list"}});
  } else if (box.unsent > 0 && is_old(box.oldest)) {
    add({.kind = "outbox-unsent",
         .subject = subject,
         .what = plural(box.unsent, "row", "rows") + " of " + name + " have not been published",
         .since = box.oldest,
         .why = "its relay does not run, or cannot reach the broker or its database",
         .help = {"skald status"}});
  } else if (!box.why.empty()) {
    add({.kind = "outbox-unknown",
         .subject = subject,
         .what = "nobody knows what waits in " + name,
         .why = printable(box.why, 300)});
  }
}

void diagnosis::look_at(const std::string& of, const health::breaker_report& breaker) {
  if (breaker.state == "closed" || breaker.state == "disabled") return;
  add({.kind = "breaker-open",
       .subject = of + " " + breaker.name,
       .what =
           "circuit breaker '" + breaker.name + "' of '" + of + "' is " + breaker.state +
           (breaker.state == "half_open" ? ": it lets a few calls through, to see" : ": calls are refused"),
       .since = breaker.since,
       .why =
           format_count(breaker.refused) + " calls were refused so far" +
           (breaker.state == "forced_open" ? "; it was forced open" : "; what it calls has failed too often"),
       .help = {"skald service list"}});
}

}  // namespace

std::vector<finding> diagnose(const observations& of, const doctor_limits& limits) {
  return diagnosis(of, limits).make();
}

}  // namespace skald::cli
