#include "skald/saga/orchestrator.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>
#include <map>
#include <random>
#include <unordered_map>
#include <utility>

#include <skald/saga/engine.hpp>
#include <skald/saga/messages.hpp>
#include "client/saga/src/work_loop.hpp"

namespace skald::sagas {

namespace asio = boost::asio;

namespace {

timestamp now() {
  return std::chrono::time_point_cast<milliseconds>(std::chrono::system_clock::now());
}

tracing::lineage cause_of(const transition& made, const record& input) {
  return {.correlation_id = made.next.correlation, .causation_id = tracing::message_id_of(input)};
}

// Timers, and inboxes of participants, know it beside a saga's id and a step's name, in 240 bytes together.
std::string checked_name(std::string_view name) {
  constexpr std::size_t name_bytes_max = 70;
  if (name.empty() || name.size() > name_bytes_max)
    throw error(errc::invalid_settings,
                "the name of an orchestrator has 1 to 70 bytes: '" + std::string(name) + "'");
  return std::string(name);
}

[[noreturn]] void refuse_input() {
  throw error(errc::invalid_request, "it is no input of a saga");
}

std::uint64_t number_in(const std::string& digits) {
  std::uint64_t number = 0;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed != std::errc() || end != digits.data() + digits.size()) refuse_input();
  return number;
}

bool has_local_steps(const transition& made) {
  return std::ranges::any_of(made.effects,
                             [](const effect& one) { return std::holds_alternative<run_local>(one); });
}

// What an input says. Throws what is no event.
event event_in(const record& input, std::string_view kind) {
  const auto text = [&](std::string_view name) { return std::string(find_header(input, name).value_or("")); };
  if (kind == "reply")
    return replied{.command = text(headers::command_id),
                   .failed = find_header(input, headers::failed).has_value(),
                   .type = text(headers::reply),
                   .body = std::string(input.value().value_or(""))};
  if (kind == "timer") return alarm_rang{number_in(text(headers::timer))};
  if (kind == "order")
    if (const auto order = parse_order(input.value().value_or(""))) return ordered{*order};
  refuse_input();
}

}  // namespace

struct orchestrator::core : std::enable_shared_from_this<orchestrator::core> {
  core(client& to, std::string_view of, registry definitions, orchestrator_options with)
      : broker(to),
        name(checked_name(of)),
        sagas(sagas_topic(of)),
        inputs(inputs_topic(of)),
        known(std::move(definitions)),
        options(with),
        loop(std::make_shared<detail::work_loop>(to, inputs, std::string(orchestrator_queue),
                                                 with.concurrency)) {}

  // An instance as it is stored; version 0: there is none.
  struct known_instance {
    std::uint64_t version = 0;
    instance state;
  };
  // Why an input is not worked on now.
  struct later : std::runtime_error {
    using runtime_error::runtime_error;
  };

  asio::awaitable<void> handle(const delivery& input);
  asio::awaitable<bool> try_once(const delivery& input, const std::string& id, bool is_new);
  asio::awaitable<known_instance> load(const std::string& id, partition_id in);
  // What an input makes of an instance, before its local steps have run, and by which definition.
  struct decided {
    transition made;
    std::shared_ptr<const definition> of;
  };
  decided decide(const delivery& input, const known_instance& from, const std::string& id, timestamp at);
  asio::awaitable<void> run_locals(const delivery& input, decided& next, timestamp at,
                                   std::vector<outgoing>& records);
  commit effects_of(const delivery& input, const transition& made, std::uint64_t version,
                    const std::vector<outgoing>& records) const;
  void add_effects(commit& changes, const transition& made) const;
  void remember(const transition& made, std::uint64_t version);
  double random() { return std::uniform_real_distribution<>(0, 1)(generator); }

