#include "broker/base/clock.hpp"

namespace skald {

namespace {

class machine_wall_clock final : public wall_clock {
 public:
  timestamp now() const override {
    return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  }
};

}  // namespace

wall_clock& system_wall_clock() {
  static machine_wall_clock clock;
  return clock;
}

}  // namespace skald
