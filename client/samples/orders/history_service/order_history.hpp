// The order history: what customers have ordered and what came of it, as a view of what the other services
// say has happened.
#pragma once

#include <filesystem>
#include <optional>
#include <skald/eventsourcing/projection.hpp>
#include <skald/outbox/sqlite_statement.hpp>
#include <skald/outbox/sqlite_store.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace shop {

// The side that is written. Customers and orders say what they say independently: an order may be known
// before its customer is.
class order_history final : public skald::eventsourcing::read_model {
 public:
  explicit order_history(sqlite3* connection);
  void apply(const skald::record& event) override;

 private:
  using statement = skald::outbox::sqlite_statement;
  void move(std::string_view order, std::string_view state, std::string_view reason);

  sqlite3* connection_;
  statement add_customer_, add_order_, move_order_;
};

struct order_line {
  std::string order;
  std::int64_t amount = 0;
  std::string state;
  std::string reason;
};

struct customer_history {
  std::string name;
  std::int64_t limit = 0;
  std::vector<order_line> orders;  // in the order in which they became known
};

// The side that is read, from a file of it.
class history_reader {
 public:
  explicit history_reader(const std::filesystem::path& file);
  // nullopt: there is no such customer, as far as is known by now.
  std::optional<customer_history> find(std::string_view customer);

 private:
  using statement = skald::outbox::sqlite_statement;
  skald::outbox::sqlite_store file_;  // for how it opens
  statement customer_, orders_;
};

}  // namespace shop