  client& broker;
  std::string name;
  std::string sagas;
  std::string inputs;
  registry known;
  orchestrator_options options;
  std::shared_ptr<detail::work_loop> loop;
  orchestrator_metrics counts;
  std::function<void(const instance&, std::string_view)> observer;
  local_runner runs_locals;
  std::unordered_map<std::string, known_instance> cache;  // never trusted: the version is expected
  std::minstd_rand generator{std::random_device{}()};
};

// ---- one input -------------------------------------------------------------------------------------------

asio::awaitable<void> orchestrator::core::handle(const delivery& input) {
  const auto self = shared_from_this();
  const std::string id(input.key().value_or(""));
  // A start that comes for the first time needs no look at what is stored, unless it does something at once
  // that cannot be taken back: the version expected says whether that was right.
  bool is_new = input.attempt() == 1 && find_header(input, headers::kind) == "start";
  const detail::work_loop::attempt once = [this, &input, &id, &is_new] {
    return try_once(input, id, std::exchange(is_new, false));
  };
  const bool settled = co_await loop->settle(input, once, "the instance is changed by others all the time");
  if (settled) co_return;
  ++counts.failures;
  cache.erase(id);
}

// False: the instance is another by now; look again.
asio::awaitable<bool> orchestrator::core::try_once(const delivery& input, const std::string& id,
                                                   bool is_new) {
  check_saga_id(id);
  const bool cached = cache.contains(id);
  const timestamp at = now();
  known_instance from;
  if (cached || !is_new) from = co_await load(id, input.partition());
  decided next = decide(input, from, id, at);
  if (!cached && is_new && runs_locals && has_local_steps(next.made)) {
    from = co_await load(id, input.partition());
    next = decide(input, from, id, at);
  }
  std::vector<outgoing> records;
  co_await run_locals(input, next, at, records);
  const transition& made = next.made;
  if (!made.changed && cached) {
    // Old news to what is remembered here may be news to what another has made of it since.
    cache.erase(id);
    co_return false;
  }
  if (!made.changed) {
    ++counts.duplicates;
    loop->queue().ack(input);
    co_return true;
  }
  commit changes = effects_of(input, made, from.version, records);
  try {
    co_await broker.commit(std::move(changes));
  } catch (const commit_refused& refused) {
    cache.erase(id);
    // Somebody else has the input now.
    if (refused.what_part() == commit_refused::part::delivery) co_return true;
    if (refused.code() != errc::version_conflict || refused.what_part() != commit_refused::part::append ||
        refused.index() != 0)
      throw;
    ++counts.conflicts;
    co_return false;
  }
  ++counts.transitions;
  counts.parked += made.next.phase == phase::parked && from.state.phase != phase::parked ? 1 : 0;
  counts.ended += is_final(made.next.phase) ? 1 : 0;
  remember(made, from.version + 1);
  if (observer) observer(made.next, made.happened);
  co_return true;
}

asio::awaitable<orchestrator::core::known_instance> orchestrator::core::load(const std::string& id,
                                                                             partition_id in) {
  if (const auto cached = cache.find(id); cached != cache.end()) {
    known_instance copy = cached->second;
    co_return copy;
  }
  known_instance made;
  std::optional<detail::stored_record> stored = co_await detail::read_newest(broker, sagas, id, in);
  if (stored) {
    made.version = stored->version;
    made.state = instance_of(stored->newest);
  }
  co_return made;
}

orchestrator::core::decided orchestrator::core::decide(const delivery& input, const known_instance& from,
                                                       const std::string& id, timestamp at) {
  const std::string_view kind = find_header(input, headers::kind).value_or("");
  if (kind == "start") {
    if (from.version > 0) return {{from.state, {}, {}, false}, nullptr};
    const std::string_view wanted = find_header(input, headers::definition).value_or("");
    const auto of = known.newest(wanted);
    if (!of) throw later("saga '" + std::string(wanted) + "' is not registered here");
    return {sagas::start(*of, id, std::string(input.value().value_or("")),
                         std::string(find_header(input, tracing::correlation_id_header).value_or("")), at,
                         random()),
            of};
  }
  const event what = event_in(input, kind);
  if (from.version == 0 || is_final(from.state.phase)) return {{from.state, {}, {}, false}, nullptr};
  const instance& state = from.state;
  const auto of = known.for_instance(state.definition, state.version);
  if (!of) {
    const std::string why = "saga '" + state.definition + "' version " +
                            std::to_string(state.version.number) + " is not registered with its orchestrator";
    if (input.attempt() <= options.unknown_version_attempts) throw later(why);
    return {hold(state, what, why, at), nullptr};
  }
  return {advance(*of, state, what, at, random()), of};
}

