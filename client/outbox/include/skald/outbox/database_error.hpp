// What a service's database says when it cannot do something.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>

namespace skald::outbox {

enum class database_problem : std::uint8_t {
  conflict,         // busy, deadlock or serialization failure: the same transaction may succeed if repeated
  unreachable,      // the connection is lost; what was not committed is undone
  unknown_outcome,  // the connection was lost while committing: it has happened or it has not
  other,
};

class database_error : public std::runtime_error {
 public:
  database_error(database_problem problem, std::string code, const std::string& message)
      : std::runtime_error(message), problem_(problem), code_(std::move(code)) {}
  database_problem problem() const noexcept { return problem_; }
  // The database's own: SQLSTATE of PostgreSQL, the number of an extended result code of SQLite.
  const std::string& code() const noexcept { return code_; }

 private:
  database_problem problem_;
  std::string code_;
};

}  // namespace skald::outbox
