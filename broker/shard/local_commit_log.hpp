// The commit log of a shard without replicas: an entry is committed when the shard's own journal has fsynced
// it.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/base/executor.hpp"
#include "broker/journal/journal.hpp"
#include "broker/shard/commit_log.hpp"

namespace skald::shard {

class local_commit_log final : public commit_log, private journal::listener {
 public:
  // Starts the journal, which has been replayed, and reports to `reports` on `runs_on`. Destroyed on
  // `runs_on`, or after that has run its last task; it stops the journal and reports nothing more.
  local_commit_log(journal::journal& to, journal::driven_by driver, executor& runs_on,
                   commit_log::listener& reports, std::function<void(const std::string&)> fatal);
  ~local_commit_log() override;

  std::error_code propose(std::vector<journal::new_entry> entries, journal::urgency how) override;

 private:
  void on_durable(std::vector<journal::durable_entry> group) override;
  void on_space() override;
  void on_fatal(const std::string& why) override;
  void commit(const std::vector<journal::durable_entry>& group);
  void commit_when_idle();

  struct proposed {
    journal::entry_kind kind;
    std::vector<std::byte> head;
  };

  journal::journal& journal_;
  executor& runs_on_;
  commit_log::listener& reports_;
  std::function<void(const std::string&)> fatal_;
  std::deque<proposed> proposed_;  // not yet durable
  bool will_look_ = false;         // at what the journal leaves to its owner
  // What was posted to the executor and outlives this looks here first.
  std::shared_ptr<local_commit_log*> self_ = std::make_shared<local_commit_log*>(this);
};

}  // namespace skald::shard
