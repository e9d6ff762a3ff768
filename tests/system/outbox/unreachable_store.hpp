// A database that cannot be reached for a while.
#pragma once

#include <atomic>

#include "tests/system/outbox/store_decorator.hpp"

namespace skald::tests {

struct outage {
  std::atomic<int> refusals{3};
  std::atomic<int> reconnects{0};
};

class unreachable_store : public store_decorator {
 public:
  unreachable_store(outbox::store& of, outage* meets) : store_decorator(of), outage_(meets) {}
  void reconnect() override {
    if (outage_ != nullptr) ++outage_->reconnects;
  }

 private:
  void before(step which) override {
    if (outage_ == nullptr || which != step::begin || outage_->refusals == 0) return;
    --outage_->refusals;
    throw outbox::database_error(outbox::database_problem::unreachable, "08006", "it is down");
  }
  outage* outage_;
};

}  // namespace skald::tests