asio::awaitable<void> orchestrator::core::run_locals(const delivery& input, decided& next, timestamp at,
                                                     std::vector<outgoing>& records) {
  if (!has_local_steps(next.made)) co_return;
  const double by_chance = random();
  const std::function<void()> work = [&] {
    next.made = perform_locals(*next.of, std::move(next.made), at, by_chance, records);
  };
  if (!runs_locals) {
    work();
    co_return;
  }
  const tracing::lineage cause = cause_of(next.made, input);
  co_await runs_locals(cause, work);
}

// ---- one commit ------------------------------------------------------------------------------------------

commit orchestrator::core::effects_of(const delivery& input, const transition& made, std::uint64_t version,
                                      const std::vector<outgoing>& records) const {
  const instance& next = made.next;
  const std::string state = encode_state(next);
  const std::array with{header{headers::state, state}, header{headers::event, made.happened}};
  commit changes;
  changes.trace(cause_of(made, input));
  changes.acknowledge(input);
  changes.append(sagas, {.key = next.id, .value = next.data, .headers = with, .partition = input.partition()})
      .expect_version(version);
  add_effects(changes, made);
  for (const outgoing& one : records) changes.append(one.topic, {.key = one.key, .value = one.value});
  return changes;
}

void orchestrator::core::add_effects(commit& changes, const transition& made) const {
  const instance& next = made.next;
  // Cancelling comes before setting in a commit, whatever the order here: the last word on each timer counts.
  std::map<std::string, const set_alarm*> timers;
  for (const sagas::effect& one : made.effects) {
    if (const auto* sets = std::get_if<set_alarm>(&one)) timers[sets->step] = sets;
    if (const auto* cancels = std::get_if<cancel_alarm>(&one)) timers[cancels->step] = nullptr;
    const auto* sends = std::get_if<send_command>(&one);
    if (sends == nullptr) continue;
    std::vector<header> with{{headers::command, sends->type},
                             {headers::command_id, sends->id},
                             {headers::reply_to, inputs},
                             {tracing::message_id_header, sends->id}};
    if (!sends->compensates.empty()) with.push_back({headers::compensates, sends->compensates});
    changes.append(commands_topic(sends->participant),
                   {.key = next.id, .value = sends->body, .headers = with});
  }
  for (const auto& [step, sets] : timers) {
    const std::string timer = timer_owner(name, next.id) + "/" + step;
    if (sets == nullptr) {
      changes.cancel_timer(timer, commit::missing::fine);
      continue;
    }
    const std::string number = std::to_string(sets->number);
    const std::array with{header{headers::kind, "timer"}, header{headers::timer, number}};
    changes.set_timer(timer, sets->after, inputs, {.key = next.id, .value = step, .headers = with});
  }
}

void orchestrator::core::remember(const transition& made, std::uint64_t version) {
  if (is_final(made.next.phase)) {
    cache.erase(made.next.id);
    return;
  }
  if (cache.size() >= options.cached_instances && !cache.contains(made.next.id) && !cache.empty())
    cache.erase(cache.begin());
  if (options.cached_instances > 0) cache.insert_or_assign(made.next.id, known_instance{version, made.next});
}

// ---- the handle ------------------------------------------------------------------------------------------

orchestrator::orchestrator(client& broker, std::string_view name, registry definitions,
                           orchestrator_options options)
    : core_(std::make_shared<core>(broker, name, std::move(definitions), options)) {}
