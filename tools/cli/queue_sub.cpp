#include "tools/cli/queue_sub.hpp"

#include <unistd.h>

#include <mutex>

#include "tools/cli/interrupts.hpp"
#include "tools/cli/output.hpp"
#include "tools/cli/progress.hpp"
#include "tools/cli/queue_output.hpp"

namespace skald::cli {
namespace {

// With --no-follow: nothing for so long means that nothing is ready.
constexpr milliseconds silence{300};

class worker {
 public:
  worker(const global_options& globals, const queue_sub_options& options)
      : options_(options), progress_(progress::wanted(globals.quiet, true), "received") {}

  // Until the count is reached, nothing is left, or the queue is closed. Only what was written is
  // acknowledged.
  void run(blocking_queue& from) {
    while (!counted()) {
      deliveries some = next(from);
      if (some.empty()) break;
      std::size_t written = 0;
      while (written < some.size() && !counted()) write(some[written++]);
      output_.flush();
      for (std::size_t i = written; i < some.size(); ++i) from.release(some[i]);
      some.resize(written);
      from.ack(some);
      progress_.update(received_, bytes_);
    }
    from.flush();
  }

 private:
  bool counted() const { return options_.count && received_ >= *options_.count; }

  deliveries next(blocking_queue& from) {
    if (options_.follow) return from.receive();
    return from.receive_for(silence).value_or(deliveries());
  }

  void write(const delivery& one) {
    record_.partition = one.partition();
    record_.offset = one.offset();
    record_.timestamp = one.time();
    record_.key = one.key();
    record_.value = one.value();
    record_.headers.clear();
    for (const header& each : one.headers()) record_.headers.push_back(each);
    options_.format.append(output_.bytes(), options_.topic, record_);
    output_.written();
    ++received_;
    bytes_ += record_.value ? record_.value->size() : 0;
  }

  const queue_sub_options& options_;
  progress progress_;
  output_buffer output_{STDOUT_FILENO};
  output_record record_;
  std::uint64_t received_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace

exit_code take_from_queue(const global_options& globals, queue_sub_options options) {
  // The queue is set before the handler may run, and closed from the handler's thread.
  blocking_queue from;
  std::mutex mutex;  // guards `open`: whether `from` may be closed
  bool open = false;
  interrupts stopping(
      [&] {
        const std::lock_guard lock(mutex);
        if (open) from.close();
      },
      true);
  blocking_client broker = connect(globals);
  const queue_target target{options.topic, options.queue};
  auto opened = about_queue(target, [&] {
    return broker.open_queue(options.topic, options.queue,
                             {.prefetch = options.prefetch, .create = options.create});
  });
  {
    const std::lock_guard lock(mutex);
    from = std::move(opened);
    open = true;
  }
  try {
    if (!stopping.reason()) worker(globals, options).run(from);
  } catch (const error& failed) {
    if (failed.code() != errc::closed || !stopping.reason()) throw;
  }
  {
    const std::lock_guard lock(mutex);
    open = false;
  }
  return stopping.reason().value_or(exit_code::ok);
}

}  // namespace skald::cli
