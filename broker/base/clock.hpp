// Wall-clock time as a parameter, so that tests can step it forwards and backwards.
#pragma once

#include "skald/protocol/types.hpp"

namespace skald {

class wall_clock {
 public:
  virtual ~wall_clock() = default;
  virtual timestamp now() const = 0;
};

wall_clock& system_wall_clock();

}  // namespace skald
