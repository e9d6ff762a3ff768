#include <skald/subscription.hpp>

#include <utility>

#include "client/src/subscriber.hpp"

namespace skald {

subscription::subscription() = default;
subscription::subscription(std::shared_ptr<detail::subscriber> core) : core_(std::move(core)) {}

subscription::~subscription() {
  if (core_) core_->abandon();
}

subscription::subscription(subscription&&) noexcept = default;

subscription& subscription::operator=(subscription&& other) noexcept {
  if (core_ && this != &other) core_->abandon();
  core_ = std::move(other.core_);
  return *this;
}

detail::operation<records> subscription::prepare_receive(call_options options) {
  return {core_->get_executor(), [core = core_, options](detail::completion<records> done) {
            std::optional<detail::steady_time> deadline;
            if (options.timeout) deadline = std::chrono::steady_clock::now() + *options.timeout;
            core->receive(deadline, std::move(done));
          }};
}

std::optional<records> subscription::try_receive() {
  return core_->try_receive();
}

detail::operation<> subscription::prepare_seek(std::span<const partition_start> to, call_options options) {
  return {core_->get_executor(), [core = core_, options, to = core_->core().resolve({to.begin(), to.end()})](
                                     detail::completion<> done) {
            core->seek(to, {}, core->connection().deadline(options.timeout), std::move(done));
          }};
}

detail::operation<> subscription::prepare_seek_all(start_point to, call_options options) {
  return {core_->get_executor(), [core = core_, options, to](detail::completion<> done) {
            core->seek(std::vector<detail::placed_start>(), to, core->connection().deadline(options.timeout),
                       std::move(done));
          }};
}

detail::operation<> subscription::prepare_commit(std::string_view topic, partition_id partition, offset next,
                                                 call_options options) {
  return {core_->get_executor(), [core = core_, options, at = core_->core().place(topic, partition),
                                  next](detail::completion<> done) {
            core->commit(at, next, core->connection().deadline(options.timeout), std::move(done));
          }};
}

detail::operation<> subscription::prepare_leave(call_options options) {
  return {core_->get_executor(), [core = core_, options](detail::completion<> done) {
            core->leave(core->connection().deadline(options.timeout), std::move(done));
          }};
}

bool subscription::is_member() const {
  return core_->core().is_member();
}

std::string_view subscription::topic() const {
  return *core_->core().topic();
}

std::vector<partition_position> subscription::positions() const {
  return core_->core().positions();
}

void subscription::close() {
  core_->close();
}

}  // namespace skald