orchestrator::~orchestrator() {
  if (core_) close();
}
orchestrator::orchestrator(orchestrator&&) noexcept = default;
orchestrator& orchestrator::operator=(orchestrator&&) noexcept = default;

namespace {

// For tools, which do not know the program's definitions.
asio::awaitable<void> publish_definitions(client& broker, const std::string& topic, const registry& known) {
  for (const std::shared_ptr<const definition>& one : known.all()) {
    const std::string key = definition_key(one->name, one->version);
    const std::string drawn = to_mermaid(*one);
    std::string stored;
    try {
      const key_records found = co_await broker.read_key(topic, key, {.latest = true});
      for (const record& newest : found.records) stored = newest.value().value_or("");
    } catch (const error& why) {
      if (why.code() != errc::unknown_key) throw;
    }
    if (stored != drawn) co_await broker.publish(topic, {.key = key, .value = drawn});
  }
}

asio::awaitable<void> create_all(client& broker, std::string name, registry known, saga_topics settings) {
  const std::string sagas = sagas_topic(name);
  const std::string inputs = inputs_topic(name);
  const std::string definitions = definitions_topic(name);
  const std::vector<std::string> participants = known.participants();
  co_await detail::create_topic(broker, sagas, topic_index::key, settings);
  co_await detail::create_topic(broker, inputs, topic_index::none, settings);
  saga_topics of_inputs = settings;
  if (!of_inputs.max_attempts) of_inputs.max_attempts = std::numeric_limits<std::uint32_t>::max();
  co_await detail::create_queue(broker, inputs, orchestrator_queue, of_inputs);
  co_await detail::create_topic(broker, definitions, topic_index::key, {.partitions = settings.partitions});
  co_await publish_definitions(broker, definitions, known);
  for (const std::string& one : participants) co_await detail::create_participant(broker, one, settings);
}

asio::awaitable<bool> commit_start(client& broker, commit changes) {
  const committed done = co_await broker.commit(std::move(changes));
  co_return !done.appends.front().duplicate;
}

asio::awaitable<std::optional<instance>> find_instance(client& broker, std::string topic, std::string id) {
  try {
    const key_records found = co_await broker.read_key(topic, id, {.latest = true});
    for (const record& one : found.records)
      if (one.key() == id) co_return instance_of(one);
  } catch (const error& why) {
    if (why.code() != errc::unknown_key) throw;
  }
  co_return std::nullopt;
}

}  // namespace

asio::awaitable<void> orchestrator::create(saga_topics settings) {
  return create_all(core_->broker, core_->name, core_->known, settings);
}

void orchestrator::add_start(commit& within, std::string_view saga, std::string_view id,
                             std::string_view data, std::string_view correlation) const {
  check_saga_id(id);
  const std::vector<header> with =
      start_headers(saga, id, correlation, !within.traced().correlation_id.empty());
  within.append(core_->inputs, {.key = id, .value = data, .headers = with}).message_id(start_message_id(id));
}

asio::awaitable<bool> orchestrator::start_bytes(std::string_view saga, std::string_view id,
                                                std::string_view data, std::string_view correlation) {
  commit changes;
  add_start(changes, saga, id, data, correlation);
  return commit_start(core_->broker, std::move(changes));
}

asio::awaitable<std::optional<instance>> orchestrator::find(std::string id) {
  return find_instance(core_->broker, core_->sagas, std::move(id));
}

asio::awaitable<void> orchestrator::run() {
  return core_->loop->run([core = core_](const delivery& input) { return core->handle(input); });
}

void orchestrator::close() {
  core_->loop->close();
}

orchestrator_metrics orchestrator::metrics() const {
  return core_->counts;
}

void orchestrator::run_locals_by(local_runner runner) {
  core_->runs_locals = std::move(runner);
}

void orchestrator::on_transition(std::function<void(const instance&, std::string_view)> observer) {
  core_->observer = std::move(observer);
}

}  // namespace skald::sagas
